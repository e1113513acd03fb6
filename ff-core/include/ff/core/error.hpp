#pragma once
// The one error vocabulary. An expected outcome is a value, never an exception; pick the code by
// what the caller does next.

#include <cstdint>
#include <string>
#include <string_view>

namespace ff::core {

// What the caller should do next. Enumerators are spelled as on the wire and in JSON.
enum class Code : std::uint8_t {
  // Fix the call: a field is unknown, missing or impossible. Nothing was written.
  invalid_argument,
  // No such thing in this namespace (a foreign id answers the same).
  not_found,
  // It exists in a state that does not allow this (already finished, other body, paused).
  conflict,
  // Stop working on it: the lease is not the current one. Nothing was written.
  stale_lease,
  // A limit is reached (store or lane full, queue bound). Retry after `retry_after_ms`.
  exhausted,
  // The store cannot serve now and did not run the call. Retry with backoff.
  unavailable,
  // The call may or may not have run. Repeat it with the same ids, or read before acting.
  unknown_outcome,
  // Credentials are missing or wrong.
  unauthenticated,
  // Credentials are good, the right is missing.
  permission_denied,
  // Versions or settings do not fit: wrong server, other partition count, newer library.
  incompatible,
  // Stored data or a reply is not what it must be. An alarm, not a user error.
  corrupt,
  // The caller gave up, or the object is closing.
  cancelled,
  // A bug of ours.
  internal,
};

std::string_view to_string(Code code) noexcept;

struct Error {
  Code code = Code::internal;
  // Stable word for programs: a verb's refusal ("stale_lease") or a cause ("deadline", "oom").
  std::string reason;
  // One sentence for the person who reads it: what was wrong, with which value, what to do.
  std::string message;
  std::int64_t retry_after_ms = 0;  // 0: no hint.

  Error() = default;
  Error(Code c, std::string r, std::string m, std::int64_t retry_ms = 0)
      : code(c), reason(std::move(r)), message(std::move(m)), retry_after_ms(retry_ms) {}

  // "invalid_argument/bad_priority: priority is 9001, allowed are 0 to 9000"
  std::string to_string() const;

  friend bool operator==(const Error&, const Error&) = default;
};

}  // namespace ff::core
