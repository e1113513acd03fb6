// Leases are kept alive in batches; a handler learns when its own ends, is cancelled, or runs too long.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "integration/worker_fixture.hpp"

using namespace ff;
using namespace ff::test;

namespace {

// What handlers of the tests below have seen of their stop token.
struct Seen {
  int begun = 0, stopped = 0;
  std::int64_t attempt = 0;
};

sdk::Worker::Coroutine watched(Gate& gate, Seen& seen) {
  auto wait = gate.handler();
  return [wait, &seen](sdk::Task& task) {
    ++seen.begun;
    seen.attempt = task.attempt();
    // Runs when the token fires, or never: the task dies with the handler.
    using Callback = std::stop_callback<std::function<void()>>;
    auto note = std::make_shared<Callback>(task.stop_token(), [&seen] { ++seen.stopped; });
    return [](sdk::Worker::Coroutine inner, sdk::Task& t, std::shared_ptr<void> kept)
               -> boost::asio::awaitable<sdk::HandlerResult> {
      auto result = co_await inner(t);
      kept.reset();
      co_return result;
    }(wait, task, note);
  };
}

// The lease of an execution runs out now: as if its worker had not been heard of for that long.
void end_lease(WorkerSetup& setup, const core::ExecutionId& id) {
  const auto& keys = setup.client->deployment()->keys();
  setup.cli(id.partition(), {"ZADD", keys.index(id.partition(), core::State::active), "XX", "1", id.ulid().str()});
  script::RunDue::Args args;
  args.limit = 100;
  setup.good(setup.client->deployment()->call<script::RunDue>(id.partition(), args, core::Deadline::in(5s)));
}

}  // namespace

TEST_CASE("batched renewals keep long tasks alive past several leases, while another worker would take them") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  Gate gate(setup.context);
  constexpr core::Millis kLease{300};
  const auto ids = setup.submit_count("long", 30);
  const auto prepare = [&](sdk::Worker& w) { w.handle_async("long", gate.handler()); };
  auto worker = setup.worker(worker_options(30, kLease), prepare);
  REQUIRE(setup.until([&] { return gate.waiting() == ids.size(); }));
  auto vulture = setup.worker(worker_options(30, kLease), prepare);
  const auto calls_before = setup.calls();

  setup.let_pass(5 * kLease);

  // 8 partitions, three renewals a lease, five leases; the looks of the idle one come on top. Not one call for each
  // task.
  const auto calls = setup.calls() - calls_before;
  CHECK(calls >= 8 * 10);
  CHECK(calls <= 8 * 3 * 5 + 8 * 16);
  gate.open();
  REQUIRE(setup.until([&] { return (*worker)->stats().completed == ids.size(); }));
  CHECK((*worker)->stats().lost == 0);
  CHECK((*vulture)->stats().claimed == 0);
  for (const auto& id : ids) CHECK(setup.look(id).attempt == 1);
}

TEST_CASE("a cancel fires the stop token at once and ends the execution, whatever the handler returns") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  Gate gate(setup.context);
  Seen seen;
  auto worker = setup.worker(worker_options(), [&](sdk::Worker& w) { w.handle_async("wait", watched(gate, seen)); });
  const auto id = setup.submit_kind("wait");
  REQUIRE(setup.until([&] { return seen.begun == 1; }));

  const auto asked_at = std::chrono::steady_clock::now();
  CHECK(setup.good(setup.client->cancel(id, core::Millis(0), "no longer needed")).state == core::State::cancelled);
  REQUIRE(setup.until([&] { return seen.stopped == 1; }));

  CHECK(std::chrono::steady_clock::now() - asked_at < 1s);  // Told, not found out by a renewal.
  CHECK(setup.until([&] { return (*worker)->stats().lost == 1 && (*worker)->stats().running == 0; }));
  CHECK(setup.look(id).state == "cancelled");
  CHECK((*worker)->stats().failed == 0);
}

