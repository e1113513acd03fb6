// signal, waitpoints, signals: delivery, duplicates, what comes early, limits.
#include <catch2/catch_test_macros.hpp>

#include "lua/suspending.hpp"

namespace ff::test {
namespace {

TEST_CASE("the refusals of signal come in their order") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = signal_args(lease.id);
  args.payload = "12345";
  CHECK(outcome(lua, args) == "no_such_waitpoint");  // There was none yet.
  auto suspend = suspend_args(lease, R"({"count":9})");
  suspend.items[0].names = {"go"};
  suspend.items[0].max_bytes = 4;
  suspend.items[0].max_signals = 1;
  suspend.items.push_back(waitpoint("brief"));
  suspend.items[1].expires_in_ms = 1;
  lua.ok<script::Suspend>(suspend);
  lua.ok<script::Signal>(signal_args(lease.id, "first"));

  auto full = signal_args(lease.id, "second");
  CHECK(outcome(lua, full) == "too_many_signals");
  full.payload = "12345";
  CHECK(outcome(lua, full) == "payload_too_large");
  full.name = "stop";
  CHECK(outcome(lua, full) == "name_not_allowed");
  const auto opened = lua.now();
  while (lua.now() < opened + 3) continue;
  full.waitpoint = "1.brief";
  CHECK(outcome(lua, full) == "waitpoint_expired");
  for (const char* unknown : {"1.other", "2.w", "0.w", "-1.w", "1.", "w", "", "1w", "99999999999999999999.w"}) {
    full.waitpoint = unknown;
    CHECK(outcome(lua, full) == "no_such_waitpoint");
  }
  full.ns = "other";
  CHECK(outcome(lua, full) == "not_found");
  full.ns = "ns";
  full.waitpoint = "1.w";
  script::Cancel::Args cancel;
  cancel.ns = "ns";
  cancel.id = lease.id;
  lua.ok<script::Cancel>(cancel);
  CHECK(outcome(lua, full) == "already_finished");
  full.signal = "first";
  CHECK(outcome(lua, full) == "duplicate");
}

TEST_CASE("the same signal again answers the first result, and changes nothing, also after the resume") {
  LuaFixture lua;
  const auto lease = suspended(lua, R"({"count":2})");
  CHECK(outcome(lua, signal_args(lease.id, "a")) == "accepted");
  auto other = signal_args(lease.id, "a", "other name", "other source");
  other.payload = "other payload";
  auto again = lua.ok<script::Signal>(other);
  CHECK(again.outcome == "duplicate");
  CHECK(again.first == "accepted");
  CHECK(again.number == 1);
  CHECK(outcome(lua, signal_args(lease.id, "b")) == "resumed");
  const auto before = lua.contents();

  again = lua.ok<script::Signal>(signal_args(lease.id, "b"));

  CHECK(again.outcome == "duplicate");
  CHECK(again.first == "resumed");
  CHECK(lua.changes(before) == "");
  CHECK(claim_resumed(lua, lease.id).resumption.signals.size() == 2);
  CHECK(outcome(lua, signal_args(lease.id, "a")) == "duplicate");
}

TEST_CASE("the same id at another waitpoint is another signal") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto suspend = suspend_args(lease, R"({"count":3})");
  suspend.items.push_back(waitpoint("second"));
  lua.ok<script::Suspend>(suspend);
  auto args = signal_args(lease.id);
  CHECK(outcome(lua, args) == "accepted");
  args.waitpoint = "1.second";

  CHECK(outcome(lua, args) == "accepted");
}

TEST_CASE("a waitpoint of an earlier suspension never reaches a later one") {
  LuaFixture lua;
  const auto lease = suspended(lua);
  lua.ok<script::Signal>(signal_args(lease.id));
  CHECK(outcome(lua, signal_args(lease.id, "late")) == "waitpoint_closed");
  const auto resumed = claim_resumed(lua, lease.id);
  CHECK(outcome(lua, signal_args(lease.id, "late")) == "waitpoint_closed");
  lua.ok<script::Suspend>(suspend_args(resumed.lease));

  CHECK(outcome(lua, signal_args(lease.id, "late")) == "waitpoint_closed");

  CHECK(lua.state(lease.id) == "suspended");
  CHECK(waitpoints(lua, lease.id).rows.at(0).signals == 0);
}

