// Allowances: what is reserved of quotas and budgets, offered to claims, and reported as used.

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <future>

#include "client_call.hpp"
#include "reset_schedule.hpp"
#include "usage_report.hpp"
#include "worker_impl.hpp"

namespace ff::sdk {

using core::LimitKind;
using core::LimitName;
using core::SteadyTime;
using scheduler::Allowance;
using std::chrono::steady_clock;

namespace {

// "<count> <requirements>", as claims carry and answer them.
std::vector<std::string> words_of(const std::vector<Allowance>& allowances) {
  std::vector<std::string> words;
  words.reserve(allowances.size());
  for (const auto& one : allowances) words.push_back(std::to_string(one.count) + " " + one.requirements);
  return words;
}

std::vector<Allowance> allowances_of(const std::vector<std::string>& words) {
  std::vector<Allowance> allowances;
  for (const auto& word : words) {
    Allowance one;
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), one.count);
    if (parsed.ec != std::errc() || *parsed.ptr != ' ') continue;
    one.requirements = word.substr(static_cast<std::size_t>(parsed.ptr - word.data()) + 1);
    allowances.push_back(std::move(one));
  }
  return allowances;
}

template <class Args>
Args ask_args(const std::string& ns, const std::string& holder, core::Millis ttl, const scheduler::AskCall& call) {
  Args args;
  args.ns = ns;
  args.holder = holder;
  args.ttl_ms = ttl.count();
  for (const auto& ask : call.asks) {
    auto& item = args.items.emplace_back();
    item.kind = core::to_string(ask.limit.kind);
    item.name = ask.limit.name;
    item.seq = ask.seq;
    item.hold = core::to_wire(ask.hold);
    item.spare = ask.spare;
    if constexpr (std::is_same_v<Args, script::Reserve::Args>) {
      item.unit = core::to_wire(ask.unit);
      item.count = ask.count;
      item.starts = ask.starts;
    }
  }
  return args;
}

scheduler::Grant grant_of(script::Reserve::Row row) {
  scheduler::Grant grant;
  grant.too_large = row.outcome == "too_large";
  grant.old = row.outcome == "old";
  grant.granted = row.granted;
  grant.starts = row.starts;
  grant.keep = row.keep;
  grant.roomy = row.roomy == 1;
  grant.retry_in = core::Millis(row.retry_in_ms);
  grant.parent = std::move(row.parent);
  return grant;
}

}  // namespace

// What a claim carries: what it may take, and the ended attempts whose allowances are among that.
Worker::Impl::Offer Worker::Impl::offer(core::Partition partition, std::size_t want) {
  Offer offer;
  if (want > 0) offer.allowances = allowances_.offer(partition, want, steady_clock::now());
  return offer;
}

// The attempts of `batch` end in the very call that claims: their allowances can be used again there, and nowhere else
// before it is answered.
Worker::Impl::Offer Worker::Impl::offer_along(core::Partition partition, std::size_t want,
                                              const std::vector<Finished>& batch) {
  if (want == 0) return Offer();
  for (const auto& finished : batch) end_use(finished.attempt);
  auto offer = this->offer(partition, want);
  std::map<std::string, std::size_t> offered;
  for (const auto& one : offer.allowances) offered[one.requirements] = one.count;
  for (const auto& finished : batch) {
    if (!finished.attempt->limited) continue;
    auto& left = offered[finished.attempt->charged];
    if (left > 0) {
      --left;
      offer.ending.push_back(finished.attempt);
    } else {
      begin_use(finished.attempt);
    }
  }
  return offer;
}

void Worker::Impl::begin_use(const AttemptPtr& attempt) {
  if (!attempt->limited || std::exchange(attempt->uses_allowance, true)) return;
  allowances_.begun(attempt->charged, attempt->reported);
}

// From when a result is to be sent until the first answer, or until it is clear that it will take longer.
void Worker::Impl::begin_freeing(const AttemptPtr& attempt) {
  if (attempt->uses_allowance && !std::exchange(attempt->freeing, true)) ++freeing_;
}

void Worker::Impl::end_freeing(const AttemptPtr& attempt) {
  if (std::exchange(attempt->freeing, false)) --freeing_;
}

void Worker::Impl::end_use(const AttemptPtr& attempt) {
  if (!std::exchange(attempt->uses_allowance, false)) return;
  allowances_.ended(attempt->charged, attempt->reported);
}

// The claim certainly did not run.
void Worker::Impl::withdraw(Offer& offer) {
  allowances_.withdrawn(offer.allowances);
  for (const auto& attempt : offer.ending) {
    if (held_.count(attempt->id().ulid().str())) begin_use(attempt);
  }
  offer = Offer();
}

