#include "ff/core/lane_policy.hpp"

#include <fmt/format.h>

#include <array>

#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"

namespace ff::core {
namespace {

Result<void> check(std::string_view field, const std::optional<std::int64_t>& value, std::int64_t least,
                   std::int64_t most) {
  if (!value || (*value >= least && *value <= most)) return {};
  return Error(Code::invalid_argument, "bad_policy",
               fmt::format("{} is {}, must be {} to {}", field, *value, least, most));
}

constexpr std::array kLaneStates = {LaneState::running, LaneState::paused, LaneState::draining};

}  // namespace

Result<void> validate(const LanePolicy& policy) {
  if (auto good = validate(policy.execution); !good) return good;
  if (auto good = check("weight", policy.weight, 1, limits::kWeightMax); !good) return good;
  if (auto good = check("depth", policy.depth, 1, limits::kLaneDepthMax); !good) return good;
  if (auto good = check("concurrency", policy.concurrency, 0, limits::kLaneConcurrencyMax); !good) return good;
  std::optional<std::int64_t> aging;
  if (policy.aging) aging = policy.aging->count();
  return check("aging_ms", aging, 0, limits::kAgingMsMax);
}

std::string to_wire(const LanePolicy& policy) {
  std::string text = to_wire(policy.execution);
  const auto append = [&text](std::string_view name, std::string_view json) {
    if (!text.empty()) text.pop_back();
    text += fmt::format("{}\"{}\":{}}}", text.empty() ? "{" : ",", name, json);
  };
  if (policy.weight) append("weight", std::to_string(*policy.weight));
  if (policy.depth) append("depth", std::to_string(*policy.depth));
  if (policy.concurrency) append("concurrency", std::to_string(*policy.concurrency));
  if (policy.aging) append("aging_ms", std::to_string(policy.aging->count()));
  if (policy.strict) append("ordering", "\"strict\"");
  return text;
}

std::string_view to_string(LaneState state) noexcept {
  switch (state) {
    case LaneState::running: return "running";
    case LaneState::paused: return "paused";
    case LaneState::draining: return "draining";
  }
  return "unknown";
}

Result<LaneState> parse_lane_state(std::string_view text) {
  for (const auto state : kLaneStates) {
    if (to_string(state) == text) return state;
  }
  return Error(Code::invalid_argument, "bad_state",
               "state is " + shown(text) + ", must be running, paused or draining");
}

}  // namespace ff::core
