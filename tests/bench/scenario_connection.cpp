// What one command costs the client: GET of 100 bytes at several depths, over a unix socket and TCP.

#include <fmt/format.h>

#include "bench/scenarios.hpp"

namespace ff::bench {
namespace {

struct Load {
  script::Connection* connection;
  script::Command command{"GET"};
  long left;
  Load(script::Connection* c, long n) : connection(c), left(n) { command.arg("hundred"); }
};

boost::asio::awaitable<void> caller(Load* load) {
  while (load->left > 0) {
    --load->left;
    auto sent = co_await load->connection->send(0, load->command, core::Deadline::in(core::Millis(10'000)));
    if (insist(std::move(sent), "GET").text.size() != 100) throw std::runtime_error("GET answered something else");
  }
}

void measure(Report& report, BenchServer& server, const script::ConnectionOptions& way, const std::string& id,
             int depth, long commands) {
  Session session(way);
  server.command({"SET", "hundred", std::string(100, 'x')});
  Load load(session.deployment().connection().get(), commands);
  const Meter meter(server);
  session.run(depth, [&load] { return caller(&load); });
  const auto cost = meter.stop(static_cast<double>(commands));
  report.sample(id + ".rate", cost.rate);
  report.sample(id + ".client_us", cost.client_us);
}

}  // namespace

void run_connection(const Settings& settings, Report& report, BenchServer& server) {
  server.fresh();
  for (int run = 0; run < settings.runs; ++run) {
    for (const int depth : {1, 10, 50, 500}) {
      const long commands = settings.amount(depth == 1 ? 20'000 : 200'000);
      measure(report, server, over_unix(server), fmt::format("connection.unix.{}", depth), depth, commands);
      measure(report, server, over_tcp(server.port()), fmt::format("connection.tcp.{}", depth), depth, commands);
    }
  }
}

}  // namespace ff::bench
