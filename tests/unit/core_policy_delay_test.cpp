#include "ff/core/policy.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace ff::core;

namespace {

RetryPolicy retry(RetryStrategy strategy, std::int64_t delay_ms) {
  RetryPolicy policy;
  policy.strategy = strategy;
  policy.delay = Millis(delay_ms);
  policy.max_delay = Millis(10'000);
  policy.jitter = 0;
  return policy;
}

RetryPolicy schedule(std::vector<Millis> delays) {
  RetryPolicy policy;
  policy.strategy = RetryStrategy::explicit_delays;
  policy.delays = std::move(delays);
  policy.max_delay = Millis(10'000);
  policy.jitter = 0;
  return policy;
}

std::vector<std::int64_t> first(const RetryPolicy& policy, std::int64_t count) {
  std::vector<std::int64_t> delays;
  for (std::int64_t failures = 1; failures <= count; ++failures) {
    delays.push_back(retry_delay(policy, failures, 0.5).count());
  }
  return delays;
}

using Delays = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("each strategy grows as documented, up to the cap") {
  CHECK(first(retry(RetryStrategy::fixed, 700), 4) == Delays{700, 700, 700, 700});
  CHECK(first(retry(RetryStrategy::linear, 3'000), 5) ==
        Delays{3'000, 6'000, 9'000, 10'000, 10'000});
  CHECK(first(retry(RetryStrategy::exponential, 1'000), 6) ==
        Delays{1'000, 2'000, 4'000, 8'000, 10'000, 10'000});
  CHECK(first(schedule({Millis(5), Millis(0), Millis(90)}), 5) == Delays{5, 0, 90, 90, 90});
}

TEST_CASE("unset fields mean the defaults") {
  RetryPolicy policy;
  CHECK(first(policy, 4) == Delays{1'000, 2'000, 4'000, 8'000});
  CHECK(retry_delay(policy, 1, 0).count() == 900);
  CHECK(retry_delay(policy, 1, 1).count() == 1'100);
  CHECK(retry_delay(policy, 20, 0.5).count() == 300'000);
}

TEST_CASE("a factor of its own is honoured, and fractions are rounded down") {
  RetryPolicy policy = retry(RetryStrategy::exponential, 1'000);
  policy.factor = 1.5;
  CHECK(first(policy, 5) == Delays{1'000, 1'500, 2'250, 3'375, 5'062});
  policy.factor = 1;
  CHECK(first(policy, 3) == Delays{1'000, 1'000, 1'000});
}

TEST_CASE("jitter adds or takes its share of the capped delay") {
  RetryPolicy policy = retry(RetryStrategy::fixed, 1'000);
  policy.jitter = 0.25;
  CHECK(retry_delay(policy, 1, 0).count() == 750);
  CHECK(retry_delay(policy, 1, 0.25).count() == 875);
  CHECK(retry_delay(policy, 1, 0.5).count() == 1'000);
  CHECK(retry_delay(policy, 1, 1).count() == 1'250);

  policy = retry(RetryStrategy::linear, 9'000);
  policy.jitter = 0.5;
  CHECK(retry_delay(policy, 2, 1).count() == 15'000);
}

TEST_CASE("whole jitter ranges from no delay to twice the delay") {
  RetryPolicy policy = retry(RetryStrategy::fixed, 1'000);
  policy.jitter = 1;
  CHECK(retry_delay(policy, 1, 0).count() == 0);
  CHECK(retry_delay(policy, 1, 1).count() == 2'000);
}

TEST_CASE("no number of failures overflows") {
  RetryPolicy policy = retry(RetryStrategy::exponential, 1'000);
  policy.factor = 100;
  CHECK(retry_delay(policy, 1'000, 0.5).count() == 10'000);
  policy.delay = Millis(0);
  CHECK(retry_delay(policy, 1'000, 0.5).count() == 0);

  policy = retry(RetryStrategy::linear, 315'360'000'000);
  policy.max_delay = Millis(315'360'000'000);
  policy.jitter = 1;
  CHECK(retry_delay(policy, 1'000, 1).count() == 630'720'000'000);
}

TEST_CASE("fewer than one failure counts as one") {
  for (const std::int64_t failures : {0, -7}) {
    CHECK(retry_delay(retry(RetryStrategy::exponential, 1'000), failures, 0.5).count() == 1'000);
    CHECK(retry_delay(retry(RetryStrategy::linear, 1'000), failures, 0.5).count() == 1'000);
    CHECK(retry_delay(schedule({Millis(5), Millis(6)}), failures, 0.5).count() == 5);
  }
}

TEST_CASE("max_attempts allows one failure less than it says to be retried") {
  RetryPolicy policy;
  CHECK(may_retry(policy, "timeout", 1));
  CHECK(may_retry(policy, "timeout", 2));
  CHECK_FALSE(may_retry(policy, "timeout", 3));
  policy.max_attempts = 1;
  CHECK_FALSE(may_retry(policy, "timeout", 1));
  policy.max_attempts = 1000;
  CHECK(may_retry(policy, "timeout", 999));
  CHECK_FALSE(may_retry(policy, "timeout", 1000));
}

TEST_CASE("by default the classes that will not go better are not retried") {
  const RetryPolicy policy;
  for (const std::string word : {"invalid_input", "not_found", "permission", "cancelled"}) {
    CHECK_FALSE(may_retry(policy, word, 1));
  }
  for (const std::string word : {"timeout", "internal", "conflict", "card_declined"}) {
    CHECK(may_retry(policy, word, 1));
  }
}

TEST_CASE("never replaces the default list, only limits retries to what it names") {
  RetryPolicy policy;
  policy.never = {"conflict"};
  CHECK_FALSE(may_retry(policy, "conflict", 1));
  CHECK(may_retry(policy, "not_found", 1));
  policy.never = std::vector<std::string>();
  CHECK(may_retry(policy, "cancelled", 1));

  policy = RetryPolicy();
  policy.only = {"not_found", "timeout"};
  CHECK(may_retry(policy, "timeout", 1));
  CHECK(may_retry(policy, "not_found", 1));
  CHECK_FALSE(may_retry(policy, "internal", 1));
  policy.never = {"conflict"};
  CHECK(may_retry(policy, "not_found", 1));
  CHECK_FALSE(may_retry(policy, "internal", 1));
}

TEST_CASE("after the first crash there is no wait, then it doubles up to its cap") {
  const auto wait = [](const CrashPolicy& policy) {
    Delays delays;
    for (const std::int64_t crashes : {0, 1, 2, 3, 4, 5, 1'000}) {
      delays.push_back(crash_delay(policy, crashes).count());
    }
    return delays;
  };
  CrashPolicy policy;
  CHECK(wait(policy) == Delays{0, 0, 1'000, 2'000, 4'000, 8'000, 60'000});
  policy.delay = Millis(700);
  policy.max_delay = Millis(2'000);
  CHECK(wait(policy) == Delays{0, 0, 700, 1'400, 2'000, 2'000, 2'000});
  policy.delay = Millis(0);
  CHECK(wait(policy) == Delays{0, 0, 0, 0, 0, 0, 0});
  policy.delay = policy.max_delay = Millis(315'360'000'000);
  CHECK(crash_delay(policy, 1'000).count() == 315'360'000'000);
}
