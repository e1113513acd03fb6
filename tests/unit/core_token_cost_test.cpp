// What a verification costs does not tell what is wrong: OpenSSL's functions are counted, by standing in front of them.
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdio>
#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include "core_token_time.hpp"
#include "ff/core/base64.hpp"
#include "ff/core/token.hpp"
#include "support/token_mutants.hpp"

namespace {

struct Counts {
  int macs = 0, comparisons = 0;
  std::size_t compared = 0;  // Bytes.
  friend bool operator==(const Counts&, const Counts&) = default;
};
Counts counts;

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" unsigned char* HMAC(const EVP_MD* md, const void* key, int key_size, const unsigned char* data,
                               std::size_t size, unsigned char* mac, unsigned int* mac_size) {
  static const auto real = next<decltype(HMAC)>("HMAC");
  ++counts.macs;
  return real(md, key, key_size, data, size, mac, mac_size);
}

extern "C" int CRYPTO_memcmp(const void* a, const void* b, std::size_t size) {
  static const auto real = next<decltype(CRYPTO_memcmp)>("CRYPTO_memcmp");
  ++counts.comparisons;
  counts.compared += size;
  return real(a, b, size);
}

using namespace ff::core;
using ff::test::parts_of_token;
using ff::test::token_of_parts;

namespace {

std::string minted(const KeyRing& ring, std::size_t narrowings, TimestampMs not_before = 0,
                   TimestampMs expires_at = kNow + 60'000) {
  TokenClaims claims(ExecutionId::parse("3-01JDJ8R1ZQH6M3T5W7Y9B1C2D4").value(), "2.deploy", "acme");
  claims.not_before = not_before;
  claims.expires_at = expires_at;
  std::string token = mint_token(claims, ring.active()).value();
  Narrowing sooner;
  sooner.expires_at = expires_at - 1;
  for (; narrowings > 0; --narrowings) token = narrow_token(token, sooner).value();
  return token;
}

std::string with_part(const std::string& token, std::size_t at, const std::string& text) {
  auto parts = parts_of_token(token);
  parts.at(at) = text;
  return token_of_parts(parts);
}

std::string flipped(const std::string& token, std::size_t part, std::size_t at) {
  std::string text = parts_of_token(token).at(part);
  text.at(at) = text[at] == 'A' ? 'B' : 'A';
  return with_part(token, part, text);
}

struct Judged {
  TokenFault fault;
  Counts cost;
  double ns = 0;
};

Judged judge(const std::string& token, const KeyRing& ring) {
  constexpr int kRepeats = 200;
  counts = Counts();
  Judged judged{verify_token(token, ring, kNow).fault, {}};
  judged.cost = counts;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRepeats; ++i) verify_token(token, ring, kNow);
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  judged.ns = took.count() / kRepeats;
  return judged;
}

}  // namespace

TEST_CASE("as many macs are made and one comparison of all of the mac, whatever is wrong with a token") {
  const KeyRing ring = KeyRing::make(kNow);
  for (const std::size_t narrowings : {0U, 1U, 8U}) {
    const std::string good = minted(ring, narrowings);
    const std::size_t last = parts_of_token(good).size() - 1;
    const Judged best = judge(good, ring);
    REQUIRE(best.fault == TokenFault::none);
    CHECK(best.cost == Counts{3 + static_cast<int>(narrowings), 1, 32});  // Two of them derive the namespace's key.
    struct Wrong {
      std::string token;
      TokenFault fault;
    };
    for (const Wrong& wrong : std::vector<Wrong>{
             {flipped(good, last, 0), TokenFault::bad_mac},
             {flipped(good, last, 40), TokenFault::bad_mac},
             {flipped(good, 2, 84), TokenFault::bad_mac},
             {with_part(good, 1, "zzzzzzzz"), TokenFault::unknown_key},
             {minted(KeyRing::make(kNow), narrowings), TokenFault::unknown_key},
             {minted(ring, narrowings, kNow + 1), TokenFault::not_yet},
             {minted(ring, narrowings, 0, kNow - 5), TokenFault::expired},
             {with_part(good, 0, "ffw2"), TokenFault::malformed},
             {with_part(good, 2, "AAAA"), TokenFault::malformed},
             {with_part(good, 2, "?"), TokenFault::malformed},
             {with_part(good, last, "AAAA"), TokenFault::malformed},
             {good + std::string(2000, 'A'), TokenFault::malformed}}) {
      INFO(wrong.token);
      const Judged judged = judge(wrong.token, ring);
      CHECK(judged.fault == wrong.fault);
      CHECK(judged.cost == best.cost);
      std::printf("%zu narrowings, %.*s: %.2f of a good token's time\n", narrowings,
                  static_cast<int>(to_string(wrong.fault).size()), to_string(wrong.fault).data(), judged.ns / best.ns);
    }
  }
  for (const char* nothing : {"", ".", "...", "ffw1.", "ffw1...."}) CHECK(judge(nothing, ring).cost.macs >= 3);
  CHECK(judge(std::string(100'000, '.'), ring).cost.macs == 11);
}
