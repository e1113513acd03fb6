#include <catch2/catch_test_macros.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using script::Complete;

Complete::Item result_of(const Held& lease, std::string result = "done") {
  Complete::Item item;
  item.id = lease.id;
  item.lease = lease.lease;
  item.epoch = lease.epoch;
  item.result = std::move(result);
  return item;
}

Complete::Args completion(std::vector<Complete::Item> items, std::int64_t want = 0) {
  Complete::Args args;
  args.worker = "worker";
  args.next_lease = LuaFixture::new_id();
  args.lease_ms = 60'000;
  args.want = want;
  args.queues = {"ns/lane"};
  args.items = std::move(items);
  return args;
}

script::Submit::Item lean() {
  auto item = LuaFixture::item();
  item.policy = R"({"mode":"lean"})";
  return item;
}

TEST_CASE("completing keeps the result and its content type, and arms the purge") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto item = result_of(lease, std::string("\0\xff", 2) + "bytes");
  item.content_type = "text/plain";

  const auto answer = lua.ok<Complete>(completion({item}));

  CHECK(answer.outcomes == std::vector<std::string>{"completed"});
  const auto outcome = lua.result(lease.id);
  CHECK(outcome.state == "completed");
  CHECK(outcome.result == item.result);
  CHECK(outcome.content_type == "text/plain");
  CHECK(outcome.failure_class.empty());
  const auto described = lua.describe(lease.id);
  CHECK(described.ended_at >= described.began_at);
  CHECK(described.timer_at == described.ended_at + 24 * 3'600'000);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("an empty result costs no key") {
  LuaFixture lua;
  const auto lease = lua.held();

  CHECK(lua.complete(lease, "") == "completed");

  CHECK(lua.result(lease.id).result.empty());
  CHECK(lua.text({"EXISTS", lua.key("e:" + lease.id + ":r")}) == "0");
}

TEST_CASE("the same completion again gets the same answer and has no second effect") {
  LuaFixture lua;
  const auto lease = lua.held();
  REQUIRE(lua.complete(lease) == "completed");
  const auto before = lua.contents();

  CHECK(lua.complete(lease, "another result") == "completed");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a completion that names an execution twice ends it once") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto other = result_of(lease, "other");
  other.lease = LuaFixture::new_id();

  const auto answer = lua.ok<Complete>(completion({result_of(lease), result_of(lease, "second"), other}));

  CHECK(answer.outcomes == std::vector<std::string>{"completed", "completed", "stale_lease"});
  CHECK(lua.result(lease.id).result == "done");
  CHECK(lua.text({"XLEN", lua.key("ev")}) == "3");
}

TEST_CASE("a lease or an epoch that is not the current one changes nothing") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto before = lua.contents();
  auto other_lease = result_of(lease), other_epoch = result_of(lease), none = result_of(lease);
  other_lease.lease = LuaFixture::new_id();
  other_epoch.epoch = std::to_string(std::stoll(lease.epoch) - 1);
  none.id = LuaFixture::new_id();

  for (const auto& item : {other_lease, other_epoch, none}) {
    CHECK(lua.ok<Complete>(completion({item})).outcomes == std::vector<std::string>{"stale_lease"});
  }

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a holder whose lease was given to another cannot complete") {
  LuaFixture lua;
  const auto first = lua.held();
  lua.make_due("active", first.id);
  lua.run_due();
  const auto second = lua.held_again(first.id);

  CHECK(lua.complete(first, "stale") == "stale_lease");
  CHECK(lua.complete(second, "right") == "completed");
  CHECK(lua.result(first.id).result == "right");
  CHECK(lua.complete(first, "stale") == "stale_lease");
}

TEST_CASE("a late holder may complete while nobody has taken its lease away") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.make_due("active", lease.id);

  CHECK(lua.complete(lease) == "completed");
  lua.run_due();
  CHECK(lua.state(lease.id) == "completed");
}

