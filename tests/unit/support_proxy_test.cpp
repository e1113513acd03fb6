// The fault proxy does exactly what it says: each case checks what the server saw and what the client saw.
#include <catch2/catch_test_macros.hpp>
#include <stdexcept>
#include <string>

#include "support/fault_proxy.hpp"
#include "support/seed.hpp"
#include "support/valkey_server.hpp"
#include "support/wait.hpp"

using namespace ff::test;
using namespace std::chrono_literals;

namespace {

struct Lab {
  ValkeyServer server;
  FaultProxy proxy{server.unix_socket()};
  RespClient client() const { return RespClient::over_tcp(proxy.port()); }
};

}  // namespace

TEST_CASE("without faults everything passes, over a unix socket and over TCP") {
  Lab lab;
  FaultProxy by_tcp("127.0.0.1", lab.server.port());
  auto client = lab.client();
  auto other = RespClient::over_tcp(by_tcp.port());

  CHECK(client.command({"SET", "key", std::string(100'000, 'v')}).text == "OK");
  CHECK(other.command({"GET", "key"}).text == std::string(100'000, 'v'));
  CHECK(client.command({"LRANGE", "none", "0", "-1"}).elements.empty());

  CHECK(lab.proxy.wait_for([](const ProxyCounters& c) { return c.replies == 2; }));
  CHECK(lab.proxy.counters().requests == 2);
  CHECK(lab.proxy.counters().cuts == 0);
}

TEST_CASE("cut_after_reply: the server has run the call, the client never learns") {
  Lab lab;
  auto client = lab.client();
  lab.proxy.cut_after_reply(2);

  CHECK(client.command({"INCR", "n"}).integer() == 1);
  CHECK_THROWS_AS(client.command({"INCR", "n"}), std::runtime_error);

  CHECK(lab.server.cli("GET", "n") == "2");
  CHECK(lab.proxy.counters().cuts_after_reply == 1);
  CHECK(lab.proxy.counters().replies_lost == 1);
  auto again = lab.client();
  CHECK(again.command({"INCR", "n"}).integer() == 3);
}

TEST_CASE("replies before the cut one are passed on, also out of one packet") {
  Lab lab;
  auto client = lab.client();
  lab.proxy.cut_after_reply(3);
  std::string five;
  for (int i = 0; i < 5; ++i) RespClient::encode({"INCR", "n"}, five);
  client.send_encoded(five);

  CHECK(client.receive().integer() == 1);
  CHECK(client.receive().integer() == 2);
  CHECK_THROWS_AS(client.receive(), std::runtime_error);

  CHECK(lab.proxy.counters().cuts == 1);
  CHECK(lab.proxy.counters().replies == 2);
  CHECK(lab.proxy.counters().replies_lost >= 1);
}

TEST_CASE("cut_before_request: the server never sees the call") {
  Lab lab;
  auto client = lab.client();
  lab.proxy.cut_before_request(2);

  CHECK(client.command({"INCR", "n"}).integer() == 1);
  CHECK_THROWS_AS(client.command({"INCR", "n"}), std::runtime_error);

  CHECK(lab.server.cli("GET", "n") == "1");
  CHECK(lab.proxy.counters().requests_lost == 1);
  CHECK(lab.proxy.counters().cuts_before_request == 1);
}

TEST_CASE("half a request does not run, half a reply does not parse") {
  Lab lab;
  auto first = lab.client();
  lab.proxy.cut_inside_request();
  CHECK_THROWS_AS(first.command({"INCR", "n"}), std::runtime_error);
  CHECK(lab.server.cli("GET", "n").empty());

  auto second = lab.client();
  lab.proxy.cut_inside_reply();
  CHECK_THROWS_AS(second.command({"INCR", "n"}), std::runtime_error);
  CHECK(lab.server.cli("GET", "n") == "1");

  CHECK(lab.proxy.counters().cuts_inside_request == 1);
  CHECK(lab.proxy.counters().cuts_inside_reply == 1);
}

TEST_CASE("only() leaves all other calls alone") {
  Lab lab;
  auto client = lab.client();
  lab.proxy.only("INCR");
  lab.proxy.cut_after_reply(1);

  CHECK(client.command({"SET", "a", "1"}).text == "OK");
  CHECK(client.command({"GET", "a"}).text == "1");
  CHECK_THROWS_AS(client.command({"INCR", "a"}), std::runtime_error);

  CHECK(lab.server.cli("GET", "a") == "2");
  CHECK(lab.proxy.counters().matched == 1);
}

TEST_CASE("random cuts lose about as many as they should, and what each side saw adds up") {
  Lab lab;
  lab.proxy.cut_randomly(0.1, 0.1, seed());
  int answered = 0, lost = 0;
  for (int i = 0; i < 400; ++i) {
    auto client = lab.client();
    try {
      client.command({"INCR", "n"});
      ++answered;
    } catch (const std::runtime_error&) {
      ++lost;
    }
  }
  lab.proxy.pass();

  auto seen = lab.proxy.counters();
  CHECK(lost > 20);
  CHECK(seen.cuts == static_cast<std::uint64_t>(lost));
  CHECK(seen.cuts_after_reply > 0);
  CHECK(seen.cuts_before_request > 0);
  CHECK(lab.server.cli("GET", "n") == std::to_string(static_cast<std::uint64_t>(answered) + seen.cuts_after_reply));
}

TEST_CASE("delay works one way and keeps order") {
  Lab lab;
  auto client = lab.client();
  lab.proxy.delay(Direction::to_client, 100ms);
  auto start = std::chrono::steady_clock::now();

  for (int i = 0; i < 3; ++i) client.send({"INCR", "n"});
  CHECK(wait_until([&] { return lab.server.cli("GET", "n") == "3"; }));
  for (int i = 1; i <= 3; ++i) CHECK(client.receive().integer() == i);

  CHECK(std::chrono::steady_clock::now() - start >= 100ms);
  CHECK(lab.proxy.counters().delayed >= 1);
}

TEST_CASE("hold is a black hole until release") {
  Lab lab;
  auto client = RespClient::over_tcp(lab.proxy.port(), 100ms);
  CHECK(client.command({"INCR", "n"}).integer() == 1);
  lab.proxy.hold(Direction::to_client);

  client.send({"INCR", "n"});
  CHECK_THROWS_AS(client.receive(), std::runtime_error);
  CHECK(lab.server.cli("GET", "n") == "2");
  lab.proxy.release();

  CHECK(client.receive().integer() == 2);
  CHECK(lab.proxy.counters().held == 1);
  CHECK(lab.proxy.counters().cuts == 0);
}

TEST_CASE("slices reach the client byte by byte") {
  Lab lab;
  auto client = lab.client();
  lab.proxy.slice(1);

  CHECK(client.command({"ECHO", "hello"}).text == "hello");

  CHECK(lab.proxy.wait_for([](const ProxyCounters& c) { return c.slices >= 30; }));
}

TEST_CASE("half_close ends one direction and leaves the other") {
  Lab lab;
  auto client = lab.client();
  CHECK(client.command({"INCR", "n"}).integer() == 1);
  lab.proxy.half_close(Direction::to_client);

  client.send({"INCR", "n"});
  CHECK_THROWS_AS(client.receive(), std::runtime_error);

  CHECK(wait_until([&] { return lab.server.cli("GET", "n") == "2"; }));
  CHECK(lab.proxy.counters().half_closes == 1);
}

TEST_CASE("cut_all, refuse and a missing server end connections") {
  Lab lab;
  auto client = lab.client();
  CHECK(client.command({"PING"}).text == "PONG");
  lab.proxy.cut_with_reset(true);
  lab.proxy.cut_all();
  CHECK_THROWS_AS(client.command({"PING"}), std::runtime_error);

  lab.proxy.refuse(true);
  auto refused = lab.client();
  CHECK_THROWS_AS(refused.command({"PING"}), std::runtime_error);
  lab.proxy.pass();
  lab.server.kill9();
  auto alone = lab.client();
  CHECK_THROWS_AS(alone.command({"PING"}), std::runtime_error);

  lab.server.start();
  auto back = lab.client();
  CHECK(back.command({"PING"}).text == "PONG");
  CHECK(lab.proxy.counters().refused == 2);
  CHECK(lab.proxy.counters().cuts == 1);
}

TEST_CASE("TLS passes through, uncounted") {
  ServerOptions options;
  options.tls = true;
  ValkeyServer server(options);
  FaultProxy proxy("127.0.0.1", server.tls_port());

  auto answer = run_program({"valkey-cli", "--tls", "--cacert", server.ca_file(), "-h", "127.0.0.1", "-p",
                             std::to_string(proxy.port()), "PING"});

  CHECK(answer == "PONG\n");
  CHECK(proxy.counters().opaque_bytes > 0);
  CHECK(proxy.counters().requests == 0);
}
