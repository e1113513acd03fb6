#pragma once
// Workers whose handlers run elsewhere, behind a protocol of their own: RemoteWorker claims for them, as fairly and
// under the same limits as Worker does, and Leases reports for them. The lease travels as text, and whoever has it may
// report it through any process.
//
//   auto worker = sdk::RemoteWorker::make(deployment, options);       // and spawn worker->run()
//   for (auto& one : co_await worker->take(4, core::Deadline::in(20s))) send(one.lease.str(), one.task->payload());
//   co_await leases.complete(lease, result); worker->ended(lease);

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ff/sdk/client.hpp"
#include "ff/sdk/worker.hpp"

namespace ff::sdk {

// The right to run an execution. Its text is "<execution id>.<epoch>.<lease id>.<duration in ms>"; the lease id is
// random, so who can say it was given it.
struct Lease {
  core::ExecutionId id;
  std::int64_t epoch;
  std::string lease;
  core::Millis duration;
  Lease(core::ExecutionId i, std::int64_t e, std::string l, core::Millis d)
      : id(std::move(i)), epoch(e), lease(std::move(l)), duration(d) {}
  std::string str() const;
  static core::Result<Lease> parse(std::string_view text);  // Error: invalid_argument/bad_lease.
};

struct Renewal {
  enum class Outcome : std::uint8_t { held, cancelling, stale_lease };
  Outcome outcome = Outcome::stale_lease;
  core::Millis grace{0};  // When cancelling: how long it may still take.
  Renewal() = default;
};
std::string_view to_string(Renewal::Outcome outcome) noexcept;

// Reports by lease; each may be repeated. `elsewhere`: what is reported was claimed by another process, which is told
// when the lease is over; without that it keeps the allowances of the execution until the lease would have expired.
// Errors: stale_lease when the lease is not the current one; those of Deployment::call; of arguments as Task has them.
// Thread safety: as Client.
class Leases {
 public:
  Leases(std::shared_ptr<script::Deployment> deployment, core::Millis call_timeout, bool elsewhere = true)
      : deployment_(std::move(deployment)), call_timeout_(call_timeout), elsewhere_(elsewhere) {}
  Awaitable<std::vector<Renewal>> renew(std::vector<Lease> leases) const;  // In order; each by its duration.
  Awaitable<void> complete(Lease lease, core::Payload result) const;
  Awaitable<script::Fail::Ok> fail(Lease lease, Failure failure) const;
  // `started`: else it spends no attempt. Answers "released", or "cancelled" when a cancel was waiting.
  Awaitable<std::string> release(Lease lease, bool started, Released how) const;
  Awaitable<void> progress(Lease lease, int percent, std::string message) const;

 private:
  std::shared_ptr<script::Deployment> deployment_;
  core::Millis call_timeout_;
  bool elsewhere_;
};

// Of an execution that was taken. The task is to be read only.
struct Leased {
  Lease lease;
  std::shared_ptr<const Task> task;
  Leased(Lease l, std::shared_ptr<const Task> t) : lease(std::move(l)), task(std::move(t)) {}
};

// Claims only for those who wait in take(). What was taken counts against quotas and budgets until ended() or until its
// lease is over. Leases may be renewed and reported through other processes, which tell this one (see Leases); should
// that be lost, the store is asked when the lease should be over. Thread safety: none; on the connection's executor.
class RemoteWorker : public std::enable_shared_from_this<RemoteWorker> {
 public:
  static constexpr core::Millis kIdle{30'000};  // With nobody waiting and nothing taken for so long, run() returns.

  // Of `options` these count: ns, lanes, weights, capabilities, name, lease, call_timeout, logger. The name gets a
  // random part: two processes may take for the same worker.
  static std::shared_ptr<RemoteWorker> make(std::shared_ptr<script::Deployment> deployment, WorkerOptions options);

  // Errors: those of Worker::run.
  static boost::asio::awaitable<core::Result<void>> run(std::shared_ptr<RemoteWorker> self);
  // What is taken stays taken, and keeps its allowances until they expire with the leases.
  void stop();
  bool stopping() const noexcept { return stopping_; }

  // Up to `count`, 10 ms after there is any at the latest; none at the deadline, or when it is cancelled or stopped.
  // Who waits longest is served first.
  static boost::asio::awaitable<std::vector<Leased>> take(std::shared_ptr<RemoteWorker> self, std::size_t count,
                                                          core::Deadline until);
  // Nobody got it: it spends no attempt.
  void give_back(const Lease& lease);
  bool holds(const Lease& lease) const { return out_.count(lease.str()) > 0; }
  // What the holder did elsewhere. A lease of another RemoteWorker is no mistake.
  void renewed(const Lease& lease);
  void ended(const Lease& lease);

 private:
  struct Out;
  struct Waiter;
  class Waiting;
  RemoteWorker(std::shared_ptr<script::Deployment> deployment, WorkerOptions options);
  static boost::asio::awaitable<HandlerResult> hand_out(std::shared_ptr<RemoteWorker> self, Task& task);
  static boost::asio::awaitable<void> until_over(std::shared_ptr<RemoteWorker> self, Lease lease,
                                                 std::shared_ptr<Out> out, std::stop_token stop);
  // How long somebody still holds it, as far as the store knows.
  static boost::asio::awaitable<core::Millis> still_held(std::shared_ptr<RemoteWorker> self, Lease lease);
  static boost::asio::awaitable<void> stop_when_idle(std::shared_ptr<RemoteWorker> self);
  void end(const Lease& lease, HandlerResult how);
  void changed();

  std::shared_ptr<script::Deployment> deployment_;
  core::Millis lease_, call_timeout_;
  std::string ns_;
  std::deque<std::shared_ptr<Waiter>> waiters_;       // Longest first.
  std::map<std::string, std::shared_ptr<Out>> out_;   // By Lease::str().
  core::SteadyTime used_at_;
  boost::asio::steady_timer idle_;
  bool stopping_ = false, over_ = false;  // over_: run() has returned.
  Worker worker_;
};

}  // namespace ff::sdk
