// suspend, resume, timers of suspensions, and what they leave behind.
#include <catch2/catch_test_macros.hpp>

#include <cstdio>

#include "lua/suspending.hpp"

namespace ff::test {
namespace {

using By = core::Resumption::By;

TEST_CASE("suspend gives the lease up and waits in the index of its state") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = suspend_args(lease);
  args.timeout_ms = 60'000;
  const auto before = lua.now();

  const auto answer = lua.ok<script::Suspend>(args);

  CHECK(answer.outcome == "suspended");
  CHECK(answer.step == 1);
  CHECK(lua.state(lease.id) == "suspended");
  CHECK(lua.score("suspended", lease.id) >= before + 60'000);
  CHECK(lua.members("active").empty());
  CHECK(lua.describe(lease.id).timer_at == lua.score("suspended", lease.id));
  CHECK(lua.complete(lease) == "stale_lease");
  CHECK(lua.release(lease, true) == "stale_lease");
  CHECK(lua.word<script::Fail>(lua.fail_args(lease)) == "stale_lease");
}

TEST_CASE("the keys of suspensions and events are called what core::Keyspace calls them") {
  LuaFixture lua;
  auto args = suspend_args(lua.held(), R"({"count":2})");
  args.items[0].expires_in_ms = 60'000;
  args.items[0].event = "paid";
  lua.ok<script::Suspend>(args);
  lua.ok<script::Signal>(signal_args(args.id));
  script::PublishEvent::Args event;
  event.ns = "ns";
  event.name = "paid";
  event.key = "k";
  event.keep_ms = 60'000;
  lua.ok<script::PublishEvent>(event);
  const auto& keys = lua.keys();
  const auto home = lua.home();
  const auto id = core::Ulid::parse(args.id).value();
  for (const auto& key : {keys.step(home, id, 1), keys.signals(home, id, 1), keys.answers(home, id, 1),
                          keys.waitpoints(home), keys.awaits(home), keys.deliveries(home),
                          keys.event(home, "ns", "paid", "k"), keys.index(home, core::State::suspended)}) {
    INFO(key);
    CHECK(lua.text({"EXISTS", key}) == "1");
  }
}

TEST_CASE("a repeated suspend answers as it did, also after the resume and the next claim") {
  LuaFixture lua;
  const auto lease = suspended(lua);
  CHECK(lua.ok<script::Suspend>(suspend_args(lease)).step == 1);
  lua.ok<script::Signal>(signal_args(lease.id));
  CHECK(lua.ok<script::Suspend>(suspend_args(lease)).step == 1);
  claim_resumed(lua, lease.id);
  const auto before = lua.contents();

  const auto again = lua.ok<script::Suspend>(suspend_args(lease));

  CHECK(again.outcome == "suspended");
  CHECK(again.step == 1);
  CHECK(lua.changes(before) == "");
}

TEST_CASE("the refusals of suspend come in their order") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = suspend_args(lease);
  args.kept = std::string(16'385, 'k');
  CHECK(lua.word<script::Suspend>(args) == "kept_too_large");
  args.on_timeout = "explode";
  CHECK(lua.word<script::Suspend>(args) == "bad_timeout");
  args.on_timeout = "fail";
  args.timeout_ms = -1;
  CHECK(lua.word<script::Suspend>(args) == "bad_timeout");
  args.condition = R"({"waitpoint":"elsewhere"})";
  CHECK(lua.word<script::Suspend>(args) == "unknown_waitpoint");
  args.condition = "{]";
  CHECK(lua.word<script::Suspend>(args) == "bad_condition");
  for (int i = 0; i < 16; ++i) args.items.push_back(waitpoint("w" + std::to_string(i)));
  CHECK(lua.word<script::Suspend>(args) == "too_many_waitpoints");
  args.items[0].max_signals = 10'001;
  CHECK(lua.word<script::Suspend>(args) == "bad_waitpoint");
  args.epoch = "1";
  CHECK(lua.word<script::Suspend>(args) == "stale_lease");

  CHECK(lua.state(lease.id) == "active");
  CHECK(lua.complete(lease) == "completed");
}

TEST_CASE("a waitpoint that breaks its rules is refused") {
  LuaFixture lua;
  const auto lease = lua.held();
  const auto refused = [&](auto change) {
    auto args = open_args(lease);
    change(args.items[0]);
    CHECK(lua.word<script::OpenWaitpoints>(args) == "bad_waitpoint");
  };
  refused([](auto& item) { item.label = ""; });
  refused([](auto& item) { item.label = "a/b"; });
  refused([](auto& item) { item.label = "a b"; });
  refused([](auto& item) { item.label = std::string(65, 'x'); });
  refused([](auto& item) { item.max_signals = -1; });
  refused([](auto& item) { item.max_bytes = 262'145; });
  refused([](auto& item) { item.expires_in_ms = -1; });
  refused([](auto& item) { item.event = "a/b"; });
  CHECK(lua.core(lease.id).count("h") == 0);
}

TEST_CASE("suspend and resume continue the attempt, with a larger epoch, in front of its priority") {
  LuaFixture lua;
  const auto lease = suspended(lua);
  lua.submit();
  CHECK(outcome(lua, signal_args(lease.id)) == "resumed");

  const auto resumed = claim_resumed(lua, lease.id);

  CHECK(resumed.attempt == 1);
  CHECK(std::stoll(resumed.lease.epoch) > std::stoll(lease.epoch));
  CHECK(lua.describe(lease.id).failures == 0);
}

TEST_CASE("an unstarted give-back of a resumed execution still continues its attempt") {
  LuaFixture lua;
  const auto lease = suspended(lua);
  lua.ok<script::Signal>(signal_args(lease.id));
  CHECK(lua.release(claim_resumed(lua, lease.id).lease, false) == "released");

  const auto resumed = claim_resumed(lua, lease.id);

  CHECK(resumed.attempt == 1);
  CHECK(resumed.resumption.signals.size() == 1);
}

TEST_CASE("the claim hands over the signals, their bytes and what the handler kept") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = suspend_args(lease, R"({"count":2})");
  args.kept = std::string("kept\0\xff", 6);
  lua.ok<script::Suspend>(args);
  auto first = signal_args(lease.id, "a", "go", "alice");
  first.payload = std::string("\0\xfe:3:\r\n", 7);
  first.content_type = "text/plain";
  lua.ok<script::Signal>(first);
  lua.ok<script::Signal>(signal_args(lease.id, "b", "stop", ""));

  const auto resumption = claim_resumed(lua, lease.id).resumption;

  CHECK(resumption.step == 1);
  CHECK(resumption.by == By::signals);
  CHECK(resumption.kept == args.kept);
  CHECK(resumption.more_from == 0);
  CHECK(resumption.resumed_at >= resumption.suspended_at);
  REQUIRE(resumption.signals.size() == 2);
  CHECK(resumption.signals[0].payload == core::Payload(first.payload, "text/plain"));
  CHECK(resumption.signals[0].source == "alice");
  CHECK(resumption.signals[0].waitpoint == "w");
  CHECK(resumption.signals[0].id == "a");
  CHECK(resumption.signals[1].name == "stop");
  CHECK(resumption.signals[1].payload == core::Payload());
}

TEST_CASE("signals that no part of the condition takes are not handed over") {
  LuaFixture lua;
  const auto lease = suspended(lua, R"({"names":["go"]})");
  lua.ok<script::Signal>(signal_args(lease.id, "a", "noise"));
  lua.ok<script::Signal>(signal_args(lease.id, "b", "go"));

  const auto resumption = claim_resumed(lua, lease.id).resumption;

  REQUIRE(resumption.signals.size() == 1);
  CHECK(resumption.signals[0].id == "b");
}

TEST_CASE("after a crash or a failure the next attempt is handed the same, until it is suspended again") {
  LuaFixture lua;
  const auto lease = suspended(lua);
  lua.ok<script::Signal>(signal_args(lease.id));
  claim_resumed(lua, lease.id);
  lua.make_due("active", lease.id);
  lua.run_due();

  const auto after_crash = claim_resumed(lua, lease.id);

  CHECK(after_crash.attempt == 2);
  REQUIRE(after_crash.resumption.signals.size() == 1);
  auto failure = lua.fail_args(after_crash.lease);
  failure.retry_after_ms = 0;
  lua.ok<script::Fail>(failure);
  const auto after_failure = claim_resumed(lua, lease.id);
  CHECK(after_failure.attempt == 3);
  CHECK(after_failure.resumption.signals.size() == 1);

  lua.ok<script::Suspend>(suspend_args(after_failure.lease));
  auto second = signal_args(lease.id, "s2");
  second.waitpoint = "2.w";
  CHECK(outcome(lua, second) == "resumed");
  const auto resumption = claim_resumed(lua, lease.id).resumption;
  CHECK(resumption.step == 2);
  REQUIRE(resumption.signals.size() == 1);
  CHECK(resumption.signals[0].id == "s2");
}

TEST_CASE("the timeout policy decides what a suspension ends as") {
  LuaFixture lua;
  const auto times_out = [&lua](const std::string& policy) {
    auto item = LuaFixture::item();
    item.policy = R"({"retry":{"delay_ms":0,"jitter":0}})";
    const auto lease = lua.held(item);
    auto args = suspend_args(lease);
    args.on_timeout = policy;
    args.timeout_ms = 1;
    lua.ok<script::Suspend>(args);
    while (lua.run_due() == 0) continue;
    return lease.id;
  };

  const auto failed = times_out("fail");
  CHECK(lua.state(failed) == "failed");
  CHECK(lua.describe(failed).failure_class == "timeout");
  CHECK(lua.state(times_out("expire")) == "expired");

  const auto resumed = claim_resumed(lua, times_out("resume"));
  CHECK(resumed.attempt == 1);
  CHECK(resumed.resumption.by == By::timeout);
  CHECK(resumed.resumption.signals.empty());

  const auto retried = times_out("retry");
  CHECK(lua.describe(retried).failures == 1);
  const auto again = claim_resumed(lua, retried);
  CHECK(again.attempt == 2);
  CHECK_FALSE(again.any);
}

TEST_CASE("a suspension timer that fires early is a no-op") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = suspend_args(lease);
  args.timeout_ms = 60'000;
  lua.ok<script::Suspend>(args);
  const auto due = lua.score("suspended", lease.id);
  lua.make_due("suspended", lease.id);

  lua.run_due();

  CHECK(lua.state(lease.id) == "suspended");
  CHECK(lua.score("suspended", lease.id) == due);
}

TEST_CASE("one without a timeout waits for ever, and wakes no engine") {
  LuaFixture lua;
  const auto lease = suspended(lua);
  script::RunDue::Args args;
  args.limit = 10;

  const auto answer = lua.ok<script::RunDue>(args);

  CHECK(answer.done == 0);
  CHECK(answer.next_in_ms == -1);
  CHECK(lua.describe(lease.id).timer_at == 0);
  script::List::Args list;
  list.ns = "ns";
  list.state = "suspended";
  list.limit = 10;
  const auto page = lua.ok<script::List>(list);
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].timer_at == 0);
}

