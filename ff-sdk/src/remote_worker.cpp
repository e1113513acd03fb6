#include "ff/sdk/remote_worker.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "worker_impl.hpp"

namespace ff::sdk {

using core::Millis;
using core::SteadyTime;
using std::chrono::steady_clock;
using Self = std::shared_ptr<RemoteWorker>;

namespace {

constexpr Millis kGather{10};      // For what other partitions have, once there is something.
constexpr Millis kAskAgain{1000};  // The store did not say.
constexpr Millis kAfterLease{50};  // Within which timers take back what is over.

}  // namespace

// An execution that somebody holds.
struct RemoteWorker::Out {
  Out(const asio::any_io_executor& executor, SteadyTime until) : change(executor), held_until(until) {}
  asio::steady_timer change;
  SteadyTime held_until;  // As far as is known here.
  std::optional<HandlerResult> how;
};

struct RemoteWorker::Waiter {
  Waiter(const asio::any_io_executor& executor, std::size_t count) : arrival(executor), wanted(count) {}
  asio::steady_timer arrival;
  std::size_t wanted;
  std::vector<Leased> got;
  SteadyTime first_at;  // Of those.
};

// One call of take(): whatever ends it, it waits no longer, and what it does not return goes back.
class RemoteWorker::Waiting {
 public:
  Waiting(Self worker, std::shared_ptr<Waiter> waiter) : worker_(std::move(worker)), waiter_(std::move(waiter)) {
    worker_->waiters_.push_back(waiter_);
    worker_->changed();
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() {
    std::erase(worker_->waiters_, waiter_);
    for (const auto& one : waiter_->got) worker_->give_back(one.lease);
    worker_->changed();
  }

 private:
  Self worker_;
  std::shared_ptr<Waiter> waiter_;
};

Self RemoteWorker::make(std::shared_ptr<script::Deployment> deployment, WorkerOptions options) {
  if (options.name.empty()) options.name = "remote";
  options.name += "@" + core::Ulid::make().str().substr(16);
  options.renews = false;
  options.drain = options.drain_grace = Millis(0);
  return Self(new RemoteWorker(std::move(deployment), std::move(options)));
}

RemoteWorker::RemoteWorker(std::shared_ptr<script::Deployment> deployment, WorkerOptions options)
    : deployment_(deployment), lease_(options.lease), call_timeout_(options.call_timeout), ns_(options.ns),
      used_at_(steady_clock::now()), idle_(deployment->connection()->executor()),
      worker_(std::move(deployment), std::move(options)) {
  worker_.set_concurrency(0);
}

asio::awaitable<core::Result<void>> RemoteWorker::run(Self self) {
  std::weak_ptr<RemoteWorker> weak = self;
  self->worker_.handle_any([weak](Task& task) { return hand_out(weak.lock(), task); });
  asio::co_spawn(self->idle_.get_executor(), stop_when_idle(self), asio::detached);
  auto result = co_await self->worker_.run();
  self->stop();
  self->over_ = true;
  for (const auto& [lease, out] : self->out_) out->change.cancel();
  co_return result;
}

void RemoteWorker::stop() {
  if (std::exchange(stopping_, true)) return;
  worker_.stop();
  idle_.cancel();
  for (const auto& waiter : waiters_) waiter->arrival.cancel();
}

asio::awaitable<void> RemoteWorker::stop_when_idle(Self self) {
  while (!self->stopping_) {
    self->idle_.expires_at(std::max(self->used_at_ + kIdle, steady_clock::now() + kIdle / 10));
    boost::system::error_code ignored;
    co_await self->idle_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const bool used = !self->waiters_.empty() || !self->out_.empty();
    if (!used && steady_clock::now() >= self->used_at_ + kIdle) self->stop();
  }
}

// Places are for those who wait, and for what is out.
void RemoteWorker::changed() {
  used_at_ = steady_clock::now();
  std::size_t places = out_.size();
  for (const auto& waiter : waiters_) places += waiter->wanted - waiter->got.size();
  worker_.set_concurrency(places);
}

asio::awaitable<std::vector<Leased>> RemoteWorker::take(Self self, std::size_t count, core::Deadline until) {
  auto waiter = std::make_shared<Waiter>(self->idle_.get_executor(), count);
  const Waiting waiting(self, waiter);
  auto end = until.at;
  while (waiter->got.size() < count && !self->stopping_ && steady_clock::now() < end) {
    waiter->arrival.expires_at(end);
    boost::system::error_code ignored;
    co_await waiter->arrival.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const auto cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none) break;
    if (!waiter->got.empty()) end = std::min(end, waiter->first_at + kGather);
  }
  co_return std::move(waiter->got);
}

asio::awaitable<HandlerResult> RemoteWorker::hand_out(Self self, Task& task) {
  if (!self || self->stopping_) co_return Unstarted();
  const auto waiter = std::find_if(self->waiters_.begin(), self->waiters_.end(),
                                   [](const auto& one) { return one->got.size() < one->wanted; });
  if (waiter == self->waiters_.end()) co_return Unstarted();
  const Lease lease(task.id(), task.epoch(), static_cast<const Attempt&>(task).lease, self->lease_);
  auto out = std::make_shared<Out>(self->idle_.get_executor(), static_cast<const Attempt&>(task).held_until);
  self->out_[lease.str()] = out;
  if ((*waiter)->got.empty()) (*waiter)->first_at = steady_clock::now();
  (*waiter)->got.emplace_back(lease, task.shared_from_this());
  (*waiter)->arrival.cancel();
  auto stop = task.stop_token();
  std::stop_callback wake(stop, [out] { out->change.cancel(); });
  co_await until_over(self, lease, out, stop);
  self->out_.erase(lease.str());
  self->changed();
  if (out->how) co_return std::move(*out->how);
  co_return Detached();
}

// Told that it is over, or the store says so: it is asked when the lease should be over, and when the worker hears that
// the lease is lost or the execution cancelled.
asio::awaitable<void> RemoteWorker::until_over(Self self, Lease lease, std::shared_ptr<Out> out, std::stop_token stop) {
  bool heard = false;
  while (!out->how && !self->over_) {
    const bool news = !heard && stop.stop_requested();
    if (!news && steady_clock::now() < out->held_until) {
      out->change.expires_at(out->held_until);
      boost::system::error_code ignored;
      co_await out->change.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      continue;
    }
    heard = heard || news;
    const auto held = co_await still_held(self, lease);
    if (held.count() <= 0) co_return;
    out->held_until = steady_clock::now() + held;
  }
}

asio::awaitable<Millis> RemoteWorker::still_held(Self self, Lease lease) {
  Client client(self->deployment_, self->ns_, self->call_timeout_);
  auto found = co_await client.describe(lease.id);
  if (!found && found.error().code == core::Code::not_found) co_return Millis(0);
  if (!found) co_return kAskAgain;
  const auto& fields = found->fields;
  if (fields.state != core::to_string(core::State::active) || fields.epoch != lease.epoch) co_return Millis(0);
  co_return std::max(Millis(fields.timer_at - fields.now), Millis(0)) + kAfterLease;
}

void RemoteWorker::end(const Lease& lease, HandlerResult how) {
  const auto found = out_.find(lease.str());
  if (found == out_.end() || found->second->how) return;
  found->second->how = std::move(how);
  found->second->change.cancel();
}

void RemoteWorker::give_back(const Lease& lease) { end(lease, Unstarted()); }
void RemoteWorker::ended(const Lease& lease) { end(lease, Detached()); }

void RemoteWorker::renewed(const Lease& lease) {
  const auto found = out_.find(lease.str());
  if (found == out_.end()) return;
  found->second->held_until = std::max(found->second->held_until, steady_clock::now() + lease.duration);
}

}  // namespace ff::sdk
