// What C++ and Lua both know is the same: states, policies, delays, key names.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include "ff/core/capability.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/policy.hpp"
#include "ff/core/state.hpp"
#include "lua/fixture.hpp"
#include "lua/probe_library.hpp"
#include "support/seed.hpp"

namespace ff::test {
namespace {

using core::Millis;
using core::State;

constexpr const char* kProbes = R"lua(
ff.probe("probe_legal", function()
  local found = {}
  for from, targets in pairs(ff.legal) do
    for to, yes in pairs(targets) do
      if yes == true then found[#found + 1] = from .. ">" .. to end
    end
  end
  return found
end)
ff.probe("probe_terminal", function()
  local found = {}
  for state, yes in pairs(ff.terminal) do
    if yes == true then found[#found + 1] = state end
  end
  return found
end)
-- Cases of five: policy, class, failures, crashes, random. Answers of three: retries, retry delay, crash delay.
ff.probe("probe_policy", function(keys, args)
  local at, found = ff.enter(keys[1]), {}
  for i = 1, #args, 5 do
    local core = { q = "ns/lane" }
    if args[i] ~= "" then
      redis.call("SET", ff.key(at, "probe", "y"), args[i])
      core.j = "1"
    end
    local policy = ff.policy(at, "probe", core)
    local failures = tonumber(args[i + 2])
    found[#found + 1] = ff.retries(policy.retry, args[i + 1], failures) and 1 or 0
    found[#found + 1] = string.format("%.17g", ff.retry_delay(policy.retry, failures, tonumber(args[i + 4])))
    found[#found + 1] = string.format("%.17g", ff.crash_delay(policy.crash, tonumber(args[i + 3])))
  end
  return found
end)
ff.probe("probe_fits", function(_, args)
  return ff.policy_fits(cjson.decode(args[1])) and 1 or 0
end)
ff.probe("probe_retention", function()
  return string.format("%d", ff.default_retention_ms)
end)
-- Record of the lane, priority, time or nothing, time of creation.
ff.probe("probe_rank", function(_, args)
  local lane, priority = ff.decode_lane("ns/lane", args[1]), tonumber(args[2])
  local rank = ff.rank(lane, priority, tonumber(args[3]), tonumber(args[4]))
  return { string.format("%.17g", rank), string.format("%.17g", ff.ready_at(lane, priority, rank)) }
end)
-- Cases of two: capabilities joined by commas, a requirement.
ff.probe("probe_satisfies", function(_, args)
  local found = {}
  for i = 1, #args, 2 do
    found[#found + 1] = ff.satisfies(ff.capability_set(args[i]).has, args[i + 1]) and 1 or 0
  end
  return found
end)
ff.probe("probe_versions", function(_, args)
  local found = {}
  for i = 1, #args, 2 do found[#found + 1] = ff.order_versions(args[i], args[i + 1]) end
  return found
end)
ff.probe("probe_random", function(_, args)
  return string.format("%.17g", ff.random({ now_us = tonumber(args[1]) }, args[2]))
end)
)lua";

RespValue probe(LuaFixture& lua, const std::string& function, const std::vector<std::string>& arguments = {}) {
  std::vector<std::string> words = {"FCALL", "probe_" + function, "1", lua.tag()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  auto reply = lua.command(words);
  INFO(reply.text);
  REQUIRE_FALSE(reply.is_error());
  return reply;
}

std::set<std::string> texts(const RespValue& list) {
  std::set<std::string> found;
  for (const auto& element : list.elements) found.insert(element.text);
  return found;
}

TEST_CASE("the transitions of Lua are those of C++") {
  LuaFixture lua(probe_library(kProbes));
  std::set<std::string> wanted;
  for (const auto& step : core::kTransitions) {
    wanted.insert(std::string(to_string(step.from)) + ">" + std::string(to_string(step.to)));
  }
  for (const auto state : core::kStartStates) wanted.insert(">" + std::string(to_string(state)));

  CHECK(texts(probe(lua, "legal")) == wanted);
}

TEST_CASE("the terminal states of Lua are those of C++") {
  LuaFixture lua(probe_library(kProbes));
  std::set<std::string> wanted;
  for (const auto state : core::kStates) {
    if (core::is_terminal(state)) wanted.insert(std::string(to_string(state)));
  }

  CHECK(texts(probe(lua, "terminal")) == wanted);
}

Millis some_ms(Rng& rng) {
  const std::int64_t bounds[] = {0, 1, 10, 5'000, 300'000, 100'000'000, core::limits::kDurationMsMax};
  return Millis(rng.between(0, bounds[rng.below(7)]));
}

std::vector<std::string> some_classes(Rng& rng) {
  std::vector<std::string> found;
  for (const auto name : core::failure_class::kStandard) {
    if (rng.chance(0.2)) found.emplace_back(name);
  }
  return found;
}

core::Policy some_policy(Rng& rng) {
  core::Policy policy;
  auto& retry = policy.retry;
  const auto strategy = static_cast<core::RetryStrategy>(rng.below(4));
  if (strategy != core::RetryStrategy::exponential || rng.chance(0.5)) retry.strategy = strategy;
  if (strategy == core::RetryStrategy::explicit_delays) {
    retry.delays.emplace();
    for (std::uint64_t i = 0; i <= rng.below(5); ++i) retry.delays->push_back(some_ms(rng));
  } else if (rng.chance(0.7)) {
    retry.delay = some_ms(rng);
  }
  if (strategy == core::RetryStrategy::exponential && rng.chance(0.7)) {
    retry.factor = rng.chance(0.5) ? 1 + 99 * rng.unit() : static_cast<double>(rng.between(1, 100));
  }
  if (rng.chance(0.7)) retry.max_delay = some_ms(rng) + Millis(1);
  if (rng.chance(0.6)) retry.jitter = rng.chance(0.3) ? static_cast<double>(rng.below(2)) : rng.unit();
  if (rng.chance(0.6)) retry.max_attempts = rng.between(1, rng.chance(0.5) ? 5 : 1000);
  if (rng.chance(0.3)) retry.only = some_classes(rng);
  if (rng.chance(0.3)) retry.never = some_classes(rng);
  if (rng.chance(0.5)) policy.crash.max = rng.between(0, 1000);
  if (rng.chance(0.5)) policy.crash.delay = some_ms(rng);
  if (rng.chance(0.5)) policy.crash.max_delay = some_ms(rng) + Millis(1);
  if (rng.chance(0.2)) policy.attempt_timeout = some_ms(rng);
  if (rng.chance(0.2)) policy.retention = some_ms(rng);
  return policy;
}

TEST_CASE("for random policies Lua decides and waits as C++ does") {
  LuaFixture lua(probe_library(kProbes));
  Rng rng(seed());
  int valid = 0;
  for (int round = 0; round < 40; ++round) {
    std::vector<std::string> cases, wanted;
    while (cases.size() < 5 * 100) {
      const auto policy = some_policy(rng);
      if (!core::validate(policy)) continue;
      ++valid;
      const std::string name(core::failure_class::kStandard[rng.below(core::failure_class::kStandard.size())]);
      const auto failures = rng.between(1, rng.chance(0.7) ? 6 : 1000),
                 crashes = rng.between(1, rng.chance(0.7) ? 6 : 1000);
      const double random = rng.chance(0.1) ? 0 : rng.unit();
      const auto wire = core::to_wire(policy);
      for (const auto& word :
           {wire, name, std::to_string(failures), std::to_string(crashes), fmt::format("{}", random)}) {
        cases.push_back(word);
      }
      wanted.push_back(core::may_retry(policy.retry, name, failures) ? "1" : "0");
      wanted.push_back(std::to_string(core::retry_delay(policy.retry, failures, random).count()));
      wanted.push_back(std::to_string(core::crash_delay(policy.crash, crashes).count()));
      if (!wire.empty()) CHECK(probe(lua, "fits", {wire}).text == "1");
    }
    const auto found = probe(lua, "policy", cases);
    REQUIRE(found.elements.size() == wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      INFO("policy " << cases[i / 3 * 5] << " class " << cases[i / 3 * 5 + 1] << " failures " << cases[i / 3 * 5 + 2]
                     << " crashes " << cases[i / 3 * 5 + 3] << " random " << cases[i / 3 * 5 + 4]);
      CHECK(found.elements[i].text == wanted[i]);
    }
  }
  CHECK(valid == 4000);
}

TEST_CASE("every default is the same") {
  LuaFixture lua(probe_library(kProbes));
  const core::RetryPolicy retry;
  const core::CrashPolicy crash;
  for (const auto name : core::failure_class::kStandard) {
    for (std::int64_t count = 1; count <= 12; ++count) {
      for (const char* random : {"0", "0.5", "0.999"}) {
        const auto number = std::to_string(count);
        const auto found = probe(lua, "policy", {"", std::string(name), number, number, random});
        CHECK(found.elements.at(0).text == (core::may_retry(retry, name, count) ? "1" : "0"));
        CHECK(found.elements.at(1).text == std::to_string(core::retry_delay(retry, count, std::stod(random)).count()));
        CHECK(found.elements.at(2).text == std::to_string(core::crash_delay(crash, count).count()));
      }
    }
  }
  CHECK(probe(lua, "retention").text == std::to_string(core::policy_default::kRetention.count()));
}

TEST_CASE("the crash cap by default is survived and one more is not") {
  LuaFixture lua;
  auto lease = lua.held();
  for (std::int64_t crash = 1; crash <= core::policy_default::kCrashMax + 1; ++crash) {
    lua.make_due("active", lease.id);
    lua.run_due();
    CHECK(lua.state(lease.id) == (crash > core::policy_default::kCrashMax ? "failed"
                                  : crash == 1                            ? "ready"
                                                                          : "delayed"));
    if (crash > core::policy_default::kCrashMax) break;
    lua.make_due("delayed", lease.id);
    lua.run_due();
    lease = lua.held_again(lease.id);
  }
}

constexpr std::int64_t kRankBegin = 1'735'689'600'000, kStrictSpan = 549'755'813'888;

TEST_CASE("strict ranks order by priority, then by time, and give the time back exactly until 2042") {
  LuaFixture lua(probe_library(kProbes));
  const auto rank = [&lua](std::int64_t priority, const std::string& ms) {
    return probe(lua, "rank", {R"({"state":"running","policy":"{\"aging_ms\":0}","version":1})",
                               std::to_string(priority), ms, std::to_string(kRankBegin + 5)});
  };
  for (const std::int64_t priority : {0, 1, 4500, 8999, 9000}) {
    double before = std::stod(rank(priority, "").elements.at(0).text);
    CHECK(rank(priority, "").elements.at(1).text == "0");
    for (const std::int64_t ms : {kRankBegin + 1, kRankBegin + 2, kRankBegin + 1'000'000'000,
                                  kRankBegin + kStrictSpan - 2, kRankBegin + kStrictSpan - 1}) {
      const auto found = rank(priority, std::to_string(ms));
      CHECK(std::stod(found.elements.at(0).text) > before);
      before = std::stod(found.elements.at(0).text);
      CHECK(found.elements.at(1).text == std::to_string(ms));
    }
    if (priority > 0) CHECK(before < std::stod(rank(priority - 1, "").elements.at(0).text));
    CHECK(before <= 9007199254740992.0);
  }
}

TEST_CASE("a step of priority is worth the lane's aging, a minute by default, and ranks give the time back exactly") {
  LuaFixture lua(probe_library(kProbes));
  const std::int64_t week = 7LL * 24 * 3600 * 1000, now = kRankBegin + 60'000'000'000;
  for (const std::int64_t aging : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1000}, week}) {
    const std::string record = aging == 0 ? "" : fmt::format(R"({{"state":"running","policy":"{{\"aging_ms\":{}}}"}})",
                                                             aging);
    const std::int64_t step = aging == 0 ? 60'000 : aging;
    for (const std::int64_t priority : {0, 1, 4500, 8999, 9000}) {
      INFO(aging << " " << priority);
      const auto found = probe(lua, "rank", {record, std::to_string(priority), std::to_string(now), "1"});
      CHECK(found.elements.at(0).text == std::to_string((9000 - priority) * step + now - kRankBegin));
      CHECK(found.elements.at(1).text == std::to_string(now));
      const auto front = probe(lua, "rank", {record, std::to_string(priority), "", std::to_string(now)});
      CHECK(front.elements.at(0).text == found.elements.at(0).text);  // As if it had waited since it was created.
    }
  }
}

std::string some_version(Rng& rng) {
  static const char* parts[] = {"0", "1", "2", "9", "10", "012", "12", "99999999999999999999", "beta", "b2"};
  std::string version = parts[rng.below(10)];
  while (version.size() < 30 && rng.chance(0.4)) version.append(".").append(parts[rng.below(10)]);
  return version;
}

std::string some_key(Rng& rng) {
  static const char* keys[] = {"cuda", "gpu", "zone", "ssd"};
  return keys[rng.below(4)];
}

TEST_CASE("versions are ordered in Lua as in C++") {
  Rng rng(seed());
  LuaFixture lua(probe_library(kProbes));
  std::vector<std::string> words;
  for (int i = 0; i < 1000; ++i) {
    words.push_back(some_version(rng));
    words.push_back(rng.chance(0.2) ? words.back() + ".0" : some_version(rng));
  }

  const auto found = probe(lua, "versions", words);

  for (std::size_t i = 0; i < found.elements.size(); ++i) {
    INFO(words[2 * i] << " " << words[2 * i + 1]);
    CHECK(found.elements[i].text == std::to_string(core::order_versions(words[2 * i], words[2 * i + 1])));
    CHECK(core::order_versions(words[2 * i], words[2 * i + 1]) ==
          -core::order_versions(words[2 * i + 1], words[2 * i]));
  }
}

TEST_CASE("capabilities answer requirements in Lua as in C++") {
  Rng rng(seed());
  LuaFixture lua(probe_library(kProbes));
  std::vector<std::string> words;
  std::vector<bool> wanted;
  for (int i = 0; i < 2000; ++i) {
    core::Capabilities has;
    for (auto count = rng.below(5); count > 0; --count) {
      has.insert(rng.chance(0.3) ? some_key(rng) : some_key(rng) + "=" + some_version(rng));
    }
    static const char* signs[] = {"=", ">=", "<=", ">", "<"};
    const auto requirement = rng.chance(0.3) ? some_key(rng) : some_key(rng) + signs[rng.below(5)] + some_version(rng);
    REQUIRE(core::validate_requirement(requirement));
    std::string joined;
    for (const auto& one : has) joined += (joined.empty() ? "" : ",") + one;
    words.push_back(joined);
    words.push_back(requirement);
    wanted.push_back(core::satisfies(has, requirement));
  }

  const auto found = probe(lua, "satisfies", words);

  REQUIRE(found.elements.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    INFO(words[2 * i] << " against " << words[2 * i + 1]);
    CHECK((found.elements[i].text == "1") == wanted[i]);
  }
}

TEST_CASE("random numbers are in [0, 1) and spread") {
  LuaFixture lua(probe_library(kProbes));
  double sum = 0;
  for (int i = 0; i < 1000; ++i) {
    const double value =
        std::stod(probe(lua, "random", {std::to_string(lua.now() * 1000 + i), LuaFixture::new_id()}).text);
    CHECK(value >= 0);
    CHECK(value < 1);
    sum += value;
  }
  CHECK(sum > 400);
  CHECK(sum < 600);
}

TEST_CASE("keys are called what core::Keyspace calls them") {
  LuaFixture lua;
  const auto& keys = lua.keys();
  const auto p = lua.home();
  const auto queue = core::Queue::make("ns", "lane").value();
  auto item = LuaFixture::item();
  LuaFixture::give_key(item, "key");
  item.payload = std::string(300, 'p');  // Too large for the core.
  item.policy = R"({"retry":{"delay_ms":0},"attempt_timeout_ms":60000})";
  item.tags = R"({"a":"b"})";
  item.deadline_ms = 60'000;
  const auto lease = lua.held(item);
  const auto id = core::Ulid::parse(lease.id).value();
  script::Progress::Args progress;
  progress.id = lease.id;
  progress.lease = lease.lease;
  progress.epoch = lease.epoch;
  lua.ok<script::Progress>(progress);
  const auto exists = [&lua](const std::string& key) {
    INFO(key);
    CHECK(lua.text({"EXISTS", key}) == "1");
  };

  for (const auto& key : {lua.keys().tag(p), keys.core(p, id), keys.payload(p, id), keys.policy(p, id),
                          keys.tags(p, id), keys.progress(p, id), keys.idempotency(p, "ns", "key"), keys.lanes(p),
                          keys.events(p), keys.timeouts(p), keys.deadlines(p), keys.index(p, State::active)}) {
    exists(key);
  }
  lua.ok<script::Fail>(lua.fail_args(lease));
  exists(keys.queue(p, queue));
  exists(keys.history(p, id));
  exists(keys.error_text(p, id));
  lua.complete(lua.held_again(lease.id));
  exists(keys.result(p, id));
  exists(keys.index(p, State::completed));
  script::Replay::Args replay;
  replay.ns = "ns";
  replay.id = lease.id;
  lua.ok<script::Replay>(replay);
  exists(keys.old_result(p, id, 0));
  lua.claim(2);
  exists(keys.idle(p, queue));
}

TEST_CASE("every state but ready has the index that core::Keyspace names") {
  LuaFixture lua;
  for (const auto state : core::kStates) {
    if (state == State::ready) continue;
    lua.text({"ZADD", lua.keys().index(lua.home(), state), "1", LuaFixture::new_id()});
  }
  for (const auto& row : lua.ok<script::Count>(script::Count::Args()).rows) {
    INFO(row.index);
    CHECK(row.executions == 1);
  }
}

TEST_CASE("channels are called what core::Keyspace calls them, and the probed keys never exist") {
  LuaFixture lua;
  const auto& keys = lua.keys();
  const auto id = core::Ulid::parse(lua.submit()).value();
  CHECK(keys.worker_channel(lua.home(), "worker") == lua.key("w:worker"));
  CHECK(keys.watch_channel(lua.home(), id) == lua.key("v:" + id.str()));
  CHECK(keys.engine_channel(lua.home()) == lua.key("engine"));
  CHECK(keys.frames_channel(lua.home(), id) == lua.key("f:" + id.str()));
  CHECK(keys.events_channel(lua.home()) == lua.key("events"));
  CHECK(lua.text({"EXISTS", keys.absent(lua.home()), lua.key("gone")}) == "0");
}

}  // namespace
}  // namespace ff::test
