// Frames from handlers to readers: order, back pressure, what is dropped, and tails over cut connections.

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "integration/worker_fixture.hpp"

using namespace ff;
using namespace ff::test;
namespace asio = boost::asio;
using sdk::FrameMode;

namespace {

constexpr int kMany = 3000;

core::Payload words(std::string text) { return core::Payload(std::move(text), "text/plain"); }

// Frames "0" … from a coroutine; the payload says how many.
asio::awaitable<sdk::HandlerResult> count_async(sdk::Task& task) {
  const int count = std::stoi(task.payload().bytes);
  for (int i = 0; i < count; ++i) {
    auto added = co_await task.stream().async_append(FrameMode::durable, "count", words(std::to_string(i)));
    if (!added) co_return sdk::Failure("internal", added.error().to_string());
  }
  co_return core::Payload("done");
}

sdk::HandlerResult count_plain(sdk::Task& task) {
  const int count = std::stoi(task.payload().bytes);
  for (int i = 0; i < count; ++i) {
    auto added = task.stream().append(FrameMode::durable, "count", words(std::to_string(i)));
    if (!added) return sdk::Failure("internal", added.error().to_string());
  }
  return core::Payload("done");
}

// Follows to the closing marker, which is left out; every piece of news counts.
struct Followed {
  std::vector<std::string> data;
  std::vector<sdk::FramePlace> places;
  std::string end;
  bool lost = false;
  std::uint64_t dropped = 0;
};

void take(Followed& all, sdk::TailNews news) {
  all.lost = all.lost || news.lost;
  all.dropped += news.dropped;
  for (sdk::Frame& frame : news.frames) {
    if (frame.mode == FrameMode::end) {
      all.end = frame.type + frame.data.bytes;
      continue;
    }
    all.data.push_back(std::move(frame.data.bytes));
    if (frame.mode != FrameMode::best_effort) all.places.push_back(frame.place);
  }
}

asio::awaitable<core::Result<Followed>> follow(sdk::Tail tail) {
  Followed all;
  while (true) {
    auto news = co_await tail.next(core::Deadline::in(20s));
    if (!news && news.error().code != core::Code::unavailable && news.error().code != core::Code::unknown_outcome) {
      co_return std::move(news).error();
    }
    if (!news) continue;
    const bool ended = news->ended;
    take(all, std::move(*news));
    if (ended) co_return all;
  }
}

std::vector<std::string> counted(int count) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) all.push_back(std::to_string(i));
  return all;
}

sdk::Submission job(const std::string& kind, int count) {
  return sdk::Submission(kind, core::Payload(std::to_string(count)));
}

// Cuts every connection of the store's clients, but that of the one that asks.
void cut_all(WorkerSetup& setup) {
  for (ValkeyServer* node : setup.primaries()) {
    node->command({"CLIENT", "KILL", "TYPE", "pubsub"});
    node->command({"CLIENT", "KILL", "TYPE", "normal"});
  }
}

}  // namespace

TEST_CASE("all frames of a handler are stored in order before its result") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  WorkerSetup setup(store);
  asio::thread_pool pool(2);
  auto options = worker_options();
  options.handler_executor = pool.get_executor();
  auto worker = setup.worker(options, [](sdk::Worker& w) {
    w.handle("plain", count_plain);
    w.handle_async("coroutine", count_async);
  });

  for (const auto* kind : {"plain", "coroutine"}) {
    const auto id = setup.submit(job(kind, kMany));
    const auto all = setup.good(follow(setup.client->tail(id, sdk::FramePlace())));
    CHECK(all.data == counted(kMany));
    CHECK(all.places.back() == sdk::FramePlace(0, kMany));
    CHECK(all.end == "completed");
    CHECK_FALSE(all.lost);
  }
  pool.join();
}

