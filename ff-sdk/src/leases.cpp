// Leases as text, and reports by them.

#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <map>

#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"
#include "ff/sdk/remote_worker.hpp"

namespace ff::sdk {
namespace {

core::Error stale() {
  return core::Error(core::Code::stale_lease, "stale_lease",
                     "the lease is over: the execution has ended, was cancelled or is somebody else's");
}

std::optional<std::int64_t> positive(std::string_view text) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || number <= 0) return std::nullopt;
  return number;
}

template <class Item>
void fill(Item& item, const Lease& lease) {
  item.id = lease.id.ulid().str();
  item.lease = lease.lease;
  item.epoch = std::to_string(lease.epoch);
}

// Those of one partition with one duration go in one call.
using Group = std::pair<core::Partition, core::Millis>;

core::Result<void> take_renewals(const script::Renew::Ok& answer, const std::vector<std::size_t>& places,
                                 std::vector<Renewal>& renewals) {
  if (answer.rows.size() != places.size()) return corrupt_reply("the number of rows", "another");
  for (std::size_t i = 0; i < places.size(); ++i) {
    auto& renewal = renewals[places[i]];
    renewal.grace = core::Millis(answer.rows[i].grace_ms);
    if (answer.rows[i].outcome == "held") renewal.outcome = Renewal::Outcome::held;
    if (answer.rows[i].outcome == "cancelling") renewal.outcome = Renewal::Outcome::cancelling;
  }
  return {};
}

}  // namespace

std::string Lease::str() const {
  return id.str() + "." + std::to_string(epoch) + "." + lease + "." + std::to_string(duration.count());
}

core::Result<Lease> Lease::parse(std::string_view text) {
  const core::Error bad(core::Code::invalid_argument, "bad_lease",
                        "lease is " + core::shown(text) + ", must be one that a claim answered");
  std::vector<std::string_view> parts;
  for (auto rest = text; parts.size() < 5;) {
    const auto dot = rest.find('.');
    parts.push_back(rest.substr(0, dot));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (parts.size() != 4) return bad;
  auto id = core::ExecutionId::parse(parts[0]);
  auto lease = core::Ulid::parse(parts[2]);
  const auto epoch = positive(parts[1]), duration = positive(parts[3]);
  if (!id || !lease || !epoch || !duration) return bad;
  if (*duration < core::limits::kLeaseMsMin || *duration > core::limits::kLeaseMsMax) return bad;
  Lease parsed(std::move(*id), *epoch, lease->str(), core::Millis(*duration));
  if (parsed.str() != text) return bad;  // One lease has one text.
  return parsed;
}

std::string_view to_string(Renewal::Outcome outcome) noexcept {
  switch (outcome) {
    case Renewal::Outcome::held: return "held";
    case Renewal::Outcome::cancelling: return "cancelling";
    case Renewal::Outcome::stale_lease: return "stale_lease";
  }
  return "stale_lease";
}

Awaitable<std::vector<Renewal>> Leases::renew(std::vector<Lease> leases) const {
  Caller caller(deployment_, std::string(), call_timeout_);
  const auto deadline = caller.deadline();
  std::vector<Renewal> renewals(leases.size());
  std::map<Group, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < leases.size(); ++i) {
    if (caller.knows(leases[i].id)) groups[Group(leases[i].id.partition(), leases[i].duration)].push_back(i);
  }
  for (const auto& [group, places] : groups) {
    script::Renew::Args args;
    args.lease_ms = group.second.count();
    for (const auto place : places) fill(args.items.emplace_back(), leases[place]);
    auto answer = co_await call_verb<script::Renew>(caller, group.first, std::move(args), deadline);
    if (!answer) co_return std::move(answer).error();
    if (auto good = take_renewals(*answer, places, renewals); !good) co_return std::move(good).error();
  }
  co_return renewals;
}

