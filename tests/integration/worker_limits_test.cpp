// Workers under quotas and budgets: limits hold exactly, are used to the full, and cost others nothing.

#include <boost/asio/thread_pool.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <mutex>

#include "ff/scheduler/allowances.hpp"
#include "integration/worker_count.hpp"

using namespace ff;
using namespace ff::test;

namespace {

core::Quota slots(std::int64_t count) {
  core::Quota quota;
  quota.concurrency = count;
  return quota;
}

core::Budget tokens(std::int64_t soft, std::int64_t hard) {
  core::Budget budget;
  auto& limit = budget.dimensions["tokens"];
  limit.soft = soft;
  limit.hard = hard;
  return budget;
}

struct LimitSetup : WorkerSetup {
  using WorkerSetup::WorkerSetup;

  void set_quota(const std::string& name, const core::Quota& quota) { good(client->set_quota(name, quota)); }
  void set_budget(const std::string& name, const core::Budget& budget) { good(client->set_budget(name, budget)); }
  sdk::QuotaDescription quota(const std::string& name) { return good(client->quota(name)); }
  sdk::BudgetDescription budget(const std::string& name) { return good(client->budget(name)); }
  // A worker that counts what it runs, each for `time`.
  std::unique_ptr<RunningWorker> counting(Count& count, std::size_t places, core::Millis time = core::Millis(1)) {
    return worker(worker_options(places), [&](sdk::Worker& w) {
      w.handle_async("work", ff::test::counted(context, count, time));
    });
  }
  std::vector<core::ExecutionId> submit_under(const core::Requirements& requirements, std::size_t count,
                                              const core::Policy& policy = core::Policy()) {
    std::vector<sdk::Submission> all;
    for (std::size_t i = 0; i < count; ++i) {
      auto& one = all.emplace_back("work");
      one.requirements = requirements;
      one.policy = policy;
    }
    std::vector<core::ExecutionId> ids;
    for (auto& answer : good(client->submit_many(std::move(all)))) {
      REQUIRE(answer);
      ids.push_back(answer->id);
    }
    return ids;
  }
};

core::Requirements under(std::set<std::string> quotas) {
  core::Requirements requirements;
  requirements.quotas = std::move(quotas);
  return requirements;
}

}  // namespace

TEST_CASE("workers never run more at once than a quota allows, and as many as that") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  LimitSetup setup(store);
  setup.set_quota("tenant:a", slots(5));
  setup.submit_under(under({"tenant:a"}), 100);
  Count count;
  Gate gate(setup.context);
  std::vector<std::unique_ptr<RunningWorker>> workers;
  for (int i = 0; i < 3; ++i) {
    workers.push_back(setup.worker(worker_options(4, core::Millis(15'000)), [&](sdk::Worker& w) {
      w.handle_async("work", [&](sdk::Task&) { return run_counted_then_wait(setup.context, count, 40, gate); });
    }));
  }

  // Those behind the first 40 stay. No worker has kept a slot that it has no place for: that would last two renewals.
  REQUIRE(setup.until([&] { return count.running == 5; }, 8s));
  gate.open();
  REQUIRE(setup.until([&] { return count.ended == 100; }));

  CHECK(count.most == 5);
  for (auto& worker : workers) (*worker)->stop();
  REQUIRE(setup.until([&] { return workers[0]->ended() && workers[1]->ended() && workers[2]->ended(); }));
  CHECK(setup.quota("tenant:a").held == 0);
}

TEST_CASE("a worker holds no more of a quota than it has places for, also while results are on their way") {
  const bool roomy = GENERATE(false, true);  // Of a roomy one it may hold its places' worth for what comes next.
  LimitSetup setup;
  setup.set_quota("q", slots(roomy ? 100 : 7));
  setup.submit_under(under({"q"}), 400);
  Count count;
  auto worker = setup.counting(count, 4, core::Millis(0));
  std::int64_t most = 0;
  for (bool all = false; !all; most = std::max(most, setup.quota("q").held)) all = count.ended == 400;

  CHECK(most >= 4);
  CHECK(most <= (roomy ? 12 : 4));
}

