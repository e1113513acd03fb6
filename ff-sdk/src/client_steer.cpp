// Client: cancel, change_priority, replay and purge.
#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/sdk/client.hpp"

namespace ff::sdk {
namespace {

namespace limits = core::limits;

core::Result<void> check_cancel(core::Millis grace, const std::string& reason) {
  if (grace.count() < 0 || grace.count() > limits::kDurationMsMax) {
    return refused_argument("bad_grace", "grace_ms is " + std::to_string(grace.count()) +
                                             " ms, allowed are 0 (at once) to ten years");
  }
  if (reason.size() > limits::kErrorTextBytes) {
    return refused_argument("bad_reason", "reason has " + std::to_string(reason.size()) +
                                              " bytes, allowed are at most 16384");
  }
  return {};
}

Awaitable<CancelAnswer> cancel_one(Caller caller, core::ExecutionId id, core::Millis grace, std::string reason) {
  if (auto good = check_cancel(grace, reason); !good) co_return std::move(good).error();
  if (!caller.knows(id)) co_return not_found(id);
  script::Cancel::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  args.grace_ms = grace.count();
  args.reason = std::move(reason);
  FF_CO_TRY(done, co_await call_verb<script::Cancel>(caller, id.partition(), std::move(args), caller.deadline()));
  FF_CO_TRY(state, state_of_reply(done.state));
  CancelAnswer answer;
  answer.state = state;
  answer.grace_until = done.grace_until;
  co_return answer;
}

Awaitable<void> change_one(Caller caller, core::ExecutionId id, std::int64_t priority) {
  if (priority < 0 || priority > limits::kPriorityMax) {
    co_return refused_argument("bad_priority", "priority is " + std::to_string(priority) + ", allowed are 0 to 9000");
  }
  if (!caller.knows(id)) co_return not_found(id);
  script::ChangePriority::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  args.priority = priority;
  FF_CO_TRY(done,
            co_await call_verb<script::ChangePriority>(caller, id.partition(), std::move(args), caller.deadline()));
  static_cast<void>(done);
  co_return core::Result<void>();
}

Awaitable<std::int64_t> replay_one(Caller caller, core::ExecutionId id) {
  if (!caller.knows(id)) co_return not_found(id);
  const core::Deadline deadline = caller.deadline();
  script::Describe::Args look;
  look.ns = caller.ns;
  look.id = id.ulid().str();
  FF_CO_TRY(found, co_await call_verb<script::Describe>(caller, id.partition(), std::move(look), deadline));
  script::Replay::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  args.generation = found.generation;
  FF_CO_TRY(done, co_await call_verb<script::Replay>(caller, id.partition(), std::move(args), deadline));
  co_return done.generation;
}

Awaitable<void> purge_one(Caller caller, core::ExecutionId id) {
  if (!caller.knows(id)) co_return not_found(id);
  script::Purge::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  bool was_lost = false;
  auto done = co_await call_verb<script::Purge>(caller, id.partition(), std::move(args), caller.deadline(), true,
                                                &was_lost);
  const bool gone = was_lost && !done && done.error().code == core::Code::not_found;
  if (!done && !gone) co_return std::move(done).error();
  co_return core::Result<void>();
}

}  // namespace

Awaitable<CancelAnswer> Client::cancel(core::ExecutionId id, core::Millis grace, std::string reason) {
  return cancel_one(Caller(deployment_, ns_, call_timeout_), std::move(id), grace, std::move(reason));
}

Awaitable<void> Client::change_priority(core::ExecutionId id, std::int64_t priority) {
  return change_one(Caller(deployment_, ns_, call_timeout_), std::move(id), priority);
}

Awaitable<std::int64_t> Client::replay(core::ExecutionId id) {
  return replay_one(Caller(deployment_, ns_, call_timeout_), std::move(id));
}

Awaitable<void> Client::purge(core::ExecutionId id) {
  return purge_one(Caller(deployment_, ns_, call_timeout_), std::move(id));
}

}  // namespace ff::sdk
