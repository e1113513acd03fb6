// ExecutionApi: quotas and budgets.
#include "ff/core/limits.hpp"
#include "http/error_map.hpp"
#include "http/execution_api.hpp"
#include "http/json.hpp"
#include "http/request_body.hpp"
#include "http/submission_json.hpp"

namespace ff::server::http {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using core::Error;
using core::LimitKind;
using core::Millis;
using core::Result;

constexpr std::int64_t kNamesOfPage = 100;

void read_optional(ObjectReader& reader, std::string_view name, std::optional<std::int64_t>& value) {
  if (!reader.has(name)) return;
  value.emplace(0);
  reader.integer(name, *value);
}

Result<core::Quota> quota_body_of(const Request& request) {
  FF_TRY(root, json_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  core::Quota quota;
  read_optional(reader, "concurrency", quota.concurrency);
  if (const json::object* rate = reader.object("rate"); rate != nullptr) {
    ObjectReader inner(*rate, reader.path_of("rate"), error);
    std::int64_t period = quota.period.count();
    inner.require("starts");
    inner.integer("starts", quota.rate);
    inner.integer("period_ms", period);
    inner.integer("burst", quota.burst);
    inner.finish();
    quota.period = Millis(period);
  }
  reader.finish();
  if (error) return std::move(*error);
  return quota;
}

void read_dimensions(ObjectReader& reader, std::optional<Error>& error, core::Budget& budget) {
  const json::object* dimensions = reader.object("dimensions");
  if (dimensions == nullptr) return;
  ObjectReader outer(*dimensions, reader.path_of("dimensions"), error);
  for (const auto& member : *dimensions) {
    const json::object* limits = outer.object(member.key());
    if (limits == nullptr) continue;
    auto& limit = budget.dimensions[std::string(member.key())];
    ObjectReader inner(*limits, outer.path_of(member.key()), error);
    read_optional(inner, "soft", limit.soft);
    read_optional(inner, "hard", limit.hard);
    inner.finish();
  }
}

Result<core::Budget> budget_body_of(const Request& request) {
  FF_TRY(root, json_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  core::Budget budget;
  reader.require("dimensions");
  read_dimensions(reader, error, budget);
  if (const json::object* reset = reader.object("reset"); reset != nullptr) {
    ObjectReader inner(*reset, reader.path_of("reset"), error);
    inner.require("every");
    read_word(inner, "every", core::reset_every_from, budget.reset);
    inner.text("zone", budget.zone);
    inner.finish();
  }
  reader.text("parent", budget.parent);
  read_word(reader, "on_breach", core::on_breach_from, budget.on_breach);
  reader.finish();
  if (error) return std::move(*error);
  return budget;
}

struct UsageBody {
  std::string key;
  core::Amounts used;
  UsageBody() = default;
};

Result<UsageBody> usage_body_of(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  UsageBody body;
  reader.require("key");
  reader.text("key", body.key);
  reader.require("used");
  read_amounts(reader, "used", error, body.used);
  reader.finish();
  if (error) return std::move(*error);
  return body;
}

Result<Millis> pause_body_of(const Request& request) {
  FF_TRY(root, small_object(request));
  std::optional<Error> error;
  ObjectReader reader(root.get_object(), "", error);
  std::int64_t pause = 0;
  reader.require("pause_ms");
  reader.integer("pause_ms", pause);
  reader.finish();
  if (error) return std::move(*error);
  return Millis(pause);
}

void write_optional(JsonWriter& writer, std::string_view name, const std::optional<std::int64_t>& value) {
  if (value) writer.field(name, *value);
}

Response quota_response(const std::string& name, const sdk::QuotaDescription& found) {
  JsonWriter writer;
  writer.begin_object().field("name", name);
  write_optional(writer, "concurrency", found.quota.concurrency);
  if (found.quota.rate > 0) {
    writer.key("rate").begin_object().field("starts", found.quota.rate);
    writer.field("period_ms", found.quota.period.count()).field("burst", found.quota.burst).end_object();
  }
  writer.field("paused_ms", found.paused.count()).field("held", found.held);
  writer.field("holders", found.holders).field("waiting", found.waiting).end_object();
  return Response(200, writer.take());
}

Response budget_response(const std::string& name, const sdk::BudgetDescription& found) {
  JsonWriter writer;
  writer.begin_object().field("name", name).key("dimensions").begin_object();
  for (const auto& [dimension, limit] : found.budget.dimensions) {
    const auto& use = found.use.at(dimension);
    writer.key(dimension).begin_object();
    write_optional(writer, "soft", limit.soft);
    write_optional(writer, "hard", limit.hard);
    writer.field("used", use.used).field("reserved", use.reserved).field("over", use.over).end_object();
  }
  writer.end_object().key("reset").begin_object().field("every", core::to_string(found.budget.reset));
  writer.field("zone", found.budget.zone).end_object();
  if (!found.budget.parent.empty()) writer.field("parent", found.budget.parent);
  writer.field("on_breach", core::to_string(found.budget.on_breach)).field("began_at", found.began_at);
  writer.field("resets_at", found.resets_at).field("holders", found.holders);
  writer.field("waiting", found.waiting).end_object();
  return Response(200, writer.take());
}

Response names_response(const std::vector<std::string>& names) {
  JsonWriter writer;
  writer.begin_object().key("names").begin_array();
  for (const auto& name : names) writer.string(name);
  writer.end_array().end_object();
  return Response(200, writer.take());
}

asio::awaitable<Response> list(sdk::Client client, LimitKind kind, Request request) {
  auto limit = integer_query(request, "limit", kNamesOfPage, 1, static_cast<std::int64_t>(core::limits::kListPage));
  if (!limit) co_return refuse(limit.error(), request.request_id);
  std::string after;
  if (const std::string* text = request.query("after"); text != nullptr) after = *text;
  auto names = co_await client.list_limits(kind, std::move(after), static_cast<std::size_t>(*limit));
  if (!names) co_return refuse(names.error(), request.request_id);
  co_return names_response(*names);
}

asio::awaitable<Response> drop(sdk::Client client, LimitKind kind, Request request) {
  auto dropped = co_await client.drop_limit(kind, request.captures.at(0));
  if (!dropped) co_return refuse(dropped.error(), request.request_id);
  co_return Response(204, std::string());
}

}  // namespace

asio::awaitable<Response> ExecutionApi::list_quotas(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  co_return co_await http::list(*client, LimitKind::quota, std::move(request));
}

asio::awaitable<Response> ExecutionApi::set_quota(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto quota = quota_body_of(request);
  if (!quota) co_return refuse(quota.error(), request.request_id);
  const std::string name = request.captures.at(0);
  auto done = co_await client->set_quota(name, *quota);
  if (!done) co_return refuse(done.error(), request.request_id);
  auto found = co_await client->quota(name);
  if (!found) co_return refuse(found.error(), request.request_id);
  co_return quota_response(name, *found);
}

asio::awaitable<Response> ExecutionApi::quota(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  const std::string name = request.captures.at(0);
  auto found = co_await client->quota(name);
  if (!found) co_return refuse(found.error(), request.request_id);
  co_return quota_response(name, *found);
}

asio::awaitable<Response> ExecutionApi::pause_quota(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto pause = pause_body_of(request);
  if (!pause) co_return refuse(pause.error(), request.request_id);
  const std::string name = request.captures.at(0);
  auto done = co_await client->pause_quota(name, *pause);
  if (!done) co_return refuse(done.error(), request.request_id);
  auto found = co_await client->quota(name);
  if (!found) co_return refuse(found.error(), request.request_id);
  co_return quota_response(name, *found);
}

asio::awaitable<Response> ExecutionApi::drop_quota(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  co_return co_await drop(*client, LimitKind::quota, std::move(request));
}

asio::awaitable<Response> ExecutionApi::list_budgets(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  co_return co_await http::list(*client, LimitKind::budget, std::move(request));
}

asio::awaitable<Response> ExecutionApi::set_budget(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto budget = budget_body_of(request);
  if (!budget) co_return refuse(budget.error(), request.request_id);
  const std::string name = request.captures.at(0);
  auto done = co_await client->set_budget(name, *budget);
  if (!done) co_return refuse(done.error(), request.request_id);
  auto found = co_await client->budget(name);
  if (!found) co_return refuse(found.error(), request.request_id);
  co_return budget_response(name, *found);
}

asio::awaitable<Response> ExecutionApi::budget(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  const std::string name = request.captures.at(0);
  auto found = co_await client->budget(name);
  if (!found) co_return refuse(found.error(), request.request_id);
  co_return budget_response(name, *found);
}

asio::awaitable<Response> ExecutionApi::report_usage(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto body = usage_body_of(request);
  if (!body) co_return refuse(body.error(), request.request_id);
  auto usage = co_await client->report_usage(request.captures.at(0), body->key, body->used);
  if (!usage) co_return refuse(usage.error(), request.request_id);
  JsonWriter writer;
  writer.begin_object().field("verdict", sdk::to_string(usage->verdict));
  writer.field("on_breach", core::to_string(usage->on_breach));
  if (usage->resets_in) writer.field("resets_in_ms", usage->resets_in->count());
  co_return Response(200, writer.end_object().take());
}

asio::awaitable<Response> ExecutionApi::drop_budget(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  co_return co_await drop(*client, LimitKind::budget, std::move(request));
}

}  // namespace ff::server::http