TEST_CASE("what is under no limit, or another one, does not wait for a full quota") {
  LimitSetup setup;
  setup.set_quota("full", slots(0));
  setup.set_quota("free", slots(2));
  setup.submit_under(under({"full"}), 20);
  setup.submit_under(under({"free"}), 20);
  setup.submit_count("work", 20);
  Count count;
  auto worker = setup.counting(count, 4);

  REQUIRE(setup.until([&] { return count.ended == 40; }));
  setup.let_pass(300ms);

  CHECK(count.ended == 40);
  CHECK(setup.quota("full").waiting == 1);
  setup.set_quota("full", slots(3));
  REQUIRE(setup.until([&] { return count.ended == 60; }, 3s));  // Told, not found by looking.
}

TEST_CASE("a limit whose record cannot be read stops only what is under it, until it is mended") {
  const bool unreadable = GENERATE(false, true);  // Or a number in it is none.
  LimitSetup setup;
  const auto broken = setup.client->deployment()->keys().limit("default", {core::LimitKind::quota, "broken"});
  setup.set_quota("broken", slots(2));
  if (unreadable) the_server().command({"SET", broken, "no hash"});
  else the_server().command({"HSET", broken, "h.slots", "no number"});
  setup.submit_under(under({"broken"}), 10);
  for (int i = 0; i < 8; ++i) {  // On the same homes and others, known before and after it.
    setup.set_quota("sound" + std::to_string(i), slots(2));
    setup.submit_under(under({"sound" + std::to_string(i)}), 10);
  }
  Count count;
  auto worker = setup.counting(count, 4);

  REQUIRE(setup.until([&] { return count.ended == 80; }));
  setup.let_pass(300ms);
  CHECK(count.ended == 80);
  the_server().command({"DEL", broken});
  setup.set_quota("broken", slots(2));

  REQUIRE(setup.until([&] { return count.ended == 90; }));
}

TEST_CASE("thousands that wait for a full quota are put aside: what came behind them does not wait") {
  LimitSetup setup;
  setup.set_quota("full", slots(0));
  setup.set_quota("free", slots(2));
  for (int i = 0; i < 20; ++i) setup.submit_under(under({"full"}), 200);
  setup.submit_under(under({"free"}), 20);
  Count count;
  auto worker = setup.counting(count, 4);

  REQUIRE(setup.until([&] { return count.ended == 20; }, 20s));  // Not the minute until an idle worker looks again.
  setup.set_quota("full", slots(50));
  REQUIRE(setup.until([&] { return count.ended >= 520; }));
}

TEST_CASE("a hundred full quotas are put aside as well, and hide nothing from a worker that knows none of them") {
  LimitSetup setup;
  setup.set_quota("free", slots(2));
  for (int i = 0; i < 100; ++i) {
    setup.set_quota("full" + std::to_string(i), slots(0));
    setup.submit_under(under({"full" + std::to_string(i)}), 80);
  }
  setup.submit_under(under({"free"}), 20);
  Count count;

  auto first = setup.counting(count, 4);
  REQUIRE(setup.until([&] { return count.ended == 20; }));
  setup.set_quota("free", slots(0));
  setup.submit_under(under({"free"}), 20);
  REQUIRE(setup.until([&] { return setup.quota("free").waiting == 1; }));
  setup.let_pass(300ms);  // Put aside, too.
  (*first)->stop();
  REQUIRE(setup.until([&] { return first->ended(); }));
  setup.set_quota("free", slots(2));
  auto second = setup.counting(count, 4);

  REQUIRE(setup.until([&] { return count.ended == 40; }));
}

TEST_CASE("an execution under several quotas runs when each has room") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  LimitSetup setup(store);
  setup.set_quota("all", slots(4));
  for (int i = 0; i < 3; ++i) setup.set_quota("key" + std::to_string(i), slots(2));
  for (int i = 0; i < 3; ++i) setup.submit_under(under({"all", "key" + std::to_string(i)}), 20);
  Count total;
  std::vector<std::unique_ptr<RunningWorker>> workers;
  for (int i = 0; i < 2; ++i) {
    workers.push_back(setup.counting(total, 8, core::Millis(5)));
  }

  REQUIRE(setup.until([&] { return total.ended == 60; }));

  CHECK(total.most <= 4);
  CHECK(total.most >= 3);
}

