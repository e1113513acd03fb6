// What workers say over HTTP: leases as text, and every wrong field named.
#include <catch2/catch_test_macros.hpp>

#include "http/worker_json.hpp"
#include "support/seed.hpp"

using namespace ff::server::http;
using ff::core::ExecutionId;
using ff::core::Millis;
using ff::sdk::Lease;

namespace {

Lease lease() {
  return Lease(*ExecutionId::parse("3-01ARZ3NDEKTSV4RRFFQ69G5FAV"), 1700000000000001, "01BX5ZZKBKACTAV9WEVGEMMVS0",
               Millis(15000));
}

const std::string kText = "3-01ARZ3NDEKTSV4RRFFQ69G5FAV.1700000000000001.01BX5ZZKBKACTAV9WEVGEMMVS0.15000";

Request asked(const std::string& body) {
  Request request;
  request.headers.emplace_back("content-type", "application/json");
  request.captures.emplace_back("w1");
  request.body = body;
  return request;
}

// `"lease":"…"` and these fields.
Request told(const std::string& rest) { return asked(R"({"lease":")" + kText + "\"" + rest + "}"); }

template <class Result>
std::string reason(const Result& result) {
  return result ? "" : result.error().reason;
}

}  // namespace

TEST_CASE("a lease has one text, and only that is read") {
  CHECK(lease().str() == kText);
  const auto parsed = Lease::parse(kText);
  REQUIRE(parsed);
  CHECK(parsed->id == lease().id);
  CHECK(parsed->epoch == lease().epoch);
  CHECK(parsed->lease == lease().lease);
  CHECK(parsed->duration == Millis(15000));

  for (std::size_t cut = 0; cut < kText.size(); ++cut) {
    const auto shorter = Lease::parse(std::string_view(kText).substr(0, cut));
    const bool another_duration = shorter && shorter->duration != Millis(15000);
    CHECK((!shorter || another_duration));
  }
  for (const std::string& wrong : {kText + ".", kText + " ", "." + kText, kText + ".1", std::string("0") + kText,
                                  kText.substr(0, kText.rfind('.')) + ".015000",
                                  kText.substr(0, kText.rfind('.')) + ".99", std::string(10'000, '.')}) {
    CHECK(reason(Lease::parse(wrong)) == "bad_lease");
  }
}

TEST_CASE("random bytes are no lease, or the one they spell") {
  ff::test::Rng random(ff::test::seed());
  for (int i = 0; i < 20'000; ++i) {
    auto text = kText;
    for (auto changes = 1 + random.below(3); changes > 0; --changes) {
      text[random.below(text.size())] = static_cast<char>(random.below(256));
    }
    const auto parsed = Lease::parse(text);
    if (parsed) CHECK(parsed->str() == text);
  }
}

TEST_CASE("a claim has defaults, and takes what it is told") {
  const auto plain = claim_body_of(asked(""));
  REQUIRE(plain);
  CHECK(plain->options.lanes == std::vector<std::string>{"default"});
  CHECK(plain->count == 1);
  CHECK(plain->options.lease == Millis(15000));

  const auto full =
      claim_body_of(asked(R"({"lanes":["b","a"],"capabilities":["x=1","x=2"],"count":64,"lease_ms":100})"));
  REQUIRE(full);
  CHECK(full->options.lanes == std::vector<std::string>{"b", "a"});
  CHECK(full->options.capabilities.size() == 2);
  CHECK(full->count == 64);
  CHECK(full->options.lease == Millis(100));
}

TEST_CASE("reports have a lease, and each mistake has a name") {
  CHECK(reason(claim_body_of(asked(R"({"lanes":"a"})"))) == "wrong_type");
  CHECK(reason(claim_body_of(asked(R"({"lanes":[1]})"))) == "wrong_type");
  CHECK(reason(claim_body_of(asked("[]"))) == "wrong_type");
  CHECK(reason(claim_body_of(asked("{"))) == "bad_json");
  CHECK(reason(renewal_body_of(asked(R"({"leases":["x"]})"))) == "bad_lease");
  CHECK(reason(completion_body_of(told(R"(,"payload":1,"payload_text":"2")"))) == "bad_payload");
  CHECK(reason(completion_body_of(told(R"(,"result":1)"))) == "unknown_field");
  CHECK(reason(failure_body_of(told(""))) == "missing_field");
  CHECK(reason(release_body_of(told(R"(,"started":"no")"))) == "wrong_type");
  CHECK(reason(progress_body_of(told(R"(,"percent":-2)"))) == "bad_percent");

  const auto completion = completion_body_of(told(R"(,"payload":{"b": 1.50})"));
  REQUIRE(completion);
  CHECK(completion->result.bytes == R"({"b": 1.50})");
  CHECK(completion->result.content_type == "application/json");
  const auto failure = failure_body_of(told(R"(,"failure_class":"timeout","text":"t","retry_after_ms":5)"));
  REQUIRE(failure);
  CHECK(failure->failure.failure_class == "timeout");
  CHECK(failure->failure.retry_after == Millis(5));
  const auto release = release_body_of(told(R"(,"started":false,"delay_ms":7,"reason":"r")"));
  REQUIRE(release);
  CHECK_FALSE(release->started);
  CHECK(release->how.delay == Millis(7));
}

TEST_CASE("a worker's name leaves room for the part that makes it unique") {
  auto request = asked("{}");
  request.captures[0] = std::string(kWorkerNameMax, 'w');
  CHECK(worker_of(request));
  request.captures[0] += "w";
  CHECK(reason(worker_of(request)) == "bad_worker");
  request.captures[0] = "a b";
  CHECK(worker_of(request).error().message.starts_with("worker is \"a b\", must be 1 to 50 letters, digits"));
}