TEST_CASE("frames are read in pages from behind any place") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(), [](sdk::Worker& w) { w.handle_async("count", count_async); });
  const auto id = setup.submit(job("count", 25));
  setup.good(setup.client->wait(id, core::Deadline::in(20s)));

  std::vector<std::string> data;
  sdk::FramePage page;
  do {
    page = setup.good(setup.client->read_frames(id, page.next, 10));
    for (const auto& frame : page.frames) data.push_back(frame.mode == FrameMode::end ? frame.type : frame.data.bytes);
  } while (page.more);

  auto expected = counted(25);
  expected.push_back("completed");
  CHECK(data == expected);
  CHECK(page.next == sdk::FramePlace(0, 26));
  CHECK(setup.refusal(setup.client->read_frames(id, sdk::FramePlace(), 0)) == "invalid_argument/bad_limit");
  CHECK(setup.refusal(setup.client->in_namespace("other").read_frames(id, sdk::FramePlace())) == "not_found/not_found");
  CHECK(setup.refusal(setup.client->in_namespace("other").tail(id, sdk::FramePlace()).next(core::Deadline::in(5s))) ==
        "not_found/not_found");
}

TEST_CASE("tails under load outlive cut connections without loss or repeat") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(), [](sdk::Worker& w) { w.handle_async("count", count_async); });
  std::vector<core::ExecutionId> ids;
  std::vector<std::unique_ptr<Background<core::Result<Followed>>>> tails;
  for (int i = 0; i < 20; ++i) {
    ids.push_back(setup.submit(job("count", kMany)));
    tails.push_back(std::make_unique<Background<core::Result<Followed>>>(
        setup.context, follow(setup.client->tail(ids.back(), sdk::FramePlace()))));
  }
  for (int cut = 0; cut < 5; ++cut) {
    setup.let_pass(50ms);
    cut_all(setup);
  }

  for (auto& tail : tails) {
    REQUIRE(setup.until([&] { return tail->done(); }, 60s));
    auto all = tail->get();
    INFO(Setup::text(all));
    REQUIRE(all.has_value());
    CHECK(all->data == counted(kMany));
    CHECK_FALSE(all->lost);
    CHECK(all->end == "completed");
  }
}

TEST_CASE("a thousand tails need no connection of their own") {
  WorkerSetup setup;
  Gate gate(setup.context);
  auto worker = setup.worker(worker_options(1024), [&](sdk::Worker& w) { w.handle_async("wait", gate.handler()); });
  const auto ids = setup.submit_count("wait", 1000);
  REQUIRE(setup.until([&] { return gate.waiting() == 1000; }));
  const auto clients = [&] { return setup.primaries()[0]->info("connected_clients"); };
  const auto before = std::stoi(clients());
  std::vector<std::unique_ptr<Background<core::Result<Followed>>>> tails;
  for (const auto& id : ids) {
    tails.push_back(std::make_unique<Background<core::Result<Followed>>>(
        setup.context, follow(setup.client->tail(id, sdk::FramePlace()))));
  }
  setup.let_pass(300ms);

  CHECK(std::stoi(clients()) <= before + 1);  // The sharded channels' own.
  gate.open();
  for (auto& tail : tails) {
    REQUIRE(setup.until([&] { return tail->done(); }, 60s));
    CHECK(tail->get()->end == "completed");
  }
}

TEST_CASE("a quiet tail asks for nothing") {
  WorkerSetup setup;
  const auto id = setup.submit(job("count", 1));
  auto tail = setup.client->tail(id, sdk::FramePlace());
  CHECK(setup.good(tail.next(core::Deadline::in(200ms))).empty());
  const auto calls = setup.commands();
  CHECK(setup.good(tail.next(core::Deadline::in(500ms))).empty());
  CHECK(setup.commands() == calls);
}

namespace {

// Tells best-effort frames once somebody follows, until it is stopped by the gate.
asio::awaitable<sdk::HandlerResult> chatter(sdk::Task& task, Gate* gate) {
  co_await gate->pass();
  for (int i = 0; i < 100; ++i) {
    auto told = co_await task.stream().async_append(FrameMode::best_effort, "token", words(std::to_string(i)));
    if (!told) co_return sdk::Failure("internal", told.error().to_string());
  }
  task.progress(50, "half");
  co_return core::Payload(std::to_string(task.stream().dropped()));
}

}  // namespace

