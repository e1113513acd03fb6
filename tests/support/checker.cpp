#include "support/checker.hpp"

#include "support/limit_checker.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "ff/core/state.hpp"

namespace ff::test {
namespace {

using std::string;
using std::string_view;

constexpr std::int64_t kDefaultRetentionMs = 24LL * 3600 * 1000;
constexpr std::int64_t kStrictStep = std::int64_t(1) << 39, kDefaultStepMs = 60'000, kRankEpochMs = 1735689600000;
constexpr std::int64_t kPriorityMax = 9000;
constexpr std::size_t kUlidChars = 26;
constexpr std::size_t kFieldBytes = 64, kPayloadBytes = 256, kHistoryMax = 64, kEventsAbout = 4096, kEventsSlack = 256;

// The fields of a core in the order of their enumerators.
enum Field : std::size_t { s, q, k, c, p, g, a, f, n, e, l, w, b, o, z, x, d, u, v, m, t, r, j, h, i, ct, rt, rq, fk,
                           fw, tl, pl, pk, fields };
constexpr std::array<string_view, fields> kFieldNames = {
    "s", "q", "k", "c", "p", "g", "a", "f", "n", "e", "l", "w", "b",
    "o", "z", "x", "d", "u", "v", "m", "t", "r", "j", "h", "i", "ct", "rt", "rq", "fk", "fw", "tl", "pl",
    "pk"};
constexpr std::array kNumbers = {c, p, g, a, f, n, e, b, z, d, u, t, r, h, fw, tl};
constexpr std::array<string_view, 6> kOutcomes = {"completed", "failed",    "retried",
                                                  "released",  "cancelled", "suspended"};
constexpr string_view kSatellites = "prxytofsn";  // And h, r<generation>, and s, m and d of a step.
constexpr std::int64_t kStepsKept = 8, kNever = 99'999'999'999'999;
constexpr std::int64_t kFramesMax = 10000 + 1, kStreamBytesMax = 8 << 20;  // One more: a closing marker of a replay.

std::optional<ff::core::State> state_of(string_view word) {
  for (auto state : ff::core::kStates) {
    if (ff::core::to_string(state) == word) return state;
  }
  return std::nullopt;
}

// The whole number behind a name in canonical JSON, or `otherwise`.
std::int64_t json_number(string_view json, string_view name, std::int64_t otherwise) {
  auto at = json.find(name);
  if (at == string_view::npos) return otherwise;
  auto text = json.substr(at + name.size());
  return whole_number(text.substr(0, text.find_first_not_of("0123456789"))).value_or(otherwise);
}

// How many signals the document of a step counts.
std::int64_t signals_in(string_view document) {
  for (auto at = document.find("\"n\":"); at != string_view::npos; at = document.find("\"n\":", at + 1)) {
    auto value = json_number(document.substr(at), "\"n\":", -1);
    if (value >= 0) return value;  // Else the names of a waitpoint.
  }
  return -1;
}

// What is stored of a suspension.
struct Step {
  bool document = false;
  std::int64_t signals = 0;  // By the document.
  std::unordered_set<string_view> records, answers;  // Numbers.
  std::size_t answered = 0;
};

// The field of this name; `fields` when there is none.
std::size_t field_of(string_view name) {
  for (auto field : {ct, rt, rq, fk, fw, tl, pl, pk}) {
    if (name == kFieldNames[field]) return field;
  }
  if (name.size() != 1) return fields;
  constexpr string_view letters = "sqkcpgafnelwbozxduvmtrjhi";  // In the order of the enumerators.
  return std::min<std::size_t>(letters.find(name[0]), fields);
}

struct Execution {
  string_view ulid;
  std::array<string_view, fields> core;
  std::array<std::int64_t, fields> number{};  // Of the numeric fields; absent: 0.
  std::optional<ff::core::State> state;
  string_view policy;
  bool more_satellites = false, payload = false, result = false, history = false, progress = false, text = false;
  bool frames = false, stream = false;
  std::size_t in_its_index = 0, in_timeouts = 0, in_deadlines = 0, in_waiting = 0, in_common = 0;
  std::unordered_map<std::int64_t, Step> steps;
  bool readable = true;
  Execution() = default;
  bool has(Field field) const { return core[field].data() != nullptr; }
  bool active() const { return state == ff::core::State::active; }
  bool routed() const { return has(rq) || has(fk); }
  std::int64_t timeout() const { return has(t) ? number[t] : number[tl]; }
  bool ended() const { return state && ff::core::is_terminal(*state); }
};

void read_fields(const Snapshot& snapshot, const StoredKey& key, Execution& execution) {
  auto values = snapshot.values(key);
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    auto field = field_of(values[i]);
    if (field == fields) continue;
    execution.core[field] = values[i + 1];
    execution.number[field] = whole_number(values[i + 1]).value_or(0);
  }
  if (execution.has(s)) execution.state = state_of(execution.core[s]);
}

string_view rest_after(string_view text, std::size_t prefix) { return text.substr(prefix); }
bool starts(string_view text, string_view prefix) { return text.substr(0, prefix.size()) == prefix; }
bool limit_key(string_view rest) {
  return starts(rest, "u:") || starts(rest, "b:") || rest == "limits" || rest == "limits_due";
}

class Checker {
 public:
  explicit Checker(const Snapshot& snapshot) : snapshot_(snapshot) {}

