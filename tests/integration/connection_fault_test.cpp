// Lost sockets, lost replies, servers that stand still or go away.
#include <catch2/catch_test_macros.hpp>

#include "integration/connection_client.hpp"
#include "support/fault_proxy.hpp"

using namespace ff::test;
using std::chrono::steady_clock;

namespace {

ConnectionOptions quick(ConnectionOptions options) {
  options.ping_interval = Millis(100);
  options.connect_timeout = Millis(200);
  options.backoff_max = Millis(50);
  return options;
}

}  // namespace

TEST_CASE("a restarted server is found again") {
  ValkeyServer server;
  Client client(over_unix(server));
  REQUIRE(text(client.call({"PING"})) == "PONG");

  server.restart();

  CHECK(text(client.call({"PING"})) == "PONG");
  CHECK(client.connection().stats().reconnects == 1);
}

TEST_CASE("a call made while the server is away is sent when it is back") {
  ValkeyServer server;
  Client client(over_unix(server));
  client.must({"PING"});
  server.stop();
  client.idle(Millis(20));
  const auto call = client.start({"SET", "k", "v"});
  client.idle(Millis(50));
  REQUIRE_FALSE(call->done());

  server.start();

  REQUIRE(client.until([&] { return call->done(); }));
  CHECK(text(*call->result) == "OK");
}

TEST_CASE("a server that stays away means not run") {
  ValkeyServer server;
  Client client(over_unix(server));
  server.stop();

  CHECK(is_error(client.call({"SET", "k", "v"}, Millis(200)), Code::unavailable, "connect"));
}

TEST_CASE("a lost reply means unknown outcome, and is not repeated") {
  ValkeyServer server;
  FaultProxy proxy(server.unix_socket());
  Client client(over_tcp(proxy.port()));
  client.must({"PING"});
  proxy.only("INCR");
  proxy.cut_after_reply();

  CHECK(is_error(client.call({"INCR", "n"}), Code::unknown_outcome, "connection_lost"));

  CHECK(text(client.call({"GET", "n"})) == "1");
  CHECK(client.connection().stats().unknown == 1);
  CHECK(client.connection().stats().retries == 0);
}

TEST_CASE("half a reply, half a request, no request: each is an unknown outcome for all that was sent") {
  ValkeyServer server;
  FaultProxy proxy(server.unix_socket());
  Client client(over_tcp(proxy.port()));
  proxy.only("ECHO");
  using P = FaultProxy;
  for (const auto cut : {&P::cut_inside_reply, &P::cut_inside_request, &P::cut_before_request}) {
    for (const bool reset : {false, true}) {
      client.must({"PING"});
      proxy.cut_with_reset(reset);
      (proxy.*cut)(3);
      std::vector<std::shared_ptr<Pending>> calls;
      for (int i = 0; i < 5; ++i) calls.push_back(client.start({"ECHO", std::to_string(i)}));

      REQUIRE(client.until([&] { return calls.back()->done(); }));
      // A reset may overtake replies that had come; none may be wrong.
      for (std::size_t i = 0; i < 5; ++i) {
        const auto& result = *calls[i]->result;
        if (result && i < 2) CHECK(text(result) == std::to_string(i));
        else CHECK(is_error(result, Code::unknown_outcome, "connection_lost"));
      }
    }
  }
}

TEST_CASE("a frozen server: a sent call ends at its deadline, and its late reply goes to nobody") {
  ValkeyServer server;
  Client client(over_unix(server));
  client.must({"PING"});
  server.freeze();
  const auto start = steady_clock::now();

  CHECK(is_error(client.call({"ECHO", "late"}, Millis(100)), Code::unknown_outcome, "deadline"));

  CHECK(steady_clock::now() - start < Millis(500));
  const auto next = client.start({"ECHO", "next"});
  client.idle(Millis(20));
  server.thaw();
  REQUIRE(client.until([&] { return next->done(); }));
  CHECK(text(*next->result) == "next");
  CHECK(client.connection().stats().reconnects == 0);
}

