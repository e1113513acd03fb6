// The verbs: what each asks for, refuses and answers, in the order the reference pages declare.
#include <algorithm>
#include <bit>
#include <cctype>
#include <stdexcept>

#include "model/model_parts.hpp"

namespace ff::model {
namespace {

constexpr std::int64_t kEngineSilentMs = 30000, kEngineLookMs = 60000, kLookMs = 1000, kDueOfAClaim = 8;
constexpr int kItemFields = 4;  // And the rare ones that travel.
constexpr std::int64_t kResultsKept = 8, kOffDuty = 20, kAnyTime = std::int64_t(1) << 53;

std::string word(State state) { return std::string(ff::core::to_string(state)); }

Reply ok() {
  Reply reply;
  reply.fields.emplace_back("ok");
  return reply;
}

template <class... Fields>
Reply ok(Fields... fields) {
  Reply reply = ok();
  (reply.fields.push_back(std::move(fields)), ...);
  return reply;
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i) all += (i == 0 ? "" : ",") + words[i];
  return all;
}

}  // namespace

Reply Model::apply(const Op& op) {
  using Verb = Reply (Model::*)(Args&);
  static const std::map<std::string, Verb> verbs = {
      {"submit", &Model::submit},     {"claim", &Model::claim},       {"complete", &Model::complete},
      {"fail", &Model::fail},         {"release", &Model::release},   {"renew", &Model::renew},
      {"progress", &Model::progress}, {"cancel", &Model::cancel},     {"change_priority", &Model::change_priority},
      {"replay", &Model::replay},     {"purge", &Model::purge},       {"watch", &Model::watch},
      {"describe", &Model::describe}, {"list", &Model::list},         {"count", &Model::count},
      {"result", &Model::result},     {"payload", &Model::payload},   {"run_due", &Model::run_due},
      {"pass_wake", &Model::pass_wake}, {"leave", &Model::leave},     {"open_waitpoints", &Model::open_waitpoints},
      {"suspend", &Model::suspend},   {"signal", &Model::signal},     {"resume", &Model::resume},
      {"waitpoints", &Model::waitpoints}, {"signals", &Model::signals},
      {"append_frames", &Model::append_frames}, {"read_frames", &Model::read_frames},
      {"tail_frames", &Model::tail_frames}, {"set_lanes", &Model::set_lanes}};
  messages_.clear();
  committed_ = false;
  if (op.reload) {  // The node has forgotten that an engine runs, and what it knew of lanes.
    engine_seen_ = 0;
    remembered_.clear();
  }
  read_clock(op.clock_us);
  Args args(op.args);
  auto found = verbs.find(op.verb);
  return found == verbs.end() ? limit_verb(op.verb, args) : (this->*found->second)(args);
}

Reply Model::limit_verb(const std::string& verb, Args& args) {
  if (verb == "reserve") {
    std::map<std::string, std::int64_t> fired;
    do_due(kDueOfAClaim, fired);
  }
  auto reply = limits_.apply(verb, args, {now_, now_us_}).value();
  take_from_limits();
  if (verb != "describe_limit" && verb != "list_limits" && reply.fields[0] == "ok") commit();
  return reply;
}

Reply Model::submit(Args& args) {
  std::string ns = args.bytes();
  bool again = args.flag();
  auto columns = static_cast<std::uint64_t>(args.integer());
  Args look = args;
  while (look.more()) {
    const auto& id = look.bytes();
    for (int i = 0; i < kItemFields - 1 + std::popcount(columns); ++i) look.bytes();
    bool good = std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
    if (good) continue;
    counters_.count("whole batch refused");
    Reply reply;
    reply.error = "FF_BAD_CALL";
    return reply;
  }
  Reply reply = ok();
  std::map<std::string, std::int64_t> depths;
  while (args.more()) {
    auto [outcome, id] = submit_one(ns, again, columns, args, depths);
    counters_.count("submit " + outcome);
    reply.fields.push_back(outcome);
    reply.fields.push_back(id);
  }
  commit();
  return reply;
}

