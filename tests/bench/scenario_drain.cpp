// Drains: a backlog run to its end by workers of the SDK, and by BullMQ on the same Valkey in turn.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <optional>
#include <vector>

#include "bench/fleet.hpp"
#include "bench/scenarios.hpp"
#include "support/process.hpp"

namespace ff::bench {
namespace {

struct DrainShape {
  const char* name;
  int processes;
  std::size_t concurrency;
  long executions;
};
constexpr DrainShape kShapes[] = {{"1x1", 1, 1, 16'000}, {"1x16", 1, 16, 48'000}, {"1x100", 1, 100, 64'000},
                                  {"4x25", 4, 25, 64'000}};
constexpr int kDrainSeconds = 180;

void sample_drain(const Settings& settings, Report& report, BenchServer& server, core::Mode mode,
                  const DrainShape& shape) {
  const auto cost = drain(server, report, over_unix(server), mode, shape.processes, shape.concurrency, 0,
                          settings.amount(shape.executions));
  sample_cost(report, fmt::format("drain.{}.{}", name_of(mode), shape.name), cost);
}

// From the medians: the runs of both alternate, so what disturbs the machine disturbs both.
void report_ratios(Report& report, const DrainShape& shape) {
  const std::string name = shape.name;
  report.sample("drain.ratio." + name,
                report.median("drain.record." + name + ".rate") / report.median("drain.bullmq_keep." + name + ".rate"));
  report.sample("drain.ratio_lean." + name,
                report.median("drain.lean." + name + ".rate") / report.median("drain.bullmq_remove." + name + ".rate"));
}

void measure_peer(const Settings& settings, Report& report, BenchServer& server, const DrainShape& shape,
                  const char* mode) {
  PeerDrain drain;
  drain.figure = fmt::format("drain.bullmq_{}.{}", mode, shape.name);
  drain.mode = mode;
  drain.processes = shape.processes;
  drain.concurrency = shape.concurrency;
  drain.jobs = settings.amount(shape.executions) / 2;
  drain_peer(settings, report, server, drain);
}

constexpr int kPriorities = 10;  // As in drain.mjs.
constexpr DrainShape kPrioritized = {"1x16", 1, 16, 48'000};

void sample_prioritized(const Settings& settings, Report& report, BenchServer& server, bool peer) {
  const auto cost = drain(server, report, over_unix(server), core::Mode::record, kPrioritized.processes,
                          kPrioritized.concurrency, 0, settings.amount(kPrioritized.executions), kPriorities);
  sample_cost(report, fmt::format("drain.prioritized.{}", kPrioritized.name), cost);
  if (peer) measure_peer(settings, report, server, kPrioritized, "prioritized");
}

}  // namespace

// The npm project is there, and installed.
bool peer_there(const Settings& settings) {
  return std::filesystem::exists(std::filesystem::path(settings.peer) / "node_modules" / "bullmq");
}

void drain_peer(const Settings& settings, Report& report, BenchServer& server, const PeerDrain& drain) {
  server.fresh();
  const auto script = (std::filesystem::path(settings.peer) / "drain.mjs").string();
  const auto output = test::run_program(
      {"node", script, server.unix_socket(), std::to_string(drain.jobs),
       std::to_string(drain.processes), std::to_string(drain.concurrency), drain.mode},
      std::chrono::seconds(kDrainSeconds));
  const auto line = output.substr(output.find('{'));
  const auto result = boost::json::parse(line.substr(0, line.find('\n')));
  Cost cost;
  cost.rate = static_cast<double>(drain.jobs) / result.at("seconds").to_number<double>();
  cost.valkey_us = result.at("valkey_us").to_number<double>() / static_cast<double>(drain.jobs);
  cost.client_us = result.at("client_us").to_number<double>() / static_cast<double>(drain.jobs);
  sample_cost(report, drain.figure, cost);
  const auto ended = result.at("ended").to_number<long>();
  const auto left = result.at("left").to_number<long>();
  report.audit(drain.figure + ": every job ended once", ended == drain.jobs && left == 0,
               fmt::format("{} ended, {} left", ended, left));
  report.note("BullMQ " + std::string(result.at("version").as_string()) + " on node " +
              std::string(result.at("node").as_string()));
}

Cost drain(BenchServer& server, Report& report, const script::ConnectionOptions& workers_way, core::Mode mode,
           int processes, std::size_t concurrency, std::size_t prefetch, long executions, int priorities) {
  server.fresh();
  Session session(over_unix(server));
  Shape shape(mode, 16);
  shape.in_flight = 4;
  shape.priorities = priorities;
  executions = executions / shape.batch * shape.batch;
  Lifecycles(session, shape).submit(executions);

  FleetOptions options(workers_way);
  options.processes = processes;
  options.concurrency = concurrency;
  options.prefetch = prefetch;
  options.target = static_cast<std::uint64_t>(executions);
  Fleet fleet(options);
  fleet.go(server);
  const auto cost = fleet.wait(kDrainSeconds);
  fleet.stop();

  const auto what = fmt::format("drain {} {}x{}", name_of(mode), processes, concurrency);
  audit_ended(report, session, mode, executions, what);
  report.audit(what + ": each handler ran once and no lease was lost",
               fleet.runs() == options.target && fleet.completed() == options.target && fleet.lost() == 0,
               fmt::format("{} runs, {} completed, {} lost", fleet.runs(), fleet.completed(), fleet.lost()));
  return cost;
}

void run_drain(const Settings& settings, Report& report, BenchServer& server) {
  const bool peer = peer_there(settings);
  if (!peer) report.note("BullMQ is not installed (npm ci in " + settings.peer + "): not compared");
  report.note("workers x concurrency; handlers do nothing; every process shares one core; payload 100 B");
  for (int run = 0; run < settings.runs; ++run) {
    for (const auto& shape : kShapes) {
      sample_drain(settings, report, server, core::Mode::record, shape);
      if (peer) measure_peer(settings, report, server, shape, "keep");
      sample_drain(settings, report, server, core::Mode::lean, shape);
      if (peer) measure_peer(settings, report, server, shape, "remove");
    }
    for (const auto mode : {core::Mode::lean, core::Mode::record}) {
      const auto cost = drain(server, report, over_unix(server), mode, 1, 256, 256, settings.amount(96'000));
      sample_cost(report, "drain." + name_of(mode) + ".batched", cost);
    }
    sample_prioritized(settings, report, server, peer);
  }
  if (!peer) return;
  for (const auto& shape : kShapes) report_ratios(report, shape);
  report.sample("drain.ratio_prioritized.1x16", report.median("drain.prioritized.1x16.rate") /
                                                    report.median("drain.bullmq_prioritized.1x16.rate"));
}

}  // namespace ff::bench
