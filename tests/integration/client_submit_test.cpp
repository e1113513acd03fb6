// Client::submit: what arrives, idempotency, lost replies.
#include <catch2/generators/catch_generators.hpp>

#include "client_fixture.hpp"
#include "support/fault_proxy.hpp"

using namespace ff;
using namespace ff::test;

namespace {

std::string every_byte() {
  std::string bytes;
  for (int i = 0; i < 512; ++i) bytes += static_cast<char>(i & 0xff);
  return bytes + "\r\n$-1\r\n";
}

sdk::Submission keyed(const std::string& key, const std::string& bytes = "body") {
  sdk::Submission submission("work", core::Payload(bytes));
  submission.idempotency_key = key;
  return submission;
}

sdk::Submission lean() {
  sdk::Submission submission("work");
  submission.policy.mode = core::Mode::lean;
  return submission;
}

}  // namespace

TEST_CASE("everything of a submission arrives, bytes as they are") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  sdk::Submission submission("video/encode", core::Payload(every_byte(), "video/mp4; codecs=\"av1\""));
  submission.lane = "slow";
  submission.priority = 9000;
  submission.deadline = 1h;
  submission.policy.retry.max_attempts = 7;
  submission.policy.attempt_timeout = core::Millis(90'000);
  submission.tags = {{"customer", "a \"quoted\" \\ name"}, {"r\x65gion", "zürich"}};

  const auto id = setup.submit(submission);
  const auto described = setup.good(setup.client->describe(id));
  const auto payload = setup.good(setup.client->payload(id));

  CHECK(payload == submission.payload);
  CHECK(described.state == core::State::ready);
  CHECK(described.fields.queue == "default/slow");
  CHECK(described.fields.kind == "video/encode");
  CHECK(described.fields.priority == 9000);
  CHECK(described.fields.deadline_at == described.fields.created_at + 3'600'000);
  CHECK(described.fields.attempt_timeout_ms == 90'000);
  CHECK(described.fields.policy.find("\"max_attempts\":7") != std::string::npos);
  CHECK(described.fields.tags == R"({"customer":"a \"quoted\" \\ name","region":"zürich"})");
  CHECK(described.fields.content_type == submission.payload.content_type);
}

TEST_CASE("a payload of one MiB and an empty one come back, the default content type by its name") {
  Setup setup;
  const auto empty = setup.submit("default", core::Payload("", ""));
  const auto large = setup.submit("default", core::Payload(std::string(1024 * 1024, '\xff')));

  CHECK(setup.good(setup.client->payload(empty)) == core::Payload());
  CHECK(setup.good(setup.client->payload(large)).bytes.size() == 1024 * 1024);
  CHECK(setup.good(setup.client->describe(empty)).fields.content_type.empty());
}

TEST_CASE("a start ahead delays, a past one does not, and deadlines are kept") {
  Setup setup;
  const auto now = setup.valkey_now();
  sdk::Submission delayed("work"), later("work"), past("work");
  delayed.delay = 1h;
  later.start_at = now + 7'200'000;
  later.deadline_at = now + 9'000'000;
  past.start_at = 0;

  CHECK(setup.good(setup.client->describe(setup.submit(delayed))).state == core::State::delayed);
  const auto described = setup.good(setup.client->describe(setup.submit(later)));
  CHECK(described.state == core::State::delayed);
  CHECK(described.fields.timer_at == now + 7'200'000);
  CHECK(described.fields.deadline_at == now + 9'000'000);
  CHECK(setup.good(setup.client->describe(setup.submit(past))).state == core::State::ready);
}

TEST_CASE("a refused submission is refused before anything is sent") {
  Setup setup;
  const auto before = setup.commands();
  sdk::Submission submission("work");
  submission.priority = 9001;

  CHECK(setup.refusal(setup.client->submit(submission)) == "invalid_argument/bad_priority");
  CHECK(setup.commands() == before);
}

TEST_CASE("an idempotency key answers with the first id, and refuses anything else under it") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  const auto first = setup.good(setup.client->submit(keyed("order 17/\xe2\x82\xac")));
  const auto again = setup.good(setup.client->submit(keyed("order 17/\xe2\x82\xac")));
  auto other_type = keyed("order 17/\xe2\x82\xac");
  other_type.payload.content_type = "text/plain";
  auto other_kind = keyed("order 17/\xe2\x82\xac");
  other_kind.kind = "play";
  auto other_lane = keyed("order 17/\xe2\x82\xac");
  other_lane.lane = "slow";
  auto same_type = keyed("order 17/\xe2\x82\xac");
  same_type.payload.content_type = "";
  same_type.priority = 5;

  CHECK_FALSE(first.duplicate);
  CHECK(again.duplicate);
  CHECK(again.id == first.id);
  CHECK(setup.good(setup.client->submit(same_type)).id == first.id);
  CHECK(setup.refusal(setup.client->submit(keyed("order 17/\xe2\x82\xac", "else"))) == "conflict/idempotency_mismatch");
  CHECK(setup.refusal(setup.client->submit(other_type)) == "conflict/idempotency_mismatch");
  CHECK(setup.refusal(setup.client->submit(other_kind)) == "conflict/idempotency_mismatch");
  CHECK(setup.refusal(setup.client->submit(other_lane)) == "conflict/idempotency_mismatch");
  const auto elsewhere = setup.good(setup.client->in_namespace("other").submit(keyed("order 17/\xe2\x82\xac", "else")));
  CHECK_FALSE(elsewhere.duplicate);
  CHECK(setup.counted("ready:default/default") == 1);
}

