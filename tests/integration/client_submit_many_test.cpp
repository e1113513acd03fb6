// Client::submit_many: batches, order of answers, bad ones among good ones, resends.
#include <catch2/generators/catch_generators.hpp>
#include <set>

#include "client_fixture.hpp"
#include "support/fault_proxy.hpp"

using namespace ff;
using namespace ff::test;

namespace {

std::vector<sdk::Submission> numbered(std::size_t count) {
  std::vector<sdk::Submission> submissions;
  for (std::size_t i = 0; i < count; ++i) {
    submissions.emplace_back("work", core::Payload("payload " + std::to_string(i)));
  }
  return submissions;
}

}  // namespace

TEST_CASE("a thousand at once reach all partitions, and each answer belongs to its submission") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto answers = setup.good(setup.client->submit_many(numbered(1000)));

  REQUIRE(answers.size() == 1000);
  std::set<core::Partition> partitions;
  std::set<core::ExecutionId> ids;
  for (const auto& answer : answers) {
    REQUIRE(answer.has_value());
    CHECK_FALSE(answer->duplicate);
    partitions.insert(answer->id.partition());
    ids.insert(answer->id);
  }
  CHECK(partitions.size() == 64);
  CHECK(ids.size() == 1000);
  CHECK(setup.counted("ready:default/default") == 1000);
  for (std::size_t i = 0; i < answers.size(); i += 111) {
    CHECK(setup.good(setup.client->payload(answers[i]->id)).bytes == "payload " + std::to_string(i));
  }
}

TEST_CASE("a bad submission among good ones refuses only itself") {
  Setup setup;
  auto submissions = numbered(40);
  submissions[0].priority = -1;
  submissions[7].kind = "";
  submissions[8].idempotency_key = "same";
  submissions[9].idempotency_key = "same";
  submissions[10] = submissions[8];
  submissions[39].tags = {{"bad key", ""}};

  const auto answers = setup.good(setup.client->submit_many(submissions));

  CHECK(Setup::text(answers[0]) == "invalid_argument/bad_priority");
  CHECK(Setup::text(answers[7]) == "invalid_argument/bad_kind");
  CHECK(Setup::text(answers[8]) == "ok");
  CHECK(Setup::text(answers[9]) == "conflict/idempotency_mismatch");
  REQUIRE(Setup::text(answers[10]) == "ok");
  CHECK(answers[10]->duplicate);
  CHECK(answers[10]->id == answers[8]->id);
  CHECK(Setup::text(answers[39]) == "invalid_argument/bad_tags");
  CHECK(setup.counted("ready:default/default") == 35);
}

TEST_CASE("nothing at all is a batch too") {
  Setup setup;
  const auto before = setup.commands();
  CHECK(setup.good(setup.client->submit_many({})).empty());
  CHECK(setup.commands() == before);
}

TEST_CASE("no call carries more than 256 items or about 4 MiB") {
  SetupOptions options;
  options.partitions = 1;
  Setup setup(options);

  auto before = setup.commands();
  setup.good(setup.client->submit_many(numbered(700)));
  CHECK(setup.commands() - before == 3);

  std::vector<sdk::Submission> large;
  for (int i = 0; i < 9; ++i) large.emplace_back("work", core::Payload(std::string(1024 * 1024, 'x')));
  before = setup.commands();
  setup.good(setup.client->submit_many(large));
  CHECK(setup.commands() - before == 3);
  CHECK(setup.counted("ready:default/default") == 709);
}

TEST_CASE("batches whose replies are lost are sent again and create nothing twice") {
  FaultProxy proxy("127.0.0.1", the_server().port());
  SetupOptions options;
  options.connection = connect_to_port(proxy.port());
  Setup setup(options);
  proxy.only("ff1_submit");
  proxy.cut_after_reply(3);

  const auto answers = setup.good(setup.client->submit_many(numbered(2000)));

  CHECK(proxy.counters().cuts_after_reply == 1);
  for (const auto& answer : answers) CHECK(Setup::text(answer) == "ok");
  CHECK(setup.counted("ready:default/default") == 2000);
}

TEST_CASE("a batch that cannot be sent gives its error to its own submissions only") {
  SetupOptions options;
  options.partitions = 2;
  Setup setup(options);
  FaultyClient faulty(setup);
  faulty.faults->refuse("ff1_submit");

  const auto answers = setup.good(faulty.client->submit_many(numbered(100)));

  std::set<core::Partition> reached;
  std::size_t refused = 0;
  for (const auto& answer : answers) {
    if (answer) reached.insert(answer->id.partition());
    else refused += Setup::text(answer) == "unavailable/connect";
  }
  CHECK(reached.size() == 1);
  CHECK(refused > 0);
  CHECK(setup.counted("ready:default/default") == static_cast<std::int64_t>(100 - refused));
}

TEST_CASE("lean ones and others travel apart: only the others are repeated") {
  SetupOptions options;
  options.partitions = 1;
  Setup setup(options);
  FaultyClient faulty(setup);
  auto submissions = numbered(10);
  for (std::size_t i = 0; i < 10; i += 2) submissions[i].policy.mode = core::Mode::lean;
  faulty.faults->lose_reply("ff1_submit");
  faulty.faults->lose_reply("ff1_submit");

  const auto answers = setup.good(faulty.client->submit_many(submissions));

  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(Setup::text(answers[i]) == (i % 2 == 0 ? "unknown_outcome/connection_lost" : "ok"));
  }
  CHECK(setup.counted("ready:default/default") == 10);
}
