#pragma once
// LanePicker: in which order a worker claims from its lanes, so that each gets its share by weight and none starves. A
// decision without I/O (stride scheduling).

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ff::scheduler {

// Each lane has a pass, which grows by stride / weight with every execution taken from it; the lane with the lowest
// pass comes first, then the others in order, so that a claim never comes back empty while any of them has work. So
// the executions taken from lanes that always have work are in the proportion of their weights, off by one claim at
// the most. A lane that had nothing when it was first keeps no credit. Thread safety: none.
class LanePicker {
 public:
  // One weight for each lane, 1 to core::limits::kWeightMax, in order of preference among equals. Precondition: not
  // empty.
  explicit LanePicker(std::vector<std::int64_t> weights);

  // The lanes in the order in which to claim from them now.
  std::vector<std::size_t> order() const;
  // What a claim in `order` has given, by lane.
  void taken(const std::vector<std::size_t>& order, const std::vector<std::size_t>& counts);
  // Another weight counts from now on.
  void set_weight(std::size_t lane, std::int64_t weight);

 private:
  struct Lane {
    std::int64_t weight = 1;
    std::int64_t pass = 0;
  };
  std::vector<Lane> lanes_;
};

}  // namespace ff::scheduler