  CheckReport run() {
    report_.keys = snapshot_.keys().size();
    if (snapshot_.tag().find(':') == string::npos) {
      for (const auto& key : snapshot_.keys()) root_key(key);
      return std::move(report_);
    }
    executions_.reserve(snapshot_.keys().size());
    for (const auto& key : snapshot_.keys()) core_key(key);
    for (const auto& key : snapshot_.keys()) other_key(key);
    for (const auto& key : snapshot_.keys()) index_key(key);
    for (auto& [_, execution] : executions_) check(execution);
    check_limits(snapshot_, report_.violations);
    check_lines();
    report_.executions = executions_.size();
    return std::move(report_);
  }

 private:
  void complain(string_view ulid, string_view rest, string expected, string found) {
    string key = snapshot_.tag();
    if (!rest.empty()) key += ":" + string(rest);
    report_.violations.emplace_back(string(ulid), std::move(key), std::move(expected), std::move(found));
  }
  bool of_type(const StoredKey& key, string_view type, string_view ulid = {}) {
    if (key.type == type) return true;
    complain(ulid, key.rest, "a " + string(type), "a " + string(key.type));
    return false;
  }
  void no_ttl(const StoredKey& key, string_view ulid = {}) {
    if (key.ttl_ms >= 0) complain(ulid, key.rest, "no expiry", "a TTL of " + std::to_string(key.ttl_ms) + " ms");
  }
  void must(const Execution& execution, bool holds, Field field, string_view expected) {
    if (holds) return;
    auto value = execution.core[field];
    string found = value.data() == nullptr ? "absent" : string(value);
    complain(execution.ulid, "e:" + string(execution.ulid),
             "field " + string(kFieldNames[field]) + ": " + string(expected) + " (state " +
                 string(execution.core[s]) + ")", std::move(found));
  }

  void root_key(const StoredKey& key);
  void core_key(const StoredKey& key);
  void other_key(const StoredKey& key);
  void satellite_key(const StoredKey& key);
  void note_satellite(const StoredKey& key, Execution& execution, string_view which);
  void partition_hash(const StoredKey& key);
  void idempotency_key(const StoredKey& key);
  void check_stream(const StoredKey& key, Execution& execution);
  void index_key(const StoredKey& key);
  void state_index(const StoredKey& key, ff::core::State state);
  void queue_index(const StoredKey& key);
  void waiting_index(const StoredKey& key);
  void lane_key(const StoredKey& key);
  void check_rank(const StoredKey& key, const Execution& execution, string_view queue, string_view score);
  void check_lines();
  std::int64_t step_of(string_view queue) const;
  void side_index(const StoredKey& key, std::size_t Execution::*seen);
  void idle_index(const StoredKey& key);
  void check(Execution& execution);
  void check_fields(const Execution& execution);
  void check_lease(const Execution& execution);
  void check_counts(const Execution& execution);
  void check_satellites(const Execution& execution);
  void check_membership(const Execution& execution);
  void check_steps(const Execution& execution);
  void note_step(const StoredKey& key, Execution& execution, string_view which);
  void step_index(const StoredKey& key);
  void event_key(const StoredKey& key);
  void check_score(const Execution& execution, const StoredKey& key, std::int64_t score);
  Execution* member(const StoredKey& key, string_view ulid);

