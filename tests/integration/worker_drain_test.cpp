// stop(): running handlers finish, what was not started goes back and spends nothing, and nobody waits for ever.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "integration/worker_fixture.hpp"

using namespace ff;
using namespace ff::test;

TEST_CASE("stop hands prefetched executions back without spending an attempt, and running ones finish") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  Gate gate(setup.context);
  auto wanted = worker_options(2);
  wanted.prefetch = 64;
  const auto ids = setup.submit_count("wait", 40);
  auto worker = setup.worker(wanted, [&](sdk::Worker& w) { w.handle_async("wait", gate.handler()); });
  REQUIRE(setup.until([&] { return gate.waiting() == 2 && (*worker)->stats().prefetched == 38; }));

  (*worker)->stop();
  REQUIRE(setup.until([&] { return setup.in_state(core::State::ready) == 38; }));
  CHECK_FALSE(worker->ended());
  gate.open();
  REQUIRE(setup.until([&] { return worker->ended(); }));

  CHECK(worker->result().has_value());
  CHECK((*worker)->stats().released == 38);
  CHECK((*worker)->stats().completed == 2);
  CHECK((*worker)->stats().lost == 0);
  std::size_t ready = 0;
  for (const auto& id : ids) {
    const auto now = setup.look(id);
    if (now.state == "completed") continue;
    CHECK(now.state == "ready");
    CHECK(now.attempt == 0);
    ++ready;
  }
  CHECK(ready == 38);

  // Nobody is left behind as idle: the next one takes them all, each in its first attempt.
  auto next = setup.worker(worker_options(16), [&](sdk::Worker& w) { w.handle_async("wait", gate.handler()); });
  REQUIRE(setup.until([&] { return (*next)->stats().completed == 38; }));
  for (const auto& id : ids) CHECK(setup.look(id).attempt == 1);
}

TEST_CASE("a worker that has stopped is not woken any more: another idle one is") {
  WorkerSetup setup;
  Gate gate(setup.context);
  gate.open();
  auto stopped = setup.worker(worker_options(100), [&](sdk::Worker& w) { w.handle_async("work", gate.handler()); });
  REQUIRE(setup.until([&] { return (*stopped)->stats().claims >= 8; }));
  auto other = setup.worker(worker_options(1), [&](sdk::Worker& w) { w.handle_async("work", gate.handler()); });
  REQUIRE(setup.until([&] { return (*other)->stats().claims >= 8; }));

  (*stopped)->stop();
  REQUIRE(setup.until([&] { return stopped->ended(); }));
  const auto begun = std::chrono::steady_clock::now();
  setup.submit_count("work", 8);
  REQUIRE(setup.until([&] { return (*other)->stats().completed == 8; }));

  CHECK(std::chrono::steady_clock::now() - begun < 900ms);  // Before anybody looks by himself.
}

TEST_CASE("when the drain time is over handlers are told to stop, and what they return still counts") {
  WorkerSetup setup;
  Gate gate(setup.context);
  auto wanted = worker_options(4);
  wanted.drain = core::Millis(100);
  core::Policy policy;
  policy.retry.max_attempts = 1;
  const auto id = setup.submit_kind("wait", policy);
  auto worker = setup.worker(wanted, [&](sdk::Worker& w) { w.handle_async("wait", gate.handler()); });
  REQUIRE(setup.until([&] { return gate.waiting() == 1; }));

  (*worker)->stop();
  REQUIRE(setup.until([&] { return worker->ended(); }, 5s));

  CHECK(setup.look(id).state == "failed");
  CHECK(setup.look(id).failure_class == "cancelled");
}

TEST_CASE("a handler that never returns does not hold up the end: its execution is given back for another attempt") {
  WorkerSetup setup;
  Gate gate(setup.context), other(setup.context);
  other.open();
  auto wanted = worker_options(4, core::Millis(60'000));
  wanted.drain = core::Millis(50);
  wanted.drain_grace = core::Millis(50);
  const auto id = setup.submit_kind("wait");
  auto worker = setup.worker(wanted, [&](sdk::Worker& w) { w.handle_async("wait", gate.stubborn_handler()); });
  REQUIRE(setup.until([&] { return gate.waiting() == 1; }));

  (*worker)->stop();
  REQUIRE(setup.until([&] { return worker->ended(); }, 5s));
  CHECK(setup.look(id).state == "ready");
  CHECK(setup.look(id).attempt == 1);
  CHECK(setup.look(id).crashes == 0);
  auto next = setup.worker(worker_options(4), [&](sdk::Worker& w) { w.handle_async("wait", other.handler("second")); });
  REQUIRE(setup.until_state(id, core::State::completed));
  gate.open();  // The first one returns at last; nobody listens.
  REQUIRE(setup.until([&] { return gate.waiting() == 0; }));

  CHECK(setup.result_of(id) == "second");
  CHECK(setup.look(id).attempt == 2);
}

TEST_CASE("a worker may be stopped before it runs, twice, and while it claims") {
  WorkerSetup setup;
  Gate gate(setup.context);
  gate.open();
  setup.submit_count("work", 300);

  auto early = setup.worker(worker_options(), [&](sdk::Worker& w) {
    w.handle_async("work", gate.handler());
    w.stop();
    w.stop();
  });
  REQUIRE(setup.until([&] { return early->ended(); }));
  CHECK(early->result().has_value());
  CHECK((*early)->stats().claimed == 0);

  auto wanted = worker_options(64);
  wanted.prefetch = 64;
  for (const std::size_t after : {1u, 60u, 130u}) {
    setup.submit_count("work", 300);
    auto worker = setup.worker(wanted, [&](sdk::Worker& w) { w.handle_async("work", gate.handler()); });
    REQUIRE(setup.until([&] { return (*worker)->stats().claimed >= after; }));
    (*worker)->stop();
    REQUIRE(setup.until([&] { return worker->ended(); }));
    const auto& stats = (*worker)->stats();
    CHECK(stats.claimed == stats.completed + stats.released);
    CHECK(setup.in_state(core::State::active) == 0);
  }
}
