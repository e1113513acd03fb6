#pragma once
// BenchServer: the Valkey under measurement, on a core of its own; Meter: what a load cost both sides.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "bench/report.hpp"
#include "support/resp_client.hpp"
#include "support/valkey_server.hpp"

namespace ff::bench {

// CPU time of this process so far, all threads.
double own_cpu_us();
// Binds this process, and what it forks from now on, to one core. Nothing happens for -1.
void pin_self(int core);

struct CommandStat {
  double calls = 0, us = 0;
};

class BenchServer {
 public:
  BenchServer(const Settings& settings, test::Aof aof);

  const std::string& unix_socket() const noexcept { return server_.unix_socket(); }
  std::uint16_t port() const noexcept { return server_.port(); }
  pid_t pid() const noexcept { return server_.pid(); }
  const std::string& version() const noexcept { return version_; }

  // No data, no library, no statistics: as just started.
  void fresh();
  // Microseconds of CPU of Valkey's main thread.
  double cpu_us() const;
  double memory_bytes() const;
  // A field of INFO as a number; throws when it is missing.
  double info(const std::string& section, const std::string& field) const;
  std::map<std::string, CommandStat> command_stats() const;
  test::RespValue command(const std::vector<std::string>& words) const { return admin_.command(words); }
  // Bytes of all event streams.
  double event_bytes(std::size_t partitions, const std::string& prefix) const;

 private:
  test::ValkeyServer server_;
  mutable test::RespClient admin_;
  std::string version_;
};

// What a load cost, for each of its executions.
struct Cost {
  double rate = 0, valkey_us = 0, client_us = 0;
  double seconds = 0;
};

class Meter {
 public:
  explicit Meter(const BenchServer& server);
  Cost stop(double executions) const;
  // The same with client CPU measured elsewhere, and an end that was noted elsewhere.
  Cost stop(double executions, double seconds, double client_us) const;

 private:
  const BenchServer& server_;
  double valkey_us_, client_us_;
  std::chrono::steady_clock::time_point start_;
};

// Adds rate, valkey_us and client_us of `id`.
void sample_cost(Report& report, const std::string& id, const Cost& cost);
// Where the time went since RESETSTAT, as Valkey counts it: each command's, for one of so many executions.
void report_commands(Report& report, const BenchServer& server, const std::string& group, long executions);

}  // namespace ff::bench
