#pragma once
// ExecutionApi: what the routes do. It decodes, calls sdk::Client, and encodes; it decides nothing about executions.

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "ff/core/log.hpp"
#include "ff/core/result.hpp"
#include "ff/core/token.hpp"
#include "ff/engine/events.hpp"
#include "ff/script/deployment.hpp"
#include "ff/sdk/client.hpp"
#include "ff/sdk/remote_worker.hpp"
#include "ff/sdk/token_keys.hpp"
#include "http/message.hpp"
#include "http/wrong_tokens.hpp"

namespace ff::server::http {

inline constexpr std::int64_t kWaitMsMax = 60'000;

// What /healthz answers: whether Valkey answered lately. Kept current by App.
class HealthSource {
 public:
  virtual ~HealthSource() = default;
  // An error says why not, and nothing that strangers should not know.
  virtual core::Result<void> health() const = 0;
};

// The namespace of a request: header X-FF-Namespace or query parameter `namespace`, else "default".
// Errors: invalid_argument/bad_namespace, also when both are given and differ.
core::Result<std::string> namespace_of(const Request& request);

struct ApiOptions {
  core::Millis rotation_grace{24 * 3600 * 1000};
  std::shared_ptr<WrongTokens> wrong_tokens = std::make_shared<WrongTokens>();  // Shared with the router.
  std::function<void(core::TokenFault)> token_refused;  // Told of each waitpoint token that is refused. Unset: nobody.
  std::shared_ptr<core::Logger> logger = std::make_shared<core::NullLogger>();  // For what is claimed for workers.
  ApiOptions() = default;
};

// Thread safety: none; on the deployment's executor. Lifetime: outlives the requests it serves.
class ExecutionApi {
 public:
  // Lifetime: health and events outlive this.
  ExecutionApi(std::shared_ptr<script::Deployment> deployment, std::shared_ptr<sdk::TokenKeys> keys,
               const HealthSource& health, engine::EventFeed& events, ApiOptions options = ApiOptions())
      : deployment_(std::move(deployment)), keys_(std::move(keys)), health_(health), events_(events),
        options_(std::move(options)) {}

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

  // worker_api.cpp: workers that speak HTTP only.
  boost::asio::awaitable<Response> claim_work(Request request);
  boost::asio::awaitable<Response> renew_work(Request request);
  boost::asio::awaitable<Response> complete_work(Request request);
  boost::asio::awaitable<Response> fail_work(Request request);
  boost::asio::awaitable<Response> release_work(Request request);
  boost::asio::awaitable<Response> progress_work(Request request);
  // Ends what claims for them. Leases go on: they can be reported through another server.
  boost::asio::awaitable<void> stop_workers();

  boost::asio::awaitable<Response> counts(Request request);
  boost::asio::awaitable<Response> healthz(Request request);
  // stream_api.cpp
  boost::asio::awaitable<Response> frames(Request request);
  boost::asio::awaitable<Response> stream(Request request);
  boost::asio::awaitable<Response> events(Request request);

  // signal_api.cpp: waiting executions.
  boost::asio::awaitable<Response> signal(Request request);
  boost::asio::awaitable<Response> waitpoints(Request request);
  boost::asio::awaitable<Response> resume(Request request);
  boost::asio::awaitable<Response> publish_event(Request request);
  boost::asio::awaitable<Response> broadcast(Request request);

  // token_api.cpp: waitpoint tokens and the keys that sign them.
  boost::asio::awaitable<Response> mint_token(Request request);
  boost::asio::awaitable<Response> verify_token(Request request);
  boost::asio::awaitable<Response> list_keys(Request request);
  boost::asio::awaitable<Response> rotate_keys(Request request);
  boost::asio::awaitable<Response> revoke_key(Request request);

 private:
  boost::asio::awaitable<Response> set_lane_state(Request request, core::LaneState state);
  core::Result<sdk::Client> client_for(const Request& request) const;
  Response keys_response() const;
  core::Result<std::shared_ptr<sdk::RemoteWorker>> worker_for(const std::string& key, sdk::WorkerOptions options);
  // Reports of what another process claimed, unless `lease` was claimed here.
  sdk::Leases leases_of(const Request& request, const sdk::Lease* lease = nullptr) const;
  void lease_ended(const sdk::Lease& lease);

  std::shared_ptr<script::Deployment> deployment_;
  std::shared_ptr<sdk::TokenKeys> keys_;
  const HealthSource& health_;
  engine::EventFeed& events_;
  ApiOptions options_;
  // By namespace, name, lanes, capabilities and duration of leases: what a claim asks for is never mixed.
  std::map<std::string, std::shared_ptr<sdk::RemoteWorker>> workers_;
  std::size_t workers_running_ = 0;  // Also those that are stopping.
};

}  // namespace ff::server::http
