#include "model/compare.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <stdexcept>

#include "model/model_parts.hpp"

namespace ff::model {
namespace {

using ff::test::RespValue;

std::string joined(const Entry& entry) {
  std::string line;
  for (const auto& [name, value] : entry) line += name + "=" + value + ";";
  return line;
}

std::string words(const std::vector<std::string>& list) {
  std::string all;
  for (const auto& word : list) all += (all.empty() ? "" : " ") + (word.empty() ? std::string("''") : word);
  return all;
}

// Rows of unspecified order, put in order.
void sort_rows(std::vector<std::string>& fields, std::size_t from, std::size_t size) {
  if (size == 0 || fields.size() <= from || (fields.size() - from) % size != 0) return;
  std::vector<std::vector<std::string>> rows;
  for (auto i = from; i < fields.size(); i += size) {
    rows.emplace_back(fields.begin() + long(i), fields.begin() + long(i + size));
  }
  std::sort(rows.begin(), rows.end());
  fields.resize(from);
  for (auto& row : rows) fields.insert(fields.end(), row.begin(), row.end());
}

bool in_range(const std::string& text, const Reply::Range& range) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return false;
  auto value = std::stoll(text);
  return value >= range.low && value <= range.high;
}

bool is_number(std::string_view text, std::int64_t value) {
  std::array<char, 24> digits;
  auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return text == std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

std::string printable(std::string_view bytes) {
  std::string text(bytes.substr(0, 200));
  return bytes.size() > 200 ? text + "..." : text;
}

}  // namespace

std::string difference(const Reply& expected, const RespValue& got) {
  if (got.is_error()) {
    if (!expected.error.empty() && got.text.compare(0, expected.error.size(), expected.error) == 0) return {};
    return "error reply " + got.text;
  }
  if (!expected.error.empty()) return "an error " + expected.error + " was due";
  std::vector<std::string> found, wanted = expected.fields;
  for (const auto& element : got.elements) found.push_back(element.text);
  for (auto i = expected.json_from; i < found.size(); ++i) found[i] = joined(canonical(found[i]));
  for (const auto& range : expected.ranges) {
    if (range.at < found.size() && in_range(found[range.at], range)) wanted[range.at] = found[range.at];
    else wanted[range.at] = std::to_string(range.low) + ".." + std::to_string(range.high);
  }
  for (auto at : expected.some) {
    if (at < found.size() && found[at].empty() == wanted[at].empty()) wanted[at] = found[at];
  }
  sort_rows(found, expected.rows_from, expected.row_size);
  sort_rows(wanted, expected.rows_from, expected.row_size);
  if (found == wanted) return {};
  std::size_t at = 0;
  while (at < found.size() && at < wanted.size() && found[at] == wanted[at]) ++at;
  return "reply differs at field " + std::to_string(at) + "\n  expected: " + words(wanted) + "\n  answered: " +
      words(found);
}

std::string StateCompare::difference(const Model& model, const ff::test::Snapshot& snapshot) {
  model_ = &model;
  snapshot_ = &snapshot;
  problems_.clear();
  if (parsed_.size() > 20000) parsed_.clear();
  for (const auto& key : snapshot.keys()) {
    if (key.rest.empty()) partition(key);
    else if (key.rest.substr(0, 2) == "e:") execution_key(key);
    else index_key(key);
  }
  count_keys();
  return problems_;
}

void StateCompare::wrong(const Key& key, const std::string& what) {
  problems_ += "  " + (key.rest.empty() ? std::string("(partition)") : std::string(key.rest)) + ": " + what + "\n";
}

void StateCompare::equal(const Key& key, std::string_view found, const std::string& expected) {
  if (found != expected) wrong(key, "expected " + printable(expected) + ", holds " + printable(found));
}

// The clock is written down once a second.
void StateCompare::partition(const Key& key) {
  auto values = snapshot_->values(key);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    if (values[i] == "lv") equal(key, values[i + 1], std::to_string(model_->lanes_version()));
    if (values[i] != "hi") continue;
    auto hi = std::stoll(std::string(values[i + 1]));
    if (hi > model_->now()) wrong(key, "hi is ahead of now");
    bool fresh = model_->now() - hi < 1000 + model_->behind_ms();
    if (model_->committed() && !fresh) wrong(key, "hi is older than a second");
  }
}

void StateCompare::execution_key(const Key& key) {
  auto colon = key.rest.find(':', 2);
  std::string id(key.rest.substr(2, colon == std::string_view::npos ? colon : colon - 2));
  auto found = model_->executions().find(id);
  if (found == model_->executions().end()) return wrong(key, "no such execution");
  if (colon == std::string_view::npos) return core(key, found->second);
  satellite(key, found->second, key.rest.substr(colon + 1));
}