std::pair<std::string, std::string> Model::submit_one(const std::string& ns, bool again, std::uint64_t columns,
                                                      Args& args, std::map<std::string, std::int64_t>& depths) {
  Execution item;
  item.ns = ns;
  item.id = args.bytes();
  item.lane = args.bytes();
  item.kind = args.bytes();
  item.payload = args.bytes();
  auto rare = [&, column = 0]() mutable { return (columns >> column++ & 1) != 0 ? args.bytes() : std::string(); };
  auto rare_number = [&rare] {
    auto given = rare();
    return given.empty() ? 0 : std::stoll(given);
  };
  item.priority = rare_number();
  auto start_at = rare_number(), delay_ms = rare_number(), deadline_at = rare_number(), deadline_ms = rare_number();
  std::string key = rare();
  auto ttl_ms = rare_number();
  std::string fingerprint = rare();
  item.requirements = rare();
  item.fairness_key = rare();
  item.weight = rare_number();
  item.policy_text = rare();
  item.tags = rare();
  item.content_type = rare();
  item.created = now_;

  Known known;
  known.id = item.id;
  known.fingerprint = fingerprint;
  known.expires = now_ + ttl_ms;
  std::string scoped = ns + "/" + key;
  auto before = known_.find(scoped);
  if (!key.empty() && before != known_.end()) {
    if (before->second.expires > now_) {
      const auto& first = before->second;
      if (first.fingerprint != fingerprint) return {"idempotency_mismatch", first.id};
      return {first.id == item.id ? "created" : "duplicate", first.id};
    }
    counters_.count("idempotency key expired");
  }
  auto there = executions_.find(item.id);
  if (there != executions_.end()) {
    if (there->second.ns != ns) return {"id_taken", item.id};
    if (!key.empty()) known_[scoped] = known;
    counters_.count("resend of an id");
    return {"created", item.id};
  }
  for (const auto& entry : palette()) {
    if (entry.text != item.policy_text) continue;
    if (!entry.policy) return {"bad_policy", item.id};
    item.policy = *entry.policy;
  }
  const auto& of_lane = lane(item.queue()).policy.execution;
  item.lean = (item.policy.mode ? item.policy.mode : of_lane.mode) == ff::core::Mode::lean;
  std::string stands_for = item.id;
  auto refusal = lane_refuses(item, again, !key.empty(), depths, stands_for);
  if (!refusal.empty()) return {refusal, stands_for};
  if (deadline_at != 0 || deadline_ms > 0) item.deadline = deadline_at != 0 ? deadline_at : now_ + deadline_ms;
  if (!key.empty()) known_[scoped] = known;
  lanes_.insert(item.queue());
  std::int64_t start = start_at != 0 ? start_at : now_ + delay_ms;
  State state = start > now_ ? State::delayed : State::ready;
  ++counters_.starts[state];
  auto& execution = executions_[item.id] = item;
  execution.state = state;
  execution.timer = start;
  if (state == State::ready) {
    execution.state = State::delayed;  // It stands nowhere yet.
    place(execution, now_, execution.priority);
    execution.state = State::ready;
    offer(execution.queue(), execution.line(), 1, "");
  }
  if (!execution.lean) {
    commit_events_.push_back(execution.id);
    commit_events_.push_back(word(state) + " " + execution.queue());
  }
  return {"created", item.id};
}

// All a handler needs.
void Model::hand_over(Execution& execution, std::int64_t ready_at, Reply& reply) {
  auto& out = reply.fields;
  for (auto& field :
       {execution.id, execution.queue(), execution.kind, text(execution.priority), text(execution.attempts),
        text(execution.epoch), text(execution.created), text(ready_at), execution.payload,
        text(execution.generation), text(execution.failures), text(execution.attempt_ms()),
        text(execution.deadline.value_or(0)), execution.requirements,
        execution.stores_policy() ? execution.policy_text : "", execution.tags, execution.content_type,
        resumption_of(execution)}) {
    out.push_back(field);
  }
  rare_rows_ = rare_rows_ || execution.has_satellites() || execution.generation > 0 || execution.failures > 0 ||
               execution.attempt_ms() > 0 || execution.deadline || !execution.content_type.empty();
  required_rows_ = required_rows_ || !execution.requirements.empty();
}

// Rare fields travel with all rows of an answer or with none; requirements also alone.
void Model::narrow(std::size_t slot, std::size_t rows, Reply& reply) {
  reply.fields[slot] = rare_rows_ ? "511" : required_rows_ ? "16" : "0";
  if (rare_rows_) return;
  counters_.count(required_rows_ ? "rows with requirements only" : "rows without rare fields");
  auto& fields = reply.fields;
  auto to = rows;
  for (auto from = rows; from < fields.size(); ++from) {
    const auto field = (from - rows) % kRowFields;
    if (field < kRowFieldsAlways || (required_rows_ && field == kRowRequirements)) fields[to++] = fields[from];
  }
  fields.resize(to);
}

