// Answers that say "not run": repeated until the deadline, and told by name if they do not end.
#include <catch2/catch_test_macros.hpp>

#include "integration/connection_client.hpp"

using namespace ff::test;

TEST_CASE("READONLY: the address is dialled again, and the call ends as readonly or well") {
  ValkeyServer server;
  Client client(over_unix(server));
  client.must({"PING"});
  server.cli("REPLICAOF", "127.0.0.1", 1);

  CHECK(is_error(client.call({"SET", "k", "v"}, Millis(300)), Code::unavailable, "readonly"));
  CHECK(client.connection().stats().reconnects > 0);
  CHECK(client.connection().stats().retries > 0);

  const auto call = client.start({"SET", "k", "v"});
  client.idle(Millis(50));
  server.cli("REPLICAOF", "NO", "ONE");
  REQUIRE(client.until([&] { return call->done(); }));
  CHECK(text(*call->result) == "OK");
}

TEST_CASE("MASTERDOWN is repeated") {
  ValkeyServer server;
  Client client(over_unix(server));
  server.cli("CONFIG", "SET", "replica-serve-stale-data", "no");
  server.cli("REPLICAOF", "127.0.0.1", 1);

  const auto result = client.call({"GET", "k"}, Millis(200));

  INFO(text(result));
  CHECK(is_error(result, Code::unavailable, "masterdown"));
}

TEST_CASE("BUSY is repeated until the script ends") {
  ServerOptions options;
  options.args = {"--busy-reply-threshold", "50"};
  ValkeyServer server(options);
  Client client(over_unix(server));
  client.must({"PING"});
  auto other = server.client();
  other.send({"EVAL", "while true do end", "0"});
  REQUIRE(client.until([&] {
    return is_error(client.call({"GET", "k"}, Millis(200)), Code::unavailable, "busy");
  }));

  const auto call = client.start({"SET", "k", "v"});
  client.idle(Millis(50));
  server.cli("SCRIPT", "KILL");

  REQUIRE(client.until([&] { return call->done(); }));
  CHECK(text(*call->result) == "OK");
}

TEST_CASE("LOADING is repeated until the data is there") {
  ServerOptions options;
  options.args = {"--key-load-delay", "300", "--loading-process-events-interval-bytes", "1024", "--save", ""};
  options.debug_commands = true;
  ValkeyServer server(options);
  server.cli("DEBUG", "POPULATE", 4000, "key", 100);
  Client client(over_unix(server));
  client.must({"PING"});
  auto other = server.client();
  other.send({"DEBUG", "RELOAD"});

  REQUIRE(client.until([&] {
    return is_error(client.call({"GET", "k"}, Millis(50)), Code::unavailable, "loading");
  }));
  CHECK(text(client.call({"DBSIZE"}, Millis(30'000))) == "4000");
}

TEST_CASE("out of memory and missing rights are values") {
  ServerOptions options;
  options.acl = {"user worker on >hush ~* &* +@all -set"};
  ValkeyServer server(options);
  auto as_worker = over_unix(server);
  as_worker.user = "worker";
  as_worker.password = "hush";
  Client client(as_worker);

  CHECK(text(client.call({"SET", "k", "v"})).starts_with("NOPERM"));
  server.cli("CONFIG", "SET", "maxmemory", "1");
  CHECK(text(client.call({"LPUSH", "k", "v"})).starts_with("OOM"));
  CHECK(client.connection().stats().retries == 0);
}
