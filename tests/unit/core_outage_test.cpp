#include "ff/core/outage.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace ff::core;
using namespace std::chrono_literals;

namespace {

const SteadyTime t0{1h};

TEST_CASE("the first failure is said at once, the others once a minute with their count") {
  Outage outage;
  CHECK(outage.failed(t0) == 1);
  for (int i = 1; i < 60; ++i) CHECK_FALSE(outage.failed(t0 + i * 1s));

  CHECK(outage.failed(t0 + 60s) == 60);
  CHECK_FALSE(outage.failed(t0 + 61s));
  CHECK(outage.failed(t0 + 200s) == 2);
}

TEST_CASE("an outage is over once a call succeeds and none has failed for a while, which is said once") {
  Outage outage;
  CHECK_FALSE(outage.succeeded(t0));
  outage.failed(t0);
  outage.failed(t0 + 1s);
  CHECK_FALSE(outage.succeeded(t0 + 2s));

  CHECK(outage.succeeded(t0 + 1s + Outage::kQuiet) == 2);
  CHECK_FALSE(outage.succeeded(t0 + 1h));
  CHECK(outage.failed(t0 + 1h) == 1);
}

}  // namespace
