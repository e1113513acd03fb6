// A connection on a strand, whose context several threads run.
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <catch2/catch_test_macros.hpp>

#include "integration/connection_client.hpp"

using namespace ff::test;

namespace {

struct Count {
  std::atomic<int> good{0};
  std::atomic<int> messages{0};
};

boost::asio::awaitable<void> increment(ff::script::Connection* connection, Count* count) {
  Command command("INCR");
  command.arg("n");
  for (int i = 0; i < 200; ++i) {
    const auto deadline = ff::core::Deadline::in(Millis(20'000));
    auto reply = co_await connection->send(0, command, deadline);
    if (reply) ++count->good;
  }
}

boost::asio::awaitable<void> all(std::shared_ptr<ff::script::Connection> connection, Count* count) {
  auto handle = connection->subscribe(
      0, "news", [count](std::string_view, std::string_view) { ++count->messages; }, [](std::string_view) {});
  for (int i = 0; i < 20; ++i) {
    boost::asio::co_spawn(connection->executor(), increment(connection.get(), count), boost::asio::detached);
  }
  Command publish("SPUBLISH");
  publish.arg("news").arg("x");
  while (count->good < 4000 || count->messages == 0) {
    const auto deadline = ff::core::Deadline::in(Millis(20'000));
    auto reply = co_await connection->send(0, publish, deadline);
    static_cast<void>(reply);
  }
  connection->close();
}

}  // namespace

TEST_CASE("a strand of a context with several threads is enough") {
  ServerOptions server_options;
  server_options.tls = true;
  ValkeyServer server(server_options);
  auto over_tls = over_tcp(server.tls_port());
  over_tls.tls.enabled = true;
  over_tls.tls.ca_file = server.ca_file();
  for (const auto& options : {over_unix(server), over_tls}) {
    boost::asio::thread_pool pool(4);
    Count count;
    auto strand = boost::asio::make_strand(pool);
    auto connection = ff::script::make_connection(strand, options);
    boost::asio::co_spawn(strand, all(connection, &count), boost::asio::detached);
    connection.reset();

    pool.join();

    CHECK(count.good == 4000);
  }
}
