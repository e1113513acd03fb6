// A lane's concurrency cap with clients, racing workers and servers: it holds exactly, is used to the full, can be
// changed at any time, and costs other lanes nothing.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "integration/worker_count.hpp"

using namespace ff;
using namespace ff::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct CapSetup : WorkerSetup {
  using WorkerSetup::WorkerSetup;

  void cap(std::optional<std::int64_t> concurrency, const std::string& lane = "default") {
    core::LanePolicy policy;
    policy.concurrency = concurrency;
    good(client->set_lane_policy(lane, policy));
  }
  std::vector<core::ExecutionId> submit(const sdk::Submission& like, std::size_t count) {
    std::vector<core::ExecutionId> ids;
    for (auto& answer : good(client->submit_many(std::vector<sdk::Submission>(count, like)))) {
      REQUIRE(answer);
      ids.push_back(answer->id);
    }
    return ids;
  }
  std::int64_t held(const std::string& lane = "default") { return good(client->quota("lane:" + lane)).held; }
};

// Lets one handler pass for each that the test allows.
struct Turnstile {
  std::size_t allowed = 0, passed = 0, running = 0;

  boost::asio::awaitable<sdk::HandlerResult> pass(boost::asio::io_context& context) {
    ++running;
    boost::asio::steady_timer timer(context);
    while (passed == allowed) {
      timer.expires_after(core::Millis(2));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    ++passed;
    --running;
    co_return core::Payload("done");
  }
  std::function<void(sdk::Worker&)> handlers(boost::asio::io_context& context) {
    return [this, &context](sdk::Worker& worker) {
      worker.handle_async("work", [this, &context](sdk::Task&) { return pass(context); });
    };
  }
};

std::function<void(sdk::Worker&)> counting(boost::asio::io_context& context, Count& count, core::Millis takes) {
  return [&context, &count, takes](sdk::Worker& worker) {
    worker.handle_async("work", until_stopped(context, count, takes));
  };
}

}  // namespace

TEST_CASE("racing workers never run more of a lane than its cap, some of them die, and they use it to the full") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  constexpr std::size_t kCap = 12;
  CapSetup setup(store);
  engine::TimersOptions timers;
  timers.server = "engine";
  auto engine = setup.engine(timers);
  setup.submit(work_in(), 600);  // Before there is a cap.
  setup.cap(kCap);
  auto keyed = work_in(), needy = work_in(), limited = work_in();
  keyed.fairness_key = "A";
  needy.requirements.needs = {"gpu"};
  limited.requirements.quotas = {"q"};
  core::Quota quota;
  quota.concurrency = 4;
  setup.good(setup.client->set_quota("q", quota));
  for (const auto& like : {keyed, needy, limited}) setup.submit(like, 200);
  Count count;
  std::vector<std::unique_ptr<RunningWorker>> workers;
  for (int i = 0; i < 40; ++i) {
    auto options = worker_options(2, core::Millis(1500));
    if (i % 2 == 0) options.capabilities = {"gpu"};
    workers.push_back(setup.worker(options, counting(setup.context, count, core::Millis(60))));
  }
  REQUIRE(setup.until([&] { return count.running == kCap; }));

  for (std::size_t i = 0; i < workers.size(); i += 8) workers[i]->vanish();
  setup.let_pass(3200ms);  // Twice a lease, and a little.
  const auto ended = count.ended;
  REQUIRE(setup.until([&] { return count.running == kCap && count.ended > ended; }));

  REQUIRE(setup.until([&] { return setup.in_state(core::State::completed) == 1200; }, 60s));
  CHECK(count.most == kCap);
  REQUIRE(setup.until([&] { return setup.held() == 0; }, 10s));
}

