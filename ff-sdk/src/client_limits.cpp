// Client: quotas and budgets.
#include <algorithm>
#include <chrono>

#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"
#include "ff/sdk/client.hpp"
#include "reset_schedule.hpp"
#include "usage_report.hpp"

namespace ff::sdk {
namespace {

using core::LimitKind;
using core::LimitName;

constexpr std::size_t kParentsMax = 8;
constexpr core::Millis kClocksApart{2 * 3600 * 1000};  // Resets that this host's clock calls past and Valkey's may not.
constexpr core::Millis kUsageKnown{3600 * 1000};

core::Error no_limit(const LimitName& limit) {
  return core::Error(core::Code::not_found, "not_found",
                     "there is no " + std::string(core::to_string(limit.kind)) + " " + core::shown(limit.name) +
                         " in this namespace");
}

core::Partition home(const Caller& caller, const LimitName& limit) {
  return caller.deployment->keys().home_of_limit(caller.ns, limit);
}

Awaitable<script::DescribeLimit::Ok> look(Caller caller, LimitName limit, core::Deadline deadline) {
  if (auto good = core::validate_limit_name(limit.name); !good) co_return std::move(good).error();
  script::DescribeLimit::Args args;
  args.ns = caller.ns;
  args.kind = core::to_string(limit.kind);
  args.name = limit.name;
  auto found = co_await call_verb<script::DescribeLimit>(caller, home(caller, limit), std::move(args), deadline);
  if (!found && found.error().reason == "not_found") co_return no_limit(limit);
  co_return found;
}

Awaitable<void> set_quota_of(Caller caller, std::string name, core::Quota quota) {
  if (auto good = core::validate_quota_name(name); !good) co_return good;
  if (auto good = core::validate(quota); !good) co_return good;
  script::SetQuota::Args args;
  args.ns = caller.ns;
  args.name = name;
  args.slots = quota.concurrency.value_or(-1);
  args.rate = quota.rate;
  args.period_ms = quota.period.count();
  args.burst = quota.burst;
  const LimitName limit(LimitKind::quota, std::move(name));
  const auto partition = home(caller, limit);
  FF_CO_TRY(done, co_await call_verb<script::SetQuota>(caller, partition, std::move(args), caller.deadline()));
  static_cast<void>(done);
  co_return core::Result<void>();
}

Awaitable<void> pause_quota_of(Caller caller, std::string name, core::Millis pause) {
  if (auto good = core::validate_quota_name(name); !good) co_return good;
  if (pause.count() < 0 || pause > std::chrono::hours(24)) {
    co_return refused_argument("bad_pause",
                               "pause_ms is " + std::to_string(pause.count()) + " ms, allowed are 0 (none) to a day");
  }
  script::PauseQuota::Args args;
  args.ns = caller.ns;
  args.name = name;
  args.pause_ms = pause.count();
  const LimitName limit(LimitKind::quota, std::move(name));
  auto done = co_await call_verb<script::PauseQuota>(caller, home(caller, limit), std::move(args), caller.deadline());
  if (!done && done.error().code == core::Code::not_found) co_return no_limit(limit);
  if (!done) co_return std::move(done).error();
  co_return core::Result<void>();
}

// The chain of parents above `name` ends, does not lead back to it, and is not too long.
Awaitable<void> check_parents(Caller caller, std::string name, std::string parent, core::Deadline deadline) {
  const std::string first = parent;
  for (std::size_t depth = 1; !parent.empty(); ++depth) {
    if (parent == name || depth > kParentsMax) {
      co_return refused_argument("bad_parent", "parent is " + core::shown(first) + ", must not be the budget itself, " +
                                                   "lead back to it, or have more than 7 parents of its own");
    }
    auto found = co_await look(caller, LimitName(LimitKind::budget, parent), deadline);
    if (!found && found.error().code == core::Code::not_found) {
      co_return refused_argument("bad_parent", "parent " + core::shown(parent) + " does not exist");
    }
    if (!found) co_return std::move(found).error();
    parent = found->parent;
  }
  co_return core::Result<void>();
}

core::Result<std::vector<std::string>> resets_from(const core::Budget& budget, core::TimestampMs after) {
  FF_TRY(instants, next_resets(budget.reset, budget.zone, after, kResetsStored));
  std::vector<std::string> words;
  for (const auto instant : instants) words.push_back(std::to_string(instant));
  return words;
}

core::TimestampMs system_now() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<core::Millis>(system_clock::now().time_since_epoch()).count();
}

Awaitable<void> set_budget_of(Caller caller, std::string name, core::Budget budget) {
  if (auto good = core::validate_limit_name(name); !good) co_return good;
  if (auto good = core::validate(budget); !good) co_return good;
  const auto deadline = caller.deadline();
  FF_CO_TRY(resets, resets_from(budget, system_now() - kClocksApart.count()));
  auto parents = co_await check_parents(caller, name, budget.parent, deadline);
  if (!parents) co_return parents;
  script::SetBudget::Args args;
  args.ns = caller.ns;
  args.name = name;
  args.parent = budget.parent;
  args.on_breach = core::to_string(budget.on_breach);
  args.period = period_text(budget.reset, budget.zone);
  args.resets = std::move(resets);
  for (const auto& [dimension, limit] : budget.dimensions) {
    auto& item = args.items.emplace_back();
    item.dimension = dimension;
    item.soft = limit.soft.value_or(-1);
    item.hard = limit.hard.value_or(-1);
  }
  const LimitName limit(LimitKind::budget, std::move(name));
  FF_CO_TRY(done, co_await call_verb<script::SetBudget>(caller, home(caller, limit), std::move(args), deadline));
  static_cast<void>(done);
  co_return core::Result<void>();
}

core::Result<BudgetDescription> budget_of_reply(const script::DescribeLimit::Ok& found) {
  BudgetDescription description;
  auto& budget = description.budget;
  budget.parent = found.parent;
  if (auto good = read_period(found.period, budget); !good) return std::move(good).error();
  FF_TRY(on_breach, core::on_breach_from(found.on_breach));
  budget.on_breach = on_breach;
  for (const auto& row : found.rows) {
    auto& limit = budget.dimensions[row.dimension];
    if (row.soft >= 0) limit.soft = row.soft;
    if (row.hard >= 0) limit.hard = row.hard;
    auto& use = description.use[row.dimension];
    use.used = row.used;
    use.reserved = row.reserved;
    use.over = row.over;
  }
  description.began_at = found.began_at;
  description.resets_at = found.resets_at;
  description.holders = found.holders;
  description.waiting = found.waiting;
  return description;
}

bool is_spent(const BudgetDescription& budget, const core::Amounts& unit) {
  bool spent = false;
  for (const auto& [dimension, wanted] : unit) {
    const auto limit = budget.budget.dimensions.find(dimension);
    if (limit == budget.budget.dimensions.end() || !limit->second.hard) continue;
    const auto& use = budget.use.at(dimension);
    if (wanted > *limit->second.hard) return false;  // It never fits.
    spent = spent || use.used + use.over + wanted > *limit->second.hard;
  }
  return spent;
}

Awaitable<BudgetDescription> describe_budget(Caller caller, LimitName limit) {
  FF_CO_TRY(found, co_await look(caller, limit, caller.deadline()));
  if (found.resets_left >= 0 && found.resets_left < static_cast<std::int64_t>(kResetsFew)) {
    co_await extend_resets(caller, limit.name);
    FF_CO_TRY(again, co_await look(caller, limit, caller.deadline()));
    co_return budget_of_reply(again);
  }
  co_return budget_of_reply(found);
}

Awaitable<void> drop_one(Caller caller, LimitName limit) {
  const auto validate_name = limit.kind == LimitKind::quota ? core::validate_quota_name : core::validate_limit_name;
  if (auto good = validate_name(limit.name, "name"); !good) co_return good;
  script::DropLimit::Args args;
  args.ns = caller.ns;
  args.kind = core::to_string(limit.kind);
  args.name = limit.name;
  bool was_lost = false;
  auto done = co_await call_verb<script::DropLimit>(caller, home(caller, limit), std::move(args), caller.deadline(),
                                                    true, &was_lost);
  const bool gone = was_lost && !done && done.error().code == core::Code::not_found;
  if (!done && !gone && done.error().code == core::Code::not_found) co_return no_limit(limit);
  if (!done && !gone) co_return std::move(done).error();
  co_return core::Result<void>();
}

struct Names {
  Names(Caller c, script::ListLimits::Args a, core::Deadline d)
      : caller(std::move(c)), args(std::move(a)), deadline(d) {}
  Caller caller;
  script::ListLimits::Args args;
  core::Deadline deadline;
  std::vector<std::string> names;
  core::Result<void> outcome;
};

boost::asio::awaitable<void> list_partition(std::shared_ptr<Names> names, std::size_t partition) {
  auto found = co_await call_verb<script::ListLimits>(names->caller, static_cast<core::Partition>(partition),
                                                      names->args, names->deadline);
  if (!found) {
    names->outcome = std::move(found).error();
    co_return;
  }
  for (auto& row : found->rows) names->names.push_back(std::move(row.name));
}

Awaitable<std::vector<std::string>> list_names(Caller caller, LimitKind kind, std::string after, std::size_t limit) {
  if (limit < 1 || limit > core::limits::kListPage) {
    co_return refused_argument("bad_limit", "limit is " + std::to_string(limit) + ", allowed are 1 to 1000");
  }
  script::ListLimits::Args args;
  args.ns = caller.ns;
  args.kind = core::to_string(kind);
  args.after = std::move(after);
  args.limit = static_cast<std::int64_t>(limit);
  auto names = std::make_shared<Names>(caller, std::move(args), caller.deadline());
  std::function<boost::asio::awaitable<void>(std::size_t)> step = [names](std::size_t partition) {
    return list_partition(names, partition);
  };
  co_await for_each_index(caller.executor(), caller.deployment->keys().partitions(),
                          core::limits::kClientCallsInFlight, std::move(step));
  if (!names->outcome) co_return std::move(names->outcome).error();
  std::sort(names->names.begin(), names->names.end());
  if (names->names.size() > limit) names->names.resize(limit);
  co_return std::move(names->names);
}

core::Result<Usage::Verdict> verdict_of_reply(std::string_view word) {
  for (const auto verdict : {Usage::Verdict::ok, Usage::Verdict::soft, Usage::Verdict::hard}) {
    if (word == to_string(verdict)) return verdict;
  }
  return corrupt_reply("the verdict", word);
}

core::Result<Usage> usage_of_reply(const script::ReportUsage::Ok& answer) {
  Usage usage;
  FF_TRY(verdict, verdict_of_reply(answer.verdict));
  usage.verdict = verdict;
  FF_TRY(on_breach, core::on_breach_from(answer.on_breach));
  usage.on_breach = on_breach;
  if (answer.resets_in_ms >= 0) usage.resets_in = core::Millis(answer.resets_in_ms);
  return usage;
}

}  // namespace

