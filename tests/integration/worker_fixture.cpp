#include "integration/worker_fixture.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <sstream>

namespace ff::test {
namespace asio = boost::asio;

asio::awaitable<bool> Gate::pass(std::stop_token stop) {
  ++waiting_;
  waiting_max_ = std::max(waiting_max_, waiting_);
  std::stop_callback wake(stop, [this] { change_.cancel(); });
  boost::system::error_code ignored;
  while (!open_ && !stop.stop_requested()) {
    co_await change_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  --waiting_;
  co_return open_;
}

asio::awaitable<sdk::HandlerResult> Gate::handle(sdk::Task& task, std::string result, bool heeds_stop) {
  auto stop = heeds_stop ? task.stop_token() : std::stop_token();
  const bool passed = co_await pass(std::move(stop));
  if (!passed) co_return sdk::Failure(core::failure_class::kCancelled, "told to stop");
  co_return core::Payload(std::move(result));
}

sdk::Worker::Coroutine Gate::handler(std::string result) {
  return [this, result](sdk::Task& task) { return handle(task, result, true); };
}

sdk::Worker::Coroutine Gate::stubborn_handler() {
  return [this](sdk::Task& task) { return handle(task, "done", false); };
}

asio::awaitable<bool> EngineService::run() {
  co_await timers_.run();
  co_return true;
}

namespace {

SetupOptions setup_options(Store store, std::size_t partitions) {
  SetupOptions options(store);
  options.partitions = partitions;
  return options;
}

}  // namespace

WorkerSetup::WorkerSetup(Store store, std::size_t partitions) : Setup(setup_options(store, partitions)) {
  if (store == Store::standalone) server_ = &the_server();
  if (store == Store::cluster) cluster_ = &the_cluster();
}

std::shared_ptr<script::Deployment> WorkerSetup::deployment(const Way& way) {
  sdk::ClientOptions same;
  same.connection = options.connection ? *options.connection : connect_to(options.store);
  if (way) same.connection = *way;
  same.deployment.prefix = options.prefix;
  return good(sdk::Client::open(context.get_executor(), same)).deployment();
}

std::unique_ptr<RunningWorker> WorkerSetup::worker(sdk::WorkerOptions worker_options,
                                                   const std::function<void(sdk::Worker&)>& prepare) {
  auto made = std::make_unique<RunningWorker>(context, deployment(), std::move(worker_options));
  prepare(made->service);
  made->start();
  return made;
}

std::unique_ptr<RunningEngine> WorkerSetup::engine(engine::TimersOptions timers_options, const Way& way) {
  auto made = std::make_unique<RunningEngine>(context, deployment(way), std::move(timers_options));
  made->start();
  return made;
}

bool WorkerSetup::until(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  auto guard = asio::make_work_guard(context);
  context.restart();
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    context.run_one_for(std::chrono::milliseconds(1));
    context.poll();
  }
  return true;
}

void WorkerSetup::let_pass(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  until([end] { return std::chrono::steady_clock::now() >= end; }, time + 1s);
}

bool WorkerSetup::until_state(const core::ExecutionId& id, core::State state, std::chrono::milliseconds limit) {
  return until([&] { return look(id).state == core::to_string(state); }, limit);
}

core::ExecutionId WorkerSetup::submit_kind(const std::string& kind, const core::Policy& policy) {
  sdk::Submission job(kind);
  job.policy = policy;
  return submit(std::move(job));
}

std::vector<core::ExecutionId> WorkerSetup::submit_count(const std::string& kind, std::size_t count,
                                                         const core::Policy& policy) {
  sdk::Submission job(kind);
  job.policy = policy;
  std::vector<sdk::Submission> jobs(count, job);
  std::vector<core::ExecutionId> ids;
  auto answers = good(client->submit_many(std::move(jobs)));
  for (auto& answer : answers) {
    INFO(text(answer));
    REQUIRE(answer.has_value());
    ids.push_back(answer->id);
  }
  return ids;
}

script::Describe::Ok WorkerSetup::look(const core::ExecutionId& id) { return good(client->describe(id)).fields; }

std::string WorkerSetup::result_of(const core::ExecutionId& id) { return good(client->result(id)).result.bytes; }

std::int64_t WorkerSetup::in_state(core::State state) {
  std::int64_t all = 0;
  for (const auto& [index, count] : good(client->count())) {
    if (std::string_view(index).substr(0, index.find(':')) == core::to_string(state)) all += count;
  }
  return all;
}

std::vector<ValkeyServer*> WorkerSetup::primaries() const {
  if (server_) return {server_};
  std::vector<ValkeyServer*> found;
  for (const auto& node : cluster_->nodes()) {
    if (node->running() && node->info("role") == "master") found.push_back(node.get());
  }
  return found;
}

std::string WorkerSetup::cli(core::Partition partition, const std::vector<std::string>& words) const {
  const auto slot = client->deployment()->keys().slot(partition);
  const auto& node = server_ ? *server_ : cluster_->node(cluster_->owner_of(slot));
  const auto reply = node.command(words);
  REQUIRE_FALSE(reply.is_error());
  return reply.str();
}

std::map<std::string, int> WorkerSetup::events(const std::string& state) const {
  std::map<std::string, int> counts;
  const auto& keys = client->deployment()->keys();
  for (std::size_t p = 0; p < keys.partitions(); ++p) {
    const auto partition = static_cast<core::Partition>(p);
    std::istringstream lines(cli(partition, {"XRANGE", keys.events(partition), "-", "+"}));
    std::string before, line;
    while (std::getline(lines, line)) {
      if (line.starts_with(state + " ")) ++counts[before];
      before = line;
    }
  }
  return counts;
}

std::uint64_t WorkerSetup::calls() const {
  std::uint64_t all = 0;
  for (const auto* node : primaries()) {
    std::istringstream lines(node->command({"INFO", "commandstats"}).text);
    std::string line;
    while (std::getline(lines, line)) {
      const auto begin = line.find("=") + 1;
      if (!line.starts_with("cmdstat_fcall:calls=") && !line.starts_with("cmdstat_fcall_ro:calls=")) continue;
      std::uint64_t count = 0;
      std::from_chars(line.data() + begin, line.data() + line.size(), count);
      all += count;
    }
  }
  return all;
}

std::int64_t percentile(std::vector<std::int64_t> values, double share) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(share * static_cast<double>(values.size()) + 0.999999);
  return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

sdk::Submission work_in(const std::string& lane) {
  sdk::Submission submission("work");
  submission.lane = lane;
  return submission;
}

std::function<void(sdk::Worker&)> does_work() {
  return [](sdk::Worker& worker) {
    worker.handle("work", [](sdk::Task& task) -> sdk::HandlerResult { return core::Payload(task.id().str()); });
  };
}

sdk::WorkerOptions worker_options(std::size_t concurrency, core::Millis lease) {
  sdk::WorkerOptions options;
  options.concurrency = concurrency;
  options.lease = lease;
  return options;
}

}  // namespace ff::test
