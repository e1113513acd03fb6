// Workers that are killed or stand still.

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstdio>

#include "chaos/chaos_fixture.hpp"
#include "support/seed.hpp"

using namespace ff;
using namespace ff::test;

TEST_CASE("SIGKILL of a worker with 64 prefetched leases: all of them run again, without any engine") {
  ChaosSetup chaos;
  LedgerWorkerOptions holding;
  holding.concurrency = 4;
  holding.prefetch = 64;
  holding.lease = core::Millis(700);
  holding.work_ms = -1;
  const auto ids = chaos->submit_count("work", 200);
  auto killed = chaos.worker(holding);
  REQUIRE(chaos.until([&] { return chaos->in_state(core::State::active) == 68 && chaos.ledger().begins == 4; }));

  killed.kill9();
  auto heir = chaos.worker(LedgerWorkerOptions());
  chaos.require_completed(ids.size());

  std::size_t recovered = 0, crashes = 0;
  for (const auto& id : ids) {
    const auto now = chaos->look(id);
    recovered += now.attempt == 2 ? 1 : 0;
    crashes += static_cast<std::size_t>(now.crashes);
  }
  CHECK(recovered == 68);
  CHECK(crashes == 68);
  chaos.judge(ids);
  chaos.check_stored();
}

TEST_CASE("workers are killed again and again under load, at any moment") {
  ChaosSetup chaos;
  Rng rng(seed());
  core::Policy policy;
  policy.crash.max = 1000;
  policy.crash.delay = core::Millis(10);
  const std::size_t rounds = 8 * chaos_scale();
  LedgerWorkerOptions options;
  options.prefetch = 16;
  options.lease = core::Millis(300);
  options.work_ms = 2;
  std::vector<core::ExecutionId> ids;
  auto steady = chaos.worker(options);
  std::size_t kills = 0;

  for (std::size_t round = 0; round < rounds; ++round) {
    auto victim = chaos.worker(options);
    for (const auto& id : chaos->submit_count("work", 150, policy)) ids.push_back(id);
    const auto lines = rng.below(60);
    REQUIRE(chaos.until([&] {
      const auto begun = chaos.ledger().begun_by;
      const auto found = begun.find(victim.pid());
      return (found != begun.end() && found->second > lines) || chaos->in_state(core::State::ready) == 0;
    }));
    victim.kill9();
    ++kills;
  }
  chaos.require_completed(ids.size());

  std::size_t crashes = 0;
  for (const auto& id : ids) crashes += static_cast<std::size_t>(chaos->look(id).crashes);
  std::printf("%zu kills, %zu attempts cut off, %zu executions\n", kills, crashes, ids.size());
  CHECK(crashes > 0);
  chaos.judge(ids);
  chaos.check_stored();
}

TEST_CASE("a worker that stood still past its lease is refused when it comes back, and another's result stands") {
  ChaosSetup chaos;
  LedgerWorkerOptions options;
  options.concurrency = 4;
  options.prefetch = 4;
  options.lease = core::Millis(600);
  options.work_ms = 300;
  std::uint64_t refused = 0;
  std::vector<core::ExecutionId> ids;
  for (std::size_t round = 0; round < 2 * chaos_scale(); ++round) {
    const auto before = chaos.ledger().begins;
    for (const auto& id : chaos->submit_count("work", 8)) ids.push_back(id);
    auto stalled = chaos.worker(options);
    REQUIRE(chaos.until([&] {
      return chaos.ledger().begins == before + 4 && chaos->in_state(core::State::active) == 8;
    }));

    // Stands still before the handlers have ended; they end as it goes on, before it knows how late it is.
    stalled.freeze();
    LedgerWorkerOptions quick;
    quick.concurrency = 8;
    auto heir = chaos.worker(quick);
    chaos.require_completed(ids.size());
    stalled.thaw();
    REQUIRE(chaos.until([&] { return chaos.ledger().ends == ids.size() + 4 * (round + 1); }));
    stalled.signal(SIGTERM);
    REQUIRE(stalled.wait(20s).has_value());

    refused += figure(stalled, "lost");
    CHECK(figure(stalled, "completed") == 0);
    // What it held and had not begun stays so: only the four that ran when it was stopped have two attempts in the
    // ledger.
    CHECK(figure(stalled, "claimed") == 8);
  }

  CHECK(refused == 8 * 2 * chaos_scale());
  std::size_t twice = 0;
  for (const auto& [id, epochs] : chaos.ledger().begun) twice += epochs.size() == 2 ? 1 : 0;
  CHECK(twice == 4 * 2 * chaos_scale());
  chaos.judge(ids);
  chaos.check_stored();
}
