#pragma once
// What the tests of Worker and Timers share: workers and engines on connections of their own, as other processes would
// be, all driven by the test's one thread.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "ff/engine/timers.hpp"
#include "ff/sdk/client.hpp"
#include "ff/sdk/worker.hpp"
#include "integration/client_fixture.hpp"

namespace ff::test {

// Where handlers wait until the test lets them go on. Counts them. Everything on one executor.
class Gate {
 public:
  explicit Gate(boost::asio::io_context& context)
      : context_(context), change_(context, std::chrono::steady_clock::time_point::max()) {}
  // Waits until open() or the token fires; answers whether it was open().
  boost::asio::awaitable<bool> pass(std::stop_token stop = std::stop_token());
  void open() {
    open_ = true;
    change_.cancel();
  }
  std::size_t waiting() const noexcept { return waiting_; }
  std::size_t waiting_max() const noexcept { return waiting_max_; }
  // A handler that waits, then returns `result`; a stopped one fails as `cancelled`.
  sdk::Worker::Coroutine handler(std::string result = "done");
  // The same, but deaf to its stop token.
  sdk::Worker::Coroutine stubborn_handler();

 private:
  boost::asio::awaitable<sdk::HandlerResult> handle(sdk::Task& task, std::string result, bool heeds_stop);
  boost::asio::io_context& context_;
  boost::asio::steady_timer change_;
  bool open_ = false;
  std::size_t waiting_ = 0, waiting_max_ = 0;
};

// Something with run() and stop() on a deployment of its own.
template <class Service>
class Running {
 public:
  template <class Options>
  Running(boost::asio::io_context& context, std::shared_ptr<script::Deployment> d, Options options)
      : deployment(std::move(d)), service(deployment, std::move(options)), context_(context) {}
  ~Running() {
    if (!run_) return;
    service.stop();
    run_->until([this] { return run_->done(); }, std::chrono::seconds(30));
    deployment->connection()->close();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  void start() { run_.emplace(context_, service.run()); }
  Service* operator->() { return &service; }
  bool ended() const { return run_->done(); }
  // What run() returned, once it has.
  auto result() { return run_->get(); }
  // From now on nothing reaches Valkey: as if the process were gone, but for the executions it holds.
  void vanish() { deployment->connection()->close(); }

  std::shared_ptr<script::Deployment> deployment;
  Service service;

 private:
  using Outcome = typename decltype(std::declval<Service&>().run())::value_type;
  boost::asio::io_context& context_;
  std::optional<Background<Outcome>> run_;
};
using RunningWorker = Running<sdk::Worker>;

// Timers::run() has no value; Background wants one.
class EngineService {
 public:
  EngineService(std::shared_ptr<script::Deployment> deployment, engine::TimersOptions options)
      : timers_(std::move(deployment), std::move(options)) {}
  boost::asio::awaitable<bool> run();
  void stop() { timers_.stop(); }
  const engine::TimersStats& stats() const { return timers_.stats(); }

 private:
  engine::Timers timers_;
};
using RunningEngine = Running<EngineService>;

class WorkerSetup : public Setup {
 public:
  // On the program's Valkey of that kind.
  explicit WorkerSetup(Store store = Store::standalone, std::size_t partitions = 8);
  // On another one; setup.connection leads to it.
  WorkerSetup(SetupOptions setup, ValkeyServer& server) : Setup(std::move(setup)), server_(&server) {}
  WorkerSetup(SetupOptions setup, ValkeyCluster& cluster) : Setup(std::move(setup)), cluster_(&cluster) {}

  // On a connection of its own; unset: the same way as the client's.
  using Way = std::optional<script::ConnectionOptions>;
  std::shared_ptr<script::Deployment> deployment(const Way& way = Way());
  // Running, with these handlers; `prepare` gets the worker before it runs.
  std::unique_ptr<RunningWorker> worker(sdk::WorkerOptions options,
                                        const std::function<void(sdk::Worker&)>& prepare);
  std::unique_ptr<RunningEngine> engine(engine::TimersOptions options, const Way& way = Way());

  // Drives everything until `condition` holds; whether it does.
  bool until(const std::function<bool()>& condition, std::chrono::milliseconds limit = 20s);
  // The same for what only Valkey knows.
  bool until_state(const core::ExecutionId& id, core::State state, std::chrono::milliseconds limit = 20s);
  void let_pass(std::chrono::milliseconds time);

  core::ExecutionId submit_kind(const std::string& kind, const core::Policy& policy = core::Policy());
  std::vector<core::ExecutionId> submit_count(const std::string& kind, std::size_t count,
                                              const core::Policy& policy = core::Policy());
  script::Describe::Ok look(const core::ExecutionId& id);
  std::string result_of(const core::ExecutionId& id);
  std::int64_t in_state(core::State state);

  // Inspection beside the product's client, on the node that has the partition.
  std::string cli(core::Partition partition, const std::vector<std::string>& words) const;
  // How often each execution was published with this state, from the partitions' event streams.
  std::map<std::string, int> events(const std::string& state) const;
  // FCALLs and FCALL_ROs that the store has run so far, all nodes together.
  std::uint64_t calls() const;
  // The servers that run and are not replicas.
  std::vector<ValkeyServer*> primaries() const;

 private:
  ValkeyServer* server_ = nullptr;
  ValkeyCluster* cluster_ = nullptr;
};

// The smallest value with at least this share of all at or below it. Precondition: not empty.
std::int64_t percentile(std::vector<std::int64_t> values, double share);

// One of kind "work".
sdk::Submission work_in(const std::string& lane = "default");
// A handler of "work"; the result is the id.
std::function<void(sdk::Worker&)> does_work();

sdk::WorkerOptions worker_options(std::size_t concurrency = 8, core::Millis lease = core::Millis(5000));

}  // namespace ff::test
