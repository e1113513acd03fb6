#include "bench/server.hpp"

#include <sched.h>
#include <sys/resource.h>

#include <filesystem>
#include <stdexcept>

#include "ff/core/keys.hpp"

namespace ff::bench {
namespace {

void pin(pid_t thread, int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  if (::sched_setaffinity(thread, sizeof cores, &cores) != 0) throw std::runtime_error("this core cannot be used");
}

// Every thread it has now; what it forks or starts later inherits from its main thread.
void pin_process(pid_t process, int core) {
  if (core < 0) return;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    pin(static_cast<pid_t>(std::stol(entry.path().filename().string())), core);
  }
}

test::ServerOptions server_options(test::Aof aof) {
  test::ServerOptions options;
  options.aof = aof;
  // Rewrites of the log fork in the middle of a run; they are Valkey's own affair.
  options.args = {"--auto-aof-rewrite-percentage", "0", "--maxclients", "10000"};
  return options;
}

std::string field_of(const std::string& text, const std::string& field) {
  const auto found = ("\n" + text).find("\n" + field + ":");
  if (found == std::string::npos) throw std::runtime_error("INFO has no " + field);
  const auto from = found + field.size() + 1;
  return text.substr(from, text.find('\r', from) - from);
}

}  // namespace

double own_cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& t) { return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec); };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

void pin_self(int core) {
  if (core >= 0) pin(0, core);
}

BenchServer::BenchServer(const Settings& settings, test::Aof aof)
    : server_(server_options(aof)),
      admin_(test::RespClient::over_unix(server_.unix_socket(), std::chrono::minutes(2))) {
  pin_process(server_.pid(), settings.server_core);
  version_ = server_.info("valkey_version");
}

void BenchServer::fresh() {
  admin_.command({"FLUSHALL", "SYNC"});
  admin_.command({"FUNCTION", "FLUSH", "SYNC"});
  admin_.command({"CONFIG", "RESETSTAT"});
}

double BenchServer::info(const std::string& section, const std::string& field) const {
  return std::stod(field_of(admin_.command({"INFO", section}).text, field));
}

double BenchServer::cpu_us() const {
  const auto text = admin_.command({"INFO", "cpu"}).text;
  const auto seconds = [&text](const char* field) { return std::stod(field_of(text, field)); };
  return (seconds("used_cpu_sys_main_thread") + seconds("used_cpu_user_main_thread")) * 1e6;
}

double BenchServer::memory_bytes() const { return info("memory", "used_memory"); }

std::map<std::string, CommandStat> BenchServer::command_stats() const {
  const auto text = admin_.command({"INFO", "commandstats"}).text;
  std::map<std::string, CommandStat> stats;
  std::size_t at = 0;
  // cmdstat_fcall:calls=1,usec=2,…
  while ((at = text.find("cmdstat_", at)) != std::string::npos) {
    const auto colon = text.find(':', at);
    const auto name = text.substr(at + 8, colon - at - 8);
    CommandStat stat;
    stat.calls = std::stod(text.substr(text.find("calls=", colon) + 6));
    stat.us = std::stod(text.substr(text.find("usec=", colon) + 5));
    stats.emplace(name, stat);
    at = colon;
  }
  return stats;
}

double BenchServer::event_bytes(std::size_t partitions, const std::string& prefix) const {
  const core::Keyspace keys(prefix, partitions);
  double bytes = 0;
  for (std::size_t p = 0; p < partitions; ++p) {
    const auto stream = keys.events(static_cast<core::Partition>(p));
    const auto reply = admin_.command({"MEMORY", "USAGE", stream, "SAMPLES", "0"});
    if (reply.type == ':') bytes += static_cast<double>(reply.integer());
  }
  return bytes;
}

Meter::Meter(const BenchServer& server)
    : server_(server), valkey_us_(server.cpu_us()), client_us_(own_cpu_us()),
      start_(std::chrono::steady_clock::now()) {}

Cost Meter::stop(double executions) const {
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  return stop(executions, seconds, own_cpu_us() - client_us_);
}

Cost Meter::stop(double executions, double seconds, double client_us) const {
  Cost cost;
  cost.seconds = seconds;
  cost.rate = executions / seconds;
  cost.client_us = client_us / executions;
  cost.valkey_us = (server_.cpu_us() - valkey_us_) / executions;
  return cost;
}

void sample_cost(Report& report, const std::string& id, const Cost& cost) {
  report.sample(id + ".rate", cost.rate);
  report.sample(id + ".valkey_us", cost.valkey_us);
  report.sample(id + ".client_us", cost.client_us);
}

void report_commands(Report& report, const BenchServer& server, const std::string& group, long executions) {
  for (const auto& [name, stat] : server.command_stats()) {
    const auto calls = stat.calls / static_cast<double>(executions);
    if (calls < 0.001) continue;
    report.command(group, name, calls, stat.us / static_cast<double>(executions));
  }
}

}  // namespace ff::bench
