// Client: describe, payload, result, count; and that a namespace hides what is not its own.
#include <catch2/generators/catch_generators.hpp>

#include "client_fixture.hpp"

using namespace ff;
using namespace ff::test;

TEST_CASE("describe follows an execution through its life") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto id = setup.submit();
  const auto ready = setup.good(setup.client->describe(id));
  CHECK(ready.state == core::State::ready);
  CHECK(ready.fields.position == 0);
  CHECK(ready.fields.attempt == 0);

  const auto held = setup.claim(id);
  const auto active = setup.good(setup.client->describe(id));
  CHECK(active.state == core::State::active);
  CHECK(active.fields.worker == "tester");
  CHECK(active.fields.attempt == 1);
  CHECK(active.fields.epoch == held.row.epoch);
  CHECK(active.fields.timer_at >= active.fields.began_at + 60'000);

  CHECK(setup.complete(held) == "completed");
  const auto completed = setup.good(setup.client->describe(id));
  CHECK(completed.state == core::State::completed);
  CHECK(completed.fields.ended_at >= completed.fields.began_at);
}

TEST_CASE("result tells how it stands and how it ended") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto id = setup.submit();
  CHECK(setup.good(setup.client->result(id)).state == core::State::ready);

  const core::Payload answer(std::string("\0\xff\r\n", 4), "application/x-answer");
  setup.complete(setup.claim(id), answer);
  const auto completed = setup.good(setup.client->result(id));
  CHECK(completed.state == core::State::completed);
  CHECK(completed.result == answer);
  CHECK(completed.generation == 0);
  CHECK(completed.failure_class.empty());

  sdk::Submission once("work");
  once.lane = "once";
  once.policy.retry.max_attempts = 1;
  const auto failing = setup.submit(once);
  CHECK(setup.fail(setup.claim(failing, "once"), "invalid_input", "no such \xff frame") == "failed");
  const auto failed = setup.good(setup.client->result(failing));
  CHECK(failed.state == core::State::failed);
  CHECK(failed.failure_class == "invalid_input");
  CHECK(failed.text == "no such \xff frame");
  CHECK(failed.result == core::Payload());

  const auto unwanted = setup.submit("unwanted");
  setup.good(setup.client->cancel(unwanted, core::Millis(0), "changed my mind"));
  const auto cancelled = setup.good(setup.client->result(unwanted));
  CHECK(cancelled.state == core::State::cancelled);
  CHECK(cancelled.text == "changed my mind");
}

TEST_CASE("the result of an earlier generation stays, others are refused by name") {
  Setup setup;
  const auto id = setup.submit();
  setup.complete(setup.claim(id), core::Payload("first"));
  CHECK(setup.good(setup.client->replay(id)) == 1);
  setup.complete(setup.claim(id), core::Payload("second"));

  CHECK(setup.good(setup.client->result(id)).result.bytes == "second");
  CHECK(setup.good(setup.client->result(id)).generation == 1);
  CHECK(setup.good(setup.client->result(id, 1)).result.bytes == "second");
  CHECK(setup.good(setup.client->result(id, 0)).result.bytes == "first");
  CHECK(setup.good(setup.client->result(id, 0)).state == core::State::completed);
  CHECK(setup.refusal(setup.client->result(id, 2)) == "not_found/no_such_generation");
  CHECK(setup.refusal(setup.client->result(id, -2)) == "invalid_argument/bad_generation");
}

TEST_CASE("an id of another namespace, of nobody, or of a partition too many is not found by any method") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto own = setup.submit();
  setup.complete(setup.claim(own));
  const auto stranger = setup.client->in_namespace("stranger");
  const core::ExecutionId nobody(own.partition(), core::Ulid::make());
  const core::ExecutionId nowhere(1023, own.ulid());
  const auto check = [&setup](sdk::Client client, const core::ExecutionId& id) {
    INFO(id.str());
    CHECK(setup.refusal(client.describe(id)) == "not_found/not_found");
    CHECK(setup.refusal(client.payload(id)) == "not_found/not_found");
    CHECK(setup.refusal(client.result(id)) == "not_found/not_found");
    CHECK(setup.refusal(client.result(id, 0)) == "not_found/not_found");
    CHECK(setup.refusal(client.wait(id, core::Deadline::in(5s))) == "not_found/not_found");
    CHECK(setup.refusal(client.cancel(id, core::Millis(0), "")) == "not_found/not_found");
    CHECK(setup.refusal(client.change_priority(id, 1)) == "not_found/not_found");
    CHECK(setup.refusal(client.replay(id)) == "not_found/not_found");
    CHECK(setup.refusal(client.purge(id)) == "not_found/not_found");
  };

  check(stranger, own);
  check(*setup.client, nobody);
  check(*setup.client, nowhere);

  CHECK(setup.good(setup.client->describe(own)).state == core::State::completed);
}

TEST_CASE("a lost reply of a reading call is asked for again") {
  Setup setup;
  const auto id = setup.submit("default", core::Payload("kept"));
  FaultyClient faulty(setup);
  for (const char* verb : {"ff1_describe", "ff1_payload", "ff1_result", "ff1_count"}) faulty.faults->lose_reply(verb);

  CHECK(setup.refusal(faulty.client->describe(id)) == "ok");
  CHECK(setup.good(faulty.client->payload(id)).bytes == "kept");
  CHECK(setup.refusal(faulty.client->result(id)) == "ok");
  CHECK(setup.good(faulty.client->count())["ready:default/default"] == 1);
  CHECK(faulty.faults->faults_left() == 0);
}

TEST_CASE("count sums states and lanes over all partitions and namespaces") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  std::vector<sdk::Submission> submissions(60, sdk::Submission("work"));
  for (std::size_t i = 0; i < 20; ++i) submissions[i].lane = "slow";
  for (std::size_t i = 20; i < 25; ++i) submissions[i].delay = 1h;
  setup.good(setup.client->submit_many(submissions));
  setup.good(setup.client->in_namespace("other").submit(sdk::Submission("work")));
  const auto active = setup.submit("own");
  const auto held = setup.claim(active, "own");
  const auto done = setup.submit("done");
  setup.complete(setup.claim(done, "done"));

  auto counts = setup.good(setup.client->count());

  CHECK(counts["ready:default/slow"] == 20);
  CHECK(counts["ready:default/default"] == 35);
  CHECK(counts["ready:other/default"] == 1);
  CHECK(counts["ready:default/own"] == 0);
  CHECK(counts["delayed"] == 5);
  CHECK(counts["active"] == 1);
  CHECK(counts["completed"] == 1);
  CHECK(counts["failed"] == 0);
}

TEST_CASE("count fails as a whole when a partition cannot be asked") {
  Setup setup;
  FaultyClient faulty(setup);
  faulty.faults->refuse("ff1_count");
  CHECK(setup.refusal(faulty.client->count()) == "unavailable/connect");
}
