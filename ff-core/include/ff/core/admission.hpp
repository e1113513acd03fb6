#pragma once
// Quotas and budgets: what limits how much runs, starts and is consumed at once. Both are named within a namespace,
// live on the partition that is their home (Keyspace::home_of_limit), and limit nothing until they are defined.
// Thread safety: pure functions.

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/result.hpp"
#include "ff/core/time.hpp"

namespace ff::core {

enum class LimitKind : std::uint8_t { quota, budget };
std::string_view to_string(LimitKind kind) noexcept;

struct LimitName {
  LimitKind kind = LimitKind::quota;
  std::string name;
  LimitName() = default;
  LimitName(LimitKind k, std::string n) : kind(k), name(std::move(n)) {}
  friend auto operator<=>(const LimitName&, const LimitName&) = default;
};

// 1 to 64 characters: letters, digits, '.', '_', ':', '@', '/', '-', the first a letter or digit. Error:
// invalid_argument/bad_limit_name.
Result<void> validate_limit_name(std::string_view value, std::string_view field = "name");
// Of a quota that users set, steer or require: the same, and not "lane:…", which are the caps of lanes. Error:
// invalid_argument/bad_limit_name.
Result<void> validate_quota_name(std::string_view value, std::string_view field = "name");
// The quota that is a lane's concurrency cap (LanePolicy::concurrency): defined by the lane's record alone.
std::string cap_quota(std::string_view lane);

// How much of each dimension: whole units of the user's own, so money in its smallest coin. A dimension is 1 to 32
// characters: a-z, 0-9, '_', the first a letter; an amount 0 to 10^15.
using Amounts = std::map<std::string, std::int64_t>;
// At most 8 dimensions. Error: invalid_argument/bad_amounts.
Result<void> validate(const Amounts& amounts, std::string_view field);
Amounts difference(const Amounts& from, const Amounts& less);  // What is in `from` beyond `less`.
std::string to_wire(const Amounts& amounts);  // "tokens=100,usd=5", without zeros.
Result<Amounts> amounts_from_wire(std::string_view text);  // Error: corrupt/bad_reply.

struct Quota {
  std::optional<std::int64_t> concurrency;  // Executions that may run at once, 0 or more; unset: any number.
  std::int64_t rate = 0;                    // Starts in `period`, 1 to a million; 0: any number.
  Millis period{1000};                      // 1 ms to a day.
  // Starts that can be saved up, at least 1: within any time L at most burst + L * rate / period are granted.
  // A worker begins what was granted within 0.2 s, or returns it.
  std::int64_t burst = 1;
  Quota() = default;
};
// Error: invalid_argument/bad_quota.
Result<void> validate(const Quota& quota);

// What becomes of a running execution whose report met the hard limit, unless it completes all the same.
enum class OnBreach : std::uint8_t {
  fail,     // The attempt fails as `budget_exceeded`.
  suspend,  // It is given back until the budget's next reset; without one it fails.
};
std::string_view to_string(OnBreach on_breach) noexcept;
// Error: invalid_argument/bad_on_breach; also for "cancel_flow", which needs flows.
Result<OnBreach> on_breach_from(std::string_view text, std::string_view field = "on_breach");

enum class ResetEvery : std::uint8_t { never, hour, day, week, month };  // A week begins on Monday.
std::string_view to_string(ResetEvery every) noexcept;
Result<ResetEvery> reset_every_from(std::string_view text, std::string_view field = "every");  // Error: bad_reset.

struct BudgetLimit {
  std::optional<std::int64_t> soft, hard;  // 0 to 10^15, soft at most hard; unset: none.
  BudgetLimit() = default;
};

struct Budget {
  std::map<std::string, BudgetLimit> dimensions;  // 1 to 8.
  ResetEvery reset = ResetEvery::never;           // At the beginning of each by the clocks of `zone`.
  std::string zone = "UTC";                       // A name of the IANA time zone database, such as Europe/Berlin.
  std::string parent;                             // Reservations and use count there as well; empty: none.
  OnBreach on_breach = OnBreach::fail;
  Budget() = default;
};
// Whether the zone exists is not looked at. Error: invalid_argument/bad_budget.
Result<void> validate(const Budget& budget);

// What an execution needs of a limit before it may start: `unit` of a budget, or one slot and one start of a quota.
struct Need {
  LimitName limit;
  Amounts unit;
  Need(LimitName l, Amounts u) : limit(std::move(l)), unit(std::move(u)) {}
  friend bool operator==(const Need&, const Need&) = default;
};

// The limited terms of requirements (ARCHITECTURE.md "Routes"): "#<quota>" and "$<budget>?<dimension>=<amount>&…".
std::string quota_term(std::string_view quota);
std::string budget_term(std::string_view budget, const Amounts& estimate);
// Whether there is such a term, at the price of a look.
bool limited(std::string_view requirements) noexcept;
// In the order of the limits' names. A term that cannot be read needs nothing.
std::vector<Need> needs_of(std::string_view requirements);

}  // namespace ff::core
