// The partition's clock when Valkey's steps back: written ahead into the partition's hash, as an earlier node would
// have.
#include <catch2/catch_test_macros.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

constexpr std::int64_t kHour = 3'600'000;

// As if the clock had been an hour ahead, on a node that is no more.
std::int64_t step_back(LuaFixture& lua) {
  const auto ahead = lua.now() + kHour;
  lua.text({"HSET", lua.tag(), "hi", std::to_string(ahead)});
  lua.reload();
  return ahead;
}

TEST_CASE("time goes on from the largest value seen, as fast as the clock") {
  LuaFixture lua;
  const auto id = lua.submit();
  const auto ahead = step_back(lua);
  const auto real = lua.now();

  const auto first = lua.describe(id).now;
  const auto since = lua.now();
  while (lua.now() < since + 20) lua.text({"PING"});
  const auto second = lua.describe(id).now;
  const auto elapsed = lua.now() - real;

  CHECK(first >= ahead);
  CHECK(second >= first + 15);
  CHECK(second <= ahead + elapsed);
}

TEST_CASE("time goes on also when calls are a fraction of a millisecond apart") {
  LuaFixture lua;
  const auto id = lua.submit();
  step_back(lua);
  const auto first = lua.describe(id).now, real = lua.now();

  auto last = first;
  while (lua.now() < real + 300) {
    const auto now = lua.describe(id).now;
    CHECK(now >= last);
    last = now;
  }

  CHECK(last - first >= 250);
  CHECK(last - first <= 310);
}

TEST_CASE("a lease is neither shortened nor lengthened by a step back") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto ends = lua.score("active", lease.id);
  lua.text({"HSET", lua.tag(), "hi", std::to_string(ends - 30'000)});  // Half of its time had passed.
  lua.reload();

  CHECK(lua.run_due() == 0);
  const auto left = lua.describe(lease.id).timer_at - lua.describe(lease.id).now;
  CHECK(left <= 30'000);
  CHECK(left > 29'000);

  lua.text({"HSET", lua.tag(), "hi", std::to_string(ends)});
  lua.reload();
  CHECK(lua.run_due() == 1);
  CHECK(lua.state(lease.id) == "ready");
}

TEST_CASE("a node that served before takes over the clock of the one in between") {
  LuaFixture lua;
  const auto id = lua.submit();  // This node remembers the partition.
  const auto ahead = lua.now() + kHour;
  lua.text({"HSET", lua.tag(), "hi", std::to_string(ahead)});
  const auto until = lua.now() + 1'100;
  while (lua.now() < until) lua.text({"PING"});  // It looks again once in a second.

  lua.submit();

  CHECK(lua.describe(id).now >= ahead);
}

TEST_CASE("times that are stored after a step back are later than those before") {
  LuaFixture lua;
  const auto before = lua.submit();
  step_back(lua);

  const auto lease = lua.held_again(before);
  const auto after = lua.submit();

  CHECK(lua.describe(after).created_at >= lua.describe(before).created_at + kHour);
  CHECK(std::stoll(lease.epoch) / 1000 >= lua.describe(before).created_at + kHour);
}

TEST_CASE("the clock is written down at the first write and then about once in a second") {
  LuaFixture lua;
  lua.submit();
  const auto first = std::stoll(lua.text({"HGET", lua.tag(), "hi"}));
  CHECK(first <= lua.now());
  lua.submit();
  const auto until = first + 1'100;
  while (lua.now() < until) lua.text({"PING"});
  CHECK(std::stoll(lua.text({"HGET", lua.tag(), "hi"})) < first + 1'000);

  lua.submit();

  CHECK(std::stoll(lua.text({"HGET", lua.tag(), "hi"})) >= until);
}

TEST_CASE("a clock that is no number is damage, and is found again after it has been repaired") {
  LuaFixture lua;
  lua.text({"HSET", lua.tag(), "hi", "soon"});
  script::Count::Args count;
  CHECK(lua.word<script::Count>(count) == "FF_CORRUPT");
  CHECK(lua.word<script::RunDue>(script::RunDue::Args()) == "FF_CORRUPT");

  lua.text({"HDEL", lua.tag(), "hi"});

  CHECK(lua.word<script::Count>(count) == "ok");
}

}  // namespace
}  // namespace ff::test