  const Snapshot& snapshot_;
  CheckReport report_;
  std::unordered_map<string_view, Execution> executions_;
  std::unordered_set<string_view> lanes_;
  std::int64_t hi_ = 0;
  std::map<string_view, string_view> records_;               // Lane records by queue.
  std::map<string, std::set<string, std::less<>>> members_;  // Of routes: and open:, by rest.
  std::map<string, std::int64_t> lines_;                     // Lines with something waiting, and its lowest rank.
};

void Checker::root_key(const StoredKey& key) {
  no_ttl(key);
  if (key.rest == "servers") return void(of_type(key, "zset"));
  if (key.rest == "records") return void(of_type(key, "hash"));
  if (!key.rest.empty()) return complain({}, key.rest, "no such key under the root tag", string(key.type));
  if (!of_type(key, "hash")) return;
  constexpr std::array<string_view, 7> known = {"partitions", "history",       "hi", "skew",
                                                "ring",       "ringv", "lanes_version"};
  auto values = snapshot_.values(key);
  std::size_t of_ring = 0;
  for (std::size_t i = 0; i < values.size(); i += 2) {
    if (std::find(known.begin(), known.end(), values[i]) == known.end())
      complain({}, "", "a known field", string(values[i]));
    if (starts(values[i], "ring")) ++of_ring;
  }
  if (of_ring == 1) complain({}, "", "ring and ringv together", "one of them");
}

void Checker::core_key(const StoredKey& key) {
  if (key.rest == "lanes" && key.type == "set") {
    for (auto queue : snapshot_.values(key)) lanes_.insert(queue);
  }
  if (!starts(key.rest, "e:") || key.rest.find(':', 2) != string_view::npos) return;
  auto ulid = rest_after(key.rest, 2);
  auto& execution = executions_[ulid];
  execution.ulid = ulid;
  if (ulid.size() != 26) complain(ulid, key.rest, "a ULID of 26 characters", std::to_string(ulid.size()));
  no_ttl(key, ulid);
  execution.readable = of_type(key, "core", ulid);
  if (!execution.readable) return;
  auto values = snapshot_.values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    if (field_of(values[i]) == fields) complain(ulid, key.rest, "a known field", string(values[i]));
    const auto most = values[i] == "pl" ? kPayloadBytes : kFieldBytes;
    if (values[i + 1].size() > most) {
      complain(ulid, key.rest, "at most " + std::to_string(most) + " bytes in " + string(values[i]),
               std::to_string(values[i + 1].size()));
    }
  }
  read_fields(snapshot_, key, execution);
  auto count = report_.by_state.find(execution.core[s]);
  if (count == report_.by_state.end()) count = report_.by_state.emplace(string(execution.core[s]), 0).first;
  ++count->second;
}

// What is neither a core nor an index of executions.
void Checker::other_key(const StoredKey& key) {
  auto rest = key.rest;
  if (starts(rest, "i:")) return idempotency_key(key);
  if (starts(rest, "n:")) return event_key(key);
  if (starts(rest, "e:")) {
    if (rest.find(':', 2) != string_view::npos) satellite_key(key);
    return;
  }
  if (!limit_key(rest)) no_ttl(key);  // Reports of usage are remembered for a while.
  if (rest.empty()) return partition_hash(key);
  if (rest == "lanes") return void(of_type(key, "set"));
  lane_key(key);
  if (rest == "absent" || rest == "gone") return complain({}, rest, "never to exist", string(key.type));
  if (rest != "ev") return;
  if (of_type(key, "stream") && whole_number(key.note).value_or(0) > std::int64_t(kEventsAbout + kEventsSlack)) {
    complain({}, rest, "about 4096 entries", string(key.note));
  }
}

void Checker::partition_hash(const StoredKey& key) {
  if (!of_type(key, "hash")) return;
  auto values = snapshot_.values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    bool known = values[i] == "hi" || values[i] == "skew" || values[i] == "lv";
    if (values[i] == "hi") hi_ = whole_number(values[i + 1]).value_or(0);
    if (!known) complain({}, "", "the fields hi, skew and lv", string(values[i]));
    if (whole_number(values[i + 1]).value_or(-1) < 0) complain({}, "", "milliseconds in " + string(values[i]),
        string(values[i + 1]));
  }
}

void Checker::idempotency_key(const StoredKey& key) {
  if (!of_type(key, "string")) return;
  if (key.ttl_ms == -1) complain({}, key.rest, "an expiry, later than its own time", "none");
  if (rest_after(key.rest, 2).find('/') == string_view::npos) complain({}, key.rest, "i:<namespace>/<key>", "no /");
  auto values = snapshot_.values(key);
  auto text = values.empty() ? string_view() : values[0];
  auto first = text.find(' ');
  auto second = first == string_view::npos ? first : text.find(' ', first + 1);
  bool good = first == 26 && second != string_view::npos &&
              whole_number(text.substr(27, second - 27)).value_or(-1) >= 0;
  if (!good) complain({}, key.rest, "<ulid> <expires ms> <fingerprint>", string(text));
}

void Checker::satellite_key(const StoredKey& key) {
  auto colon = key.rest.find(':', 2);
  auto ulid = key.rest.substr(2, colon - 2), which = rest_after(key.rest, colon + 1);
  no_ttl(key, ulid);
  auto found = executions_.find(ulid);
  if (found == executions_.end()) return complain(ulid, key.rest, "a core beside the satellite", "none");
  note_satellite(key, found->second, which);
}

void Checker::note_step(const StoredKey& key, Execution& execution, string_view which) {
  if (!of_type(key, which[0] == 's' ? "string" : "hash", execution.ulid)) return;
  auto& step = execution.steps[whole_number(which.substr(1)).value()];
  auto values = snapshot_.values(key);
  if (which[0] == 's') {
    step.document = true;
    step.signals = values.empty() ? -1 : signals_in(values[0]);
    execution.more_satellites = true;
    return;
  }
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    if (which[0] == 'm') step.records.insert(values[i]);
    else step.answers.insert(values[i + 1].substr(0, values[i + 1].find(' ')));
  }
  if (which[0] == 'd') step.answered = values.size() / 2;
}

