// replay, purge, change_priority.
#include <catch2/catch_test_macros.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using script::Replay;

template <class Args>
Args of(const std::string& id, std::string ns = "ns") {
  Args args;
  args.ns = std::move(ns);
  args.id = id;
  return args;
}

Replay::Args replay(const std::string& id, std::int64_t generation = 0) {
  auto args = of<Replay::Args>(id);
  args.generation = generation;
  return args;
}

// Completes the execution with a result of its own content type.
void complete_with(LuaFixture& lua, const Held& lease, const std::string& bytes, const std::string& type) {
  script::Complete::Args args;
  args.next_lease = LuaFixture::new_id();
  auto& item = args.items.emplace_back();
  item.id = lease.id;
  item.lease = lease.lease;
  item.epoch = lease.epoch;
  item.result = bytes;
  item.content_type = type;
  REQUIRE(lua.ok<script::Complete>(args).outcomes.at(0) == "completed");
}

TEST_CASE("a replay begins a new generation with its own allowance") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.deadline_ms = 60'000;
  const auto lease = lua.held(item);
  REQUIRE(lua.ok<script::Fail>(lua.fail_args(lease, "not_found")).outcome == "failed");

  CHECK(lua.ok<Replay>(replay(lease.id)).generation == 1);

  const auto described = lua.describe(lease.id);
  CHECK(described.state == "ready");
  CHECK(described.generation == 1);
  CHECK(described.attempt == 0);
  CHECK(described.failures == 0);
  CHECK(described.crashes == 0);
  CHECK(described.ended_at == 0);
  CHECK(described.deadline_at == 0);
  CHECK(described.failure_class.empty());
  CHECK(described.text.empty());
  CHECK(described.rows.back().entry.find(R"("event":"replayed")") != std::string::npos);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
  const auto rows = lua.claim();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].generation == 1);
  CHECK(rows[0].attempt == 1);
  CHECK(rows[0].epoch > std::stoll(lease.epoch));
}

TEST_CASE("a replay leads out of every terminal state") {
  LuaFixture lua;
  const auto completed = lua.held(), failed = lua.held(), cancelled = lua.held();
  auto expiring = LuaFixture::item();
  expiring.deadline_at = 1;
  lua.submit(expiring);
  lua.complete(completed);
  lua.ok<script::Fail>(lua.fail_args(failed, "not_found"));
  lua.ok<script::Cancel>(of<script::Cancel::Args>(cancelled.id));
  lua.run_due();
  REQUIRE(lua.state(expiring.id) == "expired");

  for (const auto& id : {completed.id, failed.id, cancelled.id, expiring.id}) {
    CHECK(lua.ok<Replay>(replay(id)).generation == 1);
    CHECK(lua.state(id) == "ready");
  }
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("old results stay readable, with their content types, through several generations") {
  LuaFixture lua;
  const auto id = lua.submit();
  for (std::int64_t generation = 0; generation < 5; ++generation) {
    complete_with(lua, lua.held_again(id), "result " + std::to_string(generation),
                  "text/" + std::to_string(generation));
    if (generation < 4) CHECK(lua.ok<Replay>(replay(id, generation)).generation == generation + 1);
  }

  for (std::int64_t generation = 0; generation < 5; ++generation) {
    const auto found = lua.result(id, generation);
    CHECK(found.state == "completed");
    CHECK(found.generation == generation);
    CHECK(found.result == "result " + std::to_string(generation));
    CHECK(found.content_type == "text/" + std::to_string(generation));
  }
  auto none = of<script::Result::Args>(id);
  none.generation = 5;
  CHECK(lua.word<script::Result>(none) == "no_such_generation");
  none.ns = "other";
  CHECK(lua.word<script::Result>(none) == "not_found");
}

TEST_CASE("an earlier generation that ended without a result tells how it ended") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.ok<script::Fail>(lua.fail_args(lease, "not_found"));
  lua.ok<Replay>(replay(lease.id));
  complete_with(lua, lua.held_again(lease.id), "", "");
  lua.ok<Replay>(replay(lease.id, 1));

  CHECK(lua.result(lease.id, 0).state == "failed");
  CHECK(lua.result(lease.id, 0).failure_class == "not_found");
  CHECK(lua.result(lease.id, 1).state == "completed");
  CHECK(lua.result(lease.id, 1).result.empty());
}

TEST_CASE("an old result outlives the history that told of it") {
  LuaFixture lua;
  const auto lease = lua.held();
  complete_with(lua, lease, "first", "text/plain");
  lua.ok<Replay>(replay(lease.id));
  lua.text({"DEL", lua.key("e:" + lease.id + ":h")});

  CHECK(lua.result(lease.id, 0).result == "first");
}

TEST_CASE("the same replay again gets the same answer and has no second effect") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.complete(lease);
  REQUIRE(lua.ok<Replay>(replay(lease.id)).generation == 1);
  auto before = lua.contents();

  CHECK(lua.ok<Replay>(replay(lease.id)).generation == 1);
  CHECK(lua.changes(before) == "");

  lua.complete(lua.held_again(lease.id));
  before = lua.contents();
  CHECK(lua.ok<Replay>(replay(lease.id)).generation == 1);
  CHECK(lua.changes(before) == "");
}

