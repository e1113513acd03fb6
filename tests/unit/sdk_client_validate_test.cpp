// validate(Submission): every refusal by name, and the bounds that are still allowed.
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <limits>

#include "ff/sdk/client.hpp"

using namespace ff;

namespace {

using Change = std::function<void(sdk::Submission&)>;
constexpr std::int64_t kTenYears = 10LL * 365 * 24 * 3600 * 1000;

std::string refusal(const Change& change) {
  sdk::Submission submission("work");
  change(submission);
  const auto good = sdk::validate(submission);
  if (good) return "ok";
  CHECK(good.error().code == core::Code::invalid_argument);
  CHECK_FALSE(good.error().message.empty());
  return good.error().reason;
}

}  // namespace

TEST_CASE("a kind is enough") {
  CHECK(refusal([](auto&) {}) == "ok");
}

TEST_CASE("names are checked") {
  CHECK(refusal([](auto& s) { s.kind = ""; }) == "bad_kind");
  CHECK(refusal([](auto& s) { s.kind = std::string(65, 'k'); }) == "bad_kind");
  CHECK(refusal([](auto& s) { s.kind = std::string(64, 'k'); }) == "ok");
  CHECK(refusal([](auto& s) { s.lane = ""; }) == "bad_lane");
  CHECK(refusal([](auto& s) { s.lane = "a/b"; }) == "bad_lane");
  CHECK(refusal([](auto& s) { s.lane = "a,b"; }) == "bad_lane");
}

TEST_CASE("a priority is 0 to 9000") {
  CHECK(refusal([](auto& s) { s.priority = -1; }) == "bad_priority");
  CHECK(refusal([](auto& s) { s.priority = 9001; }) == "bad_priority");
  CHECK(refusal([](auto& s) { s.priority = 0; }) == "ok");
  CHECK(refusal([](auto& s) { s.priority = 9000; }) == "ok");
}

TEST_CASE("a start is a delay of up to ten years or a moment, not both") {
  CHECK(refusal([](auto& s) { s.delay = core::Millis(-1); }) == "bad_delay");
  CHECK(refusal([](auto& s) { s.delay = core::Millis(kTenYears + 1); }) == "bad_delay");
  CHECK(refusal([](auto& s) { s.delay = core::Millis::max(); }) == "bad_delay");
  CHECK(refusal([](auto& s) { s.delay = core::Millis(kTenYears); }) == "ok");
  CHECK(refusal([](auto& s) { s.start_at = -1; }) == "bad_delay");
  CHECK(refusal([](auto& s) { s.start_at = 100'000'000'000'000; }) == "bad_delay");
  CHECK(refusal([](auto& s) { s.start_at = std::numeric_limits<std::int64_t>::max(); }) == "bad_delay");
  CHECK(refusal([](auto& s) { s.start_at = 0; }) == "ok");
  CHECK(refusal([](auto& s) { s.start_at = 99'999'999'999'999; }) == "ok");
  const Change both = [](auto& s) {
    s.delay = core::Millis(1);
    s.start_at = 1;
  };
  CHECK(refusal(both) == "bad_delay");
}

TEST_CASE("a deadline is a time from now or a moment, not both") {
  CHECK(refusal([](auto& s) { s.deadline = core::Millis(-1); }) == "bad_deadline");
  CHECK(refusal([](auto& s) { s.deadline = core::Millis(kTenYears + 1); }) == "bad_deadline");
  CHECK(refusal([](auto& s) { s.deadline = core::Millis(kTenYears); }) == "ok");
  CHECK(refusal([](auto& s) { s.deadline_at = 0; }) == "bad_deadline");
  CHECK(refusal([](auto& s) { s.deadline_at = 100'000'000'000'000; }) == "bad_deadline");
  CHECK(refusal([](auto& s) { s.deadline_at = 1; }) == "ok");
  const Change both = [](auto& s) {
    s.deadline = core::Millis(1);
    s.deadline_at = 1;
  };
  CHECK(refusal(both) == "bad_deadline");
}

TEST_CASE("a refusal names the field as it is on the wire") {
  const auto message = [](const Change& change) {
    sdk::Submission submission("work");
    change(submission);
    return sdk::validate(submission).error().message;
  };
  CHECK(message([](auto& s) { s.delay = core::Millis(-1); }).starts_with("delay_ms is -1"));
  CHECK(message([](auto& s) { s.deadline = core::Millis(-1); }).starts_with("deadline_ms is -1"));
  CHECK(message([](auto& s) { s.idempotency_ttl = core::Millis(0); }).starts_with("idempotency_ttl_ms is 0"));
}

TEST_CASE("an idempotency key is text of at most 256 bytes, known for 1 ms to ten years") {
  CHECK(refusal([](auto& s) { s.idempotency_key = std::string(257, 'k'); }) == "bad_idempotency_key");
  CHECK(refusal([](auto& s) { s.idempotency_key = "a\nb"; }) == "bad_idempotency_key");
  CHECK(refusal([](auto& s) { s.idempotency_key = "\xff"; }) == "bad_idempotency_key");
  CHECK(refusal([](auto& s) { s.idempotency_key = std::string(256, 'k'); }) == "ok");
  CHECK(refusal([](auto& s) { s.idempotency_ttl = core::Millis(0); }) == "bad_idempotency_ttl");
  CHECK(refusal([](auto& s) { s.idempotency_ttl = core::Millis(kTenYears + 1); }) == "bad_idempotency_ttl");
  CHECK(refusal([](auto& s) { s.idempotency_ttl = core::Millis(1); }) == "ok");
}

TEST_CASE("policy, tags and payload are checked by their own rules") {
  CHECK(refusal([](auto& s) { s.policy.retry.max_attempts = 0; }) == "bad_policy");
  CHECK(refusal([](auto& s) { s.tags = {{"", "value"}}; }) == "bad_tags");
  CHECK(refusal([](auto& s) { s.tags = {{"key", std::string(257, 'v')}}; }) == "bad_tags");
  CHECK(refusal([](auto& s) { s.payload.bytes = std::string(1024 * 1024 + 1, 'p'); }) == "payload_too_large");
  CHECK(refusal([](auto& s) { s.payload.bytes = std::string(1024 * 1024, 'p'); }) == "ok");
  CHECK(refusal([](auto& s) { s.payload.content_type = "nonsense"; }) == "bad_content_type");
  CHECK(refusal([](auto& s) { s.payload.content_type = ""; }) == "ok");
  const Change large_untyped = [](auto& s) { s.payload = core::Payload(std::string(1024 * 1024 + 1, 'p'), ""); };
  CHECK(refusal(large_untyped) == "payload_too_large");
}

TEST_CASE("of several wrong fields the first is named") {
  const Change all = [](auto& s) {
    s.kind = "";
    s.lane = "";
    s.priority = -1;
  };
  CHECK(refusal(all) == "bad_kind");
}
