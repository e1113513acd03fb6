// Lanes and routes with clients, workers and servers: pause, drain, strict order, weights, capabilities, fair shares.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <cstdio>

#include "integration/worker_fixture.hpp"

using namespace ff;
using namespace ff::test;

namespace {

std::vector<core::ExecutionId> submit(WorkerSetup& setup, const sdk::Submission& like, std::size_t count) {
  std::vector<sdk::Submission> all(count, like);
  std::vector<core::ExecutionId> ids;
  for (auto& answer : setup.good(setup.client->submit_many(std::move(all)))) {
    REQUIRE(answer);
    ids.push_back(answer->id);
  }
  return ids;
}

// Workers whose handler notes the order in which executions began.
struct Log {
  std::vector<std::string> lanes, fairness;
  std::vector<std::int64_t> ids;
  std::size_t count = 0;
  std::function<void(sdk::Worker&)> handlers() {
    return [this](sdk::Worker& worker) {
      worker.handle("work", [this](sdk::Task& task) -> sdk::HandlerResult {
        ++count;
        lanes.push_back(task.queue().substr(task.queue().find('/') + 1));
        fairness.push_back(task.payload().bytes);
        return core::Payload();
      });
    };
  }
};

}  // namespace

TEST_CASE("a paused lane starts nothing under load, and goes on when it is resumed") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  Log log;
  auto worker = setup.worker(worker_options(4), log.handlers());
  submit(setup, work_in(), 200);
  REQUIRE(setup.until([&] { return log.count >= 50; }));

  setup.good(setup.client->set_lane_state("default", core::LaneState::paused, "ops", "a look at the database"));
  setup.let_pass(300ms);  // What had been claimed runs out.
  const auto then = log.count;
  submit(setup, work_in(), 100);
  setup.let_pass(500ms);
  CHECK(log.count == then);
  const auto status = setup.good(setup.client->lane("default"));
  CHECK(status.lane.state == core::LaneState::paused);
  CHECK(status.lane.by == "ops");
  CHECK(status.lane.why == "a look at the database");
  CHECK(status.waiting == static_cast<std::int64_t>(300 - then));

  setup.good(setup.client->set_lane_state("default", core::LaneState::running, "ops", "done"));
  CHECK(setup.until([&] { return log.count == 300; }));
  CHECK(setup.until([&] { return setup.in_state(core::State::completed) == 300; }));
}

TEST_CASE("a draining lane refuses submits and finishes what it has") {
  WorkerSetup setup;
  Log log;
  const auto ids = submit(setup, work_in(), 50);
  setup.good(setup.client->set_lane_state("default", core::LaneState::draining, "ops", ""));
  CHECK(setup.refusal(setup.client->submit(work_in())) == "conflict/lane_draining");

  auto worker = setup.worker(worker_options(), log.handlers());
  CHECK(setup.until([&] { return log.count == 50; }));
}

TEST_CASE("a full lane refuses with a hint when to come back") {
  WorkerSetup setup(Store::standalone, 1);
  core::LanePolicy policy;
  policy.depth = 10;
  setup.good(setup.client->set_lane_policy("default", policy));
  submit(setup, work_in(), 10);

  const auto refused = setup.run(setup.client->submit(work_in()));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::exhausted);
  CHECK(refused.error().reason == "lane_full");
  CHECK(refused.error().retry_after_ms > 0);
}

TEST_CASE("a strict lane runs in exact order of priority and time, wherever it is submitted") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  core::LanePolicy policy;
  policy.strict = true;
  setup.good(setup.client->set_lane_policy("strict", policy));
  std::vector<std::pair<std::int64_t, std::string>> submitted;
  for (int i = 0; i < 60; ++i) {
    auto one = work_in("strict");
    one.priority = (i * 7) % 4;
    if (i % 5 == 0) one.idempotency_key = "key " + std::to_string(i);
    one.payload = core::Payload(std::to_string(i), "text/plain");
    submitted.emplace_back(-one.priority, one.payload.bytes);
    setup.good(setup.client->submit(one));
  }
  std::stable_sort(submitted.begin(), submitted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  auto many = work_in("strict");
  many.payload = core::Payload("many", "text/plain");
  submit(setup, many, 40);
  Log log;
  auto options = worker_options(1);
  options.lanes = {"strict"};

  auto worker = setup.worker(options, log.handlers());
  REQUIRE(setup.until([&] { return log.count == 100; }));

  std::vector<std::string> wanted;
  for (const auto& [priority, payload] : submitted) {
    if (priority < 0) wanted.push_back(payload);
  }
  CHECK(std::vector<std::string>(log.fairness.begin(), log.fairness.begin() + static_cast<long>(wanted.size())) ==
        wanted);
}

