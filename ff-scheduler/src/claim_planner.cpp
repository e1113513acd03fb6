#include "ff/scheduler/claim_planner.hpp"

#include <algorithm>
#include <utility>

namespace ff::scheduler {
namespace {

// How much better a head elsewhere must be to be worth a round trip: a step of priority in a lane of defaults, and less
// than one where priority counts for more. As in lua/prelude/lane.lua.
constexpr std::int64_t kWorthGoing = 60'000;

}  // namespace

ClaimPlanner::ClaimPlanner(std::size_t partitions, core::SteadyTime first_look) : entries_(partitions) {
  for (std::size_t p = 0; p < partitions; ++p) wait(static_cast<core::Partition>(p), first_look, false);
}

ClaimPlanner::ByHead ClaimPlanner::by_head(core::Partition partition) const {
  return ByHead(entries_[partition].head, entries_[partition].turn, partition);
}

ClaimPlanner::ByTurn ClaimPlanner::by_turn(core::Partition partition) const {
  return ByTurn(entries_[partition].turn, partition);
}

std::optional<core::Partition> ClaimPlanner::overdue() const {
  if (turns_.empty()) return std::nullopt;
  const auto first = turns_.begin()->second;
  if (taken_ - entries_[first].known_since < kQuantum) return std::nullopt;
  return first;
}

core::Partition ClaimPlanner::next_in_turn() const {
  if (const auto old = overdue()) return *old;
  const auto [best, turn, first] = *heads_.begin();
  if (best == kUnknown) return first;
  const auto found = std::find_if(turns_.begin(), turns_.end(), [this, best = best](const ByTurn& open) {
    return entries_[open.second].head < best + kWorthGoing;
  });
  return found->second;
}

void ClaimPlanner::leave(core::Partition partition) {
  auto& entry = entries_[partition];
  if (entry.condition == Condition::open) {
    heads_.erase(by_head(partition));
    turns_.erase(by_turn(partition));
  }
  if (entry.condition == Condition::waiting) (entry.suspect ? suspects_ : waiting_).erase({entry.look_at, partition});
  if (entry.condition != Condition::calling) return;
  if (entry.suspect) {
    trying_ = false;
  } else {
    --calling_;
    wanted_ -= entry.want;
  }
}

void ClaimPlanner::open(core::Partition partition, std::int64_t head) {
  leave(partition);
  auto& entry = entries_[partition];
  entry.condition = Condition::open;
  entry.suspect = false;
  entry.head = head;
  entry.turn = ++turn_;
  entry.known_since = taken_;
  heads_.insert(by_head(partition));
  turns_.insert(by_turn(partition));
}

void ClaimPlanner::wait(core::Partition partition, core::SteadyTime look_at, bool suspect) {
  leave(partition);
  auto& entry = entries_[partition];
  entry.condition = Condition::waiting;
  entry.suspect = suspect;
  entry.look_at = look_at;
  (suspect ? suspects_ : waiting_).insert({look_at, partition});
}

void ClaimPlanner::call(core::Partition partition, std::size_t want, core::SteadyTime now) {
  leave(partition);
  auto& entry = entries_[partition];
  entry.condition = Condition::calling;
  entry.freed = false;
  entry.want = want;
  ++entry.claims;
  if (entry.suspect) {
    trying_ = true;
  } else {
    ++calling_;
    wanted_ += want;
    called_at_ = now;
  }
}

bool ClaimPlanner::gathers(core::SteadyTime now, std::size_t room) const {
  return 2 * room < wanted_ && now < called_at_ + kGather;
}

std::optional<ClaimPlan> ClaimPlanner::next(core::SteadyTime now, std::size_t room) {
  gather_until_.reset();
  while (!waiting_.empty() && waiting_.begin()->first <= now) open(waiting_.begin()->second, kUnknown);
  if (room == 0) return std::nullopt;
  if (!trying_ && !suspects_.empty() && suspects_.begin()->first <= now) {
    const auto suspect = suspects_.begin()->second;
    call(suspect, 1, now);
    return ClaimPlan(suspect, 1);
  }
  if (heads_.empty() || calling_ >= kCallsAtOnce) return std::nullopt;
  const auto partition = next_in_turn();
  // Known work gets all the room; looks into the unknown share it, so that they can go out at once. Where only its turn
  // was due, one is taken from a partition whose head is worse.
  const auto head = entries_[partition].head, best = std::get<0>(*heads_.begin());
  const auto share = std::min(kCallsAtOnce - calling_, heads_.size());
  const bool known = head != kUnknown || entries_[partition].freed;
  if (best != kUnknown && gathers(now, room)) {
    gather_until_ = called_at_ + kGather;
    return std::nullopt;
  }
  auto want = known ? room : std::max<std::size_t>(1, room / share);
  if (best != kUnknown && head >= best + kWorthGoing) want = 1;
  want = std::min(want, kWantMax);
  entries_[partition].stint = entries_[partition].claims = 0;
  call(partition, want, now);
  return ClaimPlan(partition, want);
}

std::size_t ClaimPlanner::keep_at(core::Partition partition, std::size_t room, core::SteadyTime now) {
  if (room == 0 || entries_[partition].condition != Condition::open) return 0;
  const auto [best, turn, first] = *heads_.begin();
  auto& entry = entries_[partition];
  const auto old = overdue();
  if (old && *old != partition && entry.claims > 1) return 0;
  if (first != partition && (best == kUnknown || best + kWorthGoing <= entry.head)) return 0;
  if (entry.stint >= kStint) {
    if (next_in_turn() != partition) return 0;
    entry.stint = entry.claims = 0;
  }
  const auto want = std::min(room, kWantMax);
  call(partition, want, now);
  return want;
}

void ClaimPlanner::answered(core::Partition partition, const ClaimAnswer& answer, core::SteadyTime now) {
  taken_ += answer.taken;
  entries_[partition].stint += answer.taken;
  const bool reopened = std::exchange(entries_[partition].reopened, false);
  if (answer.left > 0 || entries_[partition].freed) {
    open(partition, answer.head);
  } else if (reopened) {
    open(partition, kUnknown);
  } else if (answer.taken >= answer.wanted || answer.check_in.count() == 0) {
    open(partition, answer.head);  // Where that waits for an allowance, we may have one by then.
  } else {
    wait(partition, now + answer.check_in, false);
    entries_[partition].head = answer.head;
  }
}

void ClaimPlanner::unanswered(core::Partition partition, core::SteadyTime again) {
  entries_[partition].reopened = false;
  wait(partition, again, true);
}

void ClaimPlanner::opened(core::Partition partition) {
  auto& entry = entries_[partition];
  if (entry.condition == Condition::calling) {
    entry.reopened = true;
  } else if (entry.condition == Condition::waiting) {
    open(partition, kUnknown);
  }
}

void ClaimPlanner::freed(core::Partition partition) {
  auto& entry = entries_[partition];
  if (waiting_at(partition) && entry.suspect) return;  // It is tried in its time.
  if (waiting_at(partition)) open(partition, entry.head);
  entry.freed = true;
}

std::optional<core::SteadyTime> ClaimPlanner::next_look() const {
  std::optional<core::SteadyTime> next;
  if (!waiting_.empty()) next = waiting_.begin()->first;
  if (gather_until_) next = next ? std::min(*next, *gather_until_) : *gather_until_;
  if (trying_ || suspects_.empty()) return next;
  const auto suspect = suspects_.begin()->first;
  return next ? std::min(*next, suspect) : suspect;
}

}  // namespace ff::scheduler
