// Memory per execution, and what an idle fleet costs.

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "bench/fleet.hpp"
#include "bench/scenarios.hpp"

namespace ff::bench {
namespace {

namespace asio = boost::asio;

constexpr const char* kPrefix = "ff";

asio::awaitable<void> pass_time(core::Millis duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

void wait_for(Session& session, core::Millis duration) {
  session.run(1, [duration] { return pass_time(duration); });
}

void measure_queued(Report& report, BenchServer& server, core::Mode mode, long executions) {
  server.fresh();
  Session session(over_unix(server));
  Lifecycles load(session, Shape(mode, 16));
  const double before = server.memory_bytes();
  load.submit(executions);
  const double after = server.memory_bytes();
  const double events = server.event_bytes(session.partitions(), kPrefix);
  const auto id = "memory.queued." + name_of(mode);
  report.sample(id, (after - before) / static_cast<double>(executions));
  report.sample(id + ".events", events / static_cast<double>(executions));
  audit_queued(report, session, executions, id);
}

void measure_finished(Report& report, BenchServer& server, long executions) {
  server.fresh();
  Session session(over_unix(server));
  Shape shape(core::Mode::record, 16);
  shape.payload = 0;
  Lifecycles load(session, shape);
  const double before = server.memory_bytes();
  load.submit(executions);
  load.claim(executions);
  load.complete();
  const double after = server.memory_bytes();
  const double events = server.event_bytes(session.partitions(), kPrefix);
  report.sample("memory.finished", (after - before) / static_cast<double>(executions));
  report.sample("memory.finished.events", events / static_cast<double>(executions));
  audit_ended(report, session, core::Mode::record, executions, "memory.finished");
}

double calls_of(const std::map<std::string, CommandStat>& stats, const std::string& name) {
  const auto found = stats.find(name);
  return found == stats.end() ? 0 : found->second.calls;
}

struct IdleSample {
  double commands = 0, pings = 0, calls = 0, cpu_us = 0;
};

// What clients sent: everything but what functions call inside. Those names are never sent by our clients.
IdleSample look(const BenchServer& server) {
  IdleSample sample;
  const auto stats = server.command_stats();
  sample.pings = calls_of(stats, "ping");
  sample.calls = calls_of(stats, "fcall") + calls_of(stats, "fcall_ro");
  sample.commands = sample.pings + sample.calls;
  for (const auto* name : {"hello", "auth", "client|setname", "client|setinfo", "info", "function|list",
                           "function|load", "ssubscribe", "sunsubscribe", "cluster|shards", "cluster|slots"}) {
    sample.commands += calls_of(stats, name);
  }
  sample.cpu_us = server.cpu_us();
  return sample;
}

}  // namespace

void run_memory(const Settings& settings, Report& report, BenchServer& server) {
  const long executions = settings.quick ? 16'384 : 98'304;
  report.note(fmt::format("{} executions, in batches of 16 over 64 partitions; growth of used_memory", executions));
  for (int run = 0; run < settings.runs; ++run) {
    measure_queued(report, server, core::Mode::record, executions);
    measure_queued(report, server, core::Mode::lean, executions);
    measure_finished(report, server, executions);
  }
}

void run_idle(const Settings& settings, Report& report, BenchServer& server) {
  const auto window = core::Millis(settings.quick ? 5'000 : 30'000);
  const int runs = settings.quick ? 1 : std::min(settings.runs, 2);
  report.note(fmt::format("{} s after 5 s to settle, {} runs; 4 processes with 25 workers and 25 connections each",
                          window.count() / 1000, runs));
  for (int run = 0; run < runs; ++run) {
    server.fresh();
    Session session(over_unix(server));
    Engine engine(over_unix(server));
    FleetOptions options(over_unix(server));
    options.processes = 4;
    options.workers = 25;
    Fleet fleet(options);
    fleet.go(server);
    wait_for(session, core::Millis(5'000));
    const auto before = look(server);
    wait_for(session, window);
    const auto after = look(server);
    const double seconds = static_cast<double>(window.count()) / 1000;
    // One INFO of our own lies within.
    report.sample("idle.commands", (after.commands - before.commands - 1) / seconds);
    report.sample("idle.pings", (after.pings - before.pings) / seconds);
    report.sample("idle.calls", (after.calls - before.calls) / seconds);
    report.sample("idle.valkey_cpu", (after.cpu_us - before.cpu_us) / 1000 / seconds);
    fleet.stop();
    engine.stop();
    audit_ended(report, session, core::Mode::record, 0, "idle");
  }
}

}  // namespace ff::bench