// Invariant 5: what was accepted is there once, and nothing is open but one step.
void Checker::check_steps(const Execution& execution) {
  auto last = execution.number[h];
  auto about = [&](std::int64_t step, bool holds, string expected, std::size_t found) {
    if (holds) return;
    complain(execution.ulid, "e:" + string(execution.ulid), "step " + std::to_string(step) + ": " + std::move(expected),
             std::to_string(found));
  };
  if (!execution.has(h)) return about(0, execution.steps.empty(), "no step without field h", execution.steps.size());
  for (const auto& [number, step] : execution.steps) {
    about(number, number > last - kStepsKept && number <= last + 1, "one of the last eight, or the next", 0);
    about(number, step.answers.size() == step.answered, "an answer for each number", step.answers.size());
    about(number, step.document || step.records.empty(), "no signals without its document", step.records.size());
    if (!step.document) continue;
    auto count = static_cast<std::size_t>(step.signals);
    about(number, number >= last, "no document of an earlier step", 1);
    about(number, step.records.size() == count, std::to_string(count) + " signals", step.records.size());
    about(number, step.answered == count, std::to_string(count) + " answers", step.answered);
    for (auto record : step.records) {
      about(number, step.answers.count(record) == 1, "an answer to " + string(record), 0);
    }
  }
  bool waits = execution.state == ff::core::State::suspended;
  auto waiting = execution.steps.find(last);
  about(last, !waits || (waiting != execution.steps.end() && waiting->second.document), "a document to wait by", 0);
}

// The side indexes of open steps: members are unfinished executions that have steps.
void Checker::step_index(const StoredKey& key) {
  if (!of_type(key, "zset")) return;
  auto values = snapshot_.values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    auto* execution = member(key, values[i]);
    if (execution == nullptr || !execution->readable) continue;
    bool good = execution->has(h) && !execution->ended() && whole_number(values[i + 1]).value_or(0) > 0;
    if (!good) complain(values[i], key.rest, "an unfinished execution with steps, and a time", string(values[i + 1]));
  }
}

void Checker::event_key(const StoredKey& key) {
  no_ttl(key);
  if (!of_type(key, "hash")) return;
  auto values = snapshot_.values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    bool known = starts(values[i], "e ") || starts(values[i], "w ") || starts(values[i], "p ");
    if (!known) complain({}, key.rest, "an event, a waiter or a delivery", string(values[i]));
  }
}

void Checker::note_satellite(const StoredKey& key, Execution& execution, string_view which) {
  bool of_step = which.size() > 1 && string_view("smd").find(which[0]) != string_view::npos;
  if (of_step && whole_number(which.substr(1)).value_or(0) > 0) return note_step(key, execution, which);
  bool old_result = which.size() > 1 && which[0] == 'r' && whole_number(which.substr(1)).has_value();
  bool known = old_result || which == "h" || (which.size() == 1 && kSatellites.find(which[0]) != string_view::npos);
  if (!known) return complain(execution.ulid, key.rest, "a known satellite", string(which));
  string_view type = which == "h" ? "list" : which == "o" || which == "s" ? "hash" : which == "f" ? "stream" : "string";
  if (!of_type(key, type, execution.ulid)) return;
  if (type == "string" && key.note == "0") complain(execution.ulid, key.rest, "bytes", "an empty string");
  if (which == "h") {
    execution.history = true;
    if (whole_number(key.note).value_or(0) > std::int64_t(kHistoryMax))
      complain(execution.ulid, key.rest, "at most 64", string(key.note));
  }
  if (which == "s") check_stream(key, execution);
  execution.frames |= which == "f";
  if (which == "f" && whole_number(key.note).value_or(0) > kFramesMax)
    complain(execution.ulid, key.rest, "at most 10000 frames", string(key.note));
  if (which == "y" && key.count == 1) execution.policy = snapshot_.values(key)[0];
  execution.progress |= which == "o";
  execution.text |= which == "x";
  execution.result |= which == "r";
  execution.payload |= which == "p";
  execution.more_satellites |= which != "p" && which != "r";
  if (old_result && *whole_number(which.substr(1)) >= execution.number[g]) {
    complain(execution.ulid, key.rest, "a result of a generation below " + std::to_string(execution.number[g]),
        string(which));
  }
}

