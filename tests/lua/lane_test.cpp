// Lane records: what a lane's policy and state change, in the partition that has the copy.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "lua/lane.hpp"

namespace ff::test {
namespace {

std::string outcome(LuaFixture& lua, script::Submit::Item item, bool again = false) {
  script::Submit::Args args;
  args.ns = "ns";
  args.again = again;
  args.items.push_back(std::move(item));
  return lua.ok<script::Submit>(args).rows.at(0).outcome;
}

TEST_CASE("a paused lane starts nothing, loses nothing and wakes nobody; resumed, it wakes workers") {
  LuaFixture lua;
  Lane lane(lua);
  lua.claim(5);
  Listener listener(lua, {"w:worker"});
  lane.state("paused");

  const auto id = lua.submit();
  const auto answer = lua.ok<script::Claim>(LuaFixture::claim_args(5));
  CHECK(answer.rows.empty());
  CHECK(answer.left == 0);
  CHECK(answer.check_in_ms > 0);
  CHECK(listener.heard().empty());
  CHECK(lua.state(id) == "ready");
  lua.reload();
  CHECK(lua.claim(5).empty());

  lane.state("running");
  CHECK(listener.heard() == std::vector<std::string>{"w:worker ready ns/lane"});
  CHECK(lua.claim(5).size() == 1);
  CHECK(lua.violations() == "");
}

TEST_CASE("what runs when its lane is paused may end, and its retry waits") {
  LuaFixture lua;
  Lane lane(lua);
  const auto first = lua.held(), second = lua.held();
  lane.state("paused");

  CHECK(lua.complete(first) == "completed");
  auto fail = lua.fail_args(second);
  fail.retry_after_ms = 0;
  CHECK(lua.ok<script::Fail>(fail).outcome == "retried");
  CHECK(lua.claim(5).empty());
}

TEST_CASE("a draining lane refuses submits and finishes what it has") {
  LuaFixture lua;
  Lane lane(lua);
  const auto known = LuaFixture::item();
  lua.submit(known);
  lane.state("draining");

  CHECK(outcome(lua, LuaFixture::item()) == "lane_draining");
  CHECK(outcome(lua, known) == "created");  // A resend.
  CHECK(lua.claim(5).size() == 1);
}

TEST_CASE("a full lane refuses exactly what is too much, within one call too, whichever line it is for") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.depth = 5;
  policy.strict = true;
  lane.policy(policy);
  lua.submit({LuaFixture::item(), LuaFixture::item(), LuaFixture::item()});
  script::Submit::Args args;
  args.ns = "ns";
  for (int i = 0; i < 4; ++i) args.items.push_back(LuaFixture::item());
  args.items[0].requirements = "+gpu";
  args.items[1].fairness_key = "A";

  std::vector<std::string> outcomes;
  for (const auto& row : lua.ok<script::Submit>(args).rows) outcomes.push_back(row.outcome);

  CHECK(outcomes == std::vector<std::string>{"created", "created", "lane_full", "lane_full"});
  lua.claim(1);
  CHECK(outcome(lua, LuaFixture::item()) == "created");
  CHECK(outcome(lua, LuaFixture::item()) == "lane_full");
}

TEST_CASE("a spread lane has its share of the depth in each partition, rounded up") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.depth = static_cast<std::int64_t>(lua.keys().partitions()) + 1;
  lane.policy(policy);

  CHECK(outcome(lua, LuaFixture::item()) == "created");
  CHECK(outcome(lua, LuaFixture::item()) == "created");
  CHECK(outcome(lua, LuaFixture::item()) == "lane_full");
}

TEST_CASE("a strict lane lives in one partition, and another one says which") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.strict = true;
  lane.policy(policy, lua.home() + 1);
  script::Submit::Args args;
  args.ns = "ns";
  args.items.push_back(LuaFixture::item());

  const auto row = lua.ok<script::Submit>(args).rows.at(0);

  CHECK(row.outcome == "elsewhere");
  CHECK(row.id == std::to_string(lua.home() + 1));
}