// A payload of more than 256 bytes has a key of its own.
bool payload_apart(const Execution& execution) { return execution.payload.size() > 256; }

// Every field that the model implies and no other; of numbers that count, absent is 0.
void StateCompare::core(const Key& key, const Execution& execution) {
  struct Field {
    std::string_view name;
    std::string value;
  };
  std::array<Field, 32> expected;
  std::size_t count = 0;
  auto text = [&](std::string_view name, std::string value) { expected[count++] = {name, std::move(value)}; };
  auto number = [&](std::string_view name, std::int64_t value) {
    if (value != 0) text(name, std::to_string(value));
  };
  text("s", std::string(ff::core::to_string(execution.state)));
  text("q", execution.queue());
  text("k", execution.kind);
  text("c", std::to_string(execution.created));
  number("p", execution.priority);
  number("g", execution.generation);
  number("a", execution.attempts);
  number("f", execution.failures);
  number("n", execution.crashes);
  number("e", execution.epoch);
  if (execution.lease) text("l", *execution.lease);
  if (!execution.worker.empty()) text("w", execution.worker);
  number("b", execution.began);
  if (execution.outcome) text("o", *execution.outcome);
  if (execution.ended) text("z", std::to_string(*execution.ended));
  if (execution.failure_class) text("x", *execution.failure_class);
  if (execution.deadline) text("d", std::to_string(*execution.deadline));
  if (execution.cancel_requested) text("u", std::to_string(*execution.cancel_requested));
  if (execution.watched) text("v", "1");
  if (execution.tailed) text("i", "1");
  if (execution.lean) text("m", "lean");
  number("t", execution.timeout_ms());
  if (execution.policy.retention) text("r", std::to_string(execution.policy.retention->count()));
  const auto& required = execution.requirements;
  if (!required.empty()) text("rq", required.size() <= kInCore ? required : "@" + digest(required));
  if (!execution.fairness_key.empty()) text("fk", execution.fairness_key);
  if (execution.weight > 1) text("fw", std::to_string(execution.weight));
  number("tl", execution.lane_timeout);
  if (execution.steps) text("h", std::to_string(*execution.steps));
  if (execution.has_satellites()) text("j", "1");
  if (!execution.content_type.empty()) text("ct", execution.content_type);
  if (!execution.result_type.empty()) text("rt", execution.result_type);
  if (payload_apart(execution)) text("pk", "1");
  else if (!execution.payload.empty()) text("pl", execution.payload);

  auto values = snapshot_->values(key);
  std::size_t seen = 0;
  for (std::size_t i = 0; i < values.size(); i += 2) {
    bool counter = values[i] == "p" || values[i] == "g" || values[i] == "a" || values[i] == "f" || values[i] == "n";
    if (counter && values[i + 1] == "0") continue;
    auto end = expected.begin() + long(count);
    auto want = std::find_if(expected.begin(), end, [&](const Field& field) { return field.name == values[i]; });
    if (want == end) {
      wrong(key, "field " + std::string(values[i]) + " is not due, holds " + std::string(values[i + 1]));
      continue;
    }
    ++seen;
    if (want->value != values[i + 1]) {
      wrong(key, "field " + std::string(values[i]) + ": expected " + want->value + ", holds " +
          std::string(values[i + 1]));
    }
  }
  if (seen == count) return;
  for (std::size_t i = 0; i < count; ++i) {
    bool there = false;
    for (std::size_t f = 0; f < values.size(); f += 2) there = there || values[f] == expected[i].name;
    if (!there) wrong(key, "field " + std::string(expected[i].name) + " is missing, expected " + expected[i].value);
  }
}

void StateCompare::satellite(const Key& key, const Execution& execution, std::string_view which) {
  auto values = snapshot_->values(key);
  if (which == "h") return history(key, execution);
  if (which == "s") return stream_state(key, execution);
  if (which == "f") {
    // What they hold is asked for by read_frames.
    return equal(key, key.note, std::to_string(execution.stream ? execution.stream->frames.size() : 0));
  }
  if (which == "o") {
    if (!execution.progress) return wrong(key, "not due");
    for (std::size_t i = 0; i < values.size(); i += 2) {
      if (values[i] == "percent") equal(key, values[i + 1], std::to_string(execution.progress->percent));
      else if (values[i] == "at") equal(key, values[i + 1], std::to_string(execution.progress->at));
      else if (values[i] == "message") equal(key, values[i + 1], execution.progress->message);
      else wrong(key, "unknown field");
    }
    return;
  }
  if (which.size() > 1 && which[0] != 'r') return step(key, execution, which);
  std::string expected;
  if (which == "p" && payload_apart(execution)) expected = execution.payload;
  else if (which == "r") expected = execution.result;
  else if (which == "x") expected = execution.text;
  else if (which == "y") expected = execution.stores_policy() ? execution.policy_text : "";
  else if (which == "t") expected = execution.tags;
  else if (which == "n") expected = execution.requirements.size() > kInCore ? execution.requirements : "";
  else {
    auto old = execution.old_results.find(std::stoll(std::string(which.substr(1))));
    if (old != execution.old_results.end()) expected = old->second;
  }
  if (expected.empty() || values.empty()) return wrong(key, "not due");
  equal(key, values[0], expected);
}

