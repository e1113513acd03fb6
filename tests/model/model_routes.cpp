// Routes: lines, fair shares, what a worker may take and in which order, and who is woken. Executions with the same
// requirements stand in one line; of several lines the one whose first is best is served.
//
// The contract leaves open which of two lines goes first whose first executions rank the same. The model decides that
// as the library does, by what `open` says of them; check_claim() then holds the outcome against nothing but the
// executions themselves.
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <limits>

#include "model/model_parts.hpp"

namespace ff::model {
namespace {

constexpr std::int64_t kTagMax = (std::int64_t(1) << 39) - 1, kServiceKnownMs = 60'000;
constexpr std::int64_t kSetSeenMs = 10'000, kSetKeptMs = 3'600'000, kSweepMs = 60'000, kForgetMs = 600'000;
constexpr std::int64_t kLiveMs = 120'000, kCountMs = 10'000, kPruneMs = 1000;
constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kInCoreMax = 64;
constexpr int kWakeTries = 8;

bool keyed(const std::string& name) { return name.ends_with('|'); }

}  // namespace

std::string digest(const std::string& text) {
  static std::map<std::string, std::string> known;
  auto& hex = known[text];
  if (!hex.empty()) return hex;
  std::array<unsigned char, SHA_DIGEST_LENGTH> hash{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  for (std::size_t i = 0; i < 8; ++i) {
    hex += "0123456789abcdef"[hash[i] >> 4];
    hex += "0123456789abcdef"[hash[i] & 15];
  }
  return hex;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from <= text.size();) {
    auto end = std::min(text.find(at, from), text.size());
    if (end > from) parts.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

Required::Required(const std::string& text) {
  for (const auto& term : split(text, ' ')) {
    if (term[0] == '+') needs.insert(term.substr(1));
    else if (term[0] == '~') prefers.insert(term.substr(1));
    else limited = true;
  }
}

ff::core::Capabilities capabilities_of(const std::string& text) {
  auto words = split(text, ',');
  return {words.begin(), words.end()};
}

std::string route_of(const std::string& queue, const std::string& name) {
  return name.empty() ? queue : queue + "|" + name;
}

bool is_common(const std::string& requirements) {
  Required required(requirements);
  return required.limited && required.needs.empty() && required.prefers.empty() && requirements.size() <= kInCoreMax;
}

std::string Execution::line() const {
  if (!sorted_out && fairness_key.empty() && is_common(requirements)) return kCommonLine;
  return (requirements.empty() ? "" : digest(requirements)) + (fairness_key.empty() ? "" : "|");
}

std::int64_t Model::rank(const Execution& execution) const {
  auto step = lane(execution.queue()).step;
  auto within = execution.timer == 0 ? 0 : std::clamp<std::int64_t>(execution.timer - kRankEpochMs, 1, kStrictStep - 1);
  return (kPriorityMax - execution.priority) * step + within;
}

// The lane's own line, and those of routes, by rank; one with fairness keys in the order of service.
std::vector<const Execution*> Model::in_line(const std::string& queue, const std::string& name) const {
  std::vector<std::pair<std::int64_t, const Execution*>> all;
  for (const auto& [_, execution] : executions_) {
    if (execution.state != State::ready || execution.queue() != queue || execution.line() != name) continue;
    all.emplace_back(keyed(name) ? execution.service : rank(execution), &execution);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second->id < b.second->id;
  });
  std::vector<const Execution*> ordered;
  for (const auto& [_, execution] : all) ordered.push_back(execution);
  return ordered;
}

std::vector<const Execution*> Model::in_queue(const std::string& queue) const { return in_line(queue, ""); }

std::vector<const Execution*> Model::in_lines(const std::string& queue) const {
  std::vector<const Execution*> all;
  for (const auto& [_, execution] : executions_) {
    bool here = execution.state == State::ready && execution.queue() == queue && !execution.line().empty();
    if (here) all.push_back(&execution);
  }
  std::sort(all.begin(), all.end(), [this](const Execution* a, const Execution* b) {
    auto left = rank(*a), right = rank(*b);
    return left != right ? left < right : a->id < b->id;
  });
  return all;
}

std::vector<const Execution*> Model::in_waiting(const std::string& queue) const {
  auto all = in_lines(queue);
  std::erase_if(all, [](const Execution* one) { return one->line() == kCommonLine; });
  return all;
}

// The tag that a line serves now: as remembered, else that of the first that waits.
std::int64_t Model::serving(const std::string& queue, const std::string& name) {
  auto& services = remembered_[queue].services;
  auto known = services.find(name);
  if (known != services.end() && now_ - known->second.at < kServiceKnownMs) return known->second.tag;
  std::optional<std::tuple<std::int64_t, std::string, std::int64_t>> first;
  auto look = [&first](std::int64_t service, const std::string& id, std::int64_t priority) {
    auto one = std::tuple(service, id, priority);
    if (!first || one < *first) first = one;
  };
  for (const auto* one : in_line(queue, name)) look(one->service, one->id, one->priority);
  for (const auto& one : leaving_) {
    if (one.line == route_of(queue, name)) look(one.service, one.id, one.priority);
  }
  Remembered::Service service;
  service.at = now_;
  if (first) {
    auto [score, id, priority] = *first;
    service.tag = std::max<std::int64_t>(0, score - (kPriorityMax - priority) * lane(queue).step);
  }
  services[name] = service;
  return service.tag;
}

// Start-time fair queueing: it stands where the one before it with the same key and priority ends, but not before what
// is served now.
void Model::place(Execution& execution, std::int64_t ms, std::int64_t priority) {
  execution.sorted_out = false;
  const auto queue = execution.queue(), name = execution.line();
  bool front = ms == kFront;
  auto step = lane(queue).step;
  std::int64_t service = 0;
  if (keyed(name)) {
    auto now = serving(queue, name);
    service = (kPriorityMax - priority) * step + now;
    if (!front) {
      auto& stands = lines_[queue].fair[name][execution.fairness_key + "/" + std::to_string(priority)];
      auto tag = std::max(stands, now);
      service += tag - now;
      stands = std::min(kTagMax, tag + std::max<std::int64_t>(1, 1000 / execution.weight));
    }
    counters_.count(front ? "placed in front of a fair line" : "placed in a fair line");
  }
  execution.priority = priority;
  execution.timer = !front ? ms : step == kStrictStep ? 0 : execution.created;
  execution.service = service;
  if (!name.empty()) {
    auto& lines = lines_[queue];
    lines.routes[name] = name == kCommonLine ? kCommonText : execution.requirements;
    auto rank_now = rank(execution);
    auto open = lines.open.emplace(name, rank_now).first;
    open->second = std::min(open->second, rank_now);
  }
}

void Model::start(Execution& execution, const Claim& claim, Reply& reply) {
  auto ready_at = execution.timer;
  auto timeout = lane(execution.queue()).policy.execution.attempt_timeout;
  if (execution.timeout_ms() == 0) execution.lane_timeout = timeout ? timeout->count() : 0;
  if (execution.lane_timeout > 0) counters_.count("timeout of the lane");
  ++execution.attempts;
  execution.epoch = std::max(execution.epoch + 1, now_us_);
  execution.lease = claim.lease;
  execution.outcome.reset();
  execution.worker = claim.worker;
  execution.began = now_;
  move(execution, State::active, now_ + claim.lease_ms);
  hand_over(execution, ready_at, reply);
}

// Takes from a line while its first ranks no worse than `limit`. The worker leaves what prefers others until that has
// waited for long enough.
void Model::take_from(Line& line, const std::string& queue, const Claim& claim, std::int64_t& room,
                      std::int64_t limit, Reply& reply) {
  auto ready = in_line(queue, line.name);
  std::size_t i = 0;
  for (; i < ready.size() && room > 0 && rank(*ready[i]) <= limit; ++i, --room) {
    auto& execution = executions_.at(ready[i]->id);
    line.waits = line.patient && execution.timer + kPatienceMs > now_;
    if (line.waits) {
      counters_.count("left for a preferred worker");
      break;
    }
    if (line.patient) counters_.count("taken by another than the preferred");
    if (keyed(line.name)) {
      auto& service = remembered_[queue].services[line.name];
      auto tag = execution.service - (kPriorityMax - execution.priority) * lane(queue).step;
      service.tag = std::max(service.tag, tag);
      service.at = now_;
    }
    if (line.limited) --claim.allowed[line.requirements];
    if (!line.name.empty()) counters_.count(keyed(line.name) ? "taken from a fair line" : "taken from a route");
    start(execution, claim, reply);
  }
  line.rank.reset();
  if (i < ready.size()) line.rank = rank(*ready[i]);
}

void Model::note_lacking(const Claim& claim, const std::string& queue, const Line& line) {
  if (claim.refused.count(line.requirements) != 0) return;
  auto waiting = in_line(queue, line.name).size();
  if (!claim.has_place(line.requirements) || (waiting == 0 && !line.touched)) return;
  handoffs_.erase(route_of(queue, line.name));
  counters_.count("allowance lacking");
  claim.lacking.push_back(std::to_string(std::max<std::size_t>(1, waiting)) + " " + line.requirements);
  auto first = line.rank.value_or(0);
  if (!line.touched && lines_[queue].routes.size() == 1) {  // Nobody has looked at it.
    first = kNoLimit;
    for (const auto* execution : in_line(queue, line.name)) first = std::min(first, rank(*execution));
  }
  claim.lacking_head = std::min(claim.lacking_head.value_or(first), first);
}

// The lines that the worker can take from, as `open` has them.
std::vector<Model::Line> Model::lines_for(const std::string& queue, const Claim& claim) {
  const auto& lines = lines_[queue];
  std::vector<std::pair<std::int64_t, std::string>> open;
  for (const auto& [name, rank] : lines.open) open.emplace_back(rank, name);
  if (lines.routes.size() == 1) open = {{0, lines.routes.begin()->first}};  // The only one is looked at itself.
  std::sort(open.begin(), open.end());
  std::vector<Line> found;
  auto has = capabilities_of(claim.capabilities);
  for (const auto& [rank, name] : open) {
    Line line(name, lines.routes.at(name));
    Required required(line.requirements);
    if (!ff::core::satisfies_all(has, required.needs)) {
      counters_.count("route out of reach");
      continue;
    }
    line.patient = !ff::core::satisfies_all(has, required.prefers);
    line.limited = required.limited;
    line.rank = line.opened = rank;
    line.common = name == kCommonLine;
    if (line.common) {
      line.limited = false;  // What waits there is looked at one by one.
      for (const auto* execution : in_line(queue, name)) line.entries.push_back(execution->id);
    }
    if (!line.limited || claim.allowed[line.requirements] > 0) found.push_back(line);
    else note_lacking(claim, queue, line);
  }
  return found;
}

Model::Taken Model::take_lines(const std::string& queue, const Claim& claim, std::int64_t room, Reply& reply) {
  bool alone = lines_[queue].routes.size() == 1;
  auto forgotten = sweep(queue);
  claim.lacking_most = std::max(claim.lacking_max(), std::int64_t(claim.lacking.size()) + 4);
  auto lines = lines_for(queue, claim);
  Line own("", "");
  if (auto ready = in_queue(queue); !ready.empty()) own.rank = rank(*ready[0]);
  lines.insert(lines.begin(), own);
  auto room_of = [&claim](const Line& line) { return line.limited ? claim.allowed[line.requirements] : kNoLimit; };
  auto best = [&] {
    Line* first = nullptr;
    for (auto& line : lines) {
      bool may = line.rank && !line.waits && room_of(line) > 0;
      if (may && (first == nullptr || *line.rank < *first->rank)) first = &line;
    }
    return first;
  };
  Taken taken;
  while (room > taken.count) {
    Line* line = best();
    if (line == nullptr) break;
    auto limit = kNoLimit;
    for (const auto& other : lines) {
      bool may = &other != line && other.rank && !other.waits && room_of(other) > 0;
      if (may) limit = std::min(limit, *other.rank);
    }
    auto most = std::min(room - taken.count, room_of(*line)), left = most;
    if (line->common) take_common(*line, queue, claim, left, limit, reply);
    else take_from(*line, queue, claim, left, limit, reply);
    line->touched = true;
    taken.count += most - left;
  }
  if (auto* line = best()) taken.head = line->rank;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].common) {
      if (lines[i].touched) settle_common(queue, lines[i], alone);
      if (lines[i].more) ++taken.left;
      continue;
    }
    if (lines[i].touched) settle(queue, lines[i], alone);
    if (!lines[i].rank || lines[i].waits) continue;
    if (room_of(lines[i]) > 0) ++taken.left;
    else note_lacking(claim, queue, lines[i]);
  }
  if (lines[0].rank) taken.left += std::int64_t(in_queue(queue).size());
  for (const auto& name : forgotten) {
    if (lines_[queue].open.count(name) == 0) lines_[queue].routes.erase(name);
  }
  return taken;
}

