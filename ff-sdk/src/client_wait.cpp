// Client: wait. A subscription to the execution's watch channel, then one look for each time that it may have missed
// something, then sleep.
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "client_call.hpp"
#include "ff/sdk/client.hpp"
#include "outcome.hpp"

namespace ff::sdk {
namespace asio = boost::asio;
namespace {

// What the subscription has to say. Shared with its callbacks; everything runs on the connection's executor.
struct Watcher {
  Watcher(asio::any_io_executor executor, core::Deadline deadline) : signal(executor, deadline.at) {}
  asio::steady_timer signal;          // Expires at the deadline; cancelled to wake the waiter.
  bool may_have_missed = false;       // Ask for the state: the subscription begins, or had a gap.
  std::optional<core::State> ended;   // An end that is known, by message or by asking.
};

std::unique_ptr<script::Connection::Subscription> subscribe(const Caller& caller, const core::ExecutionId& id,
                                                            std::shared_ptr<Watcher> watcher) {
  auto on_message = [watcher](std::string_view, std::string_view word) {
    auto state = core::parse_state(word);
    if (state) watcher->ended = *state;
    else watcher->may_have_missed = true;  // A word of a newer library: ask.
    watcher->signal.cancel();
  };
  auto on_gap = [watcher](std::string_view) {
    watcher->may_have_missed = true;
    watcher->signal.cancel();
  };
  const core::Keyspace& keys = caller.deployment->keys();
  return caller.deployment->connection()->subscribe(
      keys.slot(id.partition()), keys.watch_channel(id.partition(), id.ulid()), std::move(on_message),
      std::move(on_gap));
}

core::Error too_late(const core::ExecutionId& id, std::string_view why) {
  return core::Error(core::Code::unavailable, "deadline", "execution " + id.str() + " " + std::string(why));
}

// A call that outlives a store which is away for a while: waiting is what the caller wants.
template <class Verb>
Awaitable<typename Verb::Ok> call_patiently(Caller caller, core::ExecutionId id, typename Verb::Args args,
                                            core::Deadline deadline) {
  Backoff backoff;
  for (;;) {
    core::Deadline attempt(std::min(deadline.at, caller.deadline().at));
    auto answer = co_await call_verb<Verb>(caller, id.partition(), args, attempt);
    if (answer || !is_silence(answer.error())) co_return answer;
    const core::Millis delay = backoff.next();
    if (std::chrono::steady_clock::now() + delay >= deadline.at) {
      co_return too_late(id, "could not be asked for in time: " + answer.error().to_string());
    }
    co_await pause(caller.executor(), delay);
  }
}

// Asks for the state, so that an end from now on is published. A state already known to be the end stays.
Awaitable<void> look(Caller caller, core::ExecutionId id, std::shared_ptr<Watcher> watcher, core::Deadline deadline) {
  watcher->may_have_missed = false;
  script::Watch::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  auto answer = co_await call_patiently<script::Watch>(caller, id, std::move(args), deadline);
  if (watcher->ended) co_return core::Result<void>();
  if (!answer) co_return std::move(answer).error();
  FF_CO_TRY(state, state_of_reply(answer->state));
  if (core::is_terminal(state)) watcher->ended = state;
  co_return core::Result<void>();
}

// How it ended. Not an end: it was replayed meanwhile.
Awaitable<Outcome> fetch(Caller caller, core::ExecutionId id, core::State ended, core::Deadline deadline) {
  script::Result::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  args.generation = -1;
  auto found = co_await call_patiently<script::Result>(caller, id, std::move(args), deadline);
  if (found) co_return outcome_of_reply(std::move(*found));
  if (found.error().code != core::Code::not_found) co_return std::move(found).error();
  Outcome gone;  // A lean execution, or one whose retention is over.
  gone.state = ended;
  co_return gone;
}

Awaitable<Outcome> wait_for_end(Caller caller, core::ExecutionId id, core::Deadline deadline) {
  if (!caller.knows(id)) co_return not_found(id);
  auto watcher = std::make_shared<Watcher>(caller.executor(), deadline);
  auto subscription = subscribe(caller, id, watcher);
  for (;;) {
    if (watcher->may_have_missed && !watcher->ended) {
      auto looked = co_await look(caller, id, watcher, deadline);
      if (!looked) co_return std::move(looked).error();
    }
    if (watcher->ended) {
      const core::State ended = *watcher->ended;
      watcher->ended.reset();
      auto outcome = co_await fetch(caller, id, ended, deadline);
      if (!outcome || core::is_terminal(outcome->state)) co_return outcome;
      watcher->may_have_missed = true;
    }
    if (watcher->may_have_missed || watcher->ended) continue;
    auto [error] = co_await watcher->signal.async_wait(asio::as_tuple(asio::use_awaitable));
    if (watcher->may_have_missed || watcher->ended) continue;
    if (!error) co_return too_late(id, "has not ended by the deadline");
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      co_return core::Error(core::Code::cancelled, "cancelled", "the caller gave up waiting for " + id.str());
    }
  }
}

}  // namespace

Awaitable<Outcome> Client::wait(core::ExecutionId id, core::Deadline deadline) {
  return wait_for_end(Caller(deployment_, ns_, call_timeout_), std::move(id), deadline);
}

}  // namespace ff::sdk