TEST_CASE("a cap is raised, lowered, set to nothing and taken away while workers run") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  CapSetup setup(store);
  setup.cap(3);
  setup.submit(work_in(), 400);
  Turnstile gate;
  auto first = setup.worker(worker_options(10), gate.handlers(setup.context));
  auto second = setup.worker(worker_options(10), gate.handlers(setup.context));
  const auto settles_at = [&](std::size_t running) {
    const bool reached = setup.until([&] { return gate.running == running; }, 10s);
    setup.let_pass(100ms);
    UNSCOPED_INFO(gate.running << " run");
    return reached && gate.running == running;
  };
  // Workers are told, and ask how much they should keep.
  const auto lower_to = [&](std::int64_t concurrency) {
    const auto asked = [&] { return std::pair((*first)->stats().reservations, (*second)->stats().reservations); };
    const auto before = asked();
    setup.cap(concurrency);
    REQUIRE(setup.until([&] { return asked().first > before.first && asked().second > before.second; }, 5s));
  };
  REQUIRE(settles_at(3));

  setup.cap(8);
  CHECK(settles_at(8));
  lower_to(2);
  gate.allowed += 5;
  CHECK(settles_at(3));
  gate.allowed += 4;
  CHECK(settles_at(2));
  lower_to(0);
  gate.allowed += 2;
  CHECK(settles_at(0));
  setup.cap(std::nullopt);
  CHECK(settles_at(20));
  gate.allowed += 400;
  CHECK(setup.until([&] { return gate.passed == 400; }));
  CHECK(setup.refusal(setup.client->quota("lane:default")) == "not_found/not_found");
}

TEST_CASE("what ran before its lane had a cap counts from its worker's next claim on") {
  CapSetup setup;
  setup.submit(work_in(), 30);
  Turnstile gate;
  auto worker = setup.worker(worker_options(8), gate.handlers(setup.context));
  REQUIRE(setup.until([&] { return gate.running == 8; }));
  setup.cap(3);

  for (std::size_t passed = 1; passed <= 5; ++passed) {
    gate.allowed = passed;
    REQUIRE(setup.until([&] { return gate.passed == passed; }));
    setup.let_pass(50ms);
    CHECK(gate.running == 8 - passed);
  }
  gate.allowed = 6;
  REQUIRE(setup.until([&] { return gate.passed == 6 && gate.running == 3; }));
  setup.let_pass(50ms);
  CHECK(gate.running == 3);
  CHECK(setup.held() == 3);
  gate.allowed = 30;
  REQUIRE(setup.until([&] { return gate.passed == 30; }));
  REQUIRE(setup.until([&] { return setup.held() == 0; }, 5s));
}

TEST_CASE("a lane that may run nothing holds up no other lane of its workers, and says why it waits") {
  CapSetup setup;
  setup.cap(0, "capped");
  const auto waits = setup.submit(work_in("capped"), 20).at(0);
  setup.submit(work_in("plain"), 200);
  Count count;
  auto options = worker_options(4);
  options.lanes = {"capped", "plain"};
  auto worker = setup.worker(options, counting(setup.context, count, core::Millis(0)));
  REQUIRE(setup.until([&] { return count.ended == 200; }));
  setup.let_pass(200ms);
  CHECK(count.ended == 200);

  auto explanation = setup.good(setup.client->explain(waits));
  CHECK(explanation.fields.reason == "lane_capped");
  CHECK_THAT(explanation.text(), ContainsSubstring("concurrency cap is 0"));
  auto status = setup.good(setup.client->lane("capped"));
  CHECK(status.lane.concurrency == 0);
  REQUIRE(status.cap);
  CHECK(status.cap->quota.concurrency == 0);
  CHECK(status.waiting == 20);
  CHECK_FALSE(setup.good(setup.client->lane("plain")).cap);

  setup.cap(5, "capped");
  REQUIRE(setup.until([&] { return count.ended == 220; }, 5s));
}

TEST_CASE("explain names the cap while all of it is taken, and the turn when it is not") {
  CapSetup setup;
  setup.cap(2);
  setup.submit(work_in(), 2);
  Turnstile gate;
  auto worker = setup.worker(worker_options(8), gate.handlers(setup.context));
  REQUIRE(setup.until([&] { return gate.running == 2; }));
  const auto waits = setup.submit(work_in(), 1).at(0);

  const auto explanation = setup.good(setup.client->explain(waits));
  CHECK(explanation.fields.reason == "lane_capped");
  CHECK_THAT(explanation.text(), ContainsSubstring("concurrency cap: 2 may run at once"));
  REQUIRE(explanation.cap);
  CHECK(explanation.cap->held == 2);
  setup.good(setup.client->set_lane_state("default", core::LaneState::paused, "ops", ""));
  CHECK(setup.good(setup.client->explain(waits)).fields.reason == "lane_paused");
  setup.cap(9);
  setup.good(setup.client->set_lane_state("default", core::LaneState::running, "ops", ""));
  gate.allowed = 3;
  REQUIRE(setup.until([&] { return gate.passed == 3; }));
}