std::string_view to_string(Usage::Verdict verdict) noexcept {
  switch (verdict) {
    case Usage::Verdict::ok: return "ok";
    case Usage::Verdict::soft: return "soft";
    case Usage::Verdict::hard: return "hard";
  }
  return "hard";
}

core::Result<void> validate(const UsageReport& report) {
  const bool plain = std::none_of(report.key.begin(), report.key.end(), [](char c) { return c <= ' ' || c == 0x7f; });
  if (report.key.empty() || report.key.size() > core::limits::kUsageKeyChars || !plain) {
    return refused_argument("bad_usage_key", "key is " + core::shown(report.key) +
                                                 ", must be 1 to 64 characters of printable ASCII without spaces");
  }
  return core::validate(report.used, "used");
}

namespace {

// Of a refused report: which of what was used the budget does not count.
boost::asio::awaitable<core::Error> unknown_dimension(Caller caller, LimitName limit, core::Amounts used) {
  auto found = co_await look(caller, limit, caller.deadline());
  std::string counted;
  if (found) {
    for (const auto& row : found->rows) {
      used.erase(row.dimension);
      counted.append(counted.empty() ? "; it counts " : ", ").append(row.dimension);
    }
  }
  const bool named = found && !used.empty();
  const std::string first = named ? "used." + used.begin()->first + " is a dimension" : "used has a dimension";
  const std::string budget = " that the budget " + core::shown(limit.name) + " does not count";
  co_return refused_argument("unknown_dimension", first + budget + counted);
}

}  // namespace