Model::Taken Model::take(const std::string& queue, const Claim& claim, std::int64_t room, Reply& reply) {
  Taken taken;
  if (lane(queue).state == ff::core::LaneState::paused) {
    if (!in_queue(queue).empty()) counters_.count("paused lane left alone");
    return taken;
  }
  bool routed = !lines_[queue].routes.empty();
  if (routed || !claim.capabilities.empty()) note_set(queue, claim.capabilities);
  if (routed) {
    taken = take_lines(queue, claim, room, reply);
  } else {
    Line own("", "");
    auto left = room;
    take_from(own, queue, claim, left, kNoLimit, reply);
    taken.count = room - left;
    taken.head = own.rank;
    taken.left = std::int64_t(in_queue(queue).size());
  }
  auto& known = remembered_[queue];
  if (taken.count > 0) {
    known.started += taken.count;
    if (now_ - known.counted_since >= kCountMs) {
      known.started = 0;
      known.counted_since = now_;
    }
  }
  return taken;
}

// What a claim leaves of a line it has looked at: where nobody waits everybody begins anew.
void Model::settle(const std::string& queue, const Line& line, bool alone) {
  auto& lines = lines_[queue];
  auto& services = remembered_[queue].services;
  if (!line.rank) {
    services.erase(line.name);
    lines.fair.erase(line.name);
    lines.open.erase(line.name);
    return;
  }
  if (!alone || *line.rank < line.opened) lines.open[line.name] = *line.rank;
  auto service = services.find(line.name);
  if (service == services.end() || now_ - service->second.pruned < kPruneMs) return;
  service->second.pruned = now_;
  auto fair = lines.fair.find(line.name);
  if (fair == lines.fair.end()) return;
  std::erase_if(fair->second, [&](const auto& key) { return key.second <= service->second.tag; });
  if (fair->second.empty()) lines.fair.erase(fair);
}

