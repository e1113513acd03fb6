#include "http/routes.hpp"

#include <algorithm>

#include "ff/core/text.hpp"
#include "http/error_map.hpp"
#include "http/request_body.hpp"
#include "http/submission_json.hpp"
#include "http/wire.hpp"

namespace ff::server::http {
namespace {

namespace asio = boost::asio;
using core::Code;
using core::Error;
using Api = ExecutionApi;

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kNoBody = 0;
constexpr std::size_t kSmall = 64 * kKiB;        // A few fields.
constexpr std::size_t kSignalBody = 512 * kKiB;  // A payload of 256 KiB as base64, and the rest.
constexpr std::size_t kOne = 2 * kKiB * kKiB;    // A payload of 1 MiB as base64, and the rest.
constexpr std::size_t kMany = 64 * kKiB * kKiB;  // As much as FF_MAX_BODY_BYTES allows.
constexpr core::Millis kWaitSlack(1000);         // For the calls before and after a wait.

constexpr std::uint8_t kLook = kSubmit | kWork | kOperate;

constexpr std::array kRoutes = {
    Route{Method::post, "/v1/executions", &Api::submit, kOne, kSubmissionQuery, kSubmit},
    Route{Method::post, "/v1/executions/batch", &Api::submit_batch, kMany, "", kSubmit},
    Route{Method::get, "/v1/executions", &Api::list, kNoBody, "state lane cursor limit", kLook},
    Route{Method::get, "/v1/executions/{id}", &Api::describe, kNoBody, "", kLook},
    Route{Method::delete_, "/v1/executions/{id}", &Api::purge, kNoBody, "", kOperate, "execution.purge"},
    Route{Method::get, "/v1/executions/{id}/result", &Api::result, kNoBody, "wait_ms raw generation", kLook},
    Route{Method::get, "/v1/executions/{id}/payload", &Api::payload, kNoBody, "raw", kLook},
    Route{Method::post, "/v1/executions/{id}/cancel", &Api::cancel, kSmall, "", kSubmit | kOperate, "execution.cancel"},
    Route{Method::post, "/v1/executions/{id}/replay", &Api::replay, kSmall, "", kOperate, "execution.replay"},
    Route{Method::post, "/v1/executions/{id}/priority", &Api::change_priority, kSmall, "",
          kOperate, "execution.priority"},
    Route{Method::post, "/v1/executions/{id}/signals", &Api::signal, kSignalBody, "", kSignal, "", true},
    Route{Method::post, "/v1/executions/{id}/waitpoints/{waitpoint}/signals", &Api::signal, kSignalBody, "", kSignal,
          "", true},
    Route{Method::get, "/v1/executions/{id}/waitpoints", &Api::waitpoints, kNoBody, "", kLook | kSignal},
    Route{Method::post, "/v1/executions/{id}/resume", &Api::resume, kSmall, "", kOperate, "execution.resume"},
    Route{Method::post, "/v1/executions/{id}/tokens", &Api::mint_token, kSmall, "", kOperate, "token.mint"},
    Route{Method::post, "/v1/tokens/verify", &Api::verify_token, kSmall, "", kOperate},
    Route{Method::post, "/v1/events", &Api::publish_event, kSignalBody, "", kSignal},
    Route{Method::post, "/v1/broadcasts", &Api::broadcast, kSignalBody, "", kSignal},
    Route{Method::get, "/v1/admin/keys", &Api::list_keys, kNoBody, "", kAdmin},
    Route{Method::post, "/v1/admin/keys/rotate", &Api::rotate_keys, kSmall, "", kAdmin, "keys.rotate"},
    Route{Method::post, "/v1/admin/keys/{kid}/revoke", &Api::revoke_key, kSmall, "", kAdmin, "keys.revoke"},
    Route{Method::get, "/v1/executions/{id}/frames", &Api::frames, kNoBody, "cursor limit", kLook},
    Route{Method::get, "/v1/executions/{id}/stream", &Api::stream, kNoBody, "cursor", kLook},
    Route{Method::get, "/v1/events", &Api::events, kNoBody, "lane state id cursor", kLook},
    Route{Method::get, "/v1/executions/{id}/explain", &Api::explain, kNoBody, "", kLook},
    Route{Method::get, "/v1/lanes", &Api::lanes, kNoBody, "", kLook},
    Route{Method::get, "/v1/lanes/{lane}", &Api::lane, kNoBody, "", kLook},
    Route{Method::put, "/v1/lanes/{lane}/policy", &Api::set_lane_policy, kSmall, "", kOperate, "lane.policy"},
    Route{Method::post, "/v1/lanes/{lane}/pause", &Api::pause_lane, kSmall, "", kOperate, "lane.pause"},
    Route{Method::post, "/v1/lanes/{lane}/resume", &Api::resume_lane, kSmall, "", kOperate, "lane.resume"},
    Route{Method::post, "/v1/lanes/{lane}/drain", &Api::drain_lane, kSmall, "", kOperate, "lane.drain"},
    Route{Method::get, "/v1/quotas", &Api::list_quotas, kNoBody, "after limit", kLook},
    Route{Method::get, "/v1/quotas/{name}", &Api::quota, kNoBody, "", kLook},
    Route{Method::put, "/v1/quotas/{name}", &Api::set_quota, kSmall, "", kOperate, "quota.set"},
    Route{Method::delete_, "/v1/quotas/{name}", &Api::drop_quota, kNoBody, "", kOperate, "quota.delete"},
    Route{Method::post, "/v1/quotas/{name}/pause", &Api::pause_quota, kSmall, "", kWork | kOperate, "quota.pause"},
    Route{Method::get, "/v1/budgets", &Api::list_budgets, kNoBody, "after limit", kLook},
    Route{Method::get, "/v1/budgets/{name}", &Api::budget, kNoBody, "", kLook},
    Route{Method::put, "/v1/budgets/{name}", &Api::set_budget, kSmall, "", kOperate, "budget.set"},
    Route{Method::delete_, "/v1/budgets/{name}", &Api::drop_budget, kNoBody, "", kOperate, "budget.delete"},
    Route{Method::post, "/v1/budgets/{name}/usage", &Api::report_usage, kSmall, "", kWork | kOperate},
    Route{Method::post, "/v1/workers/{worker}/claim", &Api::claim_work, kSmall, "wait_ms", kWork},
    Route{Method::post, "/v1/workers/{worker}/renew", &Api::renew_work, kSmall, "", kWork},
    Route{Method::post, "/v1/workers/{worker}/complete", &Api::complete_work, kOne, "", kWork},
    Route{Method::post, "/v1/workers/{worker}/fail", &Api::fail_work, kSmall, "", kWork},
    Route{Method::post, "/v1/workers/{worker}/release", &Api::release_work, kSmall, "", kWork},
    Route{Method::post, "/v1/workers/{worker}/progress", &Api::progress_work, kSmall, "", kWork},
    Route{Method::get, "/v1/counts", &Api::counts, kNoBody, "", kAdmin},
    Route{Method::get, "/healthz", &Api::healthz, kNoBody, "", 0},
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool matches(const std::vector<std::string_view>& pattern, const std::vector<std::string>& path,
             std::vector<std::string>& captures) {
  if (pattern.size() != path.size()) return false;
  captures.clear();
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (pattern[i].starts_with('{')) captures.push_back(path[i]);
    else if (pattern[i] != path[i]) return false;
  }
  return true;
}

bool takes(const Route& route, std::string_view name) {
  if (name == "namespace") return route.roles != 0;
  const auto names = split(route.query, ' ');
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<std::int64_t> valid_wait_of(const Request& head) {
  const std::string* text = head.query("wait_ms");
  if (text == nullptr) return std::nullopt;
  const auto number = integer_of_text("wait_ms", *text);
  if (!number || *number <= 0 || *number > kWaitMsMax) return std::nullopt;  // The handler says what is wrong with it.
  return *number;
}

std::optional<Error> lacks_right(const Caller& caller, const Route& route, const Request& head) {
  if (route.roles != 0 && !caller.has_one_of(route.roles)) {
    return Error(Code::permission_denied, "role_missing", "this takes one of the roles " + roles_text(route.roles));
  }
  const auto ns = namespace_of(head);
  if (!ns || caller.may_enter(*ns)) return std::nullopt;  // The handler says what is wrong with it.
  return Error(Code::permission_denied, "foreign_namespace", "this token is not for the namespace " + core::shown(*ns));
}

// A line of the audit. The body says what was wanted; what is secret or a payload is in no audited one.
struct Acted {
  Acted(const Route& route, const Request& request)
      : action(route.action), object(request.captures.empty() ? "" : request.captures.front()),
        body(request.body), caller(request.caller), peer(request.peer), request_id(request.request_id) {
    if (auto known = namespace_of(request)) ns = std::move(*known);
  }

  void write(core::Logger& logger, int status) const {
    logger.info("audit", {{"action", action},
                          {"object", object},
                          {"namespace", ns},
                          {"body", body},
                          {"status", status},
                          {"caller", caller},
                          {"peer", peer},
                          {"request", request_id}});
  }

  std::string_view action;
  std::string object, ns, body, caller, peer, request_id;
};

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Router::Router(ExecutionApi& api, RouterOptions options) : api_(api), options_(std::move(options)) {
  for (const Route& route : kRoutes) patterns_.push_back(split(route.pattern, '/'));
}

// "batch" is no id, so the literal route stands before the one with {id} and wins.
const Route* Router::find(const Request& head, std::vector<std::string>& captures, std::string& allowed) const {
  const Method method = head.method == Method::head ? Method::get : head.method;
  for (std::size_t i = 0; i < kRoutes.size(); ++i) {
    std::vector<std::string> found;
    if (!matches(patterns_[i], head.target.path, found)) continue;
    if (kRoutes[i].method == method) {
      captures = std::move(found);
      return &kRoutes[i];
    }
    allowed += (allowed.empty() ? "" : ", ") + std::string(to_string(kRoutes[i].method));
    if (kRoutes[i].method == Method::get) allowed += ", HEAD";
  }
  return nullptr;
}

// Pages of other sites: there is no CORS here, and without a token the browser must not be tricked by a name that
// points at this machine.
std::optional<Response> Router::turned_away(const Request& head) const {
  const std::string* host = head.header("host");
  const std::string* origin = head.header("origin");
  const bool own =
      origin != nullptr && host != nullptr && (*origin == "http://" + *host || *origin == "https://" + *host);
  if (origin != nullptr && !own) {
    return refuse(Error(Code::permission_denied, "cross_origin", "requests from pages of other sites are not served"),
                  head.request_id);
  }
  if (options_.callers.empty() && host != nullptr && !host_is_literal(*host)) {
    return refuse(Error(Code::permission_denied, "bad_host",
                        "without FF_API_TOKEN the header Host must be an IP address or localhost"),
                  head.request_id);
  }
  return std::nullopt;
}

// Null: nobody, where nobody needs to be known. A route that does not exist is told only to those who are known.
core::Result<const Caller*> Router::caller_of(const Request& head, const Route* route) const {
  const std::string* header = head.header("authorization");
  const auto bearer = bearer_token(head);
  const std::string_view token = bearer.value_or("");
  if (route != nullptr && route->roles == 0) return nullptr;
  const bool strangers = route != nullptr && route->token;
  const bool signing = strangers && token.starts_with("ffw1.");
  if (header != nullptr && (signing || !options_.callers.empty())) {
    if (auto refusal = options_.wrong_tokens->refusal(head.peer)) return std::move(*refusal);
  }
  if (signing) return nullptr;
  if (options_.callers.empty()) return &local_;
  const Caller* caller = options_.callers.find(token);
  if (bearer && caller != nullptr) return caller;
  if (strangers) return nullptr;
  if (header != nullptr) options_.wrong_tokens->count(head.peer);
  return Error(Code::unauthenticated, "bad_token", "the header Authorization must be: Bearer <token>");
}

Admission Router::admit(const Request& head) const {
  Admission admission;
  admission.refusal = turned_away(head);
  if (admission.refusal) return admission;
  std::vector<std::string> captures;
  std::string allowed;
  const Route* route = find(head, captures, allowed);
  const auto caller = caller_of(head, route);
  if (!caller) {
    admission.refusal = refuse(caller.error(), head.request_id);
    return admission;
  }
  if (route == nullptr && allowed.empty()) {
    admission.refusal = refuse(Error(Code::not_found, "no_route", "there is nothing at this path"), head.request_id);
    return admission;
  }
  if (route == nullptr) {
    admission.refusal =
        refuse(405, Error(Code::invalid_argument, "method_not_allowed", "this path takes " + allowed), head.request_id);
    admission.refusal->headers.emplace_back("Allow", allowed);
    return admission;
  }
  admission.route = route->pattern;
  for (const auto& [name, value] : head.target.query) {
    if (takes(*route, name)) continue;
    admission.refusal = refuse(Error(Code::invalid_argument, "unknown_parameter",
                                     core::shown(name) + " is not a query parameter of this route"),
                               head.request_id);
    return admission;
  }
  const auto lacking = *caller == nullptr ? std::nullopt : lacks_right(**caller, *route, head);
  if (lacking) {
    admission.refusal = refuse(*lacking, head.request_id);
    return admission;
  }
  const auto wait = valid_wait_of(head);
  admission.waits = wait.has_value();
  admission.time = options_.request_timeout + (wait ? core::Millis(*wait) + kWaitSlack : core::Millis(0));
  admission.body_bytes_max = std::min(route->body_bytes_max, options_.body_bytes_max);
  const std::string name = *caller == nullptr ? "" : (*caller)->name;
  admission.handler = [this, route, captures = std::move(captures), name,
                       shown = *caller != nullptr && *caller != &local_](Request request) {
    request.captures = captures;
    request.caller = name;
    request.caller_shown = shown;
    return route->action.empty() ? (api_.*route->handler)(std::move(request)) : serve(*route, std::move(request));
  };
  return admission;
}

// One line whatever the handler answers: also a refusal tells what somebody tried, and after 5xx it may have happened.
asio::awaitable<Response> Router::serve(const Route& route, Request request) const {
  const Acted acted(route, request);
  try {
    Response response = co_await (api_.*route.handler)(std::move(request));
    acted.write(*options_.logger, response.status);
    co_return response;
  } catch (...) {
    acted.write(*options_.logger, 500);
    throw;
  }
}

}  // namespace ff::server::http
