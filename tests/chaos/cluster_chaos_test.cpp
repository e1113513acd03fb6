// A cluster whose slots move and whose primaries die, under load.

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstdio>

#include "chaos/chaos_fixture.hpp"
#include "support/seed.hpp"

using namespace ff;
using namespace ff::test;

namespace {

ClusterOptions with_replicas() {
  ClusterOptions options;
  options.replicas = 1;
  return options;
}

}  // namespace

TEST_CASE("slots move to other nodes under load: every call follows, nothing runs twice") {
  ChaosSetup chaos{ClusterOptions()};
  Rng rng(seed());
  LedgerWorkerOptions options;
  options.prefetch = 8;
  options.lease = core::Millis(10'000);
  auto first = chaos.worker(options), second = chaos.worker(options);
  const auto& keys = chaos->client->deployment()->keys();
  std::vector<core::ExecutionId> ids;
  std::size_t moved_keys = 0;
  const std::size_t moves = 6 * chaos_scale();
  {
    Load load(*chaos);
    const auto some_more = [&] {
      const auto enough = load.acknowledged() + 30;
      REQUIRE(chaos.until([&] { return load.acknowledged() >= enough; }));
    };
    for (std::size_t round = 0; round < moves; ++round) {
      some_more();
      const auto slot = keys.slot(static_cast<core::Partition>(rng.below(keys.partitions())));
      const auto to = (chaos.cluster().owner_of(slot) + 1) % chaos.cluster().primaries();
      chaos.cluster().begin_migration(slot, to);
      while (const auto count = chaos.cluster().migrate_keys(slot, 5)) {
        moved_keys += count;
        chaos->let_pass(1ms);
      }
      chaos.cluster().finish_migration(slot);
    }
    some_more();
    ids = load.finish();
  }
  chaos.require_completed(ids.size());

  const auto redirects = chaos->client->deployment()->connection()->stats().redirects;
  std::printf("%zu slots moved with %zu keys, %zu executions, %lu redirects followed by the client\n", moves,
              moved_keys, ids.size(), redirects);
  CHECK(moved_keys > 0);
  CHECK(redirects > 0);
  chaos.judge(ids);
  chaos.check_stored();
}

TEST_CASE("the library is flushed on one node after another under load: every call recovers by loading it again") {
  ChaosSetup chaos{ClusterOptions()};
  Rng rng(seed());
  LedgerWorkerOptions options;
  options.prefetch = 8;
  options.lease = core::Millis(2000);
  auto first = chaos.worker(options), second = chaos.worker(options);
  std::vector<core::ExecutionId> ids;
  std::size_t flushed = 0;
  {
    Load load(*chaos);
    for (std::size_t round = 0; round < 20 * chaos_scale(); ++round) {
      const auto enough = load.acknowledged() + 20;
      REQUIRE(chaos.until([&] { return load.acknowledged() >= enough; }));
      flushed += chaos.cluster().node(rng.below(3)).cli("FUNCTION", "FLUSH") == "OK" ? 1 : 0;
    }
    ids = load.finish();
    CHECK(load.repeated() == 0);
  }
  chaos.require_completed(ids.size());

  CHECK(flushed == 20 * chaos_scale());
  for (auto* worker : {&first, &second}) {
    worker->signal(SIGTERM);
    REQUIRE(worker->wait(20s).has_value());
    CHECK(figure(*worker, "lost") == 0);
  }
  chaos.judge(ids);
  for (const auto& id : ids) CHECK(chaos->look(id).attempt == 1);
  chaos.check_stored();
}

TEST_CASE("a primary dies and its replica takes over: all that was replicated ends, once") {
  ChaosSetup chaos(with_replicas());
  LedgerWorkerOptions options;
  options.prefetch = 8;
  options.lease = core::Millis(1000);
  options.work_ms = 20;
  auto first = chaos.worker(options), second = chaos.worker(options);
  const auto slot = chaos->client->deployment()->keys().slot(0);
  auto ids = chaos->submit_count("work", 2000);
  chaos.replicate();
  REQUIRE(chaos->in_state(core::State::ready) > 0);

  const auto dead = chaos.cluster().kill_primary_of(slot);
  const auto heir = chaos.cluster().wait_failover(slot, dead);
  for (const auto& id : chaos->submit_count("work", 200)) ids.push_back(id);
  chaos.require_completed(ids.size());

  CHECK(heir != dead);
  const auto ledger = chaos.ledger();
  std::printf("failover from node %zu to %zu; %zu attempts of %zu executions\n", dead, heir, ledger.begins, ids.size());
  CHECK(ledger.begins >= ids.size());
  chaos.judge(ids, true);
  chaos.check_stored();
}
