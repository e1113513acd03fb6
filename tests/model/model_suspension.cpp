// Suspensions: what the model says of steps, waitpoints and signals. Conditions are looked at anew each time, over all
// signals of the step.
#include <algorithm>
#include <set>

#include "model/model_parts.hpp"

namespace ff::model {
namespace {

using ff::core::Condition;

constexpr std::int64_t kSignalsDefault = 1000, kBytesDefault = 65536;
constexpr std::size_t kHandedOver = 32;

bool among(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool takes(const Condition& leaf, const Step::Signal& signal) {
  return (leaf.names.empty() || among(leaf.names, signal.name)) &&
         (leaf.waitpoint.empty() || leaf.waitpoint == signal.label) && !among(leaf.not_from, signal.source);
}

bool holds_over(const Condition& node, const std::vector<Step::Signal>& signals) {
  auto part = [&signals](const Condition& inner) { return holds_over(inner, signals); };
  if (node.kind == Condition::Kind::all) return std::all_of(node.parts.begin(), node.parts.end(), part);
  if (node.kind == Condition::Kind::any) return std::any_of(node.parts.begin(), node.parts.end(), part);
  std::int64_t count = 0;
  std::set<std::string> sources;
  for (const auto& signal : signals) {
    if (!takes(node, signal)) continue;
    ++count;
    sources.insert(signal.source);
  }
  return (node.is_distinct ? static_cast<std::int64_t>(sources.size()) : count) >= node.count;
}

bool takes_any(const Condition& node, const Step::Signal& signal) {
  if (node.kind == Condition::Kind::signals) return takes(node, signal);
  auto takes_it = [&signal](const Condition& part) { return takes_any(part, signal); };
  return std::any_of(node.parts.begin(), node.parts.end(), takes_it);
}

std::string netstrings(const std::vector<std::string>& fields) {
  std::string all;
  for (const auto& field : fields) all += std::to_string(field.size()) + ":" + field;
  return all;
}

// Labels that the condition names.
bool labels_known(const Condition& node, Step& step) {
  if (node.kind == Condition::Kind::signals) return node.waitpoint.empty() || step.find(node.waitpoint) != nullptr;
  auto known = [&step](const Condition& part) { return labels_known(part, step); };
  return std::all_of(node.parts.begin(), node.parts.end(), known);
}

}  // namespace

const std::vector<ConditionEntry>& conditions() {
  using namespace ff::core;
  static const std::vector<ConditionEntry> all = [] {
    auto nested = all_of(named("go").times(2), any_signal().except({"eve"}).at("a"));
    std::vector<Condition> good = {any_signal(), named("go"), named("go").times(2), any_signal().times(3).distinct(),
                                   all_of(named("go"), named("stop")), named("go").at("b"),
                                   any_of(named("stop"), nested)};
    std::vector<ConditionEntry> entries;
    for (auto& condition : good) entries.push_back({to_wire(condition), condition});
    entries.push_back({"", std::nullopt});
    entries.push_back({"{\"count\":0}", std::nullopt});
    return entries;
  }();
  return all;
}

bool Step::holds() const { return condition && holds_over(*condition, signals); }

Step::Waitpoint* Step::find(const std::string& label) {
  for (auto& waitpoint : waitpoints) {
    if (waitpoint.label == label) return &waitpoint;
  }
  return nullptr;
}

bool Step::has_expiry() const {
  return std::any_of(waitpoints.begin(), waitpoints.end(), [](const Waitpoint& w) { return w.expires != 0; });
}

std::string record_of(const Step::Signal& s) {
  return netstrings({s.label, s.id, s.name, s.source, text(s.at), s.content_type, s.payload});
}

std::string resumption_of(const Execution& execution) {
  if (!execution.steps) return {};
  auto found = execution.step.find(*execution.steps);
  if (found == execution.step.end() || found->second.by.empty()) return {};
  const Step& step = found->second;
  std::string records;
  std::size_t taken = 0, looked = 0;
  for (; step.condition && looked < step.signals.size() && taken < kHandedOver; ++looked) {
    if (!takes_any(*step.condition, step.signals[looked])) continue;
    records += record_of(step.signals[looked]);
    ++taken;
  }
  bool more = step.condition && looked < step.signals.size();
  return netstrings({text(*execution.steps), step.by, text(step.suspended), text(step.resumed), step.kept,
                     text(more ? static_cast<std::int64_t>(looked) + 1 : 0)}) + records;
}

// The word of a refusal; empty: none.
std::string Model::add_waitpoints(Step& step, Args& args) {
  while (args.more()) {
    Step::Waitpoint one;
    one.label = args.bytes();
    one.names = args.names();
    one.max_signals = args.integer();
    one.max_bytes = args.integer();
    auto expires_in = args.integer();
    args.bytes();
    args.bytes();
    if (step.find(one.label) != nullptr) continue;
    if (one.label.empty() || one.max_signals < 0 || one.max_signals > 10000) return "bad_waitpoint";
    if (step.waitpoints.size() == 16) return "too_many_waitpoints";
    if (one.max_signals == 0) one.max_signals = kSignalsDefault;
    if (one.max_bytes == 0) one.max_bytes = kBytesDefault;
    if (expires_in > 0) one.expires = now_ + expires_in;
    step.waitpoints.push_back(std::move(one));
  }
  return {};
}

void Model::arm_expiry(Execution& execution, const Step& step) {
  if (!step.has_expiry()) return;
  execution.expiry.reset();
  for (const auto& waitpoint : step.waitpoints) {
    if (waitpoint.expires <= now_) continue;
    execution.expiry = std::min(execution.expiry.value_or(waitpoint.expires), waitpoint.expires);
  }
}

Reply Model::open_waitpoints(Args& args) {
  Lease lease(args);
  Execution* execution = nullptr;
  std::string outcome;
  if (fence(lease, execution, outcome) != Standing::held) {
    counters_.count("open refused");
    return refused("stale_lease");
  }
  auto number = execution->steps.value_or(0) + 1;
  Step step;
  if (auto* open = execution->find_step(number)) step = *open;
  auto refusal = add_waitpoints(step, args);
  if (!refusal.empty()) return refused(refusal.c_str());
  execution->step[number] = step;
  if (!execution->steps) execution->steps = 0;
  arm_expiry(*execution, step);
  counters_.count("waitpoints opened");
  commit();
  return answered({"ok", text(number)});
}

void Model::remember_suspension(Execution& execution, const Step& step, const std::string& by) {
  Entry more;
  more["outcome"] = "\"suspended";
  more["step"] = text(*execution.steps);
  more["suspended"] = text(step.suspended);
  more["by"] = "\"" + by;
  remember(execution, "suspended", std::move(more));
}

// The attempt goes on with its next claim.
void Model::go_on(Execution& execution, const std::string& by) {
  Step& step = execution.step.at(*execution.steps);
  step.by = by;
  step.resumed = now_;
  remember_suspension(execution, step, by);
  --execution.attempts;
  if (step.has_expiry()) execution.expiry.reset();
  counters_.count("resumed by " + by);
  if (step.delay > 0) move(execution, State::delayed, now_ + step.delay);
  else move(execution, State::ready, kFront);
}

Reply Model::suspend(Args& args) {
  Lease lease(args);
  std::string condition = args.bytes();
  auto timeout_ms = args.integer();
  std::string on_timeout = args.bytes();
  auto delay_ms = args.integer();
  std::string kept = args.bytes();
  Execution* execution = nullptr;
  std::string outcome;
  auto standing = fence(lease, execution, outcome);
  if (standing == Standing::repeated && (outcome == "suspended" || outcome == "cancelled")) {
    counters_.count("suspend repeated");
    auto step = outcome == "cancelled" ? 0 : suspended_step(*execution, lease);
    return answered({"ok", outcome, text(step)});
  }
  if (standing != Standing::held) {
    counters_.count("suspend refused");
    return refused("stale_lease");
  }
  auto number = execution->steps.value_or(0) + 1;
  Step step;
  if (auto* open = execution->find_step(number)) step = *open;
  auto refusal = add_waitpoints(step, args);
  if (!refusal.empty()) return refused(refusal.c_str());
  for (const auto& entry : conditions()) {
    if (entry.text == condition) step.condition = entry.condition;
  }
  if (!condition.empty() && !step.condition) return refused("bad_condition");
  if (step.condition && !labels_known(*step.condition, step)) return refused("unknown_waitpoint");
  if (timeout_ms < 0) return refused("bad_timeout");
  if (execution->cancel_requested) {
    execution->outcome = "cancelled";
    finish(*execution, State::cancelled);
    commit();
    return answered({"ok", "cancelled", "0"});
  }
  step.on_timeout = on_timeout;
  step.kept = kept;
  step.delay = delay_ms;
  step.suspended = now_;
  step.timeout = timeout_ms > 0 ? now_ + timeout_ms : 0;
  step.by.clear();
  if (!step.signals.empty()) counters_.count("suspended with early signals");
  execution->step.erase(number - 1);
  execution->answers.erase(number - kStepsKept);
  execution->step[number] = step;
  execution->steps = number;
  execution->outcome = "suspended";
  if (step.holds()) {
    go_on(*execution, "signals");
  } else {
    move(*execution, State::suspended, step.timeout > 0 ? step.timeout : kNever);
    arm_expiry(*execution, step);
  }
  commit();
  return answered({"ok", "suspended", text(number)});
}

// Of the suspension that this lease had asked for.
std::int64_t Model::suspended_step(const Execution& execution, const Lease& lease) const {
  if (execution.lease == lease.lease && text(execution.epoch) == lease.epoch) return *execution.steps;
  for (auto entry = execution.history.rbegin(); entry != execution.history.rend(); ++entry) {
    auto of = entry->find("lease"), at = entry->find("epoch"), step = entry->find("step");
    if (of == entry->end() || at == entry->end() || entry->count("outcome") == 0) continue;
    if (of->second != "\"" + lease.lease || at->second != "\"" + lease.epoch) continue;
    return step == entry->end() ? *execution.steps : std::stoll(step->second);
  }
  return 0;
}

Reply Model::signal(Args& args) {
  std::string ns = args.bytes(), id = args.bytes(), waitpoint = args.bytes();
  Step::Signal signal;
  signal.id = args.bytes();
  signal.name = args.bytes();
  signal.source = args.bytes();
  signal.content_type = args.bytes();
  signal.payload = args.bytes();
  signal.at = now_;
  auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  auto number = std::stoll(waitpoint);
  signal.label = waitpoint.substr(waitpoint.find('.') + 1);
  if (!execution->steps || number < 1 || number > execution->open_step()) return refused("no_such_waitpoint");
  auto* step = execution->find_step(number);
  bool is_open = number == execution->open_step();
  if (step != nullptr ? step->find(signal.label) == nullptr : is_open) return refused("no_such_waitpoint");
  auto& before = execution->answers[number];
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i].label != signal.label || before[i].id != signal.id) continue;
    counters_.count(is_open ? "signal repeated" : "signal repeated after the resume");
    return answered({"ok", "duplicate", before[i].first, text(static_cast<std::int64_t>(i) + 1)});
  }
  if (before.empty()) execution->answers.erase(number);
  if (execution->ended_already()) return refused("already_finished");
  if (!is_open) return refused("waitpoint_closed");
  auto* at = step->find(signal.label);
  if (at->expires != 0 && at->expires <= now_) return refused("waitpoint_expired");
  if (!at->names.empty() && !among(at->names, signal.name)) return refused("name_not_allowed");
  if (static_cast<std::int64_t>(signal.payload.size()) > at->max_bytes) return refused("payload_too_large");
  if (at->signals >= at->max_signals) return refused("too_many_signals");
  ++at->signals;
  step->signals.push_back(signal);
  bool ends = execution->state == State::suspended && step->holds();
  step->signals.back().first = ends ? "resumed" : "accepted";
  execution->answers[number].push_back(step->signals.back());
  counters_.count(ends ? "signal resumed" : execution->state == State::suspended ? "signal accepted" : "early signal");
  auto count = static_cast<std::int64_t>(step->signals.size());
  if (ends) go_on(*execution, "signals");
  commit();
  return answered({"ok", ends ? "resumed" : "accepted", ends ? "resumed" : "accepted", text(count)});
}

