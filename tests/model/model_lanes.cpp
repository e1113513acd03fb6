// Lanes: what their records change of the executions in them.
#include <algorithm>

#include "model/model_parts.hpp"

namespace ff::model {
namespace {

using ff::core::LaneState;
using ff::core::RetryPolicy;

constexpr std::int64_t kRetentionResent = 60'000;

// The name, or number, behind `field` in a record. Records of the test are written by its generator.
std::string word_of(const std::string& record, const std::string& field) {
  auto at = record.find("\"" + field + "\":");
  if (at == std::string::npos) return {};
  at += field.size() + 3;
  if (record[at] == '"') return record.substr(at + 1, record.find('"', at + 1) - at - 1);
  return record.substr(at, record.find_first_of(",}", at) - at);
}

std::optional<std::int64_t> number_of(const std::string& record, const std::string& field) {
  auto text = word_of(record, field);
  if (text.empty()) return std::nullopt;
  return std::stoll(text);
}

bool has_delays(const RetryPolicy& retry) {
  return retry.strategy || retry.delay || retry.factor || retry.max_delay || retry.delays || retry.jitter;
}

Lane lane_of(const std::string& record) {
  Lane lane;
  lane.record = record;
  lane.version = *number_of(record, "version");
  lane.state = ff::core::parse_lane_state(word_of(record, "state")).value();
  lane.policy = lane_policies().at(static_cast<std::size_t>(*number_of(record, "which")));
  lane.depth = number_of(record, "share");
  if (lane.policy.strict) lane.home = number_of(record, "home");
  auto aging = lane.policy.aging ? lane.policy.aging->count() : lane.home ? 0 : lane.step;
  lane.step = aging > 0 ? aging : kStrictStep;
  return lane;
}

}  // namespace

const Lane& Model::lane(const std::string& queue) const {
  static const Lane never_set = Lane();
  auto found = records_.find(queue);
  return found == records_.end() ? never_set : found->second;
}

// The execution's own word, else its lane's of now. Delays and classes only make sense together.
ff::core::Policy Model::effective(const Execution& execution) {
  const auto& of_lane = lane(execution.queue()).policy.execution;
  auto policy = execution.policy;
  auto& retry = policy.retry;
  const auto& other = of_lane.retry;
  if (!has_delays(retry)) {
    retry.strategy = other.strategy;
    retry.delay = other.delay;
    retry.factor = other.factor;
    retry.max_delay = other.max_delay;
    retry.delays = other.delays;
    retry.jitter = other.jitter;
  }
  if (!retry.only && !retry.never) {
    retry.only = other.only;
    retry.never = other.never;
  }
  if (!retry.max_attempts) retry.max_attempts = other.max_attempts;
  auto& crash = policy.crash;
  if (!crash.max) crash.max = of_lane.crash.max;
  if (!crash.delay) crash.delay = of_lane.crash.delay;
  if (!crash.max_delay) crash.max_delay = of_lane.crash.max_delay;
  if (!(policy == execution.policy)) counters_.count("policy of the lane");
  return policy;
}

std::int64_t Model::retention_ms(const Execution& execution) const {
  const auto& of_lane = lane(execution.queue()).policy.execution.retention;
  return execution.policy.retention.value_or(of_lane.value_or(ff::core::policy_default::kRetention)).count();
}

// Why the lane takes no new execution now; empty: it does. `where`: what stands for the execution's id.
std::string Model::lane_refuses(const Execution& item, bool again, bool keyed,
                                std::map<std::string, std::int64_t>& depths, std::string& where) const {
  const auto queue = item.queue();
  const auto& lane_now = lane(queue);
  // Of its own retention the client knows: it does not send again what may be over by then.
  const auto& kept = lane_now.policy.execution.retention;
  bool short_lived = item.lean || (kept && kept->count() < kRetentionResent);
  if (again && !keyed && short_lived) return "unknown_outcome";
  if (lane_now.home && *lane_now.home != 0) {
    where = std::to_string(*lane_now.home);
    return "elsewhere";
  }
  if (lane_now.state == LaneState::draining) return "lane_draining";
  if (!lane_now.depth) return {};
  auto waiting = std::int64_t(in_queue(queue).size() + in_lines(queue).size());
  auto depth = ++depths.emplace(queue, waiting).first->second;
  return depth > *lane_now.depth ? "lane_full" : "";
}

// All that waits gets the place it would have had.
void Model::rank_anew(const std::string& queue, const Lane& from, const Lane& to) {
  counters_.count("ranked anew");
  std::map<std::string, std::int64_t> lowest;
  for (auto& [_, execution] : executions_) {
    if (execution.state != State::ready || execution.queue() != queue) continue;
    execution.service += (kPriorityMax - execution.priority) * (to.step - from.step);
    if (execution.timer == 0 && to.step != kStrictStep) execution.timer = execution.created;
    const auto name = execution.line();
    if (name.empty()) continue;
    auto now = rank(execution);
    auto first = lowest.emplace(name, now).first;
    first->second = std::min(first->second, now);
  }
  for (const auto& [name, rank] : lowest) lines_[queue].open[name] = rank;
}

Reply Model::set_lanes(Args& args) {
  auto all_to = args.integer();
  std::vector<std::string> resumed;
  while (args.more()) {
    std::string queue = args.bytes();
    auto version = args.integer();
    std::string record = args.bytes();
    if (version == lanes_version_ + 1) lanes_version_ = version;
    const Lane before = lane(queue);
    if (version <= before.version) {
      counters_.count("older lane record");
      continue;
    }
    auto changed = lane_of(record);
    records_[queue] = changed;
    remembered_.erase(queue);
    if (changed.step != before.step) rank_anew(queue, before, changed);
    bool was_paused = before.state == LaneState::paused;
    if (was_paused && changed.state != LaneState::paused) resumed.push_back(queue);
    counters_.count("lane " + std::string(ff::core::to_string(changed.state)));
  }
  lanes_version_ = std::max(lanes_version_, all_to);
  commit();
  for (const auto& queue : resumed) {
    auto offers = all_offers(queue);
    offers_.insert(offers_.end(), offers.begin(), offers.end());
    if (!offers.empty()) counters_.count("resumed lane offered");
  }
  commit();
  return answered({"ok", std::to_string(lanes_version_)});
}

}  // namespace ff::model
