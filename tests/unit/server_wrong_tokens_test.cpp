// WrongTokens: who brings too many is refused, for as long as it takes, and nobody else.
#include "http/wrong_tokens.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace std::chrono_literals;
using ff::core::Code;
using ff::core::SteadyTime;
using ff::server::http::WrongTokens;

namespace {

const SteadyTime kNow = SteadyTime(1'000'000s);

std::string address(int n) { return "10.0." + std::to_string(n / 256) + "." + std::to_string(n % 256); }

}  // namespace

TEST_CASE("an address may bring so many wrong tokens at once, and one more for each share of a minute") {
  WrongTokens wrong(3);
  for (int i = 0; i < 3; ++i) {
    CHECK(!wrong.refusal("10.0.0.1", kNow));
    wrong.count("10.0.0.1", kNow);
  }
  const auto refusal = wrong.refusal("10.0.0.1", kNow);
  REQUIRE(refusal);
  CHECK(refusal->code == Code::exhausted);
  CHECK(refusal->reason == "too_many_wrong_tokens");
  CHECK(refusal->retry_after_ms == 20'000);
  CHECK(!wrong.refusal("10.0.0.2", kNow));

  CHECK(wrong.refusal("10.0.0.1", kNow + 19'999ms));
  CHECK(!wrong.refusal("10.0.0.1", kNow + 20s));
  wrong.count("10.0.0.1", kNow + 20s);
  CHECK(wrong.refusal("10.0.0.1", kNow + 20s)->retry_after_ms == 20'000);
  CHECK(!wrong.refusal("10.0.0.1", kNow + 1h));
}

TEST_CASE("what is refused is told, and does not make it longer") {
  int told = 0, first = 0;
  WrongTokens wrong(1, [&](std::string_view peer, bool is_first) {
    CHECK(peer == "10.0.0.1");
    ++told;
    first += is_first ? 1 : 0;
  });
  wrong.count("10.0.0.1", kNow);
  for (int i = 0; i < 100; ++i) CHECK(wrong.refusal("10.0.0.1", kNow + 30s));
  CHECK(told == 100);
  CHECK(first == 1);
  CHECK(!wrong.refusal("10.0.0.1", kNow + 60s));
}

TEST_CASE("an IPv6 client is its /64, a mapped IPv4 address is that address") {
  WrongTokens wrong(1);
  wrong.count("2001:db8:0:1::1", kNow);
  CHECK(wrong.refusal("2001:db8:0:1:ffff::2", kNow));
  CHECK(!wrong.refusal("2001:db8:0:2::1", kNow));
  wrong.count("::ffff:10.0.0.1", kNow);
  CHECK(wrong.refusal("10.0.0.1", kNow));
  CHECK(!wrong.refusal("::ffff:10.0.0.2", kNow));
}

TEST_CASE("without a limit nothing is counted") {
  WrongTokens wrong(0);
  for (int i = 0; i < 1000; ++i) wrong.count("10.0.0.1", kNow);
  CHECK(!wrong.refusal("10.0.0.1", kNow));
  CHECK(wrong.addresses() == 0);
}

TEST_CASE("many addresses take bounded memory: who did least is forgotten first, who is over the limit last") {
  WrongTokens wrong(2);
  wrong.count("192.0.2.1", kNow);
  wrong.count("192.0.2.1", kNow);
  for (int i = 0; i < 20'000; ++i) wrong.count(address(i), kNow);
  CHECK(wrong.addresses() == 8192);
  CHECK(wrong.refusal("192.0.2.1", kNow));
  wrong.count(address(60'000), kNow + 30s);  // The others have paid.
  CHECK(wrong.addresses() == 2);
  CHECK(!wrong.refusal("192.0.2.1", kNow + 30s));
}
