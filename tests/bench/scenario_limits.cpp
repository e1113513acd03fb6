// Limits: what a drain keeps of its rate when all of it is under one quota, or under a thousand; and BullMQ under its
// own limiter.

#include <fmt/format.h>

#include "bench/fleet.hpp"
#include "bench/scenarios.hpp"
#include "ff/core/limits.hpp"

namespace ff::bench {
namespace {

constexpr int kLimitSeconds = 180;
constexpr long kExecutions = 64'000;
constexpr int kKeys = 1000;
constexpr std::int64_t kSlots = 1000;  // Of each quota: it is asked for, and never reached.

struct Case {
  const char* name;
  int quotas;
  bool rated;
};
constexpr Case kCases[] = {
    {"none", 0, false}, {"one_quota", 1, false}, {"keyed", kKeys, false}, {"one_rate", 1, true}};

boost::asio::awaitable<void> define(Session* session, Case shape) {
  for (int i = 0; i < shape.quotas; ++i) {
    core::Quota quota;
    quota.concurrency = kSlots;
    if (shape.rated) {
      quota.rate = core::limits::kQuotaRateMax;  // More than any drain needs: only the asking costs.
      quota.burst = 1000;
    }
    auto set = co_await session->client().set_quota(fmt::format("q{}", i), quota);
    insist(set, "set_quota");
  }
}

boost::asio::awaitable<void> held_quotas(Session* session, Case shape, std::int64_t* held) {
  for (int i = 0; i < shape.quotas; ++i) {
    auto found = co_await session->client().quota(fmt::format("q{}", i));
    *held += insist(std::move(found), "quota").held;
  }
}

Cost drain_limited(BenchServer& server, Report& report, const Settings& settings, const Case& shape,
                   std::size_t concurrency, bool last) {
  server.fresh();
  Session session(over_unix(server));
  session.run(1, [&session, &shape] { return define(&session, shape); });
  Shape work(core::Mode::record, 16);
  work.in_flight = 4;
  work.quotas = shape.quotas;
  const auto executions = settings.amount(kExecutions) / work.batch * work.batch;
  Lifecycles(session, work).submit(executions);

  FleetOptions options(over_unix(server));
  options.concurrency = concurrency;
  options.target = static_cast<std::uint64_t>(executions);
  Fleet fleet(options);
  server.command({"CONFIG", "RESETSTAT"});
  fleet.go(server);
  const auto cost = fleet.wait(kLimitSeconds);
  if (last) report_commands(report, server, fmt::format("limits.{}.x{}", shape.name, concurrency), executions);
  fleet.stop();

  const auto what = fmt::format("limits {} x{}", shape.name, concurrency);
  audit_ended(report, session, core::Mode::record, executions, what);
  std::int64_t held = 0;
  session.run(1, [&session, &shape, &held] { return held_quotas(&session, shape, &held); });
  report.audit(what + ": everything was given back", held == 0, fmt::format("{} slots held", held));
  return cost;
}

// BullMQ without and with its limiter: one for the whole queue.
void measure_peers(const Settings& settings, Report& report, BenchServer& server, std::size_t concurrency) {
  for (const char* mode : {"keep", "limited"}) {
    PeerDrain drain;
    drain.figure = fmt::format("limits.bullmq_{}.x{}", mode, concurrency);
    drain.mode = mode;
    drain.concurrency = concurrency;
    drain.jobs = settings.amount(kExecutions) / 2;
    drain_peer(settings, report, server, drain);
  }
}

}  // namespace

void run_limits(const Settings& settings, Report& report, BenchServer& server) {
  report.note(fmt::format("limits: {} quotas of {} slots; the share is of the drain without any", kKeys, kSlots));
  for (const std::size_t concurrency : {16, 100}) {
    for (int run = 0; run < settings.runs; ++run) {
      double unlimited = 0;  // Of the same run: a minute later the machine may be another one.
      for (const auto& shape : kCases) {
        const auto cost = drain_limited(server, report, settings, shape, concurrency, run + 1 == settings.runs);
        sample_cost(report, fmt::format("limits.{}.x{}", shape.name, concurrency), cost);
        static_assert(kCases[0].quotas == 0);
        if (shape.quotas == 0) unlimited = cost.rate;
        else report.sample(fmt::format("limits.share.{}.x{}", shape.name, concurrency), cost.rate / unlimited);
      }
      if (peer_there(settings)) measure_peers(settings, report, server, concurrency);
    }
    if (!peer_there(settings)) continue;
    const auto rate = [&](const char* name) {
      return report.median(fmt::format("limits.{}.x{}.rate", name, concurrency));
    };
    report.sample(fmt::format("limits.share.bullmq.x{}", concurrency), rate("bullmq_limited") / rate("bullmq_keep"));
  }
}

}  // namespace ff::bench