void Model::Claim::read_abilities(Args& args) {
  capabilities = joined(args.names());
  for (const auto& allowance : args.words()) {
    auto space = allowance.find(' ');
    const auto text = allowance.substr(space + 1);
    const auto count = std::stoll(allowance.substr(0, space));
    allowed[text] += count;
    offered.insert(text);
    if (count == 0) refused.insert(text);
    if (count > 0 && is_common(text)) ++unmet;
  }
  std::erase_if(refused, [this](const std::string& text) { return allowed[text] > 0; });
}

Reply Model::claim(Args& args) {
  Claim claim;
  claim.worker = args.bytes();
  claim.lease = args.bytes();
  claim.lease_ms = args.integer();
  claim.want = args.integer();
  claim.again = args.flag();
  claim.queues = args.names();
  claim.read_abilities(args);
  claim.slot = 1;
  Reply reply = ok(std::string("0"), std::string("-1"), std::string("0"), std::string(), std::string("0"));
  do_claim(claim, reply);
  return reply;
}

// Due work first; then what this lease was given before, or the best of each queue in turn.
void Model::do_claim(const Claim& claim, Reply& reply) {
  auto first_due = earliest();
  bool wrote = committed_ || (first_due && *first_due <= now_);
  std::map<std::string, std::int64_t> fired;
  do_due(kDueOfAClaim, fired);
  rare_rows_ = required_rows_ = false;
  const auto rows = reply.fields.size();
  if (claim.again) {
    auto active = in_state(State::active);
    bool any = false;
    for (auto at = active.rbegin(); at != active.rend(); ++at) {
      if ((*at)->lease != claim.lease) continue;
      hand_over(executions_.at((*at)->id), 0, reply);
      any = true;
    }
    counters_.count(any ? "claim repeated" : "claim repeated in vain");
    if (any) {
      narrow(claim.slot + 4, rows, reply);
      committed_ = wrote;
      return;
    }
  }
  auto next = earliest();
  auto before = eligible(claim);
  std::int64_t taken = 0, left = 0, head = -1;
  for (const auto& queue : claim.queues) {
    auto got = take(queue, claim, claim.want - taken, reply);
    taken += got.count;
    left += got.left;
    if (got.head) head = head < 0 ? *got.head : std::min(head, *got.head);
  }
  check_claim(claim, before, rows, reply);
  narrow(claim.slot + 4, rows, reply);
  std::int64_t check = 0;
  if (taken < claim.want && head < 0 && !claim.go_on) check = check_in(claim, claim.want - taken, next, reply);
  reply.fields[claim.slot] = text(left);
  reply.fields[claim.slot + 1] = text(head < 0 ? claim.lacking_head.value_or(head) : head);
  reply.fields[claim.slot + 2] = text(check);
  reply.fields[claim.slot + 3] = joined(claim.lacking);
  commit();
}

// Registers idle room. One idle worker of a queue is on duty: it looks each minute while an engine runs, else at
// the next
// timer or within a second; the others look a twentieth as often. Who is on duty is the library's choice.
std::int64_t Model::check_in(const Claim& claim, std::int64_t room, std::optional<std::int64_t> next, Reply& reply) {
  const auto& able = claim.capabilities;
  for (const auto& queue : claim.queues) {
    idle_[able.empty() ? queue : queue + "|" + digest(able)][claim.worker] = room;
  }
  counters_.count("registered idle");
  if (claim.queues.empty()) return reply.ranges.emplace_back(claim.slot + 2, 0, kAnyTime), 0;
  bool engine = engine_seen_ != 0 && now_ - engine_seen_ < kEngineSilentMs;
  std::int64_t latest = engine ? kEngineLookMs : kLookMs;
  if (next && !engine) latest = std::max<std::int64_t>(5, std::min(latest, *next - now_));
  reply.ranges.emplace_back(claim.slot + 2, engine ? kEngineLookMs : 5, latest * kOffDuty);
  return 0;
}

