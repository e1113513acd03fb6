// What happens to an execution, whatever verb asks for it. The verbs are in model_verbs.cpp.
#include "model/model.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "model/model_parts.hpp"

namespace ff::model {

namespace {

constexpr std::size_t kHistoryMax = 64, kEventsKept = 16;
constexpr std::int64_t kHandoffMs = 1000;

Entry attempt_entry(const Execution& execution) {
  Entry entry;
  entry["generation"] = std::to_string(execution.generation);
  entry["attempt"] = std::to_string(execution.attempts);
  entry["began"] = std::to_string(execution.began);
  if (execution.epoch != 0) entry["epoch"] = "\"" + std::to_string(execution.epoch);
  if (execution.lease) entry["lease"] = "\"" + *execution.lease;
  if (!execution.worker.empty()) entry["worker"] = "\"" + execution.worker;
  return entry;
}

bool by_index(const Execution* a, const Execution* b) {
  return a->timer != b->timer ? a->timer < b->timer : a->id < b->id;
}

}  // namespace

bool Execution::stores_policy() const {
  return !(policy.retry == ff::core::RetryPolicy()) || !(policy.crash == ff::core::CrashPolicy());
}

bool Execution::has_satellites() const {
  return stores_policy() || !tags.empty() || progress || !text.empty() || !history.empty() || !old_results.empty() ||
         steps || stream || requirements.size() > kInCore;
}

std::optional<std::int64_t> Execution::deadline_entry() const {
  if (ended_already()) return std::nullopt;
  return cancel_requested ? cancel_by : deadline;
}

double chance(std::int64_t now_us, const std::string& id) {
  std::int64_t mixed = now_us % 1000003;
  for (std::size_t i = 16; i < 26; ++i) mixed = (mixed * 31 + static_cast<unsigned char>(id[i])) % 1000003;
  return static_cast<double>(mixed) / 1000003.0;
}

std::string shorten(const std::string& text, std::size_t bytes) {
  std::size_t last = std::min(text.size(), bytes);
  while (last > 0 && last < text.size() && (static_cast<unsigned char>(text[last]) & 0xc0) == 0x80) --last;
  return text.substr(0, last);
}

std::string Op::text() const {
  std::string line = (reload ? "(reload) " : "") + std::to_string(clock_us) + " " + verb;
  for (const auto& arg : args) {
    std::string shown = arg.substr(0, 60);
    for (char& c : shown) c = static_cast<unsigned char>(c - 0x20) > 0x5e ? '?' : c;
    bool quoted = shown.empty() || shown.find(' ') != std::string::npos;
    line += (quoted ? " '" : " ") + shown + (quoted ? "'" : "") + (arg.size() > 60 ? "..." : "");
  }
  return line;
}

void Counters::add(const Counters& other) {
  for (const auto& [move, times] : other.moves) moves[move] += times;
  for (const auto& [state, times] : other.starts) starts[state] += times;
  for (const auto& [what, times] : other.events) events[what] += times;
}

// Time is TIME, made monotonic: after a step back it goes on from the largest value seen, at nine tenths of TIME's pace
// until TIME has caught up.
void Model::read_clock(std::int64_t clock_us) {
  std::int64_t ms = clock_us / 1000;
  skew_tenths_ = std::max<std::int64_t>(0, skew_tenths_ - std::max<std::int64_t>(0, ms - clock_ms_));
  if (10 * ms + skew_tenths_ < 10 * now_) skew_tenths_ = 10 * (now_ - ms);
  if (skew_tenths_ > 0) counters_.count("clock behind");
  clock_ms_ = ms;
  now_ = ms + skew_tenths_ / 10;
  now_us_ = clock_us + (now_ - ms) * 1000;
}

Execution* Model::find(const std::string& ns, const std::string& id) {
  auto found = executions_.find(id);
  if (found == executions_.end()) return nullptr;
  if (found->second.ns == ns) return &found->second;
  counters_.count("foreign namespace");
  return nullptr;
}

// A write whose lease or epoch is not the current one changes nothing. Who gave it up before gets the first answer.
Model::Standing Model::fence(const Lease& lease, Execution*& execution, std::string& outcome) {
  auto found = executions_.find(lease.id);
  execution = found == executions_.end() ? nullptr : &found->second;
  if (execution == nullptr) return Standing::stale;
  if (execution->lease == lease.lease && std::to_string(execution->epoch) == lease.epoch) {
    if (execution->state == State::active) return Standing::held;
    outcome = execution->outcome.value_or("");
    return execution->outcome ? Standing::repeated : Standing::stale;
  }
  if (execution->lean) return Standing::stale;
  // Older receipts: the last eight entries of the history.
  auto& history = execution->history;
  for (std::size_t i = 0; i < history.size() && i < 8; ++i) {
    const auto& entry = history[history.size() - 1 - i];
    auto has = [&entry](const char* name, const std::string& value) {
      auto at = entry.find(name);
      return at != entry.end() && at->second == value;
    };
    auto told = entry.find("outcome");
    if (told == entry.end() || !has("lease", "\"" + lease.lease) || !has("epoch", "\"" + lease.epoch)) continue;
    outcome = told->second.substr(1);
    counters_.count("receipt found in history");
    return Standing::repeated;
  }
  return Standing::stale;
}

// The one place where a state changes.
void Model::move(Execution& execution, State to, std::int64_t timer) {
  ++counters_.moves[{execution.state, to}];
  if (execution.state == State::ready) {
    auto line = route_of(execution.queue(), execution.line());
    leaving_.push_back({line, execution.service, execution.priority, execution.id});
  }
  if (to == State::ready) place(execution, timer, execution.priority);
  else execution.timer = timer;
  execution.state = to;
  if (ff::core::is_terminal(to)) execution.expiry.reset();
  if (ff::core::is_terminal(to) && execution.watched) {
    tells_.emplace_back("v:" + execution.id, std::string(ff::core::to_string(to)));
    counters_.count("watched end");
  }
  if (ff::core::is_terminal(to) && execution.tailed) {
    tells_.emplace_back("f:" + execution.id, "ended " + std::string(ff::core::to_string(to)));
    counters_.count("tailed end");
  }
  if (to == State::ready) offer(execution.queue(), execution.line(), 1, execution.worker);
  if (!execution.lean) {
    commit_events_.push_back(execution.id);
    commit_events_.push_back(std::string(ff::core::to_string(to)) + " " + execution.queue());
  }
}

void Model::finish(Execution& execution, State to) {
  execution.ended = now_;
  execution.cancel_by.reset();
  move(execution, to, now_ + retention_ms(execution));
  if (!execution.lean) return;
  counters_.count("lean deletion");
  erase(std::string(execution.id));
}

void Model::erase(const std::string& id) { executions_.erase(id); }

// Lean executions keep no history.
void Model::remember(Execution& execution, const std::string& event, Entry more) {
  if (execution.lean) return;
  Entry entry = event == "cancel_requested" ? Entry() : attempt_entry(execution);
  entry["event"] = "\"" + event;
  entry["at"] = std::to_string(now_);
  for (auto& [name, value] : more) entry[name] = value;
  execution.history.push_back(std::move(entry));
  if (execution.history.size() > kHistoryMax) {
    execution.history.pop_front();
    counters_.count("history trimmed");
  }
}

void Model::tell(const std::string& worker, const std::string& text) {
  if (listened_.count(worker) != 0) tells_.emplace_back("w:" + worker, text);
}

void Model::tell_worker(const Execution& execution, const std::string& why) {
  tell(execution.worker, why + " " + execution.id + " " + std::to_string(execution.epoch));
}

// Takes the lease away: nothing its holder sends counts from now on.
void Model::revoke(Execution& execution, const std::string& why) {
  tell_worker(execution, why);
  execution.lease.reset();
  execution.outcome.reset();
}

State Model::fail_attempt(Execution& execution, const Failure& failure, std::int64_t& retry_at) {
  ++execution.failures;
  execution.failure_class = failure.cls;
  const auto retry = effective(execution).retry;
  State to = State::failed;
  retry_at = 0;
  if (execution.cancel_requested) {
    to = State::cancelled;
  } else if (ff::core::may_retry(retry, failure.cls, execution.failures)) {
    std::int64_t delay = failure.retry_after_ms;
    if (delay < 0) {
      delay = ff::core::retry_delay(retry, execution.failures,
          chance(now_us_, execution.id)).count();
    }
    to = delay > 0 ? State::delayed : State::ready;
    retry_at = now_ + delay;
  }
  std::string outcome = ff::core::is_terminal(to) ? std::string(ff::core::to_string(to)) : "retried";
  Entry more;
  more["class"] = "\"" + failure.cls;
  more["error"] = "\"" + shorten(failure.text, 512);
  if (failure.by_holder) more["outcome"] = "\"" + outcome;
  remember(execution, "failed", std::move(more));
  if (failure.by_holder) {
    execution.outcome = outcome;
  } else if (execution.state == State::suspended) {  // Nobody held it.
    execution.lease.reset();
    execution.outcome.reset();
  } else {
    revoke(execution, "lost");
  }
  if (!failure.text.empty() && !execution.lean) execution.text = failure.text;
  if (ff::core::is_terminal(to)) finish(execution, to);
  else move(execution, to, retry_at);
  return to;
}

// A lease ran out. Queued again by itself, with backoff, up to the cap.
void Model::crash(Execution& execution) {
  remember(execution, "lease_expired", {});
  revoke(execution, "lost");
  ++execution.crashes;
  execution.failure_class = "crash";
  const auto policy = effective(execution).crash;
  auto cap = policy.max.value_or(ff::core::policy_default::kCrashMax);
  if (execution.cancel_requested) return finish(execution, State::cancelled);
  if (execution.crashes > cap) {
    counters_.count("crash cap reached");
    if (!execution.lean) {
      execution.text = "the lease expired " + std::to_string(execution.crashes) + " times, the cap is " +
          std::to_string(cap);
    }
    return finish(execution, State::failed);
  }
  auto delay = ff::core::crash_delay(policy, execution.crashes).count();
  move(execution, delay > 0 ? State::delayed : State::ready, now_ + delay);
}

void Model::end_by_deadline(Execution& execution) {
  bool expired = execution.deadline && *execution.deadline <= now_;
  if (!expired) counters_.count("grace over");
  State to = expired ? State::expired : State::cancelled;
  if (execution.state == State::active) {
    remember(execution, std::string(ff::core::to_string(to)), {});
    revoke(execution, expired ? "lost" : "cancelled");
  }
  finish(execution, to);
}

std::vector<const Execution*> Model::in_state(State state) const {
  std::vector<const Execution*> all;
  for (const auto& [_, execution] : executions_) {
    if (execution.state == state) all.push_back(&execution);
  }
  std::sort(all.begin(), all.end(), by_index);
  return all;
}

std::optional<std::int64_t> Model::earliest() const {
  std::optional<std::int64_t> first;
  auto look = [&first](std::int64_t ms) {
    if (!first || ms < *first) first = ms;
  };
  for (const auto& [_, execution] : executions_) {
    if (auto deadline = execution.deadline_entry()) look(*deadline);
    bool waits = execution.state == State::active || execution.state == State::delayed || execution.ended_already() ||
                 (execution.state == State::suspended && execution.timer < kNever);
    if (waits) look(execution.timer);
    if (execution.expiry) look(*execution.expiry);
    if (execution.state == State::active && execution.attempt_ms() > 0) look(execution.began +
        execution.attempt_ms());
  }
  for (const auto& [_, at] : handoffs_) look(at);
  for (const auto& [_, at] : limits_.timers()) look(at);
  return first;
}

// What is due in one index at this moment, in its order, `limit` at the most.
std::vector<std::string> due_in(const std::string& index, const std::map<std::string, Execution>& executions,
                                std::int64_t now, std::size_t limit) {
  std::vector<std::pair<std::int64_t, std::string>> due;
  for (const auto& [id, execution] : executions) {
    std::optional<std::int64_t> at;
    if (index == "deadlines") at = execution.deadline_entry();
    else if (index == "waitpoints") at = execution.expiry;
    else if (index != "timeouts" && ff::core::to_string(execution.state) == index) at = execution.timer;
    else if (index == "timeouts" && execution.state == State::active && execution.attempt_ms() > 0) {
      at = execution.began + execution.attempt_ms();
    }
    if (at && *at <= now) due.emplace_back(*at, id);
  }
  std::sort(due.begin(), due.end());
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < due.size() && i < limit; ++i) ids.push_back(due[i].second);
  return ids;
}

