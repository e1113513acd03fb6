#pragma once
// The worker's inside. Everything runs on the connection's executor but handlers that are plain functions.
//
// One pass, pump(), runs whenever something changed: it starts handlers, sends finished results, and makes the claims
// the planner wants. Calls are small coroutines counted by `operations_`; run() ends when nothing is left.
//   worker_claims.cpp   claims, wake-ups, and what a lost reply had given
//   worker_results.cpp  complete, fail, release, progress
//   worker_suspensions.cpp  suspend, waitpoints
//   worker_frames.cpp   what handlers append to their streams
//   worker_leases.cpp   renewal, lost leases, the drain
//   worker_limits.cpp   allowances of quotas and budgets, usage

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <unordered_map>

#include "attempt_stream.hpp"
#include "ff/core/outage.hpp"
#include "ff/scheduler/allowances.hpp"
#include "ff/scheduler/claim_planner.hpp"
#include "ff/scheduler/lane_picker.hpp"
#include "ff/sdk/worker.hpp"

namespace ff::sdk {

namespace asio = boost::asio;

// One claimed execution, from the claim until its end is acknowledged.
class Attempt final : public Task {
 public:
  Attempt(std::weak_ptr<Worker::Impl> worker, core::ExecutionId id, script::Claim::Row row, std::string lease_id);
  void progress(int percent, std::string message) override;
  asio::awaitable<core::Result<std::vector<std::string>>> open_waitpoints(
      std::vector<core::Waitpoint> waitpoints) override;
  void go_on_from(core::Resumption resumption) { resumption_ = std::move(resumption); }
  FrameStream& stream() override;
  AttemptStream* stream_if_used() const noexcept {
    return has_stream_.load(std::memory_order_acquire) ? stream_.get() : nullptr;
  }
  asio::awaitable<core::Result<Usage>> report_usage(std::string key, core::Amounts used) override;
  core::Result<Usage> report_usage_and_wait(std::string key, core::Amounts used) override;
  void request_stop() { stop_.request_stop(); }
  core::Partition partition() const noexcept { return id_.partition(); }

  const std::string lease;
  const std::string epoch_text;
  core::SteadyTime held_until{};   // From here on it may be somebody else's.
  core::SteadyTime times_out_at = core::SteadyTime::max();  // max(): no timeout, or told already.
  bool started = false;
  bool reporting = false;          // The handler has ended; the answer to its report decides, not the lease.
  bool lost = false;               // Nothing it says counts any more.
  bool has_waitpoints = false;     // The handler has opened some.

  std::string charged;             // The requirements that its allowance is for.
  bool limited;                    // By quotas or a budget.
  bool uses_allowance;
  bool freeing = false;                                   // Its result is on its way.
  std::map<core::LimitName, core::Amounts> reported;      // Usage that came out of what is reserved for it.
  std::map<std::string, Usage, std::less<>> usages;       // Reports that were answered, by key.
  std::optional<Usage> breach;                            // A hard limit was met.

  // The latest progress that was not sent yet.
  std::int64_t percent = -1;
  std::string message;
  bool progress_pending = false, progress_sending = false;
  bool frames_flushed = false;     // The handler has ended, and its frames are stored or have failed.

 private:
  std::once_flag stream_made_;     // By the first use: most attempts have none.
  std::atomic<bool> has_stream_ = false;
  std::unique_ptr<AttemptStream> stream_;
  std::weak_ptr<Worker::Impl> worker_;
};
using AttemptPtr = std::shared_ptr<Attempt>;

class Worker::Impl : public std::enable_shared_from_this<Worker::Impl> {
 public:
  using Self = std::shared_ptr<Impl>;
  struct Handler {
    Function function;
    Coroutine coroutine;
    Handler() = default;
    Handler(Function f, Coroutine c) : function(std::move(f)), coroutine(std::move(c)) {}
  };
  struct Finished {
    AttemptPtr attempt;
    core::Payload result;
    Finished(AttemptPtr a, core::Payload r) : attempt(std::move(a)), result(std::move(r)) {}
  };