TEST_CASE("what comes before the suspension is kept and counts") {
  LuaFixture lua;
  const auto lease = lua.held();
  CHECK(lua.ok<script::OpenWaitpoints>(open_args(lease)).step == 1);
  CHECK(outcome(lua, signal_args(lease.id, "a", "go", "alice")) == "accepted");
  CHECK(outcome(lua, signal_args(lease.id, "b", "go", "alice")) == "accepted");
  CHECK(lua.state(lease.id) == "active");

  lua.ok<script::Suspend>(suspend_args(lease, R"({"names":["go"],"count":2,"distinct":true})"));

  CHECK(lua.state(lease.id) == "suspended");
  CHECK(waitpoints(lua, lease.id).missing.find("\"have\":1") != std::string::npos);
  CHECK(outcome(lua, signal_args(lease.id, "c", "go", "bob")) == "resumed");
  CHECK(claim_resumed(lua, lease.id).resumption.signals.size() == 3);
}

TEST_CASE("early signals that satisfy the condition resume at once") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.ok<script::OpenWaitpoints>(open_args(lease));
  lua.ok<script::Signal>(signal_args(lease.id));

  CHECK(lua.ok<script::Suspend>(suspend_args(lease)).outcome == "suspended");

  CHECK(lua.state(lease.id) == "ready");
  CHECK(lua.ok<script::Suspend>(suspend_args(lease)).step == 1);
  const auto resumed = claim_resumed(lua, lease.id);
  CHECK(resumed.attempt == 1);
  CHECK(resumed.resumption.signals.size() == 1);
}

TEST_CASE("a waitpoint outlives the attempt that opened it, with its signals and limits") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto open = open_args(lease);
  open.items[0].max_signals = 1;
  lua.ok<script::OpenWaitpoints>(open);
  lua.ok<script::Signal>(signal_args(lease.id));
  lua.make_due("active", lease.id);
  lua.run_due();
  CHECK(outcome(lua, signal_args(lease.id, "second")) == "too_many_signals");
  const auto next = lua.held_again(lease.id);
  auto wider = open_args(next);
  CHECK(lua.ok<script::OpenWaitpoints>(wider).step == 1);
  CHECK(outcome(lua, signal_args(lease.id, "second")) == "too_many_signals");

  lua.ok<script::Suspend>(suspend_args(next));

  CHECK(claim_resumed(lua, lease.id).resumption.signals.size() == 1);
}

TEST_CASE("open_waitpoints is fenced, and refuses by name") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = open_args(lease);
  for (int i = 0; i < 16; ++i) args.items.push_back(open_args(lease, "w" + std::to_string(i)).items[0]);
  CHECK(lua.word<script::OpenWaitpoints>(args) == "too_many_waitpoints");
  args.epoch = "1";
  CHECK(lua.word<script::OpenWaitpoints>(args) == "stale_lease");
  CHECK(waitpoints(lua, lease.id).step == 0);
  lua.ok<script::Suspend>(suspend_args(lease));
  CHECK(lua.word<script::OpenWaitpoints>(open_args(lease)) == "stale_lease");
}

TEST_CASE("waitpoints tells what is open and what is missing") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = suspend_args(lease, R"({"all":[{"names":["legal"]},{"any":[{"names":["paid"],"count":2},{}]}]})");
  args.timeout_ms = 60'000;
  args.on_timeout = "retry";
  args.items[0].names = {"legal", "paid"};
  lua.ok<script::Suspend>(args);
  lua.ok<script::Signal>(signal_args(lease.id, "a", "paid"));

  const auto waiting = waitpoints(lua, lease.id);

  CHECK(waiting.state == "suspended");
  CHECK(waiting.step == 1);
  CHECK(waiting.on_timeout == "retry");
  CHECK(waiting.timeout_at == waiting.suspended_at + 60'000);
  CHECK(waiting.missing.find("legal") != std::string::npos);
  CHECK(waiting.missing.find("paid") == std::string::npos);
  REQUIRE(waiting.rows.size() == 1);
  CHECK(waiting.rows[0].waitpoint == "1.w");
  CHECK(waiting.rows[0].names == std::vector<std::string>{"legal", "paid"});
  CHECK(waiting.rows[0].signals == 1);
  CHECK(waiting.rows[0].max_signals == 1000);
  script::Waitpoints::Args foreign;
  foreign.ns = "other";
  foreign.id = lease.id;
  CHECK(lua.word<script::Waitpoints>(foreign) == "not_found");
}

