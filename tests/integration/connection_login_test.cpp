// Every way in: names, sockets, TLS, users.
#include <catch2/catch_test_macros.hpp>

#include "integration/connection_client.hpp"

using namespace ff::test;

namespace {

ServerOptions guarded() {
  ServerOptions options;
  options.password = "secret";
  options.acl = {"user worker on >hush ~* &* +@all"};
  return options;
}

ServerOptions with_tls() {
  ServerOptions options = guarded();
  options.tls = true;
  return options;
}

ConnectionOptions as_worker(ConnectionOptions options) {
  options.user = "worker";
  options.password = "hush";
  return options;
}

ConnectionOptions over_tls(const ValkeyServer& server) {
  ConnectionOptions options = as_worker(over_tcp(server.tls_port()));
  options.tls.enabled = true;
  options.tls.ca_file = server.ca_file();
  return options;
}

bool refuses(ConnectionOptions options, const std::string& text) {
  Client client(std::move(options));
  const auto result = client.call({"PING"}, Millis(2000));  // Of which reading a system's store takes a part.
  INFO(ff::test::text(result));
  if (!is_error(result, Code::unavailable, "connect")) return false;
  return result.error().message.find(text) != std::string::npos;
}

// Keeps each line as "<level> <message> <key>=<value> …".
class KeptLog final : public ff::core::Logger {
 public:
  std::vector<std::string> lines;
  bool enabled(ff::core::LogLevel) const noexcept override { return true; }
  void write(ff::core::LogLevel level, std::string_view message,
             std::span<const ff::core::LogField> fields) noexcept override {
    std::string line = std::string(to_string(level)) + " " + std::string(message);
    for (const auto& field : fields) line += " " + std::string(field.key) + "=" + field.value;
    lines.push_back(std::move(line));
  }
};

}  // namespace

TEST_CASE("a user without the right to a channel is told so once, with the right, and heard when it has it") {
  ServerOptions guarded;
  guarded.acl = {"user worker on >hush ~* resetchannels +@all"};
  ValkeyServer server(guarded);
  auto log = std::make_shared<KeptLog>();
  auto options = as_worker(over_tcp(server.port()));
  options.logger = log;
  options.backoff_max = Millis(20);
  Client client(options);
  int gaps = 0;
  const auto gap = [&gaps](std::string_view) { ++gaps; };
  const auto ignore = [](std::string_view, std::string_view) {};
  auto& connection = client.connection();
  const auto one = connection.subscribe(1, "{ff:0.1}:w:a", ignore, gap);
  const auto other = connection.subscribe(1, "{ff:0.1}:w:b", ignore, gap);
  const auto refusals = [&server] {
    const auto count = server.info("errorstat_NOPERM");  // "count=6"
    return count.empty() ? 0 : std::stoi(count.substr(6));
  };
  REQUIRE(client.until([&] { return refusals() >= 6; }));

  REQUIRE(log->lines.size() == 1);
  CHECK(log->lines[0].starts_with("error Valkey's user lacks the right to subscribe"));
  CHECK(log->lines[0].find("right=+ssubscribe +sunsubscribe &{ff:*") != std::string::npos);
  CHECK(gaps == 0);
  server.cli("ACL", "SETUSER", "worker", "&{ff:*");
  CHECK(client.until([&] { return gaps == 2; }));
}

TEST_CASE("a host name, an address, a unix socket") {
  ValkeyServer server;
  auto by_name = over_tcp(server.port());
  by_name.host = "localhost";

  CHECK(text(Client(by_name).call({"PING"})) == "PONG");
  CHECK(text(Client(over_tcp(server.port())).call({"PING"})) == "PONG");
  CHECK(text(Client(over_unix(server)).call({"PING"})) == "PONG");
}

TEST_CASE("a host name that does not exist ends by the deadline") {
  auto options = over_tcp(1);
  options.host = "no-such-host.invalid";

  CHECK(is_error(Client(options).call({"PING"}, Millis(200)), Code::unavailable, "connect"));
}

TEST_CASE("a user logs in on each socket, with the client's name") {
  ValkeyServer server(guarded());
  for (const auto& options : {as_worker(over_unix(server)), as_worker(over_tcp(server.port()))}) {
    Client client(options);

    CHECK(text(client.call({"ACL", "WHOAMI"})) == "worker");
    CHECK(text(client.call({"CLIENT", "GETNAME"})) == "flowfabric");
  }
}

