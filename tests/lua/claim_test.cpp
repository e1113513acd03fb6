#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using script::Claim;

std::vector<std::string> ids(const std::vector<Claim::Row>& rows) {
  std::vector<std::string> found;
  for (const auto& row : rows) found.push_back(row.id);
  return found;
}

script::Submit::Item with_priority(std::int64_t priority) {
  auto item = LuaFixture::item();
  item.priority = priority;
  return item;
}

TEST_CASE("a claim hands over everything a handler needs") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.priority = 3;
  item.policy = R"({"retry":{"delay_ms":5},"attempt_timeout_ms":4000})";
  item.tags = R"({"a":"b"})";
  item.content_type = "text/plain";
  item.deadline_ms = 90'000;
  lua.submit(item);
  const auto before = lua.now();

  const auto args = LuaFixture::claim_args();
  const auto answer = lua.ok<Claim>(args);

  REQUIRE(answer.rows.size() == 1);
  const auto& row = answer.rows[0];
  CHECK(row.id == item.id);
  CHECK(row.queue == "ns/lane");
  CHECK(row.kind == "kind");
  CHECK(row.priority == 3);
  CHECK(row.generation == 0);
  CHECK(row.attempt == 1);
  CHECK(row.epoch / 1000 >= before);
  CHECK(row.ready_at == row.created_at);
  CHECK(row.failures == 0);
  CHECK(row.timeout_ms == 4000);
  CHECK(row.deadline_at >= before + 89'000);
  CHECK(row.policy == item.policy);
  CHECK(row.tags == item.tags);
  CHECK(row.content_type == "text/plain");
  CHECK(row.payload == "payload");
  CHECK(answer.left == 0);
  CHECK(answer.head == -1);
  CHECK(answer.check_in_ms == 0);
  const auto described = lua.describe(item.id);
  CHECK(described.state == "active");
  CHECK(described.worker == "worker");
  CHECK(described.epoch == row.epoch);
  CHECK(described.timer_at >= before + 60'000);
  CHECK(lua.field(item.id, "l") == args.lease);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("higher priority goes first, and within one the earlier") {
  LuaFixture lua;
  const auto low = with_priority(0), high = with_priority(9000), middle = with_priority(5),
             middle_later = with_priority(5);
  for (const auto& item : {low, middle, high}) lua.submit(item);
  // Ready a moment later; ids alone would not tell.
  while (lua.now() <= lua.describe(middle.id).created_at) lua.text({"PING"});
  lua.submit(middle_later);

  const auto order = ids(lua.claim(10));

  CHECK(order == std::vector<std::string>{high.id, middle.id, middle_later.id, low.id});
}

TEST_CASE("executions that became ready in the same millisecond go in order of their ids") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 20; ++i) items.push_back(LuaFixture::item());
  std::vector<std::string> wanted;
  for (const auto& item : items) wanted.push_back(item.id);
  std::reverse(items.begin(), items.end());
  lua.submit(items);

  CHECK(ids(lua.claim(20)) == wanted);
}

TEST_CASE("a claim takes at most what it wants, queues in the order of preference, and tells what is left") {
  LuaFixture lua;
  auto other = LuaFixture::item();
  other.lane = "other";
  const auto a = LuaFixture::item(), b = LuaFixture::item(), c = LuaFixture::item();
  lua.submit({a, b, c, other});

  auto args = LuaFixture::claim_args(2);
  args.queues = {"ns/other", "ns/lane"};
  const auto answer = lua.ok<Claim>(args);

  CHECK(ids(answer.rows) == std::vector<std::string>{other.id, a.id});
  CHECK(answer.left == 2);
  CHECK(answer.head == lua.score("q:ns/lane", b.id));
  CHECK(answer.check_in_ms == 0);
}

TEST_CASE("a queue that is named twice hands an execution over once") {
  LuaFixture lua;
  lua.submit();
  auto args = LuaFixture::claim_args(4);
  args.queues = {"ns/lane", "ns/lane"};

  CHECK(lua.ok<Claim>(args).rows.size() == 1);
}

TEST_CASE("a claim that wants nothing or less takes nothing") {
  LuaFixture lua;
  lua.submit();
  for (const std::int64_t want : {0, -1, -100}) {
    const auto answer = lua.ok<Claim>(LuaFixture::claim_args(want));
    CHECK(answer.rows.empty());
    CHECK(answer.left == 1);
  }
  CHECK(lua.members("active").empty());
}

