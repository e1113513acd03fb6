// Planning of submissions: ids and homes, what travels, what may be repeated, batches, answers.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "ff/core/sha256.hpp"
#include "submission.hpp"

using namespace ff;

namespace {

constexpr core::Millis kTimeout{5000};

const core::Keyspace& keys() {
  static const core::Keyspace keyspace("ff", 64);
  return keyspace;
}

sdk::PlannedSubmit planned(sdk::Submission submission) {
  auto plan = sdk::plan_submit(std::move(submission), keys(), "tenant", kTimeout);
  REQUIRE(plan.has_value());
  return std::move(*plan);
}

std::string refusal(sdk::Submission submission) {
  const auto plan = sdk::plan_submit(std::move(submission), keys(), "tenant", kTimeout);
  return plan ? "ok" : plan.error().reason;
}

// One item on a partition, of so many payload bytes.
sdk::PlannedSubmit item(core::Partition partition, std::size_t bytes, bool repeatable = true) {
  script::Submit::Item result;
  result.payload = std::string(bytes, 'x');
  return sdk::PlannedSubmit(core::ExecutionId(partition, core::Ulid::make()), std::move(result), repeatable, true);
}

std::vector<std::pair<std::size_t, sdk::PlannedSubmit>> numbered(std::vector<sdk::PlannedSubmit> items) {
  std::vector<std::pair<std::size_t, sdk::PlannedSubmit>> result;
  for (auto& one : items) {
    const std::size_t place = result.size();
    result.emplace_back(place, std::move(one));
  }
  return result;
}

script::Submit::Row row(const std::string& outcome, const std::string& id) {
  script::Submit::Row result;
  result.outcome = outcome;
  result.id = id;
  return result;
}

}  // namespace

TEST_CASE("an id is new each time, and at home by its hash") {
  const auto first = planned(sdk::Submission("work")), second = planned(sdk::Submission("work"));
  CHECK(first.id != second.id);
  CHECK(first.id.partition() == keys().home_for_new(first.id.ulid()));
  CHECK(first.item.id == first.id.ulid().str());
}

TEST_CASE("an idempotency key decides the home, by namespace and key") {
  sdk::Submission submission("work");
  submission.idempotency_key = "order 17";
  const auto plan = planned(submission);
  CHECK(plan.id.partition() == keys().home_of("tenant", "order 17"));
  CHECK(plan.item.idempotency_key == "order 17");
  CHECK(plan.item.idempotency_ttl_ms == 24 * 3600 * 1000);
  CHECK(plan.item.fingerprint == core::fingerprint("work", "default", core::Payload()));
}

TEST_CASE("without an idempotency key there is nothing to tell apart") {
  CHECK(planned(sdk::Submission("work")).item.fingerprint.empty());
}

TEST_CASE("a plain submission carries no rare field: batches of such are made by their ids and payloads") {
  const auto item = planned(sdk::Submission("work")).item;
  for (const auto value : {item.priority, item.start_at, item.delay_ms, item.deadline_at, item.deadline_ms,
                           item.idempotency_ttl_ms, item.fairness_weight}) {
    CHECK(value == 0);
  }
  for (const auto* text : {&item.idempotency_key, &item.fingerprint, &item.requirements, &item.fairness_key,
                           &item.policy, &item.tags, &item.content_type}) {
    CHECK(text->empty());
  }
}

TEST_CASE("the default content type travels as nothing and has one fingerprint") {
  sdk::Submission named("work", core::Payload("body", std::string(core::kContentTypeDefault)));
  sdk::Submission unnamed("work", core::Payload("body", ""));
  named.idempotency_key = unnamed.idempotency_key = "key";
  CHECK(planned(named).item.content_type.empty());
  CHECK(planned(unnamed).item.content_type.empty());
  CHECK(planned(named).item.fingerprint == planned(unnamed).item.fingerprint);
  CHECK(planned(sdk::Submission("work", core::Payload("{}", "application/json"))).item.content_type ==
        "application/json");
}

TEST_CASE("an id of the caller is kept, if it can be where it says") {
  sdk::Submission submission("work");
  submission.id = core::ExecutionId(63, core::Ulid::make());
  CHECK(planned(submission).id == *submission.id);
  submission.id = core::ExecutionId(64, core::Ulid::make());
  CHECK(refusal(submission) == "bad_id");
  submission.idempotency_key = "key";
  const auto home = keys().home_of("tenant", "key");
  submission.id = core::ExecutionId(home == 0 ? 1 : 0, core::Ulid::make());
  CHECK(refusal(submission) == "bad_id");
  submission.id = core::ExecutionId(home, core::Ulid::make());
  CHECK(refusal(submission) == "ok");
}

