#pragma once
// What the kill tests share: workers that are processes, the ledger of what they did, and the judgement at the end:
// nothing lost, nothing finished twice, and the epochs prove it.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "integration/worker_fixture.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace ff::test {

// Multiplies rounds and sizes: FLOWFABRIC_CHAOS_SCALE, 1 in CI.
std::size_t chaos_scale();

// What all ledger_workers of a test have written so far.
struct Ledger {
  std::map<std::string, std::vector<std::int64_t>> begun, ended;  // Epochs by execution id, in the order of writing.
  std::map<std::int64_t, std::size_t> begun_by;                   // Lines by pid.
  std::size_t begins = 0, ends = 0;
};

struct LedgerWorkerOptions {
  std::size_t concurrency = 8, prefetch = 0;
  core::Millis lease{1000};
  std::int64_t work_ms = 0;
  std::string address;  // Empty: straight to the store.
  LedgerWorkerOptions() = default;
};

// A store of the test's own, and everything to judge it with.
class ChaosSetup {
 public:
  explicit ChaosSetup(ServerOptions server = ServerOptions(), std::size_t partitions = 8);
  explicit ChaosSetup(ClusterOptions cluster, std::size_t partitions = 12);

  ValkeyServer& server() { return *server_; }
  ValkeyCluster& cluster() { return *cluster_; }
  WorkerSetup& operator*() { return *setup_; }
  WorkerSetup* operator->() { return setup_.get(); }

  // Running when it returns.
  Process worker(const LedgerWorkerOptions& options);
  Ledger ledger() const;
  // Drives the context meanwhile. False after the limit.
  bool until(const std::function<bool()>& condition, std::chrono::milliseconds limit = 60s) {
    return setup_->until(condition, limit);
  }
  // All of them have completed; fails the test with what is still there after the limit.
  void require_completed(std::size_t count, std::chrono::milliseconds limit = 60s);

  // On a cluster with replicas: what has been acknowledged until now has reached them.
  void replicate();
  // Each completed once, in the current generation, by the holder of the last epoch, as its result says; every attempt
  // in the ledger had another epoch. `ends_may_repeat`: a store that forgot an acknowledged end (a failover) has it
  // run again.
  void judge(const std::vector<core::ExecutionId>& ids, bool ends_may_repeat = false);
  // What is stored is what the cores imply, on every primary.
  void check_stored();

 private:
  std::string address() const;
  TempDir scratch_;
  std::unique_ptr<ValkeyServer> server_;
  std::unique_ptr<ValkeyCluster> cluster_;
  std::unique_ptr<WorkerSetup> setup_;
};

// Submits without end until finish(), each with an id of its own. A submit that was not acknowledged is made again
// with the same ids, until it is.
class Load {
 public:
  explicit Load(WorkerSetup& setup);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  std::size_t acknowledged() const noexcept { return ids_.size(); }
  // Submits that Client had given up.
  std::size_t repeated() const noexcept { return repeated_; }
  std::vector<core::ExecutionId> finish();

 private:
  static boost::asio::awaitable<void> run(Load& load);
  static boost::asio::awaitable<void> submit(Load& load, std::vector<sdk::Submission> batch);
  std::vector<sdk::Submission> next_batch();
  WorkerSetup& setup_;
  std::vector<core::ExecutionId> ids_;
  std::size_t repeated_ = 0;
  bool stopping_ = false, ended_ = false, failed_ = false;
};

// A number of the last line of a drained ledger_worker: figure(process, "lost").
std::uint64_t figure(const Process& drained, const std::string& name);

}  // namespace ff::test
