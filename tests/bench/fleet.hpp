#pragma once
// Fleet: worker processes that run handlers, and Engine: a process that runs the timers, as ff-server does.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "bench/child.hpp"
#include "bench/server.hpp"
#include "ff/script/connect.hpp"

namespace ff::bench {

// What the handler does.
enum class Handler {
  noop,     // Nothing.
  stamp,    // The payload is a time of the steady clock in ns: notes how long ago that was.
  on_time,  // The payload is a time since 1970 in ms: notes how late it is.
};

struct FleetOptions {
  script::ConnectionOptions connection;
  int processes = 1;
  int workers = 1;               // In each process, each with a connection of its own.
  std::size_t concurrency = 16;  // Of each worker.
  std::size_t prefetch = 0;
  std::uint64_t target = 0;      // The measurement ends when so many were completed. 0: never.
  Handler handler = Handler::noop;
  explicit FleetOptions(script::ConnectionOptions c) : connection(std::move(c)) {}
};

inline constexpr std::size_t kProcessesMax = 64;
inline constexpr std::size_t kTimesMax = 100'000;
inline constexpr std::size_t kMarks = 10;

// What the processes tell each other and the parent.
struct FleetBoard {
  struct Slot {
    alignas(64) std::atomic<std::uint64_t> completed{0};
    std::atomic<std::uint64_t> lost{0};
    std::atomic<double> client_us{0};  // From go() until the target was reached.
  };
  std::array<Slot, kProcessesMax> slots;
  std::array<std::atomic<std::int64_t>, kMarks + 1> reached_ns{};  // When each tenth of the target was completed.
  std::atomic<std::uint64_t> runs{0};                              // Handlers started.
  std::array<std::atomic<double>, kTimesMax> times_ms{};           // As the handlers noted them.
};

class Fleet {
 public:
  // Returns when every process is connected.
  explicit Fleet(FleetOptions options);

  void go(const BenchServer& server);
  // Until the target was reached. What it cost is counted from go() on.
  Cost wait(int seconds_max);
  // Drains and ends the processes.
  void stop();

  std::uint64_t completed() const;
  std::uint64_t lost() const;
  std::uint64_t runs() const { return board_->runs; }
  // What the handlers noted, in order of their start.
  std::vector<double> times_in_order() const;
  // Executions per second within the k-th tenth of the target, 0 to 9.
  double rate_of_tenth(std::size_t k) const;

 private:
  FleetOptions options_;
  Shared<FleetBoard> board_;
  std::vector<std::unique_ptr<Child>> children_;
  std::int64_t started_ns_ = 0;
  std::unique_ptr<Meter> meter_;
};

class Engine {
 public:
  explicit Engine(script::ConnectionOptions connection);  // Returns when it is connected and runs.
  void stop() { child_->finish(30); }

 private:
  std::unique_ptr<Child> child_;
};

double quantile(const std::vector<double>& sorted, double share);

}  // namespace ff::bench
