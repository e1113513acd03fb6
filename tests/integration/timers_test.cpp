// engine::Timers: what is due happens in time, servers share the partitions, and one that dies is replaced.

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdio>

#include "integration/worker_fixture.hpp"
#include "support/seed.hpp"

using namespace ff;
using namespace ff::test;
using std::chrono::steady_clock;

namespace {

engine::TimersOptions named(const std::string& name, core::Millis membership = core::Millis(3000)) {
  engine::TimersOptions options;
  options.server = name;
  options.membership = membership;
  return options;
}

// A connection some of whose slots lead to a shard that is away: calls there end at their deadline.
class HalfAway final : public script::Connection {
 public:
  explicit HalfAway(std::shared_ptr<script::Connection> way) : way_(std::move(way)) {}
  std::function<bool(script::Slot)> away = [](script::Slot) { return false; };

  boost::asio::awaitable<core::Result<script::Reply>> send(script::Slot slot, script::Command command,
                                                           core::Deadline deadline) override {
    if (!away(slot)) co_return co_await way_->send(slot, std::move(command), deadline);
    boost::asio::steady_timer timer(executor(), deadline.at);
    co_await timer.async_wait(boost::asio::use_awaitable);
    co_return core::Error(core::Code::unavailable, "connect", "the shard is away");
  }
  boost::asio::awaitable<core::Result<std::vector<script::Reply>>> send_to_primaries(script::Command command,
                                                                                     core::Deadline deadline) override {
    return way_->send_to_primaries(std::move(command), deadline);
  }
  std::unique_ptr<Subscription> subscribe(script::Slot slot, std::string channel, OnMessage on_message,
                                          OnGap on_gap) override {
    if (away(slot)) return std::make_unique<Subscription>();
    return way_->subscribe(slot, std::move(channel), std::move(on_message), std::move(on_gap));
  }
  const script::ConnectionStats& stats() const noexcept override { return way_->stats(); }
  boost::asio::any_io_executor executor() const override { return way_->executor(); }
  void close() override { way_->close(); }

 private:
  std::shared_ptr<script::Connection> way_;
};

core::ExecutionId submit_delayed(WorkerSetup& setup, core::Millis delay) {
  sdk::Submission job("work");
  job.delay = delay;
  return setup.submit(job);
}

}  // namespace

TEST_CASE("delayed executions start right after their time, never before it") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store, 64);
  auto engine = setup.engine(named("only"));
  auto worker = setup.worker(worker_options(32), does_work());
  REQUIRE(setup.until([&] { return (*engine)->stats().runs >= 64 && (*worker)->stats().claims >= 64; }));
  Rng rng(seed());
  std::map<std::string, std::int64_t> delays;
  std::vector<core::ExecutionId> ids;

  for (int i = 0; i < 200; ++i) {
    const auto delay = rng.between(300, 1300);
    ids.push_back(submit_delayed(setup, core::Millis(delay)));
    delays[ids.back().str()] = delay;
  }
  REQUIRE(setup.until([&] { return (*worker)->stats().completed == ids.size(); }));

  std::vector<std::int64_t> late_ms;
  for (const auto& id : ids) {
    const auto now = setup.look(id);
    late_ms.push_back(now.began_at - now.created_at - delays[id.str()]);
    REQUIRE(late_ms.back() >= 0);
  }
  std::printf("delayed start, late by: p50 %ld ms, p99 %ld ms, max %ld ms; timer lag at most %ld ms\n",
              percentile(late_ms, 0.5), percentile(late_ms, 0.99), percentile(late_ms, 1.0),
              static_cast<long>((*engine)->stats().lag_max.count()));
  CHECK(percentile(late_ms, 0.5) < 20);
  CHECK(percentile(late_ms, 0.99) < 400);  // Far below the second after which somebody would look by himself.
}

