#pragma once
// What a lane does with its executions. A field that is accepted is honoured. Thread safety: values and pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ff/core/policy.hpp"
#include "ff/core/result.hpp"
#include "ff/core/time.hpp"

namespace ff::core {

struct LanePolicy {
  // What executions have that say nothing else: retry (its delays and its classes each as a whole), crash, attempt
  // timeout and retention as they are when they are needed, the mode as it is at the submit.
  Policy execution;
  std::optional<std::int64_t> weight;  // 1 (as if unset) to 1000: share among the lanes of a worker.
  // 1 to 10^9 ready executions; a submit beyond is refused as exhausted/lane_full. Each partition has its share of it
  // (rounded up), so a spread lane may refuse when one share is full; exact for a strict lane. What is delayed or
  // retried comes back all the same.
  std::optional<std::int64_t> depth;
  // 0 to 10^9 executions that may run at once, in all partitions together; unset: any number. It counts for every claim
  // once it is set; those that ran before the lane had a cap count from when their worker claims from the lane again.
  // With a lower one nothing starts until enough have ended, from when the workers have heard of it: they are told.
  std::optional<std::int64_t> concurrency;
  // What one step of priority is worth in waiting: an execution is passed by those of d steps more only while they
  // become ready within d times this after it. Unset: a minute, or 0 in a strict lane. 0: priority always wins.
  std::optional<Millis> aging;
  // All executions live in one partition, in exact order of priority and time. Those submitted before stay where they
  // are; an idempotency key is then known in this lane only.
  bool strict = false;

  LanePolicy() = default;
  friend bool operator==(const LanePolicy&, const LanePolicy&) = default;
};

// Error: invalid_argument/bad_policy, naming the field as on the wire.
Result<void> validate(const LanePolicy& policy);

// Canonical JSON as of core::Policy, with "weight", "depth", "concurrency", "aging_ms" and "ordering" ("strict")
// behind; "" when nothing is set. Precondition: validate(policy) accepts it.
std::string to_wire(const LanePolicy& policy);

// Enumerators are spelled as on the wire.
enum class LaneState : std::uint8_t {
  running,
  paused,    // Starts nothing, loses nothing.
  draining,  // Takes no submits, finishes what it has.
};
std::string_view to_string(LaneState state) noexcept;
// Error: invalid_argument/bad_state.
Result<LaneState> parse_lane_state(std::string_view text);

}  // namespace ff::core