// What a line requires is forgotten when it has been empty for ten minutes, as a look each minute sees it.
std::vector<std::string> Model::sweep(const std::string& queue) {
  auto& known = remembered_[queue];
  std::vector<std::string> forgotten;
  if (known.swept == 0) known.swept = now_;
  if (now_ - known.swept < kSweepMs) return forgotten;
  known.swept = now_;
  for (const auto& [name, _] : lines_[queue].routes) {
    if (lines_[queue].open.count(name) != 0) {
      known.idle_since.erase(name);
      continue;
    }
    auto since = known.idle_since.emplace(name, now_).first->second;
    if (now_ - since < kForgetMs) continue;
    known.idle_since.erase(name);
    forgotten.push_back(name);
    counters_.count("empty line forgotten");
  }
  return forgotten;
}

void Model::note_set(const std::string& queue, const std::string& capabilities) {
  auto& seen = remembered_[queue].seen;
  auto known = seen.find(capabilities);
  if (known != seen.end() && now_ - known->second < kSetSeenMs) return;
  seen[capabilities] = now_;
  auto& sets = lines_[queue].sets;
  std::erase_if(sets, [this](const auto& set) { return set.second <= now_ - kSetKeptMs; });
  sets[capabilities] = now_;
}

bool Model::is_served(const std::string& queue, const std::string& requirements) const {
  auto known = remembered_.find(queue);
  auto idle = [this](const std::string& index) { return idle_.count(index) != 0; };
  Required required(requirements);
  if (required.needs.empty()) {
    bool started = known != remembered_.end() && known->second.started > 0 &&
                   now_ - known->second.counted_since < kLiveMs;
    if (started || idle(queue)) return true;
  }
  auto lines = lines_.find(queue);
  if (lines == lines_.end()) return false;
  return std::any_of(lines->second.sets.begin(), lines->second.sets.end(), [&](const auto& set) {
    if (!ff::core::satisfies_all(capabilities_of(set.first), required.needs)) return false;
    return now_ - set.second < kLiveMs || idle(set.first.empty() ? queue : queue + "|" + digest(set.first));
  });
}

