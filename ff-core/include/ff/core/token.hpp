#pragma once
// Waitpoint tokens: the signed right to signal one waitpoint, for people and systems that have no other credentials.
//
//   ffw1.<kid>.<claims>[.<narrowing>...].<mac>
//
// Parts are unpadded base64url but for the first two; there is one spelling of every token, all else is malformed. The
// mac of a token without narrowings is HMAC-SHA256 of everything before it under a key that derive_key makes, for this
// namespace, of the ring's key. A holder narrows a token without any key: its mac becomes the key of the next one,
// which covers everything before it again, and is thrown away; so what was narrowed cannot be widened.
// tests/vectors/tokens.txt holds tokens with their keys.
//
// Claims (numbers big endian, a text is a length byte and as many bytes):
//   flags: 2 names, 4 source, 8 digest, 16 reusable; text execution, waitpoint, namespace; u64 not before, u64 expires
//   at; 8 bytes nonce; then what the flags announce: count byte and ascending texts; text source; 32 bytes digest.
// A narrowing: flags: 1 expires at, 2 names, 8 digest, at least one; then those, as above.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/ids.hpp"
#include "ff/core/key_ring.hpp"
#include "ff/core/result.hpp"
#include "ff/core/sha256.hpp"
#include "ff/core/time.hpp"

namespace ff::core {

struct TokenClaims {
  ExecutionId execution;
  std::string waitpoint;       // "<step>.<label>": so a token is for one suspension. 1 to 128 bytes of plain text, as
  std::string ns;              // every text here.
  TimestampMs not_before = 0;  // Valkey's clock; 0: at once.
  TimestampMs expires_at = 0;
  std::vector<std::string> names;  // Signals it may send, ascending, at most 16; empty: any.
  std::string source;              // Who signals; empty: nobody in particular, see source_of.
  std::optional<Sha256> digest;    // Of the payload's bytes, the only one it may send.
  bool reusable = false;           // Else all that is sent with it counts as one signal.
  std::string nonce;               // 8 random bytes.

  TokenClaims(ExecutionId id, std::string w, std::string n)
      : execution(std::move(id)), waitpoint(std::move(w)), ns(std::move(n)) {}
  friend bool operator==(const TokenClaims&, const TokenClaims&) = default;
};

// Whose signal it is: the source claimed, else "token:<nonce>", which no token may claim.
std::string source_of(const TokenClaims& claims);
// The signal's id, by which repeats are recognised: the nonce; for a reusable token the nonce and the sender's own id.
std::string signal_id_of(const TokenClaims& claims, std::string_view own_id);

// Draws the nonce when it is empty; sorts names. Errors: invalid_argument/bad_token_claims with what is wrong.
Result<std::string> mint_token(TokenClaims claims, const RingKey& key);

// What a holder gives up. What is not set stays as it is.
struct Narrowing {
  std::optional<TimestampMs> expires_at;
  std::vector<std::string> names;
  std::optional<Sha256> digest;
  Narrowing() = default;
};
// Errors: invalid_argument/bad_token for what is none; invalid_argument/widens when something would not become narrower
// or stay; invalid_argument/bad_token_claims; exhausted/too_many_narrowings beyond 8.
Result<std::string> narrow_token(std::string_view token, Narrowing narrowing);

// What a token says, narrowings applied; proves nothing. Error: invalid_argument/bad_token.
Result<TokenClaims> read_token(std::string_view token);

// Why a token is refused: for counting and for operators, never for the one who brought it.
enum class TokenFault : std::uint8_t {
  none, malformed, unknown_key, bad_mac, not_yet, expired,
  other_namespace, other_execution, other_waitpoint, other_name, other_payload
};
inline constexpr std::size_t kTokenFaults = 11;
std::string_view to_string(TokenFault fault) noexcept;

struct TokenVerdict {
  TokenFault fault = TokenFault::malformed;
  std::optional<TokenClaims> claims;  // Set only when there is no fault.
};
// As many macs are made whatever is wrong, one for each part; the mac is compared in constant time.
TokenVerdict verify_token(std::string_view token, const KeyRing& ring, TimestampMs now);

// What is about to be done with a token. What is empty is not asked for.
struct TokenUse {
  std::string ns;
  std::optional<ExecutionId> execution;
  std::string waitpoint;
  std::string name;     // Always checked: "" is no name.
  std::string payload;  // Always checked.
  TokenUse() = default;
};
TokenFault fault_of(const TokenClaims& claims, const TokenUse& use);

}  // namespace ff::core
