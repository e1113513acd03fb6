#include "ff/core/payload.hpp"
#include "ff/core/policy.hpp"
#include "ff/core/secret.hpp"
#include "ff/core/sha256.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstring>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>

using namespace ff::core;

// g++ 12 frees the members of an aggregate twice when it is built inside an expression that awaits.
static_assert(!std::is_aggregate_v<Payload> && !std::is_aggregate_v<Policy> &&
              !std::is_aggregate_v<RetryPolicy> && !std::is_aggregate_v<CrashPolicy> &&
              !std::is_aggregate_v<Error> && !std::is_aggregate_v<Secret>);

TEST_CASE("a payload is bytes of no known type unless told") {
  CHECK(Payload().bytes.empty());
  CHECK(Payload().content_type == "application/octet-stream");
  CHECK(Payload("x").content_type == "application/octet-stream");
  CHECK(Payload("{}", "application/json").content_type == "application/json");
  CHECK(Payload("x") == Payload("x", "application/octet-stream"));
}

TEST_CASE("any bytes are a payload, up to a mebibyte") {
  CHECK(validate(Payload()));
  CHECK(validate(Payload(std::string("\0\xff\n", 3))));
  CHECK(validate(Payload(std::string(1024 * 1024, 'x'))));
}

TEST_CASE("a payload that is too large or of no type is refused by name") {
  const Result<void> large = validate(Payload(std::string(1024 * 1024 + 1, 'x')), "result");
  REQUIRE_FALSE(large);
  CHECK(large.error().code == Code::invalid_argument);
  CHECK(large.error().reason == "payload_too_large");
  CHECK(large.error().message ==
        "result has 1048577 bytes, must have at most 1048576: keep larger data elsewhere and pass "
        "where");

  const Result<void> untyped = validate(Payload("x", "json"));
  REQUIRE_FALSE(untyped);
  CHECK(untyped.error().reason == "bad_content_type");
  CHECK(untyped.error().message.rfind("payload.content_type is \"json\", must be", 0) == 0);
}

// FIPS 180-2 examples.
TEST_CASE("SHA-256 of the standard's examples") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256("abc")[0] == 0xba);
  CHECK(sha256("abc")[31] == 0xad);
}

// Stored data depends on these: computed apart from this code, they must never change.
TEST_CASE("fingerprints are the ones that deployments already have") {
  CHECK(fingerprint("email", "mail", Payload("{}", "application/json")) ==
        "63b26fd60cca63c752c42c936af5f14f");
  CHECK(fingerprint("", "", Payload()) == "e9fb5751529d6ae0787eeda0bde6a8be");
}

TEST_CASE("a fingerprint differs when any part does, also by where a part ends") {
  const std::set<std::string> prints = {
      fingerprint("kind", "lane", Payload("bytes", "a/b")),
      fingerprint("kindl", "ane", Payload("bytes", "a/b")),
      fingerprint("kin", "dlane", Payload("bytes", "a/b")),
      fingerprint("kind", "laneb", Payload("ytes", "a/b")),
      fingerprint("kind", "lane", Payload("bytesa", "/b")),
      fingerprint("kind", "lane", Payload("bytes", "a/c")),
      fingerprint("kind", "lane", Payload("byte", "a/b")),
      fingerprint("lane", "kind", Payload("bytes", "a/b")),
      fingerprint("kind", "lane", Payload(std::string("bytes\0", 6), "a/b")),
  };
  CHECK(prints.size() == 9);
  for (const std::string& print : prints) {
    CHECK(print.size() == 32);
    CHECK(print.find_first_not_of("0123456789abcdef") == std::string::npos);
  }
}

TEST_CASE("a secret prints as stars wherever it is put") {
  const Secret secret("hunter2");
  std::ostringstream out;
  out << secret;

  CHECK(fmt::format("{}", secret) == "***");
  CHECK(fmt::format("{:>5}", secret) == "  ***");
  CHECK(fmt::format("{}", Secret()) == "***");
  CHECK(out.str() == "***");
}

TEST_CASE("a secret is had by reveal only, and moves and copies whole") {
  Secret first("hunter2");
  const Secret copy = first;
  const Secret moved = std::move(first);

  CHECK(moved.reveal() == "hunter2");
  CHECK(copy.reveal() == "hunter2");
  CHECK(first.empty());  // NOLINT(bugprone-use-after-move): wiped, as the class promises

  Secret assigned;
  assigned = copy;
  CHECK(assigned.equals("hunter2"));
  const Secret& itself = assigned;
  assigned = itself;
  CHECK(assigned.equals("hunter2"));
  Secret other(std::string(200, 'x'));
  assigned = std::move(other);
  CHECK(assigned.reveal() == std::string(200, 'x'));
}

TEST_CASE("a secret that was moved away leaves none of its bytes behind") {
  Secret first("hunter2");  // short enough to lie inside the object
  const Secret moved = std::move(first);
  std::string bytes(sizeof first, '\0');
  std::memcpy(bytes.data(), static_cast<const void*>(&first), sizeof first);

  CHECK(bytes.find("unter") == std::string::npos);
  CHECK(moved.reveal() == "hunter2");
}

TEST_CASE("secrets compare by content") {
  const Secret secret("hunter2");
  CHECK(secret.equals("hunter2"));
  CHECK_FALSE(secret.equals("hunter3"));
  CHECK_FALSE(secret.equals("hunter22"));
  CHECK_FALSE(secret.equals(""));
  CHECK(Secret().equals(""));
}