TEST_CASE("ten thousand signals at one waitpoint, each counted once, read in pages") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = suspend_args(lease, R"({"count":10000})");
  args.items[0].max_signals = 10'000;
  lua.ok<script::Suspend>(args);
  for (int i = 0; i < 9'999; ++i) {
    auto signal = signal_args(lease.id, "s" + std::to_string(i));
    signal.payload = std::string(100, 'p');
    lua.ok<script::Signal>(signal);
    if (i % 1000 == 0) CHECK(outcome(lua, signal) == "duplicate");
  }
  CHECK(lua.state(lease.id) == "suspended");
  CHECK(outcome(lua, signal_args(lease.id, "last")) == "resumed");
  const auto resumed = claim_resumed(lua, lease.id);

  CHECK(resumed.resumption.signals.size() == 32);
  CHECK(resumed.resumption.more_from == 33);
  script::Signals::Args page;
  page.ns = "ns";
  page.id = lease.id;
  page.step = 1;
  page.from = resumed.resumption.more_from;
  page.limit = 256;
  std::size_t read = 32;
  while (page.from != 0) {
    const auto answer = lua.ok<script::Signals>(page);
    for (const auto& row : answer.rows) {
      CHECK(row.signal == (read == 9'999 ? "last" : "s" + std::to_string(read)));
      ++read;
    }
    page.from = answer.next;
  }
  CHECK(read == 10'000);
  page.step = 2;
  CHECK(lua.word<script::Signals>(page) == "no_such_step");
  page.ns = "other";
  CHECK(lua.word<script::Signals>(page) == "not_found");
}

TEST_CASE("one answer hands over about as many bytes as it may") {
  LuaFixture lua;
  const auto lease = suspended(lua, R"({"count":5})");
  for (int i = 0; i < 5; ++i) {
    auto signal = signal_args(lease.id, std::to_string(i));
    signal.payload = std::string(60'000, 'p');
    lua.ok<script::Signal>(signal);
  }

  const auto resumption = claim_resumed(lua, lease.id).resumption;

  CHECK(resumption.signals.size() == 3);
  CHECK(resumption.more_from == 4);
}

// Ends the suspension in another way, unless it has ended.
void end_otherwise(LuaFixture& lua, const std::string& id, const std::string& way, std::int64_t due) {
  if (way == "timeout") {
    while (lua.now() <= due) continue;
    lua.run_due();
  } else if (way == "cancel") {
    script::Cancel::Args cancel;
    cancel.ns = "ns";
    cancel.id = id;
    lua.ok<script::Cancel>(cancel);
  } else {
    script::Resume::Args resume;
    resume.ns = "ns";
    resume.id = id;
    resume.step = 1;
    lua.word<script::Resume>(resume);  // Refused when the signal came first.
  }
}

TEST_CASE("of a signal and a timeout, a cancel or an operator the first one counts, and the other is told") {
  const std::vector<std::pair<std::string, std::string>> rivals = {
      {"timeout", "waitpoint_closed"}, {"cancel", "already_finished"}, {"operator", "waitpoint_closed"}};
  for (const auto& [rival, refusal] : rivals) {
    for (const bool signal_first : {true, false}) {
      INFO(rival << (signal_first ? " after" : " before") << " the signal");
      LuaFixture lua;
      auto args = suspend_args(lua.held());
      args.timeout_ms = 5;
      args.on_timeout = "resume";
      lua.ok<script::Suspend>(args);
      const auto due = lua.score("suspended", args.id);

      if (!signal_first) end_otherwise(lua, args.id, rival, due);
      CHECK(outcome(lua, signal_args(args.id)) == (signal_first ? "resumed" : refusal));
      if (signal_first) end_otherwise(lua, args.id, rival, due);

      if (rival == "cancel") {
        CHECK(lua.state(args.id) == "cancelled");
      } else {
        const auto resumption = claim_resumed(lua, args.id).resumption;
        CHECK((resumption.by == core::Resumption::By::signals) == signal_first);
        CHECK(resumption.signals.size() == (signal_first ? 1u : 0u));
      }
    }
  }
}

}  // namespace
}  // namespace ff::test
