#include <fmt/format.h>

#include "bench/session.hpp"

#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <exception>
#include <stdexcept>

#include "support/run.hpp"

namespace ff::bench {
namespace {

constexpr core::Millis kSessionCallLimit{60'000};
constexpr std::int64_t kLeaseMs = 3'600'000;  // No lease ends while a load waits for its next step.

core::Deadline call_deadline() { return core::Deadline::in(kSessionCallLimit); }

}  // namespace

script::ConnectionOptions over_unix(const BenchServer& server) {
  script::ConnectionOptions options;
  options.unix_socket = server.unix_socket();
  return options;
}

script::ConnectionOptions over_tcp(std::uint16_t port) {
  script::ConnectionOptions options;
  options.host = "127.0.0.1";
  options.port = port;
  return options;
}

void insist(const core::Result<void>& result, const char* what) {
  if (!result) throw std::runtime_error(std::string(what) + ": " + result.error().to_string());
}

boost::asio::awaitable<void> submit_all(sdk::Client client, std::vector<sdk::Submission> all) {
  auto sent = co_await client.submit_many(std::move(all));
  auto answers = insist(std::move(sent), "submit_many");
  for (auto& answer : answers) insist(std::move(answer), "submit_many");
}

Session::Session(script::ConnectionOptions options, std::size_t partitions)
    : connection_(script::make_connection(context_.get_executor(), std::move(options))) {
  script::DeploymentOptions deployment;
  deployment.partitions = partitions;
  auto opened =
      test::run(context_, script::Deployment::open(connection_, deployment, call_deadline()), kSessionCallLimit);
  deployment_ = insist(std::move(opened), "open the deployment");
}

Session::~Session() {
  connection_->close();
  context_.restart();
  context_.run();
}

void Session::run(int callers, const std::function<boost::asio::awaitable<void>()>& make) {
  struct State {
    int running;
    std::exception_ptr failure;
    explicit State(int count) : running(count) {}
  };
  // Shared: after a failure the other callers end only with the session.
  const auto state = std::make_shared<State>(callers);
  for (int i = 0; i < callers; ++i) {
    boost::asio::co_spawn(context_, make(), [this, state](std::exception_ptr thrown) {
      if (thrown && !state->failure) state->failure = thrown;
      if (--state->running == 0 || state->failure) context_.stop();
    });
  }
  context_.restart();
  context_.run();
  if (state->failure) std::rethrow_exception(state->failure);
}

std::map<std::string, std::int64_t> Session::count() {
  return insist(test::run(context_, client().count(), kSessionCallLimit), "count");
}

std::string policy_of(core::Mode mode, core::Millis retention) {
  core::Policy policy;
  if (mode != core::policy_default::kMode) policy.mode = mode;
  if (retention.count() > 0) policy.retention = retention;
  return core::to_wire(policy);
}

std::string name_of(core::Mode mode) { return std::string(core::to_string(mode)); }

Lifecycles::Lifecycles(Session& session, Shape shape)
    : session_(session), shape_(shape), policy_(policy_of(shape.mode, shape.retention)), payload_(shape.payload, 'x') {}

long Lifecycles::held() const noexcept {
  long count = 0;
  for (std::size_t i = next_held_; i < held_.size(); ++i) count += static_cast<long>(held_[i].rows.size());
  return count;
}

core::Partition Lifecycles::next_partition(std::size_t& turn) {
  return static_cast<core::Partition>(turn++ % session_.partitions());
}

script::Submit::Args Lifecycles::submit_args() {
  script::Submit::Args args;
  args.ns = kNamespace;
  args.items.resize(static_cast<std::size_t>(shape_.batch));
  for (auto& item : args.items) {
    item.id = core::Ulid::make().str();
    item.lane = kLane;
    item.kind = kKind;
    item.policy = policy_;
    item.priority = priority_turn_++ % shape_.priorities;
    item.payload = payload_;
    item.requirements = shape_.requirements;
    if (shape_.fairness_keys > 0) item.fairness_key = "key" + std::to_string(key_turn_++ % shape_.fairness_keys);
    if (shape_.quotas > 0) item.requirements = fmt::format("#q{}", quota_turn_++ % shape_.quotas);
  }
  return args;
}

script::Claim::Args Lifecycles::claim_args() const {
  script::Claim::Args args;
  args.worker = "bench-worker-1";
  args.lease = core::Ulid::make().str();
  args.lease_ms = kLeaseMs;
  args.want = shape_.batch;
  args.queues.push_back(std::string(kNamespace) + "/" + kLane);
  if (!shape_.capability.empty()) args.capabilities.push_back(shape_.capability);
  return args;
}

script::Complete::Args Lifecycles::complete_args(const Held& held, bool chained) const {
  script::Complete::Args args;
  args.worker = "bench-worker-1";
  args.next_lease = core::Ulid::make().str();
  args.lease_ms = kLeaseMs;
  args.want = chained ? shape_.batch : 0;
  args.queues.push_back(std::string(kNamespace) + "/" + kLane);
  args.items.resize(held.rows.size());
  for (std::size_t i = 0; i < held.rows.size(); ++i) {
    args.items[i].id = held.rows[i].id;
    args.items[i].lease = held.lease;
    args.items[i].epoch = std::to_string(held.rows[i].epoch);
  }
  return args;
}

void Lifecycles::keep(core::Partition partition, std::string lease, std::vector<script::Claim::Row> rows) {
  if (rows.size() != static_cast<std::size_t>(shape_.batch)) {
    throw std::runtime_error("claimed " + std::to_string(rows.size()) + " of " + std::to_string(shape_.batch));
  }
  // Payloads are not needed again.
  for (auto& row : rows) row.payload.clear();
  held_.emplace_back(partition, std::move(lease), std::move(rows));
}

boost::asio::awaitable<void> Lifecycles::submitter(Lifecycles* self) {
  while (self->calls_left_ > 0) {
    --self->calls_left_;
    const auto partition = self->next_partition(self->submit_turn_);
    auto args = self->submit_args();
    auto answer =
        co_await self->session_.deployment().call<script::Submit>(partition, std::move(args), call_deadline());
    auto rows = insist(std::move(answer), "submit").rows;
    for (const auto& row : rows) {
      if (row.outcome != "created") throw std::runtime_error("submit answered " + row.outcome);
    }
  }
}

boost::asio::awaitable<void> Lifecycles::claimer(Lifecycles* self, std::vector<double>* latencies) {
  while (self->calls_left_ > 0) {
    --self->calls_left_;
    const auto partition = self->next_partition(self->claim_turn_);
    auto args = self->claim_args();
    auto lease = args.lease;
    const auto start = std::chrono::steady_clock::now();
    auto answer = co_await self->session_.deployment().call<script::Claim>(partition, std::move(args), call_deadline());
    if (latencies) {
      latencies->push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    self->keep(partition, std::move(lease), insist(std::move(answer), "claim").rows);
  }
}

boost::asio::awaitable<void> Lifecycles::completer(Lifecycles* self, bool chained) {
  while (self->next_held_ < self->held_.size() && (!chained || self->calls_left_ > 0)) {
    --self->calls_left_;
    // keep() may move the vector.
    const Held held = std::move(self->held_[self->next_held_++]);
    auto args = self->complete_args(held, chained);
    auto lease = args.next_lease;
    auto answer =
        co_await self->session_.deployment().call<script::Complete>(held.partition, std::move(args), call_deadline());
    auto done = insist(std::move(answer), "complete");
    for (const auto& outcome : done.outcomes) {
      if (outcome != "completed") throw std::runtime_error("complete answered " + outcome);
    }
    if (chained) self->keep(held.partition, std::move(lease), std::move(done.rows));
  }
}

void Lifecycles::submit(long executions) {
  calls_left_ = executions / shape_.batch;
  session_.run(shape_.in_flight, [this] { return submitter(this); });
}

void Lifecycles::claim(long executions, std::vector<double>* latencies) {
  calls_left_ = executions / shape_.batch;
  session_.run(shape_.in_flight, [this, latencies] { return claimer(this, latencies); });
}

void Lifecycles::complete() {
  session_.run(shape_.in_flight, [this] { return completer(this, false); });
  held_.clear();
  next_held_ = 0;
}

void Lifecycles::complete_and_claim(long executions) {
  calls_left_ = executions / shape_.batch;
  session_.run(shape_.in_flight, [this] { return completer(this, true); });
}

}  // namespace ff::bench