Awaitable<void> Leases::complete(Lease lease, core::Payload result) const {
  Caller caller(deployment_, std::string(), call_timeout_);
  if (auto good = core::validate(result, "result"); !good) co_return good;
  if (!caller.knows(lease.id)) co_return stale();
  script::Complete::Args args;
  args.next_lease = core::Ulid::make().str();
  args.lease_ms = lease.duration.count();
  args.elsewhere = elsewhere_;
  auto& item = args.items.emplace_back();
  fill(item, lease);
  if (result.content_type != core::kContentTypeDefault) item.content_type = std::move(result.content_type);
  item.result = std::move(result.bytes);
  auto answer =
      co_await call_verb<script::Complete>(caller, lease.id.partition(), std::move(args), caller.deadline());
  if (!answer) co_return std::move(answer).error();
  if (answer->outcomes.size() != 1 || answer->outcomes[0] != "completed") co_return stale();
  co_return core::Result<void>();
}

Awaitable<script::Fail::Ok> Leases::fail(Lease lease, Failure failure) const {
  Caller caller(deployment_, std::string(), call_timeout_);
  if (auto good = core::validate_failure_class(failure.failure_class); !good) co_return std::move(good).error();
  if (failure.text.size() > core::limits::kErrorTextBytes) {
    co_return refused_argument("text_too_large", "text has " + std::to_string(failure.text.size()) +
                                                     " bytes, allowed are " +
                                                     std::to_string(core::limits::kErrorTextBytes));
  }
  if (failure.retry_after.count() < -1 || failure.retry_after.count() > core::limits::kDurationMsMax) {
    co_return refused_argument("bad_retry_after", "retry_after_ms must be 0 to ten years, or -1");
  }
  if (!caller.knows(lease.id)) co_return stale();
  script::Fail::Args args;
  fill(args, lease);
  args.failure_class = std::move(failure.failure_class);
  args.text = std::move(failure.text);
  args.retry_after_ms = failure.retry_after.count();
  args.elsewhere = elsewhere_;
  co_return co_await call_verb<script::Fail>(caller, lease.id.partition(), std::move(args), caller.deadline());
}

Awaitable<std::string> Leases::release(Lease lease, bool started, Released how) const {
  Caller caller(deployment_, std::string(), call_timeout_);
  if (how.reason.size() > core::limits::kReleaseReasonBytes) {
    co_return refused_argument("reason_too_large", "reason has more than 512 bytes");
  }
  if (how.delay.count() < 0 || how.delay.count() > core::limits::kDurationMsMax) {
    co_return refused_argument("bad_delay", "delay_ms must be 0 to ten years");
  }
  if (!caller.knows(lease.id)) co_return stale();
  script::Release::Args args;
  args.started = started;
  args.delay_ms = how.delay.count();
  args.reason = std::move(how.reason);
  args.elsewhere = elsewhere_;
  fill(args.items.emplace_back(), lease);
  auto answer = co_await call_verb<script::Release>(caller, lease.id.partition(), std::move(args), caller.deadline());
  if (!answer) co_return std::move(answer).error();
  if (answer->outcomes.size() != 1 || answer->outcomes[0] == "stale_lease") co_return stale();
  co_return std::move(answer->outcomes[0]);
}

Awaitable<void> Leases::progress(Lease lease, int percent, std::string message) const {
  Caller caller(deployment_, std::string(), call_timeout_);
  if (percent < -1 || percent > 100) co_return refused_argument("bad_percent", "percent must be -1 to 100");
  if (message.size() > core::limits::kProgressTextBytes) {
    co_return refused_argument("message_too_large", "message has more than 1024 bytes");
  }
  if (!caller.knows(lease.id)) co_return stale();
  script::Progress::Args args;
  fill(args, lease);
  args.percent = percent;
  args.message = std::move(message);
  auto sent = co_await call_verb<script::Progress>(caller, lease.id.partition(), std::move(args), caller.deadline());
  if (!sent) co_return std::move(sent).error();
  co_return core::Result<void>();
}

}  // namespace ff::sdk
