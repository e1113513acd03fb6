// Events by cursor, and who is told that there are more.
#include <catch2/catch_test_macros.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using Words = std::vector<std::string>;

script::ReadEvents::Ok read_events(LuaFixture& lua, const std::string& cursor, std::int64_t listen_ms = 0,
                            std::int64_t limit = 512) {
  script::ReadEvents::Args args;
  args.cursor = cursor;
  args.limit = limit;
  args.listen_ms = listen_ms;
  return lua.ok<script::ReadEvents>(args);
}

TEST_CASE("events are read in order from any cursor") {
  LuaFixture lua;
  const auto start = read_events(lua, "$");
  CHECK(start.cursor == "0-0");
  const auto lease = lua.held();
  lua.complete(lease);

  const auto all = read_events(lua, start.cursor);

  Words states;
  for (const auto& row : all.rows) {
    CHECK(row.id == lease.id);
    CHECK(row.queue == "ns/lane");
    states.push_back(row.state);
  }
  CHECK(states == Words{"ready", "active", "completed"});
  CHECK_FALSE(all.lost);
  CHECK(read_events(lua, all.cursor).rows.empty());
  CHECK(read_events(lua, "$").cursor == all.cursor);
  const auto first = read_events(lua, "", 0, 1);
  CHECK(first.more);
  CHECK(read_events(lua, first.cursor).rows.size() == 2);
}

TEST_CASE("a gap is told") {
  LuaFixture lua;
  lua.submit();
  const auto cursor = read_events(lua, "").cursor;
  lua.submit();
  CHECK_FALSE(read_events(lua, cursor).lost);
  lua.text({"XTRIM", lua.key("ev"), "MAXLEN", "1"});
  CHECK(read_events(lua, cursor).lost);
  CHECK(read_events(lua, "0-0").lost);
  CHECK_FALSE(read_events(lua, "").lost);
}

TEST_CASE("a wiped stream is a gap, and read from its start") {
  LuaFixture lua;
  lua.submit();
  const auto cursor = read_events(lua, "").cursor;
  lua.text({"DEL", lua.key("ev")});
  const auto found = read_events(lua, cursor);
  CHECK(found.lost);
  CHECK(found.cursor == "0-0");
}

TEST_CASE("who listens is told once until it reads again") {
  LuaFixture lua;
  Listener listener(lua, {"events"});
  lua.submit();
  CHECK(listener.heard() == Words());
  const auto cursor = read_events(lua, "", 60'000).cursor;

  lua.submit();
  lua.submit();

  CHECK(listener.heard() == Words{"events "});
  CHECK(read_events(lua, cursor, 60'000).rows.size() == 2);
  lua.submit();
  CHECK(listener.heard() == Words{"events "});
}

TEST_CASE("a cursor that is none is refused") {
  LuaFixture lua;
  script::ReadEvents::Args args;
  args.cursor = "last";
  CHECK(lua.word<script::ReadEvents>(args) == "bad_cursor");
}

}  // namespace
}  // namespace ff::test
