// What handlers see, what they may return, and how that ends an attempt.

#include <boost/asio/thread_pool.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <stdexcept>
#include <thread>

#include "ff/core/limits.hpp"
#include "integration/worker_fixture.hpp"

using namespace ff;
using namespace ff::test;
namespace asio = boost::asio;

namespace {

core::Policy once() {
  core::Policy policy;
  policy.retry.max_attempts = 1;
  return policy;
}

sdk::HandlerResult echo(sdk::Task& task) { return core::Payload(task.payload().bytes + "!", "text/plain"); }

asio::awaitable<sdk::HandlerResult> echo_async(sdk::Task& task) { co_return echo(task); }

asio::awaitable<sdk::HandlerResult> throw_async(sdk::Task&) {
  throw std::runtime_error("broken inside");
  co_return core::Payload();
}

asio::awaitable<sdk::HandlerResult> throw_before(sdk::Task&) { throw std::runtime_error("early"); }

}  // namespace

TEST_CASE("plain functions and coroutines run, and their results arrive with type and bytes") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  auto worker = setup.worker(worker_options(), [](sdk::Worker& w) {
    w.handle("plain", echo);
    w.handle_async("coroutine", echo_async);
  });
  const std::string bytes("\0binary\r\n\xff", 10);

  for (const auto* kind : {"plain", "coroutine"}) {
    const auto id = setup.submit(sdk::Submission(kind, core::Payload(bytes, "image/png")));
    const auto end = setup.good(setup.client->wait(id, core::Deadline::in(10s)));
    CHECK(end.state == core::State::completed);
    CHECK(end.result.bytes == bytes + "!");
    CHECK(end.result.content_type == "text/plain");
    CHECK(setup.look(id).attempt == 1);
  }
}

TEST_CASE("a task tells all that a handler needs") {
  WorkerSetup setup;
  core::Tags tags;
  tags["color"] = "red";
  sdk::Submission job("look", core::Payload("p", "text/plain"));
  job.lane = "side";
  job.tags = tags;
  auto wanted = worker_options();
  wanted.lanes.push_back("side");
  std::vector<std::string> seen;
  auto worker = setup.worker(wanted, [&](sdk::Worker& w) {
    w.handle("look", [&](sdk::Task& task) -> sdk::HandlerResult {
      seen = {task.id().str(), task.kind(), task.queue()};
      seen.insert(seen.end(), {task.payload().bytes, task.payload().content_type, task.tags()});
      CHECK(task.attempt() == 1);
      CHECK(task.generation() == 0);
      CHECK(task.failures() == 0);
      CHECK(task.epoch() > 0);
      CHECK(task.ready_at() >= task.created_at());
      CHECK_FALSE(task.stop_token().stop_requested());
      return core::Payload();
    });
  });

  const auto id = setup.submit(std::move(job));
  setup.good(setup.client->wait(id, core::Deadline::in(10s)));

  CHECK(seen == std::vector<std::string>{id.str(), "look", "default/side", "p", "text/plain", R"({"color":"red"})"});
}

TEST_CASE("plain functions run on the executor they were given, beside the worker's own thread") {
  WorkerSetup setup;
  asio::thread_pool pool(4);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  auto wanted = worker_options(16);
  wanted.handler_executor = pool.get_executor();
  auto worker = setup.worker(wanted, [&](sdk::Worker& w) {
    w.handle("work", [&](sdk::Task& task) -> sdk::HandlerResult {
      std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
      return core::Payload(task.id().str());
    });
  });

  const auto ids = setup.submit_count("work", 200);

  REQUIRE(setup.until([&] { return (*worker)->stats().completed == ids.size(); }));
  for (const auto& id : ids) REQUIRE(setup.result_of(id) == id.str());
  CHECK(threads.count(std::this_thread::get_id()) == 0);
  worker.reset();
  pool.join();
}

