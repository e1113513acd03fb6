#pragma once
// Client: submits executions, looks at them, waits for their ends, and steers them.
//
//   auto client = co_await sdk::Client::open(executor, options);
//   sdk::Submission job("thumbnail", core::Payload(bytes, "image/png"));
//   auto submitted = co_await client->submit(job);
//   auto end = co_await client->wait(submitted->id, core::Deadline::in(30s));

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ff/core/admission.hpp"
#include "ff/core/capability.hpp"
#include "ff/core/ids.hpp"
#include "ff/core/lane_policy.hpp"
#include "ff/core/names.hpp"
#include "ff/core/payload.hpp"
#include "ff/core/policy.hpp"
#include "ff/core/state.hpp"
#include "ff/core/suspension.hpp"
#include "ff/script/connect.hpp"
#include "ff/script/deployment.hpp"
#include "ff/sdk/stream.hpp"
#include "ff/sdk/usage.hpp"

namespace ff::sdk {

template <class T>
using Awaitable = boost::asio::awaitable<core::Result<T>>;

struct ClientOptions {
  script::ConnectionOptions connection;
  script::DeploymentOptions deployment;
  std::string ns = "default";            // Namespace of every call of this client.
  core::Millis call_timeout{5000};       // Above 0. Of one call (submit_many: of each batch); wait() has a deadline.
  ClientOptions() = default;
};

struct Submission {
  std::string kind;                      // Selects the handler.
  std::string lane = "default";
  core::Payload payload;                 // An empty content type is the default one.
  std::int64_t priority = 0;             // 0 to 9000, higher first.
  std::optional<core::TimestampMs> start_at;    // Valkey's clock; the past means now. Not together with delay.
  core::Millis delay{0};
  std::optional<core::TimestampMs> deadline_at; // Ends it as expired, unless it has ended. Not together with deadline.
  core::Millis deadline{0};              // 0: none.
  std::string idempotency_key;           // Empty: none. Known for idempotency_ttl in this namespace.
  core::Millis idempotency_ttl{24 * 3600 * 1000};
  core::Requirements requirements;       // Of the worker that runs it.
  std::string fairness_key;              // Empty: none. Keys of a lane get their share of it, by weight, however
  std::int64_t fairness_weight = 1;      // many executions wait for each; 1 to 1000.
  core::Policy policy;                   // Unset fields: the lane's.
  core::Tags tags;
  std::optional<core::ExecutionId> id;   // Made by submit() when unset; set it to repeat a submit of another process.

