// Wake-ups: one ready execution wakes one idle worker; what is lost heals within a second.
#include <catch2/catch_test_macros.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using Messages = std::vector<std::string>;

const Messages kWakeA = {"w:a ready ns/lane"};

void idle(LuaFixture& lua, const std::string& worker, std::int64_t room) {
  REQUIRE(lua.claim(room, worker).empty());
}

std::vector<script::Submit::Item> items(int count) {
  std::vector<script::Submit::Item> found;
  for (int i = 0; i < count; ++i) found.push_back(LuaFixture::item());
  return found;
}

TEST_CASE("a ready execution wakes exactly one worker, the one with most room") {
  LuaFixture lua;
  Listener workers(lua, {"w:a", "w:b", "w:c"});
  idle(lua, "b", 2);
  idle(lua, "a", 5);
  idle(lua, "c", 1);

  lua.submit();

  CHECK(workers.heard() == kWakeA);
  CHECK(lua.members("idle:ns/lane") == Messages{"c", "b"});
}

TEST_CASE("many ready executions wake as many workers as are needed") {
  LuaFixture lua;
  Listener workers(lua, {"w:a", "w:b", "w:c"});
  idle(lua, "a", 5);
  idle(lua, "b", 2);
  idle(lua, "c", 1);

  lua.submit(items(6));

  CHECK(workers.heard() == Messages{"w:a ready ns/lane", "w:b ready ns/lane"});
  CHECK(lua.members("idle:ns/lane") == Messages{"c"});
}

TEST_CASE("a worker that nobody hears is dropped and the next one is woken") {
  LuaFixture lua;
  Listener workers(lua, {"w:a"});
  idle(lua, "dead", 9);
  idle(lua, "a", 1);

  lua.submit();

  CHECK(workers.heard() == kWakeA);
  CHECK(lua.members("idle:ns/lane").empty());
}

TEST_CASE("a call looks for a living worker at most eight times") {
  LuaFixture lua;
  Listener workers(lua, {"w:a"});
  for (int i = 0; i < 9; ++i) lua.text({"ZADD", lua.key("idle:ns/lane"), "9", "dead" + std::to_string(i)});
  lua.text({"ZADD", lua.key("idle:ns/lane"), "1", "a"});

  lua.submit();
  CHECK(workers.heard().empty());
  CHECK(lua.members("idle:ns/lane") == Messages{"a", "dead0"});

  // The handoff goes on where the call stopped.
  const auto again = lua.score("handoffs", "ns/lane");
  REQUIRE(again > 0);
  lua.text({"ZADD", lua.key("handoffs"), "1", "ns/lane"});
  lua.run_due();
  CHECK(workers.heard() == kWakeA);
}

TEST_CASE("only a worker of the lane is woken") {
  LuaFixture lua;
  Listener workers(lua, {"w:a"});
  idle(lua, "a", 1);
  auto other = LuaFixture::item();
  other.lane = "other";

  lua.submit(other);

  CHECK(workers.heard().empty());
}

TEST_CASE("what is not ready wakes nobody until it is") {
  LuaFixture lua;
  Listener workers(lua, {"w:a"});
  idle(lua, "a", 1);
  auto item = LuaFixture::item();
  item.delay_ms = 60'000;
  lua.submit(item);
  CHECK(workers.heard().empty());

  lua.make_due("delayed", item.id);
  lua.run_due();

  CHECK(workers.heard() == kWakeA);
}

TEST_CASE("retries, crashes, give-backs and replays wake a worker as well") {
  LuaFixture lua;
  const auto ready_again = [&lua](const auto& act) {
    auto item = LuaFixture::item();
    item.policy = R"({"retry":{"delay_ms":0}})";
    const auto lease = lua.held(item);
    Listener workers(lua, {"w:a"});
    idle(lua, "a", 1);
    act(lease);
    CHECK(workers.heard() == kWakeA);
    lua.text({"DEL", lua.key("q:ns/lane")});
  };
  ready_again([&lua](const Held& lease) { lua.ok<script::Fail>(lua.fail_args(lease)); });
  ready_again([&lua](const Held& lease) { lua.release(lease, false); });
  ready_again([&lua](const Held& lease) { lua.release(lease, true); });
  ready_again([&lua](const Held& lease) {
    lua.make_due("active", lease.id);
    lua.run_due();
  });
  ready_again([&lua](const Held& lease) {
    lua.complete(lease);
    script::Replay::Args replay;
    replay.ns = "ns";
    replay.id = lease.id;
    lua.ok<script::Replay>(replay);
  });
}

