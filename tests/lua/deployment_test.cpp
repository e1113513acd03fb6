// open, version, join, quit, key_ring, set_key_ring.
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

script::SetKeyRing::Args ring(std::int64_t expected, std::int64_t version, std::string sealed) {
  script::SetKeyRing::Args args;
  args.expected = expected;
  args.version = version;
  args.sealed = std::move(sealed);
  return args;
}

TEST_CASE("a key ring is replaced only by who knows the one there is, and servers hear of it") {
  LuaFixture lua;
  const auto stored = [&] { return lua.ok<script::KeyRing>(script::KeyRing::Args()); };
  const auto heard = [&] {
    script::Join::Args args;
    args.server = "a";
    args.ttl_ms = 60'000;
    return lua.ok<script::Join>(args);
  };
  CHECK(stored().version == 0);
  CHECK(stored().sealed.empty());
  CHECK(heard().ring_version == 0);
  const std::string bytes("\0\xff\r\n", 4);

  CHECK(lua.ok<script::SetKeyRing>(ring(0, 1, bytes)).version == 1);
  CHECK(lua.word<script::SetKeyRing>(ring(0, 1, "other")) == "other_version");
  CHECK(lua.word<script::SetKeyRing>(ring(2, 3, "other")) == "other_version");
  CHECK(lua.word<script::SetKeyRing>(ring(1, 1, "other")) == "other_version");
  CHECK(lua.ok<script::SetKeyRing>(ring(0, 1, bytes)).version == 1);  // The reply was lost.
  CHECK(stored().sealed == bytes);
  CHECK(lua.ok<script::SetKeyRing>(ring(1, 7, "after a failover")).version == 7);

  CHECK(heard().ring_version == 7);
  CHECK(stored().now >= heard().now - 10'000);
}

TEST_CASE("what a call writes stays on the tag of its partition") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  LuaFixture::give_key(item, "key");
  item.tags = R"({"a":"b"})";
  const auto lease = lua.held(item);
  lua.ok<script::Fail>(lua.fail_args(lease));
  joined(lua, "server");

  for (const auto& element : lua.command({"KEYS", "*"}).elements) CHECK(element.text.starts_with(lua.tag()));
}

}  // namespace
}  // namespace ff::test