TEST_CASE("an idempotency key is forgotten when its time is over") {
  Setup setup;
  auto submission = keyed("once");
  submission.idempotency_ttl = 30ms;
  const auto first = setup.good(setup.client->submit(submission));
  const auto created = setup.good(setup.client->describe(first.id)).fields.created_at;
  REQUIRE(wait_until([&] { return setup.valkey_now() > created + 30; }));

  const auto second = setup.good(setup.client->submit(submission));

  CHECK_FALSE(second.duplicate);
  CHECK(second.id != first.id);
  CHECK(second.id.partition() == first.id.partition());
}

TEST_CASE("a submit with the id of another process creates one execution only") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  sdk::Submission submission("work");
  submission.id = core::ExecutionId(5, core::Ulid::make());
  const auto first = setup.good(setup.client->submit(submission));
  const auto second = setup.good(setup.another().submit(submission));

  CHECK(first.id == *submission.id);
  CHECK(second.id == *submission.id);
  CHECK_FALSE(second.duplicate);
  CHECK(setup.counted("ready:default/default") == 1);
}

TEST_CASE("an id that cannot be where it says is refused") {
  Setup setup;
  auto submission = keyed("at home");
  const auto home = setup.client->deployment()->keys().home_of("default", "at home");
  submission.id = core::ExecutionId(static_cast<core::Partition>((home + 1) % 64), core::Ulid::make());
  CHECK(setup.refusal(setup.client->submit(submission)) == "invalid_argument/bad_id");
  submission.id = core::ExecutionId(home, core::Ulid::make());
  CHECK(setup.refusal(setup.client->submit(submission)) == "ok");
  sdk::Submission nowhere("work");
  nowhere.id = core::ExecutionId(64, core::Ulid::make());
  CHECK(setup.refusal(setup.client->submit(nowhere)) == "invalid_argument/bad_id");
}

TEST_CASE("a submit whose reply is lost on the wire is repeated and creates one execution") {
  FaultProxy proxy("127.0.0.1", the_server().port());
  SetupOptions options;
  options.connection = connect_to_port(proxy.port());
  Setup setup(options);
  proxy.only("ff1_submit");
  proxy.cut_after_reply(1);

  const auto submitted = setup.good(setup.client->submit(sdk::Submission("work")));

  CHECK(proxy.counters().cuts_after_reply == 1);
  CHECK_FALSE(submitted.duplicate);
  CHECK(setup.counted("ready:default/default") == 1);
  CHECK(setup.refusal(setup.client->describe(submitted.id)) == "ok");
}

TEST_CASE("a request that was lost on the wire is repeated too") {
  FaultProxy proxy("127.0.0.1", the_server().port());
  SetupOptions options;
  options.connection = connect_to_port(proxy.port());
  Setup setup(options);
  proxy.only("ff1_submit");
  proxy.cut_before_request(1);

  setup.submit();

  CHECK(proxy.counters().requests_lost == 1);
  CHECK(setup.counted("ready:default/default") == 1);
}

TEST_CASE("a lean submission is not repeated, unless an idempotency key makes that safe") {
  Setup setup;
  FaultyClient faulty(setup);
  faulty.faults->lose_reply("ff1_submit");
  CHECK(setup.refusal(faulty.client->submit(lean())) == "unknown_outcome/connection_lost");
  CHECK(setup.counted("ready:default/default") == 1);

  auto fleeting = sdk::Submission("work");
  fleeting.policy.retention = core::Millis(1);
  faulty.faults->lose_reply("ff1_submit");
  CHECK(setup.refusal(faulty.client->submit(fleeting)) == "unknown_outcome/connection_lost");
  CHECK(setup.counted("ready:default/default") == 2);

  auto safe = lean();
  safe.idempotency_key = "known";
  faulty.faults->lose_reply("ff1_submit");
  const auto submitted = setup.good(faulty.client->submit(safe));
  CHECK_FALSE(submitted.duplicate);
  CHECK(setup.counted("ready:default/default") == 3);
  CHECK(faulty.faults->faults_left() == 0);
}

TEST_CASE("once a reply was lost, an unavailable store does not turn unknown into not run") {
  SetupOptions options;
  options.call_timeout = core::Millis(100);
  Setup setup(options);
  FaultyClient faulty(setup);
  faulty.faults->lose_reply("ff1_submit");
  for (int i = 0; i < 20; ++i) faulty.faults->refuse("ff1_submit");

  CHECK(setup.refusal(faulty.client->submit(sdk::Submission("work"))) == "unknown_outcome/connection_lost");
  CHECK(faulty.faults->faults_left() < 20);
  CHECK(faulty.faults->faults_left() > 0);
}

TEST_CASE("a store that is unavailable from the start is not asked again") {
  Setup setup;
  FaultyClient faulty(setup);
  faulty.faults->refuse("ff1_submit");

  CHECK(setup.refusal(faulty.client->submit(sdk::Submission("work"))) == "unavailable/connect");
  CHECK(setup.counted("ready:default/default") == 0);
}
