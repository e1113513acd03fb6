#pragma once
// How Client calls verbs: repeated while the outcome is unknown, in parallel within a bound.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ff/core/admission.hpp"
#include "ff/core/ids.hpp"
#include "ff/core/state.hpp"
#include "ff/core/time.hpp"
#include "ff/script/deployment.hpp"

namespace ff::sdk {

// What a call needs of its Client. A copy, so that the Client need not outlive the call.
struct Caller {
  std::shared_ptr<script::Deployment> deployment;
  std::string ns;
  core::Millis call_timeout;
  Caller(std::shared_ptr<script::Deployment> d, std::string n, core::Millis timeout)
      : deployment(std::move(d)), ns(std::move(n)), call_timeout(timeout) {}

  boost::asio::any_io_executor executor() const { return deployment->connection()->executor(); }
  core::Deadline deadline() const { return core::Deadline::in(call_timeout); }
  // Whether an execution with this id can exist here; keys of another partition cannot even be named.
  bool knows(const core::ExecutionId& id) const { return id.partition() < deployment->keys().partitions(); }
};

// Cancellation: throws boost::system::system_error, as asio does.
boost::asio::awaitable<void> pause(boost::asio::any_io_executor executor, core::Millis duration);

// Delays between repeats: doubling, bounded.
class Backoff {
 public:
  core::Millis next() noexcept { return std::exchange(delay_, std::min(delay_ * 2, core::Millis(500))); }

 private:
  core::Millis delay_{10};
};

// Whether the store gave no answer to this very call. After a call with unknown outcome, such an error settles nothing.
inline bool is_silence(const core::Error& error) noexcept {
  return error.code == core::Code::unknown_outcome || error.code == core::Code::unavailable || error.reason == "oom";
}

// Calls a verb and, when `repeat` says that this is safe, repeats it with the same arguments for as long as its outcome
// is unknown and the deadline allows. Once a reply was lost only the verb's own answer counts: should a repeat find the
// store unavailable, the outcome stays unknown. `was_lost` tells a verb whose answer to a repeat differs; `sent` gets
// the arguments back.
template <class Verb>
boost::asio::awaitable<core::Result<typename Verb::Ok>> call_verb(Caller caller, core::Partition partition,
                                                                  typename Verb::Args args, core::Deadline deadline,
                                                                  bool repeat = true, bool* was_lost = nullptr,
                                                                  typename Verb::Args* sent = nullptr) {
  std::optional<core::Error> lost;
  Backoff backoff;
  for (;;) {
    auto answer = co_await caller.deployment->call<Verb>(partition, args, deadline);
    if (answer && sent) *sent = std::move(args);
    if (answer || !is_silence(answer.error())) co_return answer;
    if (!lost && answer.error().code != core::Code::unknown_outcome) co_return answer;
    if (!lost) lost = answer.error();
    if (was_lost) *was_lost = true;
    if constexpr (requires { args.again; }) args.again = true;
    const core::Millis delay = backoff.next();
    if (!repeat || std::chrono::steady_clock::now() + delay >= deadline.at) co_return std::move(*lost);
    co_await pause(caller.executor(), delay);
  }
}

// Runs step(0) … step(count - 1) in this order, at most `at_once` at a time, and returns when all have ended.
// Cancellation: reaches every running step.
boost::asio::awaitable<void> for_each_index(boost::asio::any_io_executor executor, std::size_t count,
                                            std::size_t at_once,
                                            std::function<boost::asio::awaitable<void>(std::size_t)> step);

// A quota as it stands; not_found: nobody has defined it.
struct QuotaDescription;
boost::asio::awaitable<core::Result<QuotaDescription>> describe_quota(Caller caller, std::string name);
// When the budget, and the parents it has, will have room again for what is needed of it, if one of them is spent; 0:
// none is, or it never resets.
boost::asio::awaitable<core::Result<core::TimestampMs>> spent_until(Caller caller, core::Need need);

core::Error not_found(const core::ExecutionId& id);
core::Error refused_argument(std::string reason, std::string message);
// A word of a reply that the declaration does not allow.
core::Error corrupt_reply(std::string_view what, std::string_view value);
core::Result<core::State> state_of_reply(std::string_view word);
// "" travels instead of the default.
std::string content_type_of_reply(std::string text);

}  // namespace ff::sdk
