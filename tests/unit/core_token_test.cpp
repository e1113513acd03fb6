// Waitpoint tokens: golden ones of another implementation, and everything that must not pass.
#include "ff/core/token.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "core_token_time.hpp"
#include "ff/core/base64.hpp"
#include "ff/core/crypto.hpp"
#include "ff/core/limits.hpp"
#include "support/seed.hpp"
#include "support/token_mutants.hpp"

using namespace ff::core;
using ff::test::parts_of_token;
using ff::test::token_of_parts;

namespace {

ExecutionId id(std::string_view text = "3-01JDJ8R1ZQH6M3T5W7Y9B1C2D4") { return ExecutionId::parse(text).value(); }

TokenClaims claims() {
  TokenClaims c(id(), "2.deploy", "acme");
  c.expires_at = kNow + 60'000;
  c.names = {"reject", "approve"};
  c.source = "alice";
  return c;
}

std::string mint(const TokenClaims& c, const KeyRing& ring) { return mint_token(c, ring.active()).value(); }

TokenUse use(std::string name = "approve") {
  TokenUse u;
  u.ns = "acme";
  u.execution = id();
  u.waitpoint = "2.deploy";
  u.name = std::move(name);
  return u;
}

std::string unhex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2)
    bytes += static_cast<char>(std::stoul(text.substr(i, 2), nullptr, 16));
  return bytes;
}

// A ring whose one key has this kid and secret: what is sealed can be written by hand.
KeyRing ring_of(const std::string& kid, const std::string& secret) {
  const std::string plain = "active " + kid + " 0 0 " + std::to_string(secret.size()) + "\n" + secret;
  const Secret password("a password of at least 32 characters");
  const std::string sealed = seal(derive_key(password, "ff key ring 1"), plain, "test");
  return KeyRing::unsealed(password, sealed, "test").value();
}

struct Vector {
  std::string fault, token;
  TimestampMs now = 0;
  KeyRing ring;
  TokenClaims claims;
  explicit Vector(TokenClaims c) : claims(std::move(c)) {}
};

std::vector<Vector> vectors() {
  std::ifstream file(FF_VECTORS_DIR "/tokens.txt");
  std::vector<Vector> all;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream in(line);
    std::string fault, now, key, execution, waitpoint, ns, not_before, expires, names, source, digest;
    std::string again, nonce, token;
    in >> fault >> now >> key >> execution >> waitpoint >> ns >> not_before >> expires >> names >> source >> digest >>
        again >> nonce >> token;
    TokenClaims c(id(execution), waitpoint, ns);
    c.not_before = std::stoll(not_before);
    c.expires_at = std::stoll(expires);
    std::istringstream list(names == "-" ? "" : names);
    for (std::string name; std::getline(list, name, ',');) c.names.push_back(name);
    c.source = source == "-" ? "" : source;
    if (digest != "-") c.digest = parse_sha256(digest);
    c.reusable = again == "1";
    c.nonce = unhex(nonce);
    Vector vector(std::move(c));
    vector.fault = fault;
    vector.token = token;
    vector.now = std::stoll(now);
    vector.ring = ring_of("kid00001", unhex(key));
    all.push_back(std::move(vector));
  }
  return all;
}

}  // namespace

TEST_CASE("golden tokens of another implementation are minted alike, read alike and judged alike") {
  const auto all = vectors();
  REQUIRE(all.size() >= 50);
  for (const Vector& vector : all) {
    INFO(vector.token);
    CHECK(read_token(vector.token).value() == vector.claims);
    const auto verdict = verify_token(vector.token, vector.ring, vector.now);
    CHECK(to_string(verdict.fault) == vector.fault);
    CHECK(verdict.claims.has_value() == (vector.fault == "none"));
    if (parts_of_token(vector.token).size() == 4) CHECK(mint(vector.claims, vector.ring) == vector.token);
  }
}

TEST_CASE("a token gives back what it was minted with") {
  const KeyRing ring = KeyRing::make(kNow);
  const std::string token = mint(claims(), ring);

  const auto verdict = verify_token(token, ring, kNow);

  REQUIRE(verdict.fault == TokenFault::none);
  CHECK(verdict.claims->execution == id());
  CHECK(verdict.claims->names == std::vector<std::string>{"approve", "reject"});
  CHECK(verdict.claims->nonce.size() == 8);
  CHECK(fault_of(*verdict.claims, use()) == TokenFault::none);
  CHECK(source_of(*verdict.claims) == "alice");
  CHECK(mint(claims(), ring) != token);  // A nonce of its own.
}

