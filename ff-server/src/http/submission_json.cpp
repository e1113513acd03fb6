#include "http/submission_json.hpp"

#include <charconv>

#include "ff/core/base64.hpp"
#include "ff/core/text.hpp"
#include "http/error_map.hpp"
#include "http/json.hpp"

namespace ff::server::http {

void read_strings(ObjectReader& reader, std::string_view name, std::optional<std::vector<std::string>>& value) {
  const boost::json::array* array = reader.array(name);
  if (array == nullptr) return;
  value.emplace();
  for (std::size_t i = 0; i < array->size(); ++i) {
    const boost::json::value& entry = (*array)[i];
    if (entry.is_string()) value->emplace_back(entry.get_string());
    else reader.wrong_type(std::string(name) + "[" + std::to_string(i) + "]", "a string", entry);
  }
}

namespace {

namespace json = boost::json;
using core::Code;
using core::Error;
using core::Millis;
using core::Result;

void read_millis(ObjectReader& reader, std::string_view name, std::optional<Millis>& value) {
  if (!reader.has(name)) return;
  std::int64_t number = 0;
  reader.integer(name, number);
  value = Millis(number);
}

void read_millis(ObjectReader& reader, std::string_view name, Millis& value) {
  std::int64_t number = value.count();
  reader.integer(name, number);
  value = Millis(number);
}

void read_count(ObjectReader& reader, std::string_view name, std::optional<std::int64_t>& value) {
  if (!reader.has(name)) return;
  std::int64_t number = 0;
  reader.integer(name, number);
  value = number;
}

void read_real(ObjectReader& reader, std::string_view name, std::optional<double>& value) {
  if (!reader.has(name)) return;
  double number = 0;
  reader.real(name, number);
  value = number;
}

void read_delays(ObjectReader& reader, std::optional<std::vector<Millis>>& value) {
  const json::array* array = reader.array("delays_ms");
  if (array == nullptr) return;
  value.emplace();
  for (std::size_t i = 0; i < array->size(); ++i) {
    const json::value& entry = (*array)[i];
    if (entry.is_int64()) value->emplace_back(entry.get_int64());
    else reader.wrong_type("delays_ms[" + std::to_string(i) + "]", "an integer", entry);
  }
}

void read_policy_fields(ObjectReader& reader, std::optional<Error>& error, core::Policy& policy) {
  if (const json::object* retry = reader.object("retry"); retry != nullptr) {
    ObjectReader inner(*retry, reader.path_of("retry"), error);
    read_word(inner, "strategy", core::parse_retry_strategy, policy.retry.strategy);
    read_millis(inner, "delay_ms", policy.retry.delay);
    read_real(inner, "factor", policy.retry.factor);
    read_millis(inner, "max_delay_ms", policy.retry.max_delay);
    read_delays(inner, policy.retry.delays);
    read_real(inner, "jitter", policy.retry.jitter);
    read_count(inner, "max_attempts", policy.retry.max_attempts);
    read_strings(inner, "only", policy.retry.only);
    read_strings(inner, "never", policy.retry.never);
    inner.finish();
  }
  if (const json::object* crash = reader.object("crash"); crash != nullptr) {
    ObjectReader inner(*crash, reader.path_of("crash"), error);
    read_count(inner, "max", policy.crash.max);
    read_millis(inner, "delay_ms", policy.crash.delay);
    read_millis(inner, "max_delay_ms", policy.crash.max_delay);
    inner.finish();
  }
  read_millis(reader, "attempt_timeout_ms", policy.attempt_timeout);
  read_millis(reader, "retention_ms", policy.retention);
  read_word(reader, "mode", core::parse_mode, policy.mode);
}

void read_policy(ObjectReader& outer, std::optional<Error>& error, core::Policy& policy) {
  const json::object* object = outer.object("policy");
  if (object == nullptr) return;
  ObjectReader reader(*object, outer.path_of("policy"), error);
  read_policy_fields(reader, error, policy);
  reader.finish();
}

void read_terms(ObjectReader& reader, std::string_view name, std::set<std::string>& terms) {
  std::optional<std::vector<std::string>> list;
  read_strings(reader, name, list);
  if (list) terms.insert(list->begin(), list->end());
}

Result<bool> parse_ordering(std::string_view text, std::string_view field) {
  if (text == "strict" || text == "spread") return text == "strict";
  return bad("bad_policy", std::string(field) + " is " + core::shown(text) + ", must be strict or spread");
}

void read_tags(ObjectReader& reader, core::Tags& tags) {
  const json::object* object = reader.object("tags");
  if (object == nullptr) return;
  for (const auto& member : *object) {
    if (member.value().is_string()) tags.emplace(member.key(), member.value().get_string());
    else reader.wrong_type("tags." + core::escaped(member.key(), 48), "a string", member.value());
  }
}

}  // namespace

void read_payload(ObjectReader& reader, std::string_view text, core::Payload& payload) {
  int given = 0;
  if (reader.take("payload") != nullptr) {
    ++given;
    payload = core::Payload(std::string(raw_member(text, "payload")), "application/json");
  }
  if (reader.has("payload_text")) {
    ++given;
    payload = core::Payload(std::string(), "text/plain; charset=utf-8");
  }
  reader.text("payload_text", payload.bytes);
  if (std::string encoded; reader.has("payload_base64")) {
    ++given;
    reader.text("payload_base64", encoded);
    auto bytes = core::base64_decode(encoded);
    if (bytes) payload = core::Payload(std::move(*bytes));
    else reader.complain(bad("bad_base64", reader.path_of("payload_base64") + " is not canonical base64"));
  }
  reader.text("content_type", payload.content_type);
  if (given > 1) {
    reader.complain(bad("bad_payload", reader.path_of("payload") +
                                           " comes twice: give one of payload, payload_text and payload_base64"));
  }
}

namespace {

sdk::Submission read_submission(const json::object& object, std::string_view text, std::string path,
                                std::optional<Error>& error) {
  sdk::Submission submission;
  ObjectReader reader(object, std::move(path), error);
  reader.require("kind");
  reader.text("kind", submission.kind);
  reader.text("lane", submission.lane);
  read_payload(reader, text, submission.payload);
  reader.integer("priority", submission.priority);
  std::optional<std::int64_t> moment;
  read_count(reader, "start_at", moment);
  submission.start_at = std::exchange(moment, std::nullopt);
  read_millis(reader, "delay_ms", submission.delay);
  read_count(reader, "deadline_at", moment);
  submission.deadline_at = moment;
  read_millis(reader, "deadline_ms", submission.deadline);
  reader.text("idempotency_key", submission.idempotency_key);
  read_millis(reader, "idempotency_ttl_ms", submission.idempotency_ttl);
  read_terms(reader, "needs", submission.requirements.needs);
  read_terms(reader, "prefers", submission.requirements.prefers);
  read_terms(reader, "quotas", submission.requirements.quotas);
  reader.text("budget", submission.requirements.budget);
  read_amounts(reader, "estimate", error, submission.requirements.estimate);
  reader.text("fairness_key", submission.fairness_key);
  reader.integer("fairness_weight", submission.fairness_weight);
  read_policy(reader, error, submission.policy);
  read_tags(reader, submission.tags);
  reader.finish();
  return submission;
}

Result<const json::object*> root_object(const json::value& root) {
  if (root.is_object()) return &root.get_object();
  return bad("wrong_type", "the document is " + std::string(kind_name(root)) + ", must be an object");
}

Result<void> integer_query(const Request& request, std::string_view name, std::int64_t& value) {
  const std::string* text = request.query(name);
  if (text == nullptr) return {};
  FF_TRY(number, integer_of_text(name, *text));
  value = number;
  return {};
}

}  // namespace

void read_amounts(ObjectReader& reader, std::string_view name, std::optional<Error>& error, core::Amounts& amounts) {
  const json::object* object = reader.object(name);
  if (object == nullptr) return;
  ObjectReader inner(*object, reader.path_of(name), error);
  for (const auto& member : *object) inner.integer(member.key(), amounts[std::string(member.key())]);
}

Result<sdk::Submission> submission_of_json(std::string_view body) {
  FF_TRY(root, parse_json(body));
  FF_TRY(object, root_object(root));
  std::optional<Error> error;
  sdk::Submission submission = read_submission(*object, body, "", error);
  if (error) return std::move(*error);
  return submission;
}

Result<std::vector<sdk::Submission>> submissions_of_json(std::string_view body) {
  FF_TRY(root, parse_json(body));
  FF_TRY(object, root_object(root));
  std::optional<Error> error;
  ObjectReader reader(*object, "", error);
  reader.require("executions");
  const json::array* array = reader.array("executions");
  reader.finish();
  if (error) return std::move(*error);
  if (array->empty() || array->size() > kBatchMax) {
    return bad("bad_batch", "executions has " + std::to_string(array->size()) + " entries, allowed are 1 to " +
                                std::to_string(kBatchMax));
  }
  const auto texts = raw_elements(raw_member(body, "executions"));
  std::vector<sdk::Submission> submissions;
  submissions.reserve(array->size());
  for (std::size_t i = 0; i < array->size() && !error; ++i) {
    const std::string path = "executions[" + std::to_string(i) + "]";
    const json::value& entry = (*array)[i];
    if (!entry.is_object())
      return bad("wrong_type", path + " is " + std::string(kind_name(entry)) + ", must be an object");
    submissions.push_back(read_submission(entry.get_object(), texts.at(i), path, error));
  }
  if (error) return std::move(*error);
  return submissions;
}

Result<core::LanePolicy> lane_policy_of(const json::object& document) {
  std::optional<Error> error;
  ObjectReader reader(document, "", error);
  core::LanePolicy policy;
  read_policy_fields(reader, error, policy.execution);
  read_count(reader, "weight", policy.weight);
  read_count(reader, "depth", policy.depth);
  read_count(reader, "concurrency", policy.concurrency);
  read_millis(reader, "aging_ms", policy.aging);
  std::optional<bool> strict;
  read_word(reader, "ordering", parse_ordering, strict);
  policy.strict = strict.value_or(false);
  reader.finish();
  if (error) return std::move(*error);
  return policy;
}

Result<sdk::Submission> submission_of_bytes(Request& request) {
  sdk::Submission submission;
  const std::string* kind = request.query("kind");
  if (kind == nullptr) {
    return bad("missing_field",
               "kind is missing: a body that is not application/json is the payload itself, and kind is "
               "a query parameter");
  }
  submission.kind = *kind;
  if (const std::string* lane = request.query("lane"); lane != nullptr) submission.lane = *lane;
  if (const std::string* key = request.query("fairness_key"); key != nullptr) submission.fairness_key = *key;
  std::int64_t delay = 0, deadline = 0, ttl = submission.idempotency_ttl.count(), start_at = 0, deadline_at = 0;
  const std::initializer_list<std::pair<std::string_view, std::int64_t*>> numbers = {
      {"priority", &submission.priority}, {"delay_ms", &delay},    {"deadline_ms", &deadline},
      {"fairness_weight", &submission.fairness_weight},
      {"idempotency_ttl_ms", &ttl},       {"start_at", &start_at}, {"deadline_at", &deadline_at}};
  for (const auto& [name, value] : numbers) {
    if (auto read = integer_query(request, name, *value); !read) return std::move(read).error();
  }
  submission.delay = Millis(delay);
  submission.deadline = Millis(deadline);
  submission.idempotency_ttl = Millis(ttl);
  if (request.query("start_at") != nullptr) submission.start_at = start_at;
  if (request.query("deadline_at") != nullptr) submission.deadline_at = deadline_at;
  submission.payload = core::Payload(std::move(request.body));
  const std::string* type = request.header("content-type");
  if (type != nullptr) submission.payload.content_type = *type;
  return submission;
}

Result<std::int64_t> integer_of_text(std::string_view name, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return bad("wrong_type", std::string(name) + " is " + core::shown(text) + ", must be a whole number");
}

}  // namespace ff::server::http
