// Suspensions: how soon a signal makes a handler run again, what a suspended execution takes, and what a signal costs
// among many of them.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <chrono>

#include "bench/api_server.hpp"
#include "bench/fleet.hpp"
#include "bench/scenarios.hpp"
#include "ff/core/ids.hpp"
#include "ff/sdk/worker.hpp"

namespace ff::bench {
namespace {

namespace asio = boost::asio;
using Steady = std::chrono::steady_clock;

constexpr core::Millis kCallLimit(30'000);

double ms_since(Steady::time_point then) {
  return std::chrono::duration<double, std::milli>(Steady::now() - then).count();
}

// A worker whose one execution suspends again and again, in this process but on a connection of its own; and the times
// of its turns.
struct Turns {
  std::optional<sdk::Worker> worker;
  std::shared_ptr<script::Connection> connection;
  long turns;
  std::uint64_t begun = 0;  // Runs of the handler.
  bool ended = false;       // The worker.
  Steady::time_point suspending, signalled;
  std::vector<double> whole, from_signal;  // ms, from the handler's end and from the signal's call to its next line.
  explicit Turns(long t) : turns(t) {}
};

sdk::HandlerResult take_turn(Turns* turns, const sdk::Task& task) {
  ++turns->begun;
  if (task.resumption() != nullptr) {
    turns->whole.push_back(ms_since(turns->suspending));
    turns->from_signal.push_back(ms_since(turns->signalled));
  }
  if (turns->begun > static_cast<std::uint64_t>(turns->turns)) return core::Payload();
  turns->suspending = Steady::now();
  return sdk::Suspend(core::any_signal());
}

asio::awaitable<sdk::HandlerResult> handle_turn(Turns* turns, sdk::Task* task) { co_return take_turn(turns, *task); }

asio::awaitable<void> open_worker(const BenchServer* server, Turns* turns) {
  turns->connection = script::make_connection(co_await asio::this_coro::executor, over_unix(*server));
  const core::Deadline deadline = core::Deadline::in(kCallLimit);
  auto opened = co_await script::Deployment::open(turns->connection, script::DeploymentOptions(), deadline);
  sdk::WorkerOptions options;
  options.ns = kNamespace;
  options.lanes = {kLane};
  turns->worker.emplace(insist(std::move(opened), "open the deployment"), std::move(options));
  turns->worker->handle_async(kKind, [turns](sdk::Task& task) { return handle_turn(turns, &task); });
}

// How a signal is sent: by the SDK, or over HTTP with a token of its own.
struct Way {
  Session* session;
  ApiClient* api = nullptr;  // Null: by the SDK.
  std::string token;
  explicit Way(Session* s) : session(s) {}
};

asio::awaitable<void> prepare(Way* way, std::string id, std::string waitpoint) {
  if (way->api == nullptr) co_return;
  std::string body = fmt::format(R"({{"waitpoint":"{}"}})", waitpoint);
  const std::string answer = co_await way->api->post("/v1/executions/" + id + "/tokens", std::move(body), "");
  way->token = std::string(boost::json::parse(answer).at("token").as_string());
}

asio::awaitable<void> send_signal(Way* way, core::ExecutionId id, std::string waitpoint) {
  if (way->api == nullptr) {
    core::Signal signal("go");
    insist(co_await way->session->client().signal(id, waitpoint, signal), "signal");
    co_return;
  }
  std::string fields = "Authorization: Bearer " + way->token + "\r\n";
  co_await way->api->post("/v1/executions/" + id.str() + "/signals", R"({"name":"go"})", std::move(fields));
}

// Waits without sleeping: a timer's lateness would be part of the figure.
asio::awaitable<void> until(const std::uint64_t* number, std::uint64_t wanted) {
  const auto executor = co_await asio::this_coro::executor;
  while (*number < wanted) co_await asio::post(executor, asio::use_awaitable);
}

asio::awaitable<void> go_round(Turns* turns, Way* way) {
  sdk::Submission submission(kKind);
  submission.lane = kLane;
  const auto submitted = insist(co_await way->session->client().submit(submission), "submit");
  const auto executor = co_await asio::this_coro::executor;
  for (long step = 1; step <= turns->turns; ++step) {
    while (turns->worker->stats().suspended < static_cast<std::uint64_t>(step)) {
      co_await asio::post(executor, asio::use_awaitable);
    }
    const std::string waitpoint = std::to_string(step) + ".default";
    // With a token there is work between the suspension and the signal, which `whole` must not count.
    const auto pause = Steady::now();
    co_await prepare(way, submitted.id.str(), waitpoint);
    turns->signalled = Steady::now();
    turns->suspending += turns->signalled - pause;
    co_await send_signal(way, submitted.id, waitpoint);
    co_await until(&turns->begun, static_cast<std::uint64_t>(step) + 1);
  }
  while (turns->worker->stats().completed == 0) co_await asio::post(executor, asio::use_awaitable);
}

asio::awaitable<void> until_ended(Turns* turns) {
  const auto executor = co_await asio::this_coro::executor;
  while (!turns->ended) co_await asio::post(executor, asio::use_awaitable);
}

void sample_times(Report& report, const std::string& id, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  report.sample(id + ".p50", quantile(times, 0.5));
  report.sample(id + ".p99", quantile(times, 0.99));
}

void measure_turns(Report& report, BenchServer& server, long steps, bool http) {
  server.fresh();
  Session session(over_unix(server));
  Turns turns(steps);
  session.run(1, [&] { return open_worker(&server, &turns); });
  asio::co_spawn(session.context(), turns.worker->run(), [&turns](std::exception_ptr, core::Result<void> result) {
    turns.ended = true;
    insist(result, "run the worker");
  });
  std::optional<ApiServer> server_process;
  std::optional<ApiClient> api;
  Way way(&session);
  if (http) {
    server_process.emplace(server);
    way.api = &api.emplace(session.context().get_executor(), server_process->port());
  }
  session.run(1, [&] { return go_round(&turns, &way); });
  const std::string name = http ? "suspend.http" : "suspend.sdk";
  sample_times(report, name + ".whole", turns.whole);
  sample_times(report, name + ".signal", turns.from_signal);
  audit_ended(report, session, core::Mode::record, 1, name);
  turns.worker->stop();
  session.run(1, [&turns] { return until_ended(&turns); });
  turns.connection->close();
}

// Executions suspended by bare calls, each for two signals "go" at "1.w".
struct Crowd {
  Session* session;
  long batches_left = 0;
  std::size_t turn = 0;
  std::vector<core::ExecutionId> ids;
  explicit Crowd(Session* s) : session(s) {}
};

constexpr int kBatch = 16;

script::Submit::Args crowd_submit() {
  script::Submit::Args args;
  args.ns = kNamespace;
  for (int i = 0; i < kBatch; ++i) {
    auto& item = args.items.emplace_back();
    item.id = core::Ulid::make().str();
    item.lane = kLane;
    item.kind = kKind;
    item.payload = std::string(100, 'x');
  }
  return args;
}

script::Claim::Args crowd_claim() {
  script::Claim::Args args;
  args.worker = "bench-worker-1";
  args.lease = core::Ulid::make().str();
  args.lease_ms = 3'600'000;
  args.want = kBatch;
  args.queues.push_back(fmt::format("{}/{}", kNamespace, kLane));
  return args;
}

script::Suspend::Args crowd_suspend(const std::string& id, const std::string& lease, std::int64_t epoch) {
  script::Suspend::Args args;
  args.id = id;
  args.lease = lease;
  args.epoch = std::to_string(epoch);
  args.condition = R"({"names":["go"],"count":2})";
  args.timeout_ms = 7L * 24 * 3600 * 1000;
  args.on_timeout = "fail";
  auto& item = args.items.emplace_back();
  item.label = "w";
  item.max_signals = 10'000;
  return args;
}

asio::awaitable<void> fill_crowd(Crowd* crowd) {
  auto& deployment = crowd->session->deployment();
  while (crowd->batches_left-- > 0) {
    const auto partition = static_cast<core::Partition>(crowd->turn++ % crowd->session->partitions());
    const core::Deadline deadline = core::Deadline::in(kCallLimit);
    auto submit = crowd_submit();
    insist(co_await deployment.call<script::Submit>(partition, std::move(submit), deadline), "submit");
    auto claim = crowd_claim();
    const std::string lease = claim.lease;
    auto claimed = insist(co_await deployment.call<script::Claim>(partition, std::move(claim), deadline), "claim");
    for (const auto& row : claimed.rows) {
      auto args = crowd_suspend(row.id, lease, row.epoch);
      insist(co_await deployment.call<script::Suspend>(partition, std::move(args), deadline), "suspend");
      crowd->ids.push_back(core::ExecutionId(partition, core::Ulid::parse(row.id).value()));
    }
  }
}

void grow(Session& session, Crowd& crowd, long executions) {
  crowd.batches_left = executions / kBatch;
  session.run(8, [&crowd] { return fill_crowd(&crowd); });
}

struct Knocks {
  Session* session;
  std::vector<core::ExecutionId> ids;
  long left;
  std::vector<double> times;
  Knocks(Session* s, std::vector<core::ExecutionId> i, long n) : session(s), ids(std::move(i)), left(n) {}
};

// Signals that nobody waits for, so that the same executions take them all.
asio::awaitable<void> knock(Knocks* knocks) {
  while (knocks->left-- > 0) {
    const auto& id = knocks->ids[static_cast<std::size_t>(knocks->left) % knocks->ids.size()];
    script::Signal::Args args;
    args.ns = kNamespace;
    args.id = id.ulid().str();
    args.waitpoint = "1.w";
    args.signal = core::Ulid::make().str();
    args.name = "knock";
    args.payload = std::string(100, 'x');
    const auto start = Steady::now();
    auto& deployment = knocks->session->deployment();
    const core::Deadline deadline = core::Deadline::in(kCallLimit);
    auto answer = co_await deployment.call<script::Signal>(id.partition(), std::move(args), deadline);
    insist(std::move(answer), "signal");
    knocks->times.push_back(ms_since(start));
  }
}

// Signals to ten executions of the crowd.
double measure_knocks(Report& report, BenchServer& server, Session& session, const Crowd& crowd,
                      const std::string& id, long signals) {
  const std::size_t apart = crowd.ids.size() / 10;
  std::vector<core::ExecutionId> ten;
  for (std::size_t i = 0; i < 10; ++i) ten.push_back(crowd.ids[i * apart]);
  Knocks knocks(&session, std::move(ten), signals);
  const Meter meter(server);
  session.run(1, [&knocks] { return knock(&knocks); });
  const Cost cost = meter.stop(static_cast<double>(signals));
  report.sample(id + ".valkey_us", cost.valkey_us);
  sample_times(report, id, knocks.times);
  return cost.valkey_us;
}

void measure_crowd(Report& report, BenchServer& server, long executions, long signals) {
  double few = 0;
  {
    server.fresh();
    Session session(over_unix(server));
    Crowd crowd(&session);
    grow(session, crowd, kBatch);
    few = measure_knocks(report, server, session, crowd, "suspend.among.ten", signals);
  }
  server.fresh();
  Session session(over_unix(server));
  Crowd crowd(&session);
  const double before = server.memory_bytes();
  grow(session, crowd, executions);
  const auto each = static_cast<double>(crowd.ids.size());
  report.sample("suspend.memory", (server.memory_bytes() - before) / each);
  report.sample("suspend.memory.events", server.event_bytes(session.partitions(), "ff") / each);
  const double many = measure_knocks(report, server, session, crowd, "suspend.among.many", signals);
  report.sample("suspend.among.ratio", many / few);
  const auto counts = session.count();
  report.audit(fmt::format("suspend: {} suspended", executions), counts.at("suspended") == executions,
               std::to_string(counts.at("suspended")));
}

}  // namespace

void run_suspend(const Settings& settings, Report& report, BenchServer& server) {
  const long executions = settings.quick ? 10'000 : 100'000, signals = settings.quick ? 1'000 : 5'000;
  report.note("one execution that suspends again and again, its worker in the signaller's process on a connection of "
              "its own; over HTTP with a token for each signal, and ff-server on the same core");
  report.note(fmt::format("{} suspended, each for two signals of a name; {} other signals of 100 B to ten of them, one "
                          "at a time",
                          executions, signals));
  for (int run = 0; run < settings.runs; ++run) {
    measure_turns(report, server, settings.quick ? 200 : 1'000, false);
    if constexpr (kApiServerThere) measure_turns(report, server, settings.quick ? 200 : 1'000, true);
    measure_crowd(report, server, executions, signals);
  }
}

}  // namespace ff::bench