TEST_CASE("a rate starts no more than it allows, by Valkey's own record of when each began") {
  LimitSetup setup;
  core::Quota quota;
  quota.rate = 50;
  quota.burst = 5;
  setup.set_quota("api", quota);
  const auto ids = setup.submit_under(under({"api"}), 60);
  Count count;
  auto worker = setup.counting(count, 16);
  REQUIRE(setup.until([&] { return count.ended == 60; }));

  std::vector<std::int64_t> began;
  for (const auto& id : ids) began.push_back(setup.look(id).began_at);
  std::sort(began.begin(), began.end());
  // A start is used within kIdle of its grant, or goes back.
  const auto slack = 50 * scheduler::Allowances::kIdle.count() / 1000;
  for (std::size_t i = 0; i < began.size(); ++i) {
    for (std::size_t j = i; j < began.size(); ++j) {
      CHECK(static_cast<std::int64_t>(j - i + 1) <= 5 + 1 + slack + (began[j] - began[i]) * 50 / 1000);
    }
  }
}

TEST_CASE("nothing starts while a quota is paused, and everything does when the pause is over") {
  LimitSetup setup;
  setup.set_quota("api", slots(4));
  setup.good(setup.client->pause_quota("api", core::Millis(700)));
  setup.submit_under(under({"api"}), 20);
  Count count;
  auto worker = setup.counting(count, 4);
  setup.let_pass(400ms);
  CHECK(count.ended == 0);

  REQUIRE(setup.until([&] { return count.ended == 20; }, 5s));
}

TEST_CASE("what a worker that vanished had held comes back, and others use it to the full") {
  LimitSetup setup;
  engine::TimersOptions timers;
  timers.server = "engine";
  auto engine = setup.engine(timers);
  setup.set_quota("q", slots(3));
  Gate gate(setup.context);
  setup.submit_under(under({"q"}), 3);
  auto dead = setup.worker(worker_options(3, core::Millis(1000)), [&](sdk::Worker& w) {
    w.handle_async("work", gate.handler());
  });
  REQUIRE(setup.until([&] { return gate.waiting() == 3; }));
  dead->vanish();
  Count count;
  auto heir = setup.worker(worker_options(8, core::Millis(1000)), [&](sdk::Worker& w) {
    w.handle_async("work", counted(setup.context, count, core::Millis(20)));
  });
  setup.submit_under(under({"q"}), 30);

  REQUIRE(setup.until([&] { return count.ended == 33; }, 10s));

  CHECK(count.most == 3);
  gate.open();
}

TEST_CASE("a hundred workers race for a quota while some die: never above it, and full again within a reservation") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  constexpr std::size_t kSlots = 20;
  LimitSetup setup(store);
  engine::TimersOptions timers;
  timers.server = "engine";
  auto engine = setup.engine(timers);
  setup.set_quota("q", slots(static_cast<std::int64_t>(kSlots)));
  setup.submit_under(under({"q"}), 2000);
  Count count;
  std::vector<std::unique_ptr<RunningWorker>> workers;
  for (int i = 0; i < 100; ++i) {
    workers.push_back(setup.worker(worker_options(2, core::Millis(1500)), [&](sdk::Worker& w) {
      w.handle_async("work", until_stopped(setup.context, count, core::Millis(150)));
    }));
  }
  REQUIRE(setup.until([&] { return count.running == kSlots; }));

  for (std::size_t i = 0; i < workers.size(); i += 8) workers[i]->vanish();
  setup.let_pass(3200ms);  // Twice a lease, and a little.
  const auto ended = count.ended;
  REQUIRE(setup.until([&] { return count.running == kSlots && count.ended > ended; }));

  REQUIRE(setup.until([&] { return setup.in_state(core::State::completed) >= 1000; }, 60s));
  CHECK(count.most == kSlots);
}

