// Opening: partitions, prefixes, servers that do not answer.
#include <catch2/catch_test_macros.hpp>

#include "integration/deployment_program.hpp"

namespace ff::test {
namespace {

script::DeploymentOptions with(std::size_t partitions, const std::string& prefix = "ff") {
  script::DeploymentOptions options;
  options.partitions = partitions;
  options.prefix = prefix;
  return options;
}

TEST_CASE("64 partitions are the default, and stored at first use") {
  ValkeyServer server;
  Program program(server);

  REQUIRE(program.open() == "ok");

  CHECK(program.deployment().keys().partitions() == 64);
  CHECK(server.cli("HGET", "{ff}", "partitions") == "64");
  CHECK(server.cli("HGET", "{ff}", "history") == program.deployment().history());
}

TEST_CASE("another count than the stored one is refused with both numbers") {
  ValkeyServer server;
  Program first(server), second(server);
  REQUIRE(first.open(with(8)) == "ok");

  CHECK(second.open(with(16)) == "incompatible/partitions");

  CHECK(second.message().find(" 8 ") != std::string::npos);
  CHECK(second.message().find(" 16 ") != std::string::npos);
  CHECK(second.open(with(64)) == "incompatible/partitions");
  CHECK(server.cli("HGET", "{ff}", "partitions") == "8");
  CHECK(second.open(with(8)) == "ok");
}

TEST_CASE("a program that configures none takes the stored count") {
  ValkeyServer server;
  Program first(server), second(server);
  REQUIRE(first.open(with(8)) == "ok");

  REQUIRE(second.open() == "ok");

  CHECK(second.deployment().keys().partitions() == 8);
  CHECK(second.deployment().history() == first.deployment().history());
  CHECK(second.version(7) == "ok");
}

TEST_CASE("counts and prefixes that can never be are refused before anything is sent") {
  Program nowhere(script::ConnectionOptions{});
  CHECK(nowhere.open(with(1025)) == "invalid_argument/bad_partitions");
  CHECK(nowhere.open(with(0, "")) == "invalid_argument/bad_prefix");
  CHECK(nowhere.open(with(0, "a{b")) == "invalid_argument/bad_prefix");
  CHECK(nowhere.open(with(0, "seventeen-letters")) == "invalid_argument/bad_prefix");
}

TEST_CASE("prefixes separate two deployments of one Valkey") {
  ValkeyServer server;
  Program one(server), two(server);
  REQUIRE(one.open(with(8, "one")) == "ok");
  REQUIRE(two.open(with(16, "two")) == "ok");
  CHECK(one.deployment().history() != two.deployment().history());

  const auto submitted = one.submit();

  REQUIRE(submitted.second == "ok");
  script::Describe::Args args;
  args.ns = "ns";
  args.id = submitted.first;
  CHECK(outcome(one.call<script::Describe>(args)) == "ok");
  CHECK(outcome(two.call<script::Describe>(args)) == "not_found/not_found");
  for (const auto& key : server.command({"KEYS", "*"}).elements) {
    CHECK((key.text.starts_with("{one") || key.text == "{two}"));
  }
}

// How long an open with a limit of 300 ms takes, which must end as one that may be repeated: not run, or sent and not
// answered.
Millis time_of_failed_open(Program& program) {
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = program.open(script::DeploymentOptions(), 300ms);
  INFO(answer << " " << program.message());
  CHECK((answer.starts_with("unavailable/") || answer == "unknown_outcome/deadline"));
  return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - begin);
}

TEST_CASE("a server that does not answer ends an open at its deadline") {
  ValkeyServer server;
  Program program(server);
  server.freeze();

  const auto took = time_of_failed_open(program);

  server.thaw();
  CHECK(took >= 250ms);
  CHECK(took < 3s);
  CHECK(program.open() == "ok");
}

TEST_CASE("a server that freezes during an open's life ends the next call at its deadline") {
  ValkeyServer server;
  Program program(server);
  REQUIRE(program.open() == "ok");
  server.freeze();

  CHECK(program.version(0, 200ms) == "unknown_outcome/deadline");

  server.thaw();
  CHECK(program.version() == "ok");
}

TEST_CASE("a server that loads its data ends an open at its deadline, or serves it in the end") {
  ServerOptions options;
  options.args = {"--key-load-delay", "300", "--loading-process-events-interval-bytes", "1024", "--save", ""};
  options.debug_commands = true;
  ValkeyServer server(options);
  server.cli("DEBUG", "POPULATE", 6000, "key", 100);
  Program program(server);
  auto other = server.client();
  other.send({"DEBUG", "RELOAD"});

  const auto took = time_of_failed_open(program);

  CHECK(took < 3s);
  CHECK(program.open(script::DeploymentOptions(), 60s) == "ok");
}

}  // namespace
}  // namespace ff::test