TEST_CASE("a resume delay holds it back, and it stands in front then") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = suspend_args(lease);
  args.resume_delay_ms = 60'000;
  lua.ok<script::Suspend>(args);
  CHECK(outcome(lua, signal_args(lease.id)) == "resumed");
  CHECK(lua.state(lease.id) == "delayed");
  lua.submit();
  lua.make_due("delayed", lease.id);

  lua.run_due();

  CHECK(claim_resumed(lua, lease.id).resumption.signals.size() == 1);
}

TEST_CASE("when every waitpoint has expired, the timeout policy applies") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = suspend_args(lease);
  args.on_timeout = "resume";
  args.items[0].expires_in_ms = 1;
  lua.ok<script::Suspend>(args);
  while (lua.run_due() == 0) continue;

  const auto resumed = claim_resumed(lua, lease.id);

  CHECK(resumed.resumption.by == By::timeout);
  CHECK(lua.members("waitpoints").empty());
}

TEST_CASE("while one waitpoint is open, the expiry of another changes nothing") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = suspend_args(lease);
  args.items[0].expires_in_ms = 1;
  args.items.push_back(waitpoint("open"));
  lua.ok<script::Suspend>(args);
  while (lua.run_due() == 0) continue;

  CHECK(lua.state(lease.id) == "suspended");
  CHECK(outcome(lua, signal_args(lease.id)) == "waitpoint_expired");
  const auto waiting = waitpoints(lua, lease.id);
  CHECK(waiting.rows.at(0).expired);
  CHECK_FALSE(waiting.rows.at(1).expired);
  CHECK(lua.members("waitpoints").empty());
}

