// Idle workers are woken and do not poll; workers alone recover from crashes; many executions run exactly once.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdio>

#include "integration/worker_fixture.hpp"

using namespace ff;
using namespace ff::test;
using std::chrono::steady_clock;

namespace {

std::function<void(sdk::Worker&)> gated(Gate& gate) {
  return [&gate](sdk::Worker& worker) { worker.handle_async("work", gate.handler()); };
}

// Every partition has answered a claim with nothing, and what that left behind has passed.
bool settled(WorkerSetup& setup, RunningWorker& worker) {
  return setup.until([&] { return worker->stats().claims >= 8 && setup.calls() > 0; });
}

}  // namespace

TEST_CASE("an idle worker starts work within milliseconds of the submit") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  auto engine = setup.engine(engine::TimersOptions());
  REQUIRE(setup.until([&] { return (*engine)->stats().runs >= 8; }));
  steady_clock::time_point begun_at;
  std::size_t begun = 0;
  auto worker = setup.worker(worker_options(), [&](sdk::Worker& w) {
    w.handle("work", [&](sdk::Task&) -> sdk::HandlerResult {
      begun_at = steady_clock::now();
      ++begun;
      return core::Payload();
    });
  });
  REQUIRE(settled(setup, *worker));
  std::vector<std::int64_t> latencies_us;

  for (std::size_t i = 1; i <= 200; ++i) {
    const auto submitted_at = steady_clock::now();
    setup.submit_kind("work");
    REQUIRE(setup.until([&] { return begun == i; }));
    latencies_us.push_back(std::chrono::duration_cast<std::chrono::microseconds>(begun_at - submitted_at).count());
  }

  std::printf("submit to start: p50 %ld us, p99 %ld us\n", percentile(latencies_us, 0.5),
              percentile(latencies_us, 0.99));
  CHECK(percentile(latencies_us, 0.5) < 20'000);
  CHECK(percentile(latencies_us, 1.0) < 900'000);  // Nobody looks that soon by himself: it was a wake-up, always.
  CHECK((*worker)->stats().wakes >= 200);
}

TEST_CASE("an idle system is silent, and without an engine each partition is looked at once a second") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(), does_work());
  REQUIRE(settled(setup, *worker));
  setup.submit_count("work", 50);
  REQUIRE(setup.until([&] { return (*worker)->stats().completed == 50; }));
  setup.let_pass(1500ms);  // Until the wakes' handoffs have passed.

  auto before = setup.calls();
  setup.let_pass(2000ms);
  const auto alone = setup.calls() - before;

  auto engine = setup.engine(engine::TimersOptions());
  REQUIRE(setup.until([&] { return (*engine)->stats().runs >= 8; }));
  setup.let_pass(1500ms);  // Until every worker has met the engine.
  before = setup.calls();
  setup.let_pass(2000ms);
  const auto with_engine = setup.calls() - before;

  std::printf("calls in two idle seconds: %lu by a worker alone, %lu with an engine\n", alone, with_engine);
  CHECK(alone >= 8);
  CHECK(alone <= 8 * 3);
  CHECK(with_engine <= 4);  // The engine renews its membership.
}

TEST_CASE("two workers share the work, each as much as it has room for") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  Gate one(setup.context), two(setup.context);
  auto first = setup.worker(worker_options(4), gated(one)), second = setup.worker(worker_options(4), gated(two));
  REQUIRE(settled(setup, *first));
  REQUIRE(settled(setup, *second));
  const auto begun = steady_clock::now();

  const auto ids = setup.submit_count("work", 8);
  REQUIRE(setup.until([&] { return one.waiting() == 4 && two.waiting() == 4; }));

  CHECK(steady_clock::now() - begun < 900ms);
  one.open();
  two.open();
  REQUIRE(setup.until([&] { return (*first)->stats().completed + (*second)->stats().completed == ids.size(); }));
}

TEST_CASE("a worker that is woken while it is busy passes the wake on") {
  WorkerSetup setup(Store::standalone, 1);
  auto engine = setup.engine(engine::TimersOptions());
  REQUIRE(setup.until([&] { return (*engine)->stats().runs >= 1; }));
  std::uint64_t wakes = 0;
  for (int round = 0; round < 10; ++round) {
    Gate gate(setup.context);
    // Registered with more room than it has: another lane takes it.
    auto wanted = worker_options(1);
    wanted.lanes = {"default", "other"};
    auto first = setup.worker(wanted, gated(gate)), second = setup.worker(worker_options(1), gated(gate));
    REQUIRE(setup.until([&] { return (*first)->stats().claims >= 1 && (*second)->stats().claims >= 1; }));
    sdk::Submission job("work");
    job.lane = "other";
    setup.submit(job);
    REQUIRE(setup.until([&] { return (*first)->stats().running == 1; }));

    const auto begun = steady_clock::now();
    setup.submit_kind("work");
    REQUIRE(setup.until([&] { return (*second)->stats().running == 1; }));

    CHECK(steady_clock::now() - begun < 900ms);
    wakes += (*first)->stats().wakes;
    gate.open();
  }
  CHECK(wakes > 10);  // At least once the busy one was woken for what the other has done.
}

