// What one command costs this process: PING, GET of 100 bytes and SET of 200 bytes at several depths, over a unix socket and
// TCP of a Valkey server of its own. Prints commands per second and microseconds of client CPU per command.

#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <string>

#include "ff/script/connect.hpp"
#include "support/valkey_server.hpp"

namespace {

using ff::script::Command;
using ff::script::Connection;
using ff::script::ConnectionOptions;
using Clock = std::chrono::steady_clock;

struct Load {
  Connection* connection;
  const Command* command;
  long left;
  long failed = 0;
  explicit Load(Connection* c, const Command* m, long n) : connection(c), command(m), left(n) {}
};

boost::asio::awaitable<void> caller(Load* load) {
  while (load->left-- > 0) {
    auto reply = co_await load->connection->send(0, *load->command, ff::core::Deadline::in(ff::core::Millis(10'000)));
    if (!reply || reply->is_error()) ++load->failed;
  }
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void measure(const char* way, const char* name, const ConnectionOptions& options, const Command& command, int depth) {
  boost::asio::io_context context(1);
  const auto connection = ff::script::make_connection(context.get_executor(), options);
  const auto run = [&](long commands) {
    Load load(connection.get(), &command, commands);
    int callers = depth;
    for (int i = 0; i < depth; ++i) {
      boost::asio::co_spawn(context, caller(&load), [&](std::exception_ptr) {
        if (--callers == 0) context.stop();
      });
    }
    context.restart();
    context.run();
    return load.failed;
  };
  run(depth);
  const long commands = depth == 1 ? 20'000 : 300'000;
  const double cpu = cpu_seconds();
  const auto start = Clock::now();
  const long failed = run(commands);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf("%-5s %-5s %4d in flight: %9.0f commands/s, %6.2f us CPU each, %ld failed\n", way, name, depth,
              static_cast<double>(commands) / seconds, (cpu_seconds() - cpu) * 1e6 / static_cast<double>(commands), failed);
  connection->close();
  context.restart();
  context.run();
}

}  // namespace

int main() {
  ff::test::ValkeyServer server;
  server.cli("SET", "hundred", std::string(100, 'x'));
  Command ping("PING");
  Command get("GET");
  get.arg("hundred");
  Command set("SET");
  set.arg("two").arg(std::string(200, 'y'));
  ConnectionOptions unix_options;
  unix_options.unix_socket = server.unix_socket();
  ConnectionOptions tcp_options;
  tcp_options.host = "127.0.0.1";
  tcp_options.port = server.port();
  for (const int depth : {1, 10, 50, 500}) {
    measure("unix", "PING", unix_options, ping, depth);
    measure("unix", "GET", unix_options, get, depth);
    measure("unix", "SET", unix_options, set, depth);
    measure("tcp", "GET", tcp_options, get, depth);
  }
}