TEST_CASE("refusals of a replay in order: not found, other generation, not finished") {
  LuaFixture lua;
  const auto id = lua.submit();
  const auto before = lua.contents();
  auto foreign = replay(id, 7);
  foreign.ns = "other";

  CHECK(lua.word<Replay>(foreign) == "not_found");
  CHECK(lua.word<Replay>(replay(id, 7)) == "other_generation");
  CHECK(lua.word<Replay>(replay(id, 0)) == "not_finished");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a purge deletes all that belongs to a finished execution") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.policy = R"({"retry":{"delay_ms":0}})";
  item.tags = R"({"a":"b"})";
  LuaFixture::give_key(item, "key");
  const auto id = lua.submit(item);
  for (std::int64_t generation = 0; generation < 3; ++generation) {
    const auto lease = lua.held_again(id);
    script::Progress::Args progress;
    progress.id = id;
    progress.lease = lease.lease;
    progress.epoch = lease.epoch;
    lua.ok<script::Progress>(progress);
    lua.ok<script::Fail>(lua.fail_args(lease));
    complete_with(lua, lua.held_again(id), "result", "text/plain");
    if (generation < 2) lua.ok<Replay>(replay(id, generation));
  }
  REQUIRE(lua.text({"EXISTS", lua.key("e:" + id + ":r1")}) == "1");

  lua.ok<script::Purge>(of<script::Purge::Args>(id));

  CHECK(lua.text({"KEYS", "*" + id + "*"}).empty());
  CHECK(lua.text({"EXISTS", lua.key("completed")}) == "0");
  CHECK(lua.text({"EXISTS", lua.key("i:ns/key")}) == "1");
  CHECK(lua.word<script::Purge>(of<script::Purge::Args>(id)) == "not_found");
}

TEST_CASE("an execution of thousands of generations can still be purged") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.ok<script::Fail>(lua.fail_args(lease, "not_found"));
  lua.change(lease.id, {"g", "9000"});
  lua.text({"SET", lua.key("e:" + lease.id + ":r8999"), "old"});

  lua.ok<script::Purge>(of<script::Purge::Args>(lease.id));

  CHECK(lua.text({"KEYS", "*" + lease.id + "*"}).empty());
}

TEST_CASE("refusals of a purge: not found comes before not finished") {
  LuaFixture lua;
  const auto id = lua.submit();
  const auto before = lua.contents();

  CHECK(lua.word<script::Purge>(of<script::Purge::Args>(id, "other")) == "not_found");
  CHECK(lua.word<script::Purge>(of<script::Purge::Args>(id)) == "not_finished");

  CHECK(lua.changes(before) == "");
}

script::ChangePriority::Args priority(const std::string& id, std::int64_t value) {
  auto args = of<script::ChangePriority::Args>(id);
  args.priority = value;
  return args;
}

TEST_CASE("a new priority moves a ready execution and keeps its time") {
  LuaFixture lua;
  const auto first = lua.submit(), second = lua.submit();
  const auto since = lua.describe(second).timer_at;

  lua.ok<script::ChangePriority>(priority(second, 9000));

  CHECK(lua.members("q:ns/lane") == std::vector<std::string>{second, first});
  CHECK(lua.describe(second).timer_at == since);
  lua.ok<script::ChangePriority>(priority(second, 0));
  CHECK(lua.describe(second).timer_at == since);
  const auto before = lua.contents();
  lua.ok<script::ChangePriority>(priority(second, 0));
  CHECK(lua.changes(before) == "");
}

TEST_CASE("one that stands in front of its priority stays in front") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.release(lease, false);
  auto other = LuaFixture::item();
  other.priority = 4;
  lua.submit(other);

  lua.ok<script::ChangePriority>(priority(lease.id, 4));

  CHECK(lua.members("q:ns/lane").front() == lease.id);
  CHECK(lua.describe(lease.id).timer_at == lua.describe(lease.id).created_at);
}

TEST_CASE("an execution that is not ready takes its new priority along") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.delay_ms = 60'000;
  lua.submit(item);
  const auto other = lua.submit();

  lua.ok<script::ChangePriority>(priority(item.id, 5));
  lua.make_due("delayed", item.id);
  lua.run_due();

  CHECK(lua.members("q:ns/lane") == std::vector<std::string>{item.id, other});
  CHECK(lua.stray().empty());
}

TEST_CASE("refusals of a new priority: not found comes before already finished") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.complete(lease);
  auto foreign = priority(lease.id, 1);
  foreign.ns = "other";

  CHECK(lua.word<script::ChangePriority>(foreign) == "not_found");
  CHECK(lua.word<script::ChangePriority>(priority(lease.id, 1)) == "already_finished");
}

}  // namespace
}  // namespace ff::test
