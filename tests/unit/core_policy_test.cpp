#include "ff/core/policy.hpp"

#include <catch2/catch_test_macros.hpp>

#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace ff::core;

namespace {

constexpr Millis kTenYears{315'360'000'000};

Policy with(const std::function<void(Policy&)>& change) {
  Policy policy;
  change(policy);
  return policy;
}

std::vector<Millis> delays(std::size_t count, std::int64_t ms = 1) {
  return std::vector<Millis>(count, Millis(ms));
}

std::vector<std::string> classes(std::size_t count) {
  std::vector<std::string> list;
  for (std::size_t i = 0; i < count; ++i) list.push_back("class_" + std::to_string(i));
  return list;
}

struct Refused {
  std::string message;
  std::function<void(Policy&)> change;
};

// Each is refused with its message and nothing else wrong.
void check_refused(const std::vector<Refused>& all) {
  for (const Refused& one : all) {
    INFO(one.message);
    const Result<void> checked = validate(with(one.change));
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == Code::invalid_argument);
    CHECK(checked.error().reason == "bad_policy");
    CHECK(checked.error().message == one.message);
  }
}

}  // namespace

TEST_CASE("the documented defaults are a valid policy of their own") {
  Policy p;
  CHECK(validate(p));
  p.retry.strategy = policy_default::kRetryStrategy;
  p.retry.delay = policy_default::kRetryDelay;
  p.retry.factor = policy_default::kRetryFactor;
  p.retry.max_delay = policy_default::kRetryMaxDelay;
  p.retry.jitter = policy_default::kRetryJitter;
  p.retry.max_attempts = policy_default::kRetryMaxAttempts;
  p.retry.never = std::vector<std::string>(policy_default::kRetryNever.begin(),
                                           policy_default::kRetryNever.end());
  p.crash.max = policy_default::kCrashMax;
  p.crash.delay = policy_default::kCrashDelay;
  p.crash.max_delay = policy_default::kCrashMaxDelay;
  p.attempt_timeout = policy_default::kAttemptTimeout;
  p.retention = policy_default::kRetention;
  p.mode = policy_default::kMode;

  CHECK(validate(p));
  CHECK(to_wire(p) ==
        R"({"retry":{"strategy":"exponential","delay_ms":1000,"factor":2,"max_delay_ms":300000,)"
        R"("jitter":0.1,"max_attempts":3,"never":["invalid_input","not_found","permission",)"
        R"("cancelled"]},"crash":{"max":3,"delay_ms":1000,"max_delay_ms":60000},)"
        R"("attempt_timeout_ms":0,"retention_ms":86400000,"mode":"record"})");
}

TEST_CASE("every field is taken at both ends of its range") {
  const std::vector<std::function<void(Policy&)>> good = {
      [](Policy& p) { p.retry.delay = Millis(0); },
      [](Policy& p) { p.retry.delay = p.retry.max_delay = kTenYears; },
      [](Policy& p) { p.retry.delay = Millis(0), p.retry.max_delay = Millis(1); },
      [](Policy& p) { p.retry.factor = 1; },
      [](Policy& p) { p.retry.factor = 100; },
      [](Policy& p) { p.retry.jitter = 0; },
      [](Policy& p) { p.retry.jitter = 1; },
      [](Policy& p) { p.retry.max_attempts = 1; },
      [](Policy& p) { p.retry.max_attempts = 1000; },
      [](Policy& p) { p.retry.only = classes(1); },
      [](Policy& p) { p.retry.only = classes(32); },
      [](Policy& p) { p.retry.never = classes(0); },
      [](Policy& p) { p.retry.never = classes(32); },
      [](Policy& p) { p.retry.only = {"timeout"}, p.retry.never = {"conflict"}; },
      [](Policy& p) { p.crash.max = 0; },
      [](Policy& p) { p.crash.max = 1000; },
      [](Policy& p) { p.crash.delay = Millis(0), p.crash.max_delay = Millis(1); },
      [](Policy& p) { p.crash.delay = p.crash.max_delay = kTenYears; },
      [](Policy& p) { p.attempt_timeout = Millis(0); },
      [](Policy& p) { p.attempt_timeout = kTenYears; },
      [](Policy& p) { p.retention = Millis(0); },
      [](Policy& p) { p.retention = kTenYears; },
      [](Policy& p) { p.mode = Mode::lean; },
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    INFO("case " << i);
    CHECK(validate(with(good[i])));
  }
}

