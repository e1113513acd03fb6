#include "ff/scheduler/lane_picker.hpp"

#include <algorithm>
#include <numeric>

namespace ff::scheduler {
namespace {

// Divisible by all small weights, so that their shares are exact.
constexpr std::int64_t kStride = 720'720;

}  // namespace

LanePicker::LanePicker(std::vector<std::int64_t> weights) : lanes_(weights.size()) {
  for (std::size_t i = 0; i < weights.size(); ++i) set_weight(i, weights[i]);
}

std::vector<std::size_t> LanePicker::order() const {
  std::vector<std::size_t> order(lanes_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [this](std::size_t a, std::size_t b) { return lanes_[a].pass < lanes_[b].pass; });
  return order;
}

void LanePicker::taken(const std::vector<std::size_t>& order, const std::vector<std::size_t>& counts) {
  const auto served = std::find_if(order.rbegin(), order.rend(), [&counts](std::size_t i) { return counts[i] > 0; });
  if (served == order.rend()) return;
  const std::int64_t now = lanes_[*served].pass;
  for (auto i = order.begin(); *i != *served; ++i) {
    if (counts[*i] == 0) lanes_[*i].pass = std::max(lanes_[*i].pass, now);
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i].pass += static_cast<std::int64_t>(counts[i]) * (kStride / lanes_[i].weight);
  }
  const auto least = std::min_element(lanes_.begin(), lanes_.end(),
                                      [](const Lane& a, const Lane& b) { return a.pass < b.pass; })->pass;
  for (auto& lane : lanes_) lane.pass -= least;  // Only differences count: it never overflows.
}

void LanePicker::set_weight(std::size_t lane, std::int64_t weight) { lanes_[lane].weight = weight; }

}  // namespace ff::scheduler
