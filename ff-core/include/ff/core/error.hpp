#pragma once
// The one error vocabulary. An expected outcome is a value, never an exception; pick the code by what the caller does next.

#include <cstdint>
#include <string>
#include <string_view>

namespace ff::core {

// What the caller should do next. Enumerators are spelled as on the wire and in JSON.
enum class Code : std::uint8_t {
  invalid_argument,   // Fix the call: a field is unknown, missing or impossible. Nothing was written.
  not_found,          // No such thing in this namespace (a foreign id answers the same).
  conflict,           // The thing exists in a state that does not allow this (already finished, other body, paused).
  stale_lease,        // Stop working on it: the lease is not the current one. Nothing was written.
  exhausted,          // A limit is reached (store full, lane full, queue bound). Retry after `retry_after_ms`.
  unavailable,        // The store cannot serve now and did not run the call. Retry with backoff.
  unknown_outcome,    // The call may or may not have run. Repeat it with the same ids, or read before acting.
  unauthenticated,    // Credentials are missing or wrong.
  permission_denied,  // Credentials are good, the right is missing.
  incompatible,       // Versions or settings do not fit: wrong server, other partition count, newer library.
  corrupt,            // Stored data or a reply is not what it must be. An alarm, not a user error.
  cancelled,          // The caller gave up, or the object is closing.
  internal,           // A bug of ours.
};

std::string_view to_string(Code code) noexcept;

struct Error {
  Code code = Code::internal;
  std::string reason;   // Stable word for programs: a verb's refusal ("stale_lease") or a cause ("deadline", "oom").
  std::string message;  // One sentence for the person who reads it: what was wrong, with which value, what to do.
  std::int64_t retry_after_ms = 0;  // 0: no hint.

  Error() = default;
  Error(Code c, std::string r, std::string m, std::int64_t retry_ms = 0)
      : code(c), reason(std::move(r)), message(std::move(m)), retry_after_ms(retry_ms) {}

  // "invalid_argument/bad_priority: priority is 9001, allowed are 0 to 9000"
  std::string to_string() const;

  friend bool operator==(const Error&, const Error&) = default;
};

}  // namespace ff::core