TEST_CASE("a draining strict lane is asked at its home, which may know the key") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.strict = true;
  lane.policy(policy);
  auto known = LuaFixture::item();
  known.idempotency_key = "k";
  known.idempotency_ttl_ms = 60'000;
  lua.submit(known);
  lane.state("draining");
  auto again = known;
  again.id = LuaFixture::new_id();
  CHECK(outcome(lua, again) == "duplicate");

  lane.policy(policy, lua.home() + 1);

  CHECK(outcome(lua, LuaFixture::item()) == "elsewhere");
}

TEST_CASE("strict order is exact: priority, then time") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.strict = true;
  lane.policy(policy);
  std::vector<std::pair<std::int64_t, std::string>> submitted;
  for (int i = 0; i < 60; ++i) {
    auto item = LuaFixture::item();
    item.priority = (i * 7) % 5;
    submitted.emplace_back(-item.priority, lua.submit(item));
  }
  std::stable_sort(submitted.begin(), submitted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });

  std::vector<std::string> wanted, got;
  for (const auto& [priority, id] : submitted) wanted.push_back(id);
  while (got.size() < wanted.size()) got.push_back(lua.claim(1).at(0).id);

  CHECK(got == wanted);
}

TEST_CASE("aging bounds how long a lower priority is passed") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.aging = core::Millis(1000);
  lane.policy(policy);
  auto high = LuaFixture::item();
  high.priority = 3;
  const auto low = lua.submit();
  // As if it had waited 2.9 and 3.1 seconds.
  for (const auto& [waited, first] : {std::pair(2900, false), std::pair(3100, true)}) {
    const auto since = lua.describe(low).timer_at;
    lua.text({"ZINCRBY", lua.key("q:ns/lane"), std::to_string(lua.now() - waited - since), low});
    const auto newer = lua.submit(high);
    const auto claimed = lua.claim(1).at(0).id;
    CHECK(claimed == (first ? low : newer));
  }
}

TEST_CASE("another worth of priority ranks anew what waits, in every line") {
  LuaFixture lua;
  Lane lane(lua);
  std::map<std::string, std::int64_t> since;
  for (int i = 0; i < 20; ++i) {
    auto item = LuaFixture::item();
    item.priority = i % 4;
    if (i % 3 == 1) item.requirements = "+gpu";
    if (i % 2 == 1) item.fairness_key = i % 5 == 0 ? "A" : "B";
    since[lua.submit(item)] = 0;
  }
  for (auto& [id, ms] : since) ms = lua.describe(id).timer_at;
  for (const std::int64_t aging : {0, 1000, 60'000, 0}) {
    core::LanePolicy policy;
    policy.aging = core::Millis(aging);
    lane.policy(policy);
    CHECK(lua.violations() == "");
    for (const auto& [id, ms] : since) CHECK(lua.describe(id).timer_at == ms);
  }

  auto args = LuaFixture::claim_args(20);
  args.capabilities = {"gpu"};
  std::vector<std::int64_t> priorities;
  for (const auto& row : lua.ok<script::Claim>(args).rows) priorities.push_back(row.priority);
  CHECK(priorities.size() == 20);
  CHECK(std::is_sorted(priorities.rbegin(), priorities.rend()));
}

TEST_CASE("executions that say nothing follow their lane, as it is when it matters") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.execution.retry.max_attempts = 1;
  policy.execution.attempt_timeout = core::Millis(5000);
  policy.execution.retention = core::Millis(7000);
  const auto lease = lua.held();
  lane.policy(policy);

  CHECK(lua.ok<script::Fail>(lua.fail_args(lease)).outcome == "failed");
  CHECK(lua.score("failed", lease.id) == lua.describe(lease.id).ended_at + 7000);
  const auto next = lua.submit();
  const auto row = lua.claim(1).at(0);
  CHECK(row.timeout_ms == 5000);
  CHECK(lua.score("timeouts", next) == lua.describe(next).began_at + 5000);
  CHECK(lua.violations() == "");
  lua.make_due("timeouts", next);
  lua.run_due();
  CHECK(lua.state(next) == "failed");
  CHECK(lua.score("timeouts", next) == -1);
}

