// Handlers that suspend, wait for signals, events or a time, and go on; from Client's side and from a worker's.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdio>

#include "integration/worker_fixture.hpp"

using namespace ff;
using namespace ff::test;
using std::chrono::steady_clock;
using By = core::Resumption::By;

namespace {

// Suspends until two different people approve, then returns their names.
sdk::HandlerResult approval(sdk::Task& task) {
  if (!task.resumption()) {
    core::Waitpoint waitpoint("approval");
    waitpoint.names = {"approve", "reject"};
    return sdk::Suspend(core::any_of(core::named("reject"), core::named("approve").times(2).distinct()))
        .at(std::move(waitpoint))
        .keeping("asked");
  }
  std::string all = task.resumption()->kept;
  for (const auto& signal : task.resumption()->signals) all += " " + signal.source + ":" + signal.payload.bytes;
  return core::Payload(all);
}

sdk::HandlerResult sleeper(sdk::Task& task) {
  if (!task.resumption()) return sdk::durable_sleep(core::Millis(300), "slept");
  CHECK(task.resumption()->by == By::timeout);
  return core::Payload(task.resumption()->kept);
}

sdk::HandlerResult buyer(sdk::Task& task) {
  if (!task.resumption()) return sdk::wait_event("payment", task.payload().bytes);
  return task.resumption()->signals.at(0).payload;
}

void add_handlers(sdk::Worker& worker) {
  worker.handle("approval", approval);
  worker.handle("sleeper", sleeper);
  worker.handle("buyer", buyer);
}

core::Signal from(std::string source, std::string name, std::string text, std::string id = {}) {
  core::Signal signal(std::move(name), core::Payload(std::move(text), "text/plain"));
  signal.source = std::move(source);
  signal.id = std::move(id);
  return signal;
}

core::Event payment(std::string order, std::string text, std::string id = {}) {
  core::Event event("payment", std::move(order));
  event.payload = core::Payload(std::move(text));
  event.id = std::move(id);
  return event;
}

engine::TimersOptions engine_options() {
  engine::TimersOptions options;
  options.server = "engine";
  return options;
}

}  // namespace

TEST_CASE("a handler waits for two of its approvers in one line, and goes on with what they sent") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  auto worker = setup.worker(worker_options(1), add_handlers);
  const auto id = setup.submit_kind("approval");
  REQUIRE(setup.until_state(id, core::State::suspended));
  CHECK((*worker)->stats().running == 0);
  const auto waiting = setup.good(setup.client->waitpoints(id));
  REQUIRE(waiting.waitpoints.size() == 1);
  CHECK(waiting.waitpoints[0].name == "1.approval");
  CHECK(waiting.on_timeout == core::OnTimeout::fail);

  auto answer = setup.good(setup.client->signal(id, "1.approval", from("alice", "approve", "yes", "a")));
  CHECK_FALSE(answer.resumed);
  answer = setup.good(setup.client->signal(id, "1.approval", from("alice", "approve", "yes", "a")));
  CHECK(answer.duplicate);
  CHECK_FALSE(setup.good(setup.client->signal(id, "1.approval", from("alice", "approve", "again"))).resumed);
  CHECK(setup.good(setup.client->signal(id, "1.approval", from("bob", "approve", "fine"))).resumed);

  const auto end = setup.good(setup.client->wait(id, core::Deadline::in(10s)));
  CHECK(end.result.bytes == "asked alice:yes alice:again bob:fine");
  CHECK(setup.look(id).attempt == 1);
  CHECK((*worker)->stats().suspended == 1);
  answer = setup.good(setup.client->signal(id, "1.approval", from("alice", "approve", "yes", "a")));
  CHECK(answer.duplicate);
}

TEST_CASE("a suspension sleeps for its time, without a worker slot, and an engine wakes it") {
  WorkerSetup setup;
  auto engine = setup.engine(engine_options());
  auto worker = setup.worker(worker_options(1), add_handlers);

  const auto id = setup.submit_kind("sleeper");

  const auto end = setup.good(setup.client->wait(id, core::Deadline::in(10s)));
  CHECK(end.state == core::State::completed);
  CHECK(end.result.bytes == "slept");
}