void Checker::check_stream(const StoredKey& key, Execution& execution) {
  execution.stream = true;
  constexpr std::array<string_view, 4> counts = {"g", "n", "b", "z"};
  auto values = snapshot_.values(key);
  std::int64_t found[4] = {-1, -1, -1, -1};
  for (std::size_t at = 0; at + 1 < values.size(); at += 2) {
    auto count = std::find(counts.begin(), counts.end(), values[at]);
    if (count != counts.end()) found[count - counts.begin()] = whole_number(values[at + 1]).value_or(-1);
    else if (values[at] != "l" && values[at] != "x" && values[at] != "d" && values[at] != "p")
      complain(execution.ulid, key.rest, "a known field", string(values[at]));
  }
  bool good = found[0] >= 0 && found[0] <= execution.number[g] && found[2] >= 0 && found[1] >= found[2] &&
      found[3] >= 0 && found[3] <= kStreamBytesMax;
  if (!good) complain(execution.ulid, key.rest, "a generation there was, a last frame no earlier than its lease's "
      "first, at most 8 MiB", "others");
}

void Checker::index_key(const StoredKey& key) {
  auto rest = key.rest;
  if (starts(rest, "q:")) return queue_index(key);
  if (starts(rest, "waiting:")) return waiting_index(key);
  for (auto kind : {"lane:", "routes:", "open:", "fair:", "sets:"}) {
    if (starts(rest, kind)) return;
  }
  if (starts(rest, "idle:")) return idle_index(key);
  if (rest == "timeouts") return side_index(key, &Execution::in_timeouts);
  if (rest == "waitpoints" || rest == "awaits") return step_index(key);
  if (rest == "deliveries") return void(of_type(key, "zset"));
  if (rest == "deadlines") return side_index(key, &Execution::in_deadlines);
  if (rest == "handoffs") {
    if (!of_type(key, "zset")) return;
    auto values = snapshot_.values(key);
    for (std::size_t i = 0; i < values.size(); i += 2) {
      bool known = lanes_.count(values[i].substr(0, values[i].find('|'))) != 0;
      if (!known) complain({}, rest, "a queue of lanes", string(values[i]));
      if (whole_number(values[i + 1]).value_or(0) <= 0) complain({}, rest, "a time", string(values[i + 1]));
    }
    return;
  }
  auto state = state_of(rest);
  if (state && *state != ff::core::State::ready) return state_index(key, *state);
  bool known = rest.empty() || rest == "lanes" || rest == "ev" || rest == "absent" || rest == "gone" ||
      limit_key(rest) ||
      starts(rest, "e:") ||
               starts(rest, "i:") || starts(rest, "n:");
  if (!known) complain({}, rest, "no such key", string(key.type));
}

// The execution behind an index entry; complains when there is none.
Execution* Checker::member(const StoredKey& key, string_view ulid) {
  auto found = executions_.find(ulid);
  if (found != executions_.end()) return &found->second;
  complain(ulid, key.rest, "a core behind the entry", "none");
  return nullptr;
}

void Checker::state_index(const StoredKey& key, ff::core::State state) {
  if (!of_type(key, "zset")) return;
  auto values = snapshot_.values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    auto* execution = member(key, values[i]);
    if (execution == nullptr || !execution->readable) continue;
    if (execution->state != state) {
      complain(values[i], key.rest, "only executions of this state", "one that is " + string(execution->core[s]));
      continue;
    }
    ++execution->in_its_index;
    auto score = whole_number(values[i + 1]);
    if (!score) complain(values[i], key.rest, "a whole number", string(values[i + 1]));
    else check_score(*execution, key, *score);
  }
}

void Checker::check_score(const Execution& execution, const StoredKey& key, std::int64_t score) {
  using ff::core::State;
  auto want = [&](bool holds, string expected) {
    if (!holds) complain(execution.ulid, key.rest, "score: " + std::move(expected), std::to_string(score));
  };
  auto state = *execution.state;
  if (state == State::delayed) want(score > 0, "the time it starts");
  if (state == State::blocked) want(score == 0, "0");
  if (state == State::suspended) want(score > 0 && score <= kNever, "its timeout, or the year 5138");
  if (state == State::active) want(score >= execution.number[b], "no earlier than it began, " +
      string(execution.core[b]));
  if (ff::core::is_terminal(state)) {
    auto purged = execution.number[z] + (execution.has(r) ? execution.number[r] : kDefaultRetentionMs);
    // A lane's retention was what it was then.
    bool of_lane = !execution.has(r) && records_.count(execution.core[q]) != 0 && score >= execution.number[z];
    want(of_lane || score == purged, "its end and its retention, " + std::to_string(purged));
  }
}

// What lanes have beside their executions.
void Checker::lane_key(const StoredKey& key) {
  auto rest = key.rest;
  if (starts(rest, "lane:") && of_type(key, "string") && key.count == 1) {
    records_[rest_after(rest, 5)] = snapshot_.values(key)[0];
  }
  if (starts(rest, "sets:") || starts(rest, "fair:")) return void(of_type(key, "zset"));
  bool hash = starts(rest, "routes:");
  if (!hash && !starts(rest, "open:")) return;
  if (!of_type(key, hash ? "hash" : "zset")) return;
  auto values = snapshot_.values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) members_[string(rest)].emplace(values[i]);
}