Reply Model::complete(Args& args) {
  Claim claim;
  claim.worker = args.bytes();
  claim.lease = args.bytes();
  claim.lease_ms = args.integer();
  claim.want = args.integer();
  claim.queues = args.names();
  claim.read_abilities(args);
  const bool elsewhere = args.flag();
  claim.slot = 2;
  std::vector<std::string> outcomes;
  std::map<std::string, std::pair<Lease, std::string>> batch;
  while (args.more()) {
    Lease lease(args);
    std::string type = args.bytes(), result = args.bytes();
    auto before = batch.find(lease.id);
    if (before == batch.end()) {
      outcomes.push_back(complete_one(lease, type, result, elsewhere));
      batch[lease.id] = {lease, outcomes.back()};
    } else {
      const auto& first = before->second.first;
      bool same = first.lease == lease.lease && first.epoch == lease.epoch;
      outcomes.push_back(same ? before->second.second : "stale_lease");
    }
  }
  commit();
  Reply reply = ok(joined(outcomes), std::string("0"), std::string("-1"), std::string("0"), std::string(),
                   std::string("0"));
  if (claim.want > 0) do_claim(claim, reply);
  return reply;
}

std::string Model::complete_one(const Lease& lease, const std::string& type, const std::string& result,
                                bool elsewhere) {
  Execution* execution = nullptr;
  std::string outcome;
  auto standing = fence(lease, execution, outcome);
  if (standing == Standing::repeated && outcome == "completed") {
    counters_.count("complete repeated");
    return outcome;
  }
  if (standing != Standing::held) {
    counters_.count("complete refused");
    return "stale_lease";
  }
  if (elsewhere) tell_worker(*execution, "over");
  if (execution->cancel_requested) counters_.count("completed within the grace");
  execution->outcome = "completed";
  execution->result_type = type;
  execution->result = result;
  finish(*execution, State::completed);
  return "completed";
}

Reply Model::fail(Args& args) {
  Lease lease(args);
  Failure failure;
  failure.cls = args.bytes();
  failure.text = args.bytes();
  failure.retry_after_ms = args.integer();
  const bool elsewhere = args.flag();
  failure.by_holder = true;
  Execution* execution = nullptr;
  std::string outcome;
  auto standing = fence(lease, execution, outcome);
  bool answered = outcome == "retried" || outcome == "failed" || outcome == "cancelled";
  if (standing == Standing::repeated && answered) {
    counters_.count("fail repeated");
    return ok(outcome, text(execution->state == State::delayed ? execution->timer : 0));
  }
  if (standing != Standing::held) {
    counters_.count("fail refused");
    return refused("stale_lease");
  }
  if (elsewhere) tell_worker(*execution, "over");
  std::int64_t retry_at = 0;
  State to = fail_attempt(*execution, failure, retry_at);
  return commit(), ok(ff::core::is_terminal(to) ? word(to) : "retried", text(retry_at));
}

Reply Model::release(Args& args) {
  bool started = args.flag();
  auto delay_ms = args.integer();
  std::string reason = args.bytes();
  const bool elsewhere = args.flag();
  std::vector<std::string> outcomes;
  std::map<std::string, std::pair<Lease, std::string>> batch;
  while (args.more()) {
    Lease lease(args);
    auto before = batch.find(lease.id);
    if (before == batch.end()) {
      outcomes.push_back(release_one(lease, started, delay_ms, reason, elsewhere));
      batch[lease.id] = {lease, outcomes.back()};
    } else {
      const auto& first = before->second.first;
      bool same = first.lease == lease.lease && first.epoch == lease.epoch;
      outcomes.push_back(same ? before->second.second : "stale_lease");
    }
  }
  commit();
  return ok(joined(outcomes));
}

std::string Model::release_one(const Lease& lease, bool started, std::int64_t delay_ms, const std::string& reason,
                               bool elsewhere) {
  Execution* execution = nullptr;
  std::string outcome;
  auto standing = fence(lease, execution, outcome);
  if (standing == Standing::repeated && (outcome == "released" || outcome == "cancelled")) {
    counters_.count("release repeated");
    return outcome;
  }
  if (standing != Standing::held) {
    counters_.count("release refused");
    return "stale_lease";
  }
  if (elsewhere) tell_worker(*execution, "over");
  if (execution->cancel_requested) {
    execution->outcome = "cancelled";
    finish(*execution, State::cancelled);
    return "cancelled";
  }
  execution->outcome = "released";
  if (!started) {
    counters_.count("released unstarted");
    --execution->attempts;
    move(*execution, State::ready, kFront);
    return "released";
  }
  Entry more;
  more["outcome"] = "\"released";
  more["reason"] = "\"" + reason;
  remember(*execution, "released", std::move(more));
  move(*execution, delay_ms > 0 ? State::delayed : State::ready, now_ + std::max<std::int64_t>(0, delay_ms));
  return "released";
}