TEST_CASE("a wake for more work than the woken worker has room for reaches another idle one") {
  WorkerSetup setup(Store::standalone, 2);
  auto engine = setup.engine(engine::TimersOptions());
  REQUIRE(setup.until([&] { return (*engine)->stats().runs >= 2; }));
  const auto submit_at = [&](core::Partition partition, const std::string& kind, std::size_t count) {
    std::vector<sdk::Submission> jobs(count, sdk::Submission(kind));
    for (auto& job : jobs) {
      auto ulid = core::Ulid::make();
      while (setup.client->deployment()->keys().home_for_new(ulid) != partition) ulid = core::Ulid::make();
      job.id = core::ExecutionId(partition, std::move(ulid));
    }
    for (auto& answer : setup.good(setup.client->submit_many(jobs))) REQUIRE(answer.has_value());
  };
  std::size_t passed_on = 0;
  for (int round = 0; round < 10; ++round) {
    Gate one(setup.context), two(setup.context);
    const auto prepare = [](Gate& gate) {
      return [&gate](sdk::Worker& worker) {
        does_work()(worker);
        worker.handle_async("wait", gate.handler());
      };
    };
    auto large = worker_options(3), small = worker_options(1);
    large.name = "b" + std::to_string(round);  // Of two with as much room the later name is woken.
    small.name = "a" + std::to_string(round);
    auto first = setup.worker(large, prepare(one)), second = setup.worker(small, prepare(two));
    REQUIRE(setup.until([&] { return (*first)->stats().claims >= 2 && (*second)->stats().claims >= 2; }));
    for (const core::Partition partition : {0, 1}) {
      submit_at(partition, "work", 1);  // Leaves it registered there with room for two more.
      REQUIRE(setup.until([&] { return (*first)->stats().completed == partition + 1u; }));
    }
    submit_at(0, "wait", 2);
    REQUIRE(setup.until([&] { return one.waiting() == 2; }));
    const auto begun = steady_clock::now();

    submit_at(1, "wait", 2);

    REQUIRE(setup.until([&] { return one.waiting() == 3 && two.waiting() == 1; }));
    CHECK(steady_clock::now() - begun < 900ms);
    passed_on += (*second)->stats().wakes;
    one.open();
    two.open();
    REQUIRE(setup.until([&] { return (*first)->stats().completed + (*second)->stats().completed == 6; }));
  }
  CHECK(passed_on == 10);
}

TEST_CASE("workers without any engine recover a crashed worker's executions, and run delayed ones") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  Gate gate(setup.context);
  auto wanted = worker_options(8, core::Millis(400));
  wanted.prefetch = 8;
  const auto ids = setup.submit_count("work", 16);
  auto crashed = setup.worker(wanted, [&](sdk::Worker& w) { w.handle_async("work", gate.stubborn_handler()); });
  REQUIRE(setup.until([&] { return (*crashed)->stats().claimed == 16; }));
  sdk::Submission later("work");
  later.delay = core::Millis(700);
  const auto delayed = setup.submit(later);
  auto idle = setup.worker(worker_options(), does_work());
  REQUIRE(settled(setup, *idle));

  crashed->vanish();
  const auto begun = steady_clock::now();
  REQUIRE(setup.until([&] { return (*idle)->stats().completed == 17; }));

  CHECK(steady_clock::now() - begun < 4s);
  for (const auto& id : ids) {
    const auto now = setup.look(id);
    CHECK(now.attempt == 2);
    CHECK(now.crashes == 1);
    CHECK(now.state == "completed");
  }
  const auto late = setup.look(delayed);
  CHECK(late.began_at - late.created_at >= 700);
  CHECK(late.began_at - late.created_at < 2500);
  gate.open();
}

TEST_CASE("ten thousand executions over 64 partitions each run to completion exactly once") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store, 64);
  std::map<std::string, int> runs;
  const auto count = [&](sdk::Worker& w) {
    w.handle("work", [&](sdk::Task& task) -> sdk::HandlerResult {
      ++runs[task.id().ulid().str()];
      return core::Payload();
    });
  };
  const auto ids = setup.submit_count("work", 10'000);
  const auto begun = steady_clock::now();

  auto first = setup.worker(worker_options(64), count), second = setup.worker(worker_options(16), count);
  REQUIRE(setup.until([&] { return (*first)->stats().completed + (*second)->stats().completed == ids.size(); }, 60s));

  const auto took = std::chrono::duration<double>(steady_clock::now() - begun).count();
  const auto claims = (*first)->stats().claims + (*second)->stats().claims;
  std::printf("10000 executions in %.2f s, %lu claims, shares %lu and %lu\n", took, claims, (*first)->stats().completed,
              (*second)->stats().completed);
  CHECK(runs.size() == ids.size());
  for (const auto& [id, times] : runs) REQUIRE(times == 1);
  const auto completed = setup.events("completed");
  CHECK(completed.size() == ids.size());
  for (const auto& [id, times] : completed) REQUIRE(times == 1);
  CHECK(setup.in_state(core::State::completed) == static_cast<std::int64_t>(ids.size()));
  CHECK((*first)->stats().lost + (*second)->stats().lost == 0);
}

TEST_CASE("higher priority goes first, whatever the partition, within what was claimed before") {
  WorkerSetup setup(Store::standalone, 8);
  std::vector<std::int64_t> order;
  sdk::Submission job("work");
  for (int i = 0; i < 200; ++i) {
    job.priority = i % 2 == 0 ? 0 : 1000;
    job.payload.bytes = std::to_string(job.priority);
    setup.submit(job);
  }

  auto worker = setup.worker(worker_options(1), [&](sdk::Worker& w) {
    w.handle("work", [&](sdk::Task& task) -> sdk::HandlerResult {
      order.push_back(std::stoll(task.payload().bytes));
      return core::Payload();
    });
  });
  REQUIRE(setup.until([&] { return order.size() == 200; }));

  // At most one out of order for each partition looked at, and each partition's own order is exact.
  std::size_t early_low = 0;
  for (std::size_t i = 0; i < 100; ++i) early_low += order[i] == 0 ? 1 : 0;
  CHECK(early_low <= 8);
}