TEST_CASE("a frozen server loses its socket when it does not answer the probe") {
  ValkeyServer server;
  Client client(quick(over_unix(server)));
  client.must({"PING"});
  server.freeze();

  const auto result = client.call({"PING"}, Millis(20'000));

  CHECK(is_error(result, Code::unknown_outcome, "connection_lost"));
  CHECK(result.error().message.find("no answer to PING") != std::string::npos);
  CHECK(is_error(client.call({"PING"}, Millis(300)), Code::unavailable, "connect"));
  server.thaw();
  CHECK(text(client.call({"PING"})) == "PONG");
}

TEST_CASE("a slow server that still answers keeps its socket") {
  ValkeyServer server;
  FaultProxy proxy(server.unix_socket());
  Client client(quick(over_tcp(proxy.port())));
  client.must({"PING"});
  proxy.delay(Direction::to_client, Millis(80));

  for (int i = 0; i < 8; ++i) CHECK(text(client.call({"ECHO", std::to_string(i)})) == std::to_string(i));

  CHECK(client.connection().stats().reconnects == 0);
}

TEST_CASE("a black hole ends each call at its own deadline, whatever comes before it") {
  ValkeyServer server;
  FaultProxy proxy(server.unix_socket());
  Client client(over_tcp(proxy.port()));
  client.must({"PING"});
  proxy.hold(Direction::both);
  const auto start = steady_clock::now();

  const auto slow = client.start({"PING"}, Millis(400));
  const auto fast = client.start({"PING"}, Millis(100));

  REQUIRE(client.until([&] { return fast->done(); }, Millis(1000)));
  CHECK(steady_clock::now() - start < Millis(350));
  CHECK_FALSE(slow->done());
  REQUIRE(client.until([&] { return slow->done(); }, Millis(1000)));
}

TEST_CASE("what does not fit into the socket can be withdrawn: it certainly did not run") {
  ValkeyServer server;
  FaultProxy proxy(server.unix_socket());
  Client client(over_tcp(proxy.port()));
  client.must({"PING"});
  proxy.hold(Direction::both);
  std::vector<std::shared_ptr<Pending>> calls;
  const std::string large(1'000'000, 'x');
  for (int i = 0; i < 40; ++i) calls.push_back(client.start({"SET", "k", large}, Millis(1500)));

  REQUIRE(client.until([&] { return calls.back()->done(); }));

  CHECK(is_error(*calls.front()->result, Code::unknown_outcome, "deadline"));
  CHECK(is_error(*calls.back()->result, Code::unavailable, "deadline"));
}

TEST_CASE("what had not left entirely when the socket broke runs on the next one") {
  ValkeyServer server;
  FaultProxy proxy(server.unix_socket());
  Client client(quick(over_tcp(proxy.port())));
  client.must({"PING"});
  proxy.hold(Direction::both);
  std::vector<std::shared_ptr<Pending>> calls;
  const std::string large(1'000'000, 'x');
  for (int i = 0; i < 40; ++i) calls.push_back(client.start({"SETRANGE", "k", "0", large}));
  client.idle(Millis(20));

  proxy.cut_all();
  proxy.pass();

  REQUIRE(client.until([&] { return calls.back()->done(); }));
  CHECK(is_error(*calls.front()->result, Code::unknown_outcome, "connection_lost"));
  CHECK(text(*calls.back()->result) == "1000000");
}

TEST_CASE("replies in single bytes") {
  ValkeyServer server;
  FaultProxy proxy(server.unix_socket());
  Client client(over_tcp(proxy.port()));
  proxy.slice(1);
  std::vector<std::shared_ptr<Pending>> calls;

  for (int i = 0; i < 50; ++i) calls.push_back(client.start({"ECHO", "word" + std::to_string(i)}));

  REQUIRE(client.until([&] { return calls.back()->done(); }));
  for (std::size_t i = 0; i < 50; ++i) CHECK(text(*calls[i]->result) == "word" + std::to_string(i));
}

TEST_CASE("under random cuts every call ends once, and no counted increment is doubled") {
  ValkeyServer server;
  FaultProxy proxy(server.unix_socket());
  Client client(quick(over_tcp(proxy.port())));
  proxy.only("INCR");
  proxy.cut_randomly(0.02, 0.02, 4711);
  std::uint64_t good = 0, unknown = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<std::shared_ptr<Pending>> calls;
    for (int i = 0; i < 10; ++i) calls.push_back(client.start({"INCR", "n"}));
    REQUIRE(client.until([&] { return all_done(calls); }));
    for (const auto& call : calls) {
      if (*call->result) ++good;
      else ++unknown;
      if (!*call->result) CHECK(call->result->error().code == Code::unknown_outcome);
    }
  }
  proxy.pass();

  const auto counted = std::stoull(text(client.call({"GET", "n"})));

  CHECK(proxy.counters().cuts > 0);
  CHECK(counted >= good);
  CHECK(counted <= good + unknown);
  CHECK(client.connection().stats().unknown == unknown);
}