void StateCompare::stream_state(const Key& key, const Execution& execution) {
  if (!execution.stream) return wrong(key, "not due");
  const auto& stream = *execution.stream;
  std::map<std::string_view, std::string> expected = {
      {"g", std::to_string(stream.generation)}, {"n", std::to_string(stream.last)}, {"l", stream.lease},
      {"b", std::to_string(stream.base)}, {"z", std::to_string(stream.bytes)}};
  if (stream.summary) {
    const auto& [place, frame] = *stream.summary;
    expected["d"] = frame.data;
    expected["p"] = std::to_string(place.first) + "-" + std::to_string(place.second) + " " + frame.attempt + " " +
        std::to_string(frame.at);
  }
  auto values = snapshot_->values(key);
  if (values.size() != 2 * expected.size()) wrong(key, "another number of fields is due");
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    auto want = expected.find(values[i]);
    if (want == expected.end()) wrong(key, "field " + std::string(values[i]) + " is not due");
    else equal(key, values[i + 1], want->second);
  }
}

// The document is looked at by the verbs that read it; here it must be there.
void StateCompare::step(const Key& key, const Execution& execution, std::string_view which) {
  auto number = std::stoll(std::string(which.substr(1)));
  auto values = snapshot_->values(key);
  std::map<std::string, std::string> expected;
  if (which[0] == 'd') {
    auto answers = execution.answers.find(number);
    if (answers == execution.answers.end()) return wrong(key, "not due");
    for (std::size_t i = 0; i < answers->second.size(); ++i) {
      const auto& s = answers->second[i];
      const auto length = std::to_string(s.name.size());
      expected[s.label + "/" + s.id] =
          std::to_string(i + 1) + " " + s.first + " " + length + " " + s.name + " " + s.source;
    }
  } else {
    auto found = execution.step.find(number);
    if (found == execution.step.end()) return wrong(key, "not due");
    if (which[0] == 's') return;
    const auto& signals = found->second.signals;
    for (std::size_t i = 0; i < signals.size(); ++i) expected[std::to_string(i + 1)] = record_of(signals[i]);
  }
  std::map<std::string, std::string> have;
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) have[std::string(values[i])] = values[i + 1];
  if (have != expected) wrong(key, "holds other signals or answers");
}

void StateCompare::history(const Key& key, const Execution& execution) {
  const auto& expected = execution.history;
  equal(key, key.note, std::to_string(expected.size()));
  auto values = snapshot_->values(key);
  for (std::size_t i = 0; i < values.size() && i < expected.size(); ++i) {
    auto text = values[values.size() - 1 - i];
    auto parsed = parsed_.find(text);
    if (parsed == parsed_.end()) parsed = parsed_.emplace(text, canonical(text)).first;
    const auto& want = expected[expected.size() - 1 - i];
    if (parsed->second != want) wrong(key, "expected " + joined(want) + ", holds " + joined(parsed->second));
  }
}

void StateCompare::sorted(const Key& key, Scores expected) {
  std::sort(expected.begin(), expected.end());
  auto values = snapshot_->values(key);
  bool same = values.size() == 2 * expected.size();
  for (std::size_t i = 0; same && i < expected.size(); ++i) {
    same = values[2 * i] == expected[i].second && is_number(values[2 * i + 1], expected[i].first);
  }
  if (same) return;
  std::string want, have;
  for (auto& [score, member] : expected) want += std::string(member) + "=" + std::to_string(score) + " ";
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    have += std::string(values[i]) + "=" + std::string(values[i + 1]) + " ";
  }
  wrong(key, "expected " + want + ", holds " + have);
}

