#pragma once
// The scenarios, in the order in which a whole run goes through them.

#include <span>
#include <string>
#include <string_view>

#include "bench/report.hpp"
#include "bench/server.hpp"
#include "bench/session.hpp"

namespace ff::bench {

struct Scenario {
  std::string_view name, what;
  void (*run)(const Settings& settings, Report& report, BenchServer& server);
};
std::span<const Scenario> scenarios();

void run_floor(const Settings& settings, Report& report, BenchServer& server);
void run_lifecycle(const Settings& settings, Report& report, BenchServer& server);
void run_submit(const Settings& settings, Report& report, BenchServer& server);
void run_drain(const Settings& settings, Report& report, BenchServer& server);
void run_limits(const Settings& settings, Report& report, BenchServer& server);
void run_start(const Settings& settings, Report& report, BenchServer& server);
void run_delayed(const Settings& settings, Report& report, BenchServer& server);
void run_suspend(const Settings& settings, Report& report, BenchServer& server);
void run_stream(const Settings& settings, Report& report, BenchServer& server);
void run_memory(const Settings& settings, Report& report, BenchServer& server);
void run_idle(const Settings& settings, Report& report, BenchServer& server);
void run_backlog(const Settings& settings, Report& report, BenchServer& server);
void run_partitions(const Settings& settings, Report& report, BenchServer& server);
void run_aof(const Settings& settings, Report& report, BenchServer& server);
void run_transport(const Settings& settings, Report& report, BenchServer& server);
void run_million(const Settings& settings, Report& report, BenchServer& server);
void run_routes(const Settings& settings, Report& report, BenchServer& server);
void run_connection(const Settings& settings, Report& report, BenchServer& server);

// Empties the server, submits `executions` of 100 B, of so many priorities in turn, and lets `processes` workers, which
// reach it by `workers_way`, run them to their end. Audits that each ended once.
Cost drain(BenchServer& server, Report& report, const script::ConnectionOptions& workers_way, core::Mode mode,
           int processes, std::size_t concurrency, std::size_t prefetch, long executions, int priorities = 1);

// Whether the npm project of BullMQ is there, and installed.
bool peer_there(const Settings& settings);
struct PeerDrain {
  std::string figure;          // Name of the figure.
  std::string mode = "keep";   // keep, remove; kept, under BullMQ's own rate limiter: limited; kept, of ten priorities
                               // in turn: prioritized.
  int processes = 1;
  std::size_t concurrency = 16;
  long jobs = 0;
  PeerDrain() = default;
};
void drain_peer(const Settings& settings, Report& report, BenchServer& server, const PeerDrain& drain);

// What must hold when `ended` executions have ended and nothing else is there.
void audit_ended(Report& report, Session& session, core::Mode mode, long ended, const std::string& what);
// The same with `ready` others still queued.
void audit_queued(Report& report, Session& session, long ready, const std::string& what);

}  // namespace ff::bench
