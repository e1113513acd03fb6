// renew, release, progress, leave.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using script::Renew;

template <class Item>
Item item_of(const Held& lease) {
  Item item;
  item.id = lease.id;
  item.lease = lease.lease;
  item.epoch = lease.epoch;
  return item;
}

Renew::Args renewal(const std::vector<Held>& leases, std::int64_t lease_ms = 90'000) {
  Renew::Args args;
  args.lease_ms = lease_ms;
  for (const auto& lease : leases) args.items.push_back(item_of<Renew::Item>(lease));
  return args;
}

std::vector<Held> stale_forms(const Held& lease) {
  Held other_lease = lease, other_epoch = lease, none = lease;
  other_lease.lease = LuaFixture::new_id();
  other_epoch.epoch = std::to_string(std::stoll(lease.epoch) - 1);
  none.id = LuaFixture::new_id();
  return {other_lease, other_epoch, none};
}

script::Cancel::Args cancel_with_grace(const std::string& id, std::int64_t grace_ms) {
  script::Cancel::Args args;
  args.ns = "ns";
  args.id = id;
  args.grace_ms = grace_ms;
  return args;
}

TEST_CASE("renewing extends all held leases from now, and tells which are lost") {
  LuaFixture lua;
  const auto a = lua.held(), b = lua.held();
  auto leases = stale_forms(a);
  leases.insert(leases.begin(), {a, b});
  const auto before = lua.now();

  const auto answer = lua.ok<Renew>(renewal(leases));

  REQUIRE(answer.rows.size() == 5);
  CHECK(answer.rows[0].outcome == "held");
  CHECK(answer.rows[1].outcome == "held");
  for (std::size_t i = 2; i < 5; ++i) CHECK(answer.rows[i].outcome == "stale_lease");
  CHECK(lua.score("active", a.id) >= before + 90'000);
  CHECK(lua.score("active", a.id) <= lua.now() + 90'000);
  CHECK(lua.score("active", b.id) >= before + 90'000);
  CHECK(lua.stray().empty());
}

TEST_CASE("a stale renewal changes nothing") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto before = lua.contents();

  for (const auto& stale : stale_forms(lease)) {
    CHECK(lua.ok<Renew>(renewal({stale})).rows.at(0).outcome == "stale_lease");
  }

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a lease that has ended in any way cannot be renewed") {
  LuaFixture lua;
  const auto completed = lua.held(), released = lua.held(), expired = lua.held();
  lua.complete(completed);
  lua.make_due("active", expired.id);
  lua.run_due();
  lua.release(released, true, 60'000);

  const auto answer = lua.ok<Renew>(renewal({completed, released, expired}));

  for (const auto& row : answer.rows) CHECK(row.outcome == "stale_lease");
  CHECK(lua.stray().empty());
}

TEST_CASE("a renewal tells of a cancel that is waiting, and how long") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.ok<script::Cancel>(cancel_with_grace(lease.id, 5'000));

  const auto row = lua.ok<Renew>(renewal({lease})).rows.at(0);

  CHECK(row.outcome == "cancelling");
  CHECK(row.grace_ms > 0);
  CHECK(row.grace_ms <= 5'000);
}

TEST_CASE("256 leases are renewed in one call") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 256; ++i) items.push_back(LuaFixture::item());
  lua.submit(items);
  const auto args = LuaFixture::claim_args(256);
  std::vector<Held> leases;
  for (const auto& row : lua.ok<script::Claim>(args).rows) {
    Held lease;
    lease.id = row.id;
    lease.lease = args.lease;
    lease.epoch = std::to_string(row.epoch);
    leases.push_back(lease);
  }

  const auto answer = lua.ok<Renew>(renewal(leases));

  REQUIRE(answer.rows.size() == 256);
  for (const auto& row : answer.rows) CHECK(row.outcome == "held");
}

TEST_CASE("an unstarted release spends no attempt and returns to the front of its priority") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto urgent = LuaFixture::item();
  urgent.priority = 1;
  const auto other = lua.submit(), first = lua.submit(urgent);

  CHECK(lua.release(lease, false) == "released");

  CHECK(lua.members("q:ns/lane") == std::vector<std::string>{first, lease.id, other});
  const auto described = lua.describe(lease.id);
  CHECK(described.state == "ready");
  CHECK(described.attempt == 0);
  CHECK(described.failures == 0);
  CHECK(described.timer_at == described.created_at);
  CHECK(described.position == 1);
  CHECK(described.rows.empty());
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("a started release keeps its attempt, counts no failure, and queues by the time it is ready again") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto other = lua.submit();
  while (lua.now() <= lua.describe(other).created_at) lua.text({"PING"});

  CHECK(lua.release(lease, true) == "released");

  CHECK(lua.members("q:ns/lane") == std::vector<std::string>{other, lease.id});
  const auto described = lua.describe(lease.id);
  CHECK(described.attempt == 1);
  CHECK(described.failures == 0);
  REQUIRE(described.rows.size() == 1);
  CHECK(described.rows[0].entry.find(R"("event":"released")") != std::string::npos);
  CHECK(described.rows[0].entry.find(R"("reason":"drained")") != std::string::npos);
}

TEST_CASE("a started release can wait before it is ready again") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto before = lua.now();

  CHECK(lua.release(lease, true, 60'000) == "released");

  CHECK(lua.state(lease.id) == "delayed");
  CHECK(lua.score("delayed", lease.id) >= before + 60'000);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("the same release again gets the same answer and has no second effect") {
  LuaFixture lua;
  for (const bool started : {false, true}) {
    const auto lease = lua.held();
    REQUIRE(lua.release(lease, started, 60'000) == "released");
    const auto before = lua.contents();
    CHECK(lua.release(lease, started, 60'000) == "released");
    CHECK(lua.changes(before) == "");
    lua.text({"DEL", lua.key("q:ns/lane")});
  }
}

TEST_CASE("a started release is recognised again after the next claim") {
  LuaFixture lua;
  const auto lease = lua.held();
  REQUIRE(lua.release(lease, true) == "released");
  lua.held_again(lease.id);
  const auto before = lua.contents();

  CHECK(lua.release(lease, true) == "released");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a release that names an execution twice gives it back once") {
  LuaFixture lua;
  const auto lease = lua.held();
  script::Release::Args args;
  args.started = true;
  args.items = {item_of<script::Release::Item>(lease), item_of<script::Release::Item>(lease)};

  CHECK(lua.ok<script::Release>(args).outcomes == std::vector<std::string>{"released", "released"});

  CHECK(lua.history(lease.id).size() == 1);
}

TEST_CASE("a stale release changes nothing") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto before = lua.contents();

  for (const auto& stale : stale_forms(lease)) CHECK(lua.release(stale, true) == "stale_lease");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("releasing what is asked to be cancelled cancels it") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.ok<script::Cancel>(cancel_with_grace(lease.id, 60'000));

  CHECK(lua.release(lease, true) == "cancelled");
  const auto before = lua.contents();
  CHECK(lua.release(lease, true) == "cancelled");

  CHECK(lua.changes(before) == "");
  CHECK(lua.state(lease.id) == "cancelled");
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("progress is kept as last reported") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = item_of<script::Progress::Args>(lease);
  args.percent = 10;
  args.message = "begun";
  lua.ok<script::Progress>(args);
  args.percent = -1;
  args.message = "nobody knows";
  const auto before = lua.now();

  lua.ok<script::Progress>(args);

  const auto described = lua.describe(lease.id);
  CHECK(described.percent == -1);
  CHECK(described.message == "nobody knows");
  CHECK(described.progress_at >= before);
  CHECK(lua.lost().empty());
}

TEST_CASE("progress under a stale lease is refused and changes nothing") {
  LuaFixture lua;
  const auto lease = lua.held(), ended = lua.held();
  lua.complete(ended);
  const auto before = lua.contents();

  for (const auto& stale : stale_forms(lease)) {
    CHECK(lua.word<script::Progress>(item_of<script::Progress::Args>(stale)) == "stale_lease");
  }
  CHECK(lua.word<script::Progress>(item_of<script::Progress::Args>(ended)) == "stale_lease");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("what is claimed under a lease that is no ULID is refused before anything is done") {
  LuaFixture lua;
  const auto held = lua.held();
  lua.submit();
  const auto before = lua.contents();
  auto args = LuaFixture::claim_args(1);
  args.lease = "01ARZ3NDEKTSV4RRFFQ69G5 AV";
  CHECK(lua.command(lua.words<script::Claim>(args)).is_error());
  script::Complete::Args complete;
  complete.worker = "worker";
  complete.next_lease = args.lease;
  complete.lease_ms = 30'000;
  complete.want = 1;
  complete.queues = {"ns/lane"};
  auto& item = complete.items.emplace_back();
  item.id = held.id;
  item.lease = held.lease;
  item.epoch = held.epoch;
  CHECK(lua.command(lua.words<script::Complete>(complete)).is_error());

  CHECK(lua.changes(before) == "");
}

TEST_CASE("in one call the right lease of one execution does not stand for a wrong one") {
  LuaFixture lua;
  const auto one = lua.held(), other = lua.held();
  auto wrong_epoch = one, wrong_lease = one, longer_epoch = one;
  wrong_epoch.epoch = std::to_string(std::stoll(one.epoch) + 1);
  longer_epoch.epoch = one.epoch + " " + lua.field(one.id, "b");
  wrong_lease.lease = other.lease;
  auto mixed = one;
  mixed.id = other.id;

  std::vector<std::string> outcomes;
  for (const auto& row : lua.ok<Renew>(renewal({one, wrong_epoch, longer_epoch, wrong_lease, mixed, one})).rows) {
    outcomes.push_back(row.outcome);
  }
  const std::string stale = "stale_lease";
  CHECK(outcomes == std::vector<std::string>{"held", stale, stale, stale, stale, "held"});
}

// Writes the field as it is, and nothing else.
void damage_lease(LuaFixture& lua, const std::string& id, const std::string& text) {
  lua.text({"EVAL",
            "local core = cmsgpack.unpack(redis.call('GET', KEYS[1])) core.l = ARGV[1] "
            "return redis.call('SET', KEYS[1], cmsgpack.pack(core))",
            "1", lua.key("e:" + id), text});
}

TEST_CASE("a lease that cannot be read is refused by the name of its core and holds nobody else up") {
  const std::string damage = GENERATE("", "junk", "7 8", "01ARZ3NDEKTSV4RRFFQ69G5FAV x 1 w");
  INFO(damage);
  LuaFixture lua;
  const auto lost = lua.held();
  const auto damaged = lua.held();
  damage_lease(lua, damaged.id, damage);

  // Its own calls.
  CHECK(lua.complete(damaged) == "stale_lease");
  CHECK(lua.ok<Renew>(renewal({damaged})).rows.at(0).outcome == "stale_lease");
  script::Describe::Args describe;
  describe.ns = "ns";
  describe.id = damaged.id;
  const auto described = lua.command(lua.words<script::Describe>(describe));
  CHECK(described.is_error());
  CHECK(described.text.find(damaged.id) != std::string::npos);
  // Others: a claim whose reply was lost, a timer, a list.
  auto again = LuaFixture::claim_args(1);
  again.lease = lost.lease;
  again.again = true;
  CHECK(lua.ok<script::Claim>(again).rows.size() == 1);
  lua.make_due("active", damaged.id);
  lua.make_due("active", lost.id);
  for (int i = 0; i < 2; ++i) lua.run_due();  // One puts aside what cannot be read.
  CHECK(lua.state(lost.id) != "active");
  CHECK(lua.score("active", damaged.id) > lua.now());
}

}  // namespace
}  // namespace ff::test
