// Quotas: slots that holders reserve and return, and starts that are earned at a rate.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <sstream>

#include "lua/holder.hpp"
#include "support/seed.hpp"

namespace ff::test {
namespace {

std::int64_t reserved(LuaFixture& lua) { return dimension(lua, "quota", "q", "slots").reserved; }

TEST_CASE("holders get what there is room for, and the limit is never exceeded") {
  LuaFixture lua;
  set_quota(lua, 5);
  Holder a(lua, "a"), b(lua, "b");

  CHECK(a.slots(0, 3).granted == 3);
  CHECK(b.slots(0, 3).granted == 2);
  const auto none = b.slots(2, 1);

  CHECK(none.granted == 0);
  CHECK(none.retry_in_ms == -1);
  CHECK(reserved(lua) == 5);
  CHECK(describe_limit(lua, "quota", "q").holders == 2);
  CHECK(describe_limit(lua, "quota", "q").waiting == 1);
}

TEST_CASE("a repeated call has no second effect and gets the first answer; an older one is ignored") {
  LuaFixture lua;
  set_quota(lua, 5);
  Holder a(lua, "a");
  CHECK(a.slots(0, 3).granted == 3);
  CHECK(a.again().granted == 3);
  CHECK(reserved(lua) == 3);
  const auto earlier = a.last;
  a.keep_slots(1);
  CHECK(reserved(lua) == 1);

  CHECK(lua.ok<script::Reserve>(earlier).rows.at(0).outcome == "old");

  CHECK(reserved(lua) == 1);
}

TEST_CASE("slots that come back are told to those who wait, longest first") {
  LuaFixture lua;
  set_quota(lua, 2);
  Holder a(lua, "a"), b(lua, "b"), c(lua, "c");
  a.slots(0, 2);
  b.slots(0, 1);
  c.slots(0, 2);
  Listener listener(lua, {"w:b", "w:c"});

  a.keep_slots(1);
  CHECK(listener.heard() == std::vector<std::string>{"w:b limit u:ns/q"});
  CHECK(b.slots(0, 1).granted == 1);
  a.keep_slots(0);

  CHECK(listener.heard() == std::vector<std::string>{"w:c limit u:ns/q"});
  CHECK(c.slots(0, 2).granted == 1);
}

TEST_CASE("who was told and does not come is passed over by a timer") {
  LuaFixture lua;
  set_quota(lua, 1);
  Holder a(lua, "a"), b(lua, "b"), c(lua, "c");
  a.slots(0, 1);
  b.slots(0, 1);
  c.slots(0, 1);
  Listener listener(lua, {"w:b", "w:c"});
  a.keep_slots(0);
  CHECK(listener.heard() == std::vector<std::string>{"w:b limit u:ns/q"});

  lua.make_due("limits_due", "w u:ns/q");
  script::RunDue::Args args;
  args.limit = 10;
  const auto answer = lua.ok<script::RunDue>(args);

  REQUIRE(answer.rows.size() == 1);
  CHECK(answer.rows[0].scanner == "unblock");
  CHECK(listener.heard() == std::vector<std::string>{"w:c limit u:ns/q"});
  CHECK(lua.score("limits_due", "w u:ns/q") == -1);
}

TEST_CASE("what a dead holder had comes back when its reservation ends, and those who wait are told") {
  LuaFixture lua;
  set_quota(lua, 2);
  Holder dead(lua, "dead"), b(lua, "b");
  dead.slots(0, 2);
  b.slots(0, 1);
  Listener listener(lua, {"w:b"});
  lua.make_due("limits_due", "h u:ns/q dead");

  script::RunDue::Args args;
  args.limit = 10;
  const auto answer = lua.ok<script::RunDue>(args);

  REQUIRE(answer.rows.size() == 1);
  CHECK(answer.rows[0].scanner == "quota_reconciler");
  CHECK(listener.heard() == std::vector<std::string>{"w:b limit u:ns/q"});
  CHECK(reserved(lua) == 0);
  CHECK(b.slots(0, 2).granted == 2);
}

TEST_CASE("a reservation lasts as long as it is renewed, and ends by Valkey's clock") {
  LuaFixture lua;
  set_quota(lua, 2);
  Holder a(lua, "a");
  a.slots(0, 2);
  a.ttl_ms = 120'000;
  a.keep_slots(2);

  CHECK(lua.score("limits_due", "h u:ns/q a") > lua.now() + 119'000);
  CHECK(lua.run_due() == 0);
  CHECK(reserved(lua) == 2);
}

TEST_CASE("what a holder uses counts again after its reservation had ended, also beyond the limit") {
  LuaFixture lua;
  set_quota(lua, 2);
  Holder late(lua, "late"), b(lua, "b"), c(lua, "c");
  late.slots(0, 2);
  lua.make_due("limits_due", "h u:ns/q late");
  lua.run_due();
  b.slots(0, 2);

  const auto row = late.keep_slots(2);

  CHECK(reserved(lua) == 4);
  CHECK(row.keep == 0);
  CHECK(c.slots(0, 1).granted == 0);
}

TEST_CASE("under a lowered limit holders keep what the others leave; a raised or dropped one is told to who waits") {
  LuaFixture lua;
  set_quota(lua, 8);
  Holder a(lua, "a"), b(lua, "b"), c(lua, "c");
  a.slots(0, 6);
  b.slots(0, 2);
  c.slots(0, 1);
  Listener listener(lua, {"w:a", "w:b", "w:c"});

  set_quota(lua, 4);
  CHECK(listener.heard().size() == 3);
  CHECK(a.keep_slots(6).keep == 2);
  CHECK(b.keep_slots(2).keep == 0);
  CHECK(a.keep_slots(3).keep == 2);
  CHECK(a.keep_slots(2).keep == 1);  // For c.
  CHECK(c.slots(0, 1).granted == 0);
  set_quota(lua, 20);
  CHECK(c.slots(0, 1).granted == 1);
  script::DropLimit::Args drop;
  drop.ns = "ns";
  drop.kind = "quota";
  drop.name = "q";
  lua.ok<script::DropLimit>(drop);

  CHECK(c.slots(1, 100).granted == 100);
  CHECK(lua.word<script::DropLimit>(drop) == "not_found");
}

TEST_CASE("a quota is roomy until half of it is taken, and again from a quarter down; who holds some is told") {
  LuaFixture lua;
  set_quota(lua, 8);
  Holder a(lua, "a"), b(lua, "b"), idle(lua, "idle");
  idle.slots(0, 0);
  Listener listener(lua, {"w:a", "w:b", "w:idle"});
  const auto told = [&listener] {
    auto heard = listener.heard();
    std::sort(heard.begin(), heard.end());
    return heard;
  };
  CHECK(a.slots(0, 2).roomy == 1);
  CHECK(b.slots(0, 2).roomy == 1);

  CHECK(b.slots(2, 1).roomy == 0);
  CHECK(told() == std::vector<std::string>{"w:a limit u:ns/q"});
  CHECK(a.keep_slots(2).roomy == 0);
  CHECK(b.keep_slots(1).roomy == 0);
  CHECK(b.slots(1, 3).roomy == 0);
  CHECK(b.keep_slots(0).roomy == 1);
  CHECK(a.slots(2, 2).roomy == 1);
  CHECK(a.slots(4, 1).roomy == 0);

  CHECK(told().empty());  // Of those with nothing none has anything to return.
  set_quota(lua, -1);
  CHECK(a.slots(5, 100).roomy == 1);
  CHECK(a.reserve("budget", "none", "", "tokens=1", 1).roomy == 0);
}

TEST_CASE("one who has a share gives way to one who has nothing") {
  LuaFixture lua;
  set_quota(lua, 4);
  Holder a(lua, "a"), b(lua, "b");
  a.slots(0, 4);
  CHECK(a.keep_slots(4).keep == -1);

  b.slots(0, 4);

  CHECK(a.keep_slots(4).keep == 2);
  CHECK(a.keep_slots(2).keep == -1);
}

TEST_CASE("a name that nobody defined limits nothing, counts, and leaves nothing behind") {
  LuaFixture lua;
  Holder a(lua, "a");
  const auto row = a.slots(0, 1000, 1000);
  CHECK(row.granted == 1000);
  CHECK(row.starts == -1);
  script::DescribeLimit::Args args;
  args.ns = "ns";
  args.kind = "quota";
  args.name = "q";
  CHECK(lua.word<script::DescribeLimit>(args) == "not_found");
  set_quota(lua, 10);
  CHECK(reserved(lua) == 1000);
  script::DropLimit::Args drop;
  drop.ns = "ns";
  drop.kind = "quota";
  drop.name = "q";
  lua.ok<script::DropLimit>(drop);

  lua.make_due("limits_due", "h u:ns/q a");
  lua.run_due();

  const auto left = lua.contents();
  CHECK(left.size() == 1);  // The partition's own hash.
}

TEST_CASE("a paused quota grants nothing, says for how long, and asks holders to come down") {
  LuaFixture lua;
  set_quota(lua, 4, 100, 1000, 10);
  Holder a(lua, "a");
  a.slots(0, 1);
  Listener listener(lua, {"w:a"});
  script::PauseQuota::Args pause;
  pause.ns = "ns";
  pause.name = "q";
  pause.pause_ms = 5'000;
  const auto ends = lua.ok<script::PauseQuota>(pause).paused_until;
  CHECK(listener.heard() == std::vector<std::string>{"w:a limit u:ns/q"});

  const auto row = a.slots(1, 1, 1);
  CHECK(row.granted == 0);
  CHECK(row.starts == 0);
  CHECK(row.keep == 0);
  CHECK((row.retry_in_ms > 4'000 && row.retry_in_ms <= 5'000));
  CHECK(a.keep_slots(1).retry_in_ms > 4'000);  // Also when nothing is asked for.
  pause.pause_ms = 1'000;
  CHECK(lua.ok<script::PauseQuota>(pause).paused_until == ends);
  pause.pause_ms = 0;
  CHECK(lua.ok<script::PauseQuota>(pause).paused_until == 0);

  CHECK(a.slots(1, 1, 1).granted == 1);
}

// When the holder's last call was made, in microseconds of the partition's clock: the record says so.
std::int64_t asked_us(LuaFixture& lua, const Holder& holder) {
  std::istringstream text(lua.text({"HGET", lua.key("u:ns/q"), "@" + holder.name()}));
  std::int64_t seq = 0, granted = 0, starts = 0, at = 0;
  text >> seq >> granted >> starts >> at;
  return at;
}

// What was granted, and when.
struct Grant {
  std::int64_t at_us, starts;
};

// GCRA by its definition: within any time L at most burst + L * rate / period. How many more fit in at `now`.
std::int64_t fits(const std::vector<Grant>& grants, std::int64_t now, std::int64_t rate, std::int64_t period_us,
                  std::int64_t burst) {
  std::int64_t room = burst, since = 0;
  for (auto grant = grants.rbegin(); grant != grants.rend(); ++grant) {
    since += grant->starts;
    room = std::min(room, burst + (now - grant->at_us) * rate / period_us - since);
  }
  return room;
}

TEST_CASE("starts are granted as GCRA says: in no time more than may be, and as many as that but for rounding") {
  Rng random(seed());
  for (int round = 0; round < 30; ++round) {
    LuaFixture lua;
    const auto rate = random.between(1, 5000), period_ms = random.between(100, 2000), burst = random.between(1, 50);
    set_quota(lua, -1, rate, period_ms, burst);
    Holder a(lua, "a");
    std::vector<Grant> grants;
    for (int call = 0; call < 60; ++call) {
      const auto want = random.between(0, 12), granted = a.slots(0, 0, want).starts, now = asked_us(lua, a);
      const auto room = fits(grants, now, rate, period_ms * 1000, burst);
      CHECK(granted <= room);
      // Each grant costs up to a microsecond more than it is worth, and the last start must be earned whole.
      const auto period_us = period_ms * 1000, owed = static_cast<std::int64_t>(grants.size()) * rate;
      const auto lost = 1 + (owed + period_us - 1) / period_us;
      CHECK(granted >= std::min(want, room - lost));
      if (granted > 0) grants.push_back({now, granted});
    }
  }
}

TEST_CASE("starts granted before the rate was changed come back for nothing") {
  LuaFixture lua;
  set_quota(lua, -1, 1, 1, 2);
  Holder a(lua, "a"), b(lua, "b");
  CHECK(a.slots(0, 0, 2).starts == 2);
  set_quota(lua, -1, 1, 60'000, 5);
  std::int64_t begun = b.slots(0, 0, 5).starts;
  CHECK(begun >= 4);  // What the first two still owe, two milliseconds of time, counts for one until it is over.
  while (begun < 5) begun += b.slots(0, 0, 5 - begun).starts;

  a.slots(0, 0, 0, 2);

  CHECK(b.slots(0, 0, 1).starts == 0);
}

TEST_CASE("given back starts never let more start than the rate allows") {
  Rng random(seed());
  for (int round = 0; round < 30; ++round) {
    LuaFixture lua;
    const auto rate = random.between(50, 3000), burst = random.between(1, 30);
    set_quota(lua, -1, rate, 1000, burst);
    std::vector<Holder> holders = {Holder(lua, "a"), Holder(lua, "b"), Holder(lua, "c")};
    std::vector<std::int64_t> unused(3);
    std::vector<std::vector<Grant>> granted(3);  // The last one of each may be given back, in part.
    std::int64_t total = 0;
    for (int call = 0; call < 60; ++call) {
      const auto who = random.below(3);
      const auto spare = random.between(0, unused[who]);
      if (spare > 0) granted[who].back().starts -= spare;
      const auto starts = holders[who].slots(0, 0, random.between(0, 10), spare).starts;
      unused[who] = starts;
      if (starts == 0) continue;
      granted[who].push_back({asked_us(lua, holders[who]), starts});
      total += starts - spare;
      std::vector<Grant> all;
      for (const auto& of : granted) all.insert(all.end(), of.begin(), of.end());
      std::sort(all.begin(), all.end(), [](const Grant& x, const Grant& y) { return x.at_us < y.at_us; });
      CHECK(fits(all, granted[who].back().at_us, rate, 1'000'000, burst) >= 0);
    }
    CHECK(total > 0);
  }
}

TEST_CASE("a refused start is told when to come, each asker a start later than the one before") {
  LuaFixture lua;
  set_quota(lua, -1, 1, 10'000, 1);
  Holder a(lua, "a"), b(lua, "b"), c(lua, "c");
  CHECK(a.slots(0, 0, 1).retry_in_ms == 0);

  const auto first = a.slots(0, 0, 1), second = b.slots(0, 0, 1), third = c.slots(0, 0, 1);

  CHECK(first.starts == 0);
  CHECK((first.retry_in_ms > 9'000 && first.retry_in_ms <= 10'000));
  CHECK((second.retry_in_ms > 19'000 && second.retry_in_ms <= 20'000));
  CHECK((third.retry_in_ms > 29'000 && third.retry_in_ms <= 30'000));
}

TEST_CASE("who is granted some of the starts is told when to come for the others") {
  LuaFixture lua;
  set_quota(lua, -1, 1, 10'000, 3);
  Holder a(lua, "a");

  const auto some = a.slots(0, 0, 5);

  CHECK(some.starts == 3);
  CHECK((some.retry_in_ms > 9'000 && some.retry_in_ms <= 10'000));
}

TEST_CASE("starts that were not used can be given back, once, for what they are still worth") {
  LuaFixture lua;
  set_quota(lua, -1, 1, 100'000, 10);
  Holder a(lua, "a"), b(lua, "b");
  CHECK(a.slots(0, 0, 10).starts == 10);
  CHECK(b.slots(0, 0, 1).starts == 0);

  CHECK(a.slots(0, 0, 0, 4).starts == 0);
  CHECK(b.slots(0, 0, 10).starts == 4);
  a.keep_slots(0, 4);  // They are back already, the others are used.

  CHECK(b.slots(0, 0, 10).starts == 0);
}

TEST_CASE("a faster rate counts at once, whatever was taken under the slower one") {
  LuaFixture lua;
  set_quota(lua, -1, 1, 3'600'000, 5);
  Holder a(lua, "a");
  CHECK(a.slots(0, 0, 9).starts == 5);
  CHECK(a.slots(0, 0, 1).starts == 0);

  set_quota(lua, -1, 1'000'000, 1000, 5);
  const auto until = lua.now() + 2;
  while (lua.now() < until) lua.text({"PING"});

  CHECK(a.slots(0, 0, 9).starts == 5);
}

TEST_CASE("a rate whose products would not be exact is refused") {
  LuaFixture lua;
  script::SetQuota::Args args;
  args.ns = "ns";
  args.name = "q";
  args.slots = -1;
  args.rate = 1;
  args.period_ms = 86'400'000;
  args.burst = 1'000'000;
  CHECK(lua.word<script::SetQuota>(args) == "bad_rate");
  args.burst = 0;
  CHECK(lua.word<script::SetQuota>(args) == "bad_rate");
  args.burst = 10'000;
  CHECK(lua.word<script::SetQuota>(args) == "ok");
}

TEST_CASE("what a caller can get no allowance for is put aside, and found again by one that has some") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 600; ++i) {
    items.push_back(LuaFixture::item());
    items.back().requirements = i < 599 ? "#tenant" + std::to_string(i % 3) : "#other";
    if (items.size() == 200) lua.submit(std::exchange(items, {}));
  }
  const auto claim = [&lua](std::int64_t want, std::vector<std::string> allowances) {
    auto args = LuaFixture::claim_args(want);
    args.allowances = std::move(allowances);
    return lua.ok<script::Claim>(args).rows;
  };

  int claims = 0;
  std::vector<script::Claim::Row> rows;
  for (; rows.empty() && claims < 20; ++claims) rows = claim(5, {"0 #tenant0", "0 #tenant1", "0 #tenant2", "1 #other"});

  REQUIRE(rows.size() == 1);
  CHECK(rows[0].requirements == "#other");
  CHECK(claims > 1);
  CHECK(lua.violations() == "");
  CHECK(lua.members("waiting:ns/lane").size() > 0);
  CHECK(lua.members("waiting:ns/lane").size() + lua.members("q:ns/lane|*").size() == 599);
  std::size_t taken = 0;
  for (int i = 0; i < 4; ++i) taken += claim(256, {"256 #tenant0", "256 #tenant1"}).size();
  CHECK(taken == 400);
  CHECK(lua.violations() == "");
}

TEST_CASE("a claim sorts out 64 of the common line at the most, wherever its pages end") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 130; ++i) {
    items.push_back(LuaFixture::item());
    items.back().requirements = i < 70 ? "#refused" : "#other";
  }
  lua.submit(items);
  const auto claim = [&lua](std::int64_t want) {
    auto args = LuaFixture::claim_args(want);
    args.allowances = {"0 #refused", std::to_string(want) + " #other"};
    return lua.ok<script::Claim>(args).rows.size();
  };

  CHECK(claim(100) == 0);
  CHECK(lua.members("waiting:ns/lane").size() == 64);
  CHECK(lua.violations() == "");
  CHECK(claim(100) == 60);
  CHECK(lua.members("waiting:ns/lane").size() == 70);
  CHECK(lua.violations() == "");
}

TEST_CASE("an entry of the common line that says nothing leaves it") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.requirements = "#q";
  lua.submit(item);
  lua.text({"ZADD", lua.key("q:ns/lane|*"), "1", "no execution"});
  auto args = LuaFixture::claim_args(2);

  const auto first = lua.ok<script::Claim>(args);
  CHECK(first.rows.empty());
  args.lease = LuaFixture::new_id();
  args.allowances = first.lacking;
  CHECK(lua.ok<script::Claim>(args).rows.size() == 1);

  CHECK(lua.members("q:ns/lane|*").empty());
  CHECK(lua.violations() == "");
}

TEST_CASE("who has more refusals than a claim brings is to claim again while something is unread, but not for ever") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items(100, LuaFixture::item());
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].id = LuaFixture::new_id();
    items[i].requirements = "#q" + std::to_string(i);
  }
  lua.submit(items);
  auto args = LuaFixture::claim_args(1);
  for (int i = 0; i < 63; ++i) args.allowances.push_back("0 #r" + std::to_string(i));
  const auto again = [&] {
    args.lease = LuaFixture::new_id();
    return lua.ok<script::Claim>(args).check_in_ms == 0;
  };