TEST_CASE("an execution's own policy counts before its lane's") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.execution.retry.max_attempts = 1;
  policy.execution.attempt_timeout = core::Millis(5000);
  lane.policy(policy);
  auto item = LuaFixture::item();
  item.policy = R"({"retry":{"max_attempts":2,"delay_ms":0,"jitter":0},"attempt_timeout_ms":9000})";

  const auto lease = lua.held(item);
  CHECK(lua.describe(lease.id).attempt_timeout_ms == 9000);
  CHECK(lua.ok<script::Fail>(lua.fail_args(lease)).outcome == "retried");
}

TEST_CASE("in a lean lane executions are lean, and a repeated submit does not make one anew") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.execution.mode = core::Mode::lean;
  lane.policy(policy);
  const auto item = LuaFixture::item();
  CHECK(lua.complete(lua.held(item)) == "completed");
  CHECK(lua.core(item.id).empty());

  CHECK(outcome(lua, item, true) == "unknown_outcome");
  auto keyed = LuaFixture::item();
  LuaFixture::give_key(keyed, "key");
  CHECK(outcome(lua, keyed, true) == "created");
}

TEST_CASE("an older record never replaces a newer one, and a repeated change is none") {
  LuaFixture lua;
  Lane lane(lua);
  script::ChangeLane::Args args;
  args.queue = "ns/lane";
  args.state = "paused";
  const auto paused = lane.change(args);
  CHECK(lane.change(args).version == paused.version);
  args.state = "running";
  const auto running = lane.change(args);
  CHECK(running.version == paused.version + 1);

  CHECK(lane.tell(running) == 0);  // The first one is missing.
  CHECK(lane.tell(paused) == 1);
  lua.submit();
  CHECK(lua.claim(1).size() == 1);
  CHECK(lane.tell(running, running.version) == running.version);
}

TEST_CASE("a state said again keeps its time, and without a reason who said it first and why") {
  LuaFixture lua;
  Lane lane(lua);
  script::ChangeLane::Args args;
  args.queue = "ns/lane";
  const auto said = [&](const char* state, const char* by, const char* why) {
    args.state = state;
    args.by = by;
    args.why = why;
    lane.change(args);
    script::Lanes::Args all;
    all.ns = "ns";
    return lane.at_root<script::Lanes>(all).rows.at(0);
  };
  const auto first = said("paused", "ann", "a look");

  while (lua.now() <= first.since) continue;
  const auto again = said("paused", "bob", "");
  const auto anew = said("paused", "bob", "two looks");
  const auto running = said("running", "bob", "");

  CHECK(again.by == "ann");
  CHECK(again.why == "a look");
  CHECK(again.since == first.since);
  CHECK(anew.by == "bob");
  CHECK(anew.why == "two looks");
  CHECK(anew.since == first.since);
  CHECK(running.why == "");
  CHECK(running.since > first.since);
}

TEST_CASE("a change is refused with a policy or a state that the library does not know") {
  LuaFixture lua;
  Lane lane(lua);
  script::ChangeLane::Args args;
  args.queue = "ns/lane";
  args.policy_given = true;
  for (const char* bad : {"[", "1", R"({"ordering":"random"})", R"({"depth":-1})", R"({"concurrency":-1})",
                          R"({"concurrency":"5"})", R"({"concurrency":1.5})", R"({"retry":{"strategy":"x"}})"}) {
    args.policy = bad;
    CHECK_THROWS_WITH(lane.change(args), Catch::Matchers::EndsWith("bad_policy"));
  }
  args.policy = "";
  args.state = "asleep";
  CHECK_THROWS_WITH(lane.change(args), Catch::Matchers::EndsWith("bad_state"));
}

