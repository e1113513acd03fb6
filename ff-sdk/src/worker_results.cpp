// Handlers and what they return: complete, fail, release, progress.

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "ff/core/limits.hpp"
#include "worker_impl.hpp"

namespace ff::sdk {

using core::SteadyTime;
using std::chrono::steady_clock;

namespace {

constexpr core::Millis kPauseMin{20}, kPauseMax{1000};

Failure crash_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    return Failure(core::failure_class::kCrash, error.what());
  } catch (...) {
    return Failure(core::failure_class::kCrash, "the handler threw something that is no std::exception");
  }
}

HandlerResult run_function(const Worker::Function& function, Task& task) {
  try {
    return function(task);
  } catch (...) {
    return crash_of(std::current_exception());
  }
}

// A coroutine of its own, so that a function that throws before it returns an awaitable is no different.
asio::awaitable<HandlerResult> run_coroutine(const Worker::Coroutine& coroutine, Task& task) {
  co_return co_await coroutine(task);
}

Failure checked(Failure failure) {
  auto good = core::validate_failure_class(failure.failure_class);
  if (!good) {
    failure.text = fmt::format("{} ({})", failure.text, good.error().message);
    failure.failure_class = core::failure_class::kInternal;
  }
  failure.text.resize(std::min(failure.text.size(), core::limits::kErrorTextBytes));
  failure.retry_after = std::clamp(failure.retry_after, core::Millis(-1), core::Millis(core::limits::kDurationMsMax));
  return failure;
}

Released checked(Released released) {
  released.reason.resize(std::min(released.reason.size(), core::limits::kReleaseReasonBytes));
  released.delay = std::clamp(released.delay, core::Millis(0), core::Millis(core::limits::kDurationMsMax));
  return released;
}

// What Valkey would not take is cut to what it does, or fails the attempt by name.
HandlerResult checked(HandlerResult result) {
  if (auto* failure = std::get_if<Failure>(&result)) return checked(std::move(*failure));
  if (auto* released = std::get_if<Released>(&result)) return checked(std::move(*released));
  if (auto* suspend = std::get_if<Suspend>(&result)) {
    auto good = validate(*suspend);
    if (!good) return Failure(core::failure_class::kInternal, good.error().message);
    return result;
  }
  const auto* payload = std::get_if<core::Payload>(&result);
  if (payload == nullptr) return result;
  auto good = core::validate(*payload, "result");
  if (!good) return Failure(core::failure_class::kInternal, good.error().message);
  return result;
}

}  // namespace

// At most what one call takes, in items and bytes.
std::vector<Worker::Impl::Finished> Worker::Impl::take_batch(std::vector<Finished>& all) {
  std::size_t count = 0, bytes = 0;
  while (count < all.size() && count < core::limits::kBatchItems) {
    bytes += all[count].result.bytes.size();
    if (count > 0 && bytes > core::limits::kBatchBytes) break;
    ++count;
  }
  const auto end = all.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<Finished> batch(std::make_move_iterator(all.begin()), std::make_move_iterator(end));
  all.erase(all.begin(), end);
  return batch;
}

Attempt::Attempt(std::weak_ptr<Worker::Impl> worker, core::ExecutionId id, script::Claim::Row row, std::string lease_id)
    : Task(std::move(id), std::move(row)), lease(std::move(lease_id)), epoch_text(std::to_string(epoch())),
      charged(row_.requirements), limited(core::limited(charged)), uses_allowance(limited),
      worker_(std::move(worker)) {}

// Nothing begins under a lease that may be over: this process may have stood still.
void Worker::Impl::start_handlers() {
  const auto now = steady_clock::now();
  while (running_ < places_ && !queued_.empty()) {
    auto attempt = std::move(queued_.front());
    queued_.pop_front();
    if (attempt->held_until > now) {
      start(std::move(attempt));
    } else {
      lose(std::move(attempt));
    }
  }
}