TEST_CASE("no more handlers run at once than allowed, and prefetched ones wait beside them") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  Gate gate(setup.context);
  auto wanted = worker_options(4);
  wanted.prefetch = 3;
  const auto ids = setup.submit_count("wait", 20);

  auto worker = setup.worker(wanted, [&](sdk::Worker& w) { w.handle_async("wait", gate.handler()); });
  REQUIRE(setup.until([&] { return (*worker)->stats().claimed == 7; }));
  CHECK(setup.until([&] { return gate.waiting() == 4; }));
  CHECK((*worker)->stats().prefetched == 3);
  CHECK(setup.in_state(core::State::active) == 7);
  gate.open();

  REQUIRE(setup.until([&] { return (*worker)->stats().completed == ids.size(); }));
  CHECK(gate.waiting_max() == 4);
}

TEST_CASE("what a handler throws fails the attempt as a crash, with its text") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(), [](sdk::Worker& w) {
    w.handle("plain", [](sdk::Task&) -> sdk::HandlerResult { throw std::runtime_error("broken"); });
    w.handle("no_exception", [](sdk::Task&) -> sdk::HandlerResult { throw 7; });
    w.handle_async("coroutine", throw_async);
    w.handle_async("before", throw_before);
  });

  const std::map<std::string, std::string> texts = {
      {"plain", "broken"}, {"no_exception", "std::exception"}, {"coroutine", "broken inside"}, {"before", "early"}};
  for (const auto& [kind, text] : texts) {
    const auto id = setup.submit_kind(kind, once());
    const auto end = setup.good(setup.client->wait(id, core::Deadline::in(10s)));
    CHECK(end.state == core::State::failed);
    CHECK(end.failure_class == "crash");
    CHECK(end.text.find(text) != std::string::npos);
    CHECK(setup.look(id).crashes == 0);  // A lease that ran out is another thing.
  }
}

TEST_CASE("an execution without handler here fails as unavailable, and a worker that has the handler takes it") {
  WorkerSetup setup;
  core::Policy policy;
  policy.retry.delay = core::Millis(1);
  policy.retry.max_attempts = 1000;
  policy.retry.max_delay = core::Millis(5);
  auto lacking = setup.worker(worker_options(), [](sdk::Worker& w) { w.handle("other", echo); });
  const auto id = setup.submit_kind("rare", policy);
  REQUIRE(setup.until([&] { return (*lacking)->stats().retried >= 1; }));
  CHECK(setup.look(id).failure_class == "unavailable");
  CHECK(setup.look(id).text.find("no handler for kind rare") != std::string::npos);

  auto having = setup.worker(worker_options(), [](sdk::Worker& w) { w.handle("rare", echo); });

  CHECK(setup.good(setup.client->wait(id, core::Deadline::in(20s))).state == core::State::completed);
}

TEST_CASE("what cannot be stored is named: a result too large, a wrong content type, a wrong failure class") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(), [](sdk::Worker& w) {
    w.handle("large", [](sdk::Task&) -> sdk::HandlerResult {
      return core::Payload(std::string(core::limits::kPayloadBytes + 1, 'x'));
    });
    w.handle("type", [](sdk::Task&) -> sdk::HandlerResult { return core::Payload("x", "no type"); });
    w.handle("class", [](sdk::Task&) -> sdk::HandlerResult { return sdk::Failure("Not A Class", "why"); });
    w.handle("long_text", [](sdk::Task&) -> sdk::HandlerResult {
      return sdk::Failure("mine", std::string(100'000, 'y'));
    });
  });

  const auto end_of = [&](const std::string& kind) {
    return setup.good(setup.client->wait(setup.submit_kind(kind, once()), core::Deadline::in(10s)));
  };
  const auto large = end_of("large"), type = end_of("type"), wrong = end_of("class"), longer = end_of("long_text");

  CHECK(large.failure_class == "internal");
  CHECK(large.text.find("result") != std::string::npos);
  CHECK(type.failure_class == "internal");
  CHECK(type.text.find("content_type") != std::string::npos);
  CHECK(wrong.failure_class == "internal");
  CHECK(wrong.text.starts_with("why ("));
  CHECK(longer.failure_class == "mine");
  CHECK(longer.text == std::string(core::limits::kErrorTextBytes, 'y'));
}

