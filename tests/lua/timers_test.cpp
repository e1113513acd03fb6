// What run_due does: leases, delays, timeouts, deadlines, retention.
#include <catch2/catch_test_macros.hpp>

#include "ff/core/policy.hpp"
#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using core::Millis;
using script::RunDue;

RunDue::Args due(std::int64_t limit = 1000, bool engine = false) {
  RunDue::Args args;
  args.limit = limit;
  args.engine = engine;
  return args;
}

std::map<std::string, std::int64_t> scanners(const RunDue::Ok& answer) {
  std::map<std::string, std::int64_t> found;
  for (const auto& row : answer.rows) found[row.scanner] = row.items;
  return found;
}

TEST_CASE("an idle partition has nothing to do and nothing to wait for") {
  LuaFixture lua;

  const auto answer = lua.ok<RunDue>(due());

  CHECK(answer.done == 0);
  CHECK(answer.next_in_ms == -1);
  CHECK(answer.rows.empty());
}

TEST_CASE("the next timer of any kind is told") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.delay_ms = 50'000;
  lua.submit(item);
  CHECK(lua.ok<RunDue>(due()).next_in_ms > 49'000);
  item = LuaFixture::item();
  item.deadline_ms = 30'000;
  lua.submit(item);
  CHECK(lua.ok<RunDue>(due()).next_in_ms <= 30'000);
  lua.text({"ZADD", lua.key("handoffs"), std::to_string(lua.now() + 5'000), "ns/lane"});
  CHECK(lua.ok<RunDue>(due()).next_in_ms <= 5'000);
}

TEST_CASE("what is due is done by scanner, at most as many as wanted, and the rest is still due") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 10; ++i) items.push_back(LuaFixture::item());
  for (auto& item : items) item.delay_ms = 60'000;
  lua.submit(items);
  for (const auto& item : items) lua.make_due("delayed", item.id);

  auto answer = lua.ok<RunDue>(due(4));
  CHECK(answer.done == 4);
  CHECK(answer.next_in_ms == 0);
  CHECK(scanners(answer) == std::map<std::string, std::int64_t>{{"delayed_promoter", 4}});
  answer = lua.ok<RunDue>(due(100));
  CHECK(answer.done == 6);
  CHECK(answer.next_in_ms == -1);
  CHECK(lua.members("q:ns/lane").size() == 10);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("thousands of due items in one call are no half transition") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 3000; ++i) items.push_back(LuaFixture::item());
  for (auto& item : items) {
    item.deadline_at = 1;
    item.policy = R"({"retention_ms":0})";
  }
  lua.submit(items);

  CHECK(lua.ok<RunDue>(due(5000)).done == 3000);
  CHECK(lua.ok<RunDue>(due(5000)).done == 3000);

  CHECK(lua.text({"KEYS", "*:e:*"}).empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("nothing fires early, and firing twice is nothing") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.delay_ms = 60'000;
  lua.submit(item);
  const auto held = lua.held();
  const auto before = lua.contents();
  CHECK(lua.run_due() == 0);
  CHECK(lua.changes(before) == "");

  lua.make_due("delayed", item.id);
  lua.make_due("active", held.id);
  CHECK(lua.run_due() == 2);
  CHECK(lua.run_due() == 0);
}

TEST_CASE("a crash is queued again at once, then with backoff, and fails beyond the cap") {
  LuaFixture lua;
  core::Policy policy;
  policy.crash.max = 3;
  policy.crash.delay = Millis(4'000);
  policy.crash.max_delay = Millis(6'000);
  auto lease = lua.held(LuaFixture::item_with(policy));
  const std::vector<std::int64_t> delays = {0, 4'000, 6'000};
  for (std::size_t crash = 0; crash < delays.size(); ++crash) {
    lua.make_due("active", lease.id);
    CHECK(scanners(lua.ok<RunDue>(due())) == std::map<std::string, std::int64_t>{{"lease_expiry", 1}});
    CHECK(lua.complete(lease) == "stale_lease");
    const auto described = lua.describe(lease.id);
    CHECK(described.crashes == static_cast<std::int64_t>(crash) + 1);
    CHECK(described.failures == 0);
    if (delays[crash] == 0) {
      CHECK(described.state == "ready");
    } else {
      CHECK(described.state == "delayed");
      CHECK(described.timer_at - described.now <= delays[crash]);
      CHECK(described.timer_at - described.now > delays[crash] - 1'000);
      lua.make_due("delayed", lease.id);
      lua.run_due();
    }
    lease = lua.held_again(lease.id);
    CHECK(lua.describe(lease.id).attempt == static_cast<std::int64_t>(crash) + 2);
  }
  lua.make_due("active", lease.id);
  lua.run_due();

  const auto described = lua.describe(lease.id);
  CHECK(described.state == "failed");
  CHECK(described.failure_class == "crash");
  CHECK(described.text.find("the cap is 3") != std::string::npos);
  CHECK(described.rows.size() == 4);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("the holder of an expired lease is told") {
  LuaFixture lua;
  const auto lease = lua.held();
  Listener worker(lua, {"w:worker"});
  lua.make_due("active", lease.id);

  lua.run_due();

  CHECK(worker.heard() == std::vector<std::string>{"w:worker lost " + lease.id + " " + lease.epoch});
}

TEST_CASE("an attempt that takes too long fails as timeout and follows the retry policy") {
  LuaFixture lua;
  core::Policy policy;
  policy.attempt_timeout = Millis(5'000);
  policy.retry.max_attempts = 2;
  policy.retry.delay = Millis(0);
  auto lease = lua.held(LuaFixture::item_with(policy));
  Listener worker(lua, {"w:worker"});
  lua.make_due("timeouts", lease.id);

  CHECK(scanners(lua.ok<RunDue>(due())) == std::map<std::string, std::int64_t>{{"attempt_timeout", 1}});

  CHECK(worker.heard() == std::vector<std::string>{"w:worker lost " + lease.id + " " + lease.epoch});
  CHECK(lua.complete(lease) == "stale_lease");
  CHECK(lua.word<script::Fail>(lua.fail_args(lease)) == "stale_lease");
  auto described = lua.describe(lease.id);
  CHECK(described.state == "ready");
  CHECK(described.failures == 1);
  CHECK(described.failure_class == "timeout");
  CHECK(lua.stray().empty());

  lease = lua.held_again(lease.id);
  lua.make_due("timeouts", lease.id);
  lua.run_due();
  described = lua.describe(lease.id);
  CHECK(described.state == "failed");
  CHECK(described.text.find("5000 ms") != std::string::npos);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("a timeout can be a class that is not retried") {
  LuaFixture lua;
  core::Policy policy;
  policy.attempt_timeout = Millis(5'000);
  policy.retry.never = std::vector<std::string>{"timeout"};
  const auto lease = lua.held(LuaFixture::item_with(policy));
  lua.make_due("timeouts", lease.id);

  lua.run_due();

  CHECK(lua.state(lease.id) == "failed");
}

TEST_CASE("a deadline ends an execution in each unfinished state") {
  LuaFixture lua;
  auto ready = LuaFixture::item(), delayed = LuaFixture::item(), active = LuaFixture::item(),
       retried = LuaFixture::item();
  for (auto* item : {&ready, &delayed, &active, &retried}) item->deadline_ms = 60'000;
  delayed.delay_ms = 90'000;
  const auto held = lua.held(active), failing = lua.held(retried);
  lua.ok<script::Fail>(lua.fail_args(failing));
  lua.submit({ready, delayed});
  Listener worker(lua, {"w:worker"});
  for (const auto& item : {ready, delayed, active, retried}) {
    lua.change(item.id, {"d", std::to_string(lua.now() - 5)});
    lua.make_due("deadlines", item.id);
  }

  CHECK(scanners(lua.ok<RunDue>(due())) == std::map<std::string, std::int64_t>{{"execution_deadline", 4}});

  for (const auto& item : {ready, delayed, active, retried}) {
    const auto described = lua.describe(item.id);
    CHECK(described.state == "expired");
    CHECK(described.ended_at > 0);
  }
  CHECK(worker.heard() == std::vector<std::string>{"w:worker lost " + held.id + " " + held.epoch});
  CHECK(lua.history(held.id).at(0).find(R"("event":"expired")") != std::string::npos);
  CHECK(lua.complete(held) == "stale_lease");
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("a deadline in the past expires at the next look, before anybody can claim it") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.deadline_at = 1;
  lua.submit(item);
  lua.reload();

  CHECK(lua.claim().empty());
  CHECK(lua.state(item.id) == "expired");
}

TEST_CASE("of several things due at once the deadline wins, then the timeout") {
  LuaFixture lua;
  core::Policy policy;
  policy.attempt_timeout = Millis(5'000);
  auto both = LuaFixture::item_with(policy), all = LuaFixture::item_with(policy);
  all.deadline_ms = 60'000;
  const auto timed = lua.held(both), ended = lua.held(all);
  lua.change(ended.id, {"d", "1"});
  lua.make_due("deadlines", ended.id);
  for (const auto& id : {timed.id, ended.id}) {
    lua.make_due("timeouts", id);
    lua.make_due("active", id);
  }

  lua.run_due();

  CHECK(lua.state(ended.id) == "expired");
  CHECK(lua.describe(timed.id).failure_class == "timeout");
  CHECK(lua.describe(timed.id).crashes == 0);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("a deadline that is not the core's is put right, or dropped when there is none") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.deadline_ms = 60'000;
  const auto with_deadline = lua.submit(item), without = lua.submit();
  lua.make_due("deadlines", with_deadline);
  lua.text({"ZADD", lua.key("deadlines"), "1", without});

  lua.run_due();

  CHECK(lua.state(with_deadline) == "ready");
  CHECK(std::to_string(lua.score("deadlines", with_deadline)) == lua.field(with_deadline, "d"));
  CHECK(lua.state(without) == "ready");
  CHECK(lua.stray().empty());
}

TEST_CASE("entries that nobody stands behind are dropped from every index, and nothing else happens") {
  LuaFixture lua;
  const auto id = lua.submit(), none = LuaFixture::new_id();
  for (const char* index :
       {"deadlines", "timeouts", "active", "completed", "failed", "cancelled", "expired", "skipped"}) {
    lua.text({"ZADD", lua.key(index), "1", id, "1", none});
  }
  lua.text({"ZADD", lua.key("delayed"), "1", none});

  for (int i = 0; i < 10; ++i) lua.run_due();

  CHECK(lua.state(id) == "ready");
  CHECK(lua.members("q:ns/lane") == std::vector<std::string>{id});
  CHECK(lua.stray().empty());
}

TEST_CASE("a record that cannot be read holds up no other timer") {
  LuaFixture lua;
  auto bad = LuaFixture::item(), good = LuaFixture::item();
  bad.delay_ms = good.delay_ms = 60'000;
  lua.submit({bad, good});
  const auto lease = lua.held();
  lua.text({"DEL", lua.key("e:" + bad.id)});
  lua.text({"SET", lua.key("e:" + bad.id), "no hash"});
  lua.make_due("active", lease.id);
  lua.make_due("delayed", good.id);
  lua.text({"ZADD", lua.key("delayed"), "1", bad.id});

  for (int i = 0; i < 3; ++i) lua.run_due();

  CHECK(lua.state(good.id) == "ready");
  CHECK(lua.state(lease.id) == "ready");
  CHECK(lua.score("delayed", bad.id) > lua.now() + 50'000);
}

TEST_CASE("retention deletes every key of a finished execution") {
  LuaFixture lua;
  lua.run_due();
  lua.submit();  // Another one, which stays.
  const auto empty = lua.contents();
  auto item = LuaFixture::item();
  item.policy = R"({"retry":{"delay_ms":0},"retention_ms":5000})";
  item.tags = R"({"a":"b"})";
  item.lane = "other";
  lua.submit(item);
  auto args = LuaFixture::claim_args();
  args.queues = {"ns/other"};
  Held lease;
  lease.id = item.id;
  lease.lease = args.lease;
  lease.epoch = std::to_string(lua.ok<script::Claim>(args).rows.at(0).epoch);
  REQUIRE(lua.complete(lease) == "completed");
  const auto described = lua.describe(item.id);
  CHECK(described.timer_at == described.ended_at + 5'000);
  lua.make_due("completed", item.id);

  CHECK(scanners(lua.ok<RunDue>(due())) == std::map<std::string, std::int64_t>{{"retention_trimmer", 1}});

  auto after = lua.contents(), before = empty;
  for (auto* found : {&after, &before}) {
    for (const char* kept : {"", ":ev", ":lanes"}) found->erase(kept);
  }
  CHECK(after == before);
  CHECK(lua.text({"KEYS", "*" + item.id + "*"}).empty());
}

TEST_CASE("an execution kept for no time is deleted at the next look") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.policy = R"({"retention_ms":0})";
  const auto lease = lua.held(item);
  lua.complete(lease);

  CHECK(lua.run_due() == 1);

  CHECK(lua.text({"KEYS", "*" + lease.id + "*"}).empty());
}

}  // namespace
}  // namespace ff::test