  CHECK_FALSE(again());
  args.allowances.emplace_back("0 #r63");
  int claims = 0;
  while (again() && claims < 10'000) ++claims;

  CHECK(claims >= 32);  // So many in any second.
  CHECK(claims < 10'000);
}

TEST_CASE("what a caller can get no allowance for hides nothing for good, in however many lines it waits") {
  const int refused = GENERATE(70, 150, 400);
  const bool mixed = GENERATE(false, true);  // With a line that needs no allowance.
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  std::vector<std::string> refusals;
  for (int i = 0; i <= refused; ++i) {
    items.push_back(LuaFixture::item());
    items.back().requirements = i < refused ? "#q" + std::to_string(i) : "#other";
    refusals.push_back("0 " + items.back().requirements);
  }
  lua.submit(items);
  if (mixed) {
    items[0] = LuaFixture::item();
    items[0].requirements = "+gpu";
    lua.submit(items[0]);
  }
  auto args = LuaFixture::claim_args(1);
  const auto claim = [&] {
    args.lease = LuaFixture::new_id();
    return lua.ok<script::Claim>(args);
  };
  for (args.allowances = refusals; !lua.members("q:ns/lane|*").empty();) claim();  // Each goes into a line of its own.
  args.allowances.clear();  // Of a caller that knows nothing.
  items[0] = LuaFixture::item();
  items[0].requirements = "#new";
  lua.submit(items[0]);  // In the common line.
  const auto first = claim();
  CHECK(std::count(first.lacking.begin(), first.lacking.end(), "1 #new") == 1);

  std::set<std::string> told;
  for (int claims = 0; claims < refused && !told.count("1 #other"); ++claims) {
    const auto answer = claim();
    CHECK(answer.lacking.size() <= 13);
    told.insert(answer.lacking.begin(), answer.lacking.end());
  }

  CHECK(told.count("1 #other") == 1);
}

TEST_CASE("an answer that is full ends a claim in the middle of a page of the common line") {
  LuaFixture lua;
  for (int i = 0; i < 6; ++i) {
    auto item = LuaFixture::item();
    item.requirements = i == 0 ? "#other" : "#a";
    item.payload = std::string(1 << 20, 'p');  // Four of them fill an answer.
    lua.submit(item);
  }
  auto args = LuaFixture::claim_args(6);
  args.allowances = {"6 #a"};

  const auto first = lua.ok<script::Claim>(args);

  CHECK(first.rows.size() == 4);
  CHECK(first.left == 1);
  CHECK(lua.violations() == "");
  args.lease = LuaFixture::new_id();
  args.allowances = {"6 #a", "6 #other"};
  CHECK(lua.ok<script::Claim>(args).rows.size() == 2);
  CHECK(lua.violations() == "");
}

TEST_CASE("a claim takes what it has allowances for, however many others wait, and is told what it lacks") {
  const int lines = GENERATE(3, 64, 65, 200);
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < lines; ++i) {
    for (int copy = 0; copy < 2; ++copy) {
      items.push_back(LuaFixture::item());
      items.back().requirements = "#q" + std::to_string(i) + (i % 2 == 0 ? "" : " +gpu");
    }
  }
  lua.submit(items);
  auto args = LuaFixture::claim_args(5);
  const auto last = lines - 1 - (lines - 1) % 2;  // One that needs no capability.
  args.allowances = {"1 #q" + std::to_string(last), "7 #q0", "3 #none", "2 #q1 +gpu"};

  const auto answer = lua.ok<script::Claim>(args);

  std::map<std::string, int> taken;
  for (const auto& row : answer.rows) ++taken[row.requirements];
  CHECK(taken == std::map<std::string, int>{{"#q0", 2}, {"#q" + std::to_string(last), 1}});
  const auto others = static_cast<std::size_t>((lines + 1) / 2 - 1);  // That has one left, and those without allowance.
  CHECK(answer.lacking.size() == std::min<std::size_t>(10 + 1, others));  // By its want, and of what it has used up.
  for (const auto& word : answer.lacking) {
    const auto text = word.substr(word.find(' ') + 1);
    CHECK(text.find("gpu") == std::string::npos);
    CHECK(text != "#q0");
    CHECK(word.substr(0, word.find(' ')) == (text == "#q" + std::to_string(last) ? "1" : "2"));
  }
  args = LuaFixture::claim_args(5);
  args.capabilities = {"gpu"};
  args.allowances = {"2 #q1 +gpu"};
  CHECK(lua.ok<script::Claim>(args).rows.size() == 2);
}

TEST_CASE("a clock that steps back ends no reservation early and earns no start twice") {
  LuaFixture lua;
  set_quota(lua, 5, 1, 1000, 3);
  Holder a(lua, "a");
  CHECK(a.slots(0, 5, 3).starts == 3);
  lua.text({"HSET", lua.tag(), "hi", std::to_string(lua.now() + 500)});  // An earlier node was half a second ahead.
  lua.reload();

  CHECK(a.slots(5, 0, 3).starts == 0);
  CHECK(lua.run_due() == 0);
  CHECK(reserved(lua) == 5);
  CHECK(lua.score("limits_due", "h u:ns/q a") >= lua.now() + 60'000);
}

}  // namespace
}  // namespace ff::test
