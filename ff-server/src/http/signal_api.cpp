// ExecutionApi: waiting executions, and who may send them what.
#include <algorithm>

#include "ff/core/base64.hpp"
#include "http/error_map.hpp"
#include "http/execution_api.hpp"
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
using core::TokenFault;

struct SignalBody {
  core::Signal signal;
  std::string waitpoint, token;
  SignalBody() = default;
};

Result<SignalBody> signal_body_of(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  SignalBody body;
  if (request.captures.size() > 1) body.waitpoint = request.captures[1];
  else reader.text("waitpoint", body.waitpoint);
  reader.require("name");
  reader.text("name", body.signal.name);
  reader.text("id", body.signal.id);
  reader.text("token", body.token);
  read_payload(reader, request.body, body.signal.payload);
  reader.finish();
  if (error) return std::move(*error);
  const std::string* header = request.header("authorization");
  if (request.caller.empty() && header != nullptr) {
    if (!body.token.empty()) return bad("two_tokens", "a token comes in the header Authorization or in the body");
    body.token = bearer_token(request).value_or(*header);
  }
  return body;
}

// The only thing a sender hears about a token that does not allow what he wants.
Response refuse_token(std::string_view request_id) {
  return refuse(Error(Code::unauthenticated, "bad_token", "a token that allows this is missing"), request_id);
}

// Whether the token allows it; then what it claims takes the place of what the sender cannot say himself.
TokenFault apply_token(const sdk::TokenKeys& keys, const Request& request, const core::ExecutionId& id,
                       SignalBody& body, std::string& ns) {
  const auto verdict = keys.verify(body.token);
  if (!verdict.claims) return verdict.fault;
  core::TokenUse use;
  if (request.header("x-ff-namespace") != nullptr || request.query("namespace") != nullptr) use.ns = ns;
  use.execution = id;
  use.waitpoint = body.waitpoint;
  use.name = body.signal.name;
  use.payload = body.signal.payload.bytes;
  const TokenFault fault = fault_of(*verdict.claims, use);
  if (fault != TokenFault::none) return fault;
  ns = verdict.claims->ns;
  body.waitpoint = verdict.claims->waitpoint;
  body.signal.source = source_of(*verdict.claims);
  if (body.signal.id.empty()) body.signal.id = core::Ulid::make().str();
  body.signal.id = signal_id_of(*verdict.claims, body.signal.id);
  return TokenFault::none;
}

void write_waitpoint(JsonWriter& writer, const sdk::OpenWaitpoint& open) {
  writer.begin_object().field("waitpoint", open.name).field("label", open.label).key("names").begin_array();
  for (const std::string& name : open.names) writer.string(name);
  writer.end_array().field("signals", open.signals).field("max_signals", open.max_signals);
  writer.field("max_bytes", open.max_bytes).field("expires_at", open.expires_at).flag("expired", open.expired);
  writer.end_object();
}

std::string waiting_json(const core::ExecutionId& id, const sdk::Waiting& waiting) {
  JsonWriter writer;
  writer.begin_object().field("id", id.str()).field("state", core::to_string(waiting.state));
  writer.field("step", waiting.step).field("suspended_at", waiting.suspended_at);
  writer.field("timeout_at", waiting.timeout_at);
  if (waiting.on_timeout) writer.field("on_timeout", core::to_string(*waiting.on_timeout));
  if (!waiting.condition.empty()) writer.key("condition").raw(waiting.condition);
  if (!waiting.missing.empty()) writer.key("missing").raw(waiting.missing);
  writer.key("waitpoints").begin_array();
  for (const auto& open : waiting.waitpoints) write_waitpoint(writer, open);
  return writer.end_array().end_object().take();
}

Result<std::int64_t> step_of(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  std::int64_t step = -1;
  reader.integer("step", step);
  reader.finish();
  if (error) return std::move(*error);
  return step;
}

Result<core::Event> event_of(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  core::Event event;
  std::int64_t keep = event.keep.count();
  reader.require("name");
  reader.text("name", event.name);
  reader.text("key", event.key);
  reader.text("id", event.id);
  reader.integer("keep_ms", keep);
  read_payload(reader, request.body, event.payload);
  reader.finish();
  if (error) return std::move(*error);
  event.keep = Millis(keep);
  event.source = request.caller;
  return event;
}

