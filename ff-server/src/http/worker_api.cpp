// ExecutionApi: workers that speak HTTP only. The claims are sdk::RemoteWorker's; a lease is told and reported as text.
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/error_map.hpp"
#include "http/execution_api.hpp"
#include "http/json_writer.hpp"
#include "http/request_body.hpp"
#include "http/worker_json.hpp"

namespace ff::server::http {
namespace {

namespace asio = boost::asio;
using core::Code;
using core::Error;
using core::Millis;
using core::Result;
using RemoteWorkerPtr = std::shared_ptr<sdk::RemoteWorker>;

constexpr std::size_t kWorkersMax = 256;
constexpr Millis kCallTimeout(5000), kLookFor(500);

// What a claim hands over: given back unless the answer was written.
class Handover : public Consignment {
 public:
  Handover(RemoteWorkerPtr worker, std::vector<sdk::Leased> taken)
      : worker_(std::move(worker)), taken_(std::move(taken)) {}
  ~Handover() override {
    for (const auto& one : taken_) worker_->give_back(one.lease);
  }
  void delivered() override { taken_.clear(); }

 private:
  RemoteWorkerPtr worker_;
  std::vector<sdk::Leased> taken_;
};

std::string key_of(const sdk::WorkerOptions& options) {
  std::string key = options.ns + "\n" + options.name + "\n" + std::to_string(options.lease.count()) + "\n";
  for (const auto& lane : options.lanes) key += lane + ",";
  key += "\n";
  for (const auto& capability : options.capabilities) key += capability + ",";
  return key;
}

Response outcome_response(std::string_view outcome) {
  JsonWriter writer;
  return Response(200, writer.begin_object().field("outcome", outcome).end_object().take());
}

}  // namespace

// One that is stopping takes no more; another one takes its place.
Result<RemoteWorkerPtr> ExecutionApi::worker_for(const std::string& key, sdk::WorkerOptions options) {
  std::erase_if(workers_, [](const auto& entry) { return entry.second->stopping(); });
  if (const auto found = workers_.find(key); found != workers_.end()) return found->second;
  if (workers_.size() >= kWorkersMax) {
    return Error(Code::exhausted, "too_many_workers", "this server claims for 256 workers already, ask another one",
                 1000);
  }
  options.logger = options_.logger;
  options.call_timeout = kCallTimeout;
  auto worker = sdk::RemoteWorker::make(deployment_, std::move(options));
  ++workers_running_;
  asio::co_spawn(deployment_->connection()->executor(), sdk::RemoteWorker::run(worker),
                 [this, logger = options_.logger](std::exception_ptr, Result<void> result) {
                   if (!result) logger->error("a remote worker ended", {{"error", result.error().to_string()}});
                   --workers_running_;
                 });
  workers_.emplace(key, worker);
  return worker;
}

asio::awaitable<void> ExecutionApi::stop_workers() {
  for (const auto& [key, worker] : workers_) worker->stop();
  workers_.clear();
  asio::steady_timer timer(deployment_->connection()->executor());
  const auto until = std::chrono::steady_clock::now() + kCallTimeout;
  while (workers_running_ > 0 && std::chrono::steady_clock::now() < until) {
    timer.expires_after(Millis(10));
    co_await timer.async_wait(asio::use_awaitable);
  }
}

sdk::Leases ExecutionApi::leases_of(const Request& request, const sdk::Lease* lease) const {
  const auto left = std::chrono::duration_cast<Millis>(request.deadline.at - std::chrono::steady_clock::now());
  const bool here = lease && std::any_of(workers_.begin(), workers_.end(),
                                         [lease](const auto& one) { return one.second->holds(*lease); });
  return sdk::Leases(deployment_, std::max(Millis(1), left), !here);
}

void ExecutionApi::lease_ended(const sdk::Lease& lease) {
  for (const auto& [key, worker] : workers_) worker->ended(lease);
}

asio::awaitable<Response> ExecutionApi::claim_work(Request request) {
  auto ns = namespace_of(request);
  if (!ns) co_return refuse(ns.error(), request.request_id);
  auto name = worker_of(request);
  if (!name) co_return refuse(name.error(), request.request_id);
  auto wait = integer_query(request, "wait_ms", 0, 0, kWaitMsMax);
  if (!wait) co_return refuse(wait.error(), request.request_id);
  auto body = claim_body_of(request);
  if (!body) co_return refuse(body.error(), request.request_id);
  body->options.ns = std::move(*ns);
  body->options.name = std::move(*name);
  const auto key = key_of(body->options);
  auto worker = worker_for(key, std::move(body->options));
  if (!worker) co_return refuse(worker.error(), request.request_id);
  // Also without a wait it takes a look at the store.
  const auto until = core::Deadline::in(std::max(Millis(*wait), kLookFor));
  auto taken = co_await sdk::RemoteWorker::take(*worker, body->count, until);
  Response response(200, claimed_json(taken));
  if (!taken.empty()) response.consignment = std::make_shared<Handover>(*worker, std::move(taken));
  co_return response;
}

asio::awaitable<Response> ExecutionApi::renew_work(Request request) {
  auto leases = renewal_body_of(request);
  if (!leases) co_return refuse(leases.error(), request.request_id);
  auto renewals = co_await leases_of(request).renew(*leases);
  if (!renewals) co_return refuse(renewals.error(), request.request_id);
  for (std::size_t i = 0; i < leases->size(); ++i) {
    const bool over = renewals->at(i).outcome == sdk::Renewal::Outcome::stale_lease;
    if (over) lease_ended(leases->at(i));
    for (const auto& [key, worker] : workers_) {
      if (!over) worker->renewed(leases->at(i));
    }
  }
  co_return Response(200, renewals_json(*leases, *renewals));
}

asio::awaitable<Response> ExecutionApi::complete_work(Request request) {
  auto body = completion_body_of(request);
  if (!body) co_return refuse(body.error(), request.request_id);
  auto done = co_await leases_of(request, &body->lease).complete(body->lease, std::move(body->result));
  if (done || done.error().code == Code::stale_lease) lease_ended(body->lease);
  if (!done) co_return refuse(done.error(), request.request_id);
  co_return outcome_response("completed");
}

asio::awaitable<Response> ExecutionApi::fail_work(Request request) {
  auto body = failure_body_of(request);
  if (!body) co_return refuse(body.error(), request.request_id);
  auto failed = co_await leases_of(request, &body->lease).fail(body->lease, std::move(body->failure));
  if (failed || failed.error().code == Code::stale_lease) lease_ended(body->lease);
  if (!failed) co_return refuse(failed.error(), request.request_id);
  JsonWriter writer;
  writer.begin_object().field("outcome", failed->outcome).field("retry_at", failed->retry_at).end_object();
  co_return Response(200, writer.take());
}

asio::awaitable<Response> ExecutionApi::release_work(Request request) {
  auto body = release_body_of(request);
  if (!body) co_return refuse(body.error(), request.request_id);
  const auto leases = leases_of(request, &body->lease);
  auto released = co_await leases.release(body->lease, body->started, std::move(body->how));
  if (released || released.error().code == Code::stale_lease) lease_ended(body->lease);
  if (!released) co_return refuse(released.error(), request.request_id);
  co_return outcome_response(*released);
}

asio::awaitable<Response> ExecutionApi::progress_work(Request request) {
  auto body = progress_body_of(request);
  if (!body) co_return refuse(body.error(), request.request_id);
  const auto leases = leases_of(request);
  auto told =
      co_await leases.progress(body->lease, static_cast<int>(body->percent), std::move(body->message));
  if (!told) co_return refuse(told.error(), request.request_id);
  co_return Response(204, "");
}

}  // namespace ff::server::http
