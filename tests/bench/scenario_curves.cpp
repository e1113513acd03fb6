// Curves: nothing may get slower as the backlog or the number of partitions grows. A million executions come and go.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "bench/fleet.hpp"
#include "bench/scenarios.hpp"
#include "support/wait.hpp"

namespace ff::bench {
namespace {

using Steady = std::chrono::steady_clock;

double seconds_since(Steady::time_point start) { return std::chrono::duration<double>(Steady::now() - start).count(); }

// As many executions pass through as are submitted, so the backlog stays.
void measure_on_backlog(Report& report, BenchServer& server, Session& session, double backlog, long executions) {
  Lifecycles batches(session, Shape(core::Mode::record, 16));
  const Meter meter(server);
  const long chunk = 16L * static_cast<long>(session.partitions());
  for (long done = 0; done < executions; done += chunk) {
    batches.submit(chunk);
    batches.claim(chunk);
    batches.complete();
  }
  const double all = static_cast<double>((executions + chunk - 1) / chunk * chunk);
  const auto cost = meter.stop(all);
  report.sample("backlog.rate", backlog, cost.rate);
  report.sample("backlog.valkey_us", backlog, cost.valkey_us);

  Lifecycles singles(session, Shape(core::Mode::record, 1));
  const long claims = 1024;
  std::vector<double> times;
  singles.submit(claims);
  singles.claim(claims, &times);
  singles.complete();
  std::sort(times.begin(), times.end());
  report.sample("backlog.claim_p50", backlog, quantile(times, 0.5));
  report.sample("backlog.claim_p99", backlog, quantile(times, 0.99));
}

void measure_partitions(Report& report, BenchServer& server, std::size_t partitions, const Settings& settings) {
  const auto x = static_cast<double>(partitions);
  server.fresh();
  Session session(over_unix(server), partitions);
  Lifecycles batches(session, Shape(core::Mode::record, 16));
  const long executions = settings.amount(32'768) / 4096 * 4096 + 4096;
  const Meter meter(server);
  batches.submit(executions);
  batches.claim(executions);
  batches.complete();
  const auto cost = meter.stop(static_cast<double>(executions));
  report.sample("partitions.rate", x, cost.rate);
  report.sample("partitions.valkey_us", x, cost.valkey_us);

  Lifecycles singles(session, Shape(core::Mode::record, 1));
  const long claims = 2048;
  std::vector<double> times;
  singles.submit(claims);
  singles.claim(claims, &times);
  singles.complete();
  std::sort(times.begin(), times.end());
  report.sample("partitions.claim_p99", x, quantile(times, 0.99));

  batches.submit(executions);
  FleetOptions options(over_unix(server));
  options.target = static_cast<std::uint64_t>(executions);
  Fleet fleet(options);
  fleet.go(server);
  const auto drained = fleet.wait(180);
  fleet.stop();
  report.sample("partitions.drain_rate", x, drained.rate);
  report.sample("partitions.drain_us", x, drained.valkey_us);
  audit_ended(report, session, core::Mode::record, 2 * executions + claims, fmt::format("{} partitions", partitions));
}

std::int64_t count_of(Session& session, const std::string& index) {
  const auto counts = session.count();
  const auto found = counts.find(index);
  return found == counts.end() ? 0 : found->second;
}

double submit_queue(Session& session, long executions, core::Millis retention) {
  Shape shape(core::Mode::record, 256);
  shape.in_flight = 2;
  shape.retention = retention;
  const auto start = Steady::now();
  Lifecycles(session, shape).submit(executions);
  return static_cast<double>(executions) / seconds_since(start);
}

}  // namespace

void run_backlog(const Settings& settings, Report& report, BenchServer& server) {
  report.note("the backlog of each point is measured in all runs before the next point; record mode, 64 partitions");
  server.fresh();
  Session session(over_unix(server));
  std::vector<long> backlogs{1'024, 10'240, 102'400};
  if (!settings.quick) backlogs.push_back(1'024'000);
  Shape shape(core::Mode::record, 16);
  shape.in_flight = 2;
  Lifecycles filler(session, shape);
  long queued = 0, passed = 0;
  for (const long backlog : backlogs) {
    const auto x = static_cast<double>(backlog);
    const auto start = Steady::now();
    filler.submit(backlog - queued);
    report.sample("backlog.submit_rate", x, static_cast<double>(backlog - queued) / seconds_since(start));
    queued = backlog;
    for (int run = 0; run < settings.runs; ++run) {
      measure_on_backlog(report, server, session, x, settings.amount(16'384));
    }
  }
  const auto counts = session.count();
  passed = static_cast<long>(count_of(session, "completed"));
  const auto ready = count_of(session, std::string("ready:") + kNamespace + "/" + kLane);
  report.audit("the backlog is whole", ready == queued && count_of(session, "active") == 0,
               fmt::format("{} ready, {} completed", ready, passed));
}

void run_partitions(const Settings& settings, Report& report, BenchServer& server) {
  std::vector<std::size_t> counts{1, 4, 16, 64, 256};
  if (settings.quick) counts = {1, 64, 256};
  for (int run = 0; run < settings.runs; ++run) {
    for (const auto partitions : counts) measure_partitions(report, server, partitions, settings);
  }
}

void run_million(const Settings& settings, Report& report, BenchServer& server) {
  const long executions = (settings.quick ? 40'000 : 1'000'000) / 256 * 256;
  report.note(fmt::format("one run of {} executions, kept 2 s after their end; one engine purges during the drain",
                          executions));
  server.fresh();
  Session session(over_unix(server));
  // Once through, so that what stays for good (event streams, tables) is there before the count begins.
  Lifecycles warm(session, Shape(core::Mode::lean, 64));
  warm.submit(64 * 64);
  warm.claim(64 * 64);
  warm.complete();
  const double before = server.memory_bytes();
  report.sample("million.submit_rate", submit_queue(session, executions, core::Millis(2000)));
  const double full = server.memory_bytes();
  report.sample("million.bytes", (full - before) / static_cast<double>(executions));
  audit_queued(report, session, executions, "million submitted");

  Engine engine(over_unix(server));
  FleetOptions options(over_unix(server));
  options.concurrency = 100;
  options.prefetch = 100;
  options.target = static_cast<std::uint64_t>(executions);
  Fleet fleet(options);
  fleet.go(server);
  report.sample("million.drain_rate", fleet.wait(300).rate);
  const auto drained = Steady::now();
  report.sample("million.drain_first", fleet.rate_of_tenth(0));
  report.sample("million.drain_last", fleet.rate_of_tenth(9));
  const bool purged = test::wait_until([&] { return count_of(session, "completed") == 0; }, std::chrono::seconds(120));
  report.sample("million.purge_s", seconds_since(drained));
  fleet.stop();
  engine.stop();
  report.audit("million: all is purged", purged, fmt::format("{} completed left", count_of(session, "completed")));
  report.audit("million: each handler ran once and no lease was lost",
               fleet.runs() == options.target && fleet.completed() == options.target && fleet.lost() == 0,
               fmt::format("{} runs, {} completed, {} lost", fleet.runs(), fleet.completed(), fleet.lost()));
  audit_ended(report, session, core::Mode::record, 0, "million purged");
  const double left = server.memory_bytes() - before;
  report.sample("million.left_mb", left / 1e6);
  report.note(fmt::format("of the memory left, event streams: {:.1f} MB",
                          server.event_bytes(session.partitions(), "ff") / 1e6));
}

}  // namespace ff::bench
