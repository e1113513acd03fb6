// Valkey and ff-server are killed under load.

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstdio>

#include "chaos/chaos_fixture.hpp"
#include "support/seed.hpp"

using namespace ff;
using namespace ff::test;

namespace {

ServerOptions durable() {
  ServerOptions options;
  options.aof = Aof::always;
  return options;
}

}  // namespace

TEST_CASE("SIGKILL and restart of Valkey with its AOF, again and again under load") {
  ChaosSetup chaos(durable());
  Rng rng(seed());
  LedgerWorkerOptions options;
  options.prefetch = 8;
  options.lease = core::Millis(2000);
  options.work_ms = 1;
  auto first = chaos.worker(options), second = chaos.worker(options);
  const std::size_t kills = 6 * chaos_scale();
  std::vector<core::ExecutionId> ids;
  {
    Load load(*chaos);
    for (std::size_t round = 0; round < kills; ++round) {
      const auto enough = load.acknowledged() + 50 + rng.below(200);
      REQUIRE(chaos.until([&] { return load.acknowledged() >= enough; }));
      chaos.server().kill9();
      chaos.server().start();
    }
    ids = load.finish();
  }
  chaos.require_completed(ids.size());

  for (auto* worker : {&first, &second}) {
    worker->signal(SIGTERM);
    REQUIRE(worker->wait(20s).has_value());
  }
  const auto unknown = figure(first, "unknown") + figure(second, "unknown");
  std::printf("%zu kills of Valkey, %zu executions, %lu calls of workers with unknown outcome, %lu of the client\n",
              kills, ids.size(), unknown, chaos->client->deployment()->connection()->stats().unknown);
  CHECK(unknown > 0);
  chaos.judge(ids);
  chaos.check_stored();
}

#ifdef FF_SERVER
namespace {

Process start_server(ChaosSetup& chaos) {
  ProcessOptions options;
  options.environment = {{"FF_WAITPOINT_HMAC_SECRET", "the waitpoint secret of the chaos tests"}};
  Process server({FF_SERVER, "--socket", chaos.server().unix_socket(), "--prefix", chaos->options.prefix, "--listen",
                  "127.0.0.1:0", "--ops", "127.0.0.1:0"},
                 options);
  const bool ready = server.wait_for_output("\nready\n", 20s);
  INFO(server.output());
  REQUIRE(ready);
  return server;
}

std::vector<core::ExecutionId> submit_delayed(ChaosSetup& chaos, std::size_t count, Rng& rng) {
  std::vector<core::ExecutionId> ids;
  for (std::size_t i = 0; i < count; ++i) {
    sdk::Submission job("work");
    job.delay = core::Millis(rng.between(100, 2000));
    ids.push_back(chaos->submit(job));
  }
  return ids;
}

}  // namespace

TEST_CASE("SIGKILL of ff-server, one of two and then all: timers fire all the same") {
  ChaosSetup chaos;
  Rng rng(seed());
  std::vector<Process> servers;
  servers.push_back(start_server(chaos));
  servers.push_back(start_server(chaos));
  auto worker = chaos.worker(LedgerWorkerOptions());
  const auto server_count = [&] {
    const auto root = chaos->client->deployment()->keys().servers();
    return std::stoul(chaos.server().cli("ZCARD", root));
  };
  CHECK(server_count() == 2);
  std::vector<core::ExecutionId> ids = submit_delayed(chaos, 150, rng);
  REQUIRE(chaos.until([&] { return chaos->in_state(core::State::completed) >= 30; }));

  servers[0].kill9();
  chaos.require_completed(ids.size(), 15s);
  // The dead one is forgotten, the other has all partitions.
  for (const auto& id : submit_delayed(chaos, 150, rng)) ids.push_back(id);
  REQUIRE(chaos.until([&] { return chaos->in_state(core::State::completed) >= 180; }));
  servers[1].kill9();
  servers.push_back(start_server(chaos));
  chaos.require_completed(ids.size(), 15s);

  std::vector<std::int64_t> late_ms;
  for (const auto& id : ids) {
    const auto now = chaos->look(id);
    late_ms.push_back(now.began_at - now.created_at);
  }
  std::printf("2 kills of ff-server; an execution delayed by at most 2000 ms began after %ld ms at the latest\n",
              percentile(late_ms, 1.0));
  CHECK(percentile(late_ms, 1.0) < 2000 + 8000);
  CHECK(servers[2].end() == ExitStatus());
  chaos.judge(ids);
  chaos.check_stored();
}
#endif
