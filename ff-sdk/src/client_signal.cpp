// Client: signal, resume, waitpoints, signals and publish_event.
#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/script/relay.hpp"
#include "ff/sdk/client.hpp"

namespace ff::sdk {
namespace {

constexpr std::int64_t kSignalsPage = 256;

void make_id(std::string& id) {
  if (id.empty()) id = core::Ulid::make().str();
}

std::string type_on_wire(std::string type) { return type == core::kContentTypeDefault ? std::string() : type; }

Awaitable<SignalAnswer> signal_one(Caller caller, core::ExecutionId id, std::string waitpoint, core::Signal signal) {
  if (auto good = core::validate(signal); !good) co_return std::move(good).error();
  if (auto named = core::WaitpointName::parse(waitpoint); !named) co_return std::move(named).error();
  if (!caller.knows(id)) co_return not_found(id);
  make_id(signal.id);
  script::Signal::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  args.waitpoint = std::move(waitpoint);
  args.signal = std::move(signal.id);
  args.name = std::move(signal.name);
  args.source = std::move(signal.source);
  args.content_type = type_on_wire(std::move(signal.payload.content_type));
  args.payload = std::move(signal.payload.bytes);
  bool was_lost = false;
  FF_CO_TRY(done, co_await call_verb<script::Signal>(caller, id.partition(), std::move(args), caller.deadline(), true,
                                                     &was_lost));
  SignalAnswer answer;
  // A repeat of our own is no duplicate of the caller's.
  answer.duplicate = done.outcome == "duplicate" && !was_lost;
  answer.resumed = done.first == "resumed";
  answer.number = done.number;
  co_return answer;
}

Awaitable<script::Waitpoints::Ok> look_at(Caller caller, core::ExecutionId id, core::Deadline deadline) {
  script::Waitpoints::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  co_return co_await call_verb<script::Waitpoints>(caller, id.partition(), std::move(args), deadline);
}

Awaitable<void> resume_one(Caller caller, core::ExecutionId id, std::int64_t step) {
  if (!caller.knows(id)) co_return not_found(id);
  const core::Deadline deadline = caller.deadline();
  if (step < 0) {
    FF_CO_TRY(found, co_await look_at(caller, id, deadline));
    if (found.state != "suspended") {
      co_return core::Error(core::Code::conflict, "not_suspended", "execution " + id.str() + " is " + found.state);
    }
    step = found.step;
  }
  script::Resume::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  args.step = step;
  FF_CO_TRY(done, co_await call_verb<script::Resume>(caller, id.partition(), std::move(args), deadline));
  static_cast<void>(done);
  co_return core::Result<void>();
}

Awaitable<Waiting> waiting_of(Caller caller, core::ExecutionId id) {
  if (!caller.knows(id)) co_return not_found(id);
  FF_CO_TRY(found, co_await look_at(caller, id, caller.deadline()));
  FF_CO_TRY(state, state_of_reply(found.state));
  Waiting waiting;
  waiting.state = state;
  waiting.step = found.step;
  waiting.suspended_at = found.suspended_at;
  waiting.timeout_at = found.timeout_at;
  if (!found.on_timeout.empty()) {
    auto policy = core::parse_on_timeout(found.on_timeout);
    if (!policy) co_return corrupt_reply("on_timeout", found.on_timeout);
    waiting.on_timeout = *policy;
  }
  waiting.condition = std::move(found.condition);
  waiting.missing = std::move(found.missing);
  for (auto& row : found.rows) {
    auto& open = waiting.waitpoints.emplace_back();
    open.name = std::move(row.waitpoint);
    open.label = std::move(row.label);
    open.names = std::move(row.names);
    open.signals = row.signals;
    open.max_signals = row.max_signals;
    open.max_bytes = row.max_bytes;
    open.expires_at = row.expires_at;
    open.expired = row.expired;
  }
  co_return waiting;
}

Awaitable<SignalPage> signals_of(Caller caller, core::ExecutionId id, std::int64_t step, std::int64_t from) {
  if (!caller.knows(id)) co_return not_found(id);
  script::Signals::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  args.step = step;
  args.from = from;
  args.limit = kSignalsPage;
  FF_CO_TRY(found, co_await call_verb<script::Signals>(caller, id.partition(), std::move(args), caller.deadline()));
  SignalPage page;
  page.next = found.next;
  for (auto& row : found.rows) {
    auto& signal = page.signals.emplace_back();
    signal.waitpoint = std::move(row.label);
    signal.id = std::move(row.signal);
    signal.name = std::move(row.name);
    signal.source = std::move(row.source);
    signal.accepted_at = row.accepted_at;
    signal.payload = core::Payload(std::move(row.payload), content_type_of_reply(std::move(row.content_type)));
  }
  co_return page;
}

Awaitable<Published> publish_one(Caller caller, core::Event event) {
  if (auto good = core::validate(event); !good) co_return std::move(good).error();
  make_id(event.id);
  const core::Deadline deadline = caller.deadline();
  const auto home = caller.deployment->keys().home_of_event(caller.ns, event.name, event.key);
  script::PublishEvent::Args args;
  args.ns = caller.ns;
  args.name = std::move(event.name);
  args.key = std::move(event.key);
  args.event = std::move(event.id);
  args.source = std::move(event.source);
  args.keep_ms = event.keep.count();
  args.content_type = type_on_wire(std::move(event.payload.content_type));
  args.payload = std::move(event.payload.bytes);
  bool was_lost = false;
  FF_CO_TRY(done, co_await call_verb<script::PublishEvent>(caller, home, std::move(args), deadline, true, &was_lost));
  Published published;
  published.duplicate = done.outcome == "duplicate" && !was_lost;
  for (auto& row : done.rows) {
    auto taken = co_await script::carry_delivery(caller.deployment, home, std::move(row), deadline);
    if (taken && *taken) ++published.delivered;
  }
  co_return published;
}

}  // namespace

Awaitable<SignalAnswer> Client::signal(core::ExecutionId id, std::string waitpoint, core::Signal signal) {
  return signal_one(Caller(deployment_, ns_, call_timeout_), std::move(id), std::move(waitpoint), std::move(signal));
}

Awaitable<void> Client::resume(core::ExecutionId id, std::int64_t step) {
  return resume_one(Caller(deployment_, ns_, call_timeout_), std::move(id), step);
}

Awaitable<Waiting> Client::waitpoints(core::ExecutionId id) {
  return waiting_of(Caller(deployment_, ns_, call_timeout_), std::move(id));
}

Awaitable<SignalPage> Client::signals(core::ExecutionId id, std::int64_t step, std::int64_t from) {
  return signals_of(Caller(deployment_, ns_, call_timeout_), std::move(id), step, from);
}

Awaitable<Published> Client::publish_event(core::Event event) {
  return publish_one(Caller(deployment_, ns_, call_timeout_), std::move(event));
}

}  // namespace ff::sdk
