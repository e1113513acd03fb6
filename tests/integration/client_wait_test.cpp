// Client::wait: ends that come before, during and after it listens; cuts; cancellation; no polling.
#include <catch2/generators/catch_generators.hpp>
#include <algorithm>
#include <deque>

#include "client_fixture.hpp"
#include "support/fault_proxy.hpp"
#include "support/stored_core.hpp"

using namespace ff;
using namespace ff::test;

namespace {

using Waiting = Background<core::Result<sdk::Outcome>>;

// All its connections through a proxy.
SetupOptions through(const FaultProxy& proxy) {
  SetupOptions options;
  options.connection = connect_to_port(proxy.port());
  options.connection->backoff_max = core::Millis(50);
  return options;
}

// Sets `begun`, which outlives it, when it runs for the first time.
boost::asio::awaitable<core::Result<sdk::Outcome>> begin(sdk::Awaitable<sdk::Outcome> wait, bool& begun) {
  begun = true;
  co_return co_await std::move(wait);
}

boost::asio::awaitable<void> purge(sdk::Client client, core::ExecutionId id) {
  auto done = co_await client.purge(id);
  CHECK(done.has_value());
}

}  // namespace

TEST_CASE("waiting for what has ended answers at once") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto id = setup.submit();
  setup.complete(setup.claim(id), core::Payload("result", "text/plain"));

  const auto end = setup.good(setup.client->wait(id, core::Deadline::in(5s)));

  CHECK(end.state == core::State::completed);
  CHECK(end.result == core::Payload("result", "text/plain"));
  CHECK(setup.becomes_unwatched(id));
}

TEST_CASE("a wait ends with the completion, and costs two calls however long it takes") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto id = setup.submit();
  FaultyClient counting(setup);
  const auto before = counting.faults->sent();
  Waiting waiting(setup.context, counting.client->wait(id, core::Deadline::in(1h)));
  REQUIRE(waiting.until([&] { return counting.faults->answered() == before + 1; }));
  CHECK(setup.watched(id));

  const auto held = setup.claim(id);
  CHECK_FALSE(waiting.done());
  setup.complete(held, core::Payload("result"));

  const auto end = waiting.get();
  REQUIRE(end.has_value());
  CHECK(end->state == core::State::completed);
  CHECK(end->result.bytes == "result");
  CHECK(counting.faults->sent() == before + 2);
}

TEST_CASE("a wait ends with a cancel, a failure and a lean completion") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  sdk::Submission once("work"), lean("work");
  once.lane = "once";
  once.policy.retry.max_attempts = 1;
  lean.lane = "lean";
  lean.policy.mode = core::Mode::lean;
  const auto unwanted = setup.submit(), failing = setup.submit(once), brief = setup.submit(lean);
  Waiting cancelled(setup.context, setup.client->wait(unwanted, core::Deadline::in(1h)));
  Waiting failed(setup.context, setup.client->wait(failing, core::Deadline::in(1h)));
  Waiting completed(setup.context, setup.client->wait(brief, core::Deadline::in(1h)));
  // The mark on the execution is what the watch call leaves behind.
  const auto marked = [&setup](const core::ExecutionId& id) {
    const auto& keys = setup.client->deployment()->keys();
    const auto words = read_core(keys.core(id.partition(), id.ulid()));
    script::Command look(words.at(0));
    for (std::size_t i = 1; i < words.size(); ++i) look.arg(words[i]);
    auto& connection = *setup.client->deployment()->connection();
    const auto fields = setup.good(connection.send(keys.slot(id.partition()), look, core::Deadline::in(5s))).elements;
    return std::any_of(fields.begin(), fields.end(), [](const auto& field) { return field.text == "v"; });
  };
  REQUIRE(completed.until([&] { return marked(unwanted) && marked(failing) && marked(brief); }));

  setup.good(setup.client->cancel(unwanted, core::Millis(0), "why"));
  setup.fail(setup.claim(failing, "once"), "permission", "closed");
  setup.complete(setup.claim(brief, "lean"), core::Payload("dropped"));

  const auto end = cancelled.get();
  CHECK(end->state == core::State::cancelled);
  CHECK(end->text == "why");
  CHECK(failed.get()->failure_class == "permission");
  const auto last = completed.get();
  REQUIRE(last.has_value());
  CHECK(last->state == core::State::completed);
  CHECK(last->result == core::Payload());
}

TEST_CASE("a retry is no end") {
  Setup setup;
  sdk::Submission twice("work");
  twice.policy.retry.max_attempts = 2;
  twice.policy.retry.delay = core::Millis(0);
  const auto id = setup.submit(twice);
  Waiting waiting(setup.context, setup.client->wait(id, core::Deadline::in(1h)));
  REQUIRE(waiting.until([&] { return setup.watched(id); }));

  CHECK(setup.fail(setup.claim(id), "internal", "first") == "retried");
  const auto held = setup.claim(id);
  CHECK_FALSE(waiting.done());
  setup.complete(held);

  CHECK(waiting.get()->state == core::State::completed);
}

TEST_CASE("a wait that is too long ends at its deadline and leaves no subscription") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto id = setup.submit();

  CHECK(setup.refusal(setup.client->wait(id, core::Deadline::in(50ms))) == "unavailable/deadline");
  CHECK(setup.refusal(setup.client->wait(id, core::Deadline::in(-1ms))) == "unavailable/deadline");

  Waiting other(setup.context, setup.client->wait(id, core::Deadline::in(1ms)));
  CHECK(Setup::text(other.get()) == "unavailable/deadline");
  Background<core::Result<sdk::Description>> after(setup.context, setup.client->describe(id));
  CHECK(after.get().has_value());
  CHECK(setup.becomes_unwatched(id));
}

