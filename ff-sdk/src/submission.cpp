#include "submission.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/sha256.hpp"

namespace ff::sdk {
namespace {

namespace limits = core::limits;

constexpr core::Millis kFullLaneRetry{1000};

core::Error out_of_range(std::string reason, std::string_view field, std::int64_t value, std::string_view allowed) {
  return refused_argument(std::move(reason), std::string(field) + " is " + std::to_string(value) + ", allowed are " +
                                                 std::string(allowed));
}

// Fields are named as on the wire, which HTTP callers see.

// A moment of Valkey's clock or a duration from now, but not both.
struct When {
  std::string_view reason, moment_field, duration_field;
  std::int64_t moment_min;
};

core::Result<void> check_when(const When& when, const std::optional<core::TimestampMs>& moment, core::Millis duration) {
  if (duration.count() < 0 || duration.count() > limits::kDurationMsMax) {
    return out_of_range(std::string(when.reason), when.duration_field, duration.count(), "0 to ten years, in ms");
  }
  if (!moment) return {};
  if (duration.count() != 0) {
    return refused_argument(std::string(when.reason), std::string(when.moment_field) + " and " +
                                                          std::string(when.duration_field) +
                                                          " are both set, give one of them");
  }
  if (*moment < when.moment_min || *moment > limits::kTimestampMsMax) {
    return out_of_range(std::string(when.reason), when.moment_field, *moment, "ms since 1970");
  }
  return {};
}

core::Result<void> check_idempotency(const Submission& s) {
  if (!s.idempotency_key.empty()) {
    if (auto good = core::validate_idempotency_key(s.idempotency_key); !good) return good;
  }
  const std::int64_t ttl = s.idempotency_ttl.count();
  if (ttl < 1 || ttl > limits::kDurationMsMax) {
    return out_of_range("bad_idempotency_ttl", "idempotency_ttl_ms", ttl, "1 ms to ten years, in ms");
  }
  return {};
}

core::Result<void> check_payload(const core::Payload& payload) {
  if (!payload.content_type.empty()) return core::validate(payload);
  if (payload.bytes.size() <= limits::kPayloadBytes) return {};
  return core::validate(core::Payload(payload.bytes));
}

// A resend finds the execution by its id or by its idempotency key. It must find one of them for longer than this call
// and its resends can take, whatever happens to the execution meanwhile.
bool is_repeatable(const Submission& s, core::Millis call_timeout) {
  const core::Millis enough = 2 * call_timeout;
  if (!s.idempotency_key.empty() && s.idempotency_ttl >= enough) return true;
  if (s.policy.mode.value_or(core::policy_default::kMode) == core::Mode::lean) return false;
  return s.policy.retention.value_or(core::policy_default::kRetention) >= enough;
}

core::Result<void> check_route(const Submission& s) {
  if (auto good = core::validate(s.requirements); !good) return good;
  if (s.fairness_weight < 1 || s.fairness_weight > limits::kWeightMax) {
    return out_of_range("bad_fairness_weight", "fairness_weight", s.fairness_weight, "1 to 1000");
  }
  if (s.fairness_key.empty()) return {};
  return core::validate_fairness_key(s.fairness_key);
}

core::Result<core::ExecutionId> place(const Submission& s, const core::Keyspace& keys, const std::string& ns) {
  const core::Ulid ulid = s.id ? s.id->ulid() : core::Ulid::make();
  const bool keyed = !s.idempotency_key.empty();
  const core::Partition home = keyed ? keys.home_of(ns, s.idempotency_key) : keys.home_for_new(ulid);
  if (!s.id) return core::ExecutionId(home, ulid);
  if (s.id->partition() >= keys.partitions()) {
    return refused_argument("bad_id", "id is " + s.id->str() + ", this deployment has " +
                                          std::to_string(keys.partitions()) + " partitions");
  }
  if (keyed && s.id->partition() != home) {
    return refused_argument("bad_id", "id is " + s.id->str() + ", its idempotency key is at home on partition " +
                                          std::to_string(home));
  }
  return *s.id;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;  // Anything else that JSON would escape is a control character, which tags do not have.
  }
  out += '"';
}

std::size_t bytes_of(const script::Submit::Item& item) {
  return item.payload.size() + item.tags.size() + item.policy.size() + item.idempotency_key.size() +
         item.requirements.size();
}

}  // namespace

core::Result<void> validate(const Submission& s) {
  static constexpr When kStart{"bad_delay", "start_at", "delay_ms", 0};
  static constexpr When kDeadline{"bad_deadline", "deadline_at", "deadline_ms", 1};  // 0 would mean none.
  if (auto good = core::validate_kind(s.kind); !good) return good;
  if (auto good = core::validate_lane(s.lane); !good) return good;
  if (s.priority < 0 || s.priority > limits::kPriorityMax) {
    return out_of_range("bad_priority", "priority", s.priority, "0 to 9000");
  }
  if (auto good = check_when(kStart, s.start_at, s.delay); !good) return good;
  if (auto good = check_when(kDeadline, s.deadline_at, s.deadline); !good) return good;
  if (auto good = check_idempotency(s); !good) return good;
  if (auto good = check_route(s); !good) return good;
  if (auto good = core::validate(s.policy); !good) return good;
  if (auto good = core::validate_tags(s.tags); !good) return good;
  return check_payload(s.payload);
}