TEST_CASE("a wake that nobody answers is repeated to another worker after a second") {
  LuaFixture lua;
  Listener workers(lua, {"w:a", "w:b"});
  idle(lua, "a", 2);
  idle(lua, "b", 1);
  const auto before = lua.now();
  lua.submit();
  REQUIRE(workers.heard() == kWakeA);
  const auto again = lua.score("handoffs", "ns/lane");
  CHECK(again >= before + 1'000);
  CHECK(again <= lua.now() + 1'000);
  CHECK(lua.run_due() == 0);
  CHECK(workers.heard().empty());

  lua.make_due("handoffs", "ns/lane");
  lua.run_due();

  CHECK(workers.heard() == Messages{"w:b ready ns/lane"});
  CHECK(lua.score("handoffs", "ns/lane") > again - 1'000);
}

TEST_CASE("a wake that was answered is not repeated") {
  LuaFixture lua;
  Listener workers(lua, {"w:a", "w:b"});
  idle(lua, "a", 2);
  idle(lua, "b", 1);
  lua.submit();
  REQUIRE(workers.heard() == kWakeA);
  REQUIRE(lua.claim(1, "a").size() == 1);

  lua.make_due("handoffs", "ns/lane");
  lua.run_due();

  CHECK(workers.heard().empty());
  CHECK(lua.members("handoffs").empty());
}

TEST_CASE("a worker without room passes its wake on") {
  LuaFixture lua;
  Listener workers(lua, {"w:a", "w:b"});
  idle(lua, "a", 2);
  idle(lua, "b", 1);
  script::PassWake::Args args;
  args.queue = "ns/lane";
  CHECK_FALSE(lua.ok<script::PassWake>(args).woken);  // Nothing waits.
  CHECK(lua.members("idle:ns/lane").size() == 2);
  lua.submit();
  REQUIRE(workers.heard() == kWakeA);

  CHECK(lua.ok<script::PassWake>(args).woken);

  CHECK(workers.heard() == Messages{"w:b ready ns/lane"});
  CHECK_FALSE(lua.ok<script::PassWake>(args).woken);  // Nobody is left.
}

TEST_CASE("a worker that leaves is no longer woken") {
  LuaFixture lua;
  Listener workers(lua, {"w:a"});
  idle(lua, "a", 2);
  script::Leave::Args args;
  args.worker = "a";
  args.queues = {"ns/lane", "ns/other"};
  lua.ok<script::Leave>(args);
  const auto before = lua.contents();
  lua.ok<script::Leave>(args);
  CHECK(lua.changes(before) == "");

  lua.submit();

  CHECK(workers.heard().empty());
}

script::RunDue::Args engine() {
  script::RunDue::Args args;
  args.limit = 100;
  args.engine = true;
  return args;
}

script::Submit::Item delayed(std::int64_t ms) {
  auto item = LuaFixture::item();
  item.delay_ms = ms;
  return item;
}

// The number behind "engine ".
std::int64_t told(const Messages& heard) {
  REQUIRE(heard.size() == 1);
  return std::stoll(heard[0].substr(7));
}

TEST_CASE("the engine is told when a timer is armed that is due before it meant to look") {
  LuaFixture lua;
  Listener listener(lua, {"engine"});
  lua.ok<script::RunDue>(engine());
  lua.submit(delayed(50'000));
  CHECK(told(listener.heard()) == 50'000);

  lua.submit(delayed(60'000));
  CHECK(listener.heard().empty());
  lua.submit(delayed(20'000));
  CHECK(told(listener.heard()) == 20'000);
  lua.submit(delayed(30'000));
  CHECK(listener.heard().empty());
}

TEST_CASE("the engine is told of leases, timeouts and deadlines too") {
  LuaFixture lua;
  Listener listener(lua, {"engine"});
  lua.ok<script::RunDue>(engine());
  auto item = LuaFixture::item();
  item.deadline_ms = 90'000;
  item.policy = R"({"attempt_timeout_ms":9000})";
  lua.submit(item);
  CHECK(told(listener.heard()) == 90'000);
  lua.claim();
  CHECK(told(listener.heard()) == 9'000);
}

TEST_CASE("the engine is told to look after a wake") {
  LuaFixture lua;
  Listener worker(lua, {"w:a"}), listener(lua, {"engine"});
  lua.ok<script::RunDue>(engine());
  idle(lua, "a", 1);

  lua.submit();

  CHECK(told(listener.heard()) == 1'000);
}

TEST_CASE("after the engine has looked, what it was told of is told again only if it is earlier") {
  LuaFixture lua;
  Listener listener(lua, {"engine"});
  lua.submit(delayed(20'000));
  CHECK(told(listener.heard()) == 20'000);  // It has never said when it looks.

  CHECK(lua.ok<script::RunDue>(engine()).next_in_ms > 19'000);
  lua.submit(delayed(21'000));
  CHECK(listener.heard().empty());
  lua.submit(delayed(1'000));
  CHECK(told(listener.heard()) == 1'000);
}

}  // namespace
}  // namespace ff::test
