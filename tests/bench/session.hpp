#pragma once
// Session: one client, driven to an end from plain code. Lifecycles: executions taken through submit, claim and
// complete by bare verb calls, each step apart, so that each step's cost can be told.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/server.hpp"
#include "ff/core/policy.hpp"
#include "ff/script/connect.hpp"
#include "ff/script/deployment.hpp"
#include "ff/sdk/client.hpp"

namespace ff::bench {

inline constexpr const char* kNamespace = "bench";
inline constexpr const char* kLane = "lane";
inline constexpr const char* kKind = "noop";

script::ConnectionOptions over_unix(const BenchServer& server);
script::ConnectionOptions over_tcp(std::uint16_t port);

// Throws with the error's text; a benchmark whose calls fail measures nothing.
void insist(const core::Result<void>& result, const char* what);
template <class T>
T insist(core::Result<T> result, const char* what) {
  if (!result) throw std::runtime_error(std::string(what) + ": " + result.error().to_string());
  return std::move(result).value();
}

boost::asio::awaitable<void> submit_all(sdk::Client client, std::vector<sdk::Submission> all);

class Session {
 public:
  explicit Session(script::ConnectionOptions options, std::size_t partitions = 0);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  boost::asio::io_context& context() noexcept { return context_; }
  script::Deployment& deployment() noexcept { return *deployment_; }
  const std::shared_ptr<script::Deployment>& shared_deployment() const noexcept { return deployment_; }
  sdk::Client client() const { return sdk::Client(deployment_, kNamespace, core::Millis(30'000)); }
  std::size_t partitions() const { return deployment_->keys().partitions(); }

  // Runs `callers` copies of the coroutine until all have ended; rethrows what one threw.
  void run(int callers, const std::function<boost::asio::awaitable<void>()>& make);
  // Executions by state, over all partitions: "completed", "ready:bench/lane", ….
  std::map<std::string, std::int64_t> count();

 private:
  boost::asio::io_context context_{1};
  std::shared_ptr<script::Connection> connection_;
  std::shared_ptr<script::Deployment> deployment_;
};

struct Shape {
  core::Mode mode = core::Mode::record;
  int batch = 1;
  int in_flight = 1;
  std::size_t payload = 100;
  core::Millis retention{0};  // 0: the default.
  int quotas = 0;             // The executions name so many quotas, q0, q1, … in turn; 0: none.
  std::string requirements;   // Of each execution, and what the claimer has.
  std::string capability;
  int fairness_keys = 0;      // In turn; 0: none.
  int priorities = 1;         // So many, in turn.
  Shape() = default;
  Shape(core::Mode m, int b) : mode(m), batch(b) {}
};

std::string policy_of(core::Mode mode, core::Millis retention = core::Millis(0));
std::string name_of(core::Mode mode);

class Lifecycles {
 public:
  Lifecycles(Session& session, Shape shape);

  // `executions` in calls of shape.batch, one partition after the other.
  void submit(long executions);
  // What submit() left. Fails when a claim gives less than asked for. With `latencies`, the time of each call in ms.
  void claim(long executions, std::vector<double>* latencies = nullptr);
  // What claim() left.
  void complete();
  // What claim() left, each call claiming as many again, until `executions` have been completed; what is claimed then
  // stays claimed.
  void complete_and_claim(long executions);

  long held() const noexcept;

 private:
  struct Held {
    core::Partition partition;
    std::string lease;
    std::vector<script::Claim::Row> rows;
    Held(core::Partition p, std::string l, std::vector<script::Claim::Row> r)
        : partition(p), lease(std::move(l)), rows(std::move(r)) {}
  };
  static boost::asio::awaitable<void> submitter(Lifecycles* self);
  static boost::asio::awaitable<void> claimer(Lifecycles* self, std::vector<double>* latencies);
  static boost::asio::awaitable<void> completer(Lifecycles* self, bool chained);
  script::Submit::Args submit_args();
  script::Claim::Args claim_args() const;
  script::Complete::Args complete_args(const Held& held, bool chained) const;
  core::Partition next_partition(std::size_t& turn);
  void keep(core::Partition partition, std::string lease, std::vector<script::Claim::Row> rows);

  Session& session_;
  Shape shape_;
  std::string policy_, payload_;
  long calls_left_ = 0;
  int quota_turn_ = 0;
  std::size_t submit_turn_ = 0, claim_turn_ = 0;
  int key_turn_ = 0, priority_turn_ = 0;
  std::vector<Held> held_;
  std::size_t next_held_ = 0;
};

}  // namespace ff::bench
