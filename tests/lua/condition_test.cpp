// Conditions, of suspensions as they run, against an evaluator that looks at all signals each time.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <set>

#include "lua/suspending.hpp"
#include "support/seed.hpp"

namespace ff::test {
namespace {

using core::Condition;

struct Sent {
  std::string label, name, source;
};

bool among(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool holds(const Condition& node, const std::vector<Sent>& signals) {
  const auto part_holds = [&signals](const Condition& part) { return holds(part, signals); };
  if (node.kind == Condition::Kind::all) return std::all_of(node.parts.begin(), node.parts.end(), part_holds);
  if (node.kind == Condition::Kind::any) return std::any_of(node.parts.begin(), node.parts.end(), part_holds);
  std::int64_t count = 0;
  std::set<std::string> sources;
  for (const auto& signal : signals) {
    if (!node.names.empty() && !among(node.names, signal.name)) continue;
    if (!node.waitpoint.empty() && node.waitpoint != signal.label) continue;
    if (among(node.not_from, signal.source)) continue;
    ++count;
    sources.insert(signal.source);
  }
  return (node.is_distinct ? static_cast<std::int64_t>(sources.size()) : count) >= node.count;
}

const std::vector<std::string> kLabels = {"one", "two"}, kNames = {"go", "stop", "maybe"},
                               kSources = {"", "alice", "bob", "carol \"c\" \\ d"};

Condition some_condition(Rng& rng, int depth) {
  const auto pick = [&rng](const auto& list) { return list[rng.below(list.size())]; };
  if (depth > 0 && rng.chance(0.5)) {
    Condition node;
    node.kind = rng.chance(0.5) ? Condition::Kind::all : Condition::Kind::any;
    for (std::int64_t i = rng.between(1, 3); i > 0; --i) node.parts.push_back(some_condition(rng, depth - 1));
    return node;
  }
  Condition leaf;
  for (const auto& name : kNames) {
    if (rng.chance(0.4)) leaf.names.push_back(name);
  }
  if (rng.chance(0.2)) leaf.not_from.push_back(pick(kSources));
  if (rng.chance(0.3)) leaf.waitpoint = pick(kLabels);
  leaf.count = rng.between(1, 4);
  leaf.is_distinct = rng.chance(0.4);
  if (leaf.is_distinct) leaf.count = rng.between(1, 3);
  return leaf;
}

TEST_CASE("a suspension resumes exactly when its condition holds over all signals") {
  const auto chosen = seed();
  INFO("seed " << chosen);
  Rng rng(chosen);
  LuaFixture lua;
  std::size_t resumed = 0, waiting = 0, at_once = 0;
  for (int round = 0; round < 400; ++round) {
    const auto condition = some_condition(rng, 3);
    REQUIRE(core::validate(condition));
    auto lease = lua.held();
    auto open = open_args(lease, "one");
    open.items.push_back(open_args(lease, "two").items[0]);
    lua.ok<script::OpenWaitpoints>(open);
    std::vector<Sent> sent;
    const auto early = rng.below(4), most = rng.below(12);
    bool suspended = false, done = false;
    for (std::size_t i = 0; i <= early + most && !done; ++i) {
      if (i == early) {
        auto args = suspend_args(lease, core::to_wire(condition));
        args.items.clear();
        lua.ok<script::Suspend>(args);
        suspended = true;
        done = holds(condition, sent);
        at_once += done ? 1 : 0;
      } else {
        Sent signal{kLabels[rng.below(2)], kNames[rng.below(3)], kSources[rng.below(4)]};
        sent.push_back(signal);
        auto args = signal_args(lease.id, std::to_string(i), signal.name, signal.source);
        args.waitpoint = "1." + signal.label;
        const auto told = outcome(lua, args);
        done = suspended && holds(condition, sent);
        INFO(core::to_wire(condition));
        REQUIRE(told == (done ? "resumed" : "accepted"));
      }
      INFO(core::to_wire(condition));
      REQUIRE(lua.state(lease.id) == (done ? "ready" : suspended ? "suspended" : "active"));
      if (suspended && !done) REQUIRE_FALSE(waitpoints(lua, lease.id).missing.empty());
    }
    ++(done ? resumed : waiting);
    if (done) lua.complete(claim_resumed(lua, lease.id).lease);
  }
  CHECK(resumed > 50);
  CHECK(waiting > 50);
  CHECK(at_once > 5);
}

TEST_CASE("what is no condition is refused by the library, too") {
  LuaFixture lua;
  const auto lease = lua.held();
  std::string deep = "{}", wide = "{\"all\":[{}";
  for (int i = 0; i < 8; ++i) deep = "{\"any\":[" + deep + "]}";
  for (int i = 0; i < 32; ++i) wide += ",{}";
  const std::vector<std::string> bad = {
      "[", "1", "null", "\"x\"", "[]1", R"({"all":[]})", R"({"all":1})", R"({"all":[{}],"any":[{}]})",
      R"({"all":[{}],"count":1})", R"({"names":[]})", R"({"names":"go"})", R"({"names":[1]})", R"({"count":0})",
      R"({"count":1.5})", R"({"count":"1"})", R"({"count":10001})", R"({"count":65,"distinct":true})",
      R"({"distinct":1})", R"({"waitpoint":1})", R"({"not_from":{}})", R"({"unknown":1})", R"({"any":[1]})",
      R"({"any":[{"all":[]}]})", deep, wide + "]}"};

  for (const auto& text : bad) {
    INFO(text);
    CHECK(lua.word<script::Suspend>(suspend_args(lease, text)) == "bad_condition");
  }
  CHECK(lua.state(lease.id) == "active");
}

}  // namespace
}  // namespace ff::test
