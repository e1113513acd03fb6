#pragma once
// How an execution is retried, timed out and kept. A field that is accepted is honoured; one that
// cannot be is refused by name. An unset field means the default written beside it. Thread safety:
// values and pure functions.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/failure_class.hpp"
#include "ff/core/result.hpp"
#include "ff/core/time.hpp"

namespace ff::core {

// How the delay before a retry grows. Enumerators are spelled as on the wire, except
// explicit_delays: "explicit".
enum class RetryStrategy : std::uint8_t {
  fixed,            // delay, every time
  linear,           // delay * failures
  exponential,      // delay * factor^(failures - 1)
  explicit_delays,  // delays[failures - 1], the last one repeated
};
std::string_view to_string(RetryStrategy strategy) noexcept;
// Error: invalid_argument/bad_policy.
Result<RetryStrategy> parse_retry_strategy(std::string_view text,
                                           std::string_view field = "retry.strategy");

// What is kept of an execution. Enumerators are spelled as on the wire.
enum class Mode : std::uint8_t {
  record,  // A history, and everything until the retention has passed.
  lean,    // No history; deleted at its end.
};
std::string_view to_string(Mode mode) noexcept;
// Error: invalid_argument/bad_policy.
Result<Mode> parse_mode(std::string_view text, std::string_view field = "mode");

// The defaults, used where a field is unset.
namespace policy_default {
inline constexpr RetryStrategy kRetryStrategy = RetryStrategy::exponential;
inline constexpr Millis kRetryDelay{1'000};
inline constexpr double kRetryFactor = 2.0;
inline constexpr Millis kRetryMaxDelay{300'000};
inline constexpr double kRetryJitter = 0.1;
inline constexpr std::int64_t kRetryMaxAttempts = 3;
// Applies when neither `only` nor `never` is set: these will not go better the next time.
inline constexpr std::array kRetryNever = {failure_class::kInvalidInput, failure_class::kNotFound,
                                           failure_class::kPermission, failure_class::kCancelled};
inline constexpr std::int64_t kCrashMax = 3;
inline constexpr Millis kCrashDelay{1'000};
inline constexpr Millis kCrashMaxDelay{60'000};
inline constexpr Millis kAttemptTimeout{0};          // none
inline constexpr Millis kRetention{24 * 3'600'000};  // a day
inline constexpr Mode kMode = Mode::record;
}  // namespace policy_default

// What follows a failed attempt. See retry_delay() and may_retry().
struct RetryPolicy {
  std::optional<RetryStrategy> strategy;
  std::optional<Millis> delay;      // 0 (at once) to ten years. Not with explicit_delays.
  std::optional<double> factor;     // 1 to 100. Only with exponential.
  std::optional<Millis> max_delay;  // 1 ms to ten years; not below `delay` or any of `delays`.
  // 1 to 64 entries of 0 to ten years. Only, and always, with explicit_delays.
  std::optional<std::vector<Millis>> delays;
  std::optional<double> jitter;  // 0 (none) to 1: the share of the delay that chance adds or takes.
  std::optional<std::int64_t> max_attempts;  // 1 (never retry) to 1000, the first attempt included.
  std::optional<std::vector<std::string>> only;  // 1 to 32 classes: no other is retried.
  // 0 to 32 classes that are not retried. Empty: every class is retried.
  std::optional<std::vector<std::string>> never;

  RetryPolicy() = default;
  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

// What follows a crash: a lease that ran out. Crashes are counted apart from failures.
struct CrashPolicy {
  // 0 to 1000 crashes are survived; the next one fails the execution as `crash`.
  std::optional<std::int64_t> max;
  std::optional<Millis> delay;      // 0 (at once) to ten years: the wait after the second crash.
  std::optional<Millis> max_delay;  // 1 ms to ten years; not below `delay`.

  CrashPolicy() = default;
  friend bool operator==(const CrashPolicy&, const CrashPolicy&) = default;
};

struct Policy {
  RetryPolicy retry;
  CrashPolicy crash;
  // 0 (none) to ten years. An attempt that takes longer fails as `timeout`.
  std::optional<Millis> attempt_timeout;
  // How long a finished execution stays: 0 (deleted as soon as it is due) to ten years.
  std::optional<Millis> retention;
  std::optional<Mode> mode;

  Policy() = default;
  friend bool operator==(const Policy&, const Policy&) = default;
};

// Refuses a field that is out of range, that does not belong to the strategy (an unset strategy is
// exponential), or that contradicts another one: a delay above the cap, unset or not, or a class in
// both `only` and `never`. The message names the field as on the wire, its value and what is
// allowed. Of several wrong fields the first one found is named. Error:
// invalid_argument/bad_policy.
Result<void> validate(const Policy& policy);

// The policy as canonical JSON: only the fields that are set, in declared order, no spaces,
// integers for milliseconds, the shortest text that reads back as the same number; "" when nothing
// is set. Equal policies give equal bytes. Names:
//
//   {"retry":{"strategy","delay_ms","factor","max_delay_ms","delays_ms","jitter","max_attempts",
//             "only","never"},
//    "crash":{"max","delay_ms","max_delay_ms"},
//    "attempt_timeout_ms","retention_ms","mode"}
//
// Precondition: validate(policy) accepts it.
std::string to_wire(const Policy& policy);

// How long to wait before the retry after failure number `failures_so_far` (1 is the first; less
// counts as 1):
//
//   fixed:       d = delay
//   linear:      d = delay * failures
//   exponential: d = delay * factor^(failures - 1), 0 when delay is 0
//   explicit:    d = delays[min(failures, entries) - 1]
//   then         d = min(d, max_delay)
//   then         d = d * (1 + jitter * (2 * random01 - 1)), rounded down, never below 0
//
// in milliseconds, all in doubles, in this order. Jitter comes after the cap, so a delay may exceed
// max_delay by the jitter's share. `random01` is in [0, 1]. Precondition: validate() accepts the
// policy.
Millis retry_delay(const RetryPolicy& policy, std::int64_t failures_so_far, double random01);

// Whether a failure of this class, the `failures_so_far`-th counted one (itself included), is
// followed by another attempt: failures_so_far < max_attempts, the class is in `only` if that is
// set, and not in `never`. The default of `never` holds only while `only` is unset, so that naming
// a class in `only` always retries it.
bool may_retry(const RetryPolicy& policy, std::string_view failure_class,
               std::int64_t failures_so_far);

// How long to wait after crash number `crashes_so_far`: not at all after the first, because most
// crashes are a worker's and not the task's; then min(delay * 2^(crashes - 2), max_delay). Without
// jitter.
Millis crash_delay(const CrashPolicy& policy, std::int64_t crashes_so_far);

}  // namespace ff::core