std::vector<std::string> Worker::Impl::Offer::words() const { return words_of(allowances); }

void Worker::Impl::settle_offer(core::Partition partition, const Offer& offer, const std::vector<std::string>& given,
                                const std::vector<std::string>& waiting, bool more) {
  if (offer.allowances.empty() && waiting.empty() && given.empty()) return;
  const auto lacking = allowances_of(waiting);
  charge_running(lacking);
  allowances_.claimed(partition, offer.allowances, given, lacking, more);
}

// What runs of a lane that was given a cap since: it counts from now on.
void Worker::Impl::charge_running(const std::vector<Allowance>& lacking) {
  const std::string mark = core::quota_term(core::cap_quota(""));
  std::set<std::string_view> caps;
  for (const auto& one : lacking) {
    const auto term = std::string_view(one.requirements).substr(0, one.requirements.find(' '));
    if (!term.starts_with(mark) || !caps.insert(term).second) continue;
    const auto queue = options_.ns + "/" + std::string(term.substr(mark.size()));
    for (const auto& [ulid, attempt] : held_) {
      if (attempt->queue() != queue || attempt->charged.starts_with(mark)) continue;
      if (attempt->limited && !attempt->uses_allowance) continue;  // Its end is on its way.
      end_use(attempt);
      attempt->charged = std::string(term) + (attempt->charged.empty() ? "" : " ") + attempt->charged;
      attempt->limited = true;
      begin_use(attempt);
    }
  }
}

// What is due of reservations, and where claims can go on now.
void Worker::Impl::keep_allowances() {
  const auto now = steady_clock::now();
  auto calls = allowances_.calls(now, stopping_ ? 0 : room(), freeing_);
  for (auto& call : calls) spawn(ask(shared_from_this(), std::move(call)));
  for (const auto partition : allowances_.ready(now)) planner_.freed(partition);
}

asio::awaitable<void> Worker::Impl::ask(Self self, scheduler::AskCall call) {
  const auto sent_at = steady_clock::now();
  const core::Deadline deadline(sent_at + std::min(self->options_.call_timeout, self->options_.lease));
  const auto& name = self->options_.name;
  const auto& ns = self->options_.ns;
  std::vector<script::Reserve::Row> rows;
  std::optional<core::Error> error;
  if (call.grows) {
    auto args = ask_args<script::Reserve::Args>(ns, name, self->allowance_ttl(), call);
    auto answer = co_await self->deployment_->call<script::Reserve>(call.partition, std::move(args), deadline);
    if (answer) rows = std::move(answer->rows);
    else error = std::move(answer).error();
  } else {
    auto args = ask_args<script::Keep::Args>(ns, name, self->allowance_ttl(), call);
    auto answer = co_await self->deployment_->call<script::Keep>(call.partition, std::move(args), deadline);
    if (answer) rows = std::move(answer->rows);
    else error = std::move(answer).error();
  }
  ++self->stats_.reservations;
  if (error) {
    self->call_failed("allowances not reserved; tried again", *error);
    self->allowances_.unanswered(call, steady_clock::now(), error->code == core::Code::corrupt);
    co_return;
  }
  std::vector<scheduler::Grant> grants;
  for (std::size_t i = 0; i < rows.size() && i < call.asks.size(); ++i) {
    const auto& limit = call.asks[i].limit;
    const bool few = rows[i].resets_left >= 0 && rows[i].resets_left < static_cast<std::int64_t>(kResetsFew);
    if (few) self->spawn(extend_resets(Caller(self->deployment_, ns, self->options_.call_timeout), limit.name));
    grants.push_back(grant_of(std::move(rows[i])));
    if (grants.back().too_large && limit.kind == core::LimitKind::budget) self->warn_too_large(limit);
  }
  self->allowances_.answered(call, grants, sent_at, steady_clock::now());
}

void Worker::Impl::warn_too_large(const LimitName& limit) {
  log(core::LogLevel::warn, "an estimate is more than the whole budget: its executions wait until it is raised",
      core::Error(core::Code::exhausted, "too_large", limit.name));
}

// "u:<namespace>/<name>" or "b:…", of this worker's namespace.
void Worker::Impl::on_limit(std::string_view id) {
  const auto slash = id.find('/');
  if (id.size() < 2 || slash == std::string_view::npos) return;
  const auto kind = id.front() == 'u' ? LimitKind::quota : LimitKind::budget;
  allowances_.told(LimitName(kind, std::string(id.substr(slash + 1))));
  schedule_pump();
}

// ---- usage

