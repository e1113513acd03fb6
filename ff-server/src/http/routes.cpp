#include "http/routes.hpp"

#include <algorithm>

#include "ff/core/text.hpp"
#include "http/error_map.hpp"
#include "http/submission_json.hpp"
#include "http/wire.hpp"

namespace ff::server::http {
namespace {

using core::Code;
using core::Error;
using Api = ExecutionApi;

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kNoBody = 0;
constexpr std::size_t kSmall = 64 * kKiB;        // A few fields.
constexpr std::size_t kOne = 2 * kKiB * kKiB;    // A payload of 1 MiB as base64, and the rest.
constexpr std::size_t kMany = 64 * kKiB * kKiB;  // As much as FF_MAX_BODY_BYTES allows.
constexpr core::Millis kWaitSlack(1000);         // For the calls before and after a wait.

constexpr std::array kRoutes = {
    Route{Method::post, "/v1/executions", &Api::submit, kOne, kSubmissionQuery, false},
    Route{Method::post, "/v1/executions/batch", &Api::submit_batch, kMany, "", false},
    Route{Method::get, "/v1/executions", &Api::list, kNoBody, "state lane cursor limit", false},
    Route{Method::get, "/v1/executions/{id}", &Api::describe, kNoBody, "", false},
    Route{Method::delete_, "/v1/executions/{id}", &Api::purge, kNoBody, "", false},
    Route{Method::get, "/v1/executions/{id}/result", &Api::result, kNoBody, "wait_ms raw generation", false},
    Route{Method::get, "/v1/executions/{id}/payload", &Api::payload, kNoBody, "raw", false},
    Route{Method::post, "/v1/executions/{id}/cancel", &Api::cancel, kSmall, "", false},
    Route{Method::post, "/v1/executions/{id}/replay", &Api::replay, kSmall, "", false},
    Route{Method::post, "/v1/executions/{id}/priority", &Api::change_priority, kSmall, "", false},
    Route{Method::get, "/v1/executions/{id}/explain", &Api::explain, kNoBody, "", false},
    Route{Method::get, "/v1/lanes", &Api::lanes, kNoBody, "", false},
    Route{Method::get, "/v1/lanes/{lane}", &Api::lane, kNoBody, "", false},
    Route{Method::put, "/v1/lanes/{lane}/policy", &Api::set_lane_policy, kSmall, "", false},
    Route{Method::post, "/v1/lanes/{lane}/pause", &Api::pause_lane, kSmall, "", false},
    Route{Method::post, "/v1/lanes/{lane}/resume", &Api::resume_lane, kSmall, "", false},
    Route{Method::post, "/v1/lanes/{lane}/drain", &Api::drain_lane, kSmall, "", false},
    Route{Method::get, "/v1/quotas", &Api::list_quotas, kNoBody, "after limit", false},
    Route{Method::get, "/v1/quotas/{name}", &Api::quota, kNoBody, "", false},
    Route{Method::put, "/v1/quotas/{name}", &Api::set_quota, kSmall, "", false},
    Route{Method::delete_, "/v1/quotas/{name}", &Api::drop_quota, kNoBody, "", false},
    Route{Method::post, "/v1/quotas/{name}/pause", &Api::pause_quota, kSmall, "", false},
    Route{Method::get, "/v1/budgets", &Api::list_budgets, kNoBody, "after limit", false},
    Route{Method::get, "/v1/budgets/{name}", &Api::budget, kNoBody, "", false},
    Route{Method::put, "/v1/budgets/{name}", &Api::set_budget, kSmall, "", false},
    Route{Method::delete_, "/v1/budgets/{name}", &Api::drop_budget, kNoBody, "", false},
    Route{Method::post, "/v1/budgets/{name}/usage", &Api::report_usage, kSmall, "", false},
    Route{Method::get, "/v1/counts", &Api::counts, kNoBody, "", false},
    Route{Method::get, "/healthz", &Api::healthz, kNoBody, "", true},
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
  if (name == "namespace") return !route.open;
  const auto names = split(route.query, ' ');
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<std::int64_t> wait_of(const Request& head) {
  const std::string* text = head.query("wait_ms");
  if (text == nullptr) return std::nullopt;
  const auto number = integer_of_text("wait_ms", *text);
  if (!number || *number <= 0 || *number > kWaitMsMax) return std::nullopt;  // The handler says what is wrong with it.
  return *number;
}

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
  if (options_.api_token.empty() && host != nullptr && !host_is_literal(*host)) {
    return refuse(Error(Code::permission_denied, "bad_host",
                        "without FF_API_TOKEN the header Host must be an IP address or localhost"),
                  head.request_id);
  }
  return std::nullopt;
}

Admission Router::admit(const Request& head) const {
  Admission admission;
  admission.refusal = turned_away(head);
  if (admission.refusal) return admission;
  std::vector<std::string> captures;
  std::string allowed;
  const Route* route = find(head, captures, allowed);
  const bool open = route != nullptr && route->open;
  if (!open && !options_.api_token.empty()) {
    static constexpr std::string_view kScheme = "Bearer ";
    const std::string* header = head.header("authorization");
    const bool bearer = header != nullptr && header->starts_with(kScheme);
    if (!bearer || !options_.api_token.equals(std::string_view(*header).substr(kScheme.size()))) {
      admission.refusal =
          refuse(Error(Code::unauthenticated, "bad_token", "the header Authorization must be: Bearer <token>"),
                 head.request_id);
      return admission;
    }
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
  const auto wait = wait_of(head);
  admission.waits = wait.has_value();
  admission.time = options_.request_timeout + (wait ? core::Millis(*wait) + kWaitSlack : core::Millis(0));
  admission.body_bytes_max = std::min(route->body_bytes_max, options_.body_bytes_max);
  admission.handler = [this, handler = route->handler, captures = std::move(captures)](Request request) {
    request.captures = captures;
    return (api_.*handler)(std::move(request));
  };
  return admission;
}

}  // namespace ff::server::http
