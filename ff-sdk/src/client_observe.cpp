// Client: describe, payload, result and count.
#include <map>
#include <vector>

#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/sdk/client.hpp"
#include "outcome.hpp"

namespace ff::sdk {
namespace {

Awaitable<Description> describe_one(Caller caller, core::ExecutionId id) {
  if (!caller.knows(id)) co_return not_found(id);
  script::Describe::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  Description description;
  FF_CO_TRY(fields, co_await call_verb<script::Describe>(caller, id.partition(), std::move(args), caller.deadline()));
  FF_CO_TRY(state, state_of_reply(fields.state));
  description.fields = std::move(fields);
  description.state = state;
  co_return description;
}

Awaitable<core::Payload> payload_of(Caller caller, core::ExecutionId id) {
  if (!caller.knows(id)) co_return not_found(id);
  script::Payload::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  FF_CO_TRY(found, co_await call_verb<script::Payload>(caller, id.partition(), std::move(args), caller.deadline()));
  co_return core::Payload(std::move(found.payload), content_type_of_reply(std::move(found.content_type)));
}

Awaitable<Outcome> result_of(Caller caller, core::ExecutionId id, std::int64_t generation) {
  if (generation < -1) {
    co_return refused_argument("bad_generation", "generation is " + std::to_string(generation) +
                                                     ", allowed are -1 (the current one) and above");
  }
  if (!caller.knows(id)) co_return not_found(id);
  script::Result::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  args.generation = generation;
  FF_CO_TRY(found, co_await call_verb<script::Result>(caller, id.partition(), std::move(args), caller.deadline()));
  co_return outcome_of_reply(std::move(found));
}

struct Counting {
  explicit Counting(Caller c) : caller(std::move(c)), deadline(caller.deadline()) {}
  Caller caller;
  core::Deadline deadline;
  std::map<std::string, std::int64_t> sums;
  std::optional<core::Error> error;  // The first; no more partitions are asked then.
};

boost::asio::awaitable<void> count_partition(std::shared_ptr<Counting> counting, std::size_t partition) {
  if (counting->error) co_return;
  script::Count::Args args;
  auto found = co_await call_verb<script::Count>(counting->caller, static_cast<core::Partition>(partition), args,
                                                 counting->deadline);
  if (!found) {
    if (!counting->error) counting->error = std::move(found).error();
    co_return;
  }
  for (const script::Count::Row& row : found->rows) counting->sums[row.index] += row.executions;
}

Awaitable<std::map<std::string, std::int64_t>> count_all(Caller caller) {
  auto counting = std::make_shared<Counting>(caller);
  std::function<boost::asio::awaitable<void>(std::size_t)> step = [counting](std::size_t partition) {
    return count_partition(counting, partition);
  };
  co_await for_each_index(caller.executor(), caller.deployment->keys().partitions(), core::limits::kClientCallsInFlight,
                          std::move(step));
  if (counting->error) co_return std::move(*counting->error);
  co_return std::move(counting->sums);
}

}  // namespace

core::Result<Outcome> outcome_of_reply(script::Result::Ok found) {
  FF_TRY(state, state_of_reply(found.state));
  Outcome outcome;
  outcome.state = state;
  outcome.generation = found.generation;
  outcome.result = core::Payload(std::move(found.result), content_type_of_reply(std::move(found.content_type)));
  outcome.failure_class = std::move(found.failure_class);
  outcome.text = std::move(found.text);
  return outcome;
}

Awaitable<Description> Client::describe(core::ExecutionId id) {
  return describe_one(Caller(deployment_, ns_, call_timeout_), std::move(id));
}

Awaitable<core::Payload> Client::payload(core::ExecutionId id) {
  return payload_of(Caller(deployment_, ns_, call_timeout_), std::move(id));
}

Awaitable<Outcome> Client::result(core::ExecutionId id, std::int64_t generation) {
  return result_of(Caller(deployment_, ns_, call_timeout_), std::move(id), generation);
}

Awaitable<std::map<std::string, std::int64_t>> Client::count() {
  return count_all(Caller(deployment_, ns_, call_timeout_));
}

}  // namespace ff::sdk