TEST_CASE("the largest result is taken, many at once too") {
  WorkerSetup setup(Store::standalone, 1);
  const std::string largest(core::limits::kPayloadBytes, 'z');
  auto worker = setup.worker(worker_options(16), [&](sdk::Worker& w) {
    w.handle("large", [&](sdk::Task&) -> sdk::HandlerResult { return core::Payload(largest); });
  });

  const auto ids = setup.submit_count("large", 16);

  REQUIRE(setup.until([&] { return (*worker)->stats().completed == ids.size(); }));
  for (const auto& id : ids) REQUIRE(setup.result_of(id) == largest);
  CHECK((*worker)->stats().lost == 0);
}

TEST_CASE("a failure is retried by class and at the time the handler wishes") {
  WorkerSetup setup;
  core::Policy policy;
  policy.retry.delay = core::Millis(3'600'000);  // Not what is waited for.
  policy.retry.max_delay = core::Millis(3'600'000);
  core::TimestampMs failed_at = 0, began_again_at = 0;
  auto worker = setup.worker(worker_options(), [&](sdk::Worker& w) {
    w.handle("limited", [&](sdk::Task& task) -> sdk::HandlerResult {
      if (task.attempt() > 1) return core::Payload(std::to_string(task.failures()));
      sdk::Failure failure(core::failure_class::kRateLimited, "slower, please");
      failure.retry_after = core::Millis(120);
      return failure;
    });
    w.handle("wrong", [](sdk::Task&) -> sdk::HandlerResult {
      sdk::Failure failure(core::failure_class::kInvalidInput, "never");
      failure.retry_after = core::Millis(1);
      return failure;
    });
  });

  const auto limited = setup.submit_kind("limited", policy), wrong = setup.submit_kind("wrong", policy);
  REQUIRE(setup.until([&] { return (*worker)->stats().retried == 1; }));
  const auto waiting = setup.look(limited);
  if (waiting.state == "delayed") failed_at = waiting.timer_at - 120;
  const auto end = setup.good(setup.client->wait(limited, core::Deadline::in(10s)));
  began_again_at = setup.look(limited).began_at;

  CHECK(end.state == core::State::completed);
  CHECK(end.result.bytes == "1");
  CHECK(began_again_at - failed_at >= 120);
  const auto refused = setup.good(setup.client->wait(wrong, core::Deadline::in(10s)));
  CHECK(refused.state == core::State::failed);
  CHECK(setup.look(wrong).attempt == 1);
}

TEST_CASE("an execution given back by its handler spends the attempt and counts no failure") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(), [](sdk::Worker& w) {
    w.handle("shy", [](sdk::Task& task) -> sdk::HandlerResult {
      if (task.attempt() == 3) return core::Payload("at last");
      sdk::Released released;
      released.reason = "not now";
      released.delay = core::Millis(5);
      return released;
    });
  });

  const auto id = setup.submit_kind("shy", once());
  const auto end = setup.good(setup.client->wait(id, core::Deadline::in(10s)));

  CHECK(end.state == core::State::completed);
  CHECK(setup.look(id).failures == 0);
  CHECK((*worker)->stats().released == 2);
}

TEST_CASE("progress arrives, the last one wins, and what is out of range is cut") {
  WorkerSetup setup;
  Gate gate(setup.context);
  auto worker = setup.worker(worker_options(), [&](sdk::Worker& w) {
    auto wait = gate.handler();
    w.handle_async("slow", [wait](sdk::Task& task) {
      for (int percent = 1; percent <= 50; ++percent) task.progress(percent, "step " + std::to_string(percent));
      task.progress(1000, std::string(5000, 'm'));
      return wait(task);
    });
  });
  const auto id = setup.submit_kind("slow");

  REQUIRE(setup.until([&] { return setup.look(id).percent == 100; }));
  CHECK(setup.look(id).message == std::string(core::limits::kProgressTextBytes, 'm'));
  CHECK(setup.look(id).progress_at > 0);
  gate.open();

  CHECK(setup.good(setup.client->wait(id, core::Deadline::in(10s))).state == core::State::completed);
}