Reply Model::resume(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  auto number = args.integer();
  auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  if (number < 1 || execution->steps.value_or(0) != number) return refused("other_step");
  auto* step = execution->find_step(number);
  if (execution->state != State::suspended) {
    bool done = step != nullptr && step->by == "operator" && !execution->ended_already();
    if (!done) return refused("not_suspended");
    counters_.count("resume repeated");
    return answered({"ok"});
  }
  go_on(*execution, "operator");
  commit();
  return answered({"ok"});
}

Reply Model::waitpoints(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  std::string state(ff::core::to_string(execution->state));
  if (!execution->steps || execution->ended_already()) {
    return answered({"ok", state, text(execution->steps.value_or(0)), "0", "0", "", "", "", text(now_)});
  }
  auto number = execution->open_step();
  auto* step = execution->find_step(number);
  Reply reply = answered({"ok", state, text(number), "0", "0", "", "", "", text(now_)});
  if (execution->state == State::suspended) {
    reply.fields[3] = text(step->suspended);
    reply.fields[4] = text(step->timeout);
    reply.fields[5] = step->on_timeout;
    if (step->condition) {
      reply.fields[6] = reply.fields[7] = "some";
      reply.some = {6, 7};
    }
  }
  if (step == nullptr) return reply;
  for (const auto& w : step->waitpoints) {
    std::string names;
    for (const auto& name : w.names) names += (names.empty() ? "" : ",") + name;
    for (const auto& field : {text(number) + "." + w.label, w.label, names, text(w.signals), text(w.max_signals),
                              text(w.max_bytes), text(w.expires), text(w.expires != 0 && w.expires <= now_ ? 1 : 0)}) {
      reply.fields.push_back(field);
    }
  }
  return reply;
}

