#pragma once
// Worker: runs handlers for executions. It claims from all partitions, keeps leases alive, stops handlers that lost
// theirs, and hands back what it has not started when it stops.
//
//   sdk::Worker worker(deployment, options);
//   worker.handle("thumbnail", [](sdk::Task& task) { return core::Payload(shrink(task.payload().bytes)); });
//   co_await worker.run();      // until stop()

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "ff/core/capability.hpp"
#include "ff/core/failure_class.hpp"
#include "ff/core/ids.hpp"
#include "ff/core/log.hpp"
#include "ff/core/names.hpp"
#include "ff/core/payload.hpp"
#include "ff/core/suspension.hpp"
#include "ff/script/deployment.hpp"
#include "ff/sdk/stream.hpp"
#include "ff/sdk/usage.hpp"

namespace ff::sdk {

struct WorkerOptions {
  std::string ns = "default";
  std::vector<std::string> lanes{"default"};   // Each gets its share by weight; among equals in this order.
  std::map<std::string, std::int64_t> weights; // Of lanes, 1 to 1000; of the others what their policies say.
  core::Capabilities capabilities;             // What executions may require of this worker; at most 64.
  std::string name;                            // Of this instance, unique; empty: of host name, pid and a random part.
  std::size_t concurrency = 16;                // Handlers running at once, 1 to 4096.
  std::size_t prefetch = 0;                    // Claimed beyond that and kept ready, 0 to 4096; given back on stop.
  core::Millis lease{15000};                   // 100 ms to a day. Renewed in batches at a third of it.
  bool renews = true;                          // false: whoever has the leases does that, and they outlast the worker.
  core::Millis drain{30000};                   // How long stop() lets running handlers go on before their stop token
  core::Millis drain_grace{5000};              // fires, and then, before their executions are given back.
  core::Millis call_timeout{5000};             // Of one call to Valkey.
  // Where plain functions run: a thread pool of yours. Unset: the executor of the connection, which a slow function
  // then blocks, renewals included.
  boost::asio::any_io_executor handler_executor;
  std::shared_ptr<core::Logger> logger;        // Unset: silent.
  WorkerOptions() = default;
};

// How an attempt went wrong: decides with the retry policy whether there is another.
struct Failure {
  std::string failure_class = std::string(core::failure_class::kInternal);
  std::string text;
  core::Millis retry_after{-1};  // >= 0: instead of the policy's delay.
  Failure() = default;
  Failure(std::string_view c, std::string t) : failure_class(c), text(std::move(t)) {}
};

// Give the execution back: no failure is counted, the attempt is.
struct Released {
  std::string reason;
  core::Millis delay{0};
  Released() = default;
};

// Give the execution up until something happens; it costs memory only. The handler then runs again from its start, with
// task.resumption() set. Waitpoints that were opened before (Task::open_waitpoints) belong to it, too.
//
//   co_return sdk::Suspend(core::named("approve").times(2).distinct()).within(72h, core::OnTimeout::fail);
//   co_return sdk::durable_sleep(24h, "reminded");
//   co_return sdk::wait_event("payment", order_id).within(30min, core::OnTimeout::resume);
struct Suspend {
  std::optional<core::Condition> condition;  // Unset: no signal resumes it.
  std::vector<core::Waitpoint> waitpoints;   // At most 16; none of its own and none opened: one called "default".
  core::Millis timeout{0};                   // 0: none; to ten years.
  core::OnTimeout on_timeout = core::OnTimeout::fail;
  core::Millis resume_delay{0};              // Before it is ready again, in front of its priority.
  std::string kept;                          // At most 16 KiB; the resumed handler gets it back.
  Suspend() = default;
  explicit Suspend(core::Condition c) : condition(std::move(c)) {}

