#include "bench/fleet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <deque>
#include <stdexcept>

#include "bench/session.hpp"
#include "ff/engine/timers.hpp"
#include "ff/sdk/worker.hpp"

namespace ff::bench {
namespace {

namespace asio = boost::asio;

constexpr core::Millis kLook{2};  // Between looks at whether the target was reached.

std::int64_t steady_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

std::int64_t integer_of(const std::string& text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void note(FleetBoard* board, Handler handler, const sdk::Task& task) {
  const auto run = board->runs.fetch_add(1, std::memory_order_relaxed);
  if (handler == Handler::noop || run >= kTimesMax) return;
  const auto then = integer_of(task.payload().bytes);
  if (handler == Handler::stamp) {
    board->times_ms[run] = static_cast<double>(steady_ns() - then) * 1e-6;
  } else {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    board->times_ms[run] = std::chrono::duration<double, std::milli>(now).count() - static_cast<double>(then);
  }
}

// One process of the fleet.
class Crew {
 public:
  Crew(FleetOptions options, FleetBoard* board, std::size_t index)
      : options_(std::move(options)), board_(board), index_(index) {}

  asio::awaitable<void> open(asio::io_context& context) {
    for (int i = 0; i < options_.workers; ++i) {
      auto connection = script::make_connection(context.get_executor(), options_.connection);
      auto opened = co_await script::Deployment::open(connection, script::DeploymentOptions(),
                                                      core::Deadline::in(core::Millis(30'000)));
      auto deployment = insist(std::move(opened), "open the deployment");
      auto worker = std::make_unique<sdk::Worker>(deployment, worker_options());
      FleetBoard* board = board_;
      const Handler handler = options_.handler;
      worker->handle(kKind, [board, handler](sdk::Task& task) {
        note(board, handler, task);
        return sdk::HandlerResult(core::Payload());
      });
      connections_.push_back(std::move(connection));
      workers_.push_back(std::move(worker));
    }
  }

  void start(asio::io_context& context) {
    cpu_us_ = own_cpu_us();
    running_ = workers_.size();
    for (auto& worker : workers_) {
      asio::co_spawn(context, worker->run(), [this](std::exception_ptr, core::Result<void> result) {
        insist(result, "run the worker");
        --running_;
      });
    }
  }

  // Tells how far this process is, until the fleet is through.
  asio::awaitable<void> watch() {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (!stopping_) {
      publish();
      if (options_.target > 0 && through()) {
        board_->slots[index_].client_us = own_cpu_us() - cpu_us_;
        break;
      }
      timer.expires_after(kLook);
      co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
  }

  asio::awaitable<void> drain() {
    stopping_ = true;
    for (auto& worker : workers_) worker->stop();
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (running_ > 0) {
      timer.expires_after(kLook);
      co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    publish();
    for (auto& connection : connections_) connection->close();
  }

  bool has_target() const { return options_.target > 0; }

 private:
  sdk::WorkerOptions worker_options() const {
    sdk::WorkerOptions options;
    options.ns = kNamespace;
    options.lanes = {kLane};
    options.concurrency = options_.concurrency;
    options.prefetch = options_.prefetch;
    return options;
  }

  void publish() {
    std::uint64_t completed = 0, lost = 0;
    for (const auto& worker : workers_) {
      completed += worker->stats().completed;
      lost += worker->stats().lost;
    }
    board_->slots[index_].completed = completed;
    board_->slots[index_].lost = lost;
  }

  // Notes the tenths that were passed since the last look.
  bool through() {
    std::uint64_t all = 0;
    for (const auto& slot : board_->slots) all += slot.completed;
    const auto tenths = std::min<std::size_t>(kMarks, all * kMarks / options_.target);
    for (std::size_t k = 1; k <= tenths; ++k) {
      std::int64_t unset = 0;
      board_->reached_ns[k].compare_exchange_strong(unset, steady_ns());
    }
    return all >= options_.target;
  }

  FleetOptions options_;
  FleetBoard* board_;
  std::size_t index_;
  std::vector<std::shared_ptr<script::Connection>> connections_;
  std::vector<std::unique_ptr<sdk::Worker>> workers_;
  std::size_t running_ = 0;
  double cpu_us_ = 0;
  bool stopping_ = false;
};

asio::awaitable<void> crew_life(asio::io_context& context, std::shared_ptr<Parent> parent, std::shared_ptr<Crew> crew) {
  co_await crew->open(context);
  parent->ready();
  if (!co_await parent->word()) co_return;
  crew->start(context);
  if (crew->has_target()) {
    co_await crew->watch();
    parent->done();
  } else {
    asio::co_spawn(context, crew->watch(), [crew](std::exception_ptr) {});
  }
  while (co_await parent->word()) {
  }
  co_await crew->drain();
}

asio::awaitable<void> engine_life(asio::io_context& context, std::shared_ptr<Parent> parent,
                                  script::ConnectionOptions options) {
  auto connection = script::make_connection(context.get_executor(), options);
  auto opened = co_await script::Deployment::open(connection, script::DeploymentOptions(),
                                                  core::Deadline::in(core::Millis(30'000)));
  engine::TimersOptions timers_options;
  timers_options.server = "bench-engine";
  auto timers = std::make_shared<engine::Timers>(insist(std::move(opened), "open the deployment"), timers_options);
  bool running = true;
  asio::co_spawn(context, timers->run(), [timers, &running](std::exception_ptr) { running = false; });
  asio::steady_timer timer(context);
  // Running means: it has found out which partitions are its own.
  while (running && timers->stats().partitions == 0) {
    timer.expires_after(kLook);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  parent->ready();
  while (co_await parent->word()) {
  }
  timers->stop();
  while (running) {
    timer.expires_after(kLook);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  connection->close();
}

}  // namespace

Fleet::Fleet(FleetOptions options) : options_(std::move(options)) {
  if (static_cast<std::size_t>(options_.processes) > kProcessesMax) throw std::logic_error("too many worker processes");
  for (int i = 0; i < options_.processes; ++i) {
    auto crew = std::make_shared<Crew>(options_, board_.get(), static_cast<std::size_t>(i));
    children_.push_back(std::make_unique<Child>([crew](asio::io_context& context, std::shared_ptr<Parent> parent) {
      return crew_life(context, std::move(parent), crew);
    }));
  }
  for (auto& child : children_) child->wait(60);
}

void Fleet::go(const BenchServer& server) {
  meter_ = std::make_unique<Meter>(server);
  started_ns_ = steady_ns();
  board_->reached_ns[0] = started_ns_;
  for (auto& child : children_) child->go();
}

Cost Fleet::wait(int seconds_max) {
  for (auto& child : children_) child->wait(seconds_max);
  double client_us = 0;
  for (const auto& slot : board_->slots) client_us += slot.client_us;
  const double seconds = static_cast<double>(board_->reached_ns[kMarks] - started_ns_) * 1e-9;
  return meter_->stop(static_cast<double>(options_.target), seconds, client_us);
}

void Fleet::stop() {
  for (auto& child : children_) child->finish(60);
}

std::uint64_t Fleet::completed() const {
  std::uint64_t sum = 0;
  for (const auto& slot : board_->slots) sum += slot.completed;
  return sum;
}

std::uint64_t Fleet::lost() const {
  std::uint64_t sum = 0;
  for (const auto& slot : board_->slots) sum += slot.lost;
  return sum;
}

std::vector<double> Fleet::times_in_order() const {
  const auto count = std::min<std::uint64_t>(board_->runs, kTimesMax);
  return std::vector<double>(board_->times_ms.begin(), board_->times_ms.begin() + static_cast<std::ptrdiff_t>(count));
}

double Fleet::rate_of_tenth(std::size_t k) const {
  const auto ns = board_->reached_ns[k + 1] - board_->reached_ns[k];
  return static_cast<double>(options_.target) / kMarks / std::max(1e-9, static_cast<double>(ns) * 1e-9);
}

Engine::Engine(script::ConnectionOptions connection) {
  child_ = std::make_unique<Child>([connection](asio::io_context& context, std::shared_ptr<Parent> parent) {
    return engine_life(context, std::move(parent), connection);
  });
  child_->wait(60);
}

double quantile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5);
  return sorted[std::min(at, sorted.size() - 1)];
}

}  // namespace ff::bench
