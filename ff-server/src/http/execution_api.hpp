#pragma once
// ExecutionApi: what the routes do. It decodes, calls sdk::Client, and encodes; it decides nothing about executions.

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "ff/core/result.hpp"
#include "ff/script/deployment.hpp"
#include "ff/sdk/client.hpp"
#include "http/message.hpp"

namespace ff::server::http {

inline constexpr std::int64_t kWaitMsMax = 60'000;

// What /healthz answers: whether Valkey answered lately. Kept current by App.
class HealthSource {
 public:
  virtual ~HealthSource() = default;
  // An error says since when and why not.
  virtual core::Result<void> health() const = 0;
};

// The namespace of a request: header X-FF-Namespace or query parameter `namespace`, else "default".
// Errors: invalid_argument/bad_namespace, also when both are given and differ.
core::Result<std::string> namespace_of(const Request& request);

// Thread safety: none; on the deployment's executor. Lifetime: outlives the requests it serves.
class ExecutionApi {
 public:
  ExecutionApi(std::shared_ptr<script::Deployment> deployment, const HealthSource& health)
      : deployment_(std::move(deployment)), health_(health) {}

  boost::asio::awaitable<Response> submit(Request request);
  boost::asio::awaitable<Response> submit_batch(Request request);
  boost::asio::awaitable<Response> list(Request request);
  boost::asio::awaitable<Response> describe(Request request);
  boost::asio::awaitable<Response> result(Request request);
  boost::asio::awaitable<Response> payload(Request request);
  boost::asio::awaitable<Response> cancel(Request request);
  boost::asio::awaitable<Response> replay(Request request);
  boost::asio::awaitable<Response> change_priority(Request request);
  boost::asio::awaitable<Response> purge(Request request);
  // lane_api.cpp
  boost::asio::awaitable<Response> explain(Request request);
  boost::asio::awaitable<Response> lanes(Request request);
  boost::asio::awaitable<Response> lane(Request request);
  boost::asio::awaitable<Response> set_lane_policy(Request request);
  boost::asio::awaitable<Response> pause_lane(Request request);
  boost::asio::awaitable<Response> resume_lane(Request request);
  boost::asio::awaitable<Response> drain_lane(Request request);

  // limit_api.cpp
  boost::asio::awaitable<Response> list_quotas(Request request);
  boost::asio::awaitable<Response> set_quota(Request request);
  boost::asio::awaitable<Response> quota(Request request);
  boost::asio::awaitable<Response> pause_quota(Request request);
  boost::asio::awaitable<Response> drop_quota(Request request);
  boost::asio::awaitable<Response> list_budgets(Request request);
  boost::asio::awaitable<Response> set_budget(Request request);
  boost::asio::awaitable<Response> budget(Request request);
  boost::asio::awaitable<Response> report_usage(Request request);
  boost::asio::awaitable<Response> drop_budget(Request request);

  boost::asio::awaitable<Response> counts(Request request);
  boost::asio::awaitable<Response> healthz(Request request);

 private:
  boost::asio::awaitable<Response> set_lane_state(Request request, core::LaneState state);
  core::Result<sdk::Client> client_for(const Request& request) const;

  std::shared_ptr<script::Deployment> deployment_;
  const HealthSource& health_;
};

}  // namespace ff::server::http
