#include <catch2/catch_test_macros.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using script::Cancel;

Cancel::Args cancel(const std::string& id, std::int64_t grace_ms = 0) {
  Cancel::Args args;
  args.ns = "ns";
  args.id = id;
  args.grace_ms = grace_ms;
  args.reason = "not needed";
  return args;
}

TEST_CASE("a waiting execution is cancelled at once") {
  LuaFixture lua;
  auto delayed = LuaFixture::item();
  delayed.delay_ms = 60'000;
  delayed.deadline_ms = 90'000;
  const auto ready = lua.submit();
  lua.submit(delayed);

  for (const auto& id : {ready, delayed.id}) {
    const auto answer = lua.ok<Cancel>(cancel(id, 5'000));
    CHECK(answer.state == "cancelled");
    CHECK(answer.grace_until == 0);
    const auto described = lua.describe(id);
    CHECK(described.state == "cancelled");
    CHECK(described.text == "not needed");
    CHECK(described.ended_at > 0);
    CHECK(described.timer_at == described.ended_at + 24 * 3'600'000);
  }
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
  CHECK(lua.claim().empty());
}

TEST_CASE("cancelling a running execution revokes the lease and tells the worker") {
  LuaFixture lua;
  const auto lease = lua.held();
  Listener worker(lua, {"w:worker"});

  CHECK(lua.ok<Cancel>(cancel(lease.id)).state == "cancelled");

  CHECK(worker.heard() == std::vector<std::string>{"w:worker cancelled " + lease.id + " " + lease.epoch});
  CHECK(lua.field(lease.id, "l").empty());
  CHECK(lua.complete(lease) == "stale_lease");
  CHECK(lua.word<script::Fail>(lua.fail_args(lease)) == "stale_lease");
  CHECK(lua.release(lease, true) == "stale_lease");
  CHECK(lua.history(lease.id).at(0).find(R"("event":"cancelled")") != std::string::npos);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("the same cancel again gets the same answer and has no second effect") {
  LuaFixture lua;
  const auto lease = lua.held();
  REQUIRE(lua.ok<Cancel>(cancel(lease.id)).state == "cancelled");
  const auto before = lua.contents();

  CHECK(lua.ok<Cancel>(cancel(lease.id)).state == "cancelled");
  CHECK(lua.ok<Cancel>(cancel(lease.id, 1000)).state == "cancelled");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("refusals of a cancel: not found comes before already finished, and foreign is not found") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.complete(lease);
  const auto before = lua.contents();
  auto foreign = cancel(lease.id);
  foreign.ns = "other";

  CHECK(lua.word<Cancel>(cancel(LuaFixture::new_id())) == "not_found");
  CHECK(lua.word<Cancel>(foreign) == "not_found");
  CHECK(lua.word<Cancel>(cancel(lease.id)) == "already_finished");
  CHECK(lua.word<Cancel>(cancel(lease.id, 1000)) == "already_finished");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a namespace that is the beginning of another is another") {
  LuaFixture lua;
  const auto id = lua.submit();
  auto args = cancel(id);
  for (const char* ns : {"n", "", "ns/", "ns/lane"}) {
    args.ns = ns;
    CHECK(lua.word<Cancel>(args) == "not_found");
  }
}

TEST_CASE("with a grace the worker is asked, and may still complete") {
  LuaFixture lua;
  const auto lease = lua.held();
  Listener worker(lua, {"w:worker"});
  const auto before = lua.now();

  const auto answer = lua.ok<Cancel>(cancel(lease.id, 5'000));

  CHECK(answer.state == "active");
  CHECK(answer.grace_until >= before + 5'000);
  CHECK(worker.heard() ==
        std::vector<std::string>{"w:worker cancelling " + lease.id + " " + lease.epoch + " 5000"});
  CHECK(lua.score("deadlines", lease.id) == answer.grace_until);
  CHECK(lua.describe(lease.id).cancel_requested_at >= before);
  CHECK(lua.describe(lease.id).text == "not needed");
  CHECK(lua.history(lease.id).at(0).find(R"("event":"cancel_requested")") != std::string::npos);
  CHECK(lua.lost().empty());

  CHECK(lua.complete(lease) == "completed");
  CHECK(lua.state(lease.id) == "completed");
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("an attempt that fails during the grace ends the execution as cancelled") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.ok<Cancel>(cancel(lease.id, 5'000));

  const auto answer = lua.ok<script::Fail>(lua.fail_args(lease));

  CHECK(answer.outcome == "cancelled");
  CHECK(answer.retry_at == 0);
  CHECK(lua.ok<script::Fail>(lua.fail_args(lease)).outcome == "cancelled");
  CHECK(lua.state(lease.id) == "cancelled");
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("a worker that crashes during the grace leaves a cancelled execution") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.ok<Cancel>(cancel(lease.id, 50'000));
  lua.make_due("active", lease.id);

  lua.run_due();

  CHECK(lua.state(lease.id) == "cancelled");
  CHECK(lua.stray().empty());
}

TEST_CASE("when the grace is over the execution is cancelled and the lease gone") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.ok<Cancel>(cancel(lease.id, 5'000));
  Listener worker(lua, {"w:worker"});
  lua.make_due("deadlines", lease.id);

  CHECK(lua.run_due() == 1);

  CHECK(lua.state(lease.id) == "cancelled");
  CHECK(worker.heard() == std::vector<std::string>{"w:worker cancelled " + lease.id + " " + lease.epoch});
  CHECK(lua.complete(lease) == "stale_lease");
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("a later request can only bring the end of the grace nearer") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto first = lua.ok<Cancel>(cancel(lease.id, 50'000)).grace_until;

  CHECK(lua.ok<Cancel>(cancel(lease.id, 90'000)).grace_until == first);
  CHECK(lua.ok<Cancel>(cancel(lease.id, 1'000)).grace_until < first);
  CHECK(lua.history(lease.id).size() == 1);
  CHECK(lua.ok<Cancel>(cancel(lease.id)).state == "cancelled");
}

TEST_CASE("a grace does not outlive the deadline, which then ends the execution as expired") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.deadline_ms = 1'000;
  const auto lease = lua.held(item);
  const auto deadline = lua.score("deadlines", lease.id);

  CHECK(lua.ok<Cancel>(cancel(lease.id, 50'000)).grace_until == deadline);

  lua.change(lease.id, {"d", std::to_string(lua.now() - 1)});
  lua.make_due("deadlines", lease.id);
  lua.run_due();
  CHECK(lua.state(lease.id) == "expired");
  CHECK(lua.stray().empty());
}

TEST_CASE("a cancelled lean execution is gone") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.policy = R"({"mode":"lean"})";
  const auto id = lua.submit(item);

  CHECK(lua.ok<Cancel>(cancel(id)).state == "cancelled");

  CHECK(lua.text({"KEYS", "*" + id + "*"}).empty());
  CHECK(lua.word<Cancel>(cancel(id)) == "not_found");
  CHECK(lua.stray().empty());
}

TEST_CASE("cancelling without a reason keeps no text") {
  LuaFixture lua;
  const auto id = lua.submit();
  auto args = cancel(id);
  args.reason.clear();

  lua.ok<Cancel>(args);

  CHECK(lua.text({"EXISTS", lua.key("e:" + id + ":x")}) == "0");
}

}  // namespace
}  // namespace ff::test
