// ExecutionApi: waitpoint tokens and the keys that sign them.
#include "ff/core/limits.hpp"
#include "ff/core/sha256.hpp"
#include "ff/core/text.hpp"
#include "http/error_map.hpp"
#include "http/execution_api.hpp"
#include "http/json.hpp"
#include "http/request_body.hpp"

namespace ff::server::http {
namespace {

namespace asio = boost::asio;
using core::Code;
using core::Error;
using core::Millis;
using core::Result;

constexpr Millis kExpiresInDefault(24 * 3600 * 1000);

void read_names(ObjectReader& reader, std::vector<std::string>& names) {
  const boost::json::array* array = reader.array("names");
  if (array == nullptr) return;
  for (const auto& name : *array) {
    if (name.is_string()) names.emplace_back(name.get_string());
    else reader.wrong_type("names", "an array of strings", name);
  }
}

Result<core::TokenClaims> claims_of(const Request& request, std::string ns, core::TimestampMs now) {
  FF_TRY(id, id_of(request));
  FF_TRY(root, small_object(request));
  core::TokenClaims claims(std::move(id), "", std::move(ns));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  std::int64_t expires_in = kExpiresInDefault.count();
  std::string digest, again;
  reader.require("waitpoint");
  reader.text("waitpoint", claims.waitpoint);
  read_names(reader, claims.names);
  reader.text("source", claims.source);
  reader.integer("expires_in_ms", expires_in);
  reader.integer("not_before", claims.not_before);
  reader.text("payload_sha256", digest);
  if (const auto* reusable = reader.take("reusable"); reusable != nullptr) {
    if (reusable->is_bool()) claims.reusable = reusable->get_bool();
    else reader.wrong_type("reusable", "true or false", *reusable);
  }
  reader.finish();
  if (error) return std::move(*error);
  if (expires_in < 1 || expires_in > core::limits::kDurationMsMax)
    return bad("bad_expires_in_ms", "expires_in_ms is " + std::to_string(expires_in) + ", allowed is 1 to ten years");
  claims.expires_at = now + expires_in;
  if (!digest.empty()) {
    claims.digest = core::parse_sha256(digest);
    if (!claims.digest) return bad("bad_payload_sha256", "payload_sha256 must be 64 lower case hex digits");
  }
  return claims;
}

// The whole name of an open waitpoint, which may be given as its label alone.
Result<std::string> open_waitpoint(const sdk::Waiting& waiting, const std::string& given) {
  for (const auto& open : waiting.waitpoints) {
    if (open.name == given || open.label == given) return open.name;
  }
  return Error(Code::not_found, "no_such_waitpoint",
               "no open waitpoint of this execution has the name or label " + core::shown(given));
}

void write_claims(JsonWriter& writer, const core::TokenClaims& claims) {
  writer.begin_object().field("execution", claims.execution.str()).field("waitpoint", claims.waitpoint);
  writer.field("namespace", claims.ns).field("source", source_of(claims));
  writer.field("not_before", claims.not_before).field("expires_at", claims.expires_at);
  writer.key("names").begin_array();
  for (const std::string& name : claims.names) writer.string(name);
  writer.end_array().flag("reusable", claims.reusable);
  if (claims.digest) {
    const auto* bytes = reinterpret_cast<const char*>(claims.digest->data());
    writer.field("payload_sha256", core::hex(std::string_view(bytes, claims.digest->size())));
  }
  writer.end_object();
}

Result<std::string> token_field(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  std::string token;
  reader.require("token");
  reader.text("token", token);
  reader.finish();
  if (error) return std::move(*error);
  return token;
}

Result<Millis> grace_of(const Request& request, Millis fallback) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  std::int64_t grace = fallback.count();
  reader.integer("grace_ms", grace);
  reader.finish();
  if (error) return std::move(*error);
  if (grace < 0 || grace > core::limits::kDurationMsMax)
    return bad("bad_grace_ms", "grace_ms is " + std::to_string(grace) + ", allowed is 0 to ten years");
  return Millis(grace);
}

}  // namespace

asio::awaitable<Response> ExecutionApi::mint_token(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto claims = claims_of(request, client->ns(), keys_->now());
  if (!claims) co_return refuse(claims.error(), request.request_id);
  auto waiting = co_await client->waitpoints(claims->execution);
  if (!waiting) co_return refuse(waiting.error(), request.request_id);
  auto waitpoint = open_waitpoint(*waiting, claims->waitpoint);
  if (!waitpoint) co_return refuse(waitpoint.error(), request.request_id);
  claims->waitpoint = std::move(*waitpoint);
  auto token = keys_->mint(*claims);
  if (!token) co_return refuse(token.error(), request.request_id);
  JsonWriter writer;
  writer.begin_object().field("token", *token).field("waitpoint", claims->waitpoint);
  co_return Response(201, writer.field("expires_at", claims->expires_at).end_object().take());
}

// For operators only: it tells why.
asio::awaitable<Response> ExecutionApi::verify_token(Request request) {
  auto token = token_field(request);
  if (!token) co_return refuse(token.error(), request.request_id);
  const auto verdict = keys_->verify(*token);
  JsonWriter writer;
  writer.begin_object().flag("valid", verdict.fault == core::TokenFault::none);
  writer.field("fault", core::to_string(verdict.fault));
  if (verdict.claims) write_claims(writer.key("claims"), *verdict.claims);
  co_return Response(200, writer.end_object().take());
}

Response ExecutionApi::keys_response() const {
  JsonWriter writer;
  writer.begin_object().field("version", keys_->version()).key("keys").begin_array();
  for (const core::RingKey& key : keys_->ring().keys()) {
    const bool over = key.state == core::KeyState::verify_only && key.until <= keys_->now();
    writer.begin_object().field("kid", key.kid).field("state", over ? "expired" : core::to_string(key.state));
    writer.field("created_at", key.created_at);
    if (key.state == core::KeyState::verify_only) writer.field("until", key.until);
    writer.end_object();
  }
  return Response(200, writer.end_array().end_object().take());
}

asio::awaitable<Response> ExecutionApi::list_keys(Request) { co_return keys_response(); }

asio::awaitable<Response> ExecutionApi::rotate_keys(Request request) {
  auto grace = grace_of(request, options_.rotation_grace);
  if (!grace) co_return refuse(grace.error(), request.request_id);
  auto rotated = co_await keys_->rotate(*grace, request.deadline);
  if (!rotated) co_return refuse(rotated.error(), request.request_id);
  co_return keys_response();
}

asio::awaitable<Response> ExecutionApi::revoke_key(Request request) {
  auto empty = small_object(request);
  if (!empty) co_return refuse(empty.error(), request.request_id);
  auto revoked = co_await keys_->revoke(request.captures.at(0), request.deadline);
  if (!revoked) co_return refuse(revoked.error(), request.request_id);
  co_return keys_response();
}

}  // namespace ff::server::http
