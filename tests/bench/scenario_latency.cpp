// Latencies on an idle engine: from submit to handler start, and how late a delayed execution starts.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "bench/fleet.hpp"
#include "bench/scenarios.hpp"
#include "support/wait.hpp"

namespace ff::bench {
namespace {

namespace asio = boost::asio;
using Steady = std::chrono::steady_clock;

constexpr auto kPeriod = std::chrono::milliseconds(5);  // 200 a second.

struct OpenLoop {
  sdk::Client client;
  long left;
  long answered = 0;
  std::vector<double> lags_ms;
  OpenLoop(sdk::Client c, long n) : client(std::move(c)), left(n) {}
};

sdk::Submission stamped(std::int64_t time) {
  sdk::Submission submission(kKind, core::Payload(std::to_string(time)));
  submission.lane = kLane;
  return submission;
}

// The stamp is taken when the submit is made: how late that was is a figure of its own.
asio::awaitable<void> submit_stamped(OpenLoop* load) {
  auto submitted = co_await load->client.submit(stamped(Steady::now().time_since_epoch().count()));
  insist(std::move(submitted), "submit");
  ++load->answered;
}

// Does not wait for answers: a slow one must not slow the load.
asio::awaitable<void> open_loop(OpenLoop* load) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  const long all = load->left;
  auto at = Steady::now();
  while (load->left-- > 0) {
    at += kPeriod;
    timer.expires_at(at);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    load->lags_ms.push_back(std::chrono::duration<double, std::milli>(Steady::now() - at).count());
    asio::co_spawn(executor, submit_stamped(load), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }
  while (load->answered < all) {
    timer.expires_after(kPeriod);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

void wait_for_runs(const Fleet& fleet, long runs) {
  const bool all = test::wait_until([&] { return fleet.completed() >= static_cast<std::uint64_t>(runs); },
                                    std::chrono::seconds(60));
  if (!all) throw std::runtime_error(fmt::format("{} of {} executions have ended", fleet.completed(), runs));
}

void measure_start(Report& report, BenchServer& server, long executions) {
  server.fresh();
  Session session(over_unix(server));
  Engine engine(over_unix(server));
  FleetOptions options(over_unix(server));
  options.handler = Handler::stamp;
  Fleet fleet(options);
  fleet.go(server);
  // Until the worker is registered everywhere.
  OpenLoop warm(session.client(), 100);
  session.run(1, [&warm] { return open_loop(&warm); });
  wait_for_runs(fleet, 100);
  OpenLoop load(session.client(), executions);
  session.run(1, [&load] { return open_loop(&load); });
  wait_for_runs(fleet, executions + 100);
  fleet.stop();
  engine.stop();

  auto times = fleet.times_in_order();
  times.erase(times.begin(), times.begin() + 100);
  std::sort(times.begin(), times.end());
  std::sort(load.lags_ms.begin(), load.lags_ms.end());
  report.sample("start.p50", quantile(times, 0.5));
  report.sample("start.p99", quantile(times, 0.99));
  report.sample("start.max", times.back());
  report.sample("start.lag_p99", quantile(load.lags_ms, 0.99));
  audit_ended(report, session, core::Mode::record, executions + 100, "start latency");
  report.audit("start latency: each handler ran once", fleet.runs() == static_cast<std::uint64_t>(executions + 100),
               std::to_string(fleet.runs()));
}

std::vector<sdk::Submission> delayed_ones(long executions, core::Millis first, core::Millis span) {
  const auto now = std::chrono::duration_cast<core::Millis>(std::chrono::system_clock::now().time_since_epoch());
  std::vector<sdk::Submission> all;
  for (long i = 0; i < executions; ++i) {
    const auto at = (now + first + span * i / executions).count();
    auto submission = stamped(at);
    submission.start_at = at;
    all.push_back(std::move(submission));
  }
  return all;
}

void measure_delayed(Report& report, BenchServer& server, long executions, core::Millis span) {
  server.fresh();
  Session session(over_unix(server));
  Engine engine(over_unix(server));
  FleetOptions options(over_unix(server));
  options.handler = Handler::on_time;
  Fleet fleet(options);
  fleet.go(server);
  session.run(1, [&] { return submit_all(session.client(), delayed_ones(executions, core::Millis(1500), span)); });
  wait_for_runs(fleet, executions);
  fleet.stop();
  engine.stop();

  auto times = fleet.times_in_order();
  std::sort(times.begin(), times.end());
  report.sample("delayed.p50", quantile(times, 0.5));
  report.sample("delayed.p99", quantile(times, 0.99));
  const auto on_time = std::lower_bound(times.begin(), times.end(), 0.0);
  report.sample("delayed.early", static_cast<double>(on_time - times.begin()));
  audit_ended(report, session, core::Mode::record, executions, "delayed");
}

}  // namespace

void run_start(const Settings& settings, Report& report, BenchServer& server) {
  report.note("one worker, one engine process; each submit is timed from its own call; handlers note their start");
  for (int run = 0; run < settings.runs; ++run) measure_start(report, server, settings.quick ? 300 : 1000);
}

void run_delayed(const Settings& settings, Report& report, BenchServer& server) {
  report.note("start times spread evenly; one worker, one engine process");
  for (int run = 0; run < settings.runs; ++run) {
    measure_delayed(report, server, settings.quick ? 200 : 500, core::Millis(settings.quick ? 1000 : 3000));
  }
}

}  // namespace ff::bench
