#pragma once
// The routes: one table of method, path, handler and limits, and the checks every request passes before its body is
// read.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "callers.hpp"
#include "ff/core/result.hpp"
#include "ff/core/time.hpp"
#include "http/execution_api.hpp"
#include "http/message.hpp"
#include "http/wrong_tokens.hpp"

namespace ff::server::http {

struct Route {
  Method method;
  std::string_view pattern;  // "{id}" stands for one segment, which becomes a capture.
  boost::asio::awaitable<Response> (ExecutionApi::*handler)(Request);
  std::size_t body_bytes_max;
  std::string_view query;  // Parameters it takes, beside `namespace`.
  std::uint8_t roles;      // Any of them suffices (Role). 0: everybody.
  std::string_view action = {};  // What the audit calls it. Empty: it is not in the audit.
  bool token = false;      // Also for who brings a waitpoint token instead of a credential: the handler sees to it.
};

// For tests and documents.
std::span<const Route> routes();

struct RouterOptions {
  // Empty: everybody is "local" and may do all, but Host must name this machine (see host_is_literal).
  Callers callers;
  std::size_t body_bytes_max = 8 << 20;
  core::Millis request_timeout{15000};
  std::shared_ptr<WrongTokens> wrong_tokens = std::make_shared<WrongTokens>();  // Shared with the api.
  std::shared_ptr<core::Logger> logger = std::make_shared<core::NullLogger>();  // For the audit.
  RouterOptions() = default;
};

// Lifetime: the api outlives the router's handlers.
class Router {
 public:
  Router(ExecutionApi& api, RouterOptions options);
  // In this order: a page of another site may not ask (403), wrong tokens before (429), credential (401), path (404),
  // method (405 with Allow), query (400), role and namespace (403).
  Admission admit(const Request& head) const;

 private:
  const Route* find(const Request& head, std::vector<std::string>& captures, std::string& allowed) const;
  std::optional<Response> turned_away(const Request& head) const;
  core::Result<const Caller*> caller_of(const Request& head, const Route* route) const;
  boost::asio::awaitable<Response> serve(const Route& route, Request request) const;

  ExecutionApi& api_;
  RouterOptions options_;
  Caller local_{"local"};
  std::vector<std::vector<std::string_view>> patterns_;  // Of routes(), in segments.
};

}  // namespace ff::server::http