TEST_CASE("a mixed batch answers each item by itself, in order") {
  LuaFixture lua;
  const auto a = lua.held(), b = lua.held();
  auto stale = result_of(a);
  stale.id = LuaFixture::new_id();
  const auto c = lua.held(lean());

  const auto answer = lua.ok<Complete>(completion({result_of(a), stale, result_of(b), result_of(c)}));

  CHECK(answer.outcomes == std::vector<std::string>{"completed", "stale_lease", "completed", "completed"});
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("a full batch completes and claims as many more in one call") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 512; ++i) items.push_back(LuaFixture::item());
  lua.submit(items);
  const auto args = LuaFixture::claim_args(256);
  std::vector<Complete::Item> results;
  for (const auto& row : lua.ok<script::Claim>(args).rows) {
    Held lease;
    lease.id = row.id;
    lease.lease = args.lease;
    lease.epoch = std::to_string(row.epoch);
    results.push_back(result_of(lease));
  }
  REQUIRE(results.size() == 256);

  const auto answer = lua.ok<Complete>(completion(results, 256));

  CHECK(answer.outcomes == std::vector<std::string>(256, "completed"));
  CHECK(answer.rows.size() == 256);
  CHECK(answer.left == 0);
  CHECK(lua.members("completed").size() == 256);
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("completing can claim the next ones in the same call") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto next = lua.submit(), left = lua.submit();
  const auto args = completion({result_of(lease)}, 1);

  const auto answer = lua.ok<Complete>(args);

  REQUIRE(answer.rows.size() == 1);
  CHECK(answer.rows[0].id == next);
  CHECK(answer.left == 1);
  CHECK(answer.head == lua.score("q:ns/lane", left));
  CHECK(lua.field(next, "l") == args.next_lease);
  CHECK(lua.field(next, "w") == "worker");
}

TEST_CASE("a completion that wants more and finds nothing registers as idle") {
  LuaFixture lua;
  const auto lease = lua.held();

  const auto answer = lua.ok<Complete>(completion({result_of(lease)}, 3));

  CHECK(answer.rows.empty());
  CHECK(answer.check_in_ms > 0);
  CHECK(lua.score("idle:ns/lane", "worker") == 3);
}

TEST_CASE("damage that the claim behind a completion meets does not hide the completion") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.text({"DEL", lua.key("q:ns/lane")});
  lua.text({"SET", lua.key("q:ns/lane"), "no queue"});

  const auto answer = lua.ok<Complete>(completion({result_of(lease)}, 3));

  CHECK(answer.outcomes == std::vector<std::string>{"completed"});
  CHECK(answer.rows.empty());
  CHECK(lua.state(lease.id) == "completed");
}

TEST_CASE("a lean execution is deleted with all of its keys when it completes") {
  LuaFixture lua;
  auto item = lean();
  item.policy = R"({"retry":{"delay_ms":5},"attempt_timeout_ms":5000,"mode":"lean"})";
  item.tags = R"({"a":"b"})";
  item.deadline_ms = 60'000;
  const auto lease = lua.held(item);
  script::Progress::Args progress;
  progress.id = lease.id;
  progress.lease = lease.lease;
  progress.epoch = lease.epoch;
  lua.ok<script::Progress>(progress);

  CHECK(lua.complete(lease, "nobody reads it") == "completed");

  CHECK(lua.text({"KEYS", "*" + lease.id + "*"}).empty());
  CHECK(lua.stray().empty());
  CHECK(lua.complete(lease) == "stale_lease");  // Nothing is left to recognise it by.
}

TEST_CASE("a lean execution leaves no history and no event") {
  LuaFixture lua;
  const auto id = lua.held(lean()).id;

  CHECK(lua.text({"XLEN", lua.key("ev")}) == "0");
  CHECK(lua.history(id).empty());
  CHECK(lua.describe(id).mode == "lean");
}

TEST_CASE("a late repeat is still recognised after a replay and after the next claim") {
  LuaFixture lua;
  const auto first = lua.held();
  REQUIRE(lua.complete(first) == "completed");
  script::Replay::Args replay;
  replay.ns = "ns";
  replay.id = first.id;
  lua.ok<script::Replay>(replay);

  CHECK(lua.complete(first) == "completed");
  const auto second = lua.held_again(first.id);
  CHECK(lua.complete(first) == "completed");
  CHECK(lua.state(first.id) == "active");
  CHECK(lua.complete(second) == "completed");
}

TEST_CASE("an outcome of another kind is not taken for a completion") {
  LuaFixture lua;
  const auto failed = lua.held(), released = lua.held();
  lua.ok<script::Fail>(lua.fail_args(failed));
  REQUIRE(lua.release(released, true) == "released");

  CHECK(lua.complete(failed) == "stale_lease");
  CHECK(lua.complete(released) == "stale_lease");
}

}  // namespace
}  // namespace ff::test