TEST_CASE("a worker with options out of range is refused before anything is claimed") {
  WorkerSetup setup;
  const auto id = setup.submit_kind("work");
  const auto refused = [&](const std::function<void(sdk::WorkerOptions&)>& change) {
    auto options = worker_options();
    change(options);
    sdk::Worker worker(setup.client->deployment(), options);
    worker.handle("work", echo);
    return setup.refusal(worker.run());
  };

  CHECK(refused([](auto& o) { o.concurrency = 0; }) == "invalid_argument/bad_option");
  CHECK(refused([](auto& o) { o.concurrency = 5000; }) == "invalid_argument/bad_option");
  CHECK(refused([](auto& o) { o.prefetch = 5000; }) == "invalid_argument/bad_option");
  CHECK(refused([](auto& o) { o.lease = core::Millis(99); }) == "invalid_argument/bad_option");
  CHECK(refused([](auto& o) { o.call_timeout = core::Millis(0); }) == "invalid_argument/bad_option");
  CHECK(refused([](auto& o) { o.lanes.clear(); }) == "invalid_argument/bad_option");
  CHECK(refused([](auto& o) { o.lanes = {"UPPER"}; }) == "invalid_argument/bad_lane");
  CHECK(refused([](auto& o) { o.ns = "no/slash"; }) == "invalid_argument/bad_namespace");
  CHECK(refused([](auto& o) { o.name = "two words"; }) == "invalid_argument/bad_worker");
  sdk::Worker without_handlers(setup.client->deployment(), worker_options());
  CHECK(setup.refusal(without_handlers.run()) == "invalid_argument/bad_option");
  CHECK(setup.look(id).state == "ready");
}

TEST_CASE("places may change while a worker runs, and a handler may be for any kind") {
  WorkerSetup setup;
  Gate gate(setup.context);
  std::size_t ended = 0;
  setup.submit_count("this", 6);
  auto worker = setup.worker(worker_options(4), [&](sdk::Worker& w) {
    w.handle_any(gate.handler());
    w.handle("this", [&](sdk::Task&) -> sdk::HandlerResult {
      ++ended;
      return core::Payload();
    });
  });
  REQUIRE(setup.until([&] { return ended == 6; }));
  setup.submit_count("that", 6);
  REQUIRE(setup.until([&] { return gate.waiting() == 4; }));

  (*worker)->set_concurrency(5);
  REQUIRE(setup.until([&] { return gate.waiting() == 5; }));
  (*worker)->set_concurrency(0);
  gate.open();
  REQUIRE(setup.until([&] { return setup.in_state(core::State::completed) == 11; }));
  CHECK(setup.in_state(core::State::ready) == 1);
  (*worker)->set_concurrency(1);

  CHECK(setup.until([&] { return setup.in_state(core::State::completed) == 12; }));
}

TEST_CASE("what is given back unstarted spends no attempt, and what is detached is left to who has the lease") {
  WorkerSetup setup;
  const auto id = setup.submit_kind("back");
  const auto held = setup.submit_kind("held");
  std::vector<std::int64_t> attempts;
  auto worker = setup.worker(worker_options(2), [&](sdk::Worker& w) {
    w.handle("back", [&](sdk::Task& task) -> sdk::HandlerResult {
      attempts.push_back(task.attempt());
      if (attempts.size() < 3) return sdk::Unstarted();
      return core::Payload();
    });
    w.handle("held", [](sdk::Task&) -> sdk::HandlerResult { return sdk::Detached(); });
  });

  REQUIRE(setup.until_state(id, core::State::completed));
  CHECK(attempts == std::vector<std::int64_t>{1, 1, 1});
  CHECK(setup.look(held).state == "active");
}