std::int64_t Checker::step_of(string_view queue) const {
  auto found = records_.find(queue);
  if (found == records_.end()) return kDefaultStepMs;
  auto record = found->second;
  bool strict = record.find("strict") != string_view::npos;
  auto step = json_number(record, "\\\"aging_ms\\\":", strict ? 0 : kDefaultStepMs);
  return step == 0 ? kStrictStep : step;
}

void Checker::check_rank(const StoredKey& key, const Execution& execution, string_view queue, string_view score) {
  auto rank = whole_number(score).value_or(-1), step = step_of(queue);
  auto within = rank - (kPriorityMax - execution.number[p]) * step;
  auto ready = within + kRankEpochMs;
  bool front = within == 0 && step == kStrictStep;
  bool good = front || (ready >= execution.number[c] && (hi_ == 0 || ready <= hi_ + 2000));
  if (good) return;
  complain(execution.ulid, key.rest,
      "a rank of priority " + std::to_string(execution.number[p]) + ", of a time from " +
          std::to_string(execution.number[c]) + " to about " + std::to_string(hi_),
      string(score) + " of " + std::to_string(ready));
}

// A line is named by a digest, which is the library's, and ends in | if its executions have fairness keys: then its
// scores are not their ranks.
void Checker::queue_index(const StoredKey& key) {
  if (!of_type(key, "zset")) return;
  auto rest = rest_after(key.rest, 2);
  auto queue = rest.substr(0, rest.find('|'));
  auto name = rest.substr(std::min(queue.size() + 1, rest.size()));
  bool own = rest.size() == queue.size(), keyed = name.ends_with('|'), common = name == "*";
  if (lanes_.count(queue) == 0) complain({}, key.rest, "its queue in lanes", "not there");
  auto values = snapshot_.values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    auto ulid = common ? values[i].substr(0, kUlidChars) : values[i];
    auto* execution = member(key, ulid);
    if (execution == nullptr || !execution->readable) continue;
    bool here = execution->state == ff::core::State::ready && execution->core[q] == queue &&
        execution->has(fk) == keyed && execution->has(rq) == (name.size() > (keyed ? 1u : 0u));
    if (common) here = here && execution->core[rq] == values[i].substr(ulid.size());
    if (!here) {
      complain(values[i], key.rest, "only ready executions of this queue",
               string(execution->core[s]) + " in " + string(execution->core[q]));
      continue;
    }
    ++execution->in_its_index;
    if (common) ++execution->in_common;
    if (!keyed) check_rank(key, *execution, queue, values[i + 1]);
    if (own) continue;
    auto rank = keyed ? std::int64_t(0) : whole_number(values[i + 1]).value_or(0);
    auto [line, fresh] = lines_.emplace(string(rest), rank);
    if (!fresh) line->second = std::min(line->second, rank);
  }
}

void Checker::waiting_index(const StoredKey& key) {
  if (!of_type(key, "zset")) return;
  auto queue = rest_after(key.rest, 8);
  auto values = snapshot_.values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    auto* execution = member(key, values[i]);
    if (execution == nullptr || !execution->readable) continue;
    bool here = execution->state == ff::core::State::ready && execution->core[q] == queue && execution->routed();
    if (!here) complain(values[i], key.rest, "only ready executions of routes", string(execution->core[s]));
    ++execution->in_waiting;
    check_rank(key, *execution, queue, values[i + 1]);
  }
}

// A line with something waiting is open and known; entries too many are dropped by a claim.
void Checker::check_lines() {
  for (const auto& [line, rank] : lines_) {
    auto bar = line.find('|');
    auto queue = line.substr(0, bar), name = line.substr(bar + 1);
    if (members_["open:" + queue].count(name) == 0) complain({}, "open:" + queue, "the line " + name, "not there");
    if (members_["routes:" + queue].count(name) == 0) complain({}, "routes:" + queue, "the line " + name, "not there");
  }
  for (const auto& key : snapshot_.keys()) {
    if (!starts(key.rest, "open:") || key.type != "zset") continue;
    auto values = snapshot_.values(key);
    for (std::size_t i = 0; i < values.size(); i += 2) {
      auto line = lines_.find(string(rest_after(key.rest, 5)) + "|" + string(values[i]));
      bool keyed = values[i].ends_with('|');  // Its rank is that of the one that was next at the last look.
      if (keyed || line == lines_.end() || whole_number(values[i + 1]).value_or(0) <= line->second) continue;
      complain({}, key.rest, "no rank above the first of " + string(values[i]), string(values[i + 1]));
    }
  }
}

