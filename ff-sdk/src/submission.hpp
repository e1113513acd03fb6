#pragma once
// What becomes of submissions before they are sent, and of the answers: plain functions.

#include <cstddef>
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
  PlannedSubmit(core::ExecutionId i, script::Submit::Item t, bool r)
      : id(std::move(i)), item(std::move(t)), repeatable(r) {}
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
  std::vector<script::Submit::Item> items;
  SubmitBatch(core::Partition p, bool r) : partition(p), repeatable(r) {}
};

// Groups planned submissions (with their places) into batches of at most kBatchItems and about kBatchBytes, in order.
std::vector<SubmitBatch> into_batches(std::vector<std::pair<std::size_t, PlannedSubmit>> planned);

// Errors: conflict/idempotency_mismatch, invalid_argument/bad_policy, corrupt.
core::Result<Submitted> answer_of(core::Partition partition, const script::Submit::Row& row);

// {"key":"value",…}, "" when there are none. Precondition: validate_tags accepts them.
std::string tags_to_wire(const core::Tags& tags);

}  // namespace ff::sdk