std::string Model::required_by(const std::string& queue, const std::string& name) const {
  auto lines = lines_.find(queue);
  if (lines == lines_.end()) return {};
  auto found = lines->second.routes.find(name);
  return found == lines->second.routes.end() ? "" : found->second;
}

bool Model::is_choosy(const Offer& offer) const {
  return !Required(required_by(offer.queue, offer.name)).prefers.empty();
}

void Model::offer(const std::string& queue, const std::string& name, std::int64_t count, const std::string& last) {
  auto offer = std::find_if(offers_.begin(), offers_.end(),
                            [&](const Offer& known) { return known.queue == queue && known.name == name; });
  if (offer == offers_.end()) offer = offers_.insert(offer, Offer{queue, name, 0, ""});
  offer->count += count;
  if (offer->last.empty()) offer->last = last;
}

// All that waits in a lane, its own line first, then the one whose first is best.
std::vector<Model::Offer> Model::all_offers(const std::string& queue) const {
  std::vector<Offer> offers;
  if (lane(queue).state == ff::core::LaneState::paused) return offers;
  auto add = [&](const std::string& name) {
    auto waiting = std::int64_t(in_line(queue, name).size());
    if (waiting > 0) offers.push_back({queue, name, waiting, ""});
  };
  add("");
  auto lines = lines_.find(queue);
  if (lines == lines_.end()) return offers;
  std::vector<std::pair<std::int64_t, std::string>> open;
  for (const auto& [name, rank] : lines->second.open) open.emplace_back(rank, name);
  std::sort(open.begin(), open.end());
  for (const auto& [_, name] : open) add(name);
  return offers;
}