TEST_CASE("a claim that found too little is registered as idle with the room it has left") {
  LuaFixture lua;
  lua.submit();

  const auto answer = lua.ok<Claim>(LuaFixture::claim_args(5));

  CHECK(answer.rows.size() == 1);
  CHECK(answer.check_in_ms > 0);
  CHECK(answer.check_in_ms <= 1000);
  CHECK(lua.score("idle:ns/lane", "worker") == 4);
}

TEST_CASE("one idle worker of a queue is on duty while an engine runs the timers, the others hardly look") {
  LuaFixture lua;
  script::RunDue::Args engine;
  engine.limit = 10;
  engine.engine = true;
  lua.ok<script::RunDue>(engine);

  CHECK(lua.ok<Claim>(LuaFixture::claim_args(1, "a")).check_in_ms == 60'000);
  CHECK(lua.ok<Claim>(LuaFixture::claim_args(1, "b")).check_in_ms == 1'200'000);
  CHECK(lua.ok<Claim>(LuaFixture::claim_args(1, "a")).check_in_ms == 60'000);
}

TEST_CASE("without an engine an idle worker looks when the next timer is due") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.delay_ms = 300;
  lua.submit(item);

  const auto answer = lua.ok<Claim>(LuaFixture::claim_args());

  CHECK(answer.check_in_ms >= 5);
  CHECK(answer.check_in_ms <= 300);
}

TEST_CASE("a lost reply is answered again, with the same leases and nothing more") {
  LuaFixture lua;
  lua.submit({LuaFixture::item(), LuaFixture::item(), LuaFixture::item()});
  auto args = LuaFixture::claim_args(2);
  const auto first = lua.ok<Claim>(args);
  const auto before = lua.contents();

  args.again = true;
  const auto again = lua.ok<Claim>(args);

  REQUIRE(again.rows.size() == 2);
  for (const auto& row : again.rows) {
    const auto same = std::find_if(first.rows.begin(), first.rows.end(), [&](const auto& r) { return r.id == row.id; });
    REQUIRE(same != first.rows.end());
    CHECK(row.epoch == same->epoch);
    CHECK(row.attempt == same->attempt);
    CHECK(row.payload == same->payload);
    CHECK(row.created_at == same->created_at);
  }
  CHECK(lua.changes(before) == "");
}

TEST_CASE("a call whose first sending never arrived claims when it is sent again") {
  LuaFixture lua;
  const auto id = lua.submit();
  auto args = LuaFixture::claim_args();
  args.again = true;

  CHECK(ids(lua.ok<Claim>(args).rows) == std::vector<std::string>{id});
}

TEST_CASE("what the lost reply gave and has ended meanwhile is not given again") {
  LuaFixture lua;
  const auto first = lua.submit(), second = lua.submit();
  auto args = LuaFixture::claim_args(2);
  const auto rows = lua.ok<Claim>(args).rows;
  REQUIRE(rows.size() == 2);
  Held lease;
  lease.id = first;
  lease.lease = args.lease;
  lease.epoch = std::to_string(rows[0].id == first ? rows[0].epoch : rows[1].epoch);
  REQUIRE(lua.complete(lease) == "completed");
  lua.text({"ZADD", lua.key("active"), std::to_string(lua.now() + 60'000), first});  // Left by a commit that failed.

  args.again = true;

  CHECK(ids(lua.ok<Claim>(args).rows) == std::vector<std::string>{second});
}

TEST_CASE("epochs of an execution grow, also when the stored one is ahead of the clock") {
  LuaFixture lua;
  const auto lease = lua.held();
  REQUIRE(lua.release(lease, false) == "released");
  const auto second = lua.held_again(lease.id);
  CHECK(std::stoll(second.epoch) > std::stoll(lease.epoch));
  REQUIRE(lua.release(second, false) == "released");

  const std::string ahead = "9000000000000000";
  lua.change(lease.id, {"e", ahead});

  CHECK(lua.held_again(lease.id).epoch == "9000000000000001");
}

TEST_CASE("an entry without a ready execution behind it is dropped and skipped") {
  LuaFixture lua;
  const auto gone = LuaFixture::new_id(), active = lua.held().id;
  lua.text({"ZADD", lua.key("q:ns/lane"), "0", gone, "1", active});
  const auto id = lua.submit();

  const auto answer = lua.ok<Claim>(LuaFixture::claim_args(3));

  CHECK(ids(answer.rows) == std::vector<std::string>{id});
  CHECK(lua.members("q:ns/lane").empty());
  CHECK(lua.score("active", active) > 0);
}

TEST_CASE("a worker behind many dead entries does not fall asleep while work waits") {
  LuaFixture lua;
  for (int i = 0; i < 10; ++i) lua.text({"ZADD", lua.key("q:ns/lane"), "0", LuaFixture::new_id()});
  const auto id = lua.submit();

  std::vector<Claim::Row> rows;
  for (int calls = 0; rows.empty() && calls < 20; ++calls) {
    const auto answer = lua.ok<Claim>(LuaFixture::claim_args(2));
    rows = answer.rows;
    if (rows.empty()) CHECK(answer.check_in_ms == 0);
  }

  CHECK(ids(rows) == std::vector<std::string>{id});
}

TEST_CASE("a core with a text where a number belongs, or the other way round, is set aside and holds nobody up") {
  const std::string line = GENERATE("", "#quota", "+gpu");
  const std::vector<std::string> numbers = {"a", "e", "p", "t", "tl", "g", "f", "d", "c"}, texts = {"k", "pl", "ct"};
  for (const auto* fields : {&numbers, &texts}) {
    for (const auto& field : *fields) {
      LuaFixture lua;
      auto first = with_priority(9000), second = LuaFixture::item();
      first.requirements = second.requirements = line;
      const auto damaged = lua.submit(first);
      lua.change(damaged, {field, fields == &numbers ? "x" : "5"});
      const auto good = lua.submit(second);
      INFO(field << " in " << line);
      auto args = LuaFixture::claim_args(2);
      args.capabilities = {"gpu"};
      args.allowances = {"2 #quota"};

      CHECK(ids(lua.ok<Claim>(args).rows) == std::vector<std::string>{good});
      CHECK(lua.score("delayed", damaged) > lua.now() + 50'000);
    }
  }
}

TEST_CASE("an execution that cannot be read is set aside and holds nobody up") {
  LuaFixture lua;
  auto large = with_priority(9000);
  large.payload = std::string(300, 'p');
  const auto damaged = lua.submit(large);
  lua.text({"DEL", lua.key("e:" + damaged + ":p")});
  lua.text({"RPUSH", lua.key("e:" + damaged + ":p"), "no payload"});
  const auto good = lua.submit();

  CHECK(ids(lua.claim(2)) == std::vector<std::string>{good});
  CHECK(lua.score("delayed", damaged) > lua.now() + 50'000);
  CHECK(lua.members("q:ns/lane").empty());

  SECTION("and comes back when it has been repaired") {
    lua.text({"DEL", lua.key("e:" + damaged + ":p")});
    lua.text({"SET", lua.key("e:" + damaged + ":p"), "payload"});
    lua.make_due("delayed", damaged);
    lua.run_due();
    CHECK(lua.stray().empty());
    CHECK(ids(lua.claim(2)) == std::vector<std::string>{damaged});
  }
  SECTION("and stays aside while it has not") {
    lua.text({"SET", lua.key("e:" + damaged), "no hash"});
    lua.make_due("delayed", damaged);
    lua.run_due();
    CHECK(lua.score("delayed", damaged) > lua.now() + 50'000);
  }
}

TEST_CASE("a claim first does what is due, so workers alone recover from crashes") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.make_due("active", lease.id);
  lua.reload();

  const auto rows = lua.claim();

  REQUIRE(ids(rows) == std::vector<std::string>{lease.id});
  CHECK(rows[0].attempt == 2);
  std::size_t events = 0;
  for (const auto& entry : lua.command({"XRANGE", lua.key("ev"), "-", "+"}).elements) {
    events += entry.elements.at(1).elements.size() / 2;
  }
  CHECK(events == 4);  // ready, active, ready, active: each written once.
  CHECK(lua.describe(lease.id).crashes == 1);
}

TEST_CASE("an attempt with a timeout is in the timer's index while it is active") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.policy = R"({"attempt_timeout_ms":5000})";
  const auto lease = lua.held(item);
  const auto described = lua.describe(lease.id);

  CHECK(lua.score("timeouts", lease.id) == described.began_at + 5000);
  CHECK(lua.release(lease, false) == "released");
  CHECK(lua.score("timeouts", lease.id) == -1);
}

}  // namespace
}  // namespace ff::test