TEST_CASE("numbers, policy and tags travel as declared") {
  sdk::Submission submission("work", core::Payload("body"));
  submission.lane = "slow";
  submission.priority = 12;
  submission.start_at = 1'760'000'000'000;
  submission.deadline = core::Millis(77);
  submission.policy.attempt_timeout = core::Millis(1000);
  submission.tags = {{"b", "2"}, {"a", "\"\\/"}};
  const auto item = planned(submission).item;
  CHECK(item.kind == "work");
  CHECK(item.lane == "slow");
  CHECK(item.priority == 12);
  CHECK(item.start_at == 1'760'000'000'000);
  CHECK(item.delay_ms == 0);
  CHECK(item.deadline_at == 0);
  CHECK(item.deadline_ms == 77);
  CHECK(item.policy == R"({"attempt_timeout_ms":1000})");
  CHECK(item.tags == R"({"a":"\"\\/","b":"2"})");
  CHECK(item.payload == "body");
  CHECK(planned(sdk::Submission("work")).item.tags.empty());
  CHECK(planned(sdk::Submission("work")).item.policy.empty());
}

TEST_CASE("what may vanish within a call's time is not repeated, unless its key is remembered") {
  sdk::Submission record("work"), lean("work"), brief("work"), kept("work");
  lean.policy.mode = core::Mode::lean;
  brief.policy.retention = 2 * kTimeout - core::Millis(1);
  kept.policy.retention = 2 * kTimeout;
  CHECK(planned(record).repeatable);
  CHECK_FALSE(planned(lean).repeatable);
  CHECK_FALSE(planned(brief).repeatable);
  CHECK(planned(kept).repeatable);

  lean.idempotency_key = brief.idempotency_key = "key";
  CHECK(planned(lean).repeatable);
  CHECK(planned(brief).repeatable);
  lean.idempotency_ttl = 2 * kTimeout - core::Millis(1);
  CHECK_FALSE(planned(lean).repeatable);
}

TEST_CASE("batches hold one partition, one kind of repeating and at most 256 items") {
  std::vector<sdk::PlannedSubmit> items;
  for (int i = 0; i < 600; ++i) items.push_back(item(static_cast<core::Partition>(i % 2), 1));
  items.push_back(item(0, 1, false));

  const auto batches = sdk::into_batches(numbered(std::move(items)));

  REQUIRE(batches.size() == 5);
  std::set<std::size_t> places;
  for (const auto& batch : batches) {
    CHECK(batch.items.size() <= 256);
    CHECK(batch.items.size() == batch.places.size());
    CHECK(std::is_sorted(batch.places.begin(), batch.places.end()));
    for (const std::size_t place : batch.places) {
      CHECK(places.insert(place).second);
      CHECK((place == 600 || place % 2 == batch.partition));
      CHECK(batch.repeatable == (place != 600));
    }
  }
  CHECK(places.size() == 601);
}

TEST_CASE("a batch holds about 4 MiB, and always at least one item") {
  constexpr std::size_t kMiB = 1024 * 1024;
  std::vector<sdk::PlannedSubmit> items;
  for (int i = 0; i < 9; ++i) items.push_back(item(3, kMiB));
  items.push_back(item(3, 5 * kMiB));
  items.push_back(item(3, 0));

  const auto batches = sdk::into_batches(numbered(std::move(items)));

  REQUIRE(batches.size() == 5);
  CHECK(batches[0].items.size() == 4);
  CHECK(batches[1].items.size() == 4);
  CHECK(batches[2].items.size() == 1);
  CHECK(batches[3].items.size() == 1);
  CHECK(batches[4].items.size() == 1);
}

TEST_CASE("each answer has its meaning, anything else is corrupt") {
  const std::string ulid = core::Ulid::make().str();
  const auto created = sdk::answer_of(5, row("created", ulid));
  REQUIRE(created.has_value());
  CHECK(created->id.str() == "5-" + ulid);
  CHECK_FALSE(created->duplicate);
  CHECK(sdk::answer_of(5, row("duplicate", ulid))->duplicate);
  CHECK(sdk::answer_of(5, row("idempotency_mismatch", ulid)).error().code == core::Code::conflict);
  CHECK(sdk::answer_of(5, row("bad_policy", ulid)).error().code == core::Code::invalid_argument);
  CHECK(sdk::answer_of(5, row("created", "short")).error().code == core::Code::corrupt);
  CHECK(sdk::answer_of(5, row("new word", ulid)).error().code == core::Code::corrupt);
}