Reply Model::signals(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  auto number = args.integer();
  auto from = std::max<std::int64_t>(1, args.integer()), limit = std::clamp<std::int64_t>(args.integer(), 1, 256);
  auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  auto* step = execution->find_step(number);
  if (step == nullptr) return refused("no_such_step");
  Reply reply = answered({"ok", "0"});
  auto count = static_cast<std::int64_t>(step->signals.size());
  for (; from <= count && limit > 0; ++from, --limit) {
    const auto& s = step->signals[static_cast<std::size_t>(from - 1)];
    for (const auto& field : {s.label, s.id, s.name, s.source, text(s.at), s.content_type, s.payload}) {
      reply.fields.push_back(field);
    }
  }
  if (from <= count) reply.fields[1] = text(from);
  return reply;
}

void Model::time_out_suspension(Execution& execution, const std::string& why) {
  Step& step = execution.step.at(*execution.steps);
  counters_.count("suspension timed out: " + step.on_timeout);
  if (step.on_timeout == "resume") return go_on(execution, "timeout");
  if (step.on_timeout == "expire") return finish(execution, State::expired);
  if (step.on_timeout == "fail") {
    ++execution.failures;
    execution.failure_class = "timeout";
    if (!execution.lean) execution.text = why;
    return finish(execution, State::failed);
  }
  remember_suspension(execution, step, "timeout");
  if (step.has_expiry()) execution.expiry.reset();
  execution.step.erase(*execution.steps);
  Failure failure;
  failure.cls = "timeout";
  failure.text = why;
  std::int64_t retry_at = 0;
  fail_attempt(execution, failure, retry_at);
}

void Model::expire_waitpoints(Execution& execution) {
  Step& step = execution.step.at(execution.open_step());
  bool open = std::any_of(step.waitpoints.begin(), step.waitpoints.end(), [this](const Step::Waitpoint& w) {
    return w.expires == 0 || w.expires > now_;
  });
  execution.expiry.reset();
  if (open || execution.state != State::suspended) return arm_expiry(execution, step);
  time_out_suspension(execution, "every waitpoint has expired");
}

}  // namespace ff::model
