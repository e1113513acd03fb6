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
    self->drop_expired();
    if (steady_clock::now() < renew_at) continue;
    renew_at = steady_clock::now() + every;
    self->renew_all();
  }
}

// The next renewal, or the first lease that ends before it: an attempt timeout, or renewals that did not get through.
SteadyTime Worker::Impl::next_lease_event(SteadyTime renew_at) const {
  auto next = renew_at;
  for (const auto& [ulid, attempt] : held_) next = std::min(next, attempt->held_until);
  return next;
}

// A lease that could not be renewed is given up here before Valkey may give it to somebody else.
void Worker::Impl::drop_expired() {
  const auto now = steady_clock::now();
  std::vector<AttemptPtr> expired;
  for (const auto& [ulid, attempt] : held_) {
    if (attempt->held_until <= now) expired.push_back(attempt);
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
  auto answer = co_await self->deployment_->call<script::Renew>(partition, args, self->deadline());
  if (!answer) {
    self->log(core::LogLevel::warn, "leases not renewed; tried again", answer.error());
    co_return;
  }
  for (std::size_t i = 0; i < attempts.size() && i < answer->rows.size(); ++i) {
    auto& attempt = attempts[i];
    const auto& outcome = answer->rows[i].outcome;
    if (outcome == "stale_lease") {
      self->lose(attempt);
    } else {
      attempt->held_until = std::min(sent_at + self->options_.lease - self->margin(), attempt->times_out_at);
      if (outcome == "cancelling") attempt->request_stop();
    }
  }
}

AttemptPtr Worker::Impl::find(std::string_view ulid, std::string_view epoch) const {
  const auto found = held_.find(std::string(ulid));
  if (found == held_.end() || found->second->epoch_text != epoch) return nullptr;
  return found->second;
}

void Worker::Impl::lose(AttemptPtr attempt) {
  if (attempt->lost) return;
  const auto found = held_.find(attempt->id().ulid().str());
  if (found == held_.end() || found->second != attempt) return;  // Its end was acknowledged meanwhile.
  held_.erase(found);
  attempt->lost = true;
  attempt->request_stop();
  ++stats_.lost;
  if (!attempt->started) std::erase(queued_, attempt);
  schedule_pump();
}

// While stopping: what was claimed and not started goes back at once and spends no attempt.
void Worker::Impl::give_back_unstarted() {
  std::map<core::Partition, std::vector<AttemptPtr>> by_partition;
  for (auto& attempt : queued_) by_partition[attempt->partition()].push_back(std::move(attempt));
  queued_.clear();
  for (auto& [partition, attempts] : by_partition) {
    for (std::size_t from = 0; from < attempts.size(); from += core::limits::kBatchItems) {
      const auto to = std::min(attempts.size(), from + core::limits::kBatchItems);
      std::vector<AttemptPtr> batch(attempts.begin() + static_cast<std::ptrdiff_t>(from),
                                    attempts.begin() + static_cast<std::ptrdiff_t>(to));
      spawn(release(shared_from_this(), partition, std::move(batch), false, Released()));
    }
  }
}

asio::awaitable<void> Worker::Impl::leave(Self self, core::Partition partition) {
  script::Leave::Args args;
  args.worker = self->options_.name;
  args.queues = self->queues_;
  auto left = co_await self->deployment_->call<script::Leave>(partition, args, self->deadline());
  if (!left) self->log(core::LogLevel::debug, "idle entry left behind", left.error());
}

// Running handlers may finish; then they are asked to stop; then their leases are given back and nobody waits for them.
asio::awaitable<void> Worker::Impl::drain(Self self) {
  for (std::size_t p = 0; p < self->deployment_->keys().partitions(); ++p) {
    self->spawn(leave(self, static_cast<core::Partition>(p)));
  }
  self->schedule_pump();
  asio::steady_timer pause(self->executor_);
  boost::system::error_code ignored;
  constexpr core::Millis kStep{10};
  const auto soft = steady_clock::now() + self->options_.drain, hard = soft + self->options_.drain_grace;
  bool asked = false;
  while (self->running_ > 0 && steady_clock::now() < hard) {
    if (!asked && steady_clock::now() >= soft) {
      asked = true;
      for (const auto& [ulid, attempt] : self->held_) attempt->request_stop();
    }
    pause.expires_after(kStep);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (self->running_ == 0) co_return;
  std::map<core::Partition, std::vector<AttemptPtr>> by_partition;
  for (const auto& [ulid, attempt] : self->held_) by_partition[attempt->partition()].push_back(attempt);
  Released how;
  how.reason = "the worker stopped before the handler did";
  for (auto& [partition, attempts] : by_partition) {
    for (auto& attempt : attempts) attempt->lost = true;
    co_await release(self, partition, std::move(attempts), true, how);
  }
  self->running_ = 0;
}

}  // namespace ff::sdk
