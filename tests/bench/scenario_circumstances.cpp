// The same loads under other circumstances: durability, and the way to the server.

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>

#include "bench/child.hpp"
#include "bench/scenarios.hpp"
#include "support/fault_proxy.hpp"

namespace ff::bench {
namespace {

void measure_lifecycles(Report& report, BenchServer& server, const script::ConnectionOptions& way,
                        const std::string& id, int batch, long executions) {
  server.fresh();
  Session session(way);
  Lifecycles load(session, Shape(core::Mode::record, batch));
  const Meter meter(server);
  load.submit(executions);
  load.claim(executions);
  load.complete();
  sample_cost(report, id, meter.stop(static_cast<double>(executions)));
  audit_ended(report, session, core::Mode::record, executions, id);
}

void measure_aof(const Settings& settings, Report& report, test::Aof aof) {
  BenchServer server(settings, aof);
  const auto id = "aof." + to_string(aof);
  const bool slow = aof == test::Aof::always;
  const long singles = settings.amount(slow ? 4'096 : 8'192) / 64 * 64;
  measure_lifecycles(report, server, over_unix(server), id + ".one", 1, singles);
  measure_lifecycles(report, server, over_unix(server), id + ".16", 16, settings.amount(32'768) / 1024 * 1024 + 1024);
  const auto cost = drain(server, report, over_unix(server), core::Mode::record, 1, 16, 0, settings.amount(24'576));
  sample_cost(report, id + ".drain", cost);
}

struct ProxyPort {
  std::atomic<std::uint16_t> port{0};
};

boost::asio::awaitable<void> proxy_life(std::shared_ptr<Parent> parent, std::uint16_t server_port, ProxyPort* board,
                                        std::chrono::milliseconds delay) {
  test::FaultProxy proxy("127.0.0.1", server_port);
  proxy.delay(test::Direction::to_client, delay);
  board->port = proxy.port();
  parent->ready();
  while (co_await parent->word()) {
  }
}

void measure_way(const Settings& settings, Report& report, BenchServer& server, const std::string& name,
                 const script::ConnectionOptions& way) {
  const auto id = "transport." + name;
  const bool slow = name == "tcp_1ms";
  measure_lifecycles(report, server, way, id + ".one", 1, settings.amount(slow ? 2'048 : 8'192) / 64 * 64);
  sample_cost(report, id + ".drain16",
              drain(server, report, way, core::Mode::record, 1, 16, 0, settings.amount(slow ? 16'384 : 24'576)));
  sample_cost(report, id + ".drain100",
              drain(server, report, way, core::Mode::record, 1, 100, 0, settings.amount(32'768)));
}

}  // namespace

void run_aof(const Settings& settings, Report& report, BenchServer&) {
  for (int run = 0; run < settings.runs; ++run) {
    for (const auto aof : {test::Aof::off, test::Aof::everysec, test::Aof::always}) measure_aof(settings, report, aof);
  }
}

void run_transport(const Settings& settings, Report& report, BenchServer& server) {
  report.note("the proxy that adds the round trip shares the clients' core");
  Shared<ProxyPort> board;
  const auto server_port = server.port();
  ProxyPort* const port = board.get();
  Child proxy([server_port, port](boost::asio::io_context&, std::shared_ptr<Parent> parent) {
    return proxy_life(std::move(parent), server_port, port, std::chrono::milliseconds(1));
  });
  proxy.wait(30);
  for (int run = 0; run < settings.runs; ++run) {
    measure_way(settings, report, server, "unix", over_unix(server));
    measure_way(settings, report, server, "tcp", over_tcp(server.port()));
    measure_way(settings, report, server, "tcp_1ms", over_tcp(board->port));
  }
  proxy.finish(30);
}

}  // namespace ff::bench
