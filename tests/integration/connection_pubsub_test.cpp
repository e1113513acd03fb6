// Sharded pub/sub on a single server.
#include <catch2/catch_test_macros.hpp>

#include "integration/connection_listener.hpp"
#include "support/fault_proxy.hpp"

using namespace ff::test;

TEST_CASE("a subscriber is told of a gap first, then gets messages in order") {
  ValkeyServer server;
  Client client(over_unix(server));
  Listener listener(client, 0, "news");
  REQUIRE(client.until([&] { return listener.gaps == 1; }));

  for (int i = 0; i < 100; ++i) client.start({"SPUBLISH", "news", std::to_string(i)});

  REQUIRE(client.until([&] { return listener.messages.size() == 100; }));
  CHECK(listener.messages.front() == "0");
  CHECK(listener.messages.back() == "99");
  CHECK(listener.gaps == 1);
}

TEST_CASE("payloads are bytes") {
  ValkeyServer server;
  Client client(over_unix(server));
  Listener listener(client, 0, std::string("n\0\r\n", 4));
  REQUIRE(client.until([&] { return listener.gaps == 1; }));

  client.must({"SPUBLISH", std::string("n\0\r\n", 4), std::string("\0\xff\r\n", 4)});

  REQUIRE(client.until([&] { return !listener.messages.empty(); }));
  CHECK(listener.messages[0] == std::string("\0\xff\r\n", 4));
}

TEST_CASE("after a cut each channel is told of a gap and listens again") {
  ValkeyServer server;
  FaultProxy proxy(server.unix_socket());
  Client client(over_tcp(proxy.port()));
  Listener listener(client, 0, "news");
  REQUIRE(client.until([&] { return listener.gaps == 1; }));

  proxy.cut_all();

  REQUIRE(client.until([&] { return listener.gaps == 2; }));
  client.must({"SPUBLISH", "news", "after"});
  REQUIRE(client.until([&] { return !listener.messages.empty(); }));
  CHECK(listener.messages[0] == "after");
}

TEST_CASE("a restarted server is listened to again") {
  ValkeyServer server;
  Client client(over_unix(server));
  Listener listener(client, 0, "news");
  REQUIRE(client.until([&] { return listener.gaps == 1; }));

  server.restart();

  REQUIRE(client.until([&] { return listener.gaps == 2; }));
}

TEST_CASE("a server that stands still is noticed by the probe") {
  ValkeyServer server;
  FaultProxy proxy(server.unix_socket());
  auto options = over_tcp(proxy.port());
  options.ping_interval = Millis(50);
  Client client(options);
  Listener listener(client, 0, "news");
  REQUIRE(client.until([&] { return listener.gaps == 1; }));

  proxy.hold(Direction::both);
  client.idle(Millis(300));
  proxy.release();

  REQUIRE(client.until([&] { return listener.gaps == 2; }));
}

TEST_CASE("a silent channel outlives many probes") {
  ValkeyServer server;
  auto options = over_unix(server);
  options.ping_interval = Millis(20);
  Client client(options);
  Listener listener(client, 0, "news");
  REQUIRE(client.until([&] { return listener.gaps == 1; }));
  client.idle(Millis(400));

  client.must({"SPUBLISH", "news", "still there"});

  REQUIRE(client.until([&] { return !listener.messages.empty(); }));
  CHECK(listener.gaps == 1);
  CHECK(client.connection().stats().reconnects == 0);
}

TEST_CASE("hundreds of channels share one socket") {
  ValkeyServer server;
  Client client(over_unix(server));
  std::vector<std::unique_ptr<Listener>> listeners;
  for (int i = 0; i < 200; ++i) {
    listeners.push_back(std::make_unique<Listener>(client, 0, "c" + std::to_string(i)));
  }
  const auto gaps = [&](int n) {
    return std::all_of(listeners.begin(), listeners.end(), [&](auto& l) { return l->gaps == n; });
  };
  REQUIRE(client.until([&] { return gaps(1); }));
  CHECK(server.info("connected_clients") == "2");

  for (int i = 0; i < 200; ++i) client.start({"SPUBLISH", "c" + std::to_string(i), std::to_string(i)});

  REQUIRE(client.until([&] {
    return std::all_of(listeners.begin(), listeners.end(), [](auto& l) { return l->messages.size() == 1; });
  }));
  for (std::size_t i = 0; i < 200; ++i) CHECK(listeners[i]->messages[0] == std::to_string(i));
  server.restart();
  REQUIRE(client.until([&] { return gaps(2); }));
}

TEST_CASE("two subscribers of one channel both hear, each with its own gap") {
  ValkeyServer server;
  Client client(over_unix(server));
  Listener first(client, 0, "news");
  REQUIRE(client.until([&] { return first.gaps == 1; }));
  auto second = std::make_unique<Listener>(client, 0, "news");
  REQUIRE(client.until([&] { return second->gaps == 1; }));
  CHECK(first.gaps == 1);

  client.must({"SPUBLISH", "news", "both"});
  REQUIRE(client.until([&] { return first.messages.size() == 1 && second->messages.size() == 1; }));

  second.reset();
  client.must({"SPUBLISH", "news", "one"});
  REQUIRE(client.until([&] { return first.messages.size() == 2; }));
}

TEST_CASE("a dead handle is heard no more, and the server forgets the channel") {
  ValkeyServer server;
  Client client(over_unix(server));
  auto listener = std::make_unique<Listener>(client, 0, "news");
  REQUIRE(client.until([&] { return listener->gaps == 1; }));

  listener.reset();

  REQUIRE(client.until([&] { return text(client.call({"SPUBLISH", "news", "x"})) == "0"; }));
}

TEST_CASE("subscribing again at once works") {
  ValkeyServer server;
  Client client(over_unix(server));
  auto listener = std::make_unique<Listener>(client, 0, "news");
  for (int i = 0; i < 20; ++i) {
    listener.reset();
    listener = std::make_unique<Listener>(client, 0, "news");
  }

  REQUIRE(client.until([&] { return listener->gaps == 1; }));
  client.must({"SPUBLISH", "news", "x"});
  REQUIRE(client.until([&] { return listener->messages.size() == 1; }));
}

TEST_CASE("a callback may end its own subscription, or close the connection") {
  ValkeyServer server;
  Client client(over_unix(server));
  std::unique_ptr<ff::script::Connection::Subscription> own;
  int heard = 0;
  own = client.connection().subscribe(
      0, "own", [&](std::string_view, std::string_view) { own.reset(), ++heard; }, [](std::string_view) {});
  Listener closer(client, 0, "close");
  REQUIRE(client.until([&] { return closer.gaps == 1; }));
  client.start({"SPUBLISH", "own", "1"});
  client.start({"SPUBLISH", "own", "2"});
  REQUIRE(client.until([&] { return heard == 1; }));
  closer.then = [&] { client.close(); };

  for (int i = 0; i < 10; ++i) server.cli("SPUBLISH", "close", i);

  REQUIRE(client.until([&] { return !closer.messages.empty(); }));
  client.idle(Millis(20));
  CHECK(closer.messages.size() == 1);
}

TEST_CASE("a handle may outlive its connection") {
  ValkeyServer server;
  std::unique_ptr<ff::script::Connection::Subscription> handle;
  {
    Client client(over_unix(server));
    handle = client.connection().subscribe(
        0, "news", [](std::string_view, std::string_view) {}, [](std::string_view) {});
    client.idle(Millis(20));
  }
  handle.reset();
}
