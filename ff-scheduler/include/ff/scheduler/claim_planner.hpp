#pragma once
// ClaimPlanner: from which partition a worker claims next, and how many. A decision without I/O: it is told what calls
// answered and what time it is, and says which call to make.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
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
  std::int64_t head = -1;        // Rank of the first of them, or else of what waits for an allowance; -1: none.
  core::Millis check_in{0};      // Look again after this time even if not woken; 0: at once.
  ClaimAnswer() = default;
};

// A partition is in one of three conditions: waiting (nothing was there; the worker is registered and will be woken,
// or looks again when its time comes), open (work or the unknown: look as soon as there is room), and calling (a call
// is under way).
//
// Where places become free a few at a time, each few would get a call of their own, and each call gives a few again. So
// a small room waits for what is under way while that is for more than twice as many places, for kGather at most.
//
// Of the open partitions those whose head is not known are looked at first, in turn; then those whose known head is the
// best, or not worse by a minute of waiting, which is what a step of priority is worth: in turn, kStint executions at a
// time. So partitions that are alike get the same service, and with them what is shared out within each: lanes by
// weight, fairness keys. What is known grows old: one that was not looked at while kQuantum executions were taken
// elsewhere comes before all others, so nobody waits behind more than that (and what is under way), and a head that got
// better unseen is found; while its known head is worse, one is taken there, so that order suffers little. Within a
// stint the partition of finished executions is kept (keep_at), which saves a round trip, unless another must be looked
// at or has a head better by that minute; the results of a turn's first claim take one more along even where another is
// only overdue. Thread safety: none.
class ClaimPlanner {
 public:
  static constexpr std::size_t kStint = 32;         // Executions taken from one before the next one's turn.
  static constexpr std::size_t kQuantum = 256;      // Executions taken before what is known of others is old.
  // Claim calls under way; the room is split among them. One more tries a suspect.
  static constexpr std::size_t kCallsAtOnce = 8;
  static constexpr core::Millis kGather{5};         // How long a small room waits for the newest call under way.
  static constexpr std::size_t kWantMax = 256;      // Of one call: core::limits::kBatchItems.

  // All partitions begin as waiting, to be looked at by `first_look` at the latest; opened() as their channel is heard.
  ClaimPlanner(std::size_t partitions, core::SteadyTime first_look);

  // The next claim to make now with `room` free places; nothing when no partition is due or the calls are used up.
  // The partition is calling until answered() or unanswered().
  std::optional<ClaimPlan> next(core::SteadyTime now, std::size_t room);

  // How many to claim along with a call that goes to this partition anyway; 0: none. A count above 0 makes it calling.
  std::size_t keep_at(core::Partition partition, std::size_t room, core::SteadyTime now);

  void answered(core::Partition partition, const ClaimAnswer& answer, core::SteadyTime now);
  // The call failed: look again at `again`. The partition is suspect, for its shard may be away and a call there last
  // for all its time: suspects are tried one at a time, for one execution and beside the calls of the others, until
  // they answer or opened() tells of them.
  void unanswered(core::Partition partition, core::SteadyTime again);
  // Something became ready there, or messages may have been missed.
  void opened(core::Partition partition);
  // Work waits there that could not be taken before, and can now: the next call there gets all the room, in the order
  // of heads. Does not open a suspect.
  void freed(core::Partition partition);

  // When next() may have something without being told anything; none while all are open or calling.
  std::optional<core::SteadyTime> next_look() const;
  std::size_t calling() const noexcept { return calling_ + (trying_ ? 1 : 0); }
  bool calling_at(core::Partition p) const { return entries_[p].condition == Condition::calling; }
  bool waiting_at(core::Partition p) const { return entries_[p].condition == Condition::waiting; }

 private:
  enum class Condition : std::uint8_t { waiting, open, calling };
  struct Entry {
    Condition condition = Condition::waiting;
    bool reopened = false;            // opened() came while calling.
    bool suspect = false;             // Its last call failed; waiting or calling.
    bool freed = false;               // freed() came since the last call began.
    std::int64_t head = kUnknown;     // Rank, lower is better.
    std::size_t stint = 0, claims = 0;  // Executions taken and calls made since its turn began.
    std::size_t want = 0;             // Of the call under way.
    std::uint64_t turn = 0;           // Order in which the open ones were opened.
    std::uint64_t known_since = 0;    // taken_ when it was opened.
    core::SteadyTime look_at{};       // While waiting.
  };
  static constexpr std::int64_t kUnknown = -1;  // Before every rank.
  using ByHead = std::tuple<std::int64_t, std::uint64_t, core::Partition>;  // Head, turn.
  using ByTurn = std::pair<std::uint64_t, core::Partition>;

  ByHead by_head(core::Partition partition) const;
  ByTurn by_turn(core::Partition partition) const;
  // The open partition that was not looked at for a quantum.
  std::optional<core::Partition> overdue() const;
  core::Partition next_in_turn() const;  // Precondition: one is open.
  void leave(core::Partition partition);
  void open(core::Partition partition, std::int64_t head);
  void wait(core::Partition partition, core::SteadyTime look_at, bool suspect);
  void call(core::Partition partition, std::size_t want, core::SteadyTime now);
  bool gathers(core::SteadyTime now, std::size_t room) const;

  std::vector<Entry> entries_;
  std::set<ByHead> heads_;   // The open ones, best head first.
  std::set<ByTurn> turns_;   // The same, first opened first.
  using ByTime = std::set<std::pair<core::SteadyTime, core::Partition>>;
  ByTime waiting_, suspects_;  // Waiting ones, and suspects apart from them.
  std::size_t calling_ = 0, wanted_ = 0;  // Calls under way and what they are for, without the suspect that is tried.
  core::SteadyTime called_at_{};          // When the newest of them left.
  std::optional<core::SteadyTime> gather_until_;
  bool trying_ = false;        // A suspect.
  std::uint64_t taken_ = 0, turn_ = 0;
};

}  // namespace ff::scheduler