TEST_CASE("two engines share the partitions, and the other takes over when one dies or leaves") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store, 64);
  auto first = setup.engine(named("first", core::Millis(600)));
  auto second = setup.engine(named("second", core::Millis(600)));
  const auto shared = [&] {
    return (*first)->stats().servers.size() == 2 && (*second)->stats().servers.size() == 2;
  };
  REQUIRE(setup.until(shared));

  CHECK((*first)->stats().partitions + (*second)->stats().partitions == 64);
  CHECK((*first)->stats().partitions >= 16);
  CHECK((*second)->stats().partitions >= 16);

  auto worker = setup.worker(worker_options(64), does_work());
  for (int i = 0; i < 64; ++i) submit_delayed(setup, core::Millis(400));
  first->vanish();
  const auto died_at = steady_clock::now();
  REQUIRE(setup.until([&] { return (*second)->stats().partitions == 64; }));
  CHECK(steady_clock::now() - died_at < 3s);
  REQUIRE(setup.until([&] { return (*worker)->stats().completed == 64; }));

  auto third = setup.engine(named("third", core::Millis(600)));
  REQUIRE(setup.until([&] { return (*second)->stats().servers.size() == 2 && (*third)->stats().servers.size() == 2; }));
  (*third)->stop();
  REQUIRE(setup.until([&] { return third->ended(); }));
  REQUIRE(setup.until([&] { return (*second)->stats().partitions == 64; }));
}

TEST_CASE("a finished execution is deleted with everything of it when its retention is over") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store, 2);
  auto engine = setup.engine(named("only"));
  core::Policy policy;
  policy.retention = core::Millis(300);
  policy.retry.max_attempts = 2;
  policy.retry.delay = core::Millis(1);
  sdk::Submission job("work", core::Payload("payload"));
  job.policy = policy;
  job.tags["some"] = "tag";
  auto worker = setup.worker(worker_options(), [](sdk::Worker& w) {
    w.handle("work", [](sdk::Task& task) -> sdk::HandlerResult {
      task.progress(50, "half");
      if (task.attempt() == 1) return sdk::Failure("mine", "so that there is a history");
      return core::Payload("result");
    });
  });

  const auto id = setup.submit(job);
  REQUIRE(setup.good(setup.client->wait(id, core::Deadline::in(5s))).state == core::State::completed);
  REQUIRE(setup.until([&] { return setup.refusal(setup.client->describe(id)) == "not_found/not_found"; }, 5s));

  const auto& keys = setup.client->deployment()->keys();
  const auto pattern = keys.tag(id.partition()) + ":e:*";
  CHECK(setup.cli(id.partition(), {"KEYS", pattern}).empty());
}

TEST_CASE("retention keeps up with what finishes, in bounded calls") {
  WorkerSetup setup(Store::standalone, 4);
  auto options = named("only");
  options.items_per_call = 16;
  auto engine = setup.engine(options);
  auto worker = setup.worker(worker_options(64), does_work());
  core::Policy policy;
  policy.retention = core::Millis(200);

  const auto ids = setup.submit_count("work", 2000, policy);

  REQUIRE(setup.until([&] { return (*worker)->stats().completed == ids.size(); }));
  REQUIRE(setup.until([&] { return setup.in_state(core::State::completed) == 0; }));
  // Claims do due work too, as long as there are any.
  CHECK((*engine)->stats().items.at("retention_trimmer") > 0);
  CHECK((*engine)->stats().runs >= (*engine)->stats().items.at("retention_trimmer") / 16);
}

TEST_CASE("an engine outlives a Valkey that is away, and does then what was due meanwhile") {
  WorkerSetup setup(Store::standalone, 4);
  auto engine = setup.engine(named("only"));
  auto worker = setup.worker(worker_options(), does_work());
  for (int i = 0; i < 20; ++i) submit_delayed(setup, core::Millis(300));

  the_server().freeze();
  setup.let_pass(600ms);
  the_server().thaw();

  REQUIRE(setup.until([&] { return (*worker)->stats().completed == 20; }, 10s));
}

TEST_CASE("partitions of a shard that is away do not hold up the timers of the others") {
  WorkerSetup setup(Store::standalone, 64);
  auto way = std::make_shared<HalfAway>(
      script::make_connection(setup.context.get_executor(), connect_to(setup.options.store)));
  script::DeploymentOptions where;
  where.prefix = setup.options.prefix;
  auto deployment = setup.good(script::Deployment::open(way, where, core::Deadline::in(10s)));
  const script::Slot root = deployment->keys().root_slot(), first_present = deployment->keys().slot(56);
  way->away = [root, first_present](script::Slot slot) { return slot < first_present && slot != root; };
  auto options = named("only");
  options.call_timeout = core::Millis(500);
  RunningEngine engine(setup.context, deployment, options);
  engine.start();
  REQUIRE(setup.until([&] { return engine->stats().failures >= options.calls_at_once; }));
  sdk::Submission job("work");
  job.delay = core::Millis(100);
  job.id = core::ExecutionId(63, core::Ulid::make());

  CHECK(setup.until_state(setup.submit(job), core::State::ready));
}