// Whoever is due in several indexes fires by the first of them only: a deadline wins over a timeout, a timeout over a
// lease. What firing makes due is for the next call. Returns how many entries were due, each index by itself.
std::int64_t Model::do_due(std::int64_t limit, std::map<std::string, std::int64_t>& fired) {
  static const std::vector<std::pair<std::string, std::string>> timers = {
      {"deadlines", "execution_deadline"}, {"timeouts", "attempt_timeout"}, {"suspended", "suspension_timeout"},
      {"waitpoints", "waitpoint_expiry"}, {"active", "lease_expiry"},
      {"delayed", "delayed_promoter"},     {"completed", "retention_trimmer"}, {"failed", "retention_trimmer"},
      {"cancelled", "retention_trimmer"},  {"expired", "retention_trimmer"},   {"skipped", "retention_trimmer"}};
  std::vector<std::pair<std::string, std::string>> todo;
  std::set<std::string> touched;
  std::int64_t done = 0;
  auto limits_due = limits_.due(now_, limit);
  for (const auto& [index, scanner] : timers) {
    if (done >= limit) break;
    auto due = due_in(index, executions_, now_, static_cast<std::size_t>(limit - done));
    done += static_cast<std::int64_t>(due.size());
    for (auto& id : due) {
      if (!touched.insert(id).second) continue;
      todo.emplace_back(index, id);
      ++fired[scanner];
      counters_.count("timer " + scanner);
    }
  }
  std::vector<std::pair<std::int64_t, std::string>> unanswered;
  for (const auto& [queue, at] : handoffs_) {
    if (at <= now_) unanswered.emplace_back(at, queue);
  }
  std::sort(unanswered.begin(), unanswered.end());
  if (unanswered.size() > 8) unanswered.resize(8);
  std::vector<Offer> renewed;
  for (const auto& [_, route] : unanswered) renewed.push_back(again(route));

  for (const auto& [index, id] : todo) fire(index, executions_.at(id));
  for (const auto& [_, route] : unanswered) {
    handoffs_.erase(route);
    counters_.count("timer handoff");
  }
  for (const auto& one : renewed) {
    if (one.count == 0) continue;
    offer(one.queue, one.name, one.count, "");
    unanswered_.insert(route_of(one.queue, one.name));
  }
  commit();
  return done + fire_limits(limits_due, limit - done, fired);
}