TEST_CASE("the records of a namespace are listed in order") {
  LuaFixture lua;
  Lane lane(lua);
  script::ChangeLane::Args args;
  args.policy_given = true;
  for (const char* queue : {"ns/b", "ns/a", "other/a"}) {
    args.queue = queue;
    args.policy = R"({"weight":7})";
    lane.change(args);
  }
  script::Lanes::Args all;
  all.ns = "ns";
  const auto found = lane.at_root<script::Lanes>(all);

  REQUIRE(found.rows.size() == 2);
  CHECK(found.version == 3);
  CHECK(found.rows[0].queue == "ns/a");
  CHECK(found.rows[0].weight == 7);
  CHECK(found.rows[0].policy == R"({"weight":7})");
  all.lane = "b";
  CHECK(lane.at_root<script::Lanes>(all).rows.size() == 1);
}

TEST_CASE("explain names what a ready execution waits for") {
  LuaFixture lua;
  Lane lane(lua);
  auto item = LuaFixture::item();
  item.requirements = "+gpu";
  item.priority = 1;  // Before the other one, whatever the time.
  const auto needy = lua.submit(item), plain = lua.submit();
  const auto explain = [&lua](const std::string& id) {
    script::Explain::Args args;
    args.ns = "ns";
    args.id = id;
    return lua.ok<script::Explain>(args);
  };
  CHECK(explain(needy).reason == "no_worker");
  CHECK(explain(needy).requirements == "+gpu");
  CHECK(explain(plain).reason == "no_worker");
  auto able = LuaFixture::claim_args(0);
  able.capabilities = {"gpu"};
  lua.ok<script::Claim>(able);
  CHECK(explain(needy).reason == "its_turn");
  CHECK(explain(needy).position == 0);
  CHECK(explain(plain).position == 1);

  lane.state("paused");
  CHECK(explain(plain).reason == "lane_paused");
  CHECK(explain(plain).lane_state == "paused");
  CHECK(explain(plain).lane_by == "ops");
  CHECK(explain(plain).lane_why == "because");
  CHECK(explain(plain).lane_since > 0);
  lane.state("running");
  auto later = LuaFixture::item();
  later.delay_ms = 60'000;
  const auto delayed = explain(lua.submit(later));
  CHECK(delayed.reason == "delayed");
  CHECK(delayed.until > delayed.now);
  CHECK(delayed.position == -1);
}

TEST_CASE("explain counts what waits in every line, also when it was sorted out of the common one") {
  LuaFixture lua;
  std::vector<std::string> ids;
  for (const char* requirements : {"#a", "#b", "+gpu"}) {
    auto item = LuaFixture::item();
    item.requirements = requirements;
    item.priority = 9 - static_cast<int>(ids.size());
    ids.push_back(lua.submit(item));
  }
  const auto check = [&lua, &ids] {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      script::Explain::Args args;
      args.ns = "ns";
      args.id = ids[i];
      CHECK(lua.ok<script::Explain>(args).position == static_cast<std::int64_t>(i));
    }
  };
  check();
  auto refused = LuaFixture::claim_args(5);
  refused.allowances = {"0 #a"};
  lua.ok<script::Claim>(refused);
  REQUIRE(lua.members("waiting:ns/lane").size() == 2);
  check();
}

TEST_CASE("the status of a lane has a row for each line that has something waiting") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.requirements = "+gpu";
  lua.submit(item);
  auto keyed = LuaFixture::item();
  keyed.fairness_key = "A";
  lua.submit(keyed);
  lua.submit();
  script::LaneStatus::Args args;
  args.queue = "ns/lane";

  const auto status = lua.ok<script::LaneStatus>(args);

  CHECK(status.state == "running");
  CHECK(status.waiting == 3);
  REQUIRE(status.rows.size() == 3);
  std::set<std::string> rows;
  for (const auto& row : status.rows) rows.insert(row.requirements + "/" + std::to_string(row.keys));
  CHECK(rows == std::set<std::string>{"/-1", "/1", "+gpu/-1"});
  for (const auto& row : status.rows) CHECK_FALSE(row.served);
}

}  // namespace
}  // namespace ff::test
