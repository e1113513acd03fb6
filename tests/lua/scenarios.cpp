#include "lua/scenarios.hpp"

#include "lua/holder.hpp"
#include "lua/suspending.hpp"

namespace ff::test {
namespace {

using Words = std::vector<std::string>;

script::ReportUsage::Args usage(const std::string& key) {
  script::ReportUsage::Args args;
  args.ns = "ns";
  args.name = "b";
  args.key = key;
  args.known_ms = 60'000;
  args.holder = "holder";
  args.used = "tokens=5,usd=1";
  args.covered = "tokens=5";
  return args;
}

script::Submit::Item rich() {
  auto item = LuaFixture::item();
  item.policy = R"({"retry":{"delay_ms":0,"jitter":0},"crash":{"max":1},"attempt_timeout_ms":60000})";
  item.tags = R"({"a":"b"})";
  item.deadline_ms = 90'000;
  item.priority = 1;
  item.payload = std::string(300, 'p');  // Too large for the core.
  return item;
}

// The library's digest of the capabilities "gpu".
constexpr const char* kGpu = "7786424beaf68478";

script::Submit::Item delayed() {
  auto item = rich();
  item.delay_ms = 60'000;
  return item;
}

// A quota and a budget, with a holder, one that waits, a reported use and resets to come.
void populate_limits(LuaFixture& lua) {
  set_quota(lua, 2, 10, 1000, 5);
  auto budget = budget_args(50, 100);
  budget.period = "some";
  for (const int days : {1, 2, 3}) budget.resets.push_back(std::to_string(lua.now() + days * 86'400'000));
  lua.ok<script::SetBudget>(budget);
  for (const char* name : {"holder", "waiter"}) {
    Holder holder(lua, name);
    holder.slots(0, 2, 1);
    holder.reserve("budget", "b", "", "tokens=60", 1);
  }
  lua.ok<script::ReportUsage>(usage("known"));
}

// With a route of every kind.
std::vector<script::Submit::Item> routed() {
  std::vector<script::Submit::Item> items(4, rich());
  for (auto& item : items) {
    item.id = LuaFixture::new_id();
    item.priority = 0;  // Behind what the scenarios claim.
  }
  items[0].requirements = "+gpu";
  items[1].fairness_key = "A";
  items[2].requirements = "#q +gpu";
  items[2].fairness_key = "B";
  items[3].requirements = "+" + std::string(kLongCapability) + " +gpu";
  return items;
}

// Suspended and between suspensions, with signals, and with an event on its way.
void populate_suspended(LuaFixture& lua) {
  auto args = suspend_args(lua.held(rich()), R"({"count":9})");
  args.timeout_ms = 60'000;
  args.items[0].expires_in_ms = 60'000;
  args.items[0].event = "paid";
  lua.ok<script::Suspend>(args);
  lua.ok<script::Signal>(signal_args(args.id));
  const auto resumed = suspended(lua, "{}", rich());
  lua.ok<script::Signal>(signal_args(resumed.id));
  lua.ok<script::OpenWaitpoints>(open_args(claim_resumed(lua, resumed.id).lease));
  script::AwaitEvent::Args await;
  await.ns = "ns";
  await.name = "paid";
  await.execution = "5-" + args.id;
  await.waitpoint = "1.w";
  lua.ok<script::AwaitEvent>(await);
  script::PublishEvent::Args publish;
  publish.ns = "ns";
  publish.name = "paid";
  publish.event = "known";
  publish.keep_ms = 60'000;
  lua.ok<script::PublishEvent>(publish);
}

script::AppendFrames::Item frame(std::string mode, std::string data) {
  script::AppendFrames::Item item;
  item.mode = std::move(mode);
  item.type = "line";
  item.data = std::move(data);
  return item;
}

script::AppendFrames::Args frames_of(const Held& lease, std::int64_t sequence) {
  script::AppendFrames::Args args;
  args.id = lease.id;
  args.lease = lease.lease;
  args.epoch = lease.epoch;
  args.sequence = sequence;
  args.items = {frame("durable", "one"), frame("summary", R"({"a":1})"), frame("durable", "two")};
  return args;
}

// Executions in all the states there are, so that every key exists, and an idle worker.
void populate(LuaFixture& lua) {
  const auto progress_of = [&lua](const Held& lease) {
    script::Progress::Args args;
    args.id = lease.id;
    args.lease = lease.lease;
    args.epoch = lease.epoch;
    lua.ok<script::Progress>(args);
  };
  const auto completed = lua.held(rich()), failed = lua.held(rich()), active = lua.held(rich());
  progress_of(completed);
  progress_of(active);
  lua.ok<script::AppendFrames>(frames_of(completed, 1));
  lua.ok<script::AppendFrames>(frames_of(active, 1));
  lua.complete(completed);
  lua.ok<script::Fail>(lua.fail_args(failed, "not_found"));
  const auto cancelled = lua.submit(rich());
  script::Cancel::Args cancel;
  cancel.ns = "ns";
  cancel.id = cancelled;
  cancel.reason = "not needed";
  lua.ok<script::Cancel>(cancel);
  auto expired = rich();
  expired.deadline_at = 1;
  lua.submit(expired);
  lua.run_due();
  populate_suspended(lua);
  lua.submit(delayed());
  lua.submit();  // Stays in the queue while anything else is there.
  auto keyed = rich();
  LuaFixture::give_key(keyed, "known");
  keyed.lane = "other";
  lua.submit(keyed);
  lua.text({"ZADD", lua.key("idle:ns/lane"), "5", "idle"});
  lua.text({"ZADD", lua.key("handoffs"), std::to_string(lua.now() + 60'000), "ns/lane"});
  lua.submit(routed());
  lua.text({"ZADD", lua.key(std::string("idle:ns/lane|") + kGpu), "5", "able"});
  lua.text({"ZADD", lua.key("sets:ns/lane"), std::to_string(lua.now()), "gpu"});
  script::Join::Args join;
  join.server = "server";
  join.ttl_ms = 60'000;
  lua.ok<script::Join>(join);
  populate_limits(lua);
}

template <class Args>
Args of(const std::string& id) {
  Args args;
  args.ns = "ns";
  args.id = id;
  return args;
}

template <class Args>
Args fenced(const Held& lease) {
  Args args;
  args.id = lease.id;
  args.lease = lease.lease;
  args.epoch = lease.epoch;
  return args;
}

Words submit(LuaFixture& lua) {
  script::Submit::Args args;
  args.ns = "ns";
  auto with_key = rich();
  LuaFixture::give_key(with_key, "key");
  args.items = {with_key, delayed(), LuaFixture::item()};
  return lua.words<script::Submit>(args);
}

// Two of a kind, and two of another.
Words submit_alike(LuaFixture& lua) {
  script::Submit::Args args;
  args.ns = "ns";
  for (const char* lane : {"lane", "lane", "other", "other"}) {
    args.items.push_back(LuaFixture::item());
    args.items.back().lane = lane;
  }
  return lua.words<script::Submit>(args);
}

Words claim(LuaFixture& lua) {
  lua.submit({rich(), rich()});
  return lua.words<script::Claim>(LuaFixture::claim_args(3));
}

Words claim_again(LuaFixture& lua) {
  lua.submit(rich());
  auto args = LuaFixture::claim_args();
  lua.ok<script::Claim>(args);
  args.again = true;
  return lua.words<script::Claim>(args);
}

// Everything there is at once, of which some runs out.
Words claim_routes(LuaFixture& lua) {
  lua.submit(routed());
  auto args = LuaFixture::claim_args(20);
  args.capabilities = {kLongCapability, "gpu"};
  args.allowances = {"1 #q +gpu"};
  return lua.words<script::Claim>(args);
}

// Of the common line; `refused` is what the claim can get no allowance for.
script::Claim::Args sorting_out() {
  auto args = LuaFixture::claim_args(5);
  args.allowances = {"0 #a", "0 #b"};
  return args;
}

std::vector<script::Submit::Item> common() {
  std::vector<script::Submit::Item> items;
  for (const char* requirements : {"#a", "#b", "#a", "#c"}) {
    items.push_back(rich());
    items.back().requirements = requirements;
  }
  return items;
}

Words claim_sorting_out(LuaFixture& lua) {
  lua.submit(common());
  return lua.words<script::Claim>(sorting_out());
}

// The id of one that was sorted out of the common line.
std::string sorted_out(LuaFixture& lua) {
  const auto items = common();
  lua.submit(items);
  lua.ok<script::Claim>(sorting_out());
  return items[0].id;
}

Words submit_routes(LuaFixture& lua) {
  script::Submit::Args args;
  args.ns = "ns";
  args.items = routed();
  args.items.push_back(routed()[1]);
  args.items.back().priority = 5;
  return lua.words<script::Submit>(args);
}

Words change_lane(LuaFixture& lua) {
  script::ChangeLane::Args args;
  args.queue = "ns/lane";
  args.policy_given = true;
  args.policy = R"({"depth":5,"aging_ms":1000})";
  args.state = "running";
  return lua.words<script::ChangeLane>(args);
}

// The lane runs again, and ranks anew what waits.
Words set_lanes(LuaFixture& lua) {
  script::SetLanes::Args args;
  auto& item = args.items.emplace_back();
  item.queue = "ns/lane";
  item.version = 1;
  item.record = R"({"version":1,"state":"paused","policy":""})";
  lua.ok<script::SetLanes>(args);
  lua.submit(routed());
  item.version = 2;
  item.record = R"({"version":2,"state":"running","policy":"{\"aging_ms\":1000}"})";
  return lua.words<script::SetLanes>(args);
}

// This partition counts what runs under the cap.
script::SetLanes::Args capped() {
  script::SetLanes::Args args;
  auto& item = args.items.emplace_back();
  item.queue = "ns/lane";
  item.version = 1;
  item.record = R"({"version":1,"state":"running","policy":"{\"concurrency\":5}","cap_home":5})";
  return args;
}

// The cap, of which somebody holds some, is another one or none.
Words set_cap(LuaFixture& lua, bool away) {
  auto args = capped();
  lua.ok<script::SetLanes>(args);
  Holder(lua, "holder").reserve("quota", "lane:lane", "", "slots=1", 3);
  auto& item = args.items[0];
  item.version = 2;
  item.record = away ? R"({"version":2,"state":"running","policy":"","cap_home":5})"
                     : R"({"version":2,"state":"running","policy":"{\"concurrency\":2}","cap_home":5})";
  return lua.words<script::SetLanes>(args);
}

// From every kind of line of a lane with a cap.
Words claim_capped(LuaFixture& lua) {
  lua.ok<script::SetLanes>(capped());
  lua.submit(routed());
  auto args = LuaFixture::claim_args(20);
  args.capabilities = {kLongCapability, "gpu"};
  args.allowances = {"1 #lane:lane", "1 #lane:lane #q +gpu", "1 #lane:lane +gpu"};
  return lua.words<script::Claim>(args);
}

Words complete(LuaFixture& lua) {
  const auto lease = lua.held(rich());
  lua.submit(rich());
  script::Complete::Args args;
  args.worker = "worker";
  args.next_lease = LuaFixture::new_id();
  args.lease_ms = 60'000;
  args.want = 1;
  args.queues = {"ns/lane"};
  args.items.push_back(fenced<script::Complete::Item>(lease));
  args.items.back().result = "result";
  return lua.words<script::Complete>(args);
}

Words complete_lean(LuaFixture& lua) {
  auto item = rich();
  item.policy = R"({"mode":"lean"})";
  const auto lease = lua.held(item);
  script::Complete::Args args;
  args.next_lease = LuaFixture::new_id();
  args.items.push_back(fenced<script::Complete::Item>(lease));
  return lua.words<script::Complete>(args);
}

Words fail_with(LuaFixture& lua, const std::string& failure_class) {
  return lua.words<script::Fail>(lua.fail_args(lua.held(rich()), failure_class));
}

Words release(LuaFixture& lua, bool started) {
  script::Release::Args args;
  args.started = started;
  args.items.push_back(fenced<script::Release::Item>(lua.held(rich())));
  return lua.words<script::Release>(args);
}

Words renew(LuaFixture& lua) {
  script::Renew::Args args;
  args.lease_ms = 60'000;
  args.items.push_back(fenced<script::Renew::Item>(lua.held(rich())));
  return lua.words<script::Renew>(args);
}

Words cancel(LuaFixture& lua, const std::string& id, std::int64_t grace_ms) {
  auto args = of<script::Cancel::Args>(id);
  args.grace_ms = grace_ms;
  args.reason = "not needed";
  return lua.words<script::Cancel>(args);
}

Words finished(LuaFixture& lua, std::string& id) {
  const auto lease = lua.held(rich());
  lua.complete(lease);
  id = lease.id;
  return {};
}

template <class Verb>
Words on_finished(LuaFixture& lua) {
  std::string id;
  finished(lua, id);
  return lua.words<Verb>(of<typename Verb::Args>(id));
}

template <class Verb>
Words on_ready(LuaFixture& lua) {
  return lua.words<Verb>(of<typename Verb::Args>(lua.submit(rich())));
}

// An execution whose timer in `index` is due.
Words due(LuaFixture& lua, const std::string& index) {
  std::string id;
  if (index == "delayed") id = lua.submit(delayed());
  else if (index == "completed") finished(lua, id);
  else id = lua.held(rich()).id;
  if (index == "deadlines") lua.change(id, {"d", "1"});
  lua.make_due(index, id);
  script::RunDue::Args args;
  args.limit = 100;
  return lua.words<script::RunDue>(args);
}

Words handoff(LuaFixture& lua) {
  lua.submit(rich());
  lua.text({"ZADD", lua.key("idle:ns/lane"), "5", "idle"});
  lua.text({"ZADD", lua.key("handoffs"), "1", "ns/lane"});
  script::RunDue::Args args;
  args.limit = 100;
  return lua.words<script::RunDue>(args);
}

Words pass_wake(LuaFixture& lua) {
  lua.submit(rich());
  script::PassWake::Args args;
  args.queue = "ns/lane";
  return lua.words<script::PassWake>(args);
}

Words leave(LuaFixture& lua) {
  script::Leave::Args args;
  args.worker = "idle";
  args.queues = {"ns/lane"};
  return lua.words<script::Leave>(args);
}

Words join(LuaFixture& lua) {
  script::Join::Args args;
  args.server = "other";
  args.ttl_ms = 60'000;
  return lua.words<script::Join>(args);
}

Words quit(LuaFixture& lua) {
  script::Quit::Args args;
  args.server = "server";
  return lua.words<script::Quit>(args);
}

Words open(LuaFixture& lua) {
  script::Open::Args args;
  args.partitions = 8;
  args.history = LuaFixture::new_id();
  return lua.words<script::Open>(args);
}

Words set_key_ring(LuaFixture& lua) {
  script::SetKeyRing::Args args;
  args.version = 1;
  args.sealed = "sealed";
  return lua.words<script::SetKeyRing>(args);
}

Words list(LuaFixture& lua) {
  script::List::Args args;
  args.ns = "ns";
  args.state = "completed";
  args.limit = 10;
  std::string id;
  finished(lua, id);
  return lua.words<script::List>(args);
}

// A suspension with all it can have.
script::Suspend::Args full_suspension(const Held& lease) {
  auto args = suspend_args(lease, R"({"names":["go"],"count":2,"distinct":true})");
  args.timeout_ms = 60'000;
  args.on_timeout = "resume";
  args.kept = "kept";
  args.items[0].expires_in_ms = 60'000;
  args.items.push_back(waitpoint("paid"));
  args.items[1].event = "paid";
  return args;
}

Held resumed_once(LuaFixture& lua) {
  const auto first = suspended(lua, "{}", rich());
  lua.ok<script::Signal>(signal_args(first.id));
  return claim_resumed(lua, first.id).lease;
}

Words suspend_second(LuaFixture& lua) { return lua.words<script::Suspend>(full_suspension(resumed_once(lua))); }

Words suspend_early(LuaFixture& lua) {
  const auto lease = lua.held(rich());
  lua.ok<script::OpenWaitpoints>(open_args(lease));
  lua.ok<script::Signal>(signal_args(lease.id));
  return lua.words<script::Suspend>(suspend_args(lease));
}

Words open_waitpoints(LuaFixture& lua) {
  const auto lease = lua.held(rich());
  auto args = open_args(lease);
  args.items[0].expires_in_ms = 60'000;
  args.items[0].event = "paid";
  return lua.words<script::OpenWaitpoints>(args);
}

// A first signal and the second, which resumes.
Words signal(LuaFixture& lua, bool resumes) {
  const auto args = full_suspension(lua.held(rich()));
  lua.ok<script::Suspend>(args);
  if (resumes) lua.ok<script::Signal>(signal_args(args.id, "s1", "go", "alice"));
  return lua.words<script::Signal>(signal_args(args.id, "s2", "go", "bob"));
}

Words claim_resumption(LuaFixture& lua) {
  const auto lease = suspended(lua, "{}", rich());
  lua.ok<script::Signal>(signal_args(lease.id));
  return lua.words<script::Claim>(LuaFixture::claim_args(3));
}

template <class Verb>
Words on_suspended(LuaFixture& lua) {
  const auto args = full_suspension(lua.held(rich()));
  lua.ok<script::Suspend>(args);
  lua.ok<script::Signal>(signal_args(args.id));
  return lua.words<Verb>(of<typename Verb::Args>(args.id));
}

Words resume(LuaFixture& lua) {
  auto words = on_suspended<script::Resume>(lua);
  words.back() = "1";
  return words;
}

Words signals(LuaFixture& lua) {
  auto words = on_suspended<script::Signals>(lua);
  words[words.size() - 3] = "1";
  return words;
}

Words purge_suspended(LuaFixture& lua) {
  const auto lease = resumed_once(lua);
  lua.complete(lease);
  return lua.words<script::Purge>(of<script::Purge::Args>(lease.id));
}

Words replay_suspended(LuaFixture& lua) {
  const auto lease = resumed_once(lua);
  lua.complete(lease);
  return lua.words<script::Replay>(of<script::Replay::Args>(lease.id));
}

// A suspension whose timer in `index` is due.
Words due_suspension(LuaFixture& lua, const std::string& index, const std::string& policy) {
  auto args = full_suspension(lua.held(rich()));
  args.items.pop_back();
  args.on_timeout = policy;
  if (index == "suspended") args.timeout_ms = 1;
  else args.items[0].expires_in_ms = 1;
  lua.ok<script::Suspend>(args);
  const auto suspended_at = lua.now();
  while (lua.now() < suspended_at + 3) continue;
  script::RunDue::Args run;
  run.limit = 100;
  return lua.words<script::RunDue>(run);
}

Words publish_event(LuaFixture& lua) {
  script::PublishEvent::Args args;
  args.ns = "ns";
  args.name = "paid";
  args.event = "new";
  args.keep_ms = 60'000;
  return lua.words<script::PublishEvent>(args);
}

Words await_event(LuaFixture& lua) {
  script::AwaitEvent::Args args;
  args.ns = "ns";
  args.name = "paid";
  args.execution = "5-other";
  args.waitpoint = "1.w";
  return lua.words<script::AwaitEvent>(args);
}

Words settle_event(LuaFixture& lua) {
  script::SettleEvent::Args args;
  args.ns = "ns";
  args.name = "paid";
  args.event = "known";
  const auto member = lua.members("awaits").at(0);
  args.execution = "5-" + member;
  args.waitpoint = "1.w";
  args.taken = args.gone = true;
  return lua.words<script::SettleEvent>(args);
}

Words awaited(LuaFixture& lua) {
  script::Awaited::Args args;
  args.id = lua.members("awaits").at(0);
  args.step = 1;
  return lua.words<script::Awaited>(args);
}

Words take_relays(LuaFixture& lua) {
  lua.make_due("awaits", lua.members("awaits").at(0));
  lua.make_due("deliveries", "ns/paid/");
  script::TakeRelays::Args args;
  args.limit = 100;
  return lua.words<script::TakeRelays>(args);
}

void add_suspensions(const std::function<void(const char*, const char*, std::function<Words(LuaFixture&)>)>& add) {
  add("suspend again", "suspend", suspend_second);
  add("suspend with early signals", "suspend", suspend_early);
  add("open_waitpoints", "open_waitpoints", open_waitpoints);
  add("signal", "signal", [](LuaFixture& lua) { return signal(lua, false); });
  add("signal and resume", "signal", [](LuaFixture& lua) { return signal(lua, true); });
  add("claim with a resumption", "claim", claim_resumption);
  add("resume", "resume", resume);
  add("waitpoints", "waitpoints", on_suspended<script::Waitpoints>);
  add("signals", "signals", signals);
  add("cancel suspended", "cancel", on_suspended<script::Cancel>);
  add("purge with steps", "purge", purge_suspended);
  add("replay with steps", "replay", replay_suspended);
  for (const char* policy : {"fail", "expire", "resume", "retry"}) {
    add(policy, "run_due", [policy](LuaFixture& lua) { return due_suspension(lua, "suspended", policy); });
  }
  add("run_due waitpoints", "run_due", [](LuaFixture& lua) { return due_suspension(lua, "waitpoints", "resume"); });
  add("publish_event", "publish_event", publish_event);
  add("await_event", "await_event", await_event);
  add("settle_event", "settle_event", settle_event);
  add("awaited", "awaited", awaited);
  add("take_relays", "take_relays", take_relays);
}

Words append_frames(LuaFixture& lua, bool before) {
  const auto lease = lua.held(rich());
  script::TailFrames::Args tail;
  tail.ns = "ns";
  tail.id = lease.id;
  lua.ok<script::TailFrames>(tail);
  if (before) lua.ok<script::AppendFrames>(frames_of(lease, 1));
  return lua.words<script::AppendFrames>(frames_of(lease, before ? 4 : 1));
}

Words publish_frames(LuaFixture& lua) {
  auto args = fenced<script::PublishFrames::Args>(lua.held(rich()));
  args.items.emplace_back().data = "one";
  return lua.words<script::PublishFrames>(args);
}

std::string finished_with_frames(LuaFixture& lua) {
  const auto lease = lua.held(rich());
  lua.ok<script::AppendFrames>(frames_of(lease, 1));
  lua.complete(lease);
  return lease.id;
}

Words read_frames(LuaFixture& lua) {
  auto args = of<script::ReadFrames::Args>(finished_with_frames(lua));
  args.limit = 10;
  return lua.words<script::ReadFrames>(args);
}

Words read_events(LuaFixture& lua) {
  script::ReadEvents::Args args;
  args.cursor = "0-0";
  args.limit = 10;
  args.listen_ms = 1000;
  return lua.words<script::ReadEvents>(args);
}

Words reserve(LuaFixture& lua) {
  script::Reserve::Args args;
  args.ns = "ns";
  args.holder = "waiter";
  args.ttl_ms = 60'000;
  args.items.resize(3);
  const char* names[] = {"q", "b", "undefined"};
  for (std::size_t i = 0; i < 3; ++i) {
    auto& item = args.items[i];
    item.kind = i == 1 ? "budget" : "quota";
    item.name = names[i];
    item.seq = 100;
    item.unit = i == 1 ? "tokens=10" : "slots=1";
    item.count = 1;
    item.starts = i == 0 ? 1 : 0;
  }
  return lua.words<script::Reserve>(args);
}

// What the holder gives back is room for the waiter.
Words keep(LuaFixture& lua) {
  script::Keep::Args args;
  args.ns = "ns";
  args.holder = "holder";
  args.ttl_ms = 60'000;
  args.items.resize(2);
  args.items[0].kind = "quota";
  args.items[0].name = "q";
  args.items[0].hold = "slots=1";
  args.items[0].spare = 1;
  args.items[1].kind = "budget";
  args.items[1].name = "b";
  for (auto& item : args.items) item.seq = 100;
  return lua.words<script::Keep>(args);
}

template <class Args>
Args of_limit(const std::string& kind, const std::string& name) {
  Args args;
  args.ns = "ns";
  args.kind = kind;
  args.name = name;
  return args;
}

Words change_quota(LuaFixture& lua) {
  script::SetQuota::Args args;
  args.ns = "ns";
  args.name = "q";
  args.slots = 5;
  args.period_ms = 1;
  args.burst = 1;
  return lua.words<script::SetQuota>(args);
}

Words pause_quota(LuaFixture& lua) {
  script::PauseQuota::Args args;
  args.ns = "ns";
  args.name = "q";
  args.pause_ms = 1000;
  return lua.words<script::PauseQuota>(args);
}

Words change_budget(LuaFixture& lua) {
  auto args = budget_args(-1, 200);
  args.items.pop_back();
  args.period = "other";
  args.resets = {"1", std::to_string(lua.now() + 1000), std::to_string(lua.now() + 2000)};
  return lua.words<script::SetBudget>(args);
}

Words set_resets(LuaFixture& lua) {
  script::SetResets::Args args;
  args.ns = "ns";
  args.name = "b";
  args.period = "some";
  args.began_at = describe_limit(lua, "budget", "b").began_at;
  args.resets = {std::to_string(lua.now() + 1000), std::to_string(lua.now() + 2000)};
  return lua.words<script::SetResets>(args);
}

// A timer of a limit that is due; a budget's reset is in its record, too.
Words due_limit(LuaFixture& lua, const std::string& timer) {
  if (timer.starts_with("r ")) lua.text({"HSET", lua.key("b:ns/b"), "z", std::to_string(lua.now() - 1000)});
  lua.text({"ZADD", lua.key("limits_due"), std::to_string(lua.now() - 1000), timer});
  script::RunDue::Args args;
  args.limit = 100;
  return lua.words<script::RunDue>(args);
}

template <class Verb>
Words on_limit(LuaFixture& lua, const std::string& kind, const std::string& name) {
  return lua.words<Verb>(of_limit<typename Verb::Args>(kind, name));
}

Words list_limits(LuaFixture& lua) {
  script::ListLimits::Args args;
  args.ns = "ns";
  args.kind = "budget";
  args.limit = 10;
  return lua.words<script::ListLimits>(args);
}

template <class Add>
void add_lanes(const Add& add) {
  add("change_lane", "change_lane", change_lane);
  add("set_lanes", "set_lanes", set_lanes);
  add("set_lanes, a lower cap", "set_lanes", [](LuaFixture& lua) { return set_cap(lua, false); });
  add("set_lanes, no cap any more", "set_lanes", [](LuaFixture& lua) { return set_cap(lua, true); });
  add("claim under a cap", "claim", claim_capped);
  add("lanes", "lanes", [](LuaFixture& lua) {
    lua.command(change_lane(lua));
    return lua.words<script::Lanes>(script::Lanes::Args());
  });
  add("lane_status", "lane_status", [](LuaFixture& lua) {
    script::LaneStatus::Args args;
    args.queue = "ns/lane";
    return lua.words<script::LaneStatus>(args);
  });
  add("explain", "explain", [](LuaFixture& lua) {
    return lua.words<script::Explain>(of<script::Explain::Args>(lua.submit(routed())));
  });
}

std::vector<Scenario> make() {
  std::vector<Scenario> all;
  const auto add = [&all](const char* name, const char* verb, std::function<Words(LuaFixture&)> prepare) {
    all.emplace_back(name, std::string("ff1_") + verb, [prepare](LuaFixture& lua) {
      populate(lua);
      return prepare(lua);
    });
  };
  add("submit", "submit", submit);
  add("claim", "claim", claim);
  add("claim again", "claim", claim_again);
  add("submit alike", "submit", submit_alike);
  add("submit routes", "submit", submit_routes);
  add("claim routes", "claim", claim_routes);
  add("claim that sorts out", "claim", claim_sorting_out);
  add("cancel of one sorted out", "cancel", [](LuaFixture& lua) { return cancel(lua, sorted_out(lua), 0); });
  add("change_priority of one sorted out", "change_priority", [](LuaFixture& lua) {
    auto args = of<script::ChangePriority::Args>(sorted_out(lua));
    args.priority = 9;
    return lua.words<script::ChangePriority>(args);
  });
  add("cancel in a line", "cancel", [](LuaFixture& lua) { return cancel(lua, lua.submit(routed()), 0); });
  add("change_priority of a key", "change_priority", [](LuaFixture& lua) {
    const auto items = routed();
    lua.submit(items);
    auto args = of<script::ChangePriority::Args>(items[1].id);
    args.priority = 9;
    return lua.words<script::ChangePriority>(args);
  });
  add_lanes(add);
  add("complete and claim", "complete", complete);
  add("complete lean", "complete", complete_lean);
  add("fail, retried", "fail", [](LuaFixture& lua) { return fail_with(lua, "internal"); });
  add("fail, for good", "fail", [](LuaFixture& lua) { return fail_with(lua, "not_found"); });
  add("release started", "release", [](LuaFixture& lua) { return release(lua, true); });
  add("release unstarted", "release", [](LuaFixture& lua) { return release(lua, false); });
  add("renew", "renew", renew);
  add("progress", "progress", [](LuaFixture& lua) {
    return lua.words<script::Progress>(fenced<script::Progress::Args>(lua.held(rich())));
  });
  add("cancel ready", "cancel", [](LuaFixture& lua) { return cancel(lua, lua.submit(rich()), 0); });
  add("cancel active", "cancel", [](LuaFixture& lua) { return cancel(lua, lua.held(rich()).id, 0); });
  add("cancel with grace", "cancel", [](LuaFixture& lua) { return cancel(lua, lua.held(rich()).id, 5'000); });
  add("change_priority", "change_priority", on_ready<script::ChangePriority>);
  add("replay", "replay", on_finished<script::Replay>);
  add("replay with frames", "replay", [](LuaFixture& lua) {
    return lua.words<script::Replay>(of<script::Replay::Args>(finished_with_frames(lua)));
  });
  add("append_frames, the first", "append_frames", [](LuaFixture& lua) { return append_frames(lua, false); });
  add("append_frames, more", "append_frames", [](LuaFixture& lua) { return append_frames(lua, true); });
  add("publish_frames", "publish_frames", publish_frames);
  add("tail_frames", "tail_frames", on_ready<script::TailFrames>);
  add("read_frames", "read_frames", read_frames);
  add("read_events", "read_events", read_events);
  add("purge", "purge", on_finished<script::Purge>);
  add("watch", "watch", on_ready<script::Watch>);
  for (const char* index : {"delayed", "active", "timeouts", "deadlines", "completed"}) {
    all.emplace_back(std::string("run_due ") + index, "ff1_run_due", [index](LuaFixture& lua) {
      populate(lua);
      return due(lua, index);
    });
  }
  add("run_due handoffs", "run_due", handoff);
  add("pass_wake", "pass_wake", pass_wake);
  add("leave", "leave", leave);
  add("join", "join", join);
  add("quit", "quit", quit);
  add("open", "open", open);
  add("key_ring", "key_ring", [](LuaFixture& lua) { return lua.words<script::KeyRing>(script::KeyRing::Args()); });
  add("set_key_ring", "set_key_ring", set_key_ring);
  add("version", "version", [](LuaFixture& lua) { return lua.words<script::Version>(script::Version::Args()); });
  add("describe", "describe", on_finished<script::Describe>);
  add("payload", "payload", on_finished<script::Payload>);
  add("result", "result", on_finished<script::Result>);
  add("list", "list", list);
  add_suspensions(add);
  add("reserve", "reserve", reserve);
  add("keep", "keep", keep);
  add("set_quota", "set_quota", change_quota);
  add("pause_quota", "pause_quota", pause_quota);
  add("set_budget", "set_budget", change_budget);
  add("set_resets", "set_resets", set_resets);
  add("report_usage", "report_usage", [](LuaFixture& lua) { return lua.words<script::ReportUsage>(usage("new")); });
  for (const char* timer : {"h u:ns/q holder", "h b:ns/b holder", "w u:ns/q", "r b:ns/b"}) {
    add("run_due of a limit", "run_due", [timer](LuaFixture& lua) { return due_limit(lua, timer); });
  }
  add("drop_limit", "drop_limit", [](LuaFixture& lua) { return on_limit<script::DropLimit>(lua, "budget", "b"); });
  add("describe_limit", "describe_limit",
      [](LuaFixture& lua) { return on_limit<script::DescribeLimit>(lua, "quota", "q"); });
  add("list_limits", "list_limits", list_limits);
  add("count", "count", [](LuaFixture& lua) { return lua.words<script::Count>(script::Count::Args()); });
  return all;
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = make();
  return all;
}

}  // namespace ff::test
