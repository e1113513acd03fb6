// open, version, join, quit.
#include <catch2/catch_test_macros.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using Names = std::vector<std::string>;

Names joined(LuaFixture& lua, const std::string& server, std::int64_t ttl_ms = 60'000) {
  script::Join::Args args;
  args.server = server;
  args.ttl_ms = ttl_ms;
  Names names;
  for (const auto& row : lua.ok<script::Join>(args).rows) names.push_back(row.server);
  return names;
}

TEST_CASE("the partition count and the history's id are those of the first use") {
  LuaFixture lua;
  script::Open::Args first, second;
  first.partitions = 64;
  first.history = LuaFixture::new_id();
  second.partitions = 8;
  second.history = LuaFixture::new_id();

  for (const auto* args : {&first, &first, &second}) {
    const auto answer = lua.ok<script::Open>(*args);
    CHECK(answer.partitions == 64);
    CHECK(answer.history == first.history);
  }
}

TEST_CASE("the library tells its version") {
  LuaFixture lua;
  CHECK(lua.ok<script::Version>(script::Version::Args()).version == 1);
}

TEST_CASE("a server that joins is listed with the live ones, in order of name") {
  LuaFixture lua;
  CHECK(joined(lua, "b") == Names{"b"});
  CHECK(joined(lua, "a") == Names{"a", "b"});
  CHECK(joined(lua, "c") == Names{"a", "b", "c"});
  CHECK(joined(lua, "b") == Names{"a", "b", "c"});
}

TEST_CASE("a server whose membership is over is not listed, and forgotten in the end") {
  LuaFixture lua;
  joined(lua, "old");
  joined(lua, "older");
  lua.make_due("servers", "old");
  lua.text({"ZADD", lua.key("servers"), "1", "older"});

  CHECK(joined(lua, "new") == Names{"new"});
  CHECK(lua.members("servers") == Names{"old", "new"});
  CHECK(joined(lua, "old") == Names{"new", "old"});
}

TEST_CASE("a server that quits is gone at once") {
  LuaFixture lua;
  joined(lua, "a");
  joined(lua, "b");
  script::Quit::Args args;
  args.server = "a";

  lua.ok<script::Quit>(args);
  lua.ok<script::Quit>(args);

  CHECK(joined(lua, "b") == Names{"b"});
}

TEST_CASE("what a call writes stays on the tag of its partition") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.idempotency_key = "key";
  item.tags = R"({"a":"b"})";
  const auto lease = lua.held(item);
  lua.ok<script::Fail>(lua.fail_args(lease));
  joined(lua, "server");

  for (const auto& element : lua.command({"KEYS", "*"}).elements) CHECK(element.text.starts_with(lua.tag()));
}

}  // namespace
}  // namespace ff::test