TEST_CASE("a cancel with grace asks the handler to end, and what it returns in time counts") {
  WorkerSetup setup;
  Gate gate(setup.context);
  Seen seen;
  auto wait = watched(gate, seen);
  auto worker = setup.worker(worker_options(), [&](sdk::Worker& w) {
    w.handle_async("tidy", [&](sdk::Task& task) {
      return [](sdk::Worker::Coroutine inner, sdk::Task& t) -> boost::asio::awaitable<sdk::HandlerResult> {
        auto ignored = co_await inner(t);
        co_return core::Payload("tidied up");
      }(wait, task);
    });
    w.handle_async("late", wait);
  });
  const auto tidy = setup.submit_kind("tidy");
  REQUIRE(setup.until([&] { return seen.begun == 1; }));

  CHECK(setup.good(setup.client->cancel(tidy, core::Millis(10'000), "stop soon")).state == core::State::active);
  const auto end = setup.good(setup.client->wait(tidy, core::Deadline::in(5s)));
  CHECK(seen.stopped == 1);
  CHECK(end.state == core::State::completed);
  CHECK(end.result.bytes == "tidied up");

  // A handler that fails instead was asked to, so that is the cancel.
  const auto late = setup.submit_kind("late");
  REQUIRE(setup.until([&] { return seen.begun == 2; }));
  setup.good(setup.client->cancel(late, core::Millis(10'000), "stop soon"));
  CHECK(setup.good(setup.client->wait(late, core::Deadline::in(5s))).state == core::State::cancelled);
}

TEST_CASE("a lost lease fires the stop token, the result of the old attempt is dropped, and another attempt runs") {
  WorkerSetup setup;
  Gate first(setup.context), second(setup.context);
  Seen seen;
  auto old_wait = watched(first, seen);
  auto new_wait = second.handler("from the second attempt");
  auto worker = setup.worker(worker_options(), [&](sdk::Worker& w) {
    w.handle_async("wait", [&](sdk::Task& task) { return task.attempt() == 1 ? old_wait(task) : new_wait(task); });
  });
  const auto id = setup.submit_kind("wait");
  REQUIRE(setup.until([&] { return first.waiting() == 1; }));

  end_lease(setup, id);

  REQUIRE(setup.until([&] { return second.waiting() == 1; }));
  CHECK(seen.stopped == 1);
  CHECK((*worker)->stats().lost == 1);
  second.open();
  const auto end = setup.good(setup.client->wait(id, core::Deadline::in(5s)));
  CHECK(end.result.bytes == "from the second attempt");
  CHECK(setup.look(id).crashes == 1);
  CHECK(setup.look(id).attempt == 2);
}

TEST_CASE("a lease that cannot be renewed is given up by the worker's own clock, before it ends") {
  WorkerSetup setup;
  Gate gate(setup.context);
  Seen seen;
  auto worker = setup.worker(worker_options(4, core::Millis(500)),
                             [&](sdk::Worker& w) { w.handle_async("wait", watched(gate, seen)); });
  const auto id = setup.submit_kind("wait");
  REQUIRE(setup.until([&] { return seen.begun == 1; }));
  const auto ends_at = setup.look(id).timer_at;

  worker->vanish();
  REQUIRE(setup.until([&] { return seen.stopped == 1; }));

  const auto now = setup.look(id);
  CHECK(now.now <= ends_at);
  CHECK((*worker)->stats().lost == 1);
}

TEST_CASE("an attempt timeout fires the stop token in time, and fails the attempt as timeout") {
  const auto lease = GENERATE(core::Millis(60'000), core::Millis(200));
  WorkerSetup setup;
  auto engine = setup.engine(engine::TimersOptions());
  Gate gate(setup.context);
  Seen seen;
  core::Policy policy;
  policy.attempt_timeout = core::Millis(250);
  policy.retry.max_attempts = 1;
  auto worker = setup.worker(worker_options(4, lease),
                             [&](sdk::Worker& w) { w.handle_async("wait", watched(gate, seen)); });
  const auto id = setup.submit_kind("wait", policy);
  REQUIRE(setup.until([&] { return seen.begun == 1; }));
  const auto begun_at = std::chrono::steady_clock::now();

  REQUIRE(setup.until([&] { return seen.stopped == 1; }));

  const auto told_after = std::chrono::steady_clock::now() - begun_at;
  CHECK(told_after > 200ms);
  CHECK(told_after < 2s);
  const auto end = setup.good(setup.client->wait(id, core::Deadline::in(5s)));
  CHECK(end.state == core::State::failed);
  // The handler's own class when it was quicker than the timer, else the timer's.
  CHECK((end.failure_class == "timeout" || end.failure_class == "cancelled"));
}

TEST_CASE("a handler that is deaf to its timeout is failed by the engine all the same") {
  WorkerSetup setup;
  auto engine = setup.engine(engine::TimersOptions());
  Gate gate(setup.context);
  core::Policy policy;
  policy.attempt_timeout = core::Millis(100);
  policy.retry.max_attempts = 1;
  auto worker = setup.worker(worker_options(4),
                             [&](sdk::Worker& w) { w.handle_async("wait", gate.stubborn_handler()); });
  const auto id = setup.submit_kind("wait", policy);

  const auto end = setup.good(setup.client->wait(id, core::Deadline::in(5s)));

  CHECK(end.state == core::State::failed);
  CHECK(end.failure_class == "timeout");
  REQUIRE(setup.until([&] { return (*worker)->stats().lost == 1; }));
  gate.open();
  REQUIRE(setup.until([&] { return (*worker)->stats().running == 0; }));
  CHECK(setup.look(id).state == "failed");
}
