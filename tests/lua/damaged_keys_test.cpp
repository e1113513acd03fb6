// Every call with every kind of key damaged in every way: it fails before its first write, or it is whole.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <memory>

#include "lua/fixture.hpp"
#include "lua/scenarios.hpp"

namespace ff::test {
namespace {

using Words = std::vector<std::string>;

// Keys of one kind differ in ids only: ":e:*:h", ":q:*".
std::string kind_of(const std::string& name) {
  if (name.starts_with(":e:")) return ":e:*" + name.substr(3 + 26);
  for (const char* prefix : {":q:", ":i:", ":idle:", ":n:", ":fair:", ":b:ns/b:k:"}) {
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

// A key as it was.
struct Original {
  std::string key, dump;
};

// Puts a value of this type in the place of every key of the kind. Empty: they are of this type already.
std::vector<Original> inflict(LuaFixture& lua, const std::string& kind, const Damage& damage,
                              const Contents& contents) {
  std::vector<Original> originals;
  for (const auto& [name, content] : contents) {
    if (kind_of(name) != kind || content.starts_with(damage.type + " ")) continue;
    const auto key = lua.tag() + name;
    originals.push_back({key, lua.text({"DUMP", key})});
    lua.text({"DEL", key});
    Words words = damage.command;
    words.insert(words.begin() + 1, key);
    lua.text(words);
  }
  return originals;
}

// The kinds of keys that a call names to Valkey, as MONITOR tells. False: it asks for the key's type only.
std::map<std::string, bool> kinds_touched(LuaFixture& lua, const Words& words) {
  auto monitor = lua.node().client();
  monitor.command({"MONITOR"});
  lua.command(words);
  lua.text({"ECHO", "the call is over"});
  std::map<std::string, bool> kinds;
  const std::string begin = "\"" + lua.tag();
  while (true) {
    const auto line = monitor.receive().text;  // 1700000000.000001 [0 lua] "HGETALL" "{ff:0}:e:…"
    if (line.find("the call is over") != std::string::npos) return kinds;
    if (line.find(" lua] ") == std::string::npos) continue;
    const bool asks_type = line.find("lua] \"TYPE\"") != std::string::npos;
    for (auto at = line.find(begin); at != std::string::npos; at = line.find(begin, at + 1)) {
      const auto name = line.substr(at + begin.size(), line.find('"', at + 1) - at - begin.size());
      auto& more = kinds[kind_of(name)];
      more = more || !asks_type;
    }
  }
}

Words without(Words found, const Words& before) {
  std::erase_if(found, [&before](const auto& line) { return std::count(before.begin(), before.end(), line) > 0; });
  return found;
}

struct Prepared {
  LuaFixture lua;
  Words words;
  Contents contents;
  Prepared(const Scenario& scenario, const std::string& library)
      : lua(library), words(scenario.prepare(lua)), contents(lua.contents()) {}
};

enum class Met { nothing, refused, done };

Met meet(Prepared& prepared, const Scenario& scenario, const std::string& kind, const Damage& damage) {
  auto& lua = prepared.lua;
  const auto originals = inflict(lua, kind, damage, prepared.contents);
  if (originals.empty()) return Met::nothing;
  lua.forget();  // Also when it last looked at the types.
  auto before = lua.look();

  const auto reply = lua.command(prepared.words);

  INFO(scenario.name << " with " << kind << " a " << damage.type << ": " << reply.str());
  const auto after = lua.look();
  if (!reply.is_error()) {
    CHECK(without(after.lost, before.lost) == Words());
    CHECK(without(after.stray, before.stray) == Words());
    return Met::done;
  }
  const auto word = reply.text.substr(0, reply.text.find(' '));
  CHECK((word == "FF_CORRUPT" || word == "WRONGTYPE"));
  // Due work that comes before a claim is done by itself, and saves the clock.
  if (scenario.verb == "ff1_claim" || scenario.verb == "ff1_reserve") before.contents[""] = after.contents.at("");
  CHECK(LuaFixture::changes(before.contents, after.contents) == "");
  for (const auto& [key, dump] : originals) lua.text({"RESTORE", key, "0", dump, "REPLACE"});
  return Met::refused;
}

TEST_CASE("a damaged key leaves no half transition behind") {
  const auto library = LuaFixture::forgetful(LuaFixture::product_library());
  std::map<Met, int> counts;
  for (const auto& scenario : scenarios()) {
    std::map<std::string, bool> kinds;
    {
      Prepared whole(scenario, library);
      whole.lua.forget();
      kinds = kinds_touched(whole.lua, whole.words);
    }
    std::unique_ptr<Prepared> prepared;
    for (const auto& [kind, beyond_type] : kinds) {
      for (const auto& damage : damages()) {
        // A refused call has changed nothing, so the next one can be made on the same data.
        if (!prepared) prepared = std::make_unique<Prepared>(scenario, library);
        const auto met = meet(*prepared, scenario, kind, damage);
        ++counts[met];
        if (met == Met::done) prepared.reset();
        if (met == Met::refused && !beyond_type) break;  // All other wrong types are refused by the same comparison.
      }
    }
  }
  CHECK(counts[Met::refused] > 1000);
  CHECK(counts[Met::done] > 1000);
}

TEST_CASE("a damaged index is named") {
  for (const char* index : {"delayed", "active", "completed", "timeouts", "deadlines", "handoffs", "lanes", "ev",
                            "waitpoints", "awaits", "deliveries"}) {
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
    lua.change(id, {field, ""});
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
    lua.change(id, {"s", state});
    script::Cancel::Args args;
    args.ns = "ns";
    args.id = id;
    CHECK(lua.word<script::Cancel>(args) == "FF_CORRUPT");
  }
}

}  // namespace
}  // namespace ff::test
