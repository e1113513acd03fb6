// The library on one server: loaded, kept, replaced, refused, lost.
#include <catch2/catch_test_macros.hpp>

#include "integration/deployment_program.hpp"

namespace ff::test {
namespace {

void load(const ValkeyServer& server, const std::string& text) { server.cli("FUNCTION", "LOAD", text); }

TEST_CASE("open loads the library on an empty server, and a second open keeps it") {
  ValkeyServer server;
  Program first(server), second(server);

  REQUIRE(first.open() == "ok");
  CHECK(loaded_text(server) == own_text());
  CHECK(calls_of(server, "function|load") == 1);
  const auto functions = server.cli("FUNCTION", "LIST");
  const auto history = first.deployment().history();

  REQUIRE(second.open() == "ok");
  CHECK(calls_of(server, "function|load") == 1);
  CHECK(server.cli("FUNCTION", "LIST") == functions);
  CHECK(second.deployment().history() == history);
  CHECK(second.deployment().server_version() == server.info("valkey_version"));
}

TEST_CASE("programs that open at the same moment load one library between them") {
  ValkeyServer server;
  Program program(server);
  using Opened = core::Result<std::shared_ptr<script::Deployment>>;
  std::vector<std::shared_ptr<detail::RunState<Opened>>> openings;
  std::vector<std::shared_ptr<script::Connection>> connections;
  for (int i = 0; i < 8; ++i) {
    connections.push_back(script::make_connection(program.context().get_executor(), to_server(server)));
    openings.push_back(std::make_shared<detail::RunState<Opened>>());
    detail::start(program.context(),
                  script::Deployment::open(connections.back(), script::DeploymentOptions(), Deadline::in(10s)),
                  openings.back());
  }

  std::string history;
  for (const auto& opening : openings) {
    REQUIRE(detail::drive(program.context(), opening->done, 10s));
    REQUIRE(outcome(*opening->value) == "ok");
    if (history.empty()) history = (**opening->value)->history();
    CHECK((**opening->value)->history() == history);
  }
  CHECK(loaded_text(server) == own_text());
  for (const auto& connection : connections) connection->close();
}

TEST_CASE("an older library is replaced, and programs that used it go on") {
  ValkeyServer server;
  load(server, text_of_version(-1));
  Program program(server);

  REQUIRE(program.open() == "ok");

  CHECK(loaded_text(server) == own_text());
  CHECK(program.call<script::Version>(script::Version::Args()).value().version == own_version());
}

TEST_CASE("a newer library is kept and used") {
  ValkeyServer server;
  load(server, text_of_version(+1));
  Program program(server);

  REQUIRE(program.open() == "ok");

  CHECK(loaded_text(server) == text_of_version(+1));
  CHECK(calls_of(server, "function|load") == 1);
  CHECK(program.call<script::Version>(script::Version::Args()).value().version == own_version() + 1);
  CHECK(program.submit().second == "ok");
}

TEST_CASE("an older library whose users the own one would break is not replaced") {
  ValkeyServer server;
  auto older = text_of_version(-1);
  older += "redis.register_function{function_name = 'ff1_gone', callback = function() return 1 end}\n";
  load(server, older);
  Program program(server);

  CHECK(program.open() == "incompatible/library_breaks");

  CHECK(program.message().find("ff1_gone") != std::string::npos);
  CHECK(loaded_text(server) == older);
}

TEST_CASE("a newer library that lacks a function is refused by its name") {
  ValkeyServer server;
  auto newer = text_of_version(+1);
  const auto at = newer.find("name = \"quit\"");
  REQUIRE(at != std::string::npos);
  newer.replace(at, 13, "name = \"left\"");
  load(server, newer);
  Program program(server);

  CHECK(program.open() == "incompatible/signature");

  CHECK(program.message().find("ff1_quit") != std::string::npos);
  CHECK(loaded_text(server) == newer);
}

TEST_CASE("other code under the same version is refused and left alone") {
  ValkeyServer server;
  const auto edited = own_text() + "-- edited\n";
  load(server, edited);
  Program program(server);

  CHECK(program.open() == "incompatible/library_differs");

  CHECK(loaded_text(server) == edited);
  CHECK(program.message().find("version " + std::to_string(own_version())) != std::string::npos);
}

TEST_CASE("another major version beside it is untouched") {
  ValkeyServer server;
  load(server, "#!lua name=ff2\nredis.register_function('ff2_version', function() return 'two' end)\n");
  Program program(server);

  REQUIRE(program.open() == "ok");
  server.cli("FUNCTION", "DELETE", "ff1");
  REQUIRE(program.version() == "ok");

  CHECK(server.cli("FCALL", "ff2_version", 0) == "two");
}

TEST_CASE("a library of somebody else that holds one of the names is told") {
  ValkeyServer server;
  load(server, "#!lua name=other\nredis.register_function('ff1_submit', function() return 1 end)\n");
  Program program(server);

  CHECK(program.open() == "incompatible/library_refused");

  INFO(program.message());
  CHECK(program.message().find("ff1_submit already exists") != std::string::npos);
}

boost::asio::awaitable<void> keep_calling(std::shared_ptr<script::Deployment> deployment, int times, int* good,
                                          std::string* bad) {
  for (int i = 0; i < times; ++i) {
    const auto partition = static_cast<core::Partition>((i * 7) % 64);
    auto answer = co_await deployment->call<script::Version>(partition, script::Version::Args(), Deadline::in(20s));
    if (answer) ++*good;
    else *bad = answer.error().to_string();
  }
}

TEST_CASE("a library flushed under 500 concurrent calls is loaded once for each flush, and no call notices") {
  ValkeyServer server;
  boost::asio::io_context context(1);
  const auto connection = script::make_connection(context.get_executor(), to_server(server));
  auto opened = run(context, script::Deployment::open(connection, script::DeploymentOptions(), Deadline::in(10s)));
  REQUIRE(outcome(opened) == "ok");
  server.cli("CONFIG", "RESETSTAT");
  int good = 0, ended = 0;
  std::string bad;
  server.cli("FUNCTION", "FLUSH", "SYNC");

  for (int i = 0; i < 500; ++i) {
    auto done = [&ended](std::exception_ptr error) { ended += error ? 1000 : 1; };
    boost::asio::co_spawn(context, keep_calling(*opened, 20, &good, &bad), std::move(done));
  }
  for (int flush = 1; flush <= 3; ++flush) {
    const int target = good + 2000;
    while (good < target && bad.empty()) context.run_one();
    server.cli("FUNCTION", "FLUSH", "SYNC");
  }
  while (ended < 500) context.run_one();

  CHECK(bad.empty());
  CHECK(ended == 500);
  CHECK(good == 10'000);
  CHECK(loaded_text(server) == own_text());
  CHECK(calls_of(server, "function|load") == 4);
  CHECK(calls_of(server, "function|list") < 20);
  connection->close();
  context.restart();
  context.run();
}

TEST_CASE("a program that may not load refuses an empty or older server, and uses what others loaded") {
  ValkeyServer server;
  script::DeploymentOptions options;
  options.load_library = false;
  Program modest(server), other(server);

  CHECK(modest.open(options) == "unavailable/library_missing");
  CHECK(modest.message().find("may not load") != std::string::npos);
  load(server, text_of_version(-1));
  CHECK(modest.open(options) == "unavailable/library_missing");
  CHECK(modest.message().find("older") != std::string::npos);

  REQUIRE(other.open() == "ok");
  REQUIRE(modest.open(options) == "ok");
  server.cli("FUNCTION", "FLUSH", "SYNC");
  CHECK(modest.version(0, 100ms) == "unavailable/library_missing");
  CHECK(other.version() == "ok");
  CHECK(modest.version() == "ok");
}

ValkeyServer& with_worker(const std::string& rights, std::unique_ptr<ValkeyServer>& server) {
  ServerOptions options;
  options.acl = {"user worker on >hush ~* &* " + rights};
  server = std::make_unique<ValkeyServer>(options);
  return *server;
}

script::ConnectionOptions as_worker(const ValkeyServer& server) {
  auto options = to_server(server);
  options.user = "worker";
  options.password = "hush";
  return options;
}

TEST_CASE("a user without the right to load is told which right he lacks") {
  std::unique_ptr<ValkeyServer> owner;
  auto& server = with_worker("+@all -function|load", owner);
  Program worker(as_worker(server)), admin(server);

  CHECK(worker.open() == "permission_denied/noperm");
  INFO(worker.message());
  CHECK(worker.message().find("NOPERM") != std::string::npos);
  CHECK(worker.message().find("+function|load") != std::string::npos);

  REQUIRE(admin.open() == "ok");
  CHECK(worker.open() == "ok");
  server.cli("FUNCTION", "FLUSH", "SYNC");
  CHECK(worker.version() == "permission_denied/noperm");
}

TEST_CASE("a user without any right to functions is told so") {
  std::unique_ptr<ValkeyServer> owner;
  auto& server = with_worker("+@all -function", owner);
  Program worker(as_worker(server));

  CHECK(worker.open() == "permission_denied/noperm");
  CHECK(worker.message().find("FUNCTION LIST") != std::string::npos);
  CHECK(worker.message().find("+function|list") != std::string::npos);
}

TEST_CASE("the rights that the refusal names are enough") {
  std::unique_ptr<ValkeyServer> owner;
  auto& server = with_worker("-@all +info +function|list +function|load +fcall +fcall_ro +@hash +@read +@write +@fast",
                             owner);
  Program worker(as_worker(server));

  CHECK(worker.open() == "ok");
  INFO(worker.message());
  CHECK(worker.submit().second == "ok");
}

}  // namespace
}  // namespace ff::test