TEST_CASE("no token with a flipped bit passes") {
  const KeyRing ring = KeyRing::make(kNow);
  std::string token = mint(claims(), ring);
  Narrowing sooner;
  sooner.expires_at = kNow + 1000;
  for (const std::string& good : {token, narrow_token(token, sooner).value()}) {
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      const auto verdict = verify_token(bad, ring, kNow);
      INFO(bad);
      REQUIRE(verdict.fault != TokenFault::none);
      REQUIRE(!verdict.claims);
    }
  }
}

TEST_CASE("no truncated, extended or reordered token passes") {
  const KeyRing ring = KeyRing::make(kNow);
  const std::string token = mint(claims(), ring);
  const auto refused = [&](const std::string& bad) {
    INFO(bad);
    const auto verdict = verify_token(bad, ring, kNow);
    CHECK(verdict.fault != TokenFault::none);
    CHECK(!verdict.claims);
  };
  for (std::size_t size = 0; size < token.size(); ++size) refused(token.substr(0, size));
  for (std::size_t from = 1; from < token.size(); ++from) refused(token.substr(from));
  for (const char* more : {"=", ".", "A", " ", "\n", "\t", ".AAAA"}) {
    refused(token + more);
    refused(more + token);
  }
  refused(std::string(token) + '\0');
  refused(std::string(100'000, 'A'));
  refused(token + std::string(limits::kTokenBytes, '.'));
  const auto parts = parts_of_token(token);
  for (std::size_t a = 0; a < parts.size(); ++a) {
    for (std::size_t b = a + 1; b < parts.size(); ++b) {
      auto swapped = parts;
      std::swap(swapped[a], swapped[b]);
      refused(token_of_parts(swapped));
    }
  }
}

TEST_CASE("no parts of two tokens make a third") {
  const KeyRing ring = KeyRing::make(kNow), other_ring = KeyRing::make(kNow);
  TokenClaims other = claims();
  other.execution = id("4-01JDJ8R1ZQH6M3T5W7Y9B1C2D5");
  TokenClaims foreign = claims();
  foreign.ns = "other";
  TokenClaims later = claims();
  later.waitpoint = "3.deploy";
  Narrowing some;
  some.names = {"reject"};
  std::vector<std::string> tokens = {mint(claims(), ring), mint(other, ring), mint(foreign, ring), mint(later, ring),
                                     mint(claims(), other_ring)};
  tokens.push_back(narrow_token(tokens[0], some).value());
  const std::set<std::string> good(tokens.begin(), tokens.end());
  for (const std::string& first : tokens) {
    for (const std::string& second : tokens) {
      const auto a = parts_of_token(first), b = parts_of_token(second);
      for (unsigned mask = 0; mask < 16; ++mask) {
        std::vector<std::string> mixed;
        for (std::size_t i = 0; i < 3; ++i) mixed.push_back(mask >> i & 1 ? a[i] : b[i]);
        if (a.size() > 4) mixed.push_back(a[3]);
        mixed.push_back(mask >> 3 & 1 ? a.back() : b.back());
        const std::string token = token_of_parts(mixed);
        if (!good.contains(token)) CHECK(verify_token(token, ring, kNow).fault != TokenFault::none);
      }
    }
  }
  CHECK(verify_token(tokens[4], ring, kNow).fault == TokenFault::unknown_key);
}

TEST_CASE("random mutants of tokens never pass") {
  const KeyRing ring = KeyRing::make(kNow);
  TokenClaims other = claims();
  other.execution = id("4-01JDJ8R1ZQH6M3T5W7Y9B1C2D5");
  Narrowing sooner, one;
  sooner.expires_at = kNow + 1000;
  one.names = {"reject"};
  std::vector<std::string> good = {mint(claims(), ring), mint(claims(), ring), mint(other, ring)};
  good.push_back(narrow_token(good[0], sooner).value());
  good.push_back(narrow_token(good[3], one).value());
  ff::test::TokenMutants mutants(good, ff::test::Rng(ff::test::seed()));
  for (std::uint64_t rounds = ff::test::fuzz_rounds(20'000); rounds > 0; --rounds) {
    const std::string bad = mutants.next();
    INFO(bad);
    const auto verdict = verify_token(bad, ring, kNow);
    REQUIRE(verdict.fault != TokenFault::none);
    REQUIRE(!verdict.claims);
  }
}

TEST_CASE("a token of another kid, a revoked one and one in and after its grace") {
  const KeyRing first = KeyRing::make(kNow);
  const std::string token = mint(claims(), first);
  const KeyRing second = first.rotated(kNow, Millis(10'000)).value();

  CHECK(verify_token(token, KeyRing(), kNow).fault == TokenFault::unknown_key);
  CHECK(verify_token(token, second, kNow + 9'999).fault == TokenFault::none);
  CHECK(verify_token(token, second, kNow + 10'000).fault == TokenFault::unknown_key);
  CHECK(verify_token(token, second.revoked(first.active().kid).value(), kNow).fault == TokenFault::unknown_key);
  CHECK(verify_token(mint(claims(), second), first, kNow).fault == TokenFault::unknown_key);
  auto parts = parts_of_token(token);
  parts[1] = second.active().kid;
  CHECK(verify_token(token_of_parts(parts), second, kNow).fault == TokenFault::bad_mac);
}

TEST_CASE("times are exact to the millisecond") {
  const KeyRing ring = KeyRing::make(kNow);
  TokenClaims c = claims();
  c.not_before = kNow;
  c.expires_at = kNow + 5;
  const std::string token = mint(c, ring);
  CHECK(verify_token(token, ring, kNow - 1).fault == TokenFault::not_yet);
  CHECK(verify_token(token, ring, kNow).fault == TokenFault::none);
  CHECK(verify_token(token, ring, kNow + 4).fault == TokenFault::none);
  CHECK(verify_token(token, ring, kNow + 5).fault == TokenFault::expired);
}

TEST_CASE("a good token is good for one thing only") {
  const KeyRing ring = KeyRing::make(kNow);
  TokenClaims c = claims();
  c.digest = sha256("{\"ok\":true}");
  const TokenClaims verified = verify_token(mint(c, ring), ring, kNow).claims.value();
  TokenUse good = use();
  good.payload = "{\"ok\":true}";
  CHECK(fault_of(verified, good) == TokenFault::none);

  TokenUse bad = good;
  bad.ns = "other";
  CHECK(fault_of(verified, bad) == TokenFault::other_namespace);
  bad = good;
  bad.execution = id("4-01JDJ8R1ZQH6M3T5W7Y9B1C2D4");
  CHECK(fault_of(verified, bad) == TokenFault::other_execution);
  bad = good;
  bad.waitpoint = "3.deploy";
  CHECK(fault_of(verified, bad) == TokenFault::other_waitpoint);
  for (const char* name : {"", "approve ", "approv", "Approve", "escalate"}) {
    bad = good;
    bad.name = name;
    CHECK(fault_of(verified, bad) == TokenFault::other_name);
  }
  bad = good;
  bad.payload = "{\"ok\":true} ";
  CHECK(fault_of(verified, bad) == TokenFault::other_payload);
}

TEST_CASE("a holder narrows a token without a key, step by step") {
  const KeyRing ring = KeyRing::make(kNow);
  TokenClaims c = claims();
  c.names = {};
  std::string token = mint(c, ring);
  Narrowing names, sooner, digest;
  names.names = {"reject", "approve"};
  sooner.expires_at = kNow + 10;
  digest.digest = sha256("x");
  for (const Narrowing& narrowing : {names, sooner, digest}) token = narrow_token(token, narrowing).value();

  const auto verdict = verify_token(token, ring, kNow);
  REQUIRE(verdict.fault == TokenFault::none);
  CHECK(verdict.claims->names == std::vector<std::string>{"approve", "reject"});
  CHECK(verdict.claims->digest == sha256("x"));
  CHECK(verify_token(token, ring, kNow + 10).fault == TokenFault::expired);
  CHECK(parts_of_token(token).size() == 7);
}

TEST_CASE("nobody can widen a token, nor take a narrowing back") {
  const KeyRing ring = KeyRing::make(kNow);
  Narrowing first;
  first.expires_at = kNow + 1000;
  first.names = {"reject"};
  first.digest = sha256("x");
  const std::string token = narrow_token(mint(claims(), ring), first).value();
  Narrowing later, more, other, nothing;
  later.expires_at = kNow + 1001;
  more.names = {"approve", "reject"};
  other.digest = sha256("y");
  for (const Narrowing& wide : {later, more, other}) CHECK(narrow_token(token, wide).error().reason == "widens");
  CHECK(narrow_token(token, nothing).error().reason == "bad_token_claims");
  CHECK(narrow_token("ffw1.x.y.z", first).error().reason == "bad_token");
  CHECK(narrow_token("", first).error().reason == "bad_token");

  // By hand, with the mac the chain would have: still refused, because it is judged by what it says.
  auto parts = parts_of_token(token);
  const std::string wide = std::string("\x01", 1) + std::string("\0\0\x5a\xf3\x10\x7a\x3f\xff", 8);
  const std::string covered = token_of_parts({parts[0], parts[1], parts[2], parts[3], base64url_encode(wide)});
  const Secret mac = hmac_sha256(base64url_decode(parts[4]).value(), covered);
  CHECK(verify_token(covered + "." + base64url_encode(mac.reveal()), ring, kNow).fault == TokenFault::malformed);
  // Without the narrowing, under the mac of the narrowed token, and under one made of it.
  const std::string original = token_of_parts({parts[0], parts[1], parts[2]});
  CHECK(verify_token(original + "." + parts[4], ring, kNow).fault == TokenFault::bad_mac);
  const Secret made = hmac_sha256(base64url_decode(parts[4]).value(), original);
  CHECK(verify_token(original + "." + base64url_encode(made.reveal()), ring, kNow).fault == TokenFault::bad_mac);
}

TEST_CASE("a token can be narrowed eight times and stays within its bound") {
  const KeyRing ring = KeyRing::make(kNow);
  std::string token = mint(claims(), ring);
  Narrowing sooner;
  sooner.expires_at = kNow + 1;
  for (int i = 0; i < 8; ++i) token = narrow_token(token, sooner).value();
  CHECK(verify_token(token, ring, kNow).fault == TokenFault::none);
  CHECK(narrow_token(token, sooner).error().reason == "too_many_narrowings");
}

TEST_CASE("a digest is 64 lower case hex digits, nothing else") {
  const std::string text = sha256_hex("x");
  CHECK(parse_sha256(text) == sha256("x"));
  CHECK(!parse_sha256(text.substr(1)));
  CHECK(!parse_sha256(text + "0"));
  CHECK(!parse_sha256("G" + text.substr(1)));
  CHECK(!parse_sha256("A" + text.substr(1)));
}

TEST_CASE("what cannot be claimed is refused by name") {
  const KeyRing ring = KeyRing::make(kNow);
  const auto refused = [&](auto change, const char* reason = "bad_token_claims") {
    TokenClaims c = claims();
    change(c);
    const auto token = mint_token(c, ring.active());
    REQUIRE(!token);
    CHECK(token.error().reason == reason);
  };
  refused([](TokenClaims& c) { c.waitpoint = ""; });
  refused([](TokenClaims& c) { c.waitpoint = std::string(129, 'w'); });
  refused([](TokenClaims& c) { c.waitpoint = "a\nb"; });
  refused([](TokenClaims& c) { c.ns = "Bad"; }, "bad_namespace");
  refused([](TokenClaims& c) { c.source = "token:0011223344556677"; });
  refused([](TokenClaims& c) { c.source = "\xff"; });
  refused([](TokenClaims& c) { c.expires_at = 0; });
  refused([](TokenClaims& c) { c.not_before = c.expires_at; });
  refused([](TokenClaims& c) { c.not_before = -1; });
  refused([](TokenClaims& c) { c.names = {""}; });
  refused([](TokenClaims& c) { c.names = {std::string(129, 'n')}; });
  refused([](TokenClaims& c) { c.nonce = "short"; });
  refused([](TokenClaims& c) {
    for (int i = 0; i < 17; ++i) c.names.push_back("n" + std::to_string(i));
  });
  refused([](TokenClaims& c) {
    for (int i = 0; i < 16; ++i) c.names.push_back(std::to_string(i + 10) + std::string(62, 'n'));
    c.names.erase(c.names.begin(), c.names.begin() + 2);
  });
}

TEST_CASE("all that is sent with a token counts as one signal, unless it is reusable") {
  TokenClaims c = claims();
  c.nonce = std::string("\x00\x01\x02\x03\xfc\xfd\xfe\xff", 8);
  CHECK(signal_id_of(c, "mine") == "00010203fcfdfeff");
  c.reusable = true;
  CHECK(signal_id_of(c, "mine") == "00010203fcfdfeff/mine");
  c.source = "";
  CHECK(source_of(c) == "token:00010203fcfdfeff");
}