asio::awaitable<core::Result<Usage>> Worker::Impl::report_usage(Self self, AttemptPtr attempt, std::string key,
                                                                core::Amounts used) {
  if (!self) co_return core::Error(core::Code::cancelled, "closed", "the worker is gone");
  std::string budget;
  for (const auto& need : core::needs_of(attempt->charged)) {
    if (need.limit.kind == LimitKind::budget) budget = need.limit.name;
  }
  if (budget.empty()) {
    co_return core::Error(core::Code::invalid_argument, "no_budget", "the execution was submitted without a budget");
  }
  UsageReport report;
  report.key = std::move(key);
  report.used = std::move(used);
  if (auto good = validate(report); !good) co_return std::move(good).error();
  if (const auto known = attempt->usages.find(report.key); known != attempt->usages.end()) co_return known->second;
  if (attempt->lost || attempt->reporting) {
    co_return core::Error(core::Code::stale_lease, "stale_lease", "the attempt is over");
  }
  const std::string own_key = report.key;
  report.key = attempt->id().ulid().str() + "." + attempt->epoch_text + "." + own_key;
  report.holder = self->options_.name;
  report.cover = [self, attempt, used = report.used](const LimitName& limit) {
    auto covered = self->covered(*attempt, limit, used);
    for (const auto& [dimension, amount] : covered) attempt->reported[limit][dimension] += amount;
    self->allowances_.reporting(limit, covered);
    return covered;
  };
  report.counted = [self, attempt](const LimitName& limit, const core::Amounts& covered, const core::Amounts& taken) {
    self->allowances_.used(limit, covered, taken, !attempt->uses_allowance);
    for (const auto& [dimension, amount] : core::difference(covered, taken)) {
      attempt->reported[limit][dimension] -= amount;
    }
  };
  Caller caller(self->deployment_, self->options_.ns, self->options_.call_timeout);
  auto usage = co_await sdk::report_usage(std::move(caller), std::move(budget), std::move(report));
  if (usage) {
    attempt->usages[own_key] = *usage;
    if (usage->verdict == Usage::Verdict::hard) {
      attempt->breach = *usage;
      attempt->request_stop();
    }
  }
  co_return usage;
}

// How much of `used` this attempt has still reserved of a budget.
core::Amounts Worker::Impl::covered(const Attempt& attempt, const LimitName& limit, const core::Amounts& used) const {
  core::Amounts covered;
  if (!attempt.uses_allowance) return covered;
  const auto reported = attempt.reported.find(limit);
  for (const auto& need : allowances_.budgets_of(attempt.charged)) {
    if (need.limit != limit) continue;
    for (const auto& [dimension, amount] : used) {
      const auto unit = need.unit.find(dimension);
      auto left = unit == need.unit.end() ? 0 : unit->second;
      if (reported != attempt.reported.end() && reported->second.count(dimension)) {
        left -= reported->second.at(dimension);
      }
      if (std::min(left, amount) > 0) covered[dimension] = std::min(left, amount);
    }
  }
  return covered;
}

// A hard limit was met: what the handler has completed counts, anything else becomes what the budget's policy says.
HandlerResult Worker::Impl::after_breach(const Attempt& attempt, HandlerResult result) {
  if (!attempt.breach || std::holds_alternative<core::Payload>(result)) return result;
  if (attempt.breach->on_breach == core::OnBreach::suspend && attempt.breach->resets_in) {
    Released released;
    released.reason = "the budget is spent until its next reset";
    released.delay = *attempt.breach->resets_in;
    return released;
  }
  return Failure(core::failure_class::kBudgetExceeded, "the hard limit of the budget was met");
}

asio::awaitable<core::Result<Usage>> Attempt::report_usage(std::string key, core::Amounts used) {
  auto worker = worker_.lock();
  auto self = std::static_pointer_cast<Attempt>(shared_from_this());
  return Worker::Impl::report_usage(std::move(worker), std::move(self), std::move(key), std::move(used));
}

namespace {

using Answer = std::shared_ptr<std::promise<core::Result<Usage>>>;

asio::awaitable<void> answer_with(asio::awaitable<core::Result<Usage>> report, Answer answer) {
  auto usage = co_await std::move(report);
  answer->set_value(std::move(usage));
}

}  // namespace

core::Result<Usage> Attempt::report_usage_and_wait(std::string key, core::Amounts used) {
  auto worker = worker_.lock();
  if (!worker) return core::Error(core::Code::cancelled, "closed", "the worker is gone");
  auto answer = std::make_shared<std::promise<core::Result<Usage>>>();
  auto usage = answer->get_future();
  asio::co_spawn(worker->executor(), answer_with(report_usage(std::move(key), std::move(used)), std::move(answer)),
                 asio::detached);
  return usage.get();
}

}  // namespace ff::sdk