TEST_CASE("an operator resumes, once for each step") {
  LuaFixture lua;
  const auto lease = suspended(lua, R"({"count":2})");
  lua.ok<script::Signal>(signal_args(lease.id));
  script::Resume::Args args;
  args.ns = "ns";
  args.id = lease.id;
  args.step = 2;
  CHECK(lua.word<script::Resume>(args) == "other_step");
  args.step = 1;

  lua.ok<script::Resume>(args);

  CHECK(lua.state(lease.id) == "ready");
  CHECK(lua.word<script::Resume>(args) == "ok");
  const auto resumed = claim_resumed(lua, lease.id);
  CHECK(resumed.resumption.by == By::by_operator);
  CHECK(resumed.resumption.signals.size() == 1);
  CHECK(lua.word<script::Resume>(args) == "ok");
  lua.complete(resumed.lease);
  CHECK(lua.word<script::Resume>(args) == "not_suspended");
  args.ns = "other";
  CHECK(lua.word<script::Resume>(args) == "not_found");
}

TEST_CASE("a cancel that was waiting for the attempt ends it instead") {
  LuaFixture lua;
  const auto lease = lua.held();
  script::Cancel::Args cancel;
  cancel.ns = "ns";
  cancel.id = lease.id;
  cancel.grace_ms = 60'000;
  lua.ok<script::Cancel>(cancel);

  CHECK(lua.ok<script::Suspend>(suspend_args(lease)).outcome == "cancelled");

  CHECK(lua.state(lease.id) == "cancelled");
  CHECK(lua.ok<script::Suspend>(suspend_args(lease)).outcome == "cancelled");
}

