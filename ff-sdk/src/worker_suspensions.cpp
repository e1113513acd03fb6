// Suspensions and waitpoints of handlers.

#include <fmt/format.h>

#include <boost/asio/use_awaitable.hpp>

#include "ff/core/limits.hpp"
#include "ff/script/relay.hpp"
#include "worker_impl.hpp"

namespace ff::sdk {

using core::Code;
using core::Error;
using std::chrono::steady_clock;
using Waitpoints = std::vector<core::Waitpoint>;

namespace {

constexpr std::string_view kDefaultLabel = "default", kEventLabel = "event";

Error refusal(std::string reason, std::string message) {
  return Error(Code::invalid_argument, std::move(reason), std::move(message));
}

template <class Item>
std::vector<Item> items_of(const Waitpoints& waitpoints) {
  std::vector<Item> items;
  for (const auto& waitpoint : waitpoints) {
    auto& item = items.emplace_back();
    item.label = waitpoint.label;
    item.names = waitpoint.names;
    item.max_signals = waitpoint.max_signals;
    item.max_bytes = waitpoint.max_bytes;
    item.expires_in_ms = waitpoint.expires_in.count();
    item.event = waitpoint.event;
    item.key = waitpoint.key;
  }
  return items;
}

core::Result<void> check_waitpoints(const Waitpoints& waitpoints) {
  if (waitpoints.size() > core::limits::kWaitpointsMax) {
    return refusal("too_many_waitpoints", fmt::format("there are {} waitpoints, allowed are {}", waitpoints.size(),
                                                      core::limits::kWaitpointsMax));
  }
  for (const auto& waitpoint : waitpoints) {
    if (auto good = core::validate(waitpoint); !good) return good;
  }
  return {};
}

// Registers what wants an event, now; what fails the engine does.
asio::awaitable<void> register_awaits(std::shared_ptr<script::Deployment> deployment, std::string ns,
                                      core::ExecutionId id, std::int64_t step, Waitpoints waitpoints,
                                      core::Deadline deadline) {
  for (const auto& waitpoint : waitpoints) {
    if (waitpoint.event.empty()) continue;
    script::Await await(ns, waitpoint.event, waitpoint.key, id, step, core::WaitpointName(step, waitpoint.label).str());
    co_await script::carry_await(deployment, std::move(await), deadline);
  }
}

}  // namespace

Suspend durable_sleep(core::Millis time, std::string kept) {
  return Suspend().within(time, core::OnTimeout::resume).keeping(std::move(kept));
}

Suspend wait_event(std::string name, std::string key) {
  core::Waitpoint waitpoint{std::string(kEventLabel)};
  waitpoint.names.push_back(name);
  waitpoint.event = name;
  waitpoint.key = std::move(key);
  return Suspend(core::named(std::move(name)).at(std::string(kEventLabel))).at(std::move(waitpoint));
}

core::Result<void> validate(const Suspend& suspend) {
  if (suspend.condition) {
    if (auto good = core::validate(*suspend.condition); !good) return good;
  }
  if (auto good = check_waitpoints(suspend.waitpoints); !good) return good;
  const std::pair<const char*, core::Millis> times[] = {{"timeout", suspend.timeout},
                                                        {"resume_delay", suspend.resume_delay}};
  for (const auto& [field, time] : times) {
    if (time.count() >= 0 && time.count() <= core::limits::kDurationMsMax) continue;
    return refusal("bad_timeout", fmt::format("{} is {} ms, allowed are 0 to ten years", field, time.count()));
  }
  if (suspend.kept.size() > core::limits::kKeptBytes) {
    return refusal("kept_too_large", fmt::format("kept has {} bytes, allowed are {}", suspend.kept.size(),
                                                 core::limits::kKeptBytes));
  }
  return {};
}

asio::awaitable<core::Result<std::vector<std::string>>> Attempt::open_waitpoints(Waitpoints waitpoints) {
  return Worker::Impl::open_waitpoints(worker_.lock(), std::static_pointer_cast<Attempt>(shared_from_this()),
                                       std::move(waitpoints));
}

asio::awaitable<core::Result<std::vector<std::string>>> Worker::Impl::open_waitpoints(Self self, AttemptPtr attempt,
                                                                                      Waitpoints waitpoints) {
  if (auto good = check_waitpoints(waitpoints); !good) co_return std::move(good).error();
  if (!self || self->over_ || attempt->lost) {
    co_return Error(Code::stale_lease, "stale_lease", "the worker or its lease is gone");
  }
  script::OpenWaitpoints::Args args;
  args.id = attempt->id().ulid().str();
  args.lease = attempt->lease;
  args.epoch = attempt->epoch_text;
  args.items = items_of<script::OpenWaitpoints::Item>(waitpoints);
  std::vector<std::string> names;
  for (int round = 0;; ++round) {
    auto answer =
        co_await self->deployment_->call<script::OpenWaitpoints>(attempt->partition(), args, self->deadline());
    if (answer) {
      attempt->has_waitpoints = true;
      for (const auto& waitpoint : waitpoints) {
        names.push_back(core::WaitpointName(answer->step, waitpoint.label).str());
      }
      self->spawn(register_awaits(self->deployment_, self->options_.ns, attempt->id(), answer->step,
                                  std::move(waitpoints), self->deadline()));
      co_return names;
    }
    auto error = std::move(answer).error();
    const bool repeat = co_await pause_before_repeat(self, error, round, attempt->held_until);
    if (!repeat) co_return error;
  }
}

// Gives the lease up. What Valkey refuses is a fault of the handler, and fails its attempt by name.
asio::awaitable<void> Worker::Impl::suspend(Self self, AttemptPtr attempt, Suspend how) {
  if (how.condition && how.waitpoints.empty() && !attempt->has_waitpoints) {
    how.waitpoints.emplace_back(std::string(kDefaultLabel));
  }
  script::Suspend::Args args;
  args.id = attempt->id().ulid().str();
  args.lease = attempt->lease;
  args.epoch = attempt->epoch_text;
  if (how.condition) args.condition = core::to_wire(*how.condition);
  args.timeout_ms = how.timeout.count();
  args.on_timeout = core::to_string(how.on_timeout);
  args.resume_delay_ms = how.resume_delay.count();
  args.kept = std::move(how.kept);
  args.items = items_of<script::Suspend::Item>(how.waitpoints);
  const auto useful_until = steady_clock::now() + 2 * self->options_.lease;
  for (int round = 0;; ++round) {
    auto answer = co_await self->deployment_->call<script::Suspend>(attempt->partition(), args, self->deadline());
    if (answer) {
      ++self->stats_.suspended;
      self->forget(attempt);
      if (answer->outcome == "suspended") {
        co_await register_awaits(self->deployment_, self->options_.ns, attempt->id(), answer->step,
                                 std::move(how.waitpoints), self->deadline());
      }
      co_return;
    }
    auto error = std::move(answer).error();
    const bool repeat = co_await pause_before_repeat(self, error, round, useful_until);
    if (repeat) continue;
    if (error.code == Code::invalid_argument) {
      co_await fail(self, attempt, Failure(core::failure_class::kInternal, error.message));
      co_return;
    }
    ++self->stats_.lost;
    if (error.code != Code::stale_lease) self->log(core::LogLevel::error, "suspension not delivered", error);
    break;
  }
  self->forget(attempt);
}

}  // namespace ff::sdk