Reply Model::renew(Args& args) {
  auto lease_ms = args.integer();
  Reply reply = ok();
  while (args.more()) {
    Lease lease(args);
    auto found = executions_.find(lease.id);
    bool held = found != executions_.end() && found->second.state == State::active &&
                found->second.lease == lease.lease && text(found->second.epoch) == lease.epoch;
    counters_.count(held ? "renewed" : "renew refused");
    std::string outcome = held ? "held" : "stale_lease";
    std::int64_t grace_ms = 0;
    if (held) {
      auto& execution = found->second;
      if (execution.timer <= now_) counters_.count("renewed after its end, before it was taken");
      execution.timer = now_ + lease_ms;
      if (execution.cancel_requested) {
        outcome = "cancelling";
        grace_ms = std::max<std::int64_t>(0, *execution.cancel_by - now_);
      }
    }
    reply.fields.push_back(outcome);
    reply.fields.push_back(text(grace_ms));
  }
  commit();
  return reply;
}

Reply Model::progress(Args& args) {
  Lease lease(args);
  Execution* execution = nullptr;
  std::string outcome;
  if (fence(lease, execution, outcome) != Standing::held) {
    counters_.count("progress refused");
    return refused("stale_lease");
  }
  Execution::Progress progress;
  progress.percent = args.integer();
  progress.message = args.bytes();
  progress.at = now_;
  execution->progress = progress;
  if (execution->tailed) {
    tells_.emplace_back("f:" + execution->id,
                        "progress " + text(progress.percent) + " " + text(now_) + " " + progress.message);
  }
  commit();
  return ok();
}

Reply Model::cancel(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  auto grace_ms = args.integer();
  std::string reason = args.bytes();
  auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  if (execution->state == State::cancelled) {
    counters_.count("cancel repeated");
    return ok(std::string("cancelled"), std::string("0"));
  }
  if (execution->ended_already()) return refused("already_finished");
  if (execution->state == State::active && grace_ms > 0) return ask_to_end(*execution, grace_ms, reason);
  if (!reason.empty() && !execution->lean) execution->text = reason;
  if (execution->state == State::active) {
    remember(*execution, "cancelled", {});
    revoke(*execution, "cancelled");
  }
  finish(*execution, State::cancelled);
  commit();
  return ok(std::string("cancelled"), std::string("0"));
}

// The first request sets the end of the grace; a later one can only bring it nearer.
Reply Model::ask_to_end(Execution& execution, std::int64_t grace_ms, const std::string& reason) {
  std::int64_t until = now_ + grace_ms;
  if (auto entry = execution.deadline_entry()) until = std::min(until, *entry);
  execution.cancel_by = until;
  if (!execution.cancel_requested) {
    execution.cancel_requested = now_;
    Entry more;
    more["reason"] = "\"" + reason;
    more["grace_until"] = text(until);
    remember(execution, "cancel_requested", std::move(more));
    if (!reason.empty() && !execution.lean) execution.text = reason;
    counters_.count("cancel with grace");
  } else {
    counters_.count("grace asked for again");
  }
  tell(execution.worker, "cancelling " + execution.id + " " + text(execution.epoch) + " " + text(until - now_));
  commit();
  return ok(std::string("active"), text(until));
}

Reply Model::change_priority(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  auto priority = args.integer();
  auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  if (execution->ended_already()) return refused("already_finished");
  if (execution->state == State::ready && execution->priority != priority) {
    place(*execution, execution->timer == 0 ? kFront : execution->timer, priority);
  }
  execution->priority = priority;
  commit();
  return ok();
}

