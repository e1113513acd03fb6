#pragma once
// KeyRing: the keys that sign waitpoint tokens. One signs; older ones only verify, until their grace is over; revoked
// ones do neither. A value without I/O: a change answers another ring.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/result.hpp"
#include "ff/core/secret.hpp"
#include "ff/core/time.hpp"

namespace ff::core {

enum class KeyState : std::uint8_t { active, verify_only, revoked };
std::string_view to_string(KeyState state) noexcept;

struct RingKey {
  std::string kid;  // 8 characters of a-z and 0-9.
  KeyState state = KeyState::active;
  TimestampMs created_at = 0;
  TimestampMs until = 0;  // Of a verify_only one: from then on it counts as unknown.
  Secret secret;          // 32 random bytes; empty once revoked.
  RingKey() = default;
};

// Thread safety: immutable.
class KeyRing {
 public:
  KeyRing() = default;  // Of no key: nothing can be signed or verified.
  // One new active key.
  static KeyRing make(TimestampMs now);

  const std::vector<RingKey>& keys() const noexcept { return keys_; }  // The active one first, then newest first.
  // Precondition: not empty.
  const RingKey& active() const { return keys_.front(); }
  // The key that may verify now: null when it is unknown, revoked, or its grace is over.
  const RingKey* find(std::string_view kid, TimestampMs now) const noexcept;

  // A new active key; the old one verifies for `grace` longer (0: not at all). Forgets keys whose grace is over, and
  // the oldest revoked one beyond 16. Error: exhausted/too_many_keys when 16 are in use.
  Result<KeyRing> rotated(TimestampMs now, Millis grace) const;
  // Errors: not_found/no_such_key, conflict/active_key (rotate first).
  Result<KeyRing> revoked(std::string_view kid) const;

  // At rest: encrypted under a key derived from `secret`, bound to what it belongs to.
  std::string sealed(const Secret& secret, std::string_view bound) const;
  // Error: permission_denied/other_secret: sealed under another secret or for something else, or damaged.
  static Result<KeyRing> unsealed(const Secret& secret, std::string_view sealed, std::string_view bound);

 private:
  std::vector<RingKey> keys_;
};

}  // namespace ff::core