void Checker::side_index(const StoredKey& key, std::size_t Execution::*seen) {
  if (!of_type(key, "zset")) return;
  auto values = snapshot_.values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    auto* execution = member(key, values[i]);
    if (execution == nullptr || !execution->readable) continue;
    ++(execution->*seen);
    auto score = whole_number(values[i + 1]).value_or(-1);
    const auto& have = execution->number;
    bool good = true;
    if (key.rest == "timeouts") good = score == have[b] + execution->timeout();
    else if (!execution->has(u)) good = score == have[d];
    else good = score >= have[u] && (!execution->has(d) || score <= have[d] || score == have[u]);
    // A deadline may have passed before the cancel was asked for.
    if (!good && execution->has(u) && execution->has(d)) good = score == have[d];
    if (!good) complain(values[i], key.rest, "the score that the core implies", string(values[i + 1]));
  }
}

void Checker::idle_index(const StoredKey& key) {
  if (!of_type(key, "zset")) return;
  auto values = snapshot_.values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    if (values[i].empty() || values[i].size() > kFieldBytes) complain({}, key.rest, "a worker", string(values[i]));
    if (whole_number(values[i + 1]).value_or(0) <= 0)
      complain({}, key.rest, "room of 1 or more", string(values[i + 1]));
  }
}

void Checker::check(Execution& execution) {
  if (!execution.readable) return;
  check_fields(execution);
  if (!execution.state) return;
  check_lease(execution);
  check_counts(execution);
  check_satellites(execution);
  check_membership(execution);
  check_steps(execution);
}

void Checker::check_fields(const Execution& execution) {
  must(execution, execution.state.has_value(), s, "a state");
  auto queue = execution.core[q];
  auto slash = queue.find('/');
  bool named = slash != string_view::npos && slash > 0 && slash + 1 < queue.size();
  must(execution, named, q, "<namespace>/<lane>");
  must(execution, lanes_.count(queue) != 0, q, "a member of lanes");
  must(execution, !execution.core[k].empty(), k, "a kind");
  must(execution, execution.has(c), c, "a time");
  for (auto field : kNumbers) {
    bool good = !execution.has(field) || whole_number(execution.core[field]).value_or(-1) >= 0;
    must(execution, good, field, "a whole number");
  }
  must(execution, execution.number[p] <= kPriorityMax, p, "0 to 9000");
  must(execution, !execution.has(t) || execution.number[t] > 0, t, "above 0");
  must(execution, !execution.has(v) || execution.core[v] == "1", v, "1");
  must(execution, !execution.has(j) || execution.core[j] == "1", j, "1");
  must(execution, !execution.has(i) || execution.core[i] == "1", i, "1");
  must(execution, !execution.has(m) || execution.core[m] == "lean", m, "lean");
  must(execution, execution.has(z) == execution.ended(), z, "present exactly when it has ended");
  must(execution, !execution.has(u) || execution.active() || execution.ended(), u, "only of a running attempt");
  must(execution, !(execution.has(m) && execution.ended()), m, "a lean execution is deleted as it ends");
  must(execution, !execution.has(rt) || execution.state == ff::core::State::completed, rt, "only of a result");
  must(execution, execution.state != ff::core::State::failed || execution.has(x), x, "the class it failed with");
}

void Checker::check_lease(const Execution& execution) {
  bool claimed = execution.has(e);
  must(execution, execution.has(w) == claimed, w, "present exactly when it was claimed");
  must(execution, execution.has(b) == claimed, b, "present exactly when it was claimed");
  must(execution, !claimed || execution.number[e] > 0, e, "above 0");
  must(execution, !execution.has(l) || claimed, l, "only of one that was claimed");
  if (execution.active()) {
    must(execution, execution.has(l), l, "the lease of the holder");
    must(execution, !execution.has(o), o, "absent while its holder works");
    return;
  }
  must(execution, execution.has(l) == execution.has(o), l, "present exactly with an outcome its holder reported");
  if (execution.has(o)) {
    bool word = std::find(kOutcomes.begin(), kOutcomes.end(), execution.core[o]) != kOutcomes.end();
    must(execution, word, o, "an outcome");
  }
  if (execution.state == ff::core::State::completed) must(execution, execution.core[o] == "completed", o,
      "completed");
}

void Checker::check_counts(const Execution& execution) {
  const auto& have = execution.number;
  bool running = execution.active();
  must(execution, have[a] == 0 || execution.has(e), a, "0 for one never claimed");
  must(execution, !running || have[a] > 0, a, "above 0");
  must(execution, have[f] + have[n] + (running ? 1 : 0) <= have[a], a,
      "at least its failures and crashes, and the one that runs");
  must(execution, execution.has(x) == (have[f] + have[n] > 0), x, "present exactly after a failure or crash");
  if (execution.ended()) return;
  auto attempts = json_number(execution.policy, "\"max_attempts\":", 3);
  auto crashes = json_number(execution.policy, "\"max\":", 3);
  must(execution, have[f] < attempts || have[f] == 0, f, "below " + std::to_string(attempts));
  must(execution, have[n] <= crashes, n, "at most " + std::to_string(crashes));
}

