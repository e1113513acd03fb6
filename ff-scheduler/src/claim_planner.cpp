#include "ff/scheduler/claim_planner.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace ff::scheduler {

ClaimPlanner::ClaimPlanner(std::size_t partitions, core::SteadyTime first_look) : entries_(partitions) {
  for (std::size_t p = 0; p < partitions; ++p) wait(static_cast<core::Partition>(p), first_look);
}

ClaimPlanner::OpenOrder ClaimPlanner::key(core::Partition partition) const {
  const auto& entry = entries_[partition];
  const auto head = entry.head < 0 ? std::numeric_limits<std::int64_t>::max() : entry.head;
  return OpenOrder{head, entry.turn, partition};
}

void ClaimPlanner::leave(core::Partition partition) {
  auto& entry = entries_[partition];
  if (entry.condition == Condition::open) open_.erase(key(partition));
  if (entry.condition == Condition::waiting) waiting_.erase({entry.look_at, partition});
  if (entry.condition == Condition::calling) --calling_;
}

void ClaimPlanner::open(core::Partition partition, std::int64_t head) {
  leave(partition);
  auto& entry = entries_[partition];
  entry.condition = Condition::open;
  entry.head = head;
  entry.turn = ++turns_;
  open_.insert(key(partition));
}

void ClaimPlanner::wait(core::Partition partition, core::SteadyTime look_at) {
  leave(partition);
  auto& entry = entries_[partition];
  entry.condition = Condition::waiting;
  entry.look_at = look_at;
  waiting_.insert({look_at, partition});
}

void ClaimPlanner::open_due(core::SteadyTime now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) open(waiting_.begin()->second, -1);
}

std::optional<ClaimPlan> ClaimPlanner::next(core::SteadyTime now, std::size_t room) {
  open_due(now);
  if (room == 0 || open_.empty() || calling_ >= kCallsAtOnce) return std::nullopt;
  const auto partition = open_.begin()->partition;
  // Known work gets all the room; looks into the unknown share it, so that they can go out at once.
  const bool known = entries_[partition].head >= 0;
  const auto share = std::min(kCallsAtOnce - calling_, open_.size());
  const auto want = known ? room : std::max<std::size_t>(1, room / share);
  leave(partition);
  entries_[partition].condition = Condition::calling;
  entries_[partition].in_a_row = 0;
  ++calling_;
  return ClaimPlan(partition, std::min(want, kWantMax));
}

std::size_t ClaimPlanner::keep_at(core::Partition partition, std::size_t room) {
  auto& entry = entries_[partition];
  if (room == 0 || entry.condition != Condition::open) return 0;
  if (entry.in_a_row >= kQuantum && !open_.empty() && open_.begin()->partition != partition) return 0;
  leave(partition);
  entry.condition = Condition::calling;
  ++calling_;
  return std::min(room, kWantMax);
}

void ClaimPlanner::answered(core::Partition partition, const ClaimAnswer& answer, core::SteadyTime now) {
  auto& entry = entries_[partition];
  entry.in_a_row += answer.taken;
  const bool reopened = std::exchange(entry.reopened, false);
  if (answer.left > 0 || answer.taken >= answer.wanted) {
    open(partition, answer.left > 0 ? answer.head : -1);
  } else if (reopened || answer.check_in.count() == 0) {
    open(partition, -1);
  } else {
    wait(partition, now + answer.check_in);
  }
}

void ClaimPlanner::unanswered(core::Partition partition, core::SteadyTime again) {
  entries_[partition].reopened = false;
  wait(partition, again);
}

void ClaimPlanner::opened(core::Partition partition) {
  auto& entry = entries_[partition];
  if (entry.condition == Condition::calling) {
    entry.reopened = true;
  } else if (entry.condition == Condition::waiting) {
    open(partition, -1);
  }
}

std::optional<core::SteadyTime> ClaimPlanner::next_look() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first;
}

}  // namespace ff::scheduler