Result<sdk::Broadcast> broadcast_of(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  sdk::Broadcast broadcast;
  std::string cursor;
  auto limit = static_cast<std::int64_t>(broadcast.limit);
  for (const char* field : {"tag", "value", "label", "name", "id"}) reader.require(field);
  reader.text("tag", broadcast.tag);
  reader.text("value", broadcast.value);
  reader.text("label", broadcast.label);
  reader.text("name", broadcast.signal.name);
  reader.text("id", broadcast.signal.id);
  reader.text("lane", broadcast.lane);
  reader.text("cursor", cursor);
  reader.integer("limit", limit);
  read_payload(reader, request.body, broadcast.signal.payload);
  reader.finish();
  if (error) return std::move(*error);
  if (limit < 1) return bad("bad_limit", "limit is " + std::to_string(limit) + ", allowed are 1 to 1000");
  auto decoded = core::base64url_decode(cursor);
  if (!decoded) return bad("bad_cursor", "cursor must be one that a broadcast answered");
  broadcast.cursor = std::move(*decoded);
  broadcast.limit = static_cast<std::size_t>(limit);
  broadcast.signal.source = request.caller;
  return broadcast;
}

std::string broadcast_json(const sdk::BroadcastPage& page) {
  JsonWriter writer;
  writer.begin_object().key("reached").begin_array();
  for (const auto& one : page.reached) {
    writer.begin_object().field("id", one.id.str());
    if (one.answer) {
      writer.flag("duplicate", one.answer->duplicate).flag("resumed", one.answer->resumed);
    } else {
      write_error(writer.key("error"), one.answer.error(), "");
    }
    writer.end_object();
  }
  return writer.end_array().field("cursor", core::base64url_encode(page.cursor)).end_object().take();
}

}  // namespace

asio::awaitable<Response> ExecutionApi::broadcast(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto broadcast = broadcast_of(request);
  if (!broadcast) co_return refuse(broadcast.error(), request.request_id);
  auto page = co_await client->broadcast(std::move(*broadcast));
  if (!page) co_return refuse(page.error(), request.request_id);
  co_return Response(200, broadcast_json(*page));
}

asio::awaitable<Response> ExecutionApi::signal(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = id_of(request);
  if (!id) co_return refuse(id.error(), request.request_id);
  auto body = signal_body_of(request);
  const std::string* credential = request.header("authorization");
  const bool signing = bearer_token(request).value_or("").starts_with("ffw1.");
  if (!body && request.caller.empty() && !signing) {
    if (credential != nullptr) options_.wrong_tokens->count(request.peer);  // One that the router did not know.
    co_return refuse_token(request.request_id);
  }
  if (!body) co_return refuse(body.error(), request.request_id);
  std::string ns = client->ns();
  if (request.caller.empty() || !body->token.empty()) {
    if (auto refusal = options_.wrong_tokens->refusal(request.peer)) co_return refuse(*refusal, request.request_id);
    const TokenFault fault = apply_token(*keys_, request, *id, *body, ns);
    if (fault != TokenFault::none) {
      options_.wrong_tokens->count(request.peer);
      if (options_.token_refused) options_.token_refused(fault);
      co_return refuse_token(request.request_id);
    }
  } else {
    body->signal.source = request.caller;
  }
  if (body->waitpoint.empty()) {
    co_return refuse(bad("missing_field", "waitpoint is missing"), request.request_id);
  }
  auto answer = co_await client->in_namespace(std::move(ns)).signal(*id, body->waitpoint, std::move(body->signal));
  if (!answer) co_return refuse(answer.error(), request.request_id);
  JsonWriter writer;
  writer.begin_object().field("id", id->str()).field("waitpoint", body->waitpoint);
  writer.flag("duplicate", answer->duplicate).flag("resumed", answer->resumed);
  co_return Response(200, writer.field("number", answer->number).end_object().take());
}

asio::awaitable<Response> ExecutionApi::waitpoints(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = id_of(request);
  if (!id) co_return refuse(id.error(), request.request_id);
  auto waiting = co_await client->waitpoints(*id);
  if (!waiting) co_return refuse(waiting.error(), request.request_id);
  co_return Response(200, waiting_json(*id, *waiting));
}

asio::awaitable<Response> ExecutionApi::resume(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = id_of(request);
  if (!id) co_return refuse(id.error(), request.request_id);
  auto step = step_of(request);
  if (!step) co_return refuse(step.error(), request.request_id);
  auto resumed = co_await client->resume(*id, *step);
  if (!resumed) co_return refuse(resumed.error(), request.request_id);
  JsonWriter writer;
  co_return Response(200, writer.begin_object().field("id", id->str()).end_object().take());
}

asio::awaitable<Response> ExecutionApi::publish_event(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto event = event_of(request);
  if (!event) co_return refuse(event.error(), request.request_id);
  auto published = co_await client->publish_event(std::move(*event));
  if (!published) co_return refuse(published.error(), request.request_id);
  JsonWriter writer;
  writer.begin_object().flag("duplicate", published->duplicate);
  writer.field("delivered", static_cast<std::int64_t>(published->delivered)).end_object();
  co_return Response(200, writer.take());
}

}  // namespace ff::server::http
