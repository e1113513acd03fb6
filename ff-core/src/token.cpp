#include "ff/core/token.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

#include "ff/core/base64.hpp"
#include "ff/core/crypto.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/names.hpp"
#include "ff/core/text.hpp"

namespace ff::core {
namespace {

constexpr std::string_view kVersion = "ffw1", kAnonymous = "token:";
constexpr std::size_t kTokenNonceBytes = 8, kDigestBytes = 32;
constexpr std::uint8_t kExpires = 1, kNames = 2, kSource = 4, kDigest = 8, kReusable = 16;

Error bad_claims(std::string message) { return Error(Code::invalid_argument, "bad_token_claims", std::move(message)); }

bool good_text(std::string_view text) {
  return !text.empty() && text.size() <= limits::kTokenTextBytes && is_plain_text(text);
}

bool good_names(const std::vector<std::string>& names) {
  const auto not_ascending = [](const std::string& a, const std::string& b) { return a >= b; };
  return names.size() <= limits::kTokenNamesMax && std::all_of(names.begin(), names.end(), good_text) &&
         std::adjacent_find(names.begin(), names.end(), not_ascending) == names.end();
}

void sort_names(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

class Writer {
 public:
  void byte(std::size_t value) { bytes_ += static_cast<char>(value); }
  void number(std::int64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) byte(static_cast<std::uint64_t>(value) >> shift & 0xff);
  }
  void text(std::string_view value) {
    byte(value.size());
    bytes_ += value;
  }
  void names(const std::vector<std::string>& values) {
    byte(values.size());
    for (const std::string& value : values) text(value);
  }
  void digest(const Sha256& value) { bytes_.append(reinterpret_cast<const char*>(value.data()), value.size()); }
  void raw(std::string_view value) { bytes_ += value; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Strict: `good` is false from the first thing that is missing or not as a Writer would have written it.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool good() const { return good_; }
  bool done() const { return good_ && bytes_.empty(); }

  std::string_view raw(std::size_t count) {
    good_ = good_ && bytes_.size() >= count;
    if (!good_) return {};
    const std::string_view result = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return result;
  }
  std::uint8_t byte() {
    const std::string_view one = raw(1);
    return one.empty() ? 0 : static_cast<std::uint8_t>(one[0]);
  }
  std::int64_t number() {
    std::uint64_t value = 0;
    for (const char c : raw(8)) value = value << 8 | static_cast<unsigned char>(c);
    good_ = good_ && value <= static_cast<std::uint64_t>(limits::kTimestampMsMax);
    return static_cast<std::int64_t>(value);
  }
  std::string text() {
    std::string value(raw(byte()));
    good_ = good_ && good_text(value);
    return value;
  }
  std::vector<std::string> names() {
    std::vector<std::string> values(byte());
    for (std::string& value : values) value = text();
    good_ = good_ && !values.empty() && good_names(values);
    return values;
  }
  Sha256 digest() {
    Sha256 value{};
    const std::string_view bytes = raw(kDigestBytes);
    std::copy(bytes.begin(), bytes.end(), value.begin());
    return value;
  }
  std::uint8_t flags(std::uint8_t known) {
    const std::uint8_t value = byte();
    good_ = good_ && (value & ~known) == 0;
    return value;
  }

 private:
  std::string_view bytes_;
  bool good_ = true;
};

std::string encode(const TokenClaims& claims) {
  Writer out;
  out.byte((claims.names.empty() ? 0 : kNames) | (claims.source.empty() ? 0 : kSource) |
           (claims.digest ? kDigest : 0) | (claims.reusable ? kReusable : 0));
  out.text(claims.execution.str());
  out.text(claims.waitpoint);
  out.text(claims.ns);
  out.number(claims.not_before);
  out.number(claims.expires_at);
  out.raw(claims.nonce);
  if (!claims.names.empty()) out.names(claims.names);
  if (!claims.source.empty()) out.text(claims.source);
  if (claims.digest) out.digest(*claims.digest);
  return out.take();
}

std::optional<TokenClaims> decode_claims(std::string_view bytes) {
  Reader in(bytes);
  const std::uint8_t flags = in.flags(kNames | kSource | kDigest | kReusable);
  auto execution = ExecutionId::parse(in.text());
  if (!in.good() || !execution) return std::nullopt;
  std::string waitpoint = in.text();
  TokenClaims claims(std::move(*execution), std::move(waitpoint), in.text());
  claims.not_before = in.number();
  claims.expires_at = in.number();
  claims.nonce = std::string(in.raw(kTokenNonceBytes));
  claims.reusable = (flags & kReusable) != 0;
  if (flags & kNames) claims.names = in.names();
  if (flags & kSource) claims.source = in.text();
  if (flags & kDigest) claims.digest = in.digest();
  const bool good = in.done() && validate_namespace(claims.ns) && !claims.source.starts_with(kAnonymous);
  return good ? std::optional(std::move(claims)) : std::nullopt;
}

std::optional<Narrowing> decode_narrowing(std::string_view bytes) {
  Reader in(bytes);
  const std::uint8_t flags = in.flags(kExpires | kNames | kDigest);
  Narrowing narrowing;
  if (flags & kExpires) narrowing.expires_at = in.number();
  if (flags & kNames) narrowing.names = in.names();
  if (flags & kDigest) narrowing.digest = in.digest();
  return in.done() && flags != 0 ? std::optional(std::move(narrowing)) : std::nullopt;
}

// Whether all of it becomes narrower or stays as it is; then applied. The verifier asks this too, so that a token that
// claims to widen is malformed instead of a question of interpretation.
bool apply(TokenClaims& claims, const Narrowing& narrowing) {
  const auto allowed = [&](const std::string& name) {
    return claims.names.empty() || std::binary_search(claims.names.begin(), claims.names.end(), name);
  };
  if (narrowing.expires_at && *narrowing.expires_at > claims.expires_at) return false;
  if (!std::all_of(narrowing.names.begin(), narrowing.names.end(), allowed)) return false;
  if (narrowing.digest && claims.digest && *narrowing.digest != *claims.digest) return false;
  if (narrowing.expires_at) claims.expires_at = *narrowing.expires_at;
  if (!narrowing.names.empty()) claims.names = narrowing.names;
  if (narrowing.digest) claims.digest = narrowing.digest;
  return true;
}

struct Parsed {
  std::string_view kid;
  std::vector<std::string_view> covered;  // What each mac of the chain covers: the text up to that part.
  std::optional<TokenClaims> claims;
  std::string mac;
};

std::vector<std::size_t> dots_of(std::string_view token) {
  std::vector<std::size_t> dots;
  for (std::size_t i = 0; i < token.size() && dots.size() <= 3 + limits::kTokenNarrowingsMax; ++i) {
    if (token[i] == '.') dots.push_back(i);
  }
  return dots;
}

std::optional<Parsed> parse(std::string_view token) {
  if (token.size() > limits::kTokenBytes) return std::nullopt;
  const auto dots = dots_of(token);
  if (dots.size() < 3 || dots.size() > 3 + limits::kTokenNarrowingsMax) return std::nullopt;
  if (token.substr(0, dots[0]) != kVersion) return std::nullopt;
  Parsed parsed;
  parsed.kid = token.substr(dots[0] + 1, dots[1] - dots[0] - 1);
  const auto mac = base64url_decode(token.substr(dots.back() + 1));
  if (!mac || mac->size() != kDigestBytes) return std::nullopt;
  parsed.mac = *mac;
  for (std::size_t i = 2; i < dots.size(); ++i) {
    const auto bytes = base64url_decode(token.substr(dots[i - 1] + 1, dots[i] - dots[i - 1] - 1));
    if (!bytes) return std::nullopt;
    if (i == 2) {
      parsed.claims = decode_claims(*bytes);
      if (!parsed.claims) return std::nullopt;
    } else {
      const auto narrowing = decode_narrowing(*bytes);
      if (!narrowing || !apply(*parsed.claims, *narrowing)) return std::nullopt;
    }
    parsed.covered.push_back(token.substr(0, dots[i]));
  }
  return parsed;
}

// What is covered in place of a text that is no token: as many macs as a token with as many parts would take.
Parsed stand_in(std::string_view token) {
  token = token.substr(0, limits::kTokenBytes);
  const std::size_t dots = std::clamp<std::size_t>(dots_of(token).size(), 3, 3 + limits::kTokenNarrowingsMax);
  Parsed parsed;
  parsed.covered.assign(dots - 2, token);
  parsed.mac.assign(kDigestBytes, '\0');
  return parsed;
}

Secret first_key(const Secret& ring_key, std::string_view ns) {
  return derive_key(ring_key, "ff waitpoint token 1/" + std::string(ns));
}

Secret mac_of(const std::vector<std::string_view>& covered, Secret key) {
  for (const std::string_view text : covered) key = hmac_sha256(key.reveal(), text);
  return key;
}

Result<void> check(const TokenClaims& claims) {
  if (!good_text(claims.waitpoint)) return bad_claims("waitpoint must be 1 to 128 bytes of plain text");
  if (auto good = validate_namespace(claims.ns); !good) return good;
  if (!good_names(claims.names)) return bad_claims("names must be at most 16, each 1 to 128 bytes of plain text");
  if (!claims.source.empty() && (!good_text(claims.source) || claims.source.starts_with(kAnonymous))) {
    return bad_claims("source must be 1 to 128 bytes of plain text that do not begin with \"token:\"");
  }
  if (claims.nonce.size() != kTokenNonceBytes) return bad_claims("nonce must have 8 bytes");
  const auto in_range = [](std::int64_t number) { return number >= 0 && number <= limits::kTimestampMsMax; };
  if (!in_range(claims.not_before) || !in_range(claims.expires_at)) {
    return bad_claims("expires_at and not_before must be 0 to 99999999999999");
  }
  if (claims.expires_at <= claims.not_before) return bad_claims("expires_at must be later than not_before");
  return {};
}

}  // namespace

std::string source_of(const TokenClaims& claims) {
  return claims.source.empty() ? std::string(kAnonymous) + hex(claims.nonce) : claims.source;
}

std::string signal_id_of(const TokenClaims& claims, std::string_view own_id) {
  std::string id = hex(claims.nonce);
  if (claims.reusable) id.append("/").append(own_id);
  return id;
}

Result<std::string> mint_token(TokenClaims claims, const RingKey& key) {
  if (claims.nonce.empty()) claims.nonce = random_bytes(kTokenNonceBytes);
  sort_names(claims.names);
  if (auto good = check(claims); !good) return std::move(good).error();
  const std::string text = std::string(kVersion) + '.' + key.kid + '.' + base64url_encode(encode(claims));
  const Secret mac = hmac_sha256(first_key(key.secret, claims.ns).reveal(), text);
  std::string token = text + '.' + base64url_encode(mac.reveal());
  if (token.size() > limits::kTokenBytes) return bad_claims("the token would be longer than 1024 bytes");
  return token;
}

Result<std::string> narrow_token(std::string_view token, Narrowing narrowing) {
  auto parsed = parse(token);
  if (!parsed) return Error(Code::invalid_argument, "bad_token", "this is no waitpoint token");
  sort_names(narrowing.names);
  if (!good_names(narrowing.names)) return bad_claims("names must be at most 16, each 1 to 128 bytes of plain text");
  if (narrowing.expires_at && *narrowing.expires_at < 0) return bad_claims("expires_at must not be negative");
  if (parsed->covered.size() > limits::kTokenNarrowingsMax) {
    return Error(Code::exhausted, "too_many_narrowings", "a token can be narrowed 8 times");
  }
  if (!apply(*parsed->claims, narrowing)) {
    return Error(Code::invalid_argument, "widens",
                 "a token can only be narrowed: a sooner expiry, some of its names, a payload where none is fixed");
  }
  Writer out;
  out.byte((narrowing.expires_at ? kExpires : 0) | (narrowing.names.empty() ? 0 : kNames) |
           (narrowing.digest ? kDigest : 0));
  if (narrowing.expires_at) out.number(*narrowing.expires_at);
  if (!narrowing.names.empty()) out.names(narrowing.names);
  if (narrowing.digest) out.digest(*narrowing.digest);
  const std::string bytes = out.take();
  if (bytes == std::string(1, '\0')) return bad_claims("nothing to narrow was given");
  const std::string text = std::string(parsed->covered.back()) + '.' + base64url_encode(bytes);
  const Secret mac = hmac_sha256(parsed->mac, text);
  std::string narrowed = text + '.' + base64url_encode(mac.reveal());
  if (narrowed.size() > limits::kTokenBytes) return bad_claims("the token would be longer than 1024 bytes");
  return narrowed;
}

Result<TokenClaims> read_token(std::string_view token) {
  auto parsed = parse(token);
  if (!parsed) return Error(Code::invalid_argument, "bad_token", "this is no waitpoint token");
  return std::move(*parsed->claims);
}

std::string_view to_string(TokenFault fault) noexcept {
  static constexpr std::array<std::string_view, kTokenFaults> kNames = {
      "none",    "malformed",       "unknown_key",     "bad_mac",         "not_yet",   "expired",
      "other_namespace", "other_execution", "other_waitpoint", "other_name", "other_payload"};
  return kNames[static_cast<std::size_t>(fault) % kTokenFaults];
}

TokenVerdict verify_token(std::string_view token, const KeyRing& ring, TimestampMs now) {
  static const Secret kNoKey(std::string(kDigestBytes, '\0'));
  auto parsed = parse(token);
  const bool well_formed = parsed.has_value();
  if (!parsed) parsed = stand_in(token);
  const RingKey* key = ring.find(parsed->kid, now);
  const std::string ns = parsed->claims ? parsed->claims->ns : "default";
  const Secret mac = mac_of(parsed->covered, first_key(key != nullptr ? key->secret : kNoKey, ns));
  const bool same = CRYPTO_memcmp(mac.reveal().data(), parsed->mac.data(), kDigestBytes) == 0;
  TokenVerdict verdict;
  if (!well_formed) verdict.fault = TokenFault::malformed;
  else if (key == nullptr) verdict.fault = TokenFault::unknown_key;
  else if (!same) verdict.fault = TokenFault::bad_mac;
  else if (now < parsed->claims->not_before) verdict.fault = TokenFault::not_yet;
  else if (now >= parsed->claims->expires_at) verdict.fault = TokenFault::expired;
  else verdict.fault = TokenFault::none;
  if (verdict.fault == TokenFault::none) verdict.claims = std::move(parsed->claims);
  return verdict;
}

TokenFault fault_of(const TokenClaims& claims, const TokenUse& use) {
  if (!use.ns.empty() && use.ns != claims.ns) return TokenFault::other_namespace;
  if (use.execution && *use.execution != claims.execution) return TokenFault::other_execution;
  if (!use.waitpoint.empty() && use.waitpoint != claims.waitpoint) return TokenFault::other_waitpoint;
  const bool named = claims.names.empty() || std::binary_search(claims.names.begin(), claims.names.end(), use.name);
  if (use.name.empty() || !named) return TokenFault::other_name;
  if (claims.digest && sha256(use.payload) != *claims.digest) return TokenFault::other_payload;
  return TokenFault::none;
}

}  // namespace ff::core