void StateCompare::index_key(const Key& key) {
  Scores expected;
  auto rest = key.rest;
  if (limit_key(key) || lane_key(key)) return;
  if (rest == "ev") return events(key);
  if (rest.substr(0, 2) == "i:") return known(key);
  if (rest == "lanes") {
    auto values = snapshot_->values(key);
    std::set<std::string> have(values.begin(), values.end());
    if (have != model_->lanes()) wrong(key, "holds other lanes");
    return;
  }
  if (rest == "handoffs") {
    for (const auto& [queue, at] : model_->handoffs()) expected.emplace_back(at, queue);
  } else if (rest.substr(0, 5) == "idle:") {
    auto idle = model_->idle().find(std::string(rest.substr(5)));
    if (idle == model_->idle().end()) return wrong(key, "nobody is idle");
    for (const auto& [worker, room] : idle->second) expected.emplace_back(room, worker);
  } else if (rest == "waitpoints") {
    for (const auto& [id, execution] : model_->executions()) {
      if (execution.expiry) expected.emplace_back(*execution.expiry, id);
    }
  } else if (rest == "timeouts" || rest == "deadlines") {
    for (const auto& [id, execution] : model_->executions()) {
      auto at = execution.deadline_entry();
      bool timed = execution.state == State::active && execution.attempt_ms() > 0;
      if (rest == "timeouts" && timed) expected.emplace_back(execution.began + execution.attempt_ms(), id);
      if (rest == "deadlines" && at) expected.emplace_back(*at, id);
    }
  } else {
    for (State state : ff::core::kStates) {
      if (ff::core::to_string(state) != rest) continue;
      for (const auto* execution : model_->in_state(state)) expected.emplace_back(execution->timer, execution->id);
    }
  }
  sorted(key, std::move(expected));
}

void StateCompare::known(const Key& key) {
  auto found = model_->known().find(std::string(key.rest.substr(2)));
  if (found == model_->known().end()) return wrong(key, "no such idempotency key");
  const auto& want = found->second;
  auto values = snapshot_->values(key);
  equal(key, values.empty() ? "" : values[0], want.id + " " + std::to_string(want.expires) + " " + want.fingerprint);
}

void StateCompare::events(const Key& key) {
  if (model_->event_count() < 4096) equal(key, key.note, std::to_string(model_->event_count()));
  const auto& expected = model_->events();
  auto values = snapshot_->values(key);
  std::size_t entry = 0;
  for (std::size_t i = 0; i < values.size() && entry < expected.size(); ++entry) {
    auto count = static_cast<std::size_t>(std::stoull(std::string(values[i])));
    std::vector<std::string> have(values.begin() + long(i) + 1, values.begin() + long(i + 1 + count));
    const auto& want = expected[expected.size() - 1 - entry];
    if (have != want) wrong(key, "expected " + words(want) + ", holds " + words(have));
    i += 1 + count;
  }
}

// All keys there are have been compared; so it is enough to count what must be there.
void StateCompare::count_keys() {
  std::size_t due = model_->known().size() + model_->idle().size() + limit_keys() + lane_keys();
  std::array<bool, ff::core::kStates.size()> states{};
  bool timeouts = false, deadlines = false, expiries = false;
  for (const auto& [id, have] : model_->executions()) {
    due += 1 + have.old_results.size();
    for (bool there : {payload_apart(have), !have.result.empty(), !have.text.empty(), have.stores_policy(),
                       !have.tags.empty(), have.progress.has_value(), !have.history.empty(), have.stream.has_value(),
                       have.stream && !have.stream->frames.empty(), have.requirements.size() > kInCore}) {
      due += there ? 1 : 0;
    }
    due += have.step.size() + have.answers.size();
    for (const auto& [_, step] : have.step) due += step.signals.empty() ? 0 : 1;
    expiries = expiries || have.expiry.has_value();
    timeouts = timeouts || (have.state == State::active && have.attempt_ms() > 0);
    deadlines = deadlines || have.deadline_entry().has_value();
    if (have.state != State::ready) states[static_cast<std::size_t>(have.state)] = true;
  }
  due += static_cast<std::size_t>(std::count(states.begin(), states.end(), true));
  for (bool there : {timeouts, deadlines, expiries, !model_->handoffs().empty(), !model_->lanes().empty(),
      model_->event_count() != 0}) {
    due += there ? 1 : 0;
  }
  std::size_t found = 0;
  for (const auto& key : snapshot_->keys()) found += key.rest.empty() ? 0 : 1;
  if (found == due) return;
  problems_ += "  " + std::to_string(due) + " keys are due, there are " + std::to_string(found) + ":";
  for (const auto& key : snapshot_->keys()) problems_.append(" ").append(key.rest);
  problems_ += "\n";
}

}  // namespace ff::model