TEST_CASE("cancel and deadline end a suspended execution, and its waitpoints") {
  LuaFixture lua;
  auto args = suspend_args(lua.held());
  args.items[0].expires_in_ms = 60'000;
  args.items[0].event = "paid";
  lua.ok<script::Suspend>(args);
  script::Cancel::Args cancel;
  cancel.ns = "ns";
  cancel.id = args.id;
  lua.ok<script::Cancel>(cancel);
  CHECK(lua.state(args.id) == "cancelled");
  CHECK(lua.members("waitpoints").empty());
  CHECK(lua.members("awaits").empty());
  CHECK(outcome(lua, signal_args(args.id)) == "already_finished");

  auto item = LuaFixture::item();
  item.deadline_ms = 60'000;
  const auto late = suspended(lua, "{}", item);
  lua.change(late.id, {"d", "1"});
  lua.make_due("deadlines", late.id);
  lua.run_due();
  CHECK(lua.state(late.id) == "expired");
  CHECK(lua.members("suspended").empty());
}

TEST_CASE("a replay hands nothing over, and closes the waitpoints of the old generation") {
  LuaFixture lua;
  const auto lease = suspended(lua);
  lua.ok<script::Signal>(signal_args(lease.id));
  const auto resumed = claim_resumed(lua, lease.id);
  lua.ok<script::OpenWaitpoints>(open_args(resumed.lease));
  lua.complete(resumed.lease);
  script::Replay::Args replay;
  replay.ns = "ns";
  replay.id = lease.id;
  lua.ok<script::Replay>(replay);

  const auto again = claim_resumed(lua, lease.id);

  CHECK_FALSE(again.any);
  CHECK(again.attempt == 1);
  auto old = signal_args(lease.id, "s9");
  CHECK(outcome(lua, old) == "waitpoint_closed");
  old.waitpoint = "2.w";
  CHECK(outcome(lua, old) == "waitpoint_closed");
  CHECK(outcome(lua, signal_args(lease.id)) == "duplicate");
  CHECK(lua.ok<script::Suspend>(suspend_args(again.lease)).step == 3);
}