// Indexes of idle workers that can take the line, preferred ones first; patient: those only.
std::vector<std::string> Model::idle_indexes(const Offer& offer, bool patient) const {
  Required required(required_by(offer.queue, offer.name));
  std::vector<std::string> preferred, others;
  bool choosy = !required.prefers.empty();
  if (required.needs.empty()) (choosy ? others : preferred).push_back(offer.queue);
  std::vector<std::pair<std::int64_t, std::string>> sets;
  auto lines = lines_.find(offer.queue);
  if (lines != lines_.end()) {
    for (const auto& [text, at] : lines->second.sets) sets.emplace_back(at, text);
  }
  std::sort(sets.begin(), sets.end());
  for (const auto& [_, text] : sets) {
    auto has = capabilities_of(text);
    if (text.empty() || !ff::core::satisfies_all(has, required.needs)) continue;
    bool other = choosy && !ff::core::satisfies_all(has, required.prefers);
    (other ? others : preferred).push_back(offer.queue + "|" + digest(text));
  }
  if (choosy && patient) return preferred;
  preferred.insert(preferred.end(), others.begin(), others.end());
  return preferred;
}

// Wakes idle workers of one index: the one that ran it last, then the ones with most room; who is not heard of is dead
// and forgotten.
void Model::wake_from(Offer& offer, const std::string& index, int& tries, Woken& woken) {
  auto idle = idle_.find(index);
  auto wake_up = [&](const std::string& worker, const char* how) {
    messages_.emplace_back("w:" + worker, "ready " + offer.queue);
    counters_.count(how);
    woken.any = true;
  };
  if (idle != idle_.end() && idle->second.erase(offer.last) != 0 && listened_.count(offer.last) != 0) {
    wake_up(offer.last, "last worker woken");
    --offer.count;
  }
  woken.more = true;
  while (offer.count > 0 && tries < kWakeTries) {
    woken.more = idle != idle_.end() && !idle->second.empty();
    if (!woken.more) break;
    auto best = idle->second.begin();
    for (auto at = idle->second.begin(); at != idle->second.end(); ++at) {
      if (at->second >= best->second) best = at;
    }
    auto [worker, room] = *best;
    idle->second.erase(best);
    ++tries;
    if (listened_.count(worker) == 0) {
      counters_.count("dead worker dropped");
      continue;
    }
    wake_up(worker, index == offer.queue ? "worker woken" : "worker with capabilities woken");
    offer.count -= room;
  }
  if (idle != idle_.end() && idle->second.empty()) idle_.erase(idle);
}

