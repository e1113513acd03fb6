// ExecutionApi: lanes, and why an execution waits.
#include "http/error_map.hpp"
#include "http/execution_api.hpp"
#include "http/execution_json.hpp"
#include "http/json.hpp"
#include "http/json_writer.hpp"
#include "http/request_body.hpp"
#include "http/submission_json.hpp"

namespace ff::server::http {
namespace {

namespace asio = boost::asio;
using core::Error;
using core::Result;

struct Reason {
  std::string by, why;
  Reason() = default;
};

Result<Reason> reason_of(const Request& request) {
  FF_TRY(root, small_object(request));
  Reason reason;
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  reader.text("by", reason.by);
  reader.text("why", reason.why);
  reader.finish();
  if (error) return std::move(*error);
  // Whoever has shown who he is cannot be another.
  if (request.caller_shown || reason.by.empty()) reason.by = request.caller;
  return reason;
}

void write_cap(JsonWriter& writer, const std::optional<sdk::QuotaDescription>& cap) {
  if (!cap || !cap->quota.concurrency) return;
  writer.key("cap").begin_object().field("concurrency", *cap->quota.concurrency).field("held", cap->held);
  writer.field("holders", cap->holders).field("waiting", cap->waiting).end_object();
}

void write_lane(JsonWriter& writer, const sdk::Lane& lane) {
  writer.field("lane", lane.name).field("state", core::to_string(lane.state)).field("by", lane.by);
  writer.field("why", lane.why).field("since", lane.since).field("version", lane.version);
  writer.key("policy").raw(lane.policy.empty() ? "{}" : lane.policy);
}

std::string lanes_json(const std::vector<sdk::Lane>& lanes) {
  JsonWriter writer;
  writer.begin_object().key("lanes").begin_array();
  for (const auto& lane : lanes) {
    writer.begin_object();
    write_lane(writer, lane);
    writer.end_object();
  }
  return writer.end_array().end_object().take();
}

std::string status_json(const sdk::LaneStatus& status) {
  JsonWriter writer;
  writer.begin_object();
  write_lane(writer, status.lane);
  writer.field("waiting", status.waiting);
  write_cap(writer, status.cap);
  const auto milli = status.starts_per_second < 0 ? -1 : static_cast<std::int64_t>(status.starts_per_second * 1000);
  writer.field("starts_per_1000_s", milli).key("routes").begin_array();
  for (const auto& route : status.routes) {
    writer.begin_object().field("requirements", route.requirements).field("fairness_keys", route.fairness_keys);
    writer.field("waiting", route.waiting).flag("served", route.served).end_object();
  }
  return writer.end_array().end_object().take();
}

std::string explanation_json(const core::ExecutionId& id, const sdk::Explanation& explanation) {
  const auto& fields = explanation.fields;
  JsonWriter writer;
  writer.begin_object().field("id", id.str()).field("state", core::to_string(explanation.state));
  writer.field("reason", fields.reason).field("text", explanation.text()).field("until", fields.until);
  writer.field("position", fields.position).field("expected_in_ms", explanation.expected.count());
  writer.field("requirements", fields.requirements).field("fairness_key", fields.fairness_key);
  write_cap(writer, explanation.cap);
  writer.field("lane_state", fields.lane_state).field("lane_by", fields.lane_by).field("lane_why", fields.lane_why);
  return writer.field("lane_since", fields.lane_since).field("now", fields.now).end_object().take();
}

}  // namespace

asio::awaitable<Response> ExecutionApi::lanes(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto found = co_await client->lanes();
  if (!found) co_return refuse(found.error(), request.request_id);
  co_return Response(200, lanes_json(*found));
}

asio::awaitable<Response> ExecutionApi::lane(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto found = co_await client->lane(request.captures.at(0));
  if (!found) co_return refuse(found.error(), request.request_id);
  co_return Response(200, status_json(*found));
}

asio::awaitable<Response> ExecutionApi::set_lane_policy(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto body = json_object(request);
  if (!body) co_return refuse(body.error(), request.request_id);
  auto policy = lane_policy_of(body->get_object());
  if (!policy) co_return refuse(policy.error(), request.request_id);
  auto set = co_await client->set_lane_policy(request.captures.at(0), std::move(*policy));
  if (!set) co_return refuse(set.error(), request.request_id);
  co_return co_await lane(std::move(request));
}

asio::awaitable<Response> ExecutionApi::pause_lane(Request request) {
  return set_lane_state(std::move(request), core::LaneState::paused);
}

asio::awaitable<Response> ExecutionApi::resume_lane(Request request) {
  return set_lane_state(std::move(request), core::LaneState::running);
}

asio::awaitable<Response> ExecutionApi::drain_lane(Request request) {
  return set_lane_state(std::move(request), core::LaneState::draining);
}

asio::awaitable<Response> ExecutionApi::set_lane_state(Request request, core::LaneState state) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto reason = reason_of(request);
  if (!reason) co_return refuse(reason.error(), request.request_id);
  auto set = co_await client->set_lane_state(request.captures.at(0), state, reason->by, reason->why);
  if (!set) co_return refuse(set.error(), request.request_id);
  co_return co_await lane(std::move(request));
}

asio::awaitable<Response> ExecutionApi::explain(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = core::ExecutionId::parse(request.captures.at(0));
  if (!id) co_return refuse(id.error(), request.request_id);
  auto explanation = co_await client->explain(*id);
  if (!explanation) co_return refuse(explanation.error(), request.request_id);
  co_return Response(200, explanation_json(*id, *explanation));
}

}  // namespace ff::server::http
