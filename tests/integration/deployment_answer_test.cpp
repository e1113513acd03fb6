// Error words of the server and of the library, as codes.
#include <catch2/catch_test_macros.hpp>

#include <filesystem>

#include "integration/deployment_program.hpp"
#include "support/stored_core.hpp"
#include "support/wait.hpp"

namespace ff::test {
namespace {

TEST_CASE("out of memory is exhausted, for writes only") {
  ValkeyServer server;
  Program program(server);
  REQUIRE(program.open() == "ok");
  const auto before = program.submit();
  REQUIRE(before.second == "ok");
  server.cli("CONFIG", "SET", "maxmemory", 1);

  CHECK(program.submit().second == "exhausted/oom");

  CHECK(program.message().starts_with("OOM "));
  script::Describe::Args args;
  args.ns = "ns";
  args.id = before.first;
  CHECK(outcome(program.call<script::Describe>(args)) == "ok");
  server.cli("CONFIG", "SET", "maxmemory", 0);
  CHECK(program.submit().second == "ok");
}

TEST_CASE("a library lost when there is no memory to load it is exhausted, not a damaged call") {
  ValkeyServer server;
  Program program(server);
  REQUIRE(program.open() == "ok");
  server.cli("FUNCTION", "FLUSH", "SYNC");
  server.cli("CONFIG", "SET", "maxmemory", 1);

  CHECK(program.version() == "exhausted/oom");

  server.cli("CONFIG", "SET", "maxmemory", 0);
  CHECK(program.version() == "ok");
}

TEST_CASE("a server that cannot save is unavailable") {
  ServerOptions options;
  options.args = {"--dbfilename", "dump.rdb"};
  ValkeyServer server(options);
  Program program(server);
  REQUIRE(program.open() == "ok");
  server.cli("CONFIG", "SET", "save", "3600 1");
  std::filesystem::create_directory(server.directory() + "/dump.rdb");  // In the way of the file.
  std::filesystem::create_directory(server.directory() + "/dump.rdb/full");
  server.cli("SET", "k", "v");
  server.cli("BGSAVE");
  REQUIRE(wait_until([&] { return server.info("rdb_last_bgsave_status") == "err"; }));

  CHECK(program.submit().second == "unavailable/misconf");
  CHECK(program.message().starts_with("MISCONF "));

  server.cli("CONFIG", "SET", "save", "");
  CHECK(program.submit().second == "ok");
}

TEST_CASE("too few replicas is unavailable") {
  ValkeyServer server;
  Program program(server);
  REQUIRE(program.open() == "ok");
  server.cli("CONFIG", "SET", "min-replicas-to-write", 1);

  CHECK(program.submit().second == "unavailable/noreplicas");
  CHECK(program.version() == "ok");
}

TEST_CASE("a library that cannot be loaded again for want of replicas is missing until it can") {
  ValkeyServer server;
  Program program(server);
  REQUIRE(program.open() == "ok");
  server.cli("FUNCTION", "FLUSH", "SYNC");
  server.cli("CONFIG", "SET", "min-replicas-to-write", 1);

  CHECK(program.version(0, 200ms) == "unavailable/library_missing");
  CHECK(program.message().find("NOREPLICAS") != std::string::npos);

  server.cli("CONFIG", "SET", "min-replicas-to-write", 0);
  CHECK(program.version() == "ok");
}

TEST_CASE("damaged data is corrupt, and told") {
  ValkeyServer server;
  Program program(server);
  REQUIRE(program.open() == "ok");
  const auto [id, answer] = program.submit();
  REQUIRE(answer == "ok");
  const auto core = program.deployment().keys().tag(0) + ":e:" + id;
  REQUIRE_FALSE(server.client().command(change_core(core, {"s", ""})).is_error());
  script::Describe::Args args;
  args.ns = "ns";
  args.id = id;

  CHECK(outcome(program.call<script::Describe>(args)) == "corrupt/corrupt");

  CHECK(program.message().starts_with("FF_CORRUPT "));
}

TEST_CASE("a refusal has its word as reason and a sentence for people") {
  ValkeyServer server;
  Program program(server);
  REQUIRE(program.open() == "ok");
  script::Describe::Args args;
  args.ns = "ns";
  args.id = core::Ulid::make().str();

  CHECK(outcome(program.call<script::Describe>(args)) == "not_found/not_found");

  CHECK(program.message() == "there is no such execution in this namespace");
}

TEST_CASE("a broken calling convention is a bug") {
  ValkeyServer server;
  Program program(server);
  REQUIRE(program.open() == "ok");
  script::Describe::Args args;
  args.ns = "ns";
  args.id = "short";

  CHECK(outcome(program.call<script::Describe>(args)) == "internal/bad_call");
}

TEST_CASE("a right that a call lacks is permission_denied") {
  ServerOptions options;
  options.acl = {"user worker on >hush ~* &* +@all -fcall"};
  ValkeyServer server(options);
  auto as_worker = to_server(server);
  as_worker.user = "worker";
  as_worker.password = "hush";
  Program worker(as_worker);

  CHECK(worker.open() == "permission_denied/noperm");

  CHECK(worker.message().find("fcall") != std::string::npos);
}

}  // namespace
}  // namespace ff::test
