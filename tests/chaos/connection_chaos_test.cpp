// Replies that are lost after the commit: at every single call of a full life, and at random under load.

#include <catch2/catch_test_macros.hpp>
#include <cstdio>

#include "chaos/chaos_fixture.hpp"
#include "support/fault_proxy.hpp"
#include "support/seed.hpp"

using namespace ff;
using namespace ff::test;

namespace {

// Client and worker in one process, all their calls through one proxy. The engine goes straight, so that the number of
// calls depends on it as little as can be.
class ThroughProxy {
 public:
  ThroughProxy(ValkeyServer& server, std::size_t partitions) : proxy_(server.unix_socket()) {
    proxy_.only("ff1_");
    SetupOptions options;
    options.connection = connect_to_port(proxy_.port());
    options.connection->backoff_max = core::Millis(20);
    options.partitions = partitions;
    setup_ = std::make_unique<WorkerSetup>(options, server);
    engine_ = setup_->engine(engine::TimersOptions(), connect_to_port(server.port()));
    REQUIRE(setup_->until([&] { return (*engine_)->stats().runs >= partitions; }));
  }
  FaultProxy& proxy() { return proxy_; }
  WorkerSetup& setup() { return *setup_; }

 private:
  FaultProxy proxy_;
  std::unique_ptr<WorkerSetup> setup_;
  std::unique_ptr<RunningEngine> engine_;
};

// How an execution ended, in what no lost reply may change.
std::string ending_of(WorkerSetup& setup, const core::ExecutionId& id) {
  const auto now = setup.look(id);
  const auto outcome = setup.good(setup.client->result(id));
  return now.state + " generation=" + std::to_string(now.generation) + " attempt=" + std::to_string(now.attempt) +
         " failures=" + std::to_string(now.failures) + " crashes=" + std::to_string(now.crashes) +
         " result=" + outcome.result.bytes + " text=" + outcome.text + " history=" + std::to_string(now.rows.size());
}

sdk::HandlerResult life(sdk::Task& task) {
  const auto& what = task.payload().bytes;
  if (what == "fails once" && task.attempt() == 1) return sdk::Failure("mine", "the first time");
  if (what == "fails") return sdk::Failure(core::failure_class::kInvalidInput, "always");
  if (what == "gives back" && task.attempt() == 1) {
    sdk::Released released;
    released.reason = "not now";
    return released;
  }
  if (what == "throws" && task.attempt() == 1) throw std::runtime_error("once");
  task.progress(50, "half");
  return core::Payload(what + "/" + std::to_string(task.generation()));
}

// One of everything; returns how each ended. Leases are long: nothing here may be saved by the end of one.
std::vector<std::string> full_life(WorkerSetup& setup) {
  auto wanted = worker_options(4, core::Millis(60'000));
  wanted.prefetch = 2;
  auto worker = setup.worker(wanted, [](sdk::Worker& w) { w.handle("work", life); });
  core::Policy policy;
  policy.retry.delay = core::Millis(1);
  policy.retry.jitter = 0;
  std::vector<core::ExecutionId> ids;
  for (const std::string what : {"plain", "fails once", "fails", "gives back", "throws", "keyed", "delayed"}) {
    sdk::Submission job("work", core::Payload(what));
    job.policy = policy;
    if (what == "keyed") job.idempotency_key = "key";
    if (what == "delayed") job.delay = core::Millis(10);
    ids.push_back(setup.submit(job));
    if (what == "keyed") CHECK(setup.submit(job) == ids.back());
  }
  for (const auto& id : ids) setup.good(setup.client->wait(id, core::Deadline::in(20s)));
  CHECK(setup.good(setup.client->replay(ids[0])) == 1);
  setup.good(setup.client->wait(ids[0], core::Deadline::in(20s)));

  sdk::Submission later("work", core::Payload("cancelled"));
  later.delay = core::Millis(3'600'000);
  ids.push_back(setup.submit(later));
  setup.good(setup.client->change_priority(ids.back(), 7));
  setup.good(setup.client->cancel(ids.back(), core::Millis(0), "by test"));
  ids.push_back(setup.submit(later));
  setup.good(setup.client->cancel(ids.back(), core::Millis(0), "by test"));
  setup.good(setup.client->purge(ids.back()));
  CHECK(setup.refusal(setup.client->describe(ids.back())) == "not_found/not_found");
  ids.pop_back();
  (*worker)->stop();
  CHECK(setup.until([&] { return worker->ended(); }));
  CHECK((*worker)->stats().lost == 0);

  std::vector<std::string> endings;
  for (const auto& id : ids) endings.push_back(ending_of(setup, id));
  return endings;
}

}  // namespace

TEST_CASE("a connection cut after the commit and before the reply, at every call of a full life, changes nothing") {
  ValkeyServer server;
  std::vector<std::string> expected;
  std::uint64_t calls = 0;
  {
    ThroughProxy plain(server, 2);
    const auto before = plain.proxy().counters().matched;
    expected = full_life(plain.setup());
    calls = plain.proxy().counters().matched - before;
  }
  REQUIRE(calls > 30);
  std::uint64_t cuts = 0, repeats = 0;

  for (std::uint64_t k = 1; k <= calls; ++k) {
    INFO("reply " << k << " of about " << calls << " is lost");
    ThroughProxy faulty(server, 2);
    faulty.proxy().cut_after_reply(k);

    const auto endings = full_life(faulty.setup());

    REQUIRE(endings == expected);
    cuts += faulty.proxy().counters().cuts_after_reply;
    repeats += faulty.proxy().counters().replies_lost;
  }
  std::printf("%lu calls in a full life, %lu cut after the commit\n", calls, cuts);
  // How many claims a life takes depends on time, so the last few may not come.
  CHECK(cuts >= calls * 8 / 10);
  CHECK(repeats >= cuts);
}

TEST_CASE("replies and requests lost at random under load: all run once, none waits for a lease to end") {
  ChaosSetup chaos;
  FaultProxy proxy(chaos.server().unix_socket());
  proxy.only("ff1_");
  proxy.cut_randomly(0.02, 0.02, seed());
  LedgerWorkerOptions options;
  options.prefetch = 8;
  options.lease = core::Millis(60'000);
  options.address = std::to_string(proxy.port());
  auto first = chaos.worker(options), second = chaos.worker(options);
  auto engine = chaos->engine(engine::TimersOptions(), connect_to_port(proxy.port()));
  std::vector<core::ExecutionId> ids;
  sdk::Submission later("work");
  later.delay = core::Millis(20);

  for (std::size_t round = 0; round < 20 * chaos_scale(); ++round) {
    for (const auto& id : chaos->submit_count("work", 50)) ids.push_back(id);
    ids.push_back(chaos->submit(later));
    REQUIRE(chaos.until([&] { return chaos->in_state(core::State::ready) == 0; }));
  }
  chaos.require_completed(ids.size());

  const auto counters = proxy.counters();
  std::printf("%lu calls, %lu replies and %lu requests lost\n", counters.matched, counters.replies_lost,
              counters.requests_lost);
  CHECK((*engine)->stats().runs > 8);
  CHECK(counters.replies_lost > 5);
  CHECK(counters.requests_lost > 5);
  for (const auto& id : ids) {
    const auto now = chaos->look(id);
    REQUIRE(now.attempt == 1);
    REQUIRE(now.crashes == 0);
  }
  chaos.judge(ids);
  chaos.check_stored();
}