// What still waits in a line whose woken worker has not come; nothing where the lane is paused.
Model::Offer Model::again(const std::string& route) const {
  auto bar = route.find('|');
  Offer offer;
  offer.queue = route.substr(0, bar);
  offer.name = bar == std::string::npos ? "" : route.substr(bar + 1);
  bool paused = lane(offer.queue).state == ff::core::LaneState::paused;
  offer.count = paused ? 0 : static_cast<std::int64_t>(in_line(offer.queue, offer.name).size());
  return offer;
}

// Timers of limits come last, as far as the others leave room for them.
std::int64_t Model::fire_limits(const std::vector<std::string>& due, std::int64_t limit,
                                std::map<std::string, std::int64_t>& fired) {
  auto fires = due;
  fires.resize(std::min(due.size(), static_cast<std::size_t>(std::max<std::int64_t>(0, limit))));
  if (fires.empty()) return 0;
  limits_.fire(fires, {now_, now_us_}, fired);
  take_from_limits();
  commit();
  return static_cast<std::int64_t>(fires.size());
}

void Model::take_from_limits() {
  for (const auto& told : limits_.take_told()) {
    auto space = told.find(' ');
    tell(told.substr(0, space), told.substr(space + 1));
  }
  for (const auto& event : limits_.take_events()) counters_.count("limits: " + event);
}