  Submission() = default;
  explicit Submission(std::string k) : kind(std::move(k)) {}
  Submission(std::string k, core::Payload p) : kind(std::move(k)), payload(std::move(p)) {}
};

// Refuses the first wrong field by name. Errors: invalid_argument/bad_kind, bad_lane, bad_priority, bad_delay,
// bad_deadline, bad_idempotency_key, bad_idempotency_ttl, bad_requirement, bad_fairness_key,
// bad_fairness_weight, bad_policy, bad_tags, payload_too_large, bad_content_type.
core::Result<void> validate(const Submission& submission);

struct Submitted {
  core::ExecutionId id;     // Of the first submit, when this was a duplicate.
  bool duplicate;           // A known idempotency key.
  Submitted(core::ExecutionId i, bool d) : id(std::move(i)), duplicate(d) {}
};

// How an execution stands, and how it ended.
struct Outcome {
  core::State state = core::State::ready;
  std::int64_t generation = 0;
  core::Payload result;
  std::string failure_class;  // Of the last failure, empty: never failed.
  std::string text;           // Error text, or the reason of a cancel. Bytes of the worker's choice.
  Outcome() = default;
};

struct Description {
  script::Describe::Ok fields;  // As documented in verbs.gen.hpp, with the history as JSON.
  core::State state = core::State::ready;
  Description() = default;
};

struct CancelAnswer {
  core::State state = core::State::cancelled;  // active while a grace runs.
  core::TimestampMs grace_until = 0;
  CancelAnswer() = default;
};

struct ListQuery {
  core::State state = core::State::ready;
  std::string lane;                 // Empty: all; needed for ready.
  std::string cursor;               // Empty: from the start. From Page::cursor; opaque.
  std::size_t limit = 100;          // 1 to 1000.
  ListQuery() = default;
};

struct Listed {
  core::ExecutionId id;
  std::string lane, kind;
  std::int64_t priority, attempt;
  core::TimestampMs created_at, timer_at;  // timer_at: ready since, starts at, lease ends, or purged at, by state.
  Listed(core::ExecutionId i) : id(std::move(i)), priority(0), attempt(0), created_at(0), timer_at(0) {}
};

struct Page {
  // In index order within a partition, partition after partition. May be short or empty while cursor is not empty.
  std::vector<Listed> executions;
  std::string cursor;               // For the next page; empty: that was all.
  Page() = default;
};

struct QuotaDescription {
  core::Quota quota;
  core::Millis paused{0};            // Left; 0: not paused.
  std::int64_t held = 0;             // Slots reserved by workers, for running executions and the next ones.
  std::int64_t holders = 0, waiting = 0;  // Workers that hold some; that wait for room.
  QuotaDescription() = default;
};

struct BudgetUse {
  std::int64_t used = 0, reserved = 0;  // Counted in this period; held by workers for what runs. Never above hard.
  std::int64_t over = 0;                // Reported in this period beyond the hard limit.
  BudgetUse() = default;
};

struct BudgetDescription {
  core::Budget budget;
  std::map<std::string, BudgetUse> use;  // By dimension.
  core::TimestampMs began_at = 0, resets_at = 0;  // Of the period; resets_at 0: never.
  std::int64_t holders = 0, waiting = 0;
  BudgetDescription() = default;
};

// A lane that was set up. One that was only used is running and has no policy.
struct Lane {
  std::string name;
  core::LaneState state = core::LaneState::running;
  std::string by, why;           // Of the state.
  core::TimestampMs since = 0;   // 0: it was never changed.
  std::int64_t version = 0;      // Grows with each change of any lane.
  std::string policy;            // Canonical JSON of core::LanePolicy, empty: all defaults.
  std::optional<std::int64_t> concurrency;  // Of the policy.
  Lane() = default;
};

// Executions of a lane that wait for the same.
struct RouteStatus {
  std::string requirements;      // As of core::to_wire; empty: none; "#*": quotas or budgets and nothing else.
  std::int64_t fairness_keys = -1;  // That wait, in the partition that has most of them; -1: there are none.
  std::int64_t waiting = 0;
  bool served = true;            // Wherever it waits, a worker was seen lately that can take it.
  RouteStatus() = default;
};

struct LaneStatus {
  Lane lane;
  std::int64_t waiting = 0;      // Ready executions.
  double starts_per_second = -1; // Lately; -1: unknown.
  std::vector<RouteStatus> routes;
  std::optional<QuotaDescription> cap;  // Of a lane with a concurrency cap: what waits, waits for it when all is held.
  LaneStatus() = default;
};

// What an execution waits for.
struct Explanation {
  script::Explain::Ok fields;    // As documented in verbs.gen.hpp; `until` also when a spent budget of it resets.
  core::State state = core::State::ready;
  std::optional<QuotaDescription> cap;  // Of a ready one in a lane with a concurrency cap.
  core::Millis expected{-1};     // Until it starts, by the live rate of its partition; -1: that cannot be told.
  std::string text() const;      // One line for people.
  Explanation() = default;
};

// What became of a signal.
struct SignalAnswer {
  bool duplicate = false;   // It had been accepted before: the rest is what that delivery answered.
  bool resumed = false;     // It made the condition hold: the execution goes on.
  std::int64_t number = 0;  // Within its step, from 1.
  SignalAnswer() = default;
};

struct OpenWaitpoint {
  std::string name;                // "<step>.<label>", for signal().
  std::string label;
  std::vector<std::string> names;  // Of signals it takes; empty: any.
  std::int64_t signals = 0, max_signals = 0, max_bytes = 0;
  core::TimestampMs expires_at = 0;  // 0: never by itself.
  bool expired = false;
  OpenWaitpoint() = default;
};

// The open step of an execution.
struct Waiting {
  core::State state = core::State::ready;
  std::int64_t step = 0;               // 0: there was none yet.
  core::TimestampMs suspended_at = 0;  // 0: not suspended; the waitpoints are those of a suspension that may come.
  core::TimestampMs timeout_at = 0;    // 0: none.
  std::optional<core::OnTimeout> on_timeout;  // Of a suspension.
  std::string condition;               // JSON as of core::to_wire; empty: no signal resumes it.
  std::string missing;                 // The part of it that does not hold, with "have" at each leaf.
  std::vector<OpenWaitpoint> waitpoints;
  Waiting() = default;
};

struct SignalPage {
  std::vector<core::ReceivedSignal> signals;
  std::int64_t next = 0;  // For the next page; 0: that was all.
  SignalPage() = default;
};

struct Published {
  bool duplicate = false;     // Known from before, and still kept.
  std::size_t delivered = 0;  // Waitpoints that have taken it by now. Others that wait get it by themselves.
  Published() = default;
};

// A signal to every suspended execution with a tag and an open waitpoint of this label.
struct Broadcast {
  std::string tag, value;
  std::string label;
  core::Signal signal;      // Needs an id: a page that is asked for again signals nobody twice.
  std::string lane;         // Empty: all.
  std::string cursor;       // Empty: from the start. From BroadcastPage::cursor.
  std::size_t limit = 100;  // Suspended executions looked at, 1 to 1000; each costs a call or three.
  Broadcast() = default;
};

struct Reached {
  core::ExecutionId id;
  core::Result<SignalAnswer> answer;
  Reached(core::ExecutionId i, core::Result<SignalAnswer> a) : id(std::move(i)), answer(std::move(a)) {}
};

struct BroadcastPage {
  std::vector<Reached> reached;  // That had the tag and the waitpoint, or could not be asked; in no order.
  std::string cursor;            // For the next page; empty: that was all.
  BroadcastPage() = default;
};

// Cheap to copy; copies share the deployment. Thread safety: none; use it on the connection's executor.
// Lifetime: a call goes on when its Client dies.
// Errors of every call: those of Deployment::call, and those named. A call with unknown_outcome is repeated here while
// its call_timeout lasts, as long as the repeat is safe; so unknown_outcome means that the time is over. An id of
// another namespace, and one of a partition that this deployment does not have, answer not_found.
// Cancellation: as Connection::send; what was sent may have happened.
class Client {
 public:
  // Dials, and opens the deployment, within call_timeout. The connection lives as long as the last copy, unless it is
  // closed by deployment()->connection()->close(), after which every call answers cancelled.
  // Errors: those of Deployment::open; invalid_argument/bad_namespace, bad_call_timeout.
  // Throws what make_connection throws.
  static Awaitable<Client> open(boost::asio::any_io_executor executor, ClientOptions options);
  // For a deployment that is open already. Precondition: validate_namespace accepts ns, call_timeout is above 0.
  Client(std::shared_ptr<script::Deployment> deployment, std::string ns, core::Millis call_timeout);