Model::Woken Model::wake(Offer& offer, bool patient) {
  Woken woken;
  if (lane(offer.queue).state == ff::core::LaneState::paused) return woken;
  int tries = 0;
  for (const auto& index : idle_indexes(offer, patient)) {
    wake_from(offer, index, tries, woken);
    if (woken.more) break;
  }
  return woken;
}

// By brute force: of all executions those that the worker may take, by what they require themselves.
std::vector<Model::Eligible> Model::eligible(const Claim& claim) const {
  std::vector<Eligible> all;
  auto has = capabilities_of(claim.capabilities);
  for (const auto& [id, execution] : executions_) {
    const auto queue = execution.queue();
    bool asked = std::find(claim.queues.begin(), claim.queues.end(), queue) != claim.queues.end();
    if (execution.state != State::ready || !asked) continue;
    Required required(execution.requirements);
    if (!ff::core::satisfies_all(has, required.needs)) continue;
    if (lane(queue).state == ff::core::LaneState::paused) continue;
    if (required.limited && claim.allowed[execution.requirements] == 0) continue;
    Eligible one;
    one.queue = queue;
    one.line = route_of(queue, execution.line());
    if (execution.line() == kCommonLine) one.line += execution.requirements;  // Each class has an order of its own.
    one.id = id;
    if (required.limited) one.requirements = execution.requirements;
    one.rank = rank(execution);
    one.order = keyed(one.line) ? execution.service : one.rank;
    one.waits = !ff::core::satisfies_all(has, required.prefers) && execution.timer + kPatienceMs > now_;
    all.push_back(one);
  }
  return all;
}

// Nothing else is given; of a line what comes first in it; never an allowance more than the claim had; nothing of a
// worse rank after another line had a better one to give; and there is no room left while something could be given.
void Model::check_claim(const Claim& claim, const std::vector<Eligible>& before, std::size_t rows, const Reply& reply) {
  std::map<std::string, std::size_t> given;  // In their order, from 1.
  for (auto i = rows; i < reply.fields.size(); i += kRowFields) given.emplace(reply.fields[i], given.size() + 1);
  std::map<std::string, std::size_t> last_of;
  std::map<std::string, const Eligible*> next_of;
  std::size_t known = 0;
  for (const auto& one : before) {
    auto found = given.find(one.id);
    if (found != given.end()) {
      ++known;
      last_of[one.line] = std::max(last_of[one.line], found->second);
      if (one.waits) broken_ = one.id + " was given to another worker than it prefers";
      continue;
    }
    auto& next = next_of[one.line];
    if (next == nullptr || std::pair(one.order, one.id) < std::pair(next->order, next->id)) next = &one;
  }
  if (known != given.size()) broken_ = "given what the worker may not take";
  for (const auto& [text, left] : claim.allowed) {
    if (left < 0) broken_ = "more was given than allowed of " + text;
  }
  for (const auto& one : before) {
    auto found = given.find(one.id);
    if (found == given.end()) continue;
    for (const auto& [line, next] : next_of) {
      bool could = !next->waits && (next->requirements.empty() || claim.allowed[next->requirements] > 0);
      if (line == one.line && std::pair(next->order, next->id) < std::pair(one.order, one.id)) {
        broken_ = one.id + " was given before " + next->id;
      }
      auto last = last_of.find(line);
      bool later = last == last_of.end() || found->second > last->second;
      if (could && next->queue == one.queue && later && one.rank > next->rank) {
        broken_ = one.id + " was given, " + next->id + " is better";
      }
    }
  }
  for (const auto& [_, next] : next_of) {
    bool could = !next->waits && (next->requirements.empty() || claim.allowed[next->requirements] > 0);
    if (could && std::int64_t(given.size()) < claim.want) broken_ = next->id + " was not given";
  }
}

}  // namespace ff::model
