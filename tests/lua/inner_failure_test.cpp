// Every call with each of its inner calls failing in turn, as when a right has been taken away: before the first write
// nothing has changed; after it nothing is lost, the call can be repeated, and what is too much goes away by itself.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <bit>
#include <set>

#include "lua/fixture.hpp"
#include "lua/scenarios.hpp"

namespace ff::test {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kHead = R"lua(
local ff_seen, ff_fail_at, ff_names = 0, 0, {}
local function ff_note(name)
  ff_seen = ff_seen + 1
  ff_names[ff_seen] = name
  return ff_seen == ff_fail_at
end
local function ff_call(...)
  if ff_note((...)) then error({ err = "INJECTED" }, 0) end
  return redis.call(...)
end
local function ff_pcall(...)
  if ff_note((...)) then return { err = "INJECTED" } end
  return redis.pcall(...)
end
)lua";

constexpr const char* kTail = R"lua(
redis.register_function("ff1_inject", function(_, args)
  ff_seen, ff_fail_at, ff_names = 0, tonumber(args[1]), {}
end)
redis.register_function("ff1_trace", function()
  ff_fail_at = 0
  return ff_names
end)
)lua";

std::string instrumented() {
  std::string source = LuaFixture::forgetful(LuaFixture::product_library());
  const auto replace_all = [&source](const std::string& from, const std::string& to) {
    for (auto at = source.find(from); at != std::string::npos; at = source.find(from, at + to.size())) {
      source.replace(at, from.size(), to);
    }
  };
  replace_all("redis.call(", "ff_call(");
  replace_all("redis.pcall(", "ff_pcall(");
  const std::string declared = "\nlocal ff\n";
  source.insert(source.find(declared) + declared.size(), kHead);
  return source + kTail;
}

bool writes(const std::string& command) {
  static const std::set<std::string> reading = {"EXISTS", "TIME",   "HGET", "HMGET",  "HGETALL",  "HLEN",
                                                "TYPE",   "GET",    "MGET", "ZRANGE", "ZCARD",    "ZSCORE",
                                                "ZRANK",  "ZCOUNT", "LLEN", "LRANGE", "SMEMBERS", "SPUBLISH",
                                                "XLEN",   "XRANGE", "XREVRANGE", "XINFO",  "ZMSCORE"};
  return reading.count(command) == 0;
}

struct Run {
  RespValue reply;
  Words inner;  // The commands it made.
};

Run run(LuaFixture& lua, const Words& words, std::size_t fail_at) {
  lua.text({"FCALL", "ff1_inject", "1", lua.tag(), std::to_string(fail_at)});
  Run result;
  result.reply = lua.command(words);
  for (const auto& name : lua.command({"FCALL", "ff1_trace", "1", lua.tag()}).elements)
    result.inner.push_back(name.text);
  return result;
}

// What the verb says it did, without what differs from call to call.
std::string said(const Scenario& scenario, const RespValue& reply) {
  if (reply.is_error()) return reply.text;
  static const std::set<std::string> worded = {"ff1_complete", "ff1_release", "ff1_fail",
                                               "ff1_cancel",   "ff1_replay",  "ff1_suspend",
                                               "ff1_append_frames"};
  // A signal that was counted by the call that failed is a duplicate with the same first answer.
  if (scenario.verb == "ff1_signal") return reply.elements.at(2).text;
  return worded.count(scenario.verb) ? reply.elements.at(1).str() : "";
}

// Lets everything that is too much come due, and be met by a claim.
void settle(LuaFixture& lua) {
  for (const auto& line : lua.stray()) {
    const auto index = line.substr(0, line.find(' ')), id = line.substr(line.find(" has ") + 5, 26);
    if (line.find(" has ") != std::string::npos && !index.starts_with("q:")) lua.make_due(index, id);
  }
  for (int i = 0; i < 3; ++i) lua.run_due();
  script::TakeRelays::Args relays;
  relays.limit = 100;
  lua.ok<script::TakeRelays>(relays);
  auto args = LuaFixture::claim_args(100);
  args.queues = {"ns/lane", "ns/other"};
  args.capabilities = {kLongCapability, "gpu"};
  args.allowances = {"100 #q +gpu", "9 #a", "9 #b", "9 #c"};
  std::set<std::string> given;
  for (int i = 0; i < 2; ++i) {  // What one takes out of a line may be left in another.
    for (const auto& row : lua.ok<script::Claim>(args).rows) CHECK(given.insert(row.id).second);
    args.lease = LuaFixture::new_id();
  }
}