  // The same deployment in another namespace. Precondition: validate_namespace accepts it.
  Client in_namespace(std::string ns) const;

  // Errors: those of validate(); conflict/idempotency_mismatch; invalid_argument/bad_id for an id of a partition that
  // does not exist, or not the one where the idempotency key lives.
  // A submission whose outcome is unknown is repeated with the same id. Not so a lean one, or one whose retention is
  // below twice the call_timeout: its record may have come and gone. An idempotency key known for that long makes it
  // safe. exhausted/lane_full with a retry hint, conflict/lane_draining: the lane does not take it now.
  Awaitable<Submitted> submit(Submission submission);
  // Any number; sent in batches of at most 256 (and 4 MiB) to each partition, in parallel. One answer for each, in
  // order: a bad one refuses only itself, a batch that fails gives its error to each of its own. Never fails itself.
  Awaitable<std::vector<core::Result<Submitted>>> submit_many(std::vector<Submission> submissions);

  Awaitable<Description> describe(core::ExecutionId id);       // not_found
  Awaitable<core::Payload> payload(core::ExecutionId id);      // not_found
  // generation -1: the current one. Errors: not_found, not_found/no_such_generation, invalid_argument/bad_generation.
  Awaitable<Outcome> result(core::ExecutionId id, std::int64_t generation = -1);
  // Waits for the end without polling: one call now, one when it ended, and one after each interruption of the
  // connection, which it outlives. Of a lean execution only the state is known, and not_found if it ended before the
  // wait or during an interruption. One that is replayed just as it ends is waited for again.
  // Errors: not_found; unavailable/"deadline" when it has not ended by then, or Valkey could not be asked.
  // Cancellation: at any time; nothing stays behind in Valkey but a mark on the execution.
  Awaitable<Outcome> wait(core::ExecutionId id, core::Deadline deadline);
  // Frames behind a place, oldest first, at most `limit` (1 to 1000) of the kept ones and about a MiB. When the
  // execution has ended the last one is the closing marker. Errors: not_found, invalid_argument/bad_limit, bad_cursor.
  Awaitable<FramePage> read_frames(core::ExecutionId id, FramePlace behind, std::size_t limit = 100);
  // Follows the stream from behind a place; see Tail. Asks nothing yet.
  Tail tail(core::ExecutionId id, FramePlace behind);
  // Ends it as cancelled; with a grace (0 to ten years) an active one may still complete. At most 16 KiB of reason.
  // Errors: not_found, conflict/already_finished, invalid_argument/bad_grace, bad_reason.
  Awaitable<CancelAnswer> cancel(core::ExecutionId id, core::Millis grace, std::string reason);
  // Errors: not_found, conflict/already_finished, invalid_argument/bad_priority.
  Awaitable<void> change_priority(core::ExecutionId id, std::int64_t priority);
  // Runs a finished one again. Answers the new generation; two replays at once make one. Errors: not_found,
  // conflict/not_finished, conflict/other_generation when others replayed it twice meanwhile.
  Awaitable<std::int64_t> replay(core::ExecutionId id);
  // Deletes a finished one. After a lost reply, "not there" counts as done. Errors: not_found, conflict/not_finished.
  Awaitable<void> purge(core::ExecutionId id);
  // Delivers a signal to a waitpoint "<step>.<label>" of an execution. Repeating it with the same id is safe, also
  // after the resume: it answers duplicate. Trusts the caller: `source` and the right to send are to be checked before.
  // Errors: those of core::validate(Signal); invalid_argument/bad_waitpoint, payload_too_large (for this waitpoint);
  // not_found; not_found/no_such_waitpoint; conflict/already_finished, waitpoint_closed (its step is over),
  // waitpoint_expired, too_many_signals; permission_denied/name_not_allowed.
  Awaitable<SignalAnswer> signal(core::ExecutionId id, std::string waitpoint, core::Signal signal);
  // Ends a suspension by hand: the handler goes on with the mark by_operator. `step` -1: the one there is now.
  // Errors: not_found, conflict/other_step, conflict/not_suspended.
  Awaitable<void> resume(core::ExecutionId id, std::int64_t step = -1);
  // What an execution waits for, and what of that is still missing. Errors: not_found.
  Awaitable<Waiting> waitpoints(core::ExecutionId id);
  // Signals of a step, from this number on (1: the first), those a Resumption has not handed over among them. A page
  // has about 128 KiB. Errors: not_found, not_found/no_such_step (another suspension has followed, or a replay).
  Awaitable<SignalPage> signals(core::ExecutionId id, std::int64_t step, std::int64_t from);
  // One page of a broadcast: to those that are suspended when the page is read. Errors: those of validate_tags,
  // validate_waitpoint_label and core::validate(Signal), and of list().
  Awaitable<BroadcastPage> broadcast(Broadcast broadcast);
  // Publishes an event to all who wait for its name and key, and delivers it; what could not be delivered now, the
  // engine delivers. Errors: those of core::validate(Event); conflict/too_many_events (64 of one name and key).
  Awaitable<Published> publish_event(core::Event event);
  // One page. Errors: invalid_argument/bad_limit, bad_lane, lane_needed, bad_cursor.
  Awaitable<Page> list(ListQuery query);
  // Lanes of the namespace that were set up, in order of name.
  Awaitable<std::vector<Lane>> lanes();
  // How a lane stands over all partitions. Errors: invalid_argument/bad_lane.
  Awaitable<LaneStatus> lane(std::string name);
  // A change is stored first and then told to every partition; where that fails, servers do so within seconds, and a
  // repeat does. Once it has answered, a concurrency cap holds for every claim (core::LanePolicy).
  // Errors: invalid_argument/bad_lane, bad_policy, bad_reason (at most 512 bytes in `by` and `why`).
  Awaitable<void> set_lane_policy(std::string name, core::LanePolicy policy);
  // A state that the lane has already keeps its `since`, and without a `why` its `by` and `why`.
  Awaitable<void> set_lane_state(std::string name, core::LaneState state, std::string by, std::string why);
  Awaitable<Explanation> explain(core::ExecutionId id);        // not_found
  // Executions by state and lane over all partitions and namespaces: "completed", "ready:<namespace>/<lane>", ….
  Awaitable<std::map<std::string, std::int64_t>> count();

