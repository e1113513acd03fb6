// Every call with every kind of key damaged in every way: it fails before its first write, or it is whole.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include "lua/fixture.hpp"
#include "lua/scenarios.hpp"

namespace ff::test {
namespace {

using Words = std::vector<std::string>;

// Keys of one kind differ in ids only: ":e:*:h", ":q:*".
std::string kind_of(const std::string& name) {
  if (name.starts_with(":e:")) return ":e:*" + name.substr(3 + 26);
  for (const char* prefix : {":q:", ":i:", ":idle:"}) {
    if (name.starts_with(prefix)) return std::string(prefix) + "*";
  }
  return name;
}

struct Damage {
  std::string type;
  Words command;  // Behind the key.
};

const std::vector<Damage>& damages() {
  static const std::vector<Damage> all = {
      {"string", {"SET", "damaged"}},        {"hash", {"HSET", "damaged", "1"}}, {"list", {"RPUSH", "damaged"}},
      {"set", {"SADD", "damaged"}},          {"zset", {"ZADD", "1", "damaged"}},
      {"stream", {"XADD", "*", "damaged", "1"}},
  };
  return all;
}

// Puts a value of this type in the place of every key of the kind. False: they are of this type already.
bool inflict(LuaFixture& lua, const std::string& kind, const Damage& damage) {
  bool done = false;
  for (const auto& [name, content] : lua.contents()) {
    if (kind_of(name) != kind || lua.text({"TYPE", lua.tag() + name}) == damage.type) continue;
    lua.text({"DEL", lua.tag() + name});
    Words words = damage.command;
    words.insert(words.begin() + 1, lua.tag() + name);
    lua.text(words);
    done = true;
  }
  return done;
}

Words without(Words found, const Words& before) {
  std::erase_if(found, [&before](const auto& line) { return std::count(before.begin(), before.end(), line) > 0; });
  return found;
}

std::set<std::string> kinds_in(const Scenario& scenario) {
  LuaFixture lua;
  scenario.prepare(lua);
  std::set<std::string> kinds;
  for (const auto& [name, content] : lua.contents()) kinds.insert(kind_of(name));
  return kinds;
}

// True when the call went through.
bool meets_damage(const Scenario& scenario, const std::string& kind, const Damage& damage) {
  LuaFixture lua;
  const auto words = scenario.prepare(lua);
  if (!inflict(lua, kind, damage)) return true;
  lua.reload();  // It forgets when it last looked at the types.
  auto before = lua.contents();
  const auto lost = lua.lost(), stray = lua.stray();

  const auto reply = lua.command(words);

  INFO(scenario.name << " with " << kind << " a " << damage.type << ": " << reply.str());
  if (reply.is_error()) {
    const auto word = reply.text.substr(0, reply.text.find(' '));
    CHECK((word == "FF_CORRUPT" || word == "WRONGTYPE"));
    // Due work that comes before a claim is done by itself, and saves the clock.
    if (scenario.verb == "ff1_claim") before[""] = lua.contents()[""];
    CHECK(lua.changes(before) == "");
    return false;
  }
  CHECK(without(lua.lost(), lost) == Words());
  CHECK(without(lua.stray(), stray) == Words());
  return true;
}

TEST_CASE("a damaged key leaves no half transition behind") {
  std::size_t refused = 0, done = 0;
  for (const auto& scenario : scenarios()) {
    for (const auto& kind : kinds_in(scenario)) {
      for (const auto& damage : damages()) ++(meets_damage(scenario, kind, damage) ? done : refused);
    }
  }
  CHECK(refused > 1000);
  CHECK(done > 1000);
}

TEST_CASE("a damaged index is named") {
  for (const char* index : {"delayed", "active", "completed", "timeouts", "deadlines", "handoffs", "lanes", "ev"}) {
    LuaFixture lua;
    lua.text({"SET", lua.key(index), "damaged"});
    script::Submit::Args args;
    args.ns = "ns";
    args.items = {LuaFixture::item()};

    const auto answer = lua.call<script::Submit>(args);

    REQUIRE_FALSE(answer);
    CHECK(answer.error().reason == "FF_CORRUPT");
    CHECK(answer.error().message.find(lua.key(index) + " is a string") != std::string::npos);
  }
}

TEST_CASE("a core that lacks what every execution has is damage") {
  for (const char* field : {"s", "q", "k", "c"}) {
    LuaFixture lua;
    const auto id = lua.submit();
    lua.text({"HDEL", lua.key("e:" + id), field});
    const auto before = lua.contents();
    script::Cancel::Args args;
    args.ns = "ns";
    args.id = id;

    CHECK(lua.word<script::Cancel>(args) == "FF_CORRUPT");

    CHECK(lua.changes(before) == "");
  }
}

TEST_CASE("a state that does not exist is damage") {
  LuaFixture lua;
  const auto id = lua.submit();
  for (const char* state : {"", "nonsense"}) {
    lua.text({"HSET", lua.key("e:" + id), "s", state});
    script::Cancel::Args args;
    args.ns = "ns";
    args.id = id;
    CHECK(lua.word<script::Cancel>(args) == "FF_CORRUPT");
  }
}

}  // namespace
}  // namespace ff::test
