// The checker of limits: nothing wrong is found where nothing is, and every planted damage is named.
#include <catch2/catch_test_macros.hpp>

#include "lua/holder.hpp"
#include "support/limit_checker.hpp"

namespace ff::test {
namespace {

struct Limits {
  LuaFixture lua;
  Limits() {
    set_quota(lua, 5, 10, 1000, 3);
    auto budget = budget_args(50, 100);
    budget.period = "some";
    budget.resets = {std::to_string(lua.now() + 60'000)};
    lua.ok<script::SetBudget>(budget);
    Holder a(lua, "a"), b(lua, "b");
    a.slots(0, 3);
    b.slots(0, 4);
    a.reserve("budget", "b", "", "tokens=30,usd=1", 2);
  }
  Snapshot snapshot() {
    auto client = lua.node().client();
    return read_snapshot(client, lua.tag(), SnapshotScope());
  }
  std::vector<Violation> violations() {
    std::vector<Violation> found;
    check_limits(snapshot(), found);
    return found;
  }
};

TEST_CASE("limits that the library wrote are right") {
  Limits limits;
  CHECK(limits.violations().empty());
  CHECK(check_hard_limits(limits.snapshot()).empty());
  CHECK(check_snapshot(limits.snapshot()).text() == "");
}

TEST_CASE("every damage to limits is found") {
  using Words = std::vector<std::string>;
  struct Damage {
    Words words;
    const char* of;
  };
  const std::vector<Damage> damages = {
      {{"HINCRBY", "u:ns/q", "r.slots", "1"}, "u:ns/q"},
      {{"HDEL", "b:ns/b", "@a"}, "b:ns/b"},
      {{"HSET", "u:ns/q", "@a", "1 2 3 4 slots=x "}, "u:ns/q"},
      {{"ZREM", "limits_due", "h u:ns/q b"}, "limits_due"},
      {{"ZREM", "limits_due", "r b:ns/b"}, "limits_due"},
      {{"HINCRBY", "b:ns/b", "z", "1"}, "limits_due"},
      {{"ZREM", "limits", "u:ns/q"}, "limits"},
      {{"ZADD", "limits", "0", "u:ns/other"}, "limits"},
  };
  for (const auto& damage : damages) {
    Limits limits;
    auto words = damage.words;
    words[1] = limits.lua.key(words[1]);
    limits.lua.text(words);

    const auto found = limits.violations();

    INFO(words[0] << " " << words[1] << " " << words[2]);
    REQUIRE_FALSE(found.empty());
    CHECK(found[0].key == limits.lua.key(damage.of));
  }
}

TEST_CASE("a hard limit that is exceeded is found") {
  Limits limits;
  limits.lua.text({"HINCRBY", limits.lua.key("b:ns/b"), "u.tokens", "41"});

  const auto found = check_hard_limits(limits.snapshot());

  REQUIRE(found.size() == 1);
  CHECK(found[0].expected == "tokens: at most 100");
  CHECK(found[0].found == "101");
}

}  // namespace
}  // namespace ff::test
