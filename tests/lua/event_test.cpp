// Named events. In these tests the event and its waiters live on one partition; who carries between two is ff-script.
#include <catch2/catch_test_macros.hpp>

#include "lua/suspending.hpp"

namespace ff::test {
namespace {

script::PublishEvent::Args publish_args(std::string event = "e1", std::int64_t keep_ms = 60'000) {
  script::PublishEvent::Args args;
  args.ns = "ns";
  args.name = "paid";
  args.key = "order/ 1";
  args.event = std::move(event);
  args.source = "bank";
  args.keep_ms = keep_ms;
  args.payload = std::string("10\0EUR", 6);
  return args;
}

script::AwaitEvent::Args await_args(std::string execution = "5-A", std::string waitpoint = "1.event") {
  script::AwaitEvent::Args args;
  args.ns = "ns";
  args.name = "paid";
  args.key = "order/ 1";
  args.execution = std::move(execution);
  args.waitpoint = std::move(waitpoint);
  return args;
}

script::SettleEvent::Args settle_args(bool taken, bool gone, std::string event = "e1", std::string execution = "5-A") {
  script::SettleEvent::Args args;
  args.ns = "ns";
  args.name = "paid";
  args.key = "order/ 1";
  args.event = std::move(event);
  args.execution = std::move(execution);
  args.waitpoint = "1.event";
  args.taken = taken;
  args.gone = gone;
  return args;
}

script::TakeRelays::Ok take(LuaFixture& lua) {
  script::TakeRelays::Args args;
  args.limit = 256;
  return lua.ok<script::TakeRelays>(args);
}

constexpr const char* kName = "ns/paid/order/ 1";

TEST_CASE("an event is delivered to every waiter, with all that it is") {
  LuaFixture lua;
  CHECK(lua.ok<script::AwaitEvent>(await_args()).rows.empty());
  lua.ok<script::AwaitEvent>(await_args("5-B"));

  const auto answer = lua.ok<script::PublishEvent>(publish_args());

  CHECK(answer.outcome == "published");
  REQUIRE(answer.rows.size() == 2);
  const auto& row = answer.rows[0];
  CHECK(row.what == "deliver");
  CHECK(row.ns == "ns");
  CHECK(row.name == "paid");
  CHECK(row.key == "order/ 1");
  CHECK(row.waitpoint == "1.event");
  CHECK(row.event == "e1");
  CHECK(row.source == "bank");
  CHECK(row.payload == publish_args().payload);
}

TEST_CASE("an event nobody waits for is kept for the first who does, and only for him") {
  LuaFixture lua;
  CHECK(lua.ok<script::PublishEvent>(publish_args()).rows.empty());
  REQUIRE(lua.ok<script::AwaitEvent>(await_args()).rows.size() == 1);
  lua.ok<script::SettleEvent>(settle_args(true, true));

  CHECK(lua.ok<script::AwaitEvent>(await_args("5-B")).rows.empty());
}

TEST_CASE("an event that its waiter could not take any more stays for another") {
  LuaFixture lua;
  lua.ok<script::AwaitEvent>(await_args());
  lua.ok<script::PublishEvent>(publish_args());
  lua.ok<script::SettleEvent>(settle_args(false, true));
  CHECK(lua.ok<script::PublishEvent>(publish_args("e2")).rows.empty());

  const auto answer = lua.ok<script::AwaitEvent>(await_args("5-B"));

  REQUIRE(answer.rows.size() == 2);
  CHECK(answer.rows[0].execution == "5-B");
}

TEST_CASE("the same event again is a duplicate, and begins no second delivery") {
  LuaFixture lua;
  lua.ok<script::AwaitEvent>(await_args());
  CHECK(lua.ok<script::PublishEvent>(publish_args()).outcome == "published");
  auto again = lua.ok<script::PublishEvent>(publish_args());
  CHECK(again.outcome == "duplicate");
  CHECK(again.rows.size() == 1);  // Still to be delivered.
  lua.ok<script::SettleEvent>(settle_args(true, true));

  again = lua.ok<script::PublishEvent>(publish_args());

  CHECK(again.outcome == "duplicate");
  CHECK(again.rows.empty());
}

TEST_CASE("a repeated registration or settlement changes nothing but the time") {
  LuaFixture lua;
  lua.ok<script::PublishEvent>(publish_args());
  CHECK(lua.ok<script::AwaitEvent>(await_args()).rows.size() == 1);
  CHECK(lua.ok<script::AwaitEvent>(await_args()).rows.size() == 1);
  lua.ok<script::SettleEvent>(settle_args(true, false));
  CHECK(lua.ok<script::AwaitEvent>(await_args()).rows.empty());
  const auto before = lua.contents();

  lua.ok<script::SettleEvent>(settle_args(true, false));

  CHECK(lua.changes(before).find(std::string(":n:") + kName) == std::string::npos);
}

TEST_CASE("what was not settled is taken again by the engine, and not at once") {
  LuaFixture lua;
  lua.ok<script::AwaitEvent>(await_args());
  lua.ok<script::PublishEvent>(publish_args());
  CHECK(take(lua).rows.empty());
  lua.make_due("deliveries", kName);

  const auto taken = take(lua);

  REQUIRE(taken.rows.size() == 1);
  CHECK(taken.rows[0].what == "deliver");
  CHECK(taken.next_in_ms > 1'000);
  CHECK(take(lua).rows.empty());
}

TEST_CASE("an execution whose waitpoint wants an event is registered by the engine, and again later") {
  LuaFixture lua;
  auto args = suspend_args(lua.held());
  args.items[0].event = "paid";
  args.items[0].key = "order/ 1";
  lua.ok<script::Suspend>(args);
  REQUIRE(lua.members("awaits").size() == 1);
  lua.make_due("awaits", args.id);
  const auto taken = take(lua);
  REQUIRE(taken.rows.size() == 1);
  CHECK(taken.rows[0].what == "await");
  CHECK(taken.rows[0].ns == "ns");
  CHECK(taken.rows[0].name == "paid");
  CHECK(taken.rows[0].key == "order/ 1");
  CHECK(taken.rows[0].execution == args.id);
  CHECK(taken.rows[0].waitpoint == "1.w");
  script::Awaited::Args done;
  done.id = args.id;
  done.step = 1;

  lua.ok<script::Awaited>(done);

  CHECK(lua.score("awaits", args.id) > lua.now() + 3'600'000);
  lua.ok<script::Signal>(signal_args(args.id, "s", "paid"));
  CHECK(lua.members("awaits").empty());
  lua.ok<script::Awaited>(done);
  CHECK(lua.members("awaits").empty());
}

TEST_CASE("events and waiters that have expired go, and leave no key") {
  LuaFixture lua;
  lua.ok<script::PublishEvent>(publish_args("e1", 1));
  lua.ok<script::PublishEvent>(publish_args("e2", 0));
  const auto published = lua.now();
  while (lua.now() < published + 5) continue;
  CHECK(lua.ok<script::AwaitEvent>(await_args()).rows.empty());
  lua.ok<script::SettleEvent>(settle_args(false, true));

  CHECK(lua.text({"EXISTS", lua.key(std::string("n:") + kName)}) == "0");
  CHECK(lua.members("deliveries").empty());
}

TEST_CASE("a name takes a bounded number of events and of waiters") {
  LuaFixture lua;
  for (int i = 0; i < 64; ++i) lua.ok<script::PublishEvent>(publish_args(std::to_string(i)));
  CHECK(lua.word<script::PublishEvent>(publish_args()) == "too_many_events");
  CHECK(lua.ok<script::PublishEvent>(publish_args("63")).outcome == "duplicate");
  auto other = await_args();
  other.key = "other";
  for (int i = 0; i < 256; ++i) {
    other.execution = "5-" + std::to_string(i);
    lua.ok<script::AwaitEvent>(other);
  }
  other.execution = "5-another";
  CHECK(lua.word<script::AwaitEvent>(other) == "too_many_waiters");
}

}  // namespace
}  // namespace ff::test
