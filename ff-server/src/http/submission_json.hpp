#pragma once
// Submissions as they come over HTTP: a JSON document, a batch of them, or raw bytes with the rest in the query.

#include <string_view>
#include <vector>

#include "ff/core/result.hpp"
#include "ff/sdk/client.hpp"
#include "http/json.hpp"
#include "http/message.hpp"

namespace ff::server::http {

inline constexpr std::size_t kBatchMax = 4096;

// {"kind","lane","payload"|"payload_text"|"payload_base64","content_type","priority","start_at","delay_ms",
//  "deadline_at","deadline_ms","idempotency_key","idempotency_ttl_ms","needs":[…],"prefers":[…],
//  "quotas":[…],"budget","estimate":{…},"fairness_key","fairness_weight","policy","tags"}
// `payload` is any JSON value: its text, exactly as it was sent, becomes the payload, with the type application/json.
// Only the form is checked here; values are checked by sdk::validate().
// Errors: invalid_argument/bad_json, duplicate_key, unknown_field, missing_field, wrong_type, bad_base64, with the
// path.
core::Result<sdk::Submission> submission_of_json(std::string_view body);
// {"executions":[…]}, 1 to 4096 of them.
core::Result<std::vector<sdk::Submission>> submissions_of_json(std::string_view body);
// {"retry","crash","attempt_timeout_ms","retention_ms","mode","weight","depth","concurrency","aging_ms",
//  "ordering"}, all optional.
core::Result<core::LanePolicy> lane_policy_of(const boost::json::object& document);
// The body is the payload and Content-Type its type; kind, lane, priority, … are query parameters.
core::Result<sdk::Submission> submission_of_bytes(Request& request);

// The query parameters of submission_of_bytes, for the route table.
inline constexpr std::string_view kSubmissionQuery =
    "kind lane priority start_at delay_ms deadline_at deadline_ms idempotency_ttl_ms fairness_key fairness_weight";

// One of "payload" (any JSON value), "payload_text" and "payload_base64", and "content_type"; `text` is the exact text
// of the reader's object.
void read_payload(ObjectReader& reader, std::string_view text, core::Payload& payload);
// ["a", …], when it is there.
void read_strings(ObjectReader& reader, std::string_view name, std::optional<std::vector<std::string>>& list);
// {"tokens": 5, …}, when it is there.
void read_amounts(ObjectReader& reader, std::string_view name, std::optional<core::Error>& error,
                  core::Amounts& amounts);

// A whole number as query parameters have it. Error: invalid_argument/wrong_type.
core::Result<std::int64_t> integer_of_text(std::string_view name, std::string_view text);

}  // namespace ff::server::http