void Worker::Impl::start(AttemptPtr attempt) {
  ++running_;
  attempt->started = true;
  auto self = shared_from_this();
  auto found = handlers_.find(attempt->kind());
  if (found == handlers_.end()) found = handlers_.find("");
  if (found == handlers_.end()) {
    Failure failure(core::failure_class::kUnavailable, "this worker has no handler for kind " + attempt->kind());
    asio::post(executor_, [self, attempt, failure]() mutable { self->handler_ended(attempt, std::move(failure)); });
    return;
  }
  const Handler& handler = found->second;
  if (handler.coroutine) {
    asio::co_spawn(executor_, run_coroutine(handler.coroutine, *attempt),
                   [self, attempt](std::exception_ptr thrown, HandlerResult result) {
                     self->handler_ended(attempt, thrown ? HandlerResult(crash_of(thrown)) : std::move(result));
                   });
    return;
  }
  // Both go back with the result: whatever dies with them dies on our executor, not on a thread of the handlers.
  asio::post(options_.handler_executor, [self, attempt, &handler]() mutable {
    auto result = run_function(handler.function, *attempt);
    const auto home = self->executor_;
    asio::post(home, [self = std::move(self), attempt = std::move(attempt), result = std::move(result)]() mutable {
      self->handler_ended(std::move(attempt), std::move(result));
    });
  });
}

void Worker::Impl::handler_ended(AttemptPtr attempt, HandlerResult result) {
  if (over_ || running_ == 0) return;  // The drain did not wait for it.
  if (attempt->stream_if_used() != nullptr && !attempt->frames_flushed) {
    spawn(end_after_frames(shared_from_this(), std::move(attempt), std::move(result)));
    return;
  }
  if (--running_ == 0) handlers_done_.cancel();
  schedule_pump();
  if (attempt->lost) return;
  attempt->reporting = true;
  result = checked(after_breach(*attempt, std::move(result)));
  if (auto* payload = std::get_if<core::Payload>(&result)) {
    begin_freeing(attempt);
    finished_[attempt->partition()].emplace_back(std::move(attempt), std::move(*payload));
  } else if (auto* failure = std::get_if<Failure>(&result)) {
    spawn(fail(shared_from_this(), std::move(attempt), std::move(*failure)));
  } else if (auto* how = std::get_if<Suspend>(&result)) {
    spawn(suspend(shared_from_this(), std::move(attempt), std::move(*how)));
  } else if (std::holds_alternative<Detached>(result)) {
    forget(attempt);
  } else {
    std::vector<AttemptPtr> one(1, std::move(attempt));
    const auto* released = std::get_if<Released>(&result);
    release(std::move(one), released != nullptr, released != nullptr ? *released : Released());
  }
}

// One complete call for each partition at a time: what finishes meanwhile goes together with the next.
void Worker::Impl::send_completions() {
  for (auto it = finished_.begin(); it != finished_.end();) {
    const auto partition = it->first;
    if (completing_[partition]) {
      ++it;
      continue;
    }
    auto batch = take_batch(it->second);
    it = it->second.empty() ? finished_.erase(it) : std::next(it);
    completing_[partition] = true;
    const auto want = stopping_ ? 0 : planner_.keep_at(partition, room(), steady_clock::now());
    reserved_ += want;
    auto offer = offer_along(partition, want, batch);
    spawn(complete(shared_from_this(), partition, std::move(batch), want, std::move(offer)));
  }
}

asio::awaitable<bool> Worker::Impl::pause_before_repeat(Self self, core::Error error, int round,
                                                        SteadyTime useful_until) {
  using core::Code;
  const bool may_help = error.code == Code::unknown_outcome || error.code == Code::unavailable ||
                        error.code == Code::exhausted || error.code == Code::unauthenticated;
  const auto pause = std::min(kPauseMax, kPauseMin * (1 << std::min(round, 6)));
  if (!may_help || steady_clock::now() + pause > useful_until) co_return false;
  asio::steady_timer timer(self->executor_, pause);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return true;
}

