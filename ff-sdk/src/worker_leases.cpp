// Leases: renewed in batches, given up in time, handed back at the end.

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "ff/core/limits.hpp"
#include "worker_impl.hpp"

namespace ff::sdk {

using core::SteadyTime;
using std::chrono::steady_clock;

asio::awaitable<void> Worker::Impl::keep_leases(Self self) {
  const auto every = self->options_.lease / 3;
  auto renew_at = steady_clock::now() + every;
  while (!self->over_) {
    self->lease_alarm_.expires_at(self->next_lease_event(renew_at));
    boost::system::error_code ignored;
    co_await self->lease_alarm_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (self->over_) break;
    self->look_at_clock();
    if (steady_clock::now() < renew_at) continue;
    renew_at = steady_clock::now() + every;
    if (self->options_.renews) self->renew_all();
  }
}

// The next renewal, or what comes before it: an attempt timeout, or the end of a lease that could not be renewed.
SteadyTime Worker::Impl::next_lease_event(SteadyTime renew_at) const {
  auto next = renew_at;
  for (const auto& [ulid, attempt] : held_) {
    if (!attempt->reporting) next = std::min(next, attempt->times_out_at);
    if (!attempt->reporting && options_.renews) next = std::min(next, attempt->held_until);
  }
  return next;
}

// A lease that could not be renewed is given up here before Valkey may give it to somebody else. An attempt whose time
// is over is told so; what it still returns is sent, and Valkey decides whether it came in time.
void Worker::Impl::look_at_clock() {
  const auto now = steady_clock::now();
  std::vector<AttemptPtr> expired;
  for (const auto& [ulid, attempt] : held_) {
    if (attempt->reporting) continue;
    if (attempt->held_until <= now && options_.renews) expired.push_back(attempt);
    if (attempt->times_out_at > now) continue;
    attempt->times_out_at = SteadyTime::max();
    attempt->request_stop();
  }
  for (auto& attempt : expired) lose(std::move(attempt));
}

void Worker::Impl::renew_all() {
  std::map<core::Partition, std::vector<AttemptPtr>> by_partition;
  for (const auto& [ulid, attempt] : held_) {
    auto& batch = by_partition[attempt->partition()];
    batch.push_back(attempt);
    if (batch.size() == core::limits::kBatchItems) {
      spawn(renew(shared_from_this(), attempt->partition(), std::move(batch)));
      batch.clear();
    }
  }
  for (auto& [partition, batch] : by_partition) {
    if (!batch.empty()) spawn(renew(shared_from_this(), partition, std::move(batch)));
  }
}

asio::awaitable<void> Worker::Impl::renew(Self self, core::Partition partition, std::vector<AttemptPtr> attempts) {
  script::Renew::Args args;
  args.lease_ms = self->options_.lease.count();
  for (const auto& attempt : attempts) {
    auto& item = args.items.emplace_back();
    item.id = attempt->id().ulid().str();
    item.lease = attempt->lease;
    item.epoch = attempt->epoch_text;
  }
  const auto sent_at = steady_clock::now();
  const core::Deadline deadline(sent_at + std::min(self->options_.call_timeout, self->options_.lease));
  auto answer = co_await self->deployment_->call<script::Renew>(partition, std::move(args), deadline);
  if (!answer) {
    self->call_failed("leases not renewed; tried again", answer.error());
    co_return;
  }
  self->call_succeeded();
  for (std::size_t i = 0; i < attempts.size() && i < answer->rows.size(); ++i) {
    auto& attempt = attempts[i];
    const auto& outcome = answer->rows[i].outcome;
    if (outcome == "stale_lease") {
      self->lose(attempt);
    } else {
      attempt->held_until = sent_at + self->options_.lease - self->margin();
      if (outcome == "cancelling") attempt->request_stop();
    }
  }
}

AttemptPtr Worker::Impl::find(std::string_view ulid, std::string_view epoch) const {
  const auto found = held_.find(std::string(ulid));
  if (found == held_.end() || found->second->epoch_text != epoch) return nullptr;
  return found->second;
}

void Worker::Impl::lose(AttemptPtr attempt, bool counts) {
  if (attempt->lost || attempt->reporting) return;
  attempt->lost = true;
  attempt->request_stop();
  if (auto* stream = attempt->stream_if_used()) {
    stream->buffer().fail(core::Error(core::Code::stale_lease, "stale_lease", "the lease is over"));
    stream->changed();
  }
  if (counts) ++stats_.lost;
  forget(attempt);
  if (!attempt->started) std::erase(queued_, attempt);
  schedule_pump();
}

// A later attempt of the same execution may have taken its place.
void Worker::Impl::forget(const AttemptPtr& attempt) {
  end_use(attempt);
  const auto found = held_.find(attempt->id().ulid().str());
  if (found != held_.end() && found->second == attempt) held_.erase(found);
}

// What was claimed, not started and is more than `keep` goes back at once and spends no attempt.
void Worker::Impl::give_back_unstarted(std::size_t keep) {
  if (queued_.size() <= keep) return;
  const auto first = queued_.begin() + static_cast<std::ptrdiff_t>(keep);
  std::vector<AttemptPtr> attempts(first, queued_.end());
  queued_.erase(first, queued_.end());
  release(std::move(attempts), false, Released());
}

asio::awaitable<void> Worker::Impl::leave(Self self, core::Partition partition) {
  script::Leave::Args args;
  args.worker = self->options_.name;
  args.queues = self->queues_;
  args.capabilities = self->capabilities_;
  auto left = co_await self->deployment_->call<script::Leave>(partition, args, self->deadline());
  if (!left) self->log(core::LogLevel::debug, "idle entry left behind", left.error());
}

std::vector<AttemptPtr> Worker::Impl::running() const {
  std::vector<AttemptPtr> attempts;
  for (const auto& [ulid, attempt] : held_) {
    if (attempt->started && !attempt->reporting) attempts.push_back(attempt);
  }
  return attempts;
}

// Running handlers may finish; then they are asked to stop; then their leases are given back and nobody waits for them.
asio::awaitable<void> Worker::Impl::drain(Self self) {
  for (std::size_t p = 0; p < self->deployment_->keys().partitions(); ++p) {
    self->spawn(leave(self, static_cast<core::Partition>(p)));
  }
  self->schedule_pump();
  const auto soft = steady_clock::now() + self->options_.drain;
  boost::system::error_code ignored;
  self->handlers_done_.expires_at(soft);
  if (self->running_ > 0) co_await self->handlers_done_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  for (auto& attempt : self->running()) attempt->request_stop();
  self->handlers_done_.expires_at(soft + self->options_.drain_grace);
  if (self->running_ > 0) co_await self->handlers_done_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  self->running_ = 0;
  Released how;
  how.reason = "the worker stopped before the handler did";
  if (self->options_.renews) self->release(self->running(), true, how);
}

}  // namespace ff::sdk