Reply Model::replay(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  auto generation = args.integer();
  auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  if (execution->generation == generation + 1) {
    counters_.count("replay repeated");
    return ok(text(execution->generation));
  }
  if (execution->generation != generation) return refused("other_generation");
  if (!execution->ended_already()) return refused("not_finished");
  Entry more;
  more["state"] = "\"" + word(execution->state);
  more["ended"] = text(*execution->ended);
  if (execution->failure_class) more["class"] = "\"" + *execution->failure_class;
  if (!execution->result_type.empty()) more["content_type"] = "\"" + execution->result_type;
  if (execution->outcome) more["outcome"] = "\"" + *execution->outcome;
  remember(*execution, "replayed", std::move(more));
  close_stream(*execution);
  if (!execution->result.empty()) execution->old_results[generation] = execution->result;
  execution->old_results.erase(generation - kResultsKept);
  execution->generation = generation + 1;
  execution->attempts = execution->failures = execution->crashes = 0;
  execution->result.clear();
  execution->result_type.clear();
  execution->text.clear();
  execution->ended.reset();
  execution->failure_class.reset();
  execution->deadline.reset();
  execution->cancel_requested.reset();
  if (execution->steps) {  // Nothing of the old generation is handed over, and its waitpoints are closed.
    ++*execution->steps;
    execution->step.clear();
    execution->answers.erase(*execution->steps - kStepsKept);
  }
  move(*execution, State::ready, now_);
  commit();
  return ok(text(execution->generation));
}

Reply Model::purge(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  if (!execution->ended_already()) return refused("not_finished");
  counters_.count("purged");
  erase(id);
  commit();
  return ok();
}

Reply Model::watch(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  if (!execution->ended_already() && !execution->watched) {
    execution->watched = true;
    commit();
  }
  return ok(word(execution->state));
}

Reply Model::describe(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  const auto* found = find(ns, id);
  if (found == nullptr) return refused("not_found");
  const Execution& have = *found;
  std::int64_t position = -1;
  if (have.state == State::ready) {
    auto queue = in_line(have.queue(), have.line());
    position = std::find(queue.begin(), queue.end(), found) - queue.begin();
  }
  Execution::Progress progress = have.progress.value_or(Execution::Progress());
  Reply reply = ok(
      word(have.state), have.queue(), have.kind, text(have.priority), text(have.generation), text(have.attempts),
      text(have.failures), text(have.crashes), text(have.epoch), have.worker, text(have.created), text(have.began),
      text(have.ended.value_or(0)), text(have.shown_timer()), text(position), text(have.deadline.value_or(0)),
      text(have.cancel_requested.value_or(0)), text(have.timeout_ms()), std::string(have.lean ? "lean" : "record"),
      have.failure_class.value_or(""), have.text, have.content_type, have.result_type,
      have.stores_policy() ? have.policy_text : "", have.tags, text(progress.percent), progress.message,
      text(progress.at), text(now_), have.requirements, have.fairness_key,
      text(std::max<std::int64_t>(1, have.weight)));
  reply.json_from = reply.fields.size();
  for (const auto& entry : have.history) {
    std::string line;
    for (const auto& [name, value] : entry) line += name + "=" + value + ";";
    reply.fields.push_back(std::move(line));
  }
  return reply;
}

Reply Model::list(Args& args) {
  std::string ns = args.bytes(), state_word = args.bytes(), lane = args.bytes(), cursor = args.bytes();
  auto limit = std::max<std::int64_t>(1, args.integer());
  auto known = std::find_if(ff::core::kStates.begin(), ff::core::kStates.end(),
                            [&](State state) { return word(state) == state_word; });
  if (known == ff::core::kStates.end()) return refused("bad_state");
  bool ready = *known == State::ready;
  if (ready && lane.empty()) return refused("lane_needed");
  auto space = cursor.find(' ');
  if (!cursor.empty() && space == std::string::npos) return refused("bad_cursor");
  // After the lane's own line the common one, then all others together.
  const auto queue = ns + "/" + lane;
  bool common = cursor[0] == '*', others = cursor[0] == '+';
  if (!ready && (common || others)) return refused("bad_cursor");
  std::string mark = common ? "*" : others ? "+" : "";
  cursor.erase(0, mark.size());
  space -= mark.size();
  auto all = !ready  ? in_state(*known)
             : common ? in_line(queue, kCommonLine)
             : others ? in_waiting(queue)
                      : in_queue(queue);
  auto score = [&](const Execution& execution) { return ready ? rank(execution) : execution.timer; };
  std::size_t first = 0;
  if (!cursor.empty()) {
    // Behind the entry where it still stands; else behind all of an earlier score.
    auto at = std::stoll(cursor.substr(0, space));
    auto id = cursor.substr(space + 1);
    bool there = std::any_of(all.begin(), all.end(), [&](const Execution* e) { return e->id == id &&
        score(*e) == at; });
    while (first < all.size() && (score(*all[first]) < at || (there && score(*all[first]) == at &&
        all[first]->id <= id))) {
      ++first;
    }
    counters_.count(there ? "list continued" : "list continued behind what is gone");
  }
  Reply reply = ok(std::string());
  std::int64_t rows = 0;
  for (std::size_t i = first; i < all.size(); ++i) {
    const Execution& have = *all[i];
    if (rows == limit) {
      reply.fields[1] = mark + text(score(*all[i - 1])) + " " + all[i - 1]->id;
      return reply;
    }
    if (have.ns != ns || (!lane.empty() && have.lane != lane)) continue;
    ++rows;
    for (auto& field : {have.id, have.queue(), have.kind, text(have.priority), text(have.created),
                        text(have.shown_timer()), text(have.attempts)}) {
      reply.fields.push_back(field);
    }
  }
  const bool more_common = ready && mark.empty() && !in_line(queue, kCommonLine).empty();
  const bool more = more_common || (ready && !others && !in_waiting(queue).empty());
  if (more) reply.fields[1] = std::string(more_common ? "*" : "+") + "0 00000000000000000000000000";
  return reply;
}

