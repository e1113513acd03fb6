#include "ff/script/relay.hpp"

#include <algorithm>
#include <array>

#include "ff/core/suspension.hpp"

namespace ff::script {
namespace {

namespace asio = boost::asio;
using core::Code;

// The waitpoint has the event, or will never take it or any other.
struct Delivered {
  bool taken = false, gone = false;
};

Delivered delivered(const Signal::Ok& answer) {
  Delivered d;
  d.taken = true;
  d.gone = answer.first == "resumed";
  return d;
}

// A refusal by the waitpoint settles the delivery; anything else leaves it pending.
bool is_settled(const core::Error& error, Delivered& d) {
  constexpr std::array<std::string_view, 6> kGone{"not_found",        "no_such_waitpoint", "already_finished",
                                                  "waitpoint_closed", "waitpoint_expired", "too_many_signals"};
  d.gone = std::find(kGone.begin(), kGone.end(), error.reason) != kGone.end();
  return d.gone || error.reason == "payload_too_large" || error.reason == "name_not_allowed";
}

asio::awaitable<core::Result<void>> settle(std::shared_ptr<Deployment> deployment, core::Partition home, RelayRow row,
                                           Delivered how, core::Deadline deadline) {
  SettleEvent::Args args;
  args.ns = std::move(row.ns);
  args.name = std::move(row.name);
  args.key = std::move(row.key);
  args.event = std::move(row.event);
  args.execution = std::move(row.execution);
  args.waitpoint = std::move(row.waitpoint);
  args.taken = how.taken;
  args.gone = how.gone;
  auto settled = co_await deployment->call<SettleEvent>(home, args, deadline);
  if (!settled) co_return std::move(settled).error();
  co_return core::Result<void>();
}

core::Result<Await> await_of(core::Partition partition, RelayRow row) {
  FF_TRY(ulid, core::Ulid::parse(row.execution));
  FF_TRY(waitpoint, core::WaitpointName::parse(row.waitpoint));
  return Await(std::move(row.ns), std::move(row.name), std::move(row.key),
               core::ExecutionId(partition, std::move(ulid)), waitpoint.step, std::move(row.waitpoint));
}

}  // namespace

asio::awaitable<core::Result<bool>> carry_delivery(std::shared_ptr<Deployment> deployment, core::Partition home,
                                                   RelayRow row, core::Deadline deadline) {
  Delivered how;
  auto execution = core::ExecutionId::parse(row.execution);
  if (!execution || execution->partition() >= deployment->keys().partitions()) {
    how.gone = true;
  } else {
    Signal::Args args;
    args.ns = row.ns;
    args.id = execution->ulid().str();
    args.waitpoint = row.waitpoint;
    args.signal = row.event;
    args.name = row.name;
    args.source = std::move(row.source);
    args.content_type = std::move(row.content_type);
    args.payload = std::move(row.payload);
    auto answer = co_await deployment->call<Signal>(execution->partition(), args, deadline);
    if (answer) how = delivered(*answer);
    else if (!is_settled(answer.error(), how)) co_return std::move(answer).error();
  }
  auto settled = co_await settle(deployment, home, std::move(row), how, deadline);
  if (!settled) co_return std::move(settled).error();
  co_return how.taken;
}

asio::awaitable<core::Result<void>> carry_await(std::shared_ptr<Deployment> deployment, Await await,
                                                core::Deadline deadline) {
  const auto home = deployment->keys().home_of_event(await.ns, await.name, await.key);
  AwaitEvent::Args args;
  args.ns = std::move(await.ns);
  args.name = std::move(await.name);
  args.key = std::move(await.key);
  args.execution = await.execution.str();
  args.waitpoint = std::move(await.waitpoint);
  auto early = co_await deployment->call<AwaitEvent>(home, args, deadline);
  if (!early) co_return std::move(early).error();
  Awaited::Args done;
  done.id = await.execution.ulid().str();
  done.step = await.step;
  // First this: a waitpoint that an early event closes is to be registered no more.
  auto noted = co_await deployment->call<Awaited>(await.execution.partition(), done, deadline);
  if (!noted) co_return std::move(noted).error();
  for (auto& row : early->rows) {
    auto delivery = co_await carry_delivery(deployment, home, std::move(row), deadline);
    if (!delivery) co_return std::move(delivery).error();
  }
  co_return core::Result<void>();
}

asio::awaitable<core::Result<Carried>> carry_due(std::shared_ptr<Deployment> deployment, core::Partition partition,
                                                 std::int64_t limit, core::Deadline deadline) {
  TakeRelays::Args args;
  args.limit = limit;
  auto due = co_await deployment->call<TakeRelays>(partition, args, deadline);
  if (!due) co_return std::move(due).error();
  Carried carried;
  carried.next_in_ms = due->next_in_ms;
  for (auto& row : due->rows) {
    bool done = false;
    if (row.what == "deliver") {
      auto delivery = co_await carry_delivery(deployment, partition, std::move(row), deadline);
      done = delivery.has_value();
    } else {
      auto await = await_of(partition, std::move(row));
      if (!await) co_return std::move(await).error();
      auto registered = co_await carry_await(deployment, std::move(*await), deadline);
      done = registered.has_value();
    }
    ++(done ? carried.done : carried.failed);
  }
  co_return carried;
}

}  // namespace ff::script