TEST_CASE("a worker serves its lanes by weight and starves none") {
  WorkerSetup setup(Store::standalone, 4);
  submit(setup, work_in("big"), 900);
  submit(setup, work_in("small"), 900);
  Log log;
  auto options = worker_options(8);
  options.lanes = {"small", "big"};
  options.weights = {{"big", 3}, {"small", 1}};

  auto worker = setup.worker(options, log.handlers());
  REQUIRE(setup.until([&] { return log.count >= 800; }));

  const auto big = std::count(log.lanes.begin(), log.lanes.begin() + 800, "big");
  INFO("of 800, big had " << big);
  CHECK(big > 570);
  CHECK(big < 630);
}

TEST_CASE("weights come from the lanes' policies when the worker has none") {
  WorkerSetup setup(Store::standalone, 4);
  core::LanePolicy policy;
  policy.weight = 9;
  setup.good(setup.client->set_lane_policy("big", policy));
  submit(setup, work_in("big"), 900);
  submit(setup, work_in("small"), 900);
  Log log;
  auto options = worker_options(8);
  options.lanes = {"small", "big"};

  auto worker = setup.worker(options, log.handlers());
  REQUIRE(setup.until([&] { return log.count >= 900; }));

  const auto big = std::count(log.lanes.begin() + 200, log.lanes.begin() + 900, "big");
  INFO("of 700, big had " << big);
  CHECK(big > 600);
}

TEST_CASE("work goes only to workers that have what it requires, at once") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  Log plain, able;
  auto options = worker_options();
  auto first = setup.worker(options, plain.handlers());
  options.capabilities = {"cuda=12.2"};
  auto second = setup.worker(options, able.handlers());
  auto needy = work_in();
  needy.requirements.needs = {"cuda>=12"};
  auto hopeless = work_in();
  hopeless.requirements.needs = {"cuda>=13"};

  submit(setup, needy, 100);
  const auto waits = submit(setup, hopeless, 1).at(0);
  REQUIRE(setup.until([&] { return able.count == 100; }));
  CHECK(plain.count == 0);

  const auto explanation = setup.good(setup.client->explain(waits));
  CHECK(explanation.fields.reason == "no_worker");
  CHECK(explanation.text().find("no worker was seen lately that can take it (+cuda>=13)") != std::string::npos);
  const auto counts = setup.good(setup.client->count());
  CHECK(counts.at("unserved:default/default") == 1);
}

TEST_CASE("a hundred executions of one tenant do not wait behind thousands of another") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store, 4);
  auto noisy = work_in();
  noisy.fairness_key = "noisy";
  noisy.payload = core::Payload("A", "text/plain");
  submit(setup, noisy, 4000);
  auto quiet = noisy;
  quiet.fairness_key = "quiet";
  quiet.payload = core::Payload("B", "text/plain");
  submit(setup, quiet, 100);
  Log log;
  auto worker = setup.worker(worker_options(), log.handlers());

  REQUIRE(setup.until([&] { return std::count(log.fairness.begin(), log.fairness.end(), "B") == 100; }));

  // Every second one where both wait: the error is what the partitions' shares differ by, and a stint at each.
  INFO("all of B were done after " << log.count);
  CHECK(log.count <= 450);
}

TEST_CASE("a server brings lane records to partitions that missed them") {
  WorkerSetup setup;
  setup.good(setup.client->set_lane_state("default", core::LaneState::paused, "ops", ""));
  // As if the change had reached the root only.
  const auto& keys = setup.client->deployment()->keys();
  for (core::Partition p = 0; p < keys.partitions(); ++p) {
    setup.cli(p, {"DEL", keys.tag(p) + ":lane:default/default"});
    setup.cli(p, {"HDEL", keys.tag(p), "lv"});
  }

  auto engine = setup.engine(engine::TimersOptions());

  CHECK(setup.until([&] {
    for (core::Partition p = 0; p < keys.partitions(); ++p) {
      if (setup.cli(p, {"HGET", keys.tag(p), "lv"}) != "1") return false;
      if (setup.cli(p, {"EXISTS", keys.tag(p) + ":lane:default/default"}) != "1") return false;
    }
    return true;
  }));
}
