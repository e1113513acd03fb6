#pragma once
// Timers: does what is due, in time. Servers share the partitions among themselves; each sleeps until the earliest
// timer of its own, and is woken when an earlier one is armed. Nothing is kept here that Valkey does not hold: a
// second instance on the same partition is harmless, a crashed one is replaced within seconds.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ff/core/log.hpp"
#include "ff/core/time.hpp"
#include "ff/script/deployment.hpp"

namespace ff::engine {

struct TimersOptions {
  std::string server;                      // Unique name of this instance.
  core::Millis membership{3000};           // A server silent for this long loses its partitions; renewed at a third.
  core::Millis look_every{20000};          // Every partition is looked at this often even if nothing is due; below
                                           // 30 s, when workers take the engine for dead and look for themselves.
  std::int64_t items_per_call = 128;       // Bound of one run_due.
  std::size_t calls_at_once = 16;
  core::Millis call_timeout{5000};
  std::shared_ptr<core::Logger> logger;    // Unset: silent.
  std::function<void(const script::Join::Ok&)> joined;  // Told each answer that renewed the membership. Unset: nobody.
  TimersOptions() = default;
};

struct TimersStats {
  std::uint64_t runs = 0;                           // run_due calls.
  std::uint64_t failures = 0;                       // Calls that failed; they are repeated.
  std::map<std::string, std::uint64_t> items;       // Done, by scanner.
  core::Millis lag{0};                              // How late the latest due call went out.
  core::Millis lag_max{0};
  std::size_t partitions = 0;                       // Owned now.
  std::vector<std::string> servers;                 // Live ones, by the last look.
};

// Which of `servers` runs the timers of a partition: the highest of stable_hash("<partition>/<server>"), so that a
// server that comes or goes moves only its own share. Precondition: servers is not empty.
const std::string& owner_of(core::Partition partition, const std::vector<std::string>& servers);

// Thread safety: stop() from any thread; everything else on the connection's executor.
class Timers {
 public:
  Timers(std::shared_ptr<script::Deployment> deployment, TimersOptions options);
  ~Timers();  // Precondition: not running.
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  // Runs until stop(); an unreachable Valkey is no error, it goes on when it is back. Leaves the live servers at the
  // end, so that others take over at once.
  boost::asio::awaitable<void> run();
  void stop();
  const TimersStats& stats() const noexcept;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ff::engine