TEST_CASE("an event reaches who waits for its name and key, before and after it was published") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  auto worker = setup.worker(worker_options(4), add_handlers);
  CHECK(setup.good(setup.client->publish_event(payment("early", "5 EUR"))).delivered == 0);
  const auto early = setup.submit(sdk::Submission("buyer", core::Payload("early")));
  const auto late = setup.submit(sdk::Submission("buyer", core::Payload("late")));
  const auto other = setup.submit(sdk::Submission("buyer", core::Payload("other")));
  CHECK(setup.good(setup.client->wait(early, core::Deadline::in(10s))).result.bytes == "5 EUR");
  REQUIRE(setup.until_state(late, core::State::suspended));
  REQUIRE(setup.until([&] { return (*worker)->stats().suspended == 3; }));
  setup.let_pass(100ms);

  const auto published = setup.good(setup.client->publish_event(payment("late", "9 EUR", "p1")));

  CHECK(published.delivered == 1);
  CHECK(setup.good(setup.client->wait(late, core::Deadline::in(10s))).result.bytes == "9 EUR");
  CHECK(setup.good(setup.client->publish_event(payment("late", "9 EUR", "p1"))).duplicate);
  CHECK(setup.good(setup.client->describe(other)).state == core::State::suspended);
}

TEST_CASE("an event whose publisher dies before it is delivered is delivered by the engine") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  auto worker = setup.worker(worker_options(4), add_handlers);
  const auto id = setup.submit(sdk::Submission("buyer", core::Payload("order")));
  REQUIRE(setup.until([&] { return (*worker)->stats().suspended == 1; }));
  setup.let_pass(100ms);
  FaultyClient publisher(setup);
  publisher.faults->refuse("ff1_signal");
  CHECK(setup.good(publisher.client->publish_event(payment("order", "3 EUR"))).delivered == 0);
  CHECK(setup.good(setup.client->describe(id)).state == core::State::suspended);

  auto engine = setup.engine(engine_options());

  CHECK(setup.good(setup.client->wait(id, core::Deadline::in(15s))).result.bytes == "3 EUR");
  CHECK((*engine)->stats().items.at("event_relay") >= 1);
}

TEST_CASE("a wait whose worker dies before it was registered is registered by the engine") {
  WorkerSetup setup;
  const auto id = setup.submit(sdk::Submission("default", core::Payload("order")));
  const auto held = setup.claim(id);
  script::Suspend::Args args;
  args.id = id.ulid().str();
  args.lease = held.lease;
  args.epoch = std::to_string(held.row.epoch);
  args.condition = "{}";
  args.on_timeout = "fail";
  args.items.emplace_back();
  args.items[0].label = "event";
  args.items[0].event = "payment";
  args.items[0].key = "order";
  auto suspended = setup.run(setup.client->deployment()->call<script::Suspend>(id.partition(), args,
                                                                               core::Deadline::in(5s)));
  REQUIRE(suspended);
  CHECK(setup.good(setup.client->publish_event(payment("order", "3 EUR"))).delivered == 0);

  auto engine = setup.engine(engine_options());

  CHECK(setup.until_state(id, core::State::ready));
}

TEST_CASE("what a resumed worker was given is given again when it dies") {
  WorkerSetup setup;
  auto engine = setup.engine(engine_options());
  auto doomed = setup.worker(worker_options(1, core::Millis(1000)), add_handlers);
  const auto id = setup.submit_kind("approval");
  REQUIRE(setup.until_state(id, core::State::suspended));
  doomed->vanish();
  setup.good(setup.client->signal(id, "1.approval", from("carol", "reject", "no")));
  const auto held = setup.claim(id, "default", 300);
  CHECK_FALSE(held.row.resumption.empty());

  auto heir = setup.worker(worker_options(1), add_handlers);

  const auto end = setup.good(setup.client->wait(id, core::Deadline::in(15s)));
  CHECK(end.result.bytes == "asked carol:no");
  CHECK(setup.look(id).attempt == 2);
}

