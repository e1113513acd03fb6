// Quotas: slots that holders reserve and return, and starts that are earned at a rate.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <random>

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
  CHECK(row.keep == 1);
  CHECK(c.slots(0, 1).granted == 0);
}

TEST_CASE("a lowered limit lets holders come down by their share; a raised or dropped one is told to those who wait") {
  LuaFixture lua;
  set_quota(lua, 8);
  Holder a(lua, "a"), b(lua, "b"), c(lua, "c");
  a.slots(0, 6);
  b.slots(0, 2);
  c.slots(0, 1);
  Listener listener(lua, {"w:a", "w:b", "w:c"});

  set_quota(lua, 4);
  CHECK(listener.heard().size() == 3);
  CHECK(a.keep_slots(6).keep == 3);
  CHECK(b.keep_slots(2).keep == 1);
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
  pause.pause_ms = 1'000;
  CHECK(lua.ok<script::PauseQuota>(pause).paused_until == ends);
  pause.pause_ms = 0;
  CHECK(lua.ok<script::PauseQuota>(pause).paused_until == 0);

  CHECK(a.slots(1, 1, 1).granted == 1);
}

// GCRA as it is written down: `earned` is when all that was granted will have been earned.
struct Reference {
  std::int64_t rate, period_us, burst, earned = 0;
  std::int64_t take(std::int64_t now, std::int64_t want) {
    std::int64_t taken = 0;
    while (taken < want) {
      const auto next = std::max(earned, now) * rate + period_us;  // In units of 1 / rate.
      if (next - now * rate > burst * period_us) break;
      earned = (next + rate - 1) / rate;
      ++taken;
    }
    return taken;
  }
};

// The time of a call is not known to its caller: it lies between what Valkey's clock said before and after.
std::int64_t clock_us(LuaFixture& lua) {
  const auto time = lua.command({"TIME"});
  return std::stoll(time.elements.at(0).text) * 1'000'000 + std::stoll(time.elements.at(1).text);
}

TEST_CASE("starts are granted as GCRA says") {
  const auto seed = test_seed();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    LuaFixture lua;
    const auto rate = static_cast<std::int64_t>(random() % 2000 + 1);
    const auto burst = static_cast<std::int64_t>(random() % 50 + 1);
    set_quota(lua, -1, rate, 1000, burst);
    Holder a(lua, "a");
    Reference early{rate, 1'000'000, burst}, late = early;
    std::int64_t granted = 0, at_least = 0, at_most = 0;
    const auto begin = clock_us(lua);
    for (int call = 0; call < 50; ++call) {
      const auto want = static_cast<std::int64_t>(random() % 8);
      const auto before = clock_us(lua);
      const auto row = a.slots(0, 0, want);
      const auto after = clock_us(lua);
      granted += row.starts;
      // With a start's earning of rounding for each call, and whatever the clock went on meanwhile.
      at_least += early.take(before, row.starts);
      at_most = burst + (after - begin) * rate / 1'000'000 + 1;
      CHECK(granted <= at_most);
      if (row.starts < want) {
        late = early;
        CHECK(late.take(before, want - row.starts) <= 1);
      }
    }
    CHECK(granted - at_least <= (clock_us(lua) - begin) * rate / 1'000'000 + 1);
  }
}

TEST_CASE("a refused start is told when to come, each asker a start later than the one before") {
  LuaFixture lua;
  set_quota(lua, -1, 1, 10'000, 1);
  Holder a(lua, "a"), b(lua, "b"), c(lua, "c");
  CHECK(a.slots(0, 0, 5).starts == 1);

  const auto first = a.slots(0, 0, 1), second = b.slots(0, 0, 1), third = c.slots(0, 0, 1);

  CHECK(first.starts == 0);
  CHECK((first.retry_in_ms > 9'000 && first.retry_in_ms <= 10'000));
  CHECK((second.retry_in_ms > 19'000 && second.retry_in_ms <= 20'000));
  CHECK((third.retry_in_ms > 29'000 && third.retry_in_ms <= 30'000));
}

TEST_CASE("starts that were not used can be given back, once, for what they are still worth") {
  LuaFixture lua;
  set_quota(lua, -1, 1, 100'000, 10);
  Holder a(lua, "a"), b(lua, "b");
  CHECK(a.slots(0, 0, 10).starts == 10);
  CHECK(b.slots(0, 0, 1).starts == 0);

  CHECK(a.slots(0, 0, 0, 4).starts == 0);  // Time has passed: of one of the four a little is gone.
  CHECK(b.slots(0, 0, 10).starts == 3);
  a.keep_slots(0, 4);  // They are back already.

  CHECK(b.slots(0, 0, 10).starts == 0);
}

TEST_CASE("given back starts are worth nothing once they would have been earned again") {
  LuaFixture lua;
  set_quota(lua, -1, 1000, 1000, 10);
  Holder a(lua, "a"), b(lua, "b");
  CHECK(a.slots(0, 0, 10).starts == 10);
  const auto until = lua.now() + 30;
  while (lua.now() < until) lua.text({"PING"});
  set_quota(lua, -1, 1, 100'000, 10);
  CHECK(b.slots(0, 0, 10).starts == 10);
  set_quota(lua, -1, 1000, 1000, 10);
  set_quota(lua, -1, 1, 100'000, 10);

  const auto earned = b.slots(0, 0, 10).starts;
  a.keep_slots(0, 10);

  CHECK(earned <= 10);
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
