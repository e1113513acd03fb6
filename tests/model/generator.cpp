#include "model/generator.hpp"

#include <algorithm>
#include <array>

#include "model/model_parts.hpp"

namespace ff::model {
namespace {

constexpr std::int64_t kStartUs = 1'800'000'000'000'000;  // January 2027.
constexpr std::size_t kSeenMax = 40, kRecentMax = 6, kResendMax = 4;
const std::vector<std::string> kNamespaces = {"acme", "beta"}, kLanes = {"default", "bulk"};
const std::vector<std::string> kClasses = {"unavailable", "internal", "invalid_input", "not_found", "mine"};
const std::vector<std::string> kTexts = {"", "boom", "line one\nline \"two\"\\",
    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\x89",
                                         std::string(511, 'a') + "\xe2\x82\xac tail"};

// What some runs leave out, so that there is room for the rest.
enum class Part { always, limits, lanes };
struct Weight {
  const char* verb;
  std::uint64_t share;
  Part part = Part::always;
};
constexpr Weight kWeights[] = {
    {"submit", 16}, {"claim", 18},         {"complete", 10}, {"fail", 9},     {"release", 7},   {"renew", 6},
        {"progress", 3}, {"append_frames", 7}, {"read_frames", 4}, {"tail_frames", 2},
    {"cancel", 6},  {"change_priority", 3}, {"replay", 5},   {"purge", 2},    {"watch", 2},     {"describe", 2},
        {"list", 2},
    {"count", 1},   {"result", 2},         {"payload", 1},   {"run_due", 9},  {"pass_wake", 2}, {"leave", 1},
    {"open_waitpoints", 8}, {"suspend", 12}, {"signal", 28}, {"resume", 3}, {"waitpoints", 2}, {"signals", 2},
    {"set_lanes", 6, Part::lanes}, {"reserve", 60, Part::limits}, {"keep", 24, Part::limits},
    {"report_usage", 24, Part::limits},
    {"set_quota", 8, Part::limits}, {"pause_quota", 4, Part::limits}, {"set_budget", 8, Part::limits},
    {"set_resets", 4, Part::limits}, {"drop_limit", 2, Part::limits}, {"describe_limit", 4, Part::limits},
    {"list_limits", 1, Part::limits}};

std::string padded(const std::string& prefix, std::uint64_t number) {
  auto digits = std::to_string(number);
  return prefix + std::string(26 - prefix.size() - digits.size(), '0') + digits;
}

}  // namespace

const std::vector<std::string>& Generator::workers() {
  static const std::vector<std::string> names = {"w1", "w2", "w3"};
  return names;
}

const std::vector<std::string>& Generator::all_ids() {
  static const std::vector<std::string> ids = {"01JEXEC0000000000000000017", "01JEXEC0000000000000A9XYZ3",
                                               "01JEXEC00000000000QWERTY42", "01JEXEC0000000ZZZZZZZZZZZZ",
                                               "01JEXEC0000000000000000000", "01JEXEC00000000K3J4H5G6F7D"};
  return ids;
}

std::set<std::string> Generator::listened() { return {"w1", "w2"}; }

Generator::Generator(ff::test::Rng rng, Focus focus)
    : rng_(rng), clock_us_(kStartUs + std::int64_t(rng_.below(1'000'000'000))) {
  ids_.assign(all_ids().begin(), all_ids().begin() + 1 + long(rng_.below(all_ids().size())));
  bool many_lives = rng_.chance(0.2), limits = rng_.chance(0.25), lanes = rng_.chance(0.35);
  limits = focus == Focus::none ? limits : focus == Focus::limits;
  lanes = lanes || focus == Focus::lanes;
  routed_ = rng_.chance(focus == Focus::lanes ? 0.7 : 0.3) ? 0.4 + 0.6 * rng_.unit() : 0;
  if (limits) ids_.resize(std::min<std::size_t>(ids_.size(), 2));  // What is looked at is what a step costs.
  else if (routed_ > 0) ids_ = all_ids();
  one_lane_ = routed_ > 0 && rng_.chance(0.7);
  do routes_.push_back(pick(requirement_texts()));
  while (rng_.chance(0.6));
  if (rng_.chance(0.3)) routes_ = {"#mail", "#calls", "#calls #mail", "$team?tokens=3", "+gpu"};
  std::uint64_t sum = 0;
  for (const auto& weight : kWeights) {
    // Some verbs are rare or absent in a run, so that others meet states they would seldom see.
    std::string_view verb = weight.verb;
    bool needed = verb == "submit" || verb == "claim";
    std::uint64_t factor = needed ? 4 : rng_.below(8);
    if (many_lives && (verb == "complete" || verb == "replay")) factor = 20;
    if (many_lives && verb == "purge") factor = 0;
    if (weight.part == Part::limits && !limits) factor = 0;
    if (weight.part == Part::lanes && !lanes) factor = 0;
    sum += weight.share * factor;
    weights_.emplace_back(weight.verb, sum);
  }
  // In some runs much happens within one microsecond.
  still_ = rng_.chance(0.15) ? 0.97 : 0.2 + 0.6 * rng_.unit();
  jump_ = 0.3 * rng_.unit();
  back_ = rng_.chance(0.3) ? 0.01 : 0;
}

void Generator::move_clock(const Model& model, Op& op) {
  bool back = false;
  if (!rng_.chance(still_)) {
    auto next = model.earliest();
    if (next && rng_.chance(jump_)) {
      // To just before, at, or just after the next timer, as the partition's clock will show it.
      auto target = (*next - model.behind_ms() + rng_.between(-1, 1)) * 1000 + rng_.between(0, 999);
      clock_us_ = std::max(clock_us_, target);
    } else if (rng_.chance(back_)) {
      clock_us_ -= rng_.between(1, 5'000'000);
      back = true;
    } else {
      auto kind = rng_.below(20);
      if (kind < 8) clock_us_ += rng_.between(1, 999);
      else if (kind < 15) clock_us_ += rng_.between(1'000, 60'000);
      else if (kind < 18) clock_us_ += rng_.between(100'000, 3'000'000);
      else if (kind < 19) clock_us_ += 35'000'000;
      else if (rng_.chance(0.1)) clock_us_ += 90'000'000'000;  // Past the default retention.
    }
  }
  op.clock_us = clock_us_;
  op.reload = !back && model.behind_ms() == 0 && clock_us_ / 1000 >= model.now() && rng_.chance(0.002);
}

void Generator::note_leases(const Model& model) {
  for (const auto& [id, execution] : model.executions()) {
    if (!execution.lease) continue;
    auto both = *execution.lease + std::to_string(execution.epoch);
    auto& known = current_[id];
    if (known == both) continue;
    known = both;
    seen_.push_back({id, *execution.lease, std::to_string(execution.epoch)});
    if (seen_.size() > kSeenMax) seen_.pop_front();
  }
}

Op Generator::next(const Model& model) {
  note_leases(model);
  Op op;
  if (!recent_.empty() && rng_.chance(0.15)) {
    // A call whose reply was lost is sent again, sooner or later.
    op = recent_[recent_.size() - 1 - rng_.below(std::min<std::size_t>(recent_.size(), kResendMax))];
    move_clock(model, op);
    return op;
  }
  auto at = rng_.below(weights_.back().second);
  auto found = std::find_if(weights_.begin(), weights_.end(),
      [at](const auto& weight) { return at < weight.second; });
  op.verb = found->first;
  op.args = make(op.verb, model);
  move_clock(model, op);
  recent_.push_back(op);
  if (recent_.size() > kRecentMax) recent_.pop_front();
  return op;
}

// Mostly the first where a run keeps to one lane.
const std::string& Generator::some(const Words& words) {
  return one_lane_ && rng_.chance(0.9) ? words.front() : pick(words);
}

std::string Generator::number(std::initializer_list<std::int64_t> choices) {
  return std::to_string(*(choices.begin() + long(rng_.below(choices.size()))));
}

// Mostly one that exists, and one that ended if asked for.
std::string Generator::id(const Model& model, bool ended) {
  Words good;
  for (const auto& [id, execution] : model.executions()) {
    if (execution.ended_already() == ended) good.push_back(id);
  }
  return good.empty() || rng_.chance(0.15) ? pick(ids_) : pick(good);
}

// Mostly the execution's own.
std::string Generator::ns(const Model& model, const std::string& id) {
  auto found = model.executions().find(id);
  return found == model.executions().end() || rng_.chance(0.05) ? pick(kNamespaces) : found->second.ns;
}

std::string Generator::generation(const Model& model, const std::string& id) {
  auto found = model.executions().find(id);
  auto now = found == model.executions().end() ? 0 : found->second.generation;
  return std::to_string(rng_.chance(0.7) ? now : now + rng_.between(-2, 1));
}

std::string Generator::queues() {
  auto name = [this] { return some(kNamespaces) + "/" + some(kLanes); };
  if (rng_.chance(0.02)) return "";
  std::string all = name();
  while (rng_.chance(0.6)) all.append(",").append(name());
  return all;
}

std::string Generator::fresh_lease() { return padded("01KLEASE", ++leases_made_); }

// Mostly one that is held; else an old one, or one that never was.
Generator::Held Generator::lease(const Model& model) {
  std::vector<Held> held;
  for (const auto& [id, execution] : model.executions()) {
    if (execution.state == State::active) held.push_back({id, *execution.lease, std::to_string(execution.epoch)});
  }
  Held chosen;
  if (!held.empty() && rng_.chance(0.7)) chosen = held[rng_.below(held.size())];
  else if (!seen_.empty()) chosen = seen_[rng_.below(seen_.size())];
  else chosen = {pick(ids_), fresh_lease(), "1"};
  auto spoil = rng_.below(30);
  if (spoil == 0) chosen.epoch = std::to_string(std::stoll(chosen.epoch) + (rng_.chance(0.5) ? 1 : -1));
  if (spoil == 1) chosen.lease = fresh_lease();
  if (spoil == 2) chosen.id = pick(ids_);
  if (spoil == 3 && !seen_.empty()) chosen.epoch = seen_[rng_.below(seen_.size())].epoch;
  return chosen;
}

void Generator::add_leases(const Model& model, Words& words, bool with_result) {
  do {
    auto one = lease(model);
    words.insert(words.end(), {one.id, one.lease, one.epoch});
    if (with_result) words.insert(words.end(), {rng_.chance(0.5) ? "text/plain" : "",
        rng_.chance(0.6) ? pick(kTexts) : ""});
  } while (rng_.chance(0.35));
}

void Generator::submit_item(const Model& model, Words& words) {
  Words unused;
  for (const auto& id : ids_) {
    if (model.executions().count(id) == 0) unused.push_back(id);
  }
  std::string id = unused.empty() || rng_.chance(0.15) ? pick(ids_) : pick(unused);
  if (words.size() == 2 && rng_.chance(0.005)) id = "01J-------------not-a-ULID";
  auto now = std::max(model.now(), clock_us_ / 1000);
  bool later = rng_.chance(0.25);
  bool key = rng_.chance(0.2) && id.find('-') == std::string::npos;
  const auto& policies = palette();
  // Up to 256 bytes the payload is in the core.
  auto sevens = std::string(rng_.below(3) * 247 + 1, '7');
  words.insert(words.end(), {id, some(kLanes), "send-mail"});
  words.push_back(rng_.chance(0.6) ? std::string("\0\xff\r\nbytes", 9) + sevens : "");
  words.push_back(number({0, 0, 0, 1, 500, 9000}));
  words.push_back(later && rng_.chance(0.4) ? std::to_string(now + rng_.between(-50, 2000)) : "0");
  words.push_back(later ? number({0, 1, 20, 500, 70000}) : "0");
  words.push_back(rng_.chance(0.1) ? std::to_string(now + rng_.between(-10, 300)) : "0");
  words.push_back(rng_.chance(0.15) ? number({0, 1, 30, 400, 5000}) : "0");
  words.push_back(key ? pick({"k1", "k2", "key 3"}) : "");
  words.push_back(number({0, 10, 1000, 60000}));
  words.push_back(rng_.chance(0.8) ? "print" : "other print");
  words.push_back(rng_.chance(0.7 * routed_) ? pick(routes_) : "");
  bool fair = rng_.chance(routed_ / 2);
  words.insert(words.end(), {fair ? pick({"ann", "bob", "tenant:3"}) : "", fair ? number({1, 1, 3, 1000}) : "0"});
  words.push_back(rng_.chance(0.3) ? "" : policies[rng_.below(policies.size())].text);
  words.push_back(rng_.chance(0.2) ? R"({"team":"a"})" : "");
  words.push_back(rng_.chance(0.3) ? "application/json" : "");
}

constexpr std::size_t kSubmitFields = 18, kSubmitAlways = 4;

// Items that differ in little: each is made like the one before it. `plain`: nothing rare but priority and policy.
void Generator::make_alike(Words& words, bool plain) {
  constexpr std::size_t lane = 1, kind = 2, payload = 3, priority = 4, policy = 15;
  constexpr std::array<std::size_t, 6> times_and_weight = {5, 6, 7, 8, 10, 14};
  for (std::size_t i = 2; i < words.size(); i += kSubmitFields) {
    if (rng_.chance(0.5)) words[i + kind] = "resize";
    if (rng_.chance(0.7)) words[i + payload] = std::string(1 + rng_.below(40), 'p') + words[i];
    if (i == 2 && rng_.chance(0.6)) words[i + policy] = "";
    for (auto field = kSubmitAlways; plain && field < kSubmitFields; ++field) {
      if (field != priority && field != policy) words[i + field] = "";
    }
    for (auto field : times_and_weight) words[i + field] = plain ? "0" : words[i + field];
    for (auto field : {lane, kind, priority, policy}) {
      if (i > 2 && rng_.chance(0.8)) words[i + field] = words[i + field - kSubmitFields];
    }
  }
}

// As a binding does: rare fields that no item has do not travel; sometimes all do.
Generator::Words Generator::submit(const Model& model) {
  constexpr auto fields = kSubmitFields, always = kSubmitAlways;
  Words full = {some(kNamespaces), rng_.chance(0.05) ? "1" : "0"};
  const bool alike = rng_.chance(0.4), plain = rng_.chance(0.7);
  do submit_item(model, full);
  while (rng_.chance(alike ? 0.7 : 0.35));
  if (alike) make_alike(full, plain);
  std::uint64_t columns = !alike && rng_.chance(0.3) ? (1u << (fields - always)) - 1 : 0;
  for (std::size_t i = 2; i < full.size(); ++i) {
    auto field = (i - 2) % fields;
    if (field >= always && !full[i].empty() && full[i] != "0") columns |= std::uint64_t(1) << (field - always);
  }
  Words words = {full[0], full[1], std::to_string(columns)};
  for (std::size_t i = 2; i < full.size(); ++i) {
    auto field = (i - 2) % fields;
    if (field < always || (columns >> (field - always) & 1) != 0) words.push_back(full[i]);
  }
  return words;
}

// Of few different workers; allowances for what may wait.
void Generator::add_abilities(Words& words) {
  words.push_back(!rng_.chance(routed_) ? "" : rng_.chance(0.4) ? capability_texts().back() : pick(capability_texts()));
  std::string allowances;
  for (const auto& text : requirement_texts()) {
    bool given = Required(text).limited && rng_.chance(0.6 * routed_);
    if (given) allowances += (allowances.empty() ? "" : ",") + number({0, 1, 1, 2}) + " " + text;
  }
  words.push_back(allowances);
}

// The next version of a lane's record as change_lane writes it, an older one, or all records at once.
Generator::Words Generator::set_lanes(const Model& model) {
  Words words = {rng_.chance(0.1) ? std::to_string(model.lanes_version() + rng_.between(0, 2)) : "0"};
  for (const auto& queue : {"acme/default", "acme/bulk", "beta/default"}) {
    if (!rng_.chance(0.4)) continue;
    auto which = rng_.below(lane_policies().size());
    const auto& policy = lane_policies()[which];
    auto version = std::to_string(std::max<std::int64_t>(1, model.lanes_version() + (rng_.chance(0.9) ? 1 : -1)));
    std::string text = "{\"version\":" + version + ",\"which\":" + std::to_string(which);
    text += ",\"state\":\"" + pick({"running", "running", "running", "paused", "draining"}) + "\",\"policy\":\"";
    for (char c : ff::core::to_wire(policy)) text += (c == '"' ? "\\" : "") + std::string(1, c);
    text += "\"";
    if (policy.strict) text += rng_.chance(0.9) ? ",\"home\":0" : ",\"home\":3";
    if (policy.depth) text += ",\"share\":" + std::to_string(*policy.depth);
    words.insert(words.end(), {queue, version, text + "}"});
  }
  return words;
}

Generator::Words Generator::claim(const Model& model) {
  Words words = {pick(workers()), fresh_lease(), number({1, 30, 100, 1000, 30000}), number({0, 1, 1, 2, 5}), "0",
      queues()};
  add_abilities(words);
  if (!rng_.chance(0.15)) return words;
  words[4] = "1";
  auto old = lease(model);
  if (rng_.chance(0.8)) words[1] = old.lease;
  return words;
}

Generator::Words Generator::complete(const Model& model) {
  Words words = {pick(workers()), fresh_lease(), number({30, 1000}), number({0, 0, 1, 2}), queues()};
  add_abilities(words);
  words.push_back(number({0, 0, 1}));
  add_leases(model, words, true);
  return words;
}

// Mostly what comes next under the lease; else something that was appended, or comes later.
Generator::Words Generator::append_frames(const Model& model) {
  auto one = lease(model);
  Words words = {one.id, one.lease, one.epoch};
  auto found = model.executions().find(one.id);
  std::int64_t next = 1;
  if (found != model.executions().end() && found->second.stream && found->second.stream->lease == one.lease) {
    next = found->second.stream->last - found->second.stream->base + 1;
  }
  words.push_back(std::to_string(rng_.chance(0.8) ? next : next + rng_.between(-3, 2)));
  do {
    bool patch = rng_.chance(0.3);
    words.push_back(patch ? "summary" : "durable");
    words.push_back(rng_.chance(0.5) ? "line" : "");
    words.push_back(rng_.chance(0.2) ? "text/plain" : "");
    // Patches that are no objects replace the document; how objects are merged is tested by itself.
    words.push_back(patch ? pick({"1", "[ 1, {} ]", R"("text")", rng_.chance(0.1) ? "{" : "null"}) : pick(kTexts));
  } while (rng_.chance(0.4));
  return words;
}

Generator::Words Generator::list(const Model& model) {
  Words states = {"sleeping"};
  for (State state : ff::core::kStates) states.emplace_back(ff::core::to_string(state));
  auto state = pick(states);
  std::string cursor;
  if (rng_.chance(0.4)) {
    auto found = model.executions().find(pick(ids_));
    if (found != model.executions().end()) {
      const auto& have = found->second;
      auto score = have.state == State::ready ? model.rank(have) : have.timer;
      if (have.state == State::ready && !have.line().empty()) cursor = have.line() == kCommonLine ? "*" : "+";
      cursor += std::to_string(score + (rng_.chance(0.8) ? 0 : 1)) + " " + have.id;
      if (rng_.chance(0.7)) state = std::string(ff::core::to_string(have.state));
    }
  }
  if (rng_.chance(0.03)) cursor = "nonsense";
  return {pick(kNamespaces), state, rng_.chance(0.5) ? pick(kLanes) : "", cursor, number({1, 1, 2, 100})};
}

Generator::Words Generator::make(const std::string& verb, const Model& model) {
  if (verb == "submit") return submit(model);
  if (verb == "claim") return claim(model);
  if (verb == "complete") return complete(model);
  if (verb == "list") return list(model);
  if (verb == "count") return {};
  if (verb == "run_due") return {number({0, 1, 2, 8, 100}), number({0, 1})};
  if (verb == "pass_wake") return {pick(kNamespaces) + "/" + pick(kLanes)};
  if (verb == "leave") return {pick(workers()), queues(), rng_.chance(routed_) ? pick(capability_texts()) : ""};
  if (verb == "set_lanes") return set_lanes(model);
  if (verb == "release") {
    Words words = {number({0, 1}), number({0, 0, 20, 500}), pick(kTexts), number({0, 0, 1})};
    add_leases(model, words, false);
    return words;
  }
  if (verb == "renew") {
    Words words = {number({1, 50, 1000, 30000})};
    add_leases(model, words, false);
    return words;
  }
  const bool leased = verb == "fail" || verb == "progress" || verb == "suspend" || verb == "open_waitpoints";
  if (leased) return of_lease(verb, model);
  if (verb == "signal" || verb == "resume" || verb == "waitpoints" || verb == "signals") return of_step(verb, model);
  if (verb == "append_frames") return append_frames(model);
  auto part = std::find_if(std::begin(kWeights), std::end(kWeights),
                           [&verb](const Weight& weight) { return verb == weight.verb; })->part;
  if (part == Part::limits) return of_limit(verb, model);
  bool of_ended = verb == "replay" || verb == "purge" || verb == "result";
  auto one = id(model, of_ended);
  if (verb == "cancel" && rng_.chance(0.4)) {
    // One whose grace runs already.
    for (const auto& [name, execution] : model.executions()) {
      if (execution.cancel_requested && !execution.ended_already()) one = name;
    }
  }
  Words words = {ns(model, one), one};
  if (verb == "cancel") words.insert(words.end(), {number({0, 0, 10, 300, 60000}), pick(kTexts)});
  if (verb == "change_priority") words.push_back(number({0, 1, 500, 9000}));
  if (verb == "replay") words.push_back(generation(model, one));
  if (verb == "read_frames") {
    words.insert(words.end(), {generation(model, one), number({0, 0, 1, 2, 5}), number({1, 1000})});
  }
  if (verb == "result") words.push_back(rng_.chance(0.4) ? "-1" : generation(model, one));
  return words;
}

Generator::Words Generator::of_lease(const std::string& verb, const Model& model) {
  auto one = lease(model);
  Words words = {one.id, one.lease, one.epoch};
  if (verb == "fail") {
    words.insert(words.end(), {pick(kClasses), pick(kTexts), number({-1, -1, -1, 0, 40}), number({0, 0, 1})});
  }
  if (verb == "progress") words.insert(words.end(), {number({-1, 0, 100}), pick(kTexts)});
  if (verb == "suspend") {
    words.push_back(rng_.chance(0.1) ? pick({conditions().back().text, ""})
                                     : conditions()[rng_.below(conditions().size() - 1)].text);
    words.push_back(number({0, 0, 1, 40, 2000, 60000, -1}));
    words.push_back(pick({"fail", "expire", "resume", "retry", "retry"}));
    words.push_back(number({0, 0, 0, 25, 1000}));
    words.push_back(rng_.chance(0.3) ? std::string("\0kept\xff", 6) : "");
  }
  if (verb == "suspend" || verb == "open_waitpoints") add_waitpoints(words);
  return words;
}

void Generator::add_waitpoints(Words& words) {
  for (const char* label : {"a", "b"}) {
    if (rng_.chance(0.3)) continue;
    words.insert(words.end(), {label, pick({"", "", "", "go", "go,stop"}), number({0, 0, 0, 1, 3}),
                               number({0, 0, 4}), number({0, 0, 0, 30, 2000}), "", ""});
    if (rng_.chance(0.02)) words[words.size() - 5] = "10001";
  }
}

Generator::Words Generator::of_step(const std::string& verb, const Model& model) {
  auto one = id(model, rng_.chance(0.1));
  Words good;
  for (const auto& [name, execution] : model.executions()) {
    if (execution.steps && !execution.ended_already()) good.push_back(name);
  }
  if (!good.empty() && rng_.chance(0.8)) one = pick(good);
  auto found = model.executions().find(one);
  std::int64_t step = 1;
  if (found != model.executions().end() && found->second.steps) {
    step = verb == "signal" ? found->second.open_step() : *found->second.steps;
    if (rng_.chance(0.25)) step = std::max<std::int64_t>(0, step + rng_.between(-2, 1));
  }
  Words words = {ns(model, one), one};
  if (verb == "resume") words.push_back(std::to_string(step));
  if (verb == "signals") words.insert(words.end(), {std::to_string(step), number({1, 2}), number({1, 2, 100})});
  if (verb != "signal") return words;
  words.push_back(std::to_string(step) + pick({".a", ".b", ".b", ".c"}));
  words.push_back(pick({"s1", "s2", "s3", "s 4", "s5", "s6"}));
  words.push_back(pick({"go", "go", "stop", "else"}));
  words.push_back(pick({"", "eve", "bob", "ann"}));
  words.push_back(rng_.chance(0.3) ? "text/plain" : "");
  words.push_back(rng_.chance(0.5) ? std::string("\0\xff:", 3) : rng_.chance(0.6) ? "longer" : "");
  return words;
}

}  // namespace ff::model