asio::awaitable<void> Worker::Impl::complete(Self self, core::Partition partition, std::vector<Finished> batch,
                                             std::size_t want, Offer offer) {
  auto delivered = co_await deliver(self, partition, batch, want, std::move(offer), steady_clock::now());
  if (!delivered && delivered.error().code == core::Code::corrupt && batch.size() > 1) {
    // One damaged record must not cost the others their results.
    for (auto& finished : batch) {
      std::vector<Finished> one(1, std::move(finished));
      auto ignored = co_await deliver(self, partition, one, 0, Offer(), steady_clock::now());
      if (!ignored) self->settle_completions(one, {});
    }
  } else if (!delivered) {
    self->settle_completions(batch, {});
  }
  self->completing_[partition] = false;
}

// Repeats until the answer is known or the leases are certainly over. The claim that goes along is not repeated with
// it: when the reply was lost, what it gave is asked for by its lease id.
asio::awaitable<core::Result<void>> Worker::Impl::deliver(Self self, core::Partition partition,
                                                          const std::vector<Finished>& batch, std::size_t want,
                                                          Offer offer, SteadyTime sent_at) {
  auto args = self->complete_args(batch, want, offer);
  const auto order = self->lanes_.order();
  args.queues = self->queues_in(order);
  const auto lease = args.next_lease;
  auto outcome = core::Result<void>();
  bool claimed = false, claim_unknown = false;
  for (int round = 0;; ++round) {
    if (args.want > 0) ++self->stats_.claims;
    auto answer = co_await self->deployment_->call<script::Complete>(partition, args, self->deadline());
    for (const auto& finished : batch) self->end_freeing(finished.attempt);
    if (answer) {
      self->settle_completions(batch, answer->outcomes);
      claimed = args.want > 0;
      if (claimed) self->count_lanes(order, answer->rows);
      if (claimed) self->take_over(partition, want, lease, offer, sent_at, *answer);
      break;
    }
    auto error = std::move(answer).error();
    claim_unknown = claim_unknown || (args.want > 0 && error.code == core::Code::unknown_outcome);
    if (!claim_unknown) self->withdraw(offer);
    args.want = 0;
    const bool repeat = co_await pause_before_repeat(self, error, round, sent_at + 2 * self->options_.lease);
    if (repeat) continue;
    self->log(core::LogLevel::error, "results not delivered", error);
    outcome = std::move(error);
    break;
  }
  if (want > 0 && claim_unknown) {
    self->spawn(claim(self, partition, want, lease, std::move(offer), sent_at, true));
  } else if (want > 0 && !claimed) {
    self->reserved_ -= want;
    // Nothing was claimed: look there again, but carefully if even the results did not arrive.
    if (outcome) self->planner_.answered(partition, scheduler::ClaimAnswer(), steady_clock::now());
    else self->planner_.unanswered(partition, steady_clock::now());
  }
  co_return outcome;
}

script::Complete::Args Worker::Impl::complete_args(const std::vector<Finished>& batch, std::size_t want,
                                                   const Offer& offer) const {
  script::Complete::Args args;
  args.worker = options_.name;
  args.next_lease = core::Ulid::make().str();
  args.lease_ms = options_.lease.count();
  args.want = static_cast<std::int64_t>(want);
  args.capabilities = capabilities_;
  args.allowances = offer.words();
  args.items.reserve(batch.size());
  for (const auto& finished : batch) {
    auto& item = args.items.emplace_back();
    item.id = finished.attempt->id().ulid().str();
    item.lease = finished.attempt->lease;
    item.epoch = finished.attempt->epoch_text;
    if (finished.result.content_type != core::kContentTypeDefault) item.content_type = finished.result.content_type;
    item.result = finished.result.bytes;
  }
  return args;
}

// No outcomes: the answer is not known.
void Worker::Impl::settle_completions(const std::vector<Finished>& batch, const std::vector<std::string>& outcomes) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const bool completed = i < outcomes.size() && outcomes[i] == "completed";
    ++(completed ? stats_.completed : stats_.lost);
    forget(batch[i].attempt);
  }
}