TEST_CASE("a purge leaves nothing of the steps") {
  for (const std::string mode : {"record", "lean"}) {
    LuaFixture lua;
    auto item = LuaFixture::item();
    item.policy = R"({"mode":")" + mode + R"("})";
    auto lease = lua.held(item);
    for (int step = 1; step <= 11; ++step) {
      lua.ok<script::Suspend>(suspend_args(lease));
      auto args = signal_args(lease.id);
      args.waitpoint = std::to_string(step) + ".w";
      CHECK(outcome(lua, args) == "resumed");
      lease = claim_resumed(lua, lease.id).lease;
    }
    CHECK(lua.text({"EXISTS", lua.key("e:" + lease.id + ":d4")}) == "1");
    CHECK(lua.text({"EXISTS", lua.key("e:" + lease.id + ":d3")}) == "0");
    lua.ok<script::OpenWaitpoints>(open_args(lease));
    auto early = signal_args(lease.id);
    early.waitpoint = "12.w";
    lua.ok<script::Signal>(early);
    lua.complete(lease);
    script::Purge::Args purge;
    purge.ns = "ns";
    purge.id = lease.id;
    if (mode == "record") lua.ok<script::Purge>(purge);

    for (const auto& [name, content] : lua.contents()) CHECK(name.find(lease.id) == std::string::npos);
  }
}

TEST_CASE("an attempt timeout does not run while it is suspended, and begins anew") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.policy = R"({"attempt_timeout_ms":60000})";
  const auto lease = suspended(lua, "{}", item);
  CHECK(lua.members("timeouts").empty());
  lua.ok<script::Signal>(signal_args(lease.id));

  claim_resumed(lua, lease.id);

  CHECK(lua.members("timeouts").size() == 1);
}

std::int64_t memory_of(LuaFixture& lua) {
  const auto info = lua.text({"INFO", "memory"});
  const std::string field = "used_memory:";
  return std::stoll(info.substr(info.find(field) + field.size()));
}

TEST_CASE("a suspended execution costs at most 1.2 kB, payload and events included") {
  LuaFixture lua;
  constexpr std::int64_t kBatches = 16, kBatch = 256;
  std::vector<script::Submit::Item> items;
  for (std::int64_t i = 0; i < kBatches * kBatch; ++i) {
    items.push_back(LuaFixture::item());
    items.back().payload = std::string(100, 'p');
  }
  const auto before = memory_of(lua);

  lua.submit(items);
  for (std::int64_t batch = 0; batch < kBatches; ++batch) {
    const auto claim = LuaFixture::claim_args(kBatch, "some-host-12345-0123456789");
    for (const auto& row : lua.ok<script::Claim>(claim).rows) {
      Held lease;
      lease.id = row.id;
      lease.lease = claim.lease;
      lease.epoch = std::to_string(row.epoch);
      auto args = suspend_args(lease, R"({"names":["approve"],"count":2,"distinct":true})");
      args.items[0].names = {"approve", "reject"};
      args.timeout_ms = 60'000'000;
      lua.ok<script::Suspend>(args);
    }
  }

  const auto each = (memory_of(lua) - before) / (kBatches * kBatch);
  std::printf("a suspended execution: %lld bytes\n", static_cast<long long>(each));
  CHECK(each < 1'200);
  CHECK(lua.members("suspended").size() == static_cast<std::size_t>(kBatches * kBatch));
}

}  // namespace
}  // namespace ff::test