TEST_CASE("every strategy is taken with its own fields") {
  Policy p;
  p.retry.delay = Millis(10);
  for (const RetryStrategy s :
       {RetryStrategy::fixed, RetryStrategy::linear, RetryStrategy::exponential}) {
    p.retry.strategy = s;
    CHECK(validate(p));
  }
  p.retry = RetryPolicy();
  p.retry.strategy = RetryStrategy::explicit_delays;
  p.retry.delays = delays(1, 0);
  CHECK(validate(p));
  p.retry.delays = delays(64, 3'600'000);
  p.retry.max_delay = Millis(3'600'000);
  CHECK(validate(p));
}

TEST_CASE("retry fields out of range are refused by name") {
  check_refused({
      {"retry.delay_ms is -1, must be 0 to 315360000000",
       [](Policy& p) { p.retry.delay = Millis(-1); }},
      {"retry.delay_ms is 315360000001, must be 0 to 315360000000",
       [](Policy& p) { p.retry.delay = kTenYears + Millis(1); }},
      {"retry.factor is 0.5, must be 1 to 100", [](Policy& p) { p.retry.factor = 0.5; }},
      {"retry.factor is 100.5, must be 1 to 100", [](Policy& p) { p.retry.factor = 100.5; }},
      {"retry.factor is nan, must be 1 to 100",
       [](Policy& p) { p.retry.factor = std::numeric_limits<double>::quiet_NaN(); }},
      {"retry.factor is inf, must be 1 to 100",
       [](Policy& p) { p.retry.factor = std::numeric_limits<double>::infinity(); }},
      {"retry.max_delay_ms is 0, must be 1 to 315360000000",
       [](Policy& p) { p.retry.max_delay = Millis(0); }},
      {"retry.max_delay_ms is 315360000001, must be 1 to 315360000000",
       [](Policy& p) { p.retry.max_delay = kTenYears + Millis(1); }},
      {"retry.delays_ms has 0 entries, must have 1 to 64",
       [](Policy& p) { p.retry.delays = delays(0); }},
      {"retry.delays_ms has 65 entries, must have 1 to 64",
       [](Policy& p) { p.retry.delays = delays(65); }},
      {"retry.delays_ms[1] is -5, must be 0 to 315360000000",
       [](Policy& p) {
         p.retry.delays = {Millis(5), Millis(-5)};
       }},
      {"retry.jitter is -0.1, must be 0 to 1", [](Policy& p) { p.retry.jitter = -0.1; }},
      {"retry.jitter is 1.01, must be 0 to 1", [](Policy& p) { p.retry.jitter = 1.01; }},
      {"retry.max_attempts is 0, must be 1 to 1000", [](Policy& p) { p.retry.max_attempts = 0; }},
      {"retry.max_attempts is 1001, must be 1 to 1000",
       [](Policy& p) { p.retry.max_attempts = 1001; }},
  });
}

TEST_CASE("failure class lists that cannot be are refused by name and entry") {
  check_refused({
      {"retry.only is empty, must have 1 to 32 entries: to retry nothing, set retry.max_attempts "
       "to 1",
       [](Policy& p) { p.retry.only = classes(0); }},
      {"retry.only has 33 entries, must have at most 32",
       [](Policy& p) { p.retry.only = classes(33); }},
      {"retry.never has 33 entries, must have at most 32",
       [](Policy& p) { p.retry.never = classes(33); }},
      {"retry.only[1] is \"Time out\", must be 1 to 32 characters of a-z, 0-9 and '_', the first "
       "a letter",
       [](Policy& p) {
         p.retry.only = {"timeout", "Time out"};
       }},
      {"retry.never[0] is \"\\\"}\", must be 1 to 32 characters of a-z, 0-9 and '_', the first a "
       "letter",
       [](Policy& p) { p.retry.never = {"\"}"}; }},
      {"retry.never[2] is \"timeout\", which retry.never names already",
       [](Policy& p) {
         p.retry.never = {"timeout", "conflict", "timeout"};
       }},
      {"retry.only and retry.never both name \"conflict\", must not",
       [](Policy& p) {
         p.retry.only = {"timeout", "conflict"}, p.retry.never = {"conflict"};
       }},
  });
}