Reply Model::count(Args&) {
  Reply reply = ok();
  reply.rows_from = 1;
  reply.row_size = 2;
  for (State state : ff::core::kStates) {
    if (state == State::ready) continue;
    reply.fields.push_back(word(state));
    reply.fields.push_back(text(static_cast<std::int64_t>(in_state(state).size())));
  }
  for (const auto& queue : lanes_) {
    reply.fields.push_back("ready:" + queue);
    reply.fields.push_back(text(static_cast<std::int64_t>(in_queue(queue).size() + in_lines(queue).size())));
    std::int64_t unserved = 0;
    for (const auto* execution : in_lines(queue)) unserved += is_served(queue, execution->requirements) ? 0 : 1;
    if (unserved == 0) continue;
    counters_.count("unserved told");
    reply.fields.push_back("unserved:" + queue);
    reply.fields.push_back(text(unserved));
  }
  return reply;
}

Reply Model::result(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  auto generation = args.integer();
  const auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  if (generation < 0 || generation == execution->generation) {
    return ok(word(execution->state), text(execution->generation), execution->result_type, execution->result,
              execution->failure_class.value_or(""), execution->text);
  }
  auto old = execution->old_results.find(generation);
  std::string bytes = old == execution->old_results.end() ? "" : old->second;
  for (const auto& entry : execution->history) {
    if (entry.at("event") != "\"replayed" || entry.at("generation") != text(generation)) continue;
    auto field = [&entry](const char* name) {
      auto at = entry.find(name);
      return at == entry.end() ? std::string() : at->second.substr(1);
    };
    counters_.count("result of an earlier generation");
    return ok(field("state"), text(generation), field("content_type"), bytes, field("class"), std::string());
  }
  if (bytes.empty()) return refused("no_such_generation");
  return ok(std::string("completed"), text(generation), std::string(), bytes, std::string(), std::string());
}

Reply Model::payload(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  const auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  return ok(execution->content_type, execution->payload);
}

Reply Model::run_due(Args& args) {
  auto limit = args.integer();
  if (args.flag()) engine_seen_ = now_;
  std::map<std::string, std::int64_t> fired;
  auto done = do_due(limit, fired);
  auto next = earliest();
  Reply reply = ok(text(done), text(next ? std::max<std::int64_t>(0, *next - now_) : -1), text(lanes_version_),
                   text(-1));
  reply.rows_from = 5;
  reply.row_size = 2;
  for (const auto& [scanner, items] : fired) {
    reply.fields.push_back(scanner);
    reply.fields.push_back(text(items));
  }
  return reply;
}

Reply Model::pass_wake(Args& args) {
  std::string queue = args.bytes();
  bool woken = false;
  for (auto& one : all_offers(queue)) woken = wake(one, false).any || woken;
  if (woken) counters_.count("wake passed on");
  commit();
  return ok(std::string(woken ? "1" : "0"));
}

Reply Model::leave(Args& args) {
  std::string worker = args.bytes();
  auto queues = args.names();
  auto able = joined(args.names());
  for (const auto& queue : queues) {
    auto idle = idle_.find(able.empty() ? queue : queue + "|" + digest(able));
    if (idle == idle_.end()) continue;
    idle->second.erase(worker);
    if (idle->second.empty()) idle_.erase(idle);
  }
  commit();
  return ok();
}

}  // namespace ff::model