Awaitable<Usage> report_usage(Caller caller, std::string budget, UsageReport report) {
  Usage worst;
  for (std::size_t depth = 0; depth <= kParentsMax && !budget.empty(); ++depth) {
    const LimitName limit(LimitKind::budget, budget);
    script::ReportUsage::Args args;
    args.ns = caller.ns;
    args.name = budget;
    args.key = report.key;
    args.known_ms = kUsageKnown.count();
    args.used = core::to_wire(report.used);
    core::Amounts covered;
    if (report.cover) covered = report.cover(limit);
    args.holder = covered.empty() ? std::string() : report.holder;
    args.covered = core::to_wire(covered);
    auto answer =
        co_await call_verb<script::ReportUsage>(caller, home(caller, limit), std::move(args), caller.deadline());
    core::Result<core::Amounts> taken = core::Amounts();
    if (answer) taken = core::amounts_from_wire(answer->taken);
    if (report.counted) report.counted(limit, covered, taken ? *taken : core::Amounts());
    if (!taken) co_return std::move(taken).error();
    // A parent that was dropped, or counts other dimensions, limits nothing of it.
    const bool unlimited = !answer && (answer.error().reason == "not_found" ||
                                       answer.error().reason == "unknown_dimension");
    if (unlimited && depth > 0) break;
    if (!answer && answer.error().reason == "not_found") co_return no_limit(limit);
    if (unlimited) co_return co_await unknown_dimension(caller, limit, std::move(report.used));
    if (!answer) co_return std::move(answer).error();
    FF_CO_TRY(usage, usage_of_reply(*answer));
    if (depth == 0 || usage.verdict > worst.verdict) worst = usage;
    budget = answer->parent;
  }
  co_return worst;
}