TEST_CASE("a cancelled wait ends and leaves no subscription") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto id = setup.submit();
  Waiting waiting(setup.context, setup.client->wait(id, core::Deadline::in(1h)));
  REQUIRE(waiting.until([&] { return setup.watched(id); }));

  waiting.cancel();

  if (!waiting.threw()) CHECK(Setup::text(waiting.get()) == "cancelled/cancelled");
  CHECK(setup.becomes_unwatched(id));
  setup.complete(setup.claim(id));
  CHECK(setup.good(setup.client->wait(id, core::Deadline::in(5s))).state == core::State::completed);
}

TEST_CASE("a wait cancelled at any of its first steps ends") {
  Setup setup;
  const auto id = setup.submit();
  std::deque<bool> begins;
  std::vector<std::unique_ptr<Waiting>> waits;
  for (int i = 0; i < 50; ++i) {
    // Asio 1.83 throws out of the context when what is spawned is cancelled before it began: so it begins first.
    auto& begun = begins.emplace_back(false);
    auto wait = begin(setup.client->wait(id, core::Deadline::in(1h)), begun);
    waits.push_back(std::make_unique<Waiting>(setup.context, std::move(wait)));
    for (int steps = 0; !begun || steps < i; ++steps) {
      setup.context.restart();
      setup.context.poll_one();
    }
    waits.back()->cancel();
  }
  for (auto& wait : waits) {
    if (!wait->threw()) CHECK_FALSE(wait->get().has_value());
  }
  CHECK(setup.becomes_unwatched(id));
}

TEST_CASE("a wait outlives cut connections, and learns of an end that it could not hear") {
  FaultProxy proxy("127.0.0.1", the_server().port());
  Setup setup(through(proxy));
  auto direct = setup.another();
  const auto id = setup.submit();
  Waiting waiting(setup.context, setup.client->wait(id, core::Deadline::in(1h)));
  REQUIRE(waiting.until([&] { return setup.watched(id); }));

  proxy.cut_all();
  REQUIRE(waiting.until([&] { return proxy.counters().connections >= 4 && setup.watched(id); }));
  CHECK_FALSE(waiting.done());

  proxy.refuse(true);
  proxy.cut_all();
  REQUIRE(waiting.until([&] { return !setup.watched(id) && proxy.counters().refused > 0; }));
  setup.good(direct.cancel(id, core::Millis(0), "unheard"));
  CHECK_FALSE(waiting.done());
  proxy.refuse(false);

  const auto end = waiting.get();
  REQUIRE(end.has_value());
  CHECK(end->state == core::State::cancelled);
  CHECK(end->text == "unheard");
}

TEST_CASE("replies of watch and result that are lost on the wire are asked for again") {
  FaultProxy proxy("127.0.0.1", the_server().port());
  Setup setup(through(proxy));
  auto direct = setup.another();
  const auto id = setup.submit();
  proxy.only("ff1_watch");
  proxy.cut_after_reply(1);
  Waiting waiting(setup.context, setup.client->wait(id, core::Deadline::in(1h)));
  REQUIRE(waiting.until([&] { return proxy.counters().cuts_after_reply == 1 && setup.watched(id); }));
  proxy.only("ff1_result");
  proxy.cut_after_reply(1);

  setup.good(direct.cancel(id, core::Millis(0), "heard"));

  const auto end = waiting.get();
  REQUIRE(end.has_value());
  CHECK(end->text == "heard");
  CHECK(proxy.counters().cuts_after_reply == 2);
}

TEST_CASE("what is replayed just as it ends is waited for again") {
  Setup setup;
  const auto id = setup.submit();
  FaultyClient faulty(setup);
  sdk::Client other = *setup.client;
  faulty.faults->before("ff1_result", [other, id] { return replay(other, id); });
  const auto before = faulty.faults->answered();
  Waiting waiting(setup.context, faulty.client->wait(id, core::Deadline::in(1h)));
  REQUIRE(waiting.until([&] { return faulty.faults->answered() == before + 1; }));
  setup.complete(setup.claim(id), core::Payload("first"));
  // Result, which finds the replayed one ready, and watch once more.
  REQUIRE(waiting.until([&] { return faulty.faults->answered() == before + 3; }));

  setup.complete(setup.claim(id), core::Payload("second"));

  const auto end = waiting.get();
  REQUIRE(end.has_value());
  CHECK(end->generation == 1);
  CHECK(end->result.bytes == "second");
}

TEST_CASE("what vanishes between its end and the look at its result ended as it was heard") {
  Setup setup;
  const auto id = setup.submit();
  FaultyClient faulty(setup);
  sdk::Client other = *setup.client;
  faulty.faults->before("ff1_result", [other, id] { return purge(other, id); });
  setup.complete(setup.claim(id));

  const auto end = setup.good(faulty.client->wait(id, core::Deadline::in(5s)));

  CHECK(end.state == core::State::completed);
}

TEST_CASE("hundreds wait at once, several for the same") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  std::vector<sdk::Submission> submissions(300, sdk::Submission("work"));
  const auto answers = setup.good(setup.client->submit_many(submissions));
  std::vector<std::unique_ptr<Waiting>> waits;
  for (int round = 0; round < 2; ++round) {
    for (const auto& answer : answers) {
      waits.push_back(
          std::make_unique<Waiting>(setup.context, setup.client->wait(answer->id, core::Deadline::in(1h))));
    }
  }
  for (const auto& answer : answers) setup.good(setup.client->cancel(answer->id, core::Millis(0), ""));

  for (auto& wait : waits) {
    const auto end = wait->get();
    REQUIRE(end.has_value());
    CHECK(end->state == core::State::cancelled);
  }
}