TEST_CASE("a budget is reserved from, reported to, and never exceeded") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  LimitSetup setup(store);
  setup.set_budget("parent", tokens(400, 500));
  auto child = tokens(800, 1000);
  child.parent = "parent";
  setup.set_budget("tokens", child);
  core::Requirements requirements;
  requirements.budget = "tokens";
  requirements.estimate = {{"tokens", 10}};
  setup.submit_under(requirements, 60);
  std::size_t ran = 0, soft = 0;
  boost::asio::thread_pool threads(2);
  auto wanted = worker_options(8);
  wanted.handler_executor = threads.get_executor();
  std::mutex mutex;
  auto worker = setup.worker(wanted, [&](sdk::Worker& w) {
    w.handle("work", [&](sdk::Task& task) -> sdk::HandlerResult {
      const auto first = task.report_usage_and_wait("call-1", {{"tokens", 7}});
      const auto again = task.report_usage_and_wait("call-1", {{"tokens", 7}});
      const auto second = task.report_usage_and_wait("call-2", {{"tokens", 3}});
      std::lock_guard lock(mutex);
      ++ran;
      if (!first || !again || !second || again->verdict != first->verdict) return sdk::Failure("internal", "report");
      soft += second->verdict == sdk::Usage::Verdict::soft ? 1 : 0;
      return core::Payload("done");
    });
  });

  REQUIRE(setup.until([&] { return setup.in_state(core::State::completed) == 50; }));
  setup.let_pass(500ms);

  CHECK(ran == 50);
  CHECK(soft == 11);
  CHECK(setup.in_state(core::State::ready) == 10);
  for (const char* name : {"tokens", "parent"}) {
    CHECK(setup.budget(name).use.at("tokens").used == 500);
    CHECK(setup.budget(name).use.at("tokens").reserved == 0);
    CHECK(setup.budget(name).use.at("tokens").over == 0);
  }
  setup.set_budget("parent", tokens(400, 600));
  REQUIRE(setup.until([&] { return setup.in_state(core::State::completed) == 60; }, 5s));
  CHECK(setup.budget("tokens").use.at("tokens").used == 600);
}

TEST_CASE("an attempt that meets the hard limit ends as the budget's policy says") {
  LimitSetup setup;
  auto failing = tokens(50, 100), suspending = tokens(50, 100);
  suspending.on_breach = core::OnBreach::suspend;
  suspending.reset = core::ResetEvery::day;
  setup.set_budget("failing", failing);
  setup.set_budget("suspending", suspending);
  core::Policy once;
  once.retry.max_attempts = 1;
  std::vector<core::ExecutionId> ids;
  for (const char* name : {"failing", "suspending"}) {
    core::Requirements requirements;
    requirements.budget = name;
    requirements.estimate = {{"tokens", 10}};
    ids.push_back(setup.submit_under(requirements, 1, once).at(0));
  }
  std::vector<bool> told;
  boost::asio::thread_pool threads(1);
  auto wanted = worker_options(2);
  wanted.handler_executor = threads.get_executor();
  auto worker = setup.worker(wanted, [&](sdk::Worker& w) {
    w.handle("work", [&](sdk::Task& task) -> sdk::HandlerResult {
      auto usage = task.report_usage_and_wait("all", {{"tokens", 150}});
      if (!usage || usage->verdict != sdk::Usage::Verdict::hard) return core::Payload("not told");
      told.push_back(task.stop_token().stop_requested());
      return sdk::Failure("internal", "stopped");
    });
  });

  REQUIRE(setup.until_state(ids[0], core::State::failed));
  REQUIRE(setup.until_state(ids[1], core::State::delayed));

  CHECK(told == std::vector<bool>{true, true});
  CHECK(setup.look(ids[0]).failure_class == "budget_exceeded");
  CHECK(setup.look(ids[1]).timer_at >= setup.budget("suspending").resets_at - 1000);
  CHECK(setup.budget("failing").use.at("tokens").used == 100);
  CHECK(setup.budget("failing").use.at("tokens").over == 50);
  CHECK(setup.budget("failing").use.at("tokens").reserved == 0);
}

TEST_CASE("a drain under one quota makes few calls beside its claims") {
  LimitSetup setup;
  setup.set_quota("q", slots(100));
  setup.submit_under(under({"q"}), 2000);
  Count count;
  auto worker = setup.counting(count, 16, core::Millis(0));

  REQUIRE(setup.until([&] { return count.ended == 2000; }));

  CHECK((*worker)->stats().reservations < 40);
  CHECK((*worker)->stats().lost == 0);
}

TEST_CASE("a waiting fleet is silent") {
  LimitSetup setup;
  engine::TimersOptions timers;
  timers.server = "engine";
  auto engine = setup.engine(timers);
  setup.set_quota("none", slots(0));
  setup.submit_under(under({"none"}), 50);
  Count count;
  auto worker = setup.worker(worker_options(4, core::Millis(15'000)), [&](sdk::Worker& w) {
    w.handle_async("work", counted(setup.context, count, core::Millis(0)));
  });
  setup.let_pass(1500ms);
  const auto before = setup.calls();

  setup.let_pass(3s);

  CHECK(setup.calls() - before < 10);
}