  Suspend at(core::Waitpoint waitpoint) && {
    waitpoints.push_back(std::move(waitpoint));
    return std::move(*this);
  }
  Suspend within(core::Millis time, core::OnTimeout policy) && {
    timeout = time;
    on_timeout = policy;
    return std::move(*this);
  }
  Suspend delayed(core::Millis time) && {
    resume_delay = time;
    return std::move(*this);
  }
  Suspend keeping(std::string bytes) && {
    kept = std::move(bytes);
    return std::move(*this);
  }
};
// Sleeps, however long: resumes by timeout.
Suspend durable_sleep(core::Millis time, std::string kept = {});
// Waits for an event published under this name and key, also one that came before and is still kept. It arrives as a
// signal of that name at the waitpoint "event".
Suspend wait_event(std::string name, std::string key);
// Errors: those of validate() of its parts; invalid_argument/bad_timeout, too_many_waitpoints, kept_too_large.
core::Result<void> validate(const Suspend& suspend);

// Give the execution back as if it had not been started: it spends no attempt.
struct Unstarted {
  Unstarted() = default;
};

// Somebody else has the lease and ends it, or has lost it: the worker forgets the execution. See RemoteWorker.
struct Detached {
  Detached() = default;
};

using HandlerResult = std::variant<core::Payload, Failure, Released, Suspend, Unstarted, Detached>;

// One attempt, as its handler sees it. Valid until the handler returns.
// Thread safety: everything may be called from the handler's thread, and be read from any other.
class Task : public std::enable_shared_from_this<Task> {
 public:
  virtual ~Task() = default;
  const core::ExecutionId& id() const noexcept { return id_; }
  const std::string& kind() const noexcept { return row_.kind; }
  const std::string& queue() const noexcept { return row_.queue; }
  const core::Payload& payload() const noexcept { return payload_; }
  std::int64_t attempt() const noexcept { return row_.attempt; }        // From 1.
  std::int64_t generation() const noexcept { return row_.generation; }
  std::int64_t failures() const noexcept { return row_.failures; }
  // Grows with each claim of this execution, also over failovers: hand it to resources that can refuse an older one.
  std::int64_t epoch() const noexcept { return row_.epoch; }
  core::TimestampMs created_at() const noexcept { return row_.created_at; }
  core::TimestampMs ready_at() const noexcept { return row_.ready_at; }
  std::int64_t timeout_ms() const noexcept { return row_.timeout_ms; }  // Of this attempt, 0: none.
  // As of core::to_wire, behind the quota of the lane's cap if it has one.
  const std::string& requirements() const noexcept { return row_.requirements; }
  const std::string& tags() const noexcept { return row_.tags; }        // JSON object, empty: none.
  // What the last suspension ended with; nullptr: there was none in this generation, or its attempt was failed.
  // Attempts that follow a crash or a failure get it again.
  const core::Resumption* resumption() const noexcept { return resumption_ ? &*resumption_ : nullptr; }
  // Fires when the lease is lost, the execution is cancelled, its attempt times out, or the worker's drain time is
  // over. What the handler returns after a lost lease is dropped; what it returns in time after the others counts.
  std::stop_token stop_token() const noexcept { return stop_.get_token(); }
  // Reports how far it is: percent 0 to 100 (-1: unknown) and a text of at most 1024 bytes. Sent in the background, the
  // last one wins; bad values are cut to the allowed ones.
  virtual void progress(int percent, std::string message) = 0;
  // Opens waitpoints for the suspension that the handler means to return, so that it can tell others where to signal;
  // what comes before it suspends counts. One whose label is open already stays as it is, also when an earlier attempt
  // opened it. Answers their names, "<step>.<label>", in order. For coroutine handlers: on the connection's executor.
  // Errors: invalid_argument/bad_waitpoint, too_many_waitpoints; stale_lease; those of Deployment::call.
  virtual boost::asio::awaitable<core::Result<std::vector<std::string>>> open_waitpoints(
      std::vector<core::Waitpoint> waitpoints) = 0;
  // Frames for those who follow the execution, and for later readers.
  virtual FrameStream& stream() = 0;
  // Counts what was used against the execution's budget and its parents, out of what was reserved for it first. The
  // same key (1 to 64 bytes, no spaces) counts once for an attempt. After the verdict `hard` the stop token fires, and
  // unless the handler returns a result all the same, the attempt ends as the budget's policy says: it fails as
  // budget_exceeded, or is given back until the next reset. An attempt that reports nothing has used nothing. For
  // coroutines, on the connection's executor. Errors: those of Client::report_usage; invalid_argument/no_budget;
  // stale_lease when the attempt is over.
  virtual boost::asio::awaitable<core::Result<Usage>> report_usage(std::string key, core::Amounts used) = 0;
  // The same for plain functions that run elsewhere: waits for the answer. Never on the connection's executor, which
  // it would block for ever.
  virtual core::Result<Usage> report_usage_and_wait(std::string key, core::Amounts used) = 0;

 protected:
  Task(core::ExecutionId id, script::Claim::Row row)
      : id_(std::move(id)), row_(std::move(row)),
        payload_(std::move(row_.payload), row_.content_type.empty() ? std::string(core::kContentTypeDefault)
                                                                    : row_.content_type) {}
  std::optional<core::Resumption> resumption_;
  core::ExecutionId id_;
  script::Claim::Row row_;
  core::Payload payload_;
  std::stop_source stop_;
};

struct WorkerStats {
  std::uint64_t claimed = 0, completed = 0, failed = 0, retried = 0, released = 0, suspended = 0;
  std::uint64_t lost = 0;        // Leases that ended before the handler did; reports refused or not delivered.
  std::uint64_t claims = 0;      // Claim calls, empty ones included.
  std::uint64_t wakes = 0;       // Wake-ups received.
  std::uint64_t reservations = 0;  // Calls that reserve, keep or return allowances of quotas and budgets.
  std::size_t running = 0, prefetched = 0;
};

// Thread safety: handle() before run(); stop() from any thread; everything else on the connection's executor.
class Worker {
 public:
  using Function = std::function<HandlerResult(Task&)>;
  using Coroutine = std::function<boost::asio::awaitable<HandlerResult>(Task&)>;

  Worker(std::shared_ptr<script::Deployment> deployment, WorkerOptions options);
  ~Worker();  // Precondition: not running. Handlers that drain_grace did not wait for may be, and need the executors.
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // A plain function runs on handler_executor, a coroutine on the connection's executor. What either throws fails the
  // attempt as class `crash`. An execution of a kind without handler fails as `unavailable`, which policies retry by
  // default: another worker may have the handler. The last handler given for a kind counts.
  void handle(std::string kind, Function function);
  void handle_async(std::string kind, Coroutine coroutine);
  // For every kind that has none of its own.
  void handle_any(Coroutine coroutine);
  // How many handlers may run at once from now on, also 0. What was claimed for more is given back unstarted.
  void set_concurrency(std::size_t places);

  // Runs until stop() was called and the drain is done. Errors: invalid_argument for options out of range, before
  // anything is claimed. An unreachable Valkey is no error: it goes on when it is back.
  boost::asio::awaitable<core::Result<void>> run();

  // Begins the drain: no more claims, unstarted executions are handed back without spending an attempt, running ones
  // may finish. Idempotent; safe in a signal handler of Asio, from any thread.
  void stop();

  const WorkerStats& stats() const noexcept;
  const std::string& name() const noexcept;

 private:
  friend class Attempt;
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ff::sdk
