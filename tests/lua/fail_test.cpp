#include <catch2/catch_test_macros.hpp>

#include "ff/core/policy.hpp"
#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using core::Millis;
using script::Fail;

core::Policy no_jitter() {
  core::Policy policy;
  policy.retry.jitter = 0;
  policy.retry.max_attempts = 1000;
  return policy;
}

// The delay after each of `count` failures.
std::vector<std::int64_t> delays(LuaFixture& lua, const core::Policy& policy, int count) {
  std::vector<std::int64_t> found;
  auto lease = lua.held(LuaFixture::item_with(policy));
  for (int i = 0; i < count; ++i) {
    const auto answer = lua.ok<Fail>(lua.fail_args(lease));
    REQUIRE(answer.outcome == "retried");
    const auto described = lua.describe(lease.id);
    const auto entry = lua.history(lease.id).back();
    const auto at = entry.find("\"at\":");
    found.push_back(answer.retry_at - std::stoll(entry.substr(at + 5)));
    if (described.state == "delayed") {
      CHECK(described.timer_at == answer.retry_at);
      lua.make_due("delayed", lease.id);
      lua.run_due();
    }
    lease = lua.held_again(lease.id);
  }
  return found;
}

TEST_CASE("the four strategies") {
  LuaFixture lua;
  auto policy = no_jitter();
  policy.retry.delay = Millis(1000);
  SECTION("fixed") {
    policy.retry.strategy = core::RetryStrategy::fixed;
    CHECK(delays(lua, policy, 3) == std::vector<std::int64_t>{1000, 1000, 1000});
  }
  SECTION("linear") {
    policy.retry.strategy = core::RetryStrategy::linear;
    CHECK(delays(lua, policy, 3) == std::vector<std::int64_t>{1000, 2000, 3000});
  }
  SECTION("exponential, up to the cap") {
    policy.retry.factor = 3;
    policy.retry.max_delay = Millis(10'000);
    CHECK(delays(lua, policy, 4) == std::vector<std::int64_t>{1000, 3000, 9000, 10'000});
  }
  SECTION("explicit, the last one repeated") {
    policy.retry.delay.reset();
    policy.retry.strategy = core::RetryStrategy::explicit_delays;
    policy.retry.delays = std::vector<Millis>{Millis(5), Millis(0), Millis(7000)};
    CHECK(delays(lua, policy, 4) == std::vector<std::int64_t>{5, 0, 7000, 7000});
  }
}

TEST_CASE("jitter stays within its share, and differs") {
  LuaFixture lua;
  core::Policy policy = no_jitter();
  policy.retry.strategy = core::RetryStrategy::fixed;
  policy.retry.delay = Millis(10'000);
  policy.retry.jitter = 0.5;

  const auto found = delays(lua, policy, 20);

  for (const auto delay : found) {
    CHECK(delay >= 5'000);
    CHECK(delay <= 15'000);
  }
  CHECK(std::set<std::int64_t>(found.begin(), found.end()).size() > 10);
}

TEST_CASE("a failure is written down, and the retry keeps what it needs") {
  LuaFixture lua;
  const auto lease = lua.held();

  const auto answer = lua.ok<Fail>(lua.fail_args(lease, "timeout"));

  CHECK(answer.outcome == "retried");
  const auto described = lua.describe(lease.id);
  CHECK(described.state == "delayed");
  CHECK(described.failures == 1);
  CHECK(described.attempt == 1);
  CHECK(described.failure_class == "timeout");
  CHECK(described.text == "it broke");
  REQUIRE(described.rows.size() == 1);
  for (const char* part : {R"("event":"failed")", R"("class":"timeout")", R"("error":"it broke")", R"("attempt":1)",
                           R"("outcome":"retried")", R"("worker":"worker")"}) {
    CHECK(described.rows[0].entry.find(part) != std::string::npos);
  }
  CHECK(described.rows[0].entry.find(lease.epoch) != std::string::npos);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("a long error text is whole beside the record and short, in whole characters, in the history") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = lua.fail_args(lease);
  args.text.clear();
  while (args.text.size() < 2000) args.text += "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82";

  lua.ok<Fail>(args);

  CHECK(lua.describe(lease.id).text == args.text);
  const auto entry = lua.history(lease.id).at(0);
  const auto begin = entry.find("\"error\":\"") + 9;
  const auto shown = entry.substr(begin, entry.find('"', begin) - begin);
  CHECK(shown.size() <= 512);
  CHECK(shown.size() > 508);
  CHECK(args.text.starts_with(shown));
  const auto next = static_cast<unsigned char>(args.text[shown.size()]);
  CHECK((next < 0x80 || next >= 0xc0));
}

TEST_CASE("the last attempt fails the execution") {
  LuaFixture lua;
  core::Policy policy = no_jitter();
  policy.retry.max_attempts = 2;
  policy.retry.delay = Millis(0);
  auto lease = lua.held(LuaFixture::item_with(policy));
  REQUIRE(lua.ok<Fail>(lua.fail_args(lease)).outcome == "retried");
  lease = lua.held_again(lease.id);

  const auto answer = lua.ok<Fail>(lua.fail_args(lease, "conflict"));

  CHECK(answer.outcome == "failed");
  CHECK(answer.retry_at == 0);
  const auto described = lua.describe(lease.id);
  CHECK(described.state == "failed");
  CHECK(described.failures == 2);
  CHECK(described.failure_class == "conflict");
  CHECK(described.ended_at > 0);
  CHECK(described.timer_at == described.ended_at + 24 * 3'600'000);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("by default four classes are not retried") {
  LuaFixture lua;
  for (const auto name : core::failure_class::kStandard) {
    INFO(name);
    const auto lease = lua.held();
    const bool retried = core::may_retry(core::RetryPolicy(), name, 1);
    CHECK(lua.ok<Fail>(lua.fail_args(lease, std::string(name))).outcome == (retried ? "retried" : "failed"));
  }
}

TEST_CASE("only and never decide by the class") {
  LuaFixture lua;
  core::Policy only = no_jitter(), never = no_jitter(), none = no_jitter();
  only.retry.only = std::vector<std::string>{"not_found", "mine"};
  never.retry.never = std::vector<std::string>{"mine"};
  none.retry.never = std::vector<std::string>();
  const auto outcome = [&lua](const core::Policy& policy, const char* name) {
    return lua.ok<Fail>(lua.fail_args(lua.held(LuaFixture::item_with(policy)), name)).outcome;
  };

  CHECK(outcome(only, "not_found") == "retried");
  CHECK(outcome(only, "mine") == "retried");
  CHECK(outcome(only, "timeout") == "failed");
  CHECK(outcome(never, "mine") == "failed");
  CHECK(outcome(never, "invalid_input") == "retried");
  CHECK(outcome(none, "invalid_input") == "retried");
}

TEST_CASE("the handler's own wish replaces the delay of the policy, but not its end") {
  LuaFixture lua;
  core::Policy policy = no_jitter();
  policy.retry.max_attempts = 2;
  auto lease = lua.held(LuaFixture::item_with(policy));
  auto args = lua.fail_args(lease);
  args.retry_after_ms = 0;
  REQUIRE(lua.ok<Fail>(args).outcome == "retried");
  CHECK(lua.state(lease.id) == "ready");

  lease = lua.held_again(lease.id);
  args = lua.fail_args(lease);
  args.retry_after_ms = 10;
  CHECK(lua.ok<Fail>(args).outcome == "failed");
}

TEST_CASE("a retry that is due queues by its due time: behind what was ready before, ahead of what came later") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.ok<Fail>(lua.fail_args(lease));
  const auto earlier = lua.submit();
  const auto due = lua.describe(earlier).created_at - 5;
  lua.text({"ZADD", lua.key("delayed"), std::to_string(due), lease.id});
  lua.run_due();

  CHECK(lua.members("q:ns/lane") == std::vector<std::string>{lease.id, earlier});
  CHECK(lua.describe(lease.id).timer_at == due);
}

TEST_CASE("the same failure again gets the same answer and has no second effect") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto first = lua.ok<Fail>(lua.fail_args(lease));
  const auto before = lua.contents();

  const auto again = lua.ok<Fail>(lua.fail_args(lease, "timeout"));

  CHECK(again.outcome == first.outcome);
  CHECK(again.retry_at == first.retry_at);
  CHECK(lua.changes(before) == "");
}

TEST_CASE("a failure is recognised again after the next claim, from the history") {
  LuaFixture lua;
  core::Policy policy = no_jitter();
  policy.retry.delay = Millis(0);
  const auto lease = lua.held(LuaFixture::item_with(policy));
  lua.ok<Fail>(lua.fail_args(lease));
  lua.held_again(lease.id);
  const auto before = lua.contents();

  CHECK(lua.ok<Fail>(lua.fail_args(lease)).outcome == "retried");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a receipt is for the lease and the epoch together, and a new holder begins without one") {
  LuaFixture lua;
  core::Policy policy = no_jitter();
  policy.retry.delay = Millis(0);
  const auto lease = lua.held(LuaFixture::item_with(policy));
  lua.ok<Fail>(lua.fail_args(lease));
  lua.held_again(lease.id);
  auto other_lease = lua.fail_args(lease), other_epoch = lua.fail_args(lease);
  other_lease.lease = LuaFixture::new_id();
  other_epoch.epoch = std::to_string(std::stoll(lease.epoch) + 1);

  CHECK(lua.word<Fail>(other_lease) == "stale_lease");
  CHECK(lua.word<Fail>(other_epoch) == "stale_lease");
  CHECK(lua.field(lease.id, "o").empty());
}

TEST_CASE("a final failure is recognised again") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto args = lua.fail_args(lease, "not_found");
  REQUIRE(lua.ok<Fail>(args).outcome == "failed");
  const auto before = lua.contents();

  CHECK(lua.ok<Fail>(args).outcome == "failed");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a failure under a stale lease or epoch is refused and changes nothing") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto before = lua.contents();
  auto other_lease = lua.fail_args(lease), other_epoch = lua.fail_args(lease), none = lua.fail_args(lease);
  other_lease.lease = LuaFixture::new_id();
  other_epoch.epoch = std::to_string(std::stoll(lease.epoch) + 1);
  none.id = LuaFixture::new_id();

  for (const auto& args : {other_lease, other_epoch, none}) CHECK(lua.word<Fail>(args) == "stale_lease");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a completed execution cannot be failed by its holder") {
  LuaFixture lua;
  const auto lease = lua.held();
  REQUIRE(lua.complete(lease) == "completed");

  CHECK(lua.word<Fail>(lua.fail_args(lease)) == "stale_lease");
}

TEST_CASE("a lean execution is retried, keeps no history, and is deleted when it fails for good") {
  LuaFixture lua;
  core::Policy policy = no_jitter();
  policy.mode = core::Mode::lean;
  policy.retry.max_attempts = 2;
  policy.retry.delay = Millis(0);
  auto lease = lua.held(LuaFixture::item_with(policy));
  REQUIRE(lua.ok<Fail>(lua.fail_args(lease)).outcome == "retried");
  CHECK(lua.ok<Fail>(lua.fail_args(lease)).outcome == "retried");
  CHECK(lua.history(lease.id).empty());
  lease = lua.held_again(lease.id);

  CHECK(lua.ok<Fail>(lua.fail_args(lease)).outcome == "failed");

  CHECK(lua.text({"KEYS", "*" + lease.id + "*"}).empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("the history keeps the last 64 entries") {
  LuaFixture lua;
  core::Policy policy = no_jitter();
  policy.retry.delay = Millis(0);
  auto lease = lua.held(LuaFixture::item_with(policy));
  for (int i = 0; i < 70; ++i) {
    lua.ok<Fail>(lua.fail_args(lease));
    lease = lua.held_again(lease.id);
  }

  const auto entries = lua.history(lease.id);

  REQUIRE(entries.size() == 64);
  CHECK(entries.front().find(R"("attempt":7,)") != std::string::npos);
  CHECK(entries.back().find(R"("attempt":70,)") != std::string::npos);
}

}  // namespace
}  // namespace ff::test