// A submit's executions are all there with all they were given.
void check_submitted(LuaFixture& lua, const Words& words) {
  constexpr std::size_t kHeadWords = 7, kAlways = 4;
  constexpr std::uint64_t kIdempotencyKey = 32, kTags = 4096;  // Of `columns`, which tells what else an item has.
  const std::uint64_t columns = std::stoull(words.at(kHeadWords - 1));
  const std::size_t item_words = kAlways + static_cast<std::size_t>(std::popcount(columns));
  for (std::size_t at = kHeadWords; at + item_words <= words.size(); at += item_words) {
    const auto rare = [&](std::uint64_t column) {
      const auto before = static_cast<std::size_t>(std::popcount(columns & (column - 1)));
      return columns & column ? words[at + kAlways + before] : std::string();
    };
    const auto& id = words[at];
    CHECK_FALSE(lua.core(id).empty());
    CHECK(lua.payload(id) == words[at + 3]);
    CHECK(lua.describe(id).tags == rare(kTags));
    const auto key = rare(kIdempotencyKey);
    if (!key.empty()) CHECK(lua.text({"GET", lua.key("i:ns/" + key)}).starts_with(id));
  }
}

void fails_at(const Scenario& scenario, const std::string& library, const Run& clean, std::size_t k) {
  LuaFixture lua(library);
  const auto words = scenario.prepare(lua);
  const auto before = lua.contents();
  const auto failed = run(lua, words, k);
  INFO(scenario.name << ", inner call " << k << " " << clean.inner.at(k - 1) << ": " << failed.reply.str());
  const auto first_write = std::find_if(clean.inner.begin(), clean.inner.end(), writes) - clean.inner.begin() + 1;

  if (failed.reply.is_error() && static_cast<std::ptrdiff_t>(k) <= first_write) CHECK(lua.changes(before) == "");
  CHECK(lua.lost() == Words());
  if (!failed.reply.is_error()) {
    settle(lua);
    CHECK(lua.lost() == Words());
    CHECK(lua.stray() == Words());
    return;
  }

  // A call that had deleted the core has done its work, and nothing is left to recognise it by.
  const bool purges = scenario.verb == "ff1_purge";
  const bool completes = scenario.name == "complete lean";  // One item: id, lease, epoch, type, result.
  const bool deleted = (purges || completes) && lua.core(words.at(purges ? 5 : words.size() - 5)).empty();
  const auto again = run(lua, words, 0);
  INFO("again: " << again.reply.str());
  CHECK_FALSE(again.reply.is_error());
  if (deleted) CHECK(again.reply.elements.at(1).text == (purges ? "not_found" : "stale_lease"));
  else CHECK(said(scenario, again.reply) == said(scenario, clean.reply));
  if (scenario.verb == "ff1_submit") check_submitted(lua, words);
  CHECK(lua.lost() == Words());
  settle(lua);
  CHECK(lua.lost() == Words());
  CHECK(lua.stray() == Words());
}

TEST_CASE("whichever inner call fails, nothing is lost and the call can be repeated") {
  const auto library = instrumented();
  std::size_t calls = 0;
  for (const auto& scenario : scenarios()) {
    Run clean;
    {
      LuaFixture lua(library);
      clean = run(lua, scenario.prepare(lua), 0);
    }
    REQUIRE_FALSE(clean.inner.empty());
    for (std::size_t k = 1; k <= clean.inner.size(); ++k, ++calls) fails_at(scenario, library, clean, k);
  }
  CHECK(calls > 400);
}

// A client whose user may not run `command`.
RespClient without_right_to(LuaFixture& lua, const std::string& command) {
  lua.text({"ACL", "SETUSER", "poor", "reset", "on", ">secret", "~*", "&*", "+@all", "-" + command});
  auto client = lua.node().client();
  client.command({"AUTH", "poor", "secret"});
  return client;
}

TEST_CASE("a right that is missing is told in the server's words, and nothing is lost") {
  for (const char* command : {"exists", "zadd", "mset", "zremrangebyrank", "xadd"}) {
    LuaFixture lua;
    const auto id = lua.submit();
    const auto args = LuaFixture::claim_args();
    auto client = without_right_to(lua, command);

    const auto reply = client.command(lua.words<script::Claim>(args));

    INFO(reply.str());
    REQUIRE(reply.is_error());
    CHECK(reply.text.starts_with("ERR ACL failure in script"));  // What Deployment takes for a missing right.
    CHECK(lua.lost() == Words());
    auto again = args;
    again.again = true;
    CHECK(lua.ok<script::Claim>(again).rows.at(0).id == id);
    settle(lua);
    CHECK(lua.lost() == Words());
    CHECK(lua.stray() == Words());
  }
}

}  // namespace
}  // namespace ff::test
