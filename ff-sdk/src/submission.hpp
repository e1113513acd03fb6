#pragma once
// What becomes of submissions before they are sent, and of the answers: plain functions.

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ff/core/keys.hpp"
#include "ff/sdk/client.hpp"

namespace ff::sdk {

// A submission that was accepted here, as it travels.
struct PlannedSubmit {
  core::ExecutionId id;
  script::Submit::Item item;
  bool repeatable;  // Sending it again after a lost reply cannot run it twice.
  bool movable;     // The id was made here: it may live in the partition of a strict lane instead.
  PlannedSubmit(core::ExecutionId i, script::Submit::Item t, bool r, bool m)
      : id(std::move(i)), item(std::move(t)), repeatable(r), movable(m) {}
};

// Errors: those of validate(); invalid_argument/bad_id.
core::Result<PlannedSubmit> plan_submit(Submission submission, const core::Keyspace& keys, const std::string& ns,
                                        core::Millis call_timeout);

// Items of one partition that are sent in one call; places[i] is where the answer of items[i] belongs.
struct SubmitBatch {
  core::Partition partition;
  bool repeatable;
  std::size_t bytes = 0;
  std::vector<std::size_t> places;
  std::vector<bool> movable;
  std::vector<script::Submit::Item> items;
  SubmitBatch(core::Partition p, bool r) : partition(p), repeatable(r) {}
};

// Groups planned submissions (with their places) into batches of at most kBatchItems and about kBatchBytes, in order.
std::vector<SubmitBatch> into_batches(std::vector<std::pair<std::size_t, PlannedSubmit>> planned);

// The partition that has the lane of a submission which came to another one.
std::optional<core::Partition> elsewhere(const script::Submit::Row& row, std::size_t partitions);

// Errors: conflict/idempotency_mismatch, lane_draining, exhausted/lane_full, unknown_outcome/lean_lane,
// invalid_argument/bad_policy, bad_id, corrupt.
core::Result<Submitted> answer_of(core::Partition partition, const script::Submit::Row& row);

// {"key":"value",…}, "" when there are none. Precondition: validate_tags accepts them.
std::string tags_to_wire(const core::Tags& tags);

}  // namespace ff::sdk
