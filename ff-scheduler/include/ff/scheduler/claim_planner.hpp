#pragma once
// ClaimPlanner: from which partition a worker claims next, and how many. A decision without I/O: it is told what calls
// answered and what time it is, and says which call to make.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "ff/core/ids.hpp"
#include "ff/core/time.hpp"

namespace ff::scheduler {

struct ClaimPlan {
  core::Partition partition;
  std::size_t want;
  ClaimPlan(core::Partition p, std::size_t w) : partition(p), want(w) {}
};

// What a claim said about its partition; the fields of script::Claim::Ok.
struct ClaimAnswer {
  std::size_t wanted = 0, taken = 0;
  std::int64_t left = 0;         // Ready executions left there.
  std::int64_t head = -1;        // Rank of the first of them, lower is better; -1: none.
  core::Millis check_in{0};      // Look again after this time even if not woken; 0: at once.
  ClaimAnswer() = default;
};

// A partition is in one of four conditions: waiting (nothing was there; the worker is registered and will be woken, or
// looks again when its time comes), open (work or the unknown: look as soon as there is room), calling (a call is under way),
// and filled (the last call took all it asked for and left nothing known: open, but behind those with known work).
//
// Open partitions are served best known head first, so the order error across partitions is bounded by what one call takes;
// those without a known head follow in turn. A finished execution's partition may be kept (keep_at) for a quantum of
// executions, which saves a round trip, unless another's known head is better.
// Thread safety: none.
class ClaimPlanner {
 public:
  static constexpr std::size_t kQuantum = 256;      // Executions from one partition before others get their turn.
  static constexpr std::size_t kCallsAtOnce = 8;    // Claim calls under way; the room is split among them.
  static constexpr std::size_t kWantMax = 256;      // Of one call: core::limits::kBatchItems.

  // All partitions begin as waiting, to be looked at by `first_look` at the latest; opened() as their channel is heard.
  ClaimPlanner(std::size_t partitions, core::SteadyTime first_look);

  // The next claim to make now with `room` free places; nothing when no partition is due or the calls are used up.
  // The partition is calling until answered() or unanswered().
  std::optional<ClaimPlan> next(core::SteadyTime now, std::size_t room);

  // How many to claim along with a call that goes to this partition anyway; 0: none. A count above 0 makes it calling.
  std::size_t keep_at(core::Partition partition, std::size_t room);

  void answered(core::Partition partition, const ClaimAnswer& answer, core::SteadyTime now);
  // The call failed: look again at `again`.
  void unanswered(core::Partition partition, core::SteadyTime again);
  // Something became ready there, or messages may have been missed.
  void opened(core::Partition partition);

  // When next() may have something without being told anything; none while something is due already or all are calling.
  std::optional<core::SteadyTime> next_look() const;
  std::size_t calling() const noexcept { return calling_; }

 private:
  enum class Condition : std::uint8_t { waiting, open, calling };
  struct Entry {
    Condition condition = Condition::waiting;
    bool reopened = false;            // opened() came while calling.
    std::int64_t head = -1;           // Best known rank; -1: unknown.
    std::size_t in_a_row = 0;         // Taken since another partition was last chosen by next().
    std::uint64_t turn = 0;           // Order among open ones with equal heads.
    core::SteadyTime look_at{};       // While waiting.
  };
  struct OpenOrder {
    std::int64_t head;
    std::uint64_t turn;
    core::Partition partition;
    auto operator<=>(const OpenOrder&) const = default;
  };
  OpenOrder key(core::Partition partition) const;
  void leave(core::Partition partition);
  void open(core::Partition partition, std::int64_t head);
  void wait(core::Partition partition, core::SteadyTime look_at);
  void open_due(core::SteadyTime now);

  std::vector<Entry> entries_;
  std::set<OpenOrder> open_;
  std::set<std::pair<core::SteadyTime, core::Partition>> waiting_;
  std::size_t calling_ = 0;
  std::uint64_t turns_ = 0;
};

}  // namespace ff::scheduler
