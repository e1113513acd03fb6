#include "support/token_mutants.hpp"

#include <algorithm>
#include <sstream>

#include "ff/core/base64.hpp"
#include "ff/core/crypto.hpp"

namespace ff::test {
namespace {

// What a holder can compute: the mac that follows `mac` when it is the key.
std::string next_mac(const std::string& mac, const std::string& covered) {
  return core::base64url_encode(core::hmac_sha256(mac, covered).reveal());
}

std::string mac_of(const std::vector<std::string>& parts) {
  return core::base64url_decode(parts.back()).value_or(std::string(32, '\0'));
}

}  // namespace

std::vector<std::string> parts_of_token(const std::string& token) {
  std::vector<std::string> parts;
  std::istringstream in(token);
  for (std::string part; std::getline(in, part, '.');) parts.push_back(part);
  return parts;
}

std::string token_of_parts(const std::vector<std::string>& parts) {
  std::string token;
  for (const std::string& part : parts) token += (token.empty() ? "" : ".") + part;
  return token;
}

std::string TokenMutants::next() {
  for (;;) {
    const std::string& good = any();
    std::string bad;
    switch (rng_.below(8)) {
      case 0: bad = edited(good); break;
      case 1: bad = spliced(good); break;
      case 2: bad = of_two(good); break;
      case 3: bad = other_kid(good); break;
      case 4: bad = unnarrowed(good); break;
      case 5: bad = widened(good); break;
      case 6: bad = forged(good); break;
      default:
        bad = rng_.chance(0.5) ? good.substr(0, rng_.below(good.size())) : good.substr(1 + rng_.below(good.size()));
    }
    if (std::find(seen_.begin(), seen_.end(), bad) == seen_.end()) return bad;
  }
}

std::string TokenMutants::edited(std::string token) {
  for (std::uint64_t edits = 1 + rng_.below(4); edits > 0 && !token.empty(); --edits) {
    const std::size_t at = rng_.below(token.size());
    switch (rng_.below(4)) {
      case 0: token.insert(at, 1, static_cast<char>(rng_.below(256))); break;
      case 1: token.erase(at, 1 + rng_.below(8)); break;
      case 2: token[at] = static_cast<char>(rng_.below(256)); break;
      default: token[at] = static_cast<char>(token[at] ^ (1 << rng_.below(8)));
    }
  }
  return token;
}

std::string TokenMutants::spliced(const std::string& token) {
  const std::string& other = any();
  const std::size_t at = rng_.below(token.size() + 1);
  if (rng_.chance(0.5)) return token.substr(0, at) + other.substr(std::min(at, other.size()));
  return std::string(token).insert(at, other.substr(rng_.below(other.size()), 1 + rng_.below(40)));
}

std::string TokenMutants::of_two(const std::string& token) {
  auto parts = parts_of_token(token);
  const auto other = parts_of_token(any());
  switch (rng_.below(3)) {
    case 0: std::swap(parts[rng_.below(parts.size())], parts[rng_.below(parts.size())]); break;
    case 1: parts.insert(parts.begin() + static_cast<long>(rng_.below(parts.size())), other[rng_.below(other.size())]);
            break;
    default: parts[rng_.below(parts.size())] = other[rng_.below(other.size())];
  }
  return token_of_parts(parts);
}

std::string TokenMutants::other_kid(const std::string& token) {
  static constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
  auto parts = parts_of_token(token);
  for (char& c : parts[1]) c = kAlphabet[rng_.below(kAlphabet.size())];
  return token_of_parts(parts);
}

// Without its last narrowing, under the mac it has, or under one made of that.
std::string TokenMutants::unnarrowed(const std::string& token) {
  auto parts = parts_of_token(token);
  const std::string mac = mac_of(parts);
  if (parts.size() > 4) parts.erase(parts.end() - 2);
  if (rng_.chance(0.5)) return token_of_parts(parts);
  parts.pop_back();
  const std::string covered = token_of_parts(parts);
  return covered + "." + next_mac(mac, covered);
}

// A narrowing as ff/core/token.hpp spells it, to the last millisecond there is; with the right mac.
std::string TokenMutants::widened(const std::string& token) {
  auto parts = parts_of_token(token);
  const std::string mac = mac_of(parts);
  parts.back() = core::base64url_encode(std::string("\x01\0\0\x5a\xf3\x10\x7a\x3f\xff", 9));
  const std::string covered = token_of_parts(parts);
  return covered + "." + next_mac(mac, covered);
}

// Claims that were seen, or with a byte changed, under a mac with a key that is no secret.
std::string TokenMutants::forged(const std::string& token) {
  auto parts = parts_of_token(token);
  const std::string keys[] = {"", std::string(32, '\0'), parts[1], mac_of(parts), "ff waitpoint token 1/default"};
  const std::string& key = keys[rng_.below(std::size(keys))];
  std::string claims = core::base64url_decode(parts[2]).value();
  claims[rng_.below(claims.size())] ^= static_cast<char>(rng_.below(256));
  const std::string covered = parts[0] + "." + parts[1] + "." + core::base64url_encode(claims);
  return covered + "." + next_mac(key, covered);
}

}  // namespace ff::test