TEST_CASE("best-effort frames and progress reach those who follow, and are not stored") {
  WorkerSetup setup;
  Gate gate(setup.context);
  auto worker = setup.worker(worker_options(), [&](sdk::Worker& w) {
    w.handle_async("chatter", [&gate](sdk::Task& task) { return chatter(task, &gate); });
  });
  const auto id = setup.submit_kind("chatter");
  auto tail = setup.client->tail(id, sdk::FramePlace());
  CHECK(setup.good(tail.next(core::Deadline::in(300ms))).empty());
  gate.open();

  const auto all = setup.good(follow(tail));

  CHECK(all.data == counted(100));
  CHECK(all.places.empty());
  CHECK(setup.good(setup.client->read_frames(id, sdk::FramePlace())).frames.size() == 1);  // The closing marker.
  auto over = setup.client->tail(id, sdk::FramePlace(0, 1));
  CHECK(setup.good(over.next(core::Deadline::in(5s))).ended);
}

namespace {

sdk::HandlerResult bad_patch(sdk::Task& task) {
  auto added = task.stream().append(FrameMode::summary, "", core::Payload("{broken"));
  return core::Payload(added ? "added" : added.error().reason);
}

asio::awaitable<sdk::HandlerResult> bad_patch_told(sdk::Task& task) {
  auto added = task.stream().append(FrameMode::summary, "", core::Payload("{broken"));
  if (!added) co_return sdk::Failure("internal", "refused at once");
  auto flushed = co_await task.stream().async_flush();
  co_return core::Payload(flushed ? "stored" : flushed.error().reason);
}

}  // namespace

TEST_CASE("frames that could not be stored fail the attempt, unless the handler was told") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(), [](sdk::Worker& w) {
    w.handle("silent", bad_patch);
    w.handle_async("told", bad_patch_told);
  });
  core::Policy once;
  once.retry.max_attempts = 1;
  const auto silent = setup.submit_kind("silent", once), told = setup.submit_kind("told", once);

  const auto end = setup.good(setup.client->wait(silent, core::Deadline::in(20s)));
  CHECK(end.state == core::State::failed);
  CHECK(end.failure_class == "unavailable");
  CHECK(end.text.find("bad_patch") != std::string::npos);
  CHECK(setup.good(setup.client->wait(told, core::Deadline::in(20s))).result.bytes == "bad_patch");
}

namespace {

sdk::HandlerResult too_much(sdk::Task& task) {
  std::string answers;
  const auto add = [&](FrameMode mode, std::string type, std::string data) {
    auto added = task.stream().append(mode, std::move(type), core::Payload(std::move(data)));
    answers += added ? "ok " : added.error().reason + " ";
  };
  add(FrameMode::durable, "", std::string(65'537, 'x'));
  add(FrameMode::durable, std::string(65, 't'), "x");
  add(FrameMode::end, "", "x");
  for (int i = 0; i < 16; ++i) add(FrameMode::durable, "", std::string(65'536, 'x'));
  add(FrameMode::durable, "", "x");  // Not blocked: this is the connection's executor.
  answers += task.stream().flush() ? "flushed" : "not yet";
  return core::Payload(answers);
}

}  // namespace

TEST_CASE("the buffer is bounded, and never blocks the connection's executor") {
  WorkerSetup setup;
  auto worker = setup.worker(worker_options(), [](sdk::Worker& w) { w.handle("much", too_much); });
  const auto id = setup.submit_kind("much");
  std::string expected = "frame_too_large bad_frame bad_frame ";
  for (int i = 0; i < 16; ++i) expected += "ok ";
  CHECK(setup.good(setup.client->wait(id, core::Deadline::in(20s))).result.bytes == expected + "buffer_full not yet");
}

TEST_CASE("a lean execution that ended has a closing marker for those who followed") {
  WorkerSetup setup;
  Gate gate(setup.context);
  auto worker = setup.worker(worker_options(), [&](sdk::Worker& w) { w.handle_async("wait", gate.handler()); });
  core::Policy lean;
  lean.mode = core::Mode::lean;
  const auto id = setup.submit_kind("wait", lean);
  auto tail = setup.client->tail(id, sdk::FramePlace());
  CHECK(setup.good(tail.next(core::Deadline::in(300ms))).empty());
  gate.open();
  CHECK(setup.good(follow(tail)).end == "completed");
  CHECK(setup.good(tail.next(core::Deadline::in(1s))).ended);
}