  // Quotas and budgets (core/admission.hpp) of this namespace. Executions name them (Submission::requirements); one
  // that is not defined limits nothing. A change counts at once; workers that hold more than a lowered limit come down
  // as their executions end. Names are checked: invalid_argument/bad_limit_name; quotas "lane:<lane>" are caps of lanes
  // (set_lane_policy) and can only be looked at.
  Awaitable<void> set_quota(std::string name, core::Quota quota);       // invalid_argument/bad_quota
  // Nothing starts under it for so long (0 to a day), as a server's 429 asks for; another pause only puts the end off,
  // 0 ends it. Errors: not_found, invalid_argument/bad_pause.
  Awaitable<void> pause_quota(std::string name, core::Millis pause);
  Awaitable<QuotaDescription> quota(std::string name);                  // not_found
  // What was used in this period stays used. Errors: invalid_argument/bad_budget, bad_zone, bad_parent (it does not
  // exist, is the budget itself, or one of more than eight).
  Awaitable<void> set_budget(std::string name, core::Budget budget);
  Awaitable<BudgetDescription> budget(std::string name);                // not_found
  // Counts what was used against the budget and its parents. `key` (1 to 64 of printable ASCII, no spaces) makes the
  // report count once: the same one within an hour gets the first verdict. A handler reports with Task::report_usage,
  // which takes it out of what is reserved for its execution.
  // Errors: not_found, invalid_argument/bad_amounts, bad_usage_key, unknown_dimension.
  Awaitable<Usage> report_usage(std::string budget, std::string key, core::Amounts used);
  Awaitable<void> drop_limit(core::LimitKind kind, std::string name);   // not_found
  // Names in their order, at most `limit` (1 to 1000) of those behind `after`. Errors: invalid_argument/bad_limit.
  Awaitable<std::vector<std::string>> list_limits(core::LimitKind kind, std::string after, std::size_t limit);

  const std::shared_ptr<script::Deployment>& deployment() const noexcept { return deployment_; }
  const std::string& ns() const noexcept { return ns_; }

 private:
  std::shared_ptr<script::Deployment> deployment_;
  std::string ns_;
  core::Millis call_timeout_;
};

}  // namespace ff::sdk
