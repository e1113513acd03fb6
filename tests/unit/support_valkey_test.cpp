// Servers and clusters of the tests' own.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "support/valkey_cluster.hpp"
#include "support/valkey_server.hpp"
#include "support/wait.hpp"

using namespace ff::test;
using namespace std::chrono_literals;

TEST_CASE("a server answers on its unix socket and its port, and leaves no folder behind") {
  std::string folder;
  {
    ValkeyServer server;
    folder = server.directory();
    CHECK(server.cli("SET", "key", 3) == "OK");
    CHECK(RespClient::over_tcp(server.port()).command({"GET", "key"}).text == "3");
    CHECK(server.info("role") == "master");
    CHECK_THROWS_AS(server.cli("GET"), std::runtime_error);
  }
  CHECK_FALSE(std::filesystem::exists(folder));
}

TEST_CASE("data written with an append-only file is there after kill -9, on the same port") {
  ServerOptions options;
  options.aof = Aof::always;
  ValkeyServer server(options);
  auto port = server.port();
  for (int i = 0; i < 100; ++i) server.cli("SET", "key" + std::to_string(i), i);

  server.kill9();
  CHECK_FALSE(server.running());
  server.start();

  CHECK(server.port() == port);
  CHECK(server.cli("DBSIZE") == "100");
  CHECK(RespClient::over_tcp(port).command({"GET", "key99"}).text == "99");
}

TEST_CASE("without an append-only file a restart forgets") {
  ValkeyServer server;
  server.cli("SET", "key", 1);
  server.restart();
  CHECK(server.cli("DBSIZE") == "0");
}

TEST_CASE("a frozen server keeps its sockets and answers after thaw") {
  ValkeyServer server;
  auto client = RespClient::over_tcp(server.port(), 50ms);
  CHECK(client.command({"PING"}).text == "PONG");

  server.freeze();
  client.send({"PING"});
  CHECK_THROWS_AS(client.receive(), std::runtime_error);
  server.thaw();

  CHECK(client.receive().text == "PONG");
}

TEST_CASE("password, users, DEBUG and extra arguments take effect") {
  ServerOptions options;
  options.password = "open-sesame";
  options.acl = {"user reader on >secret ~* &* +get"};
  options.debug_commands = true;
  options.args = {"--maxmemory", "20mb"};
  ValkeyServer server(options);
  auto stranger = RespClient::over_tcp(server.port());

  CHECK(stranger.command({"GET", "a"}).text.rfind("NOAUTH", 0) == 0);
  CHECK(stranger.command({"AUTH", "reader", "secret"}).text == "OK");
  CHECK(stranger.command({"GET", "a"}).is_nil());
  CHECK(stranger.command({"SET", "a", "1"}).text.rfind("NOPERM", 0) == 0);
  CHECK(server.cli("DEBUG", "SLEEP", 0) == "OK");
  CHECK(server.info("maxmemory") == "20971520");
}

TEST_CASE("TLS with client certificates refuses a client without one") {
  ServerOptions options;
  options.tls = true;
  options.tls_client_certificate = true;
  ValkeyServer server(options);
  std::vector<std::string> line = {"valkey-cli", "--tls", "--cacert", server.ca_file(), "-h", "127.0.0.1",
                                   "-p", std::to_string(server.tls_port())};
  auto with = line;
  with.insert(with.end(), {"--cert", server.client_certificate_file(), "--key", server.client_key_file(), "PING"});
  line.push_back("PING");

  CHECK(run_program(with) == "PONG\n");
  CHECK_THROWS_AS(run_program(line), std::runtime_error);
}

TEST_CASE("a setting the server refuses is an exception with its words") {
  ServerOptions options;
  options.args = {"--no-such-setting", "1"};
  CHECK_THROWS_AS(ValkeyServer(options), std::runtime_error);
}

TEST_CASE("a cluster serves all slots, moves them, and answers as a moving slot does") {
  ValkeyCluster cluster;
  auto slot = ValkeyCluster::slot_of("{user}a");
  CHECK(std::to_string(slot) == cluster.node(0).cli("CLUSTER", "KEYSLOT", "{user}a"));
  auto from = cluster.owner_of(slot);
  auto to = (from + 1) % cluster.primaries();
  cluster.node(from).cli("SET", "{user}a", 1);

  cluster.begin_migration(slot, to);
  CHECK(cluster.node(from).cli("GET", "{user}a") == "1");
  CHECK(cluster.node(from).command({"GET", "{user}b"}).text.rfind("ASK ", 0) == 0);
  CHECK(cluster.node(from).command({"MGET", "{user}a", "{user}b"}).text.rfind("TRYAGAIN", 0) == 0);
  cluster.finish_migration(slot);

  CHECK(cluster.owner_of(slot) == to);
  CHECK(cluster.node(to).cli("GET", "{user}a") == "1");
  CHECK(cluster.node(from).command({"GET", "{user}a"}).text.rfind("MOVED ", 0) == 0);
}

TEST_CASE("a replica takes over from a killed primary with its data, which comes back as a replica") {
  ClusterOptions options;
  options.replicas = 1;
  options.node_timeout = 1000ms;
  ValkeyCluster cluster(options);
  auto slot = ValkeyCluster::slot_of("key");
  auto owner = cluster.owner_of(slot);
  cluster.node(owner).cli("SET", "key", 1);
  CHECK(cluster.node(owner).cli("WAIT", 1, 5000) == "1");

  CHECK(cluster.kill_primary_of(slot) == owner);
  auto next = cluster.wait_failover(slot, owner);

  CHECK(next == owner + cluster.primaries());
  CHECK(cluster.node(next).cli("GET", "key") == "1");
  cluster.node(owner).start();
  cluster.wait_ok();
  CHECK(wait_until([&] { return cluster.node(owner).info("role") == "slave"; }));
}