Awaitable<core::TimestampMs> spent_until(Caller caller, core::Need need) {
  std::string name = need.limit.name;
  core::TimestampMs until = 0;
  for (std::size_t depth = 0; depth <= kParentsMax && !name.empty(); ++depth) {
    auto found = co_await describe_budget(caller, LimitName(LimitKind::budget, name));
    if (!found && found.error().code == core::Code::not_found) break;
    if (!found) co_return std::move(found).error();
    if (is_spent(*found, need.unit)) {
      if (found->resets_at == 0) co_return 0;
      until = std::max(until, found->resets_at);
    }
    name = found->budget.parent;
  }
  co_return until;
}

boost::asio::awaitable<void> extend_resets(Caller caller, std::string budget) {
  auto found = co_await look(caller, LimitName(LimitKind::budget, budget), caller.deadline());
  if (!found) co_return;
  core::Budget period;
  if (!read_period(found->period, period)) co_return;
  // Of what has been missed only the last beginning matters; it lies less than two periods back.
  constexpr core::TimestampMs kTwoMonths = 62LL * 24 * 3600 * 1000;
  const auto after = period.reset == core::ResetEvery::month || period.reset == core::ResetEvery::week
                         ? std::max(found->began_at, found->now - kTwoMonths)
                         : std::max(found->began_at, found->now - kTwoMonths / 30);
  auto resets = resets_from(period, after);
  if (!resets) co_return;
  script::SetResets::Args args;
  args.ns = caller.ns;
  args.name = budget;
  args.period = found->period;
  args.began_at = found->began_at;
  args.resets = std::move(*resets);
  const LimitName limit(LimitKind::budget, std::move(budget));
  // Somebody else may have done it meanwhile; and who finds few left next tries again.
  auto ignored = co_await call_verb<script::SetResets>(caller, home(caller, limit), std::move(args), caller.deadline());
  static_cast<void>(ignored);
}

Awaitable<QuotaDescription> describe_quota(Caller caller, std::string name) {
  const LimitName limit(LimitKind::quota, std::move(name));
  FF_CO_TRY(found, co_await look(caller, limit, caller.deadline()));
  QuotaDescription description;
  description.quota.rate = found.rate;
  if (found.rate > 0) {
    description.quota.period = core::Millis(found.period_ms);
    description.quota.burst = found.burst;
  }
  description.paused = core::Millis(found.paused_ms);
  description.holders = found.holders;
  description.waiting = found.waiting;
  for (const auto& row : found.rows) {
    if (row.dimension != "slots") continue;
    if (row.hard >= 0) description.quota.concurrency = row.hard;
    description.held = row.reserved;
  }
  co_return description;
}

Awaitable<void> Client::set_quota(std::string name, core::Quota quota) {
  return set_quota_of(Caller(deployment_, ns_, call_timeout_), std::move(name), quota);
}

Awaitable<void> Client::pause_quota(std::string name, core::Millis pause) {
  return pause_quota_of(Caller(deployment_, ns_, call_timeout_), std::move(name), pause);
}

Awaitable<QuotaDescription> Client::quota(std::string name) {
  return describe_quota(Caller(deployment_, ns_, call_timeout_), std::move(name));
}

Awaitable<void> Client::set_budget(std::string name, core::Budget budget) {
  return set_budget_of(Caller(deployment_, ns_, call_timeout_), std::move(name), std::move(budget));
}

Awaitable<BudgetDescription> Client::budget(std::string name) {
  return describe_budget(Caller(deployment_, ns_, call_timeout_), LimitName(LimitKind::budget, std::move(name)));
}

namespace {

Awaitable<Usage> checked_report(Caller caller, std::string budget, UsageReport report) {
  if (auto good = core::validate_limit_name(budget, "budget"); !good) co_return std::move(good).error();
  if (auto good = validate(report); !good) co_return std::move(good).error();
  co_return co_await report_usage(std::move(caller), std::move(budget), std::move(report));
}

}  // namespace

Awaitable<Usage> Client::report_usage(std::string budget, std::string key, core::Amounts used) {
  UsageReport report;
  report.key = std::move(key);
  report.used = std::move(used);
  return checked_report(Caller(deployment_, ns_, call_timeout_), std::move(budget), std::move(report));
}

Awaitable<void> Client::drop_limit(LimitKind kind, std::string name) {
  return drop_one(Caller(deployment_, ns_, call_timeout_), LimitName(kind, std::move(name)));
}

Awaitable<std::vector<std::string>> Client::list_limits(LimitKind kind, std::string after, std::size_t limit) {
  return list_names(Caller(deployment_, ns_, call_timeout_), kind, std::move(after), limit);
}

}  // namespace ff::sdk
