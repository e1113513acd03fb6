#include "http/execution_json.hpp"

#include <algorithm>

#include "ff/core/base64.hpp"
#include "ff/core/text.hpp"
#include "http/error_map.hpp"
#include "http/json.hpp"

namespace ff::server::http {
namespace {

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = core::utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool is_json_type(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return type == "application/json" || type.ends_with("+json");
}

// With U+FFFD for each byte that is no UTF-8.
std::string as_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = core::utf8_length(text);
    result.append(length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

void write_execution_numbers(JsonWriter& writer, const script::Describe::Ok& fields) {
  writer.field("priority", fields.priority).field("generation", fields.generation).field("attempt", fields.attempt);
  writer.field("failures", fields.failures).field("crashes", fields.crashes).field("epoch", fields.epoch);
  writer.field("created_at", fields.created_at).field("began_at", fields.began_at).field("ended_at", fields.ended_at);
  writer.field("timer_at", fields.timer_at).field("position", fields.position).field("deadline_at", fields.deadline_at);
  writer.field("cancel_requested_at", fields.cancel_requested_at);
  writer.field("attempt_timeout_ms", fields.attempt_timeout_ms).field("now", fields.now);
}

void write_queue(JsonWriter& writer, std::string_view queue) {
  const std::size_t slash = queue.find('/');
  writer.field("namespace", queue.substr(0, slash));
  writer.field("lane", slash == std::string_view::npos ? std::string_view() : queue.substr(slash + 1));
}

std::string or_default(const std::string& type) { return type.empty() ? std::string(core::kContentTypeDefault) : type; }

}  // namespace

void write_stored_json(JsonWriter& writer, std::string_view text) {
  const std::string good = as_utf8(text);
  if (parse_json(good)) writer.raw(good);
  else writer.string(good);
}

void write_payload(JsonWriter& writer, const core::Payload& payload) {
  writer.begin_object().field("content_type", payload.content_type);
  writer.field("size", static_cast<std::int64_t>(payload.bytes.size()));
  if (is_json_type(payload.content_type) && parse_json(payload.bytes)) writer.key("json").raw(payload.bytes);
  else if (is_utf8(payload.bytes)) writer.field("text", payload.bytes);
  else writer.field("base64", core::base64_encode(payload.bytes));
  writer.end_object();
}

void write_text(JsonWriter& writer, std::string_view name, std::string_view text) {
  writer.field(name, text);
  if (!is_utf8(text)) writer.field(std::string(name) + "_base64", core::base64_encode(text));
}

std::string description_json(const core::ExecutionId& id, const sdk::Description& description) {
  const script::Describe::Ok& fields = description.fields;
  JsonWriter writer;
  writer.begin_object().field("id", id.str()).field("state", core::to_string(description.state));
  write_queue(writer, fields.queue);
  writer.field("kind", fields.kind).field("mode", fields.mode).field("worker", fields.worker);
  write_execution_numbers(writer, fields);
  writer.field("content_type", or_default(fields.content_type));
  writer.field("result_content_type", or_default(fields.result_content_type));
  writer.field("failure_class", fields.failure_class);
  write_text(writer, "text", fields.text);
  writer.key("progress").begin_object().field("percent", fields.percent).field("at", fields.progress_at);
  write_text(writer, "message", fields.message);
  writer.end_object().field("requirements", fields.requirements).field("fairness_key", fields.fairness_key);
  writer.field("fairness_weight", fields.fairness_weight).key("policy");
  write_stored_json(writer, fields.policy.empty() ? "{}" : fields.policy);
  writer.key("tags");
  write_stored_json(writer, fields.tags.empty() ? "{}" : fields.tags);
  writer.key("history").begin_array();
  for (const auto& row : fields.rows) write_stored_json(writer, row.entry);
  return writer.end_array().end_object().take();
}

std::string outcome_json(const core::ExecutionId& id, const sdk::Outcome& outcome) {
  JsonWriter writer;
  writer.begin_object().field("id", id.str()).field("state", core::to_string(outcome.state));
  writer.flag("finished", core::is_terminal(outcome.state)).field("generation", outcome.generation);
  writer.field("failure_class", outcome.failure_class);
  write_text(writer, "text", outcome.text);
  if (outcome.state == core::State::completed) {
    writer.key("result");
    write_payload(writer, outcome.result);
  }
  return writer.end_object().take();
}

std::string page_json(const sdk::Page& page) {
  JsonWriter writer;
  writer.begin_object().key("executions").begin_array();
  for (const sdk::Listed& one : page.executions) {
    writer.begin_object().field("id", one.id.str()).field("lane", one.lane).field("kind", one.kind);
    writer.field("priority", one.priority).field("attempt", one.attempt).field("created_at", one.created_at);
    writer.field("timer_at", one.timer_at).end_object();
  }
  return writer.end_array().field("cursor", core::base64url_encode(page.cursor)).end_object().take();
}

std::string counts_json(const std::map<std::string, std::int64_t>& counts) {
  static constexpr std::string_view kReady = "ready:", kUnserved = "unserved:";
  JsonWriter states, ready;
  std::int64_t ready_total = 0;
  ready.begin_array();
  states.begin_object();
  for (const auto& [index, count] : counts) {
    if (index.starts_with(kUnserved)) continue;
    if (!index.starts_with(kReady)) {
      if (index != "ready") states.field(index, count);
      continue;
    }
    ready_total += count;
    ready.begin_object();
    write_queue(ready, std::string_view(index).substr(kReady.size()));
    ready.field("executions", count).end_object();
  }
  states.field("ready", ready_total).end_object();
  JsonWriter writer;
  writer.begin_object().key("states").raw(states.take()).key("ready").raw(ready.end_array().take());
  return writer.end_object().take();
}

Response batch_response(const std::vector<core::Result<sdk::Submitted>>& answers, std::string_view request_id) {
  bool alike = true;
  for (const auto& answer : answers) {
    alike = alike && !answer && answer.error().code == answers.front().error().code;
  }
  JsonWriter writer;
  writer.begin_object();
  Response response;
  if (alike && !answers.empty()) {
    response = refuse(answers.front().error(), request_id);
    writer.key("error");
    write_error(writer, answers.front().error(), request_id);
  }
  writer.key("results").begin_array();
  for (const auto& answer : answers) {
    writer.begin_object();
    if (answer) {
      writer.field("status", answer->duplicate ? 200 : 201)
          .field("id", answer->id.str())
          .flag("duplicate", answer->duplicate);
    } else {
      writer.field("status", status_of(answer.error())).key("error");
      write_error(writer, answer.error(), "");
    }
    writer.end_object();
  }
  response.body = writer.end_array().end_object().take();
  return response;
}

Response raw_response(const core::Payload& payload) {
  Response response(200, payload.bytes);
  const bool good = static_cast<bool>(core::validate_content_type(payload.content_type));
  response.content_type = good ? payload.content_type : std::string(core::kContentTypeDefault);
  response.headers.emplace_back("Content-Security-Policy", "default-src 'none'; sandbox");
  return response;
}

}  // namespace ff::server::http