TEST_CASE("a cap is paused, drained and strictly ordered like any lane") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  CapSetup setup(store);
  core::LanePolicy policy;
  policy.strict = true;
  policy.concurrency = 2;
  setup.good(setup.client->set_lane_policy("default", policy));
  for (int i = 0; i < 30; ++i) {
    auto one = work_in();
    one.priority = i % 3;
    setup.good(setup.client->submit(one));
  }
  Count count;
  auto worker = setup.worker(worker_options(8), counting(setup.context, count, core::Millis(5)));
  REQUIRE(setup.until([&] { return count.ended >= 5; }));
  setup.good(setup.client->set_lane_state("default", core::LaneState::paused, "ops", ""));
  setup.let_pass(300ms);
  const auto then = count.ended;
  setup.let_pass(300ms);
  CHECK(count.ended == then);
  CHECK(setup.held() == 0);
  setup.good(setup.client->set_lane_state("default", core::LaneState::draining, "ops", ""));

  REQUIRE(setup.until([&] { return count.ended == 30; }));

  CHECK(count.most == 2);
}

TEST_CASE("what a stopping worker gives back unstarted leaves its places to others") {
  CapSetup setup;
  setup.cap(4);
  setup.submit(work_in(), 12);
  Turnstile gate;
  auto options = worker_options(8);
  auto first = setup.worker(options, gate.handlers(setup.context));
  REQUIRE(setup.until([&] { return gate.running == 4; }));
  (*first)->set_concurrency(1);
  auto second = setup.worker(options, gate.handlers(setup.context));
  gate.allowed = 12;

  REQUIRE(setup.until([&] { return gate.passed == 12; }));
  (*first)->stop();
  (*second)->stop();
  REQUIRE(setup.until([&] { return first->ended() && second->ended(); }));
  CHECK(setup.held() == 0);
}

TEST_CASE("a server brings the cap and its quota to partitions that missed them") {
  CapSetup setup;
  setup.cap(2);
  const auto& keys = setup.client->deployment()->keys();
  for (core::Partition p = 0; p < keys.partitions(); ++p) {  // As if the change had reached the root only.
    setup.cli(p, {"DEL", keys.tag(p) + ":lane:default/default", keys.tag(p) + ":u:default/lane:default"});
    setup.cli(p, {"HDEL", keys.tag(p), "lv"});
  }
  REQUIRE(setup.refusal(setup.client->quota("lane:default")) == "not_found/not_found");
  engine::TimersOptions timers;
  timers.server = "engine";
  auto engine = setup.engine(timers);
  REQUIRE(setup.until([&] {
    for (core::Partition p = 0; p < keys.partitions(); ++p) {
      if (setup.cli(p, {"HGET", keys.tag(p), "lv"}) != "1") return false;
    }
    return true;
  }));

  setup.submit(work_in(), 40);
  Count count;
  auto worker = setup.worker(worker_options(8), counting(setup.context, count, core::Millis(2)));
  REQUIRE(setup.until([&] { return count.ended == 40; }));

  CHECK(count.most == 2);
}

TEST_CASE("wrong caps, and quotas with the name of a cap, are refused by name") {
  CapSetup setup;
  for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{1'000'000'001}}) {
    core::LanePolicy policy;
    policy.concurrency = wrong;
    const auto refused = setup.run(setup.client->set_lane_policy("default", policy));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "bad_policy");
    CHECK_THAT(refused.error().message, ContainsSubstring("concurrency is " + std::to_string(wrong)));
  }
  auto required = work_in();
  required.requirements.quotas = {"lane:default"};
  core::Quota quota;
  const std::string name = "lane:default", word = "invalid_argument/bad_limit_name";
  CHECK(setup.refusal(setup.client->submit(required)) == word);
  CHECK(setup.refusal(setup.client->set_quota(name, quota)) == word);
  CHECK(setup.refusal(setup.client->pause_quota(name, core::Millis(1))) == word);
  CHECK(setup.refusal(setup.client->drop_limit(core::LimitKind::quota, name)) == word);
  setup.cap(5);
  CHECK(setup.good(setup.client->quota(name)).quota.concurrency == 5);
  CHECK(setup.good(setup.client->lanes()).at(0).concurrency == 5);
}
