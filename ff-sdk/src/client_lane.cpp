// Client: lanes, lane, set_lane_policy, set_lane_state and explain.
#include <fmt/format.h>

#include <algorithm>

#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/names.hpp"
#include "ff/sdk/client.hpp"

namespace ff::sdk {
namespace {

core::Result<Lane> lane_of(script::Lanes::Row row) {
  FF_TRY(queue, core::Queue::parse(row.queue));
  FF_TRY(state, core::parse_lane_state(row.state));
  Lane lane;
  lane.name = std::string(queue.lane());
  lane.state = state;
  lane.by = std::move(row.by);
  lane.why = std::move(row.why);
  lane.since = row.since;
  lane.version = row.version;
  lane.policy = std::move(row.policy);
  if (row.concurrency >= 0) lane.concurrency = row.concurrency;
  return lane;
}

Awaitable<std::vector<Lane>> records_of(Caller caller, std::string name) {
  script::Lanes::Args args;
  args.ns = caller.ns;
  args.lane = std::move(name);
  FF_CO_TRY(found, co_await caller.deployment->call_root<script::Lanes>(std::move(args), caller.deadline()));
  std::vector<Lane> lanes;
  for (auto& row : found.rows) {
    FF_CO_TRY(lane, lane_of(std::move(row)));
    lanes.push_back(std::move(lane));
  }
  co_return lanes;
}

struct Gathering {
  Gathering(Caller c, std::string q) : caller(std::move(c)), queue(std::move(q)) {}
  Caller caller;
  std::string queue;
  LaneStatus status;
  std::optional<core::Error> error;
};

void add_route(LaneStatus& status, const script::LaneStatus::Row& row) {
  auto same = std::find_if(status.routes.begin(), status.routes.end(), [&row](const RouteStatus& route) {
    return route.requirements == row.requirements && (route.fairness_keys < 0) == (row.keys < 0);
  });
  if (same == status.routes.end()) {
    same = status.routes.emplace(status.routes.end());
    same->requirements = row.requirements;
  }
  same->fairness_keys = std::max(same->fairness_keys, row.keys);
  same->waiting += row.waiting;
  same->served = same->served && row.served;
}

boost::asio::awaitable<void> gather_partition(std::shared_ptr<Gathering> gathering, std::size_t partition) {
  if (gathering->error) co_return;
  script::LaneStatus::Args args;
  args.queue = gathering->queue;
  auto found = co_await call_verb<script::LaneStatus>(gathering->caller, static_cast<core::Partition>(partition), args,
                                                      gathering->caller.deadline());
  if (!found) {
    gathering->error = std::move(found).error();
    co_return;
  }
  auto& status = gathering->status;
  status.waiting += found->waiting;
  if (found->started >= 0) {
    status.starts_per_second = std::max(0.0, status.starts_per_second) + static_cast<double>(found->started) / 1000;
  }
  for (const auto& row : found->rows) add_route(status, row);
}

// Where a cap that has just been taken away is gone already, there is none.
Awaitable<std::optional<QuotaDescription>> cap_of(Caller caller, std::string lane) {
  auto found = co_await describe_quota(caller, core::cap_quota(lane));
  if (found) co_return std::optional<QuotaDescription>(std::move(*found));
  if (found.error().code == core::Code::not_found) co_return std::optional<QuotaDescription>();
  co_return std::move(found).error();
}

Awaitable<LaneStatus> status_of(Caller caller, std::string name) {
  FF_CO_TRY(queue, core::Queue::make(caller.ns, name));
  FF_CO_TRY(records, co_await records_of(caller, name));
  auto gathering = std::make_shared<Gathering>(caller, queue.str());
  std::function<boost::asio::awaitable<void>(std::size_t)> step = [gathering](std::size_t partition) {
    return gather_partition(gathering, partition);
  };
  co_await for_each_index(caller.executor(), caller.deployment->keys().partitions(),
                          core::limits::kClientCallsInFlight, std::move(step));
  if (gathering->error) co_return std::move(*gathering->error);
  if (!records.empty()) gathering->status.lane = std::move(records.front());
  if (gathering->status.lane.concurrency) {
    FF_CO_TRY(cap, co_await cap_of(caller, name));
    gathering->status.cap = std::move(cap);
  }
  gathering->status.lane.name = std::move(name);
  co_return std::move(gathering->status);
}

struct Telling {
  Telling(Caller c, script::SetLanes::Args a, core::Partition f)
      : caller(std::move(c)), args(std::move(a)), first(f) {}
  Caller caller;
  script::SetLanes::Args args;
  core::Partition first;             // Was told before the others.
  std::optional<core::Error> error;  // The first; the others are told all the same.
};

boost::asio::awaitable<void> tell_partition(std::shared_ptr<Telling> telling, std::size_t partition) {
  if (partition == telling->first) co_return;
  auto told = co_await call_verb<script::SetLanes>(telling->caller, static_cast<core::Partition>(partition),
                                                   telling->args, telling->caller.deadline());
  if (!told && !telling->error) telling->error = std::move(told).error();
}

// The home of the lane's cap is told first: it lets no more than the cap run before anybody asks it for allowances.
Awaitable<void> change_lane(Caller caller, script::ChangeLane::Args change) {
  script::SetLanes::Args args;
  const auto first = static_cast<core::Partition>(change.cap_home);
  auto& item = args.items.emplace_back();
  item.queue = change.queue;
  FF_CO_TRY(changed, co_await caller.deployment->call_root<script::ChangeLane>(std::move(change), caller.deadline()));
  item.version = changed.version;
  item.record = std::move(changed.record);
  auto told = co_await call_verb<script::SetLanes>(caller, first, args, caller.deadline());
  auto telling = std::make_shared<Telling>(caller, std::move(args), first);
  if (!told) telling->error = std::move(told).error();
  std::function<boost::asio::awaitable<void>(std::size_t)> step = [telling](std::size_t partition) {
    return tell_partition(telling, partition);
  };
  co_await for_each_index(caller.executor(), caller.deployment->keys().partitions(),
                          core::limits::kClientCallsInFlight, std::move(step));
  if (telling->error) co_return std::move(*telling->error);
  co_return core::Result<void>();
}

// Without the change itself.
script::ChangeLane::Args change_of(const Caller& caller, const core::Queue& queue) {
  const auto& keys = caller.deployment->keys();
  script::ChangeLane::Args args;
  args.queue = queue.str();
  args.home = static_cast<std::int64_t>(core::stable_hash(queue.str()) % keys.partitions());
  const core::LimitName cap(core::LimitKind::quota, core::cap_quota(queue.lane()));
  args.cap_home = static_cast<std::int64_t>(keys.home_of_limit(caller.ns, cap));
  return args;
}

Awaitable<void> set_policy(Caller caller, std::string name, core::LanePolicy policy) {
  FF_CO_TRY(queue, core::Queue::make(caller.ns, name));
  if (auto good = core::validate(policy); !good) co_return std::move(good).error();
  auto args = change_of(caller, queue);
  args.policy_given = true;
  args.policy = core::to_wire(policy);
  co_return co_await change_lane(caller, std::move(args));
}

Awaitable<void> set_state(Caller caller, std::string name, core::LaneState state, std::string by, std::string why) {
  FF_CO_TRY(queue, core::Queue::make(caller.ns, name));
  if (by.size() > core::limits::kLaneReasonBytes || why.size() > core::limits::kLaneReasonBytes) {
    co_return refused_argument("bad_reason", "by and why have at most 512 bytes each");
  }
  auto args = change_of(caller, queue);
  args.state = std::string(core::to_string(state));
  args.by = std::move(by);
  args.why = std::move(why);
  co_return co_await change_lane(caller, std::move(args));
}

bool is_full(const std::optional<QuotaDescription>& cap) {
  return cap && cap->quota.concurrency && cap->held >= *cap->quota.concurrency;
}

// Where nothing is required of workers, those that hold the places have been seen.
bool may_be_the_cap(const script::Explain::Ok& found) {
  if (found.reason == "no_worker") return found.requirements.find('+') == std::string::npos;
  return found.reason == "its_turn" || found.reason == "limited";
}

// 0: it is not known; that a budget cannot be read must not hide the rest of the answer.
boost::asio::awaitable<core::TimestampMs> budgets_spent_until(Caller caller, std::string requirements) {
  core::TimestampMs until = 0;
  auto needs = core::needs_of(requirements);
  for (auto& need : needs) {
    if (need.limit.kind != core::LimitKind::budget) continue;
    auto spent = co_await spent_until(caller, std::move(need));
    if (!spent) co_return 0;
    until = std::max(until, *spent);
  }
  co_return until;
}

Awaitable<Explanation> explain_one(Caller caller, core::ExecutionId id) {
  if (!caller.knows(id)) co_return not_found(id);
  script::Explain::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  FF_CO_TRY(found, co_await call_verb<script::Explain>(caller, id.partition(), std::move(args), caller.deadline()));
  FF_CO_TRY(state, state_of_reply(found.state));
  Explanation explanation;
  if (found.reason == "delayed") {
    explanation.expected = core::Millis(std::max<std::int64_t>(0, found.until - found.now));
  }
  if (state == core::State::ready && found.concurrency >= 0) {
    FF_CO_TRY(queue, core::Queue::parse(found.queue));
    FF_CO_TRY(cap, co_await cap_of(caller, std::string(queue.lane())));
    if (is_full(cap) && may_be_the_cap(found)) found.reason = "lane_capped";
    explanation.cap = std::move(cap);
  }
  if (found.reason == "limited") {
    found.until = co_await budgets_spent_until(caller, found.requirements);
  }
  const bool moves_on = found.reason == "its_turn" || found.reason == "lane_capped";
  if (moves_on && found.started > 0) {
    explanation.expected = core::Millis((found.position + 1) * 1'000'000 / found.started);
  }
  explanation.fields = std::move(found);
  explanation.state = state;
  co_return explanation;
}

}  // namespace

std::string Explanation::text() const {
  const auto ready = [this](std::string_view why) {
    std::string line = fmt::format("ready in {}, {}", fields.queue, why);
    if (fields.position >= 0) line += fmt::format("; about {} are served before it", fields.position);
    if (expected.count() >= 0) line += fmt::format("; expected to start in {} s", (expected.count() + 999) / 1000);
    return line;
  };
  const std::string needs = fields.requirements.empty() ? "" : " (" + fields.requirements + ")";
  if (fields.reason == "lane_paused") {
    const std::string by = fields.lane_by.empty() ? "" : " by " + fields.lane_by;
    const std::string why = fields.lane_why.empty() ? "" : " (" + fields.lane_why + ")";
    return ready("which is paused" + by + why + ": it starts when somebody resumes the lane");
  }
  if (fields.reason == "no_worker") return ready("and no worker was seen lately that can take it" + needs);
  if (fields.reason == "lane_capped" && fields.concurrency == 0) {
    return ready("whose concurrency cap is 0: it starts when somebody raises it");
  }
  if (fields.reason == "lane_capped") {
    return ready(fmt::format("waits for the lane's concurrency cap: {} may run at once, as many do",
                             fields.concurrency));
  }
  if (fields.reason == "limited" && fields.until > 0) {
    const auto seconds = (fields.until - fields.now + 999) / 1000;
    return ready(fmt::format("waits for its limits{}: its budget is spent and resets in {} s", needs, seconds));
  }
  if (fields.reason == "limited") return ready("waits for its limits" + needs + " and its turn");
  if (fields.reason == "its_turn") return ready("waits for its turn");
  if (fields.reason == "delayed") return fmt::format("delayed, becomes ready in {} s", (expected.count() + 999) / 1000);
  if (fields.reason == "running") return "running on a worker";
  return std::string(core::to_string(state));
}

Awaitable<std::vector<Lane>> Client::lanes() { return records_of(Caller(deployment_, ns_, call_timeout_), ""); }

Awaitable<LaneStatus> Client::lane(std::string name) {
  return status_of(Caller(deployment_, ns_, call_timeout_), std::move(name));
}

Awaitable<void> Client::set_lane_policy(std::string name, core::LanePolicy policy) {
  return set_policy(Caller(deployment_, ns_, call_timeout_), std::move(name), std::move(policy));
}

Awaitable<void> Client::set_lane_state(std::string name, core::LaneState state, std::string by, std::string why) {
  return set_state(Caller(deployment_, ns_, call_timeout_), std::move(name), state, std::move(by), std::move(why));
}

Awaitable<Explanation> Client::explain(core::ExecutionId id) {
  return explain_one(Caller(deployment_, ns_, call_timeout_), std::move(id));
}

}  // namespace ff::sdk