TEST_CASE("fields that the strategy would not look at are refused by name") {
  check_refused({
      {"retry.factor is 2, must be unset: retry.strategy is fixed, it belongs to exponential",
       [](Policy& p) { p.retry.strategy = RetryStrategy::fixed, p.retry.factor = 2; }},
      {"retry.factor is 1.5, must be unset: retry.strategy is linear, it belongs to exponential",
       [](Policy& p) { p.retry.strategy = RetryStrategy::linear, p.retry.factor = 1.5; }},
      {"retry.factor is 2, must be unset: retry.strategy is explicit, it belongs to exponential",
       [](Policy& p) {
         p.retry.strategy = RetryStrategy::explicit_delays;
         p.retry.delays = delays(1);
         p.retry.factor = 2;
       }},
      {"retry.delay_ms is 5, must be unset: retry.strategy is explicit, it belongs to fixed, "
       "linear and exponential",
       [](Policy& p) {
         p.retry.strategy = RetryStrategy::explicit_delays;
         p.retry.delays = delays(1);
         p.retry.delay = Millis(5);
       }},
      {"retry.delays_ms is a list of 2, must be unset: retry.strategy is fixed, it belongs to "
       "explicit",
       [](Policy& p) { p.retry.strategy = RetryStrategy::fixed, p.retry.delays = delays(2); }},
      {"retry.delays_ms is a list of 3, must be unset: retry.strategy is exponential (the "
       "default), it belongs to explicit",
       [](Policy& p) { p.retry.delays = delays(3); }},
      {"retry.delays_ms is unset, must have 1 to 64 entries: retry.strategy is explicit",
       [](Policy& p) { p.retry.strategy = RetryStrategy::explicit_delays; }},
  });
}

