// Client: cancel, change_priority, replay, purge.
#include <catch2/generators/catch_generators.hpp>

#include "client_fixture.hpp"

using namespace ff;
using namespace ff::test;

namespace {

boost::asio::awaitable<void> replay_twice(sdk::Client client, core::ExecutionId id) {
  co_await replay(client, id);
  auto ended = co_await client.cancel(id, core::Millis(0), "");
  CHECK(ended.has_value());
  co_await replay(client, id);
}

}  // namespace

TEST_CASE("cancel ends what waits, and answers the same again") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  sdk::Submission later("work");
  later.delay = 1h;
  for (const auto& id : {setup.submit(), setup.submit(later)}) {
    const auto answer = setup.good(setup.client->cancel(id, core::Millis(5000), "why"));
    CHECK(answer.state == core::State::cancelled);
    CHECK(answer.grace_until == 0);
    CHECK(setup.good(setup.client->cancel(id, core::Millis(0), "again")).state == core::State::cancelled);
    CHECK(setup.good(setup.client->result(id)).text == "why");
  }
}

TEST_CASE("cancel without grace takes an active one from its worker") {
  Setup setup;
  const auto id = setup.submit();
  const auto held = setup.claim(id);

  CHECK(setup.good(setup.client->cancel(id, core::Millis(0), "")).state == core::State::cancelled);

  CHECK(setup.complete(held, core::Payload("too late")) == "stale_lease");
  CHECK(setup.good(setup.client->result(id)).state == core::State::cancelled);
}

TEST_CASE("cancel with a grace lets an active one complete; a later one can only shorten it") {
  Setup setup;
  const auto id = setup.submit();
  const auto held = setup.claim(id);
  const auto now = setup.valkey_now();

  const auto first = setup.good(setup.client->cancel(id, core::Millis(600'000), "please"));
  const auto longer = setup.good(setup.client->cancel(id, core::Millis(3'600'000), "please"));
  const auto shorter = setup.good(setup.client->cancel(id, core::Millis(300'000), "please"));

  CHECK(first.state == core::State::active);
  CHECK(first.grace_until >= now + 600'000);
  CHECK(longer.grace_until == first.grace_until);
  CHECK(shorter.grace_until < first.grace_until);
  CHECK(setup.complete(held, core::Payload("done")) == "completed");
  CHECK(setup.good(setup.client->result(id)).result.bytes == "done");
}

TEST_CASE("cancel refuses what has ended otherwise, and arguments out of range by name") {
  Setup setup;
  const auto id = setup.submit();
  setup.complete(setup.claim(id));

  CHECK(setup.refusal(setup.client->cancel(id, core::Millis(0), "")) == "conflict/already_finished");
  CHECK(setup.refusal(setup.client->cancel(id, core::Millis(-1), "")) == "invalid_argument/bad_grace");
  CHECK(setup.refusal(setup.client->cancel(id, std::chrono::hours(24 * 3651), "")) == "invalid_argument/bad_grace");
  const std::string essay(16 * 1024 + 1, 'x');
  CHECK(setup.refusal(setup.client->cancel(id, core::Millis(0), essay)) == "invalid_argument/bad_reason");
}

TEST_CASE("a cancel whose reply is lost is repeated") {
  Setup setup;
  const auto id = setup.submit();
  FaultyClient faulty(setup);
  faulty.faults->lose_reply("ff1_cancel");

  CHECK(setup.good(faulty.client->cancel(id, core::Millis(0), "once")).state == core::State::cancelled);
  CHECK(faulty.faults->faults_left() == 0);
}

TEST_CASE("a higher priority is claimed first, from when it is set") {
  SetupOptions options(GENERATE(Store::standalone, Store::cluster));
  options.partitions = 1;
  Setup setup(options);
  const auto first = setup.submit();
  const auto second = setup.submit();

  CHECK(setup.refusal(setup.client->change_priority(second, 9000)) == "ok");

  CHECK(setup.good(setup.client->describe(second)).fields.priority == 9000);
  const auto held = setup.claim(second);
  CHECK(held.row.priority == 9000);
  CHECK(setup.claim(first).row.priority == 0);
}

TEST_CASE("a priority out of range or of something finished is refused") {
  Setup setup;
  const auto id = setup.submit();
  CHECK(setup.refusal(setup.client->change_priority(id, -1)) == "invalid_argument/bad_priority");
  CHECK(setup.refusal(setup.client->change_priority(id, 9001)) == "invalid_argument/bad_priority");
  CHECK(setup.refusal(setup.client->change_priority(id, 0)) == "ok");
  setup.good(setup.client->cancel(id, core::Millis(0), ""));
  CHECK(setup.refusal(setup.client->change_priority(id, 5)) == "conflict/already_finished");
}

TEST_CASE("replay begins a new generation of what has ended, however it ended") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto id = setup.submit();
  CHECK(setup.refusal(setup.client->replay(id)) == "conflict/not_finished");

  setup.complete(setup.claim(id), core::Payload("first"));
  CHECK(setup.good(setup.client->replay(id)) == 1);
  CHECK(setup.refusal(setup.client->replay(id)) == "conflict/not_finished");

  const auto again = setup.good(setup.client->describe(id));
  CHECK(again.state == core::State::ready);
  CHECK(again.fields.generation == 1);
  CHECK(again.fields.attempt == 0);
  setup.good(setup.client->cancel(id, core::Millis(0), ""));
  CHECK(setup.good(setup.client->replay(id)) == 2);
}

TEST_CASE("a replay whose reply is lost begins one generation only") {
  Setup setup;
  const auto id = setup.submit();
  setup.complete(setup.claim(id));
  FaultyClient faulty(setup);
  faulty.faults->lose_reply("ff1_replay");

  CHECK(setup.good(faulty.client->replay(id)) == 1);
  CHECK(setup.good(setup.client->describe(id)).fields.generation == 1);
}

TEST_CASE("two replays at once make one; one that was overtaken twice says so") {
  Setup setup;
  const auto id = setup.submit();
  setup.complete(setup.claim(id));
  FaultyClient faulty(setup);
  sdk::Client other = *setup.client;
  faulty.faults->before("ff1_replay", [other, id] { return replay(other, id); });
  CHECK(setup.good(faulty.client->replay(id)) == 1);

  setup.complete(setup.claim(id));
  faulty.faults->before("ff1_replay", [other, id] { return replay_twice(other, id); });
  CHECK(setup.refusal(faulty.client->replay(id)) == "conflict/other_generation");
}

TEST_CASE("purge deletes what has ended and nothing else") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto id = setup.submit("default", core::Payload("payload"));
  CHECK(setup.refusal(setup.client->purge(id)) == "conflict/not_finished");

  setup.complete(setup.claim(id), core::Payload("result"));
  CHECK(setup.refusal(setup.client->purge(id)) == "ok");

  CHECK(setup.refusal(setup.client->describe(id)) == "not_found/not_found");
  CHECK(setup.refusal(setup.client->purge(id)) == "not_found/not_found");
  CHECK(setup.counted("completed") == 0);
}

TEST_CASE("a purge whose reply is lost is done") {
  Setup setup;
  const auto id = setup.submit();
  setup.good(setup.client->cancel(id, core::Millis(0), ""));
  FaultyClient faulty(setup);
  faulty.faults->lose_reply("ff1_purge");

  CHECK(setup.refusal(faulty.client->purge(id)) == "ok");
  CHECK(setup.refusal(setup.client->describe(id)) == "not_found/not_found");
}