asio::awaitable<void> Worker::Impl::fail(Self self, AttemptPtr attempt, Failure failure) {
  script::Fail::Args args;
  args.id = attempt->id().ulid().str();
  args.lease = attempt->lease;
  args.epoch = attempt->epoch_text;
  args.failure_class = failure.failure_class;
  args.text = failure.text;
  args.retry_after_ms = failure.retry_after.count();
  const auto useful_until = steady_clock::now() + 2 * self->options_.lease;
  int round = 0;
  while (true) {
    auto answer = co_await self->deployment_->call<script::Fail>(attempt->partition(), args, self->deadline());
    if (answer) {
      ++(answer->outcome == "retried" ? self->stats_.retried : self->stats_.failed);
      break;
    }
    auto error = std::move(answer).error();
    const bool repeat = co_await pause_before_repeat(self, error, round++, useful_until);
    if (repeat) continue;
    ++self->stats_.lost;
    if (error.code != core::Code::stale_lease) self->log(core::LogLevel::error, "failure not delivered", error);
    break;
  }
  self->forget(attempt);
}

void Worker::Impl::release(std::vector<AttemptPtr> attempts, bool started, const Released& how) {
  std::map<core::Partition, std::vector<AttemptPtr>> by_partition;
  for (auto& attempt : attempts) {
    attempt->reporting = true;
    auto& batch = by_partition[attempt->partition()];
    batch.push_back(std::move(attempt));
    if (batch.size() == core::limits::kBatchItems) {
      spawn(release_batch(shared_from_this(), std::move(batch), started, how));
      batch.clear();
    }
  }
  for (auto& [partition, batch] : by_partition) {
    if (!batch.empty()) spawn(release_batch(shared_from_this(), std::move(batch), started, how));
  }
}

asio::awaitable<void> Worker::Impl::release_batch(Self self, std::vector<AttemptPtr> batch, bool started,
                                                  Released how) {
  script::Release::Args args;
  args.started = started;
  args.delay_ms = how.delay.count();
  args.reason = how.reason;
  for (const auto& attempt : batch) {
    auto& item = args.items.emplace_back();
    item.id = attempt->id().ulid().str();
    item.lease = attempt->lease;
    item.epoch = attempt->epoch_text;
  }
  const auto useful_until = steady_clock::now() + self->options_.lease;
  for (int round = 0;; ++round) {
    auto answer = co_await self->deployment_->call<script::Release>(batch[0]->partition(), args, self->deadline());
    if (answer) {
      for (const auto& outcome : answer->outcomes) {
        self->stats_.released += outcome == "released" ? 1 : 0;
        self->stats_.lost += outcome == "stale_lease" ? 1 : 0;
      }
      break;
    }
    auto error = std::move(answer).error();
    const bool repeat = co_await pause_before_repeat(self, error, round, useful_until);
    if (repeat) continue;
    self->log(core::LogLevel::warn, "not handed back; the leases expire", error);
    break;
  }
  for (const auto& attempt : batch) self->forget(attempt);
}

void Attempt::progress(int percent_done, std::string text) {
  auto worker = worker_.lock();
  if (!worker) return;
  text.resize(std::min(text.size(), core::limits::kProgressTextBytes));
  worker->report_progress(std::static_pointer_cast<Attempt>(shared_from_this()), std::clamp(percent_done, -1, 100),
                          std::move(text));
}

void Worker::Impl::report_progress(AttemptPtr attempt, int percent, std::string message) {
  asio::post(executor_, [self = shared_from_this(), attempt, percent, message = std::move(message)]() mutable {
    if (attempt->lost || attempt->reporting || self->over_) return;
    attempt->percent = percent;
    attempt->message = std::move(message);
    attempt->progress_pending = true;
    if (std::exchange(attempt->progress_sending, true)) return;
    self->spawn(send_progress(self, attempt));
  });
}

asio::awaitable<void> Worker::Impl::send_progress(Self self, AttemptPtr attempt) {
  while (attempt->progress_pending && !attempt->lost && !attempt->reporting) {
    attempt->progress_pending = false;
    script::Progress::Args args;
    args.id = attempt->id().ulid().str();
    args.lease = attempt->lease;
    args.epoch = attempt->epoch_text;
    args.percent = attempt->percent;
    args.message = attempt->message;
    auto sent = co_await self->deployment_->call<script::Progress>(attempt->partition(), args, self->deadline());
    if (!sent) self->log(core::LogLevel::debug, "progress not sent", sent.error());
  }
  attempt->progress_sending = false;
}

}  // namespace ff::sdk
