// What calls cost: the floor, full lifecycles step by step, and submits of the SDK.

#include <fmt/format.h>

#include <algorithm>

#include "bench/scenarios.hpp"
#include "support/run.hpp"

namespace ff::bench {
namespace {

// The least a durable queue can do in one function: store something, put it into an index.
constexpr const char* kFloorLibrary =
    "#!lua name=benchfloor\n"
    "redis.register_function('bench_floor', function(keys, args)\n"
    "  redis.call('SET', keys[1] .. args[1], args[2])\n"
    "  return redis.call('ZADD', keys[1], 1, args[1])\n"
    "end)\n";

struct FloorLoad {
  script::Connection* connection;
  long left;
  std::string payload = std::string(100, 'x');
  FloorLoad(script::Connection* c, long n) : connection(c), left(n) {}
};

boost::asio::awaitable<void> floor_caller(FloorLoad* load) {
  while (load->left > 0) {
    script::Command command("FCALL");
    command.arg("bench_floor").arg("1").arg("{bench}").arg(std::to_string(load->left--)).arg(load->payload);
    auto sent = co_await load->connection->send(0, std::move(command), core::Deadline::in(core::Millis(10'000)));
    const auto reply = insist(std::move(sent), "floor");
    if (reply.is_error()) throw std::runtime_error("floor: " + reply.text);
  }
}

std::string lifecycle_id(const Shape& shape) {
  const auto at_once = shape.in_flight > 1 ? fmt::format("_{}", shape.in_flight) : "";
  return fmt::format("lifecycle.{}.{}{}", name_of(shape.mode), shape.batch, at_once);
}

void measure_lifecycle(Report& report, BenchServer& server, Shape shape, long executions, bool last) {
  const auto id = lifecycle_id(shape);
  server.fresh();
  Session session(over_unix(server));
  Lifecycles load(session, shape);
  const long warm = shape.batch * static_cast<long>(session.partitions());
  load.submit(warm);
  load.claim(warm);
  load.complete();
  server.command({"CONFIG", "RESETSTAT"});
  const Meter submit_meter(server);
  load.submit(executions);
  const auto submit = submit_meter.stop(static_cast<double>(executions));
  const Meter claim_meter(server);
  load.claim(executions);
  const auto claim = claim_meter.stop(static_cast<double>(executions));
  const Meter complete_meter(server);
  load.complete();
  const auto complete = complete_meter.stop(static_cast<double>(executions));
  if (last) report_commands(report, server, id, executions);

  report.sample(id + ".valkey_us", submit.valkey_us + claim.valkey_us + complete.valkey_us);
  report.sample(id + ".submit_us", submit.valkey_us);
  report.sample(id + ".claim_us", claim.valkey_us);
  report.sample(id + ".complete_us", complete.valkey_us);
  report.sample(id + ".client_us", submit.client_us + claim.client_us + complete.client_us);
  report.sample(id + ".rate", static_cast<double>(executions) / (submit.seconds + claim.seconds + complete.seconds));
  audit_ended(report, session, shape.mode, executions + warm, id);
}

// As workers do it: each complete claims the next ones, so there is one call less.
void measure_chained(Report& report, BenchServer& server, Shape shape, long executions) {
  const auto id = lifecycle_id(shape);
  server.fresh();
  Session session(over_unix(server));
  Lifecycles load(session, shape);
  const long first = shape.batch * static_cast<long>(session.partitions());
  load.submit(first);
  load.claim(first);
  const Meter meter(server);
  load.submit(executions);
  load.complete_and_claim(executions);
  report.sample(id + ".chained_us", meter.stop(static_cast<double>(executions)).valkey_us);
  const long held = load.held();
  load.complete();
  audit_ended(report, session, shape.mode, first + executions, id + " chained");
  report.audit(id + " chained: as many held as were claimed first", held == first, std::to_string(held));
}

struct SubmitLoad {
  sdk::Client client;
  long left;
  std::size_t many;  // 0: submit, else submit_many of so many.
  std::string payload = std::string(100, 'x');
  SubmitLoad(sdk::Client c, long n, std::size_t m) : client(std::move(c)), left(n), many(m) {}

  sdk::Submission next() {
    sdk::Submission submission(kKind, core::Payload(payload));
    submission.lane = kLane;
    --left;
    return submission;
  }
};

boost::asio::awaitable<void> submit_caller(SubmitLoad* load) {
  while (load->left > 0) {
    if (load->many == 0) {
      auto submitted = co_await load->client.submit(load->next());
      insist(std::move(submitted), "submit");
      continue;
    }
    std::vector<sdk::Submission> all;
    for (std::size_t i = 0; i < load->many; ++i) all.push_back(load->next());
    auto sent = co_await load->client.submit_many(std::move(all));
    auto answers = insist(std::move(sent), "submit_many");
    for (auto& answer : answers) insist(std::move(answer), "submit_many");
  }
}

void measure_submit(Report& report, BenchServer& server, const std::string& id, int in_flight, std::size_t many,
                    long executions) {
  server.fresh();
  Session session(over_unix(server));
  SubmitLoad load(session.client(), executions, many);
  const Meter meter(server);
  session.run(in_flight, [&load] { return submit_caller(&load); });
  sample_cost(report, id, meter.stop(static_cast<double>(executions)));
  audit_queued(report, session, executions, id);
}

}  // namespace

void run_floor(const Settings& settings, Report& report, BenchServer& server) {
  for (int run = 0; run < settings.runs; ++run) {
    for (const int in_flight : {1, 16}) {
      server.fresh();
      server.command({"FUNCTION", "LOAD", kFloorLibrary});
      Session session(over_unix(server));
      const long calls = settings.amount(40'000);
      FloorLoad load(session.deployment().connection().get(), calls);
      const Meter meter(server);
      session.run(in_flight, [&load] { return floor_caller(&load); });
      sample_cost(report, fmt::format("floor.{}", in_flight), meter.stop(static_cast<double>(calls)));
      const auto stored = server.command({"ZCARD", "{bench}"}).integer();
      report.audit("every call was performed once", stored == calls, std::to_string(stored));
    }
  }
}

void run_lifecycle(const Settings& settings, Report& report, BenchServer& server) {
  report.note("each step of all executions before the next step; one connection, 64 partitions in turn");
  report.note("with one call in flight Valkey goes to sleep, wakes up and writes its log for each call");
  const std::pair<int, int> ways[] = {{1, 1}, {1, 16}, {16, 1}, {16, 4}, {64, 1}, {64, 4}};
  for (int run = 0; run < settings.runs; ++run) {
    for (const auto mode : {core::Mode::record, core::Mode::lean}) {
      for (const auto& [batch, in_flight] : ways) {
        Shape shape(mode, batch);
        shape.in_flight = in_flight;
        // Whole batches, the same number to every partition.
        const long step = batch * 64L;
        const long executions = std::max(settings.amount(batch == 1 ? 16'000 : 64'000) / step, 1L) * step;
        measure_lifecycle(report, server, shape, executions, run + 1 == settings.runs);
        measure_chained(report, server, shape, executions);
      }
    }
  }
}

void run_submit(const Settings& settings, Report& report, BenchServer& server) {
  report.note("submit_many sends one batch to each partition that its items fall into; 64 partitions");
  for (int run = 0; run < settings.runs; ++run) {
    measure_submit(report, server, "submit.1", 1, 0, settings.amount(16'000));
    measure_submit(report, server, "submit.16", 16, 0, settings.amount(32'000));
    for (const std::size_t many : {16, 64, 1024}) {
      const long executions = std::max(settings.amount(65'536) / 1024, 1L) * 1024;
      measure_submit(report, server, fmt::format("submit.many{}", many), 1, many, executions);
    }
  }
}

}  // namespace ff::bench
