// Lanes and lines: what the model says of them against what is stored.
#include <deque>
#include <string>

#include "model/compare.hpp"
#include "model/model_parts.hpp"

namespace ff::model {

// Whether the key is of a lane; then it is compared.
bool StateCompare::lane_key(const Key& key) {
  auto colon = key.rest.find(':');
  if (colon == std::string_view::npos) return false;
  auto kind = key.rest.substr(0, colon);
  std::string of(key.rest.substr(colon + 1)), queue = of.substr(0, of.find('|'));
  std::string name = queue.size() == of.size() ? "" : of.substr(queue.size() + 1);
  auto values = snapshot_->values(key);
  Scores expected;
  if (kind == "q") {
    std::deque<std::string> entries;
    for (const auto* one : model_->in_line(queue, name)) {
      entries.push_back(name == kCommonLine ? one->id + one->requirements : one->id);
      expected.emplace_back(name.ends_with('|') ? one->service : model_->rank(*one), entries.back());
    }
    return sorted(key, std::move(expected)), true;
  }
  if (kind == "waiting") {
    for (const auto* one : model_->in_waiting(queue)) expected.emplace_back(model_->rank(*one), one->id);
    return sorted(key, std::move(expected)), true;
  }
  if (kind == "lane") return equal(key, values.empty() ? "" : values[0], model_->lane(queue).record), true;
  if (kind != "open" && kind != "sets" && kind != "fair" && kind != "routes") return false;
  auto found = model_->lines().find(queue);
  if (found == model_->lines().end()) return wrong(key, "the lane has no lines"), true;
  const auto& lines = found->second;
  if (kind == "routes") {
    std::map<std::string, std::string> have;
    for (std::size_t i = 0; i + 1 < values.size(); i += 2) have.emplace(values[i], values[i + 1]);
    if (have != lines.routes) wrong(key, "holds other routes");
    return true;
  }
  auto fair = lines.fair.find(name);
  if (kind == "fair" && fair == lines.fair.end()) return wrong(key, "nobody waits or was served"), true;
  const auto& scores = kind == "open" ? lines.open : kind == "sets" ? lines.sets : fair->second;
  for (const auto& [member, score] : scores) expected.emplace_back(score, member);
  return sorted(key, std::move(expected)), true;
}

std::size_t StateCompare::lane_keys() const {
  std::set<std::string> lines, queues;
  for (const auto& [_, have] : model_->executions()) {
    if (have.state != State::ready) continue;
    const auto name = have.line(), queue = have.queue();
    lines.insert(route_of(queue, name));
    if (!name.empty() && name != kCommonLine) queues.insert(queue);
  }
  auto due = lines.size() + queues.size() + model_->records().size();
  for (const auto& [_, have] : model_->lines()) {
    for (bool there : {!have.routes.empty(), !have.open.empty(), !have.sets.empty()}) due += there ? 1 : 0;
    due += have.fair.size();
  }
  return due;
}

}  // namespace ff::model