  Impl(std::shared_ptr<script::Deployment> deployment, WorkerOptions options);
  static asio::awaitable<core::Result<void>> run(Self self);
  void stop();
  void set_concurrency(std::size_t places);
  void report_progress(AttemptPtr attempt, int percent, std::string message);
  static asio::awaitable<core::Result<std::vector<std::string>>> open_waitpoints(
      Self self, AttemptPtr attempt, std::vector<core::Waitpoint> waitpoints);
  std::unique_ptr<AttemptStream> make_stream(std::function<void()> kick) const;
  void send_frames_of(AttemptPtr attempt);
  static asio::awaitable<core::Result<Usage>> report_usage(Self self, AttemptPtr attempt, std::string key,
                                                           core::Amounts used);
  const asio::any_io_executor& executor() const noexcept { return executor_; }

  std::map<std::string, Handler, std::less<>> handlers_;  // By kind; "": of all others.
  WorkerStats stats_;
  WorkerOptions options_;

 private:
  core::Result<void> check_options() const;
  core::Deadline deadline() const { return core::Deadline::in(options_.call_timeout); }
  void log(core::LogLevel level, std::string_view message, const core::Error& error) const;
  // Of calls that are made again and again: said once a minute, and when it is over.
  void call_failed(std::string_view message, const core::Error& error);
  void call_succeeded();
  void spawn(asio::awaitable<void> operation);

  void schedule_pump();
  void pump();
  void arm_look();
  bool drained() const;
  std::size_t room() const;

  // worker_limits.cpp
  struct Offer {
    std::vector<scheduler::Allowance> allowances;
    std::vector<AttemptPtr> ending;  // Attempts that end in the same call, whose allowances are among those.
    Offer() = default;
    std::vector<std::string> words() const;
  };
  Offer offer(core::Partition partition, std::size_t want);
  Offer offer_along(core::Partition partition, std::size_t want, const std::vector<Finished>& batch);
  void withdraw(Offer& offer);
  void settle_offer(core::Partition partition, const Offer& offer, const std::vector<std::string>& given,
                    const std::vector<std::string>& waiting, bool more);
  void begin_use(const AttemptPtr& attempt);
  void end_use(const AttemptPtr& attempt);
  void begin_freeing(const AttemptPtr& attempt);
  void end_freeing(const AttemptPtr& attempt);
  void charge_running(const std::vector<scheduler::Allowance>& lacking);
  void keep_allowances();
  static asio::awaitable<void> ask(Self self, scheduler::AskCall call);
  void on_limit(std::string_view id);
  void warn_too_large(const core::LimitName& limit);
  core::Amounts covered(const Attempt& attempt, const core::LimitName& limit, const core::Amounts& used) const;
  static HandlerResult after_breach(const Attempt& attempt, HandlerResult result);
  core::Millis allowance_ttl() const { return 2 * options_.lease; }

  // worker_claims.cpp
  void subscribe();
  void on_message(core::Partition partition, std::string_view message);
  void on_gap(core::Partition partition);
  void make_claims();
  void pass_wakes_on();
  script::Claim::Args claim_args(std::size_t want, std::string lease) const;
  std::vector<std::string> queues_in(const std::vector<std::size_t>& order) const;
  void count_lanes(const std::vector<std::size_t>& order, const std::vector<script::Claim::Row>& rows);
  void refresh_weights();
  static asio::awaitable<void> ask_weights(Self self);
  // `sent_at`: when the call left that may have been given leases under this id; `again`: its reply was lost.
  static asio::awaitable<void> claim(Self self, core::Partition partition, std::size_t want, std::string lease,
                                     Offer offer, core::SteadyTime sent_at, bool again);
  template <class Answer>
  void take_over(core::Partition partition, std::size_t wanted, const std::string& lease, const Offer& offer,
                 core::SteadyTime sent_at, Answer& answer);
  bool accept(core::Partition partition, script::Claim::Row row, const std::string& lease, core::SteadyTime sent_at);
  static asio::awaitable<void> pass_wake(Self self, core::Partition partition, std::string queue);