void Checker::check_satellites(const Execution& execution) {
  // What is left of closed steps goes with them; the note that they were there stays.
  bool noted = execution.has(j) && (execution.more_satellites || execution.has(h));
  must(execution, noted || (!execution.has(j) && !execution.more_satellites), j,
      "1 exactly when there are more satellites");
  must(execution, execution.stream || !execution.frames, j, "frames only beside the state of their stream");
  bool completed = execution.state == ff::core::State::completed;
  must(execution, execution.has(pk) == execution.payload && !(execution.has(pk) && execution.has(pl)), pk,
       "a payload of its own key, and only there");
  if (execution.result && !completed) complain(execution.ulid, "e:" + string(execution.ulid) + ":r", "no result",
      "one");
  if (execution.has(m)) {
    bool kept = execution.history || execution.text || execution.result;
    must(execution, !kept, m, "no history, text or result of a lean one");
  }
  must(execution, execution.history || execution.number[g] == 0, g, "a history of what was replayed");
}

void Checker::check_membership(const Execution& execution) {
  auto count = [&](std::size_t found, std::size_t expected, const string& index) {
    if (found == expected) return;
    complain(execution.ulid, index, std::to_string(expected) + " entry (state " + string(execution.core[s]) + ")",
             std::to_string(found));
  };
  bool ready = execution.state == ff::core::State::ready;
  count(execution.in_its_index, 1, ready ? "q:" + string(execution.core[q]) : string(execution.core[s]));
  bool waits = ready && execution.routed() && execution.in_common == 0;
  count(execution.in_waiting, waits ? 1 : 0, "waiting:" + string(execution.core[q]));
  count(execution.in_timeouts, execution.active() && execution.timeout() > 0 ? 1 : 0, "timeouts");
  count(execution.in_deadlines, !execution.ended() && (execution.has(d) || execution.has(u)) ? 1 : 0, "deadlines");
}

}  // namespace

string Violation::text() const {
  return (execution.empty() ? string("-") : execution) + " " + key + ": expected " + expected + ", found " + found;
}

string CheckReport::text() const {
  string all;
  for (std::size_t i = 0; i < violations.size() && i < 100; ++i) all += violations[i].text() + "\n";
  if (violations.size() > 100) all += "and " + std::to_string(violations.size() - 100) + " more\n";
  return all;
}

CheckReport check_snapshot(const Snapshot& snapshot) { return Checker(snapshot).run(); }

std::vector<Violation> check_step(const Snapshot& before, const Snapshot& after) {
  std::unordered_map<string_view, Execution> earlier;
  std::vector<Violation> violations;
  for (const auto& key : before.keys()) {
    bool core = starts(key.rest, "e:") && key.rest.find(':', 2) == string_view::npos && key.type == "core";
    if (core) read_fields(before, key, earlier[rest_after(key.rest, 2)]);
  }
  for (const auto& key : after.keys()) {
    bool core = starts(key.rest, "e:") && key.rest.find(':', 2) == string_view::npos && key.type == "core";
    auto found = core ? earlier.find(rest_after(key.rest, 2)) : earlier.end();
    if (found == earlier.end()) continue;
    Execution now;
    read_fields(after, key, now);
    const Execution& was = found->second;
    if (was.core[c] != now.core[c]) continue;  // Deleted and submitted again.
    auto expect = [&](bool holds, Field field, string what) {
      if (holds) return;
      violations.emplace_back(string(found->first), after.tag() + ":" + string(key.rest),
                              "field " + string(kFieldNames[field]) + ": " + what + ", was " +
                                  string(was.core[field]),
                              string(now.core[field]));
    };
    bool replayed = now.number[g] > was.number[g];
    expect(now.number[g] >= was.number[g], g, "never smaller");
    expect(now.number[e] >= was.number[e], e, "never smaller");
    expect(now.core[l] == was.core[l] || now.core[l].empty() || now.number[e] > was.number[e], l,
        "a new epoch with a new lease");
    expect(now.core[q] == was.core[q], q, "unchanged");
    expect(now.core[k] == was.core[k], k, "unchanged");
    expect(!was.ended() || replayed || now.core[s] == was.core[s], s, "unchanged after the end");
    expect(!was.ended() || replayed || now.core[z] == was.core[z], z, "unchanged after the end");
    expect(!was.ended() || replayed || now.number[a] == was.number[a], a, "unchanged after the end");
  }
  return violations;
}

CheckReport check_deployment(RespClient& client, const std::string& prefix) {
  CheckReport all;
  for (const auto& snapshot : read_deployment(client, prefix, SnapshotScope())) {
    auto report = check_snapshot(snapshot);
    all.keys += report.keys;
    all.executions += report.executions;
    for (auto& violation : report.violations) all.violations.push_back(std::move(violation));
    for (auto& [state, count] : report.by_state) all.by_state[state] += count;
  }
  return all;
}

}  // namespace ff::test