std::string tags_to_wire(const core::Tags& tags) {
  if (tags.empty()) return {};
  std::string json = "{";
  for (const auto& [key, value] : tags) {
    if (json.size() > 1) json += ',';
    append_json_string(json, key);
    json += ':';
    append_json_string(json, value);
  }
  return json += '}';
}

core::Result<PlannedSubmit> plan_submit(Submission s, const core::Keyspace& keys, const std::string& ns,
                                        core::Millis call_timeout) {
  if (auto good = validate(s); !good) return std::move(good).error();
  FF_TRY(id, place(s, keys, ns));
  if (s.payload.content_type.empty()) s.payload.content_type = core::kContentTypeDefault;

  script::Submit::Item item;
  item.id = id.ulid().str();
  if (!s.idempotency_key.empty()) item.fingerprint = core::fingerprint(s.kind, s.lane, s.payload);
  const bool repeatable = is_repeatable(s, call_timeout);
  item.lane = std::move(s.lane);
  item.kind = std::move(s.kind);
  item.priority = s.priority;
  item.start_at = s.start_at.value_or(0);
  item.delay_ms = s.delay.count();
  item.deadline_at = s.deadline_at.value_or(0);
  item.deadline_ms = s.deadline.count();
  item.idempotency_ttl_ms = s.idempotency_key.empty() ? 0 : s.idempotency_ttl.count();
  item.idempotency_key = std::move(s.idempotency_key);
  item.requirements = core::to_wire(s.requirements);
  item.fairness_weight = s.fairness_key.empty() ? 0 : s.fairness_weight;
  item.fairness_key = std::move(s.fairness_key);
  item.policy = core::to_wire(s.policy);
  item.tags = tags_to_wire(s.tags);
  if (s.payload.content_type != core::kContentTypeDefault) item.content_type = std::move(s.payload.content_type);
  item.payload = std::move(s.payload.bytes);
  const bool movable = !s.id;
  return PlannedSubmit(std::move(id), std::move(item), repeatable, movable);
}

std::vector<SubmitBatch> into_batches(std::vector<std::pair<std::size_t, PlannedSubmit>> planned) {
  std::vector<SubmitBatch> batches;
  std::map<std::pair<core::Partition, bool>, std::size_t> open;  // Index in batches.
  for (auto& [position, submit] : planned) {
    const std::size_t bytes = bytes_of(submit.item);
    const auto [slot, fresh] = open.try_emplace({submit.id.partition(), submit.repeatable}, 0);
    const bool full = !fresh && (batches[slot->second].items.size() >= limits::kBatchItems ||
                                 batches[slot->second].bytes + bytes > limits::kBatchBytes);
    if (fresh || full) {
      slot->second = batches.size();
      batches.emplace_back(submit.id.partition(), submit.repeatable);
    }
    SubmitBatch& batch = batches[slot->second];
    batch.bytes += bytes;
    batch.places.push_back(position);
    batch.movable.push_back(submit.movable);
    batch.items.push_back(std::move(submit.item));
  }
  return batches;
}

std::optional<core::Partition> elsewhere(const script::Submit::Row& row, std::size_t partitions) {
  if (row.outcome != "elsewhere") return std::nullopt;
  std::size_t partition = partitions;
  std::from_chars(row.id.data(), row.id.data() + row.id.size(), partition);
  if (partition >= partitions) return std::nullopt;
  return static_cast<core::Partition>(partition);
}

core::Result<Submitted> answer_of(core::Partition partition, const script::Submit::Row& row) {
  if (row.outcome == "elsewhere") {
    return refused_argument("bad_id", "the ordering of the lane is strict: its executions live in partition " + row.id);
  }
  auto ulid = core::Ulid::parse(row.id);
  if (!ulid) return corrupt_reply("an id", row.id);
  core::ExecutionId id(partition, std::move(*ulid));
  if (row.outcome == "created") return Submitted(std::move(id), false);
  if (row.outcome == "duplicate") return Submitted(std::move(id), true);
  if (row.outcome == "idempotency_mismatch") {
    return core::Error(core::Code::conflict, row.outcome,
                       "the idempotency key stands for " + id.str() +
                           ", which has another kind, lane, payload or content type");
  }
  if (row.outcome == "id_taken") {
    return core::Error(core::Code::conflict, row.outcome, "the id " + id.str() + " belongs to another namespace");
  }
  if (row.outcome == "lane_draining") {
    return core::Error(core::Code::conflict, row.outcome, "the lane is draining: it takes no new executions");
  }
  if (row.outcome == "lane_full") {
    return core::Error(core::Code::exhausted, row.outcome, "as many executions wait in the lane as its policy allows",
                       kFullLaneRetry.count());
  }
  if (row.outcome == "unknown_outcome") {
    return core::Error(core::Code::unknown_outcome, "lean_lane",
                       "a reply was lost, and what the lane keeps does not tell whether the execution was made");
  }
  if (row.outcome == "bad_policy") return refused_argument(row.outcome, "the library does not understand the policy");
  return corrupt_reply("an outcome", row.outcome);
}

}  // namespace ff::sdk
