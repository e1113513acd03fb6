#include "ff/core/key_ring.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "ff/core/crypto.hpp"
#include "ff/core/limits.hpp"

namespace ff::core {
namespace {

constexpr std::array<std::string_view, 3> kKeyStates = {"active", "verify_only", "revoked"};
constexpr std::string_view kSealPurpose = "ff key ring 1";
constexpr std::size_t kKidChars = 8, kSecretBytes = 32;

std::string new_kid() {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz012345";
  std::string kid = random_bytes(kKidChars);
  for (char& c : kid) c = kAlphabet[static_cast<unsigned char>(c) % kAlphabet.size()];
  return kid;
}

RingKey new_key(TimestampMs now) {
  RingKey key;
  key.kid = new_kid();
  key.created_at = now;
  key.secret = Secret(random_bytes(kSecretBytes));
  return key;
}

// The plain text is lines of words and, behind each, the key's bytes: they can be any.
std::string line_of(const RingKey& key) {
  std::string line(kKeyStates.at(static_cast<std::size_t>(key.state)));
  line += ' ' + key.kid + ' ' + std::to_string(key.created_at) + ' ' + std::to_string(key.until) + ' ';
  return line + std::to_string(key.secret.reveal().size()) + '\n' + key.secret.reveal();
}

std::optional<std::string_view> take(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view word = text.substr(0, at);
  text.remove_prefix(at + 1);
  return word;
}

std::optional<std::int64_t> take_number(std::string_view& text, char end) {
  const auto word = take(text, end);
  std::int64_t number = 0;
  if (!word) return std::nullopt;
  const auto parsed = std::from_chars(word->data(), word->data() + word->size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != word->data() + word->size() || number < 0) return std::nullopt;
  return number;
}

std::optional<RingKey> take_key(std::string_view& text) {
  const auto word = take(text, ' ');
  const auto kid = take(text, ' ');
  const auto created = take_number(text, ' ');
  const auto until = take_number(text, ' ');
  const auto size = take_number(text, '\n');
  if (!word || !kid || !created || !until || !size || static_cast<std::size_t>(*size) > text.size()) return {};
  const auto state = std::find(kKeyStates.begin(), kKeyStates.end(), *word);
  if (state == kKeyStates.end()) return {};
  RingKey key;
  key.kid = std::string(*kid);
  key.state = static_cast<KeyState>(state - kKeyStates.begin());
  key.created_at = *created;
  key.until = *until;
  key.secret = Secret(std::string(text.substr(0, static_cast<std::size_t>(*size))));
  text.remove_prefix(static_cast<std::size_t>(*size));
  return key;
}

}  // namespace

std::string_view to_string(KeyState state) noexcept { return kKeyStates[static_cast<std::size_t>(state) % 3]; }

KeyRing KeyRing::make(TimestampMs now) {
  KeyRing ring;
  ring.keys_.push_back(new_key(now));
  return ring;
}

const RingKey* KeyRing::find(std::string_view kid, TimestampMs now) const noexcept {
  for (const RingKey& key : keys_) {
    if (key.kid != kid) continue;
    const bool verifies = key.state == KeyState::active || (key.state == KeyState::verify_only && now < key.until);
    return verifies ? &key : nullptr;
  }
  return nullptr;
}

Result<KeyRing> KeyRing::rotated(TimestampMs now, Millis grace) const {
  KeyRing next;
  next.keys_.push_back(new_key(now));
  for (const RingKey& old : keys_) {
    RingKey key = old;
    if (key.state == KeyState::active) {
      key.state = KeyState::verify_only;
      key.until = now + grace.count();
    }
    if (key.state == KeyState::verify_only && key.until <= now) continue;
    next.keys_.push_back(std::move(key));
  }
  if (next.keys_.size() > limits::kRingKeysMax) {
    const auto oldest = std::find_if(next.keys_.rbegin(), next.keys_.rend(),
                                     [](const RingKey& key) { return key.state == KeyState::revoked; });
    if (oldest == next.keys_.rend()) {
      return Error(Code::exhausted, "too_many_keys",
                   "16 keys are in use; revoke one, or wait until the grace of the oldest is over");
    }
    next.keys_.erase(std::next(oldest).base());
  }
  return next;
}

Result<KeyRing> KeyRing::revoked(std::string_view kid) const {
  KeyRing next = *this;
  for (RingKey& key : next.keys_) {
    if (key.kid != kid) continue;
    if (key.state == KeyState::active) {
      return Error(Code::conflict, "active_key", "key " + key.kid + " signs new tokens; rotate first");
    }
    key.state = KeyState::revoked;
    key.secret = Secret();
    return next;
  }
  return Error(Code::not_found, "no_such_key", "there is no key of this kid");
}

std::string KeyRing::sealed(const Secret& secret, std::string_view bound) const {
  std::string text;
  for (const RingKey& key : keys_) text += line_of(key);
  const Secret plain(std::move(text));
  return seal(derive_key(secret, kSealPurpose), plain.reveal(), bound);
}

Result<KeyRing> KeyRing::unsealed(const Secret& secret, std::string_view sealed, std::string_view bound) {
  const auto plain = unseal(derive_key(secret, kSealPurpose), sealed, bound);
  if (!plain) {
    return Error(Code::permission_denied, "other_secret",
                 "the key ring was sealed with another FF_WAITPOINT_HMAC_SECRET, or it is damaged");
  }
  std::string_view text = plain->reveal();
  KeyRing ring;
  while (!text.empty()) {
    auto key = take_key(text);
    if (!key) return Error(Code::corrupt, "bad_key_ring", "the key ring was sealed by a program of another form");
    ring.keys_.push_back(std::move(*key));
  }
  if (ring.keys_.empty() || ring.keys_.front().state != KeyState::active) {
    return Error(Code::corrupt, "bad_key_ring", "the key ring has no active key");
  }
  return ring;
}

}  // namespace ff::core