TEST_CASE("a lost reply to a suspension or a signal changes nothing") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(1), add_handlers);
  const auto id = setup.submit_kind("approval");
  REQUIRE(setup.until_state(id, core::State::suspended));
  FaultyClient sender(setup);
  sender.faults->lose_reply("ff1_signal");

  const auto answer = setup.good(sender.client->signal(id, "1.approval", from("carol", "reject", "no")));

  CHECK(answer.resumed);
  CHECK_FALSE(answer.duplicate);
  CHECK(setup.good(setup.client->wait(id, core::Deadline::in(10s))).result.bytes == "asked carol:no");
}

TEST_CASE("waitpoints opened before the suspension take what comes early") {
  WorkerSetup setup;
  std::vector<std::string> names;
  Gate gate(setup.context);
  auto worker = setup.worker(worker_options(1), [&](sdk::Worker& w) {
    w.handle_async("early", [&](sdk::Task& task) -> boost::asio::awaitable<sdk::HandlerResult> {
      if (task.resumption()) co_return core::Payload(task.resumption()->signals.at(0).payload);
      std::vector<core::Waitpoint> wanted;
      wanted.emplace_back("callback");
      auto opened = co_await task.open_waitpoints(std::move(wanted));
      if (opened) names = *opened;
      co_await gate.pass();
      co_return sdk::Suspend(core::any_signal().at("callback"));
    });
  });
  const auto id = setup.submit_kind("early");
  REQUIRE(setup.until([&] { return gate.waiting() == 1; }));
  REQUIRE(names == std::vector<std::string>{"1.callback"});
  CHECK_FALSE(setup.good(setup.client->signal(id, names[0], from("", "hello", "early"))).resumed);

  gate.open();

  CHECK(setup.good(setup.client->wait(id, core::Deadline::in(10s))).result.bytes == "early");
}

TEST_CASE("a suspension that breaks its rules fails the attempt by name") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(1), [](sdk::Worker& w) {
    w.handle("invalid", [](sdk::Task&) -> sdk::HandlerResult { return sdk::Suspend(core::any_signal().times(0)); });
    w.handle("unknown", [](sdk::Task&) -> sdk::HandlerResult { return sdk::Suspend(core::any_signal().at("no")); });
  });
  core::Policy once;
  once.retry.max_attempts = 1;
  const std::pair<const char*, const char*> cases[] = {{"invalid", "condition.count is 0"},
                                                       {"unknown", "unknown_waitpoint"}};
  for (const auto& [kind, text] : cases) {
    const auto id = setup.submit_kind(kind, once);
    const auto end = setup.good(setup.client->wait(id, core::Deadline::in(10s)));
    CHECK(end.state == core::State::failed);
    CHECK(end.failure_class == "internal");
    CHECK(end.text.find(text) != std::string::npos);
  }
}

TEST_CASE("Client refuses signals, resumes and events by name") {
  WorkerSetup setup;
  auto& client = *setup.client;
  const auto id = setup.submit();
  CHECK(setup.refusal(client.signal(id, "1.w", core::Signal(""))) == "invalid_argument/bad_signal");
  CHECK(setup.refusal(client.signal(id, "w", core::Signal("go"))) == "invalid_argument/bad_waitpoint");
  CHECK(setup.refusal(client.signal(id, "1.w", core::Signal("go"))) == "not_found/no_such_waitpoint");
  const core::ExecutionId nowhere(1023, id.ulid());
  CHECK(setup.refusal(client.signal(nowhere, "1.w", core::Signal("go"))) == "not_found/not_found");
  CHECK(setup.refusal(client.resume(nowhere)) == "not_found/not_found");
  CHECK(setup.refusal(client.waitpoints(nowhere)) == "not_found/not_found");
  CHECK(setup.refusal(client.signals(nowhere, 1, 1)) == "not_found/not_found");
  CHECK(setup.refusal(client.resume(id)) == "conflict/not_suspended");
  CHECK(setup.refusal(client.resume(id, 3)) == "conflict/other_step");
  CHECK(setup.refusal(client.signals(id, 1, 1)) == "not_found/no_such_step");
  CHECK(setup.refusal(client.publish_event(core::Event("a/b", "k"))) == "invalid_argument/bad_event");
  const auto foreign = client.in_namespace("other");
  CHECK(setup.refusal(foreign.waitpoints(id)) == "not_found/not_found");
}