void Model::fire(const std::string& index, Execution& execution) {
  if (index == "deadlines") {
    end_by_deadline(execution);
  } else if (index == "timeouts") {
    Failure failure;
    failure.cls = "timeout";
    failure.text = "the attempt ran longer than its timeout of " + std::to_string(execution.attempt_ms()) + " ms";
    std::int64_t retry_at = 0;
    fail_attempt(execution, failure, retry_at);
  } else if (index == "suspended") {
    time_out_suspension(execution, "the suspension waited longer than its timeout");
  } else if (index == "waitpoints") {
    expire_waitpoints(execution);
  } else if (index == "active") {
    crash(execution);
  } else if (index == "delayed") {
    // A resumed one stands in front, however long its resume was put off.
    move(execution, State::ready, execution.outcome == "suspended" ? kFront : execution.timer);
  } else {
    erase(std::string(execution.id));
  }
}

void Model::commit() {
  committed_ = true;
  if (!commit_events_.empty()) {
    events_.push_back(std::move(commit_events_));
    commit_events_.clear();
    ++event_count_;
    if (events_.size() > kEventsKept) events_.pop_front();
  }
  // Somebody looks again in a second: what was woken may be dead. Where nobody was idle, who gets free claims by
  // itself; but what waits for a worker it prefers is looked at when it has waited for long enough.
  for (auto& offer : offers_) {
    auto route = route_of(offer.queue, offer.name);
    bool stays = unanswered_.count(route) != 0, choosy = is_choosy(offer);
    auto woken = wake(offer, !stays);
    if (!woken.any && !woken.more && !stays && !choosy) continue;
    handoffs_[route] = now_ + (choosy && !woken.any ? kPatienceMs : kHandoffMs);
    if (choosy && !woken.any) counters_.count("waits for a preferred worker");
  }
  offers_.clear();
  leaving_.clear();
  unanswered_.clear();
  for (auto& told : tells_) messages_.push_back(std::move(told));
  tells_.clear();
}

}  // namespace ff::model
