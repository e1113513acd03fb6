// Routes: what a claim costs where others wait that it cannot take, and where many fairness keys wait; and how fair and
// how well ordered a lane that is spread over partitions is.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>

#include "bench/scenarios.hpp"
#include "ff/sdk/worker.hpp"

namespace ff::bench {
namespace {

constexpr std::size_t kPartitions = 4;

struct RouteCase {
  const char* name;
  long others;  // Executions of a route that the claimer cannot take, ahead of its own.
  const char* requirements;
  int keys;
};

// The first is what the others are compared with.
constexpr RouteCase kRouteCases[] = {{"empty_lane", 0, "", 0},
                                     {"behind_100k", 100'000, "", 0},
                                     {"one_route", 0, "+gpu", 0},
                                     {"keys_1", 0, "", 1},
                                     {"keys_1000", 0, "", 1000}};

double measure_claims(Report& report, BenchServer& server, const RouteCase& one, int batch, long executions) {
  server.fresh();
  Session session(over_unix(server), kPartitions);
  Shape other(core::Mode::record, 64);
  other.requirements = "+other";
  Lifecycles others(session, other);
  others.submit(one.others);
  Shape shape(core::Mode::record, batch);
  shape.requirements = one.requirements;
  shape.capability = *one.requirements ? one.requirements + 1 : "";
  shape.fairness_keys = one.keys;
  Lifecycles load(session, shape);
  load.submit(2 * executions);
  const Meter meter(server);
  load.claim(executions);
  const double us = meter.stop(static_cast<double>(executions)).valkey_us;
  report.sample(fmt::format("routes.{}.{}.claim_us", one.name, batch), us);
  load.complete();
  const auto completed = session.count()["completed"];
  report.audit(fmt::format("routes, {}: {} completed", one.name, executions), completed == executions,
               std::to_string(completed));
  return us;
}

// One worker, eight at once, in the order in which executions began.
class Observer {
 public:
  explicit Observer(Session& session) : session_(session), worker_(session.shared_deployment(), options()) {
    worker_.handle(kKind, [this](sdk::Task& task) -> sdk::HandlerResult {
      begun_.push_back(task.payload().bytes);
      return core::Payload();
    });
  }
  std::vector<std::string> watch(std::size_t count) {
    session_.run(1, [this, count] { return run(this, count); });
    return begun_;
  }

 private:
  static sdk::WorkerOptions options() {
    sdk::WorkerOptions options;
    options.ns = kNamespace;
    options.lanes = {kLane};
    options.concurrency = 8;
    return options;
  }
  static boost::asio::awaitable<void> stop_at(Observer* self, std::size_t count) {
    boost::asio::steady_timer timer(self->session_.context());
    while (self->begun_.size() < count) {
      timer.expires_after(core::Millis(5));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    self->worker_.stop();
  }
  static boost::asio::awaitable<void> run(Observer* self, std::size_t count) {
    boost::asio::co_spawn(self->session_.context(), stop_at(self, count), boost::asio::detached);
    auto ended = co_await self->worker_.run();
    insist(ended, "worker");
  }

  Session& session_;
  sdk::Worker worker_;
  std::vector<std::string> begun_;
};

void submit(Session& session, long count, const std::string& name, const std::string& key, std::int64_t priority) {
  sdk::Submission like(kKind, core::Payload(name, "text/plain"));
  like.lane = kLane;
  like.fairness_key = key;
  like.priority = priority;
  std::vector<sdk::Submission> all(static_cast<std::size_t>(count), like);
  session.run(1, [&session, &all] { return submit_all(session.client(), std::move(all)); });
}

// The largest difference between what two equal keys were given, at any moment while both wait.
void measure_fairness(Report& report, BenchServer& server, long executions) {
  server.fresh();
  Session session(over_unix(server), 64);
  submit(session, executions, "A", "A", 0);
  submit(session, executions, "B", "B", 0);
  long difference = 0, worst = 0;
  const auto begun = Observer(session).watch(static_cast<std::size_t>(2 * executions));
  for (long i = 0; i < executions; ++i) {
    difference += begun[static_cast<std::size_t>(i)] == "A" ? 1 : -1;
    worst = std::max(worst, std::abs(difference));
  }
  report.sample("routes.fair_share_error", static_cast<double>(worst));
}

boost::asio::awaitable<void> order_strictly(sdk::Client client) {
  core::LanePolicy policy;
  policy.strict = true;
  auto set = co_await client.set_lane_policy(kLane, policy);
  insist(set, "set_lane_policy");
}

// How many of a lower priority began while one of a higher priority waited.
void measure_inversion(Report& report, BenchServer& server, long executions, bool strict) {
  server.fresh();
  Session session(over_unix(server), 64);
  if (strict) session.run(1, [&session] { return order_strictly(session.client()); });
  submit(session, executions, "low", "", 0);
  submit(session, executions, "high", "", 1000);
  const auto begun = Observer(session).watch(static_cast<std::size_t>(2 * executions));
  long high = 0, inverted = 0;
  for (const auto& name : begun) {
    if (name == "high") ++high;
    else if (high < executions) ++inverted;
  }
  if (!strict) return report.sample("routes.priority_inversions", static_cast<double>(inverted));
  report.audit("a strict lane is in exact order", inverted == 0, fmt::format("{} began before their turn", inverted));
}

}  // namespace

void run_routes(const Settings& settings, Report& report, BenchServer& server) {
  report.note("claims of 1 and 16 by bare calls on 4 partitions; fairness and order by a worker of 8 on 64 partitions");
  for (int run = 0; run < settings.runs; ++run) {
    for (const int batch : {1, 16}) {
      const long step = batch * static_cast<long>(kPartitions);
      const long executions = std::max(settings.amount(batch == 1 ? 4'000 : 32'000) / step, 1L) * step;
      double plain_us = 0;
      for (const auto& one : kRouteCases) {
        const double us = measure_claims(report, server, one, batch, executions);
        if (plain_us == 0) plain_us = us;
        report.sample(fmt::format("routes.{}.{}.ratio", one.name, batch), us / plain_us);
      }
    }
    measure_fairness(report, server, settings.amount(8'000));
    for (const bool strict : {false, true}) measure_inversion(report, server, settings.amount(8'000), strict);
  }
}

}  // namespace ff::bench