TEST_CASE("a broadcast reaches those with the tag, once, page by page") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(8), add_handlers);
  const std::pair<std::string, std::string> tags[] = {{"team", "red"},        {"team", "red"}, {"team", "blue"},
                                                      {"note", "\"team\":\"red\""}, {"zone", "1"},   {"team", "red"}};
  std::vector<core::ExecutionId> ids;
  for (const auto& [key, value] : tags) {
    sdk::Submission job(ids.size() == 5 ? "sleeper" : "approval");
    job.tags[key] = value;
    if (ids.size() == 1) job.tags["a"] = "first";
    ids.push_back(setup.submit(job));
  }
  REQUIRE(setup.until([&] { return (*worker)->stats().suspended == ids.size(); }));
  sdk::Broadcast wanted;
  wanted.tag = "team";
  wanted.value = "red";
  wanted.label = "approval";
  wanted.signal = from("ops", "reject", "stop");
  CHECK(setup.refusal(setup.client->broadcast(wanted)) == "invalid_argument/bad_signal");
  wanted.signal.id = "stop-1";
  wanted.limit = 2;
  std::set<std::string> reached;
  do {
    auto page = setup.good(setup.client->broadcast(wanted));
    for (const auto& one : page.reached) {
      REQUIRE(one.answer);
      CHECK(one.answer->resumed);
      CHECK(reached.insert(one.id.str()).second);
    }
    wanted.cursor = page.cursor;
  } while (!wanted.cursor.empty());

  CHECK(reached == std::set<std::string>{ids[0].str(), ids[1].str()});
}

TEST_CASE("an operator resumes, and the handler is told so") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(1), [](sdk::Worker& w) {
    w.handle("wait", [](sdk::Task& task) -> sdk::HandlerResult {
      if (!task.resumption()) return sdk::Suspend(core::any_signal());
      return core::Payload(task.resumption()->by == By::by_operator ? "by hand" : "otherwise");
    });
  });
  const auto id = setup.submit_kind("wait");
  REQUIRE(setup.until_state(id, core::State::suspended));
  CHECK(setup.good(setup.client->waitpoints(id)).waitpoints.at(0).name == "1.default");

  setup.good(setup.client->resume(id));

  CHECK(setup.good(setup.client->wait(id, core::Deadline::in(10s))).result.bytes == "by hand");
}

TEST_CASE("from a signal to the running handler it takes about a round trip") {
  WorkerSetup setup;
  steady_clock::time_point running;
  auto worker = setup.worker(worker_options(1), [&](sdk::Worker& w) {
    w.handle("wait", [&](sdk::Task& task) -> sdk::HandlerResult {
      running = steady_clock::now();
      if (task.resumption() && task.resumption()->step == 100) return core::Payload();
      return sdk::Suspend(core::any_signal());
    });
  });
  const auto id = setup.submit_kind("wait");
  std::vector<std::int64_t> took;
  for (int step = 1; step <= 100; ++step) {
    REQUIRE(setup.until([&] { return (*worker)->stats().suspended == static_cast<std::uint64_t>(step); }));
    const auto sent = steady_clock::now();
    setup.good(setup.client->signal(id, std::to_string(step) + ".default", core::Signal("go")));
    REQUIRE(setup.until([&] { return running > sent; }));
    took.push_back(std::chrono::duration_cast<std::chrono::microseconds>(running - sent).count());
  }
  std::printf("signal to running: p50 %ld us, p99 %ld us\n", percentile(took, 0.5), percentile(took, 0.99));
}
