#pragma once
// Carries named events between partitions: from the one where an event meets its waiters to those of the executions.
// Valkey remembers what is under way, and each step may be repeated: whoever begins does it at once, and what he leaves
// undone the engine does (carry_due).

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <string>

#include "ff/core/ids.hpp"
#include "ff/script/deployment.hpp"

namespace ff::script {

using RelayRow = PublishEvent::Row;  // As three verbs answer it.

// Delivers one event as a signal and settles that on `home`, the partition of the event. Answers whether the waitpoint
// has it. Errors: those of Deployment::call; the delivery stays pending.
boost::asio::awaitable<core::Result<bool>> carry_delivery(std::shared_ptr<Deployment> deployment, core::Partition home,
                                                          RelayRow row, core::Deadline deadline);

// A waitpoint that wants an event.
struct Await {
  std::string ns, name, key;
  core::ExecutionId execution;
  std::int64_t step;
  std::string waitpoint;  // "<step>.<label>"
  Await(std::string n, std::string event, std::string k, core::ExecutionId e, std::int64_t s, std::string w)
      : ns(std::move(n)), name(std::move(event)), key(std::move(k)), execution(std::move(e)), step(s),
        waitpoint(std::move(w)) {}
};
// Registers it with the event's partition, delivers what came early, and notes that this is done.
// Errors: those of Deployment::call, conflict/too_many_waiters; it is registered later.
boost::asio::awaitable<core::Result<void>> carry_await(std::shared_ptr<Deployment> deployment, Await await,
                                                       core::Deadline deadline);

struct Carried {
  std::size_t done = 0, failed = 0;
  std::int64_t next_in_ms = -1;  // Until there is more, -1: nothing waits.
  Carried() = default;
};
// Does what is due in a partition and was left undone, `limit` of each kind at the most.
// Errors: those of Deployment::call. One that fails is counted, and is due again two seconds later.
boost::asio::awaitable<core::Result<Carried>> carry_due(std::shared_ptr<Deployment> deployment,
                                                        core::Partition partition, std::int64_t limit,
                                                        core::Deadline deadline);

}  // namespace ff::script
