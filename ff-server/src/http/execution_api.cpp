#include "http/execution_api.hpp"

#include <algorithm>

#include "ff/core/base64.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"
#include "http/error_map.hpp"
#include "http/execution_json.hpp"
#include "http/json.hpp"
#include "http/request_body.hpp"
#include "http/submission_json.hpp"

namespace ff::server::http {
namespace {

namespace asio = boost::asio;
using core::Code;
using core::Error;
using core::Millis;
using core::Result;

Millis left(const core::Deadline& deadline) {
  const auto now = std::chrono::steady_clock::now();
  return std::max(Millis(1), std::chrono::duration_cast<Millis>(deadline.at - now));
}

// The key of the header, unless the document has the same one.
Result<void> apply_key_header(const Request& request, sdk::Submission& submission) {
  const std::string* key = request.header("idempotency-key");
  if (key == nullptr) return {};
  if (auto good = core::validate_idempotency_key(*key, "Idempotency-Key"); !good) return good;
  if (!submission.idempotency_key.empty() && submission.idempotency_key != *key) {
    return bad("bad_idempotency_key", "the header Idempotency-Key and the field idempotency_key differ");
  }
  submission.idempotency_key = *key;
  return {};
}

Result<sdk::Submission> submission_of(Request& request) {
  const bool json = body_kind(request) == BodyKind::json;
  if (json && request.target.query.size() > (request.query("namespace") != nullptr ? 1u : 0u)) {
    return bad("unknown_parameter", "with an application/json body the fields are in the body, not in the query");
  }
  auto submission = json ? submission_of_json(request.body) : submission_of_bytes(request);
  if (!submission) return submission;
  if (auto applied = apply_key_header(request, *submission); !applied) return std::move(applied).error();
  if (auto good = sdk::validate(*submission); !good) return std::move(good).error();
  return submission;
}

Result<sdk::ListQuery> list_query_of(const Request& request) {
  sdk::ListQuery query;
  const std::string* state = request.query("state");
  if (state == nullptr) return bad("missing_field", "the query parameter state is missing");
  FF_TRY(parsed, core::parse_state(*state));
  query.state = parsed;
  if (const std::string* lane = request.query("lane"); lane != nullptr) {
    if (auto good = core::validate_lane(*lane); !good) return std::move(good).error();
    query.lane = *lane;
  }
  if (const std::string* cursor = request.query("cursor"); cursor != nullptr) {
    auto decoded = core::base64url_decode(*cursor);
    if (!decoded) return bad("bad_cursor", "cursor is " + core::shown(*cursor) + ", must be one that a list answered");
    query.cursor = std::move(*decoded);
  }
  FF_TRY(limit, integer_query(request, "limit", 100, 1, static_cast<std::int64_t>(core::limits::kListPage)));
  query.limit = static_cast<std::size_t>(limit);
  return query;
}

struct CancelBody {
  Millis grace{0};
  std::string reason;
  CancelBody() = default;
};

Result<CancelBody> cancel_body_of(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  CancelBody body;
  std::int64_t grace = 0;
  reader.integer("grace_ms", grace);
  reader.text("reason", body.reason);
  reader.finish();
  if (error) return std::move(*error);
  body.grace = Millis(grace);
  return body;
}

Result<std::int64_t> priority_body_of(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  std::int64_t priority = 0;
  reader.require("priority");
  reader.integer("priority", priority);
  reader.finish();
  if (error) return std::move(*error);
  return priority;
}

Result<void> no_body_fields(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader(root.get_object(), "", error).finish();
  if (error) return std::move(*error);
  return {};
}

// The outcome now, or within `wait`; an execution that has not ended by then is no error.
sdk::Awaitable<sdk::Outcome> outcome_within(sdk::Client client, core::ExecutionId id, std::int64_t generation,
                                            Millis wait) {
  if (wait.count() > 0) {
    auto ended = co_await client.wait(id, core::Deadline::in(wait));
    if (ended || ended.error().reason != "deadline") co_return ended;
  }
  co_return co_await client.result(id, generation);
}

Response submitted_response(const sdk::Submitted& submitted) {
  JsonWriter writer;
  writer.begin_object().field("id", submitted.id.str()).flag("duplicate", submitted.duplicate).end_object();
  Response response(submitted.duplicate ? 200 : 201, writer.take());
  response.headers.emplace_back("Location", "/v1/executions/" + submitted.id.str());
  return response;
}

}  // namespace

Result<std::string> namespace_of(const Request& request) {
  const std::string* header = request.header("x-ff-namespace");
  const std::string* query = request.query("namespace");
  if (header != nullptr && query != nullptr && *header != *query) {
    return bad("bad_namespace", "the header X-FF-Namespace and the query parameter namespace differ");
  }
  const std::string* given = header != nullptr ? header : query;
  const std::string ns = given != nullptr ? *given : "default";
  if (auto good = core::validate_namespace(ns); !good) return std::move(good).error();
  return ns;
}

Result<sdk::Client> ExecutionApi::client_for(const Request& request) const {
  FF_TRY(ns, namespace_of(request));
  return sdk::Client(deployment_, std::move(ns), left(request.deadline));
}

asio::awaitable<Response> ExecutionApi::submit(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto submission = submission_of(request);
  if (!submission) co_return refuse(submission.error(), request.request_id);
  auto submitted = co_await client->submit(std::move(*submission));
  if (!submitted) co_return refuse(submitted.error(), request.request_id);
  co_return submitted_response(*submitted);
}

asio::awaitable<Response> ExecutionApi::submit_batch(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  if (request.header("idempotency-key") != nullptr) {
    co_return refuse(bad("bad_idempotency_key", "a batch has idempotency_key in each execution, not the header"),
                     request.request_id);
  }
  if (body_kind(request) != BodyKind::json) {
    co_return refuse(415, bad("bad_content_type", "a batch must be application/json"), request.request_id);
  }
  auto submissions = submissions_of_json(request.body);
  if (!submissions) co_return refuse(submissions.error(), request.request_id);
  auto answers = co_await client->submit_many(std::move(*submissions));
  if (!answers) co_return refuse(answers.error(), request.request_id);
  co_return batch_response(*answers, request.request_id);
}

asio::awaitable<Response> ExecutionApi::list(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto query = list_query_of(request);
  if (!query) co_return refuse(query.error(), request.request_id);
  auto page = co_await client->list(std::move(*query));
  if (!page) co_return refuse(page.error(), request.request_id);
  co_return Response(200, page_json(*page));
}

asio::awaitable<Response> ExecutionApi::describe(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = id_of(request);
  if (!id) co_return refuse(id.error(), request.request_id);
  auto description = co_await client->describe(*id);
  if (!description) co_return refuse(description.error(), request.request_id);
  co_return Response(200, description_json(*id, *description));
}

asio::awaitable<Response> ExecutionApi::result(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = id_of(request);
  if (!id) co_return refuse(id.error(), request.request_id);
  auto raw = integer_query(request, "raw", 0, 0, 1);
  if (!raw) co_return refuse(raw.error(), request.request_id);
  auto generation = integer_query(request, "generation", -1, 0, INT64_MAX);
  if (!generation) co_return refuse(generation.error(), request.request_id);
  auto wait = integer_query(request, "wait_ms", 0, 0, kWaitMsMax);
  if (!wait) co_return refuse(wait.error(), request.request_id);
  if (*wait > 0 && *generation >= 0) {
    co_return refuse(bad("bad_wait_ms", "wait_ms waits for the current generation; leave out generation"),
                     request.request_id);
  }
  auto outcome = co_await outcome_within(*client, *id, *generation, Millis(*wait));
  if (!outcome) co_return refuse(outcome.error(), request.request_id);
  if (*raw == 0) co_return Response(200, outcome_json(*id, *outcome));
  if (outcome->state != core::State::completed) {
    co_return refuse(Error(Code::conflict, "not_completed",
                           "execution " + id->str() + " is " + std::string(core::to_string(outcome->state)) +
                               ", only a completed one has a result"),
                     request.request_id);
  }
  co_return raw_response(outcome->result);
}

asio::awaitable<Response> ExecutionApi::payload(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = id_of(request);
  if (!id) co_return refuse(id.error(), request.request_id);
  auto raw = integer_query(request, "raw", 0, 0, 1);
  if (!raw) co_return refuse(raw.error(), request.request_id);
  auto payload = co_await client->payload(*id);
  if (!payload) co_return refuse(payload.error(), request.request_id);
  if (*raw == 1) co_return raw_response(*payload);
  JsonWriter writer;
  writer.begin_object().field("id", id->str()).key("payload");
  write_payload(writer, *payload);
  co_return Response(200, writer.end_object().take());
}

asio::awaitable<Response> ExecutionApi::cancel(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = id_of(request);
  if (!id) co_return refuse(id.error(), request.request_id);
  auto body = cancel_body_of(request);
  if (!body) co_return refuse(body.error(), request.request_id);
  auto answer = co_await client->cancel(*id, body->grace, body->reason);
  if (!answer) co_return refuse(answer.error(), request.request_id);
  JsonWriter writer;
  writer.begin_object().field("id", id->str()).field("state", core::to_string(answer->state));
  co_return Response(200, writer.field("grace_until", answer->grace_until).end_object().take());
}

asio::awaitable<Response> ExecutionApi::replay(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = id_of(request);
  if (!id) co_return refuse(id.error(), request.request_id);
  auto empty = no_body_fields(request);
  if (!empty) co_return refuse(empty.error(), request.request_id);
  auto generation = co_await client->replay(*id);
  if (!generation) co_return refuse(generation.error(), request.request_id);
  JsonWriter writer;
  writer.begin_object().field("id", id->str()).field("generation", *generation).end_object();
  co_return Response(200, writer.take());
}

asio::awaitable<Response> ExecutionApi::change_priority(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = id_of(request);
  if (!id) co_return refuse(id.error(), request.request_id);
  auto priority = priority_body_of(request);
  if (!priority) co_return refuse(priority.error(), request.request_id);
  auto changed = co_await client->change_priority(*id, *priority);
  if (!changed) co_return refuse(changed.error(), request.request_id);
  JsonWriter writer;
  writer.begin_object().field("id", id->str()).field("priority", *priority).end_object();
  co_return Response(200, writer.take());
}

asio::awaitable<Response> ExecutionApi::purge(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = id_of(request);
  if (!id) co_return refuse(id.error(), request.request_id);
  auto purged = co_await client->purge(*id);
  if (!purged) co_return refuse(purged.error(), request.request_id);
  co_return Response(204, "");
}

asio::awaitable<Response> ExecutionApi::counts(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto counts = co_await client->count();
  if (!counts) co_return refuse(counts.error(), request.request_id);
  co_return Response(200, counts_json(*counts));
}

asio::awaitable<Response> ExecutionApi::healthz(Request request) {
  const auto health = health_.health();
  if (!health) co_return refuse(health.error(), request.request_id);
  co_return Response(200, "{\"status\":\"ok\"}");
}

}  // namespace ff::server::http
