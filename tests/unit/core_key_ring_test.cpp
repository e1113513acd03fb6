#include "ff/core/key_ring.hpp"

#include <catch2/catch_test_macros.hpp>
#include <set>

#include "core_token_time.hpp"
#include "ff/core/crypto.hpp"
#include "ff/core/text.hpp"

using namespace ff::core;

namespace {

const Secret kSecret("a secret of at least 32 characters");

std::vector<std::string> states(const KeyRing& ring) {
  std::vector<std::string> all;
  for (const RingKey& key : ring.keys()) all.emplace_back(to_string(key.state));
  return all;
}

}  // namespace

TEST_CASE("HMAC, HKDF and AES-256-GCM are those of the standards") {
  CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?").reveal()) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");  // RFC 4231, case 2.
  const std::string okm = hex(derive_key(Secret(std::string(22, '\x0b')), "").reveal());
  CHECK(okm == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");  // RFC 5869, case 3.
  const Secret key(std::string(32, 'k'));
  const std::string sealed = seal(key, "text", "bound");
  CHECK(sealed.size() == 12 + 4 + 16);
  CHECK(unseal(key, sealed, "bound")->reveal() == "text");
  CHECK(seal(key, "text", "bound") != sealed);
}

TEST_CASE("nothing sealed opens with another key, for something else, or changed in any bit") {
  const Secret key(std::string(32, 'k'));
  const std::string sealed = seal(key, "text", "bound");
  CHECK(!unseal(Secret(std::string(32, 'x')), sealed, "bound"));
  CHECK(!unseal(key, sealed, "bounds"));
  for (std::size_t size = 0; size < sealed.size(); ++size) CHECK(!unseal(key, sealed.substr(0, size), "bound"));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string bad = sealed;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    CHECK(!unseal(key, bad, "bound"));
  }
}

TEST_CASE("a ring rotates with a grace and forgets what is over") {
  const KeyRing first = KeyRing::make(kNow);
  const KeyRing second = first.rotated(kNow + 1, Millis(100)).value();
  CHECK(states(second) == std::vector<std::string>{"active", "verify_only"});
  CHECK(second.keys()[1].kid == first.active().kid);
  CHECK(second.keys()[1].until == kNow + 101);
  CHECK(second.active().created_at == kNow + 1);
  CHECK(second.find(first.active().kid, kNow + 100) != nullptr);
  CHECK(second.find(first.active().kid, kNow + 101) == nullptr);
  CHECK(second.find(second.active().kid, kNow + 1'000'000) == &second.active());
  CHECK(second.find("", kNow) == nullptr);

  CHECK(states(second.rotated(kNow + 101, Millis(100)).value()).size() == 2);
  CHECK(states(second.rotated(kNow + 50, Millis(0)).value()) == std::vector<std::string>{"active", "verify_only"});
}

TEST_CASE("a revoked key verifies nothing and its bytes are gone") {
  const KeyRing second = KeyRing::make(kNow).rotated(kNow, Millis(100)).value();
  const std::string old = second.keys()[1].kid;
  const KeyRing revoked = second.revoked(old).value();
  CHECK(states(revoked) == std::vector<std::string>{"active", "revoked"});
  CHECK(revoked.keys()[1].secret.empty());
  CHECK(revoked.find(old, kNow) == nullptr);
  CHECK(second.revoked(second.active().kid).error().reason == "active_key");
  CHECK(second.revoked("zzzzzzzz").error().reason == "no_such_key");
  CHECK(revoked.revoked(old).value().keys().size() == 2);
}

TEST_CASE("a ring is bounded: revoked keys give way, keys in use do not") {
  KeyRing ring = KeyRing::make(kNow);
  for (int i = 1; i < 16; ++i) ring = ring.rotated(kNow + i, Millis(1'000'000)).value();
  CHECK(ring.rotated(kNow + 20, Millis(1)).error().reason == "too_many_keys");
  const std::string newer = ring.keys()[3].kid, older = ring.keys()[9].kid;
  ring = ring.revoked(older).value().revoked(newer).value();
  ring = ring.rotated(kNow + 21, Millis(1'000'000)).value();
  CHECK(ring.keys().size() == 16);
  std::set<std::string> kids;
  for (const RingKey& key : ring.keys()) kids.insert(key.kid);
  CHECK(kids.size() == 16);
  CHECK(kids.contains(newer));
  CHECK(!kids.contains(older));
}

TEST_CASE("a ring comes back as it was sealed, and only with its secret") {
  const KeyRing ring = KeyRing::make(kNow).rotated(kNow, Millis(7)).value();
  const KeyRing stored = ring.rotated(kNow, Millis(9)).value().revoked(ring.active().kid).value();
  const std::string sealed = stored.sealed(kSecret, "{ff}/3");
  for (const RingKey& key : stored.keys()) {
    if (!key.secret.empty()) CHECK(sealed.find(key.secret.reveal()) == std::string::npos);
    CHECK(sealed.find(key.kid) == std::string::npos);
  }
  const KeyRing back = KeyRing::unsealed(kSecret, sealed, "{ff}/3").value();
  REQUIRE(back.keys().size() == stored.keys().size());
  for (std::size_t i = 0; i < back.keys().size(); ++i) {
    CHECK(back.keys()[i].kid == stored.keys()[i].kid);
    CHECK(back.keys()[i].state == stored.keys()[i].state);
    CHECK(back.keys()[i].created_at == stored.keys()[i].created_at);
    CHECK(back.keys()[i].until == stored.keys()[i].until);
    CHECK(back.keys()[i].secret.equals(stored.keys()[i].secret.reveal()));
  }
  CHECK(KeyRing::unsealed(Secret("another secret, 32 characters long"), sealed, "{ff}/3").error().reason ==
        "other_secret");
  CHECK(KeyRing::unsealed(kSecret, sealed, "{ff}/4").error().reason == "other_secret");
  CHECK(KeyRing::unsealed(kSecret, "", "{ff}/3").error().reason == "other_secret");
}

TEST_CASE("what was sealed in another form is corrupt, not half a ring") {
  const Secret key = derive_key(kSecret, "ff key ring 1");
  for (const char* plain : {"", "active abc 1 0 9\nshort", "verify_only abc 1 0 1\nx", "new abc 1 0 1\nx",
                            "active abc 1 0 1\nxrest", "active abc -1 0 1\nx", "active abc 1 0 1 \nx"}) {
    INFO(plain);
    CHECK(KeyRing::unsealed(kSecret, seal(key, plain, "b"), "b").error().reason == "bad_key_ring");
  }
}