TEST_CASE("the default user logs in with a password alone") {
  ValkeyServer server(guarded());
  auto options = over_unix(server);
  options.password = "secret";

  CHECK(text(Client(options).call({"ACL", "WHOAMI"})) == "default");
}

TEST_CASE("a user without a password logs in as itself, and is never taken for the default user") {
  ServerOptions guest;
  guest.acl = {"user guest on nopass ~* &* +@all", "user worker on >hush ~* &* +@all"};
  ValkeyServer server(guest);
  auto options = over_unix(server);
  options.user = "guest";
  CHECK(text(Client(options).call({"ACL", "WHOAMI"})) == "guest");

  options.user = "worker";
  CHECK(is_error(Client(options).call({"ACL", "WHOAMI"}), Code::unauthenticated, "auth"));
}

TEST_CASE("a wrong password ends pending calls at once, and the right one is tried again") {
  ValkeyServer server(guarded());
  auto options = as_worker(over_unix(server));
  options.password = "wrong";
  Client client(options);

  CHECK(is_error(client.call({"PING"}, Millis(60'000)), Code::unauthenticated, "auth"));

  server.cli("ACL", "SETUSER", "worker", ">wrong");
  CHECK(client.until([&] { return text(client.call({"PING"}, Millis(1000))) == "PONG"; }));
}

TEST_CASE("a missing login is told as such") {
  ValkeyServer server(guarded());

  CHECK(is_error(Client(over_unix(server)).call({"PING"}, Millis(60'000)), Code::unauthenticated, "auth"));
}

TEST_CASE("TLS to an address, to a name, with a name of its own") {
  ValkeyServer server(with_tls());
  auto by_name = over_tls(server);
  by_name.host = "localhost";
  auto named = over_tls(server);
  named.tls.server_name = "localhost";

  for (const auto& options : {over_tls(server), by_name, named}) {
    Client client(options);
    std::vector<std::shared_ptr<Pending>> calls;
    const std::string kilobyte(1000, 'x');
    for (int i = 0; i < 500; ++i) calls.push_back(client.start({"ECHO", kilobyte + std::to_string(i)}));
    REQUIRE(client.until([&] { return calls.back()->done(); }));
    CHECK(text(*calls.back()->result) == kilobyte + "499");
    CHECK(text(client.call({"ACL", "WHOAMI"})) == "worker");
  }
}

TEST_CASE("TLS refuses a certificate for another name, or of an unknown authority") {
  ValkeyServer server(with_tls());
  auto other_name = over_tls(server);
  other_name.tls.server_name = "other.example";
  auto system_store = over_tls(server);
  system_store.tls.ca_file.clear();
  auto no_such_file = over_tls(server);
  no_such_file.tls.ca_file = "/no/such/file";
  auto no_tls_there = over_tls(server);
  no_tls_there.port = server.port();
  no_tls_there.connect_timeout = Millis(200);

  CHECK(refuses(other_name, "certificate verify failed"));
  CHECK(refuses(system_store, "certificate verify failed"));
  CHECK(refuses(no_such_file, "/no/such/file"));
  CHECK(refuses(no_tls_there, "TLS handshake"));
}

TEST_CASE("TLS with a client certificate") {
  auto options = with_tls();
  options.tls_client_certificate = true;
  ValkeyServer server(options);
  auto with_certificate = over_tls(server);
  with_certificate.tls.certificate_file = server.client_certificate_file();
  with_certificate.tls.key_file = server.client_key_file();

  CHECK(text(Client(with_certificate).call({"PING"})) == "PONG");
  CHECK(is_error(Client(over_tls(server)).call({"PING"}, Millis(300)), Code::unavailable, "connect"));
}

TEST_CASE("a frozen server ends a dial, TLS handshake included, by the deadline") {
  ValkeyServer server(with_tls());
  server.freeze();
  for (auto options : {over_unix(server), over_tcp(server.port()), over_tls(server)}) {
    options.connect_timeout = Millis(100);

    CHECK(is_error(Client(options).call({"PING"}, Millis(400)), Code::unavailable, "connect"));
  }
  server.thaw();
}

TEST_CASE("a server that has no room says so") {
  ValkeyServer server;
  auto held = server.client();
  server.cli("CONFIG", "SET", "maxclients", 1);

  CHECK(is_error(Client(over_unix(server)).call({"PING"}, Millis(300)), Code::unavailable, "maxclients"));
}