TEST_CASE("a delay that a cap would shorten unseen is refused by name") {
  check_refused({
      {"retry.delay_ms is 2000, must be at most retry.max_delay_ms, which is 1999",
       [](Policy& p) { p.retry.delay = Millis(2000), p.retry.max_delay = Millis(1999); }},
      {"retry.delay_ms is 600000, must be at most retry.max_delay_ms, which is 300000 by default: "
       "raise it",
       [](Policy& p) {
         p.retry.strategy = RetryStrategy::fixed;
         p.retry.delay = Millis(600'000);
       }},
      {"retry.delay_ms is 1000, must be at most retry.max_delay_ms, which is 500",
       [](Policy& p) { p.retry.max_delay = Millis(500); }},
      {"retry.delays_ms[1] is 3600000, must be at most retry.max_delay_ms, which is 300000 by "
       "default: raise it",
       [](Policy& p) {
         p.retry.strategy = RetryStrategy::explicit_delays;
         p.retry.delays = {Millis(1000), Millis(3'600'000)};
       }},
      {"crash.delay_ms is 60001, must be at most crash.max_delay_ms, which is 60000 by default: "
       "raise it",
       [](Policy& p) { p.crash.delay = Millis(60'001); }},
      {"crash.delay_ms is 1000, must be at most crash.max_delay_ms, which is 999",
       [](Policy& p) { p.crash.max_delay = Millis(999); }},
  });
}

TEST_CASE("crash, timeout and retention out of range are refused by name") {
  check_refused({
      {"crash.max is -1, must be 0 to 1000", [](Policy& p) { p.crash.max = -1; }},
      {"crash.max is 1001, must be 0 to 1000", [](Policy& p) { p.crash.max = 1001; }},
      {"crash.delay_ms is -1, must be 0 to 315360000000",
       [](Policy& p) { p.crash.delay = Millis(-1); }},
      {"crash.max_delay_ms is 0, must be 1 to 315360000000",
       [](Policy& p) { p.crash.max_delay = Millis(0); }},
      {"attempt_timeout_ms is -1, must be 0 to 315360000000",
       [](Policy& p) { p.attempt_timeout = Millis(-1); }},
      {"attempt_timeout_ms is 315360000001, must be 0 to 315360000000",
       [](Policy& p) { p.attempt_timeout = kTenYears + Millis(1); }},
      {"retention_ms is -1, must be 0 to 315360000000",
       [](Policy& p) { p.retention = Millis(-1); }},
      {"retention_ms is 315360000001, must be 0 to 315360000000",
       [](Policy& p) { p.retention = kTenYears + Millis(1); }},
  });
}

TEST_CASE("the wire holds only what was set, and nothing when nothing was") {
  CHECK(to_wire(Policy()).empty());
  const std::vector<std::pair<std::string, std::function<void(Policy&)>>> golden = {
      {R"({"mode":"lean"})", [](Policy& p) { p.mode = Mode::lean; }},
      {R"({"retention_ms":0})", [](Policy& p) { p.retention = Millis(0); }},
      {R"({"attempt_timeout_ms":30000})", [](Policy& p) { p.attempt_timeout = Millis(30'000); }},
      {R"({"crash":{"max":0}})", [](Policy& p) { p.crash.max = 0; }},
      {R"({"retry":{"max_attempts":1}})", [](Policy& p) { p.retry.max_attempts = 1; }},
      {R"({"retry":{"never":[]}})", [](Policy& p) { p.retry.never = classes(0); }},
      {R"({"retry":{"only":["timeout","x_1"]}})",
       [](Policy& p) {
         p.retry.only = {"timeout", "x_1"};
       }},
      {R"({"retry":{"strategy":"fixed","delay_ms":0}})",
       [](Policy& p) { p.retry.strategy = RetryStrategy::fixed, p.retry.delay = Millis(0); }},
      {R"({"retry":{"strategy":"linear"},"mode":"record"})",
       [](Policy& p) { p.retry.strategy = RetryStrategy::linear, p.mode = Mode::record; }},
      {R"({"retry":{"strategy":"explicit","max_delay_ms":9000,"delays_ms":[0,5,9000]}})",
       [](Policy& p) {
         p.retry.delays = {Millis(0), Millis(5), Millis(9000)};
         p.retry.strategy = RetryStrategy::explicit_delays;
         p.retry.max_delay = Millis(9000);
       }},
      {R"({"retry":{"delay_ms":315360000000,"max_delay_ms":315360000000}})",
       [](Policy& p) { p.retry.delay = p.retry.max_delay = kTenYears; }},
      {R"({"crash":{"max":5,"delay_ms":10,"max_delay_ms":20},"retention_ms":1})",
       [](Policy& p) {
         p.retention = Millis(1);
         p.crash.max_delay = Millis(20);
         p.crash.delay = Millis(10);
         p.crash.max = 5;
       }},
  };
  for (const auto& [wire, change] : golden) {
    const Policy policy = with(change);
    INFO(wire);
    CHECK(validate(policy));
    CHECK(to_wire(policy) == wire);
  }
}

TEST_CASE("numbers go on the wire in the shortest text that reads back the same") {
  const auto factor = [](double value) {
    return to_wire(with([value](Policy& p) { p.retry.factor = value; }));
  };
  CHECK(factor(2.0) == R"({"retry":{"factor":2}})");
  CHECK(factor(1.5) == R"({"retry":{"factor":1.5}})");
  CHECK(factor(100) == R"({"retry":{"factor":100}})");
  CHECK(factor(1.1) == R"({"retry":{"factor":1.1}})");
  CHECK(factor(4.0 / 3) == R"({"retry":{"factor":1.3333333333333333}})");
  CHECK(to_wire(with([](Policy& p) { p.retry.jitter = 0; })) == R"({"retry":{"jitter":0}})");
  CHECK(to_wire(with([](Policy& p) { p.retry.jitter = -0.0; })) == R"({"retry":{"jitter":0}})");
  CHECK(to_wire(with([](Policy& p) { p.retry.jitter = 0.1; })) == R"({"retry":{"jitter":0.1}})");
  CHECK(to_wire(with([](Policy& p) { p.retry.jitter = 1e-7; })) == R"({"retry":{"jitter":1e-07}})");
}

TEST_CASE("strategies and modes read back as they print, other words are refused") {
  for (const RetryStrategy s : {RetryStrategy::fixed, RetryStrategy::linear,
                                RetryStrategy::exponential, RetryStrategy::explicit_delays}) {
    CHECK(*parse_retry_strategy(to_string(s)) == s);
  }
  for (const Mode mode : {Mode::record, Mode::lean}) CHECK(*parse_mode(to_string(mode)) == mode);
  CHECK(to_string(RetryStrategy::explicit_delays) == "explicit");

  CHECK(parse_retry_strategy("explicit_delays").error().message ==
        "retry.strategy is \"explicit_delays\", must be fixed, linear, exponential or explicit");
  CHECK(parse_retry_strategy("").error().reason == "bad_policy");
  CHECK(parse_mode("Lean").error().message == "mode is \"Lean\", must be record or lean");
  CHECK(parse_mode("").error().reason == "bad_policy");
}