  // worker_results.cpp
  void start_handlers();
  void start(AttemptPtr attempt);
  void handler_ended(AttemptPtr attempt, HandlerResult result);
  void send_completions();
  static std::vector<Finished> take_batch(std::vector<Finished>& all);
  static asio::awaitable<void> complete(Self self, core::Partition partition, std::vector<Finished> batch,
                                        std::size_t want, Offer offer);
  static asio::awaitable<core::Result<void>> deliver(Self self, core::Partition partition,
                                                     const std::vector<Finished>& batch, std::size_t want, Offer offer,
                                                     core::SteadyTime sent_at);
  script::Complete::Args complete_args(const std::vector<Finished>& batch, std::size_t want,
                                       const Offer& offer) const;
  void settle_completions(const std::vector<Finished>& batch, const std::vector<std::string>& outcomes);
  static asio::awaitable<void> fail(Self self, AttemptPtr attempt, Failure failure);
  static asio::awaitable<void> suspend(Self self, AttemptPtr attempt, Suspend how);
  // Any number, of any partitions. Ends when all were answered or their leases are over.
  void release(std::vector<AttemptPtr> attempts, bool started, const Released& how);
  static asio::awaitable<void> release_batch(Self self, std::vector<AttemptPtr> batch, bool started, Released how);
  static asio::awaitable<void> send_progress(Self self, AttemptPtr attempt);
  // Whether a call that failed is to be made again, after a pause: while a lease it is about may still be ours.
  static asio::awaitable<bool> pause_before_repeat(Self self, core::Error error, int round,
                                                   core::SteadyTime useful_until);

  // worker_frames.cpp
  static asio::awaitable<void> send_frames(Self self, AttemptPtr attempt);
  static asio::awaitable<void> store_frames(Self self, AttemptPtr attempt, script::AppendFrames::Args args);
  static asio::awaitable<void> publish_frames(Self self, AttemptPtr attempt, script::PublishFrames::Args args);
  static asio::awaitable<void> end_after_frames(Self self, AttemptPtr attempt, HandlerResult result);

  // worker_leases.cpp
  static asio::awaitable<void> keep_leases(Self self);
  void renew_all();
  static asio::awaitable<void> renew(Self self, core::Partition partition, std::vector<AttemptPtr> attempts);
  core::SteadyTime next_lease_event(core::SteadyTime renew_at) const;
  void look_at_clock();
  void lose(AttemptPtr attempt, bool counts = true);
  void forget(const AttemptPtr& attempt);
  AttemptPtr find(std::string_view ulid, std::string_view epoch) const;
  core::Millis margin() const { return options_.lease / 10; }
  std::vector<AttemptPtr> running() const;
  void give_back_unstarted(std::size_t keep);
  static asio::awaitable<void> drain(Self self);
  static asio::awaitable<void> leave(Self self, core::Partition partition);

  std::shared_ptr<script::Deployment> deployment_;
  asio::any_io_executor executor_;
  std::vector<std::string> queues_, capabilities_;
  scheduler::LanePicker lanes_;
  core::SteadyTime weights_asked_{};
  scheduler::ClaimPlanner planner_;
  scheduler::Allowances allowances_;
  std::vector<std::unique_ptr<script::Connection::Subscription>> subscriptions_;

  std::unordered_map<std::string, AttemptPtr> held_;             // By ULID: queued, running, or being reported.
  std::set<std::pair<core::Partition, std::string>> woken_;      // Queues whose wake is not answered yet.
  std::deque<AttemptPtr> queued_;                                // Claimed, not started.
  std::map<core::Partition, std::vector<Finished>> finished_;    // Completed, to be sent.
  std::map<core::Partition, bool> completing_;                   // A complete call is under way.
  std::size_t places_;                                           // For running handlers.
  std::size_t running_ = 0, reserved_ = 0, operations_ = 0;
  std::size_t freeing_ = 0;                                      // Attempts with `freeing`.
  core::Outage outage_;
  bool stopping_ = false, pump_posted_ = false, over_ = false;
  asio::steady_timer look_, lease_alarm_, handlers_done_, ended_;
};

}  // namespace ff::sdk
