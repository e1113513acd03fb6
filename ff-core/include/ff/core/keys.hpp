#pragma once
// The only place in C++ that builds key and channel names. ARCHITECTURE.md "Keys" is the contract;
// Lua's key module builds the same names, and a test compares the two.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/admission.hpp"
#include "ff/core/ids.hpp"
#include "ff/core/names.hpp"
#include "ff/core/result.hpp"
#include "ff/core/state.hpp"

namespace ff::core {

using Slot = std::uint16_t;  // 0 .. 16383.
constexpr std::size_t kSlots = 16384;

// The cluster slot of a key: CRC16 (XMODEM) modulo 16384 of what stands between the first '{' and
// the next '}', or of the whole key when there is no such pair or nothing between them.
Slot slot_of(std::string_view key) noexcept;

// The 64-bit hash behind every "found by hash" decision: FNV-1a 64 (offset 0xcbf29ce484222325,
// prime 0x100000001b3) over the bytes, then the splitmix64 finalizer. Part of the stored contract:
// never changes.
std::uint64_t stable_hash(std::string_view bytes) noexcept;

// All names of one deployment. The tag of partition p is "{<prefix>:<p>.<salt>}" with the smallest
// salt from 0 whose slot s satisfies floor(s * partitions / 16384) == p, so partitions spread
// evenly over any cluster. Tags are computed once, at construction (a few milliseconds for 1024
// partitions).
//
// Thread safety: immutable after construction, share it freely.
// Precondition of all that takes a partition: it is below partitions(); else std::out_of_range.
class Keyspace {
 public:
  // Prefix: 1 to 16 characters of [a-z0-9-]. Partitions: 1 to 1024.
  // Errors: invalid_argument/bad_prefix, invalid_argument/bad_partitions.
  static Result<Keyspace> make(std::string prefix, std::size_t partitions);
  // The same for values known to be good; throws std::invalid_argument with the text make() would
  // have answered.
  Keyspace(std::string prefix, std::size_t partitions);

  const std::string& prefix() const noexcept { return prefix_; }
  std::size_t partitions() const noexcept { return tags_.size(); }

  // KEYS[1] of every call: the tag, which is also the key of the partition's own hash.
  const std::string& tag(Partition p) const { return tags_.at(p); }
  Slot slot(Partition p) const { return slots_.at(p); }

  // Where an execution with an idempotency key lives: stable_hash("<namespace>/<key>") modulo
  // partitions().
  Partition home_of(std::string_view ns, std::string_view idempotency_key) const;
  // Where an execution without one lives: stable_hash(ULID) modulo partitions().
  Partition home_for_new(const Ulid& ulid) const;

  // Where a named event meets those who wait for it: stable_hash("<namespace>/<name>/<key>") modulo partitions().
  Partition home_of_event(std::string_view ns, std::string_view name, std::string_view key) const;
  // Where a quota or budget lives: on every kPartitionsPerLimitHome-th partition, by stable_hash of its id,
  // "u:<namespace>/<name>" or "b:…". A worker that needs many of them asks for several by one call.
  static constexpr std::size_t kPartitionsPerLimitHome = 4;
  Partition home_of_limit(std::string_view ns, const LimitName& limit) const;
  static std::string limit_id(std::string_view ns, const LimitName& limit);

  // Sharded channels: a worker's wake-ups and cancels, the end of an execution, an earlier timer.
  std::string worker_channel(Partition p, std::string_view worker) const;
  std::string watch_channel(Partition p, const Ulid& ulid) const;
  std::string engine_channel(Partition p) const;
  // News of an execution's stream, of the partition's events.
  std::string frames_channel(Partition p, const Ulid& ulid) const;
  std::string events_channel(Partition p) const;

  // Keys of one execution.
  std::string core(Partition p, const Ulid& ulid) const;
  std::string payload(Partition p, const Ulid& ulid) const;
  std::string result(Partition p, const Ulid& ulid) const;
  // The result of `generation`, put aside by a replay.
  std::string old_result(Partition p, const Ulid& ulid, std::int64_t generation) const;
  std::string error_text(Partition p, const Ulid& ulid) const;
  std::string policy(Partition p, const Ulid& ulid) const;
  std::string tags(Partition p, const Ulid& ulid) const;
  std::string progress(Partition p, const Ulid& ulid) const;
  std::string history(Partition p, const Ulid& ulid) const;
  // Of the suspension number `step`: its document, its signals, and what was answered to each.
  std::string step(Partition p, const Ulid& ulid, std::int64_t step) const;
  std::string signals(Partition p, const Ulid& ulid, std::int64_t step) const;
  std::string answers(Partition p, const Ulid& ulid, std::int64_t step) const;
  std::string frames(Partition p, const Ulid& ulid) const;
  std::string stream_state(Partition p, const Ulid& ulid) const;

  // Keys of one partition.
  std::string idempotency(Partition p, std::string_view ns, std::string_view key) const;
  std::string queue(Partition p, const Queue& queue) const;
  std::string idle(Partition p, const Queue& queue) const;
  std::string lanes(Partition p) const;
  // Precondition: not State::ready, whose executions wait in queue(); throws std::logic_error.
  std::string index(Partition p, State state) const;
  std::string timeouts(Partition p) const;
  std::string deadlines(Partition p) const;
  std::string handoffs(Partition p) const;
  std::string waitpoints(Partition p) const;
  std::string awaits(Partition p) const;
  std::string deliveries(Partition p) const;
  std::string event(Partition p, std::string_view ns, std::string_view name, std::string_view key) const;
  std::string events(Partition p) const;
  std::string limits(Partition p) const;
  std::string limits_due(Partition p) const;
  std::string limit(std::string_view ns, const LimitName& limit) const;
  std::string absent(Partition p) const;

  // The deployment as a whole: tag and hash "{<prefix>}", the same for every partition count.
  const std::string& root() const noexcept { return root_; }
  Slot root_slot() const noexcept { return root_slot_; }
  std::string servers() const;

 private:
  std::string name(Partition p, std::string_view rest) const;
  std::string name(Partition p, std::string_view kind, std::string_view rest) const;
  std::string satellite(Partition p, const Ulid& ulid, std::string_view suffix) const;

  std::string prefix_;
  std::string root_;
  Slot root_slot_ = 0;
  std::vector<std::string> tags_;
  std::vector<Slot> slots_;
};

}  // namespace ff::core
