// The support for tests, without a server: processes, seeds, folders, run().
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "ff/core/result.hpp"
#include "support/process.hpp"
#include "support/resp_frames.hpp"
#include "support/run.hpp"
#include "support/seed.hpp"
#include "support/temp_dir.hpp"
#include "support/wait.hpp"

namespace asio = boost::asio;
using namespace ff::test;
using namespace std::chrono_literals;

TEST_CASE("a process hands over its output and its exit code") {
  Process shell({"sh", "-c", "echo out; echo err >&2; exit 3"});

  auto status = shell.wait(10s);

  REQUIRE(status.has_value());
  CHECK(status->code == 3);
  CHECK(shell.output() == "out\nerr\n");
}

TEST_CASE("a process gets the environment and the folder it was given") {
  ProcessOptions options;
  options.environment.emplace_back("FF_GREETING", "good day");
  options.working_directory = "/";
  Process shell({"sh", "-c", "echo $FF_GREETING; pwd"}, options);

  REQUIRE(shell.wait(10s).has_value());
  CHECK(shell.output() == "good day\n/\n");
}

TEST_CASE("a program that does not exist is an exception, not a child that exits") {
  CHECK_THROWS_AS(Process({"/no/such/program"}), std::runtime_error);
}

TEST_CASE("a killed process reports its signal") {
  Process sleeper({"sleep", "100"});

  CHECK_FALSE(sleeper.wait(0ms).has_value());
  sleeper.kill9();

  CHECK(sleeper.wait(0ms)->signal == SIGKILL);
}

TEST_CASE("a process that ignores SIGTERM is killed after the grace") {
  Process stubborn({"sh", "-c", "trap '' TERM; echo armed; while :; do sleep 100; done"});
  REQUIRE(stubborn.wait_for_output("armed", 10s));

  CHECK(stubborn.end(20ms).signal == SIGKILL);
}

TEST_CASE("a child outlives the thread that started it and dies with its object") {
  std::unique_ptr<Process> child;
  std::thread starter([&child] { child = std::make_unique<Process>(std::vector<std::string>{"sleep", "100"}); });
  starter.join();
  CHECK_FALSE(child->wait(50ms).has_value());
  auto pid = child->pid();

  child.reset();

  CHECK(::kill(pid, 0) == -1);
  CHECK(errno == ESRCH);
}

TEST_CASE("a temp folder disappears with its content") {
  std::filesystem::path path;
  {
    TempDir folder;
    path = folder.path();
    run_program({"touch", folder.file("content")});
    CHECK(std::filesystem::exists(path / "content"));
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("one seed gives one sequence, and a fork of it another") {
  Rng one(42), other(42);
  CHECK(one() == other());
  CHECK(one.fork()() == other.fork()());
  CHECK(one() == other());
  Rng bounded(seed());
  for (int i = 0; i < 1000; ++i) {
    CHECK(bounded.below(7) < 7);
    auto value = bounded.between(-3, 3);
    CHECK((value >= -3 && value <= 3));
    auto unit = bounded.unit();
    CHECK((unit >= 0 && unit < 1));
  }
}

namespace {

asio::awaitable<ff::core::Result<int>> three() { co_return 3; }

asio::awaitable<int> thrower() {
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  throw std::logic_error("thrown on purpose");
}

asio::awaitable<void> sleeper(bool& unwound) {
  struct Mark {
    bool& flag;
    explicit Mark(bool& f) : flag(f) {}
    ~Mark() { flag = true; }
  } mark(unwound);
  asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

TEST_CASE("run returns the value, also of a type that has no default") { CHECK(*run(three()) == 3); }

TEST_CASE("run passes an exception on") {
  asio::io_context context(1);
  CHECK_THROWS_AS(run(context, thrower()), std::logic_error);
  CHECK(*run(context, three()) == 3);
}

TEST_CASE("run gives up after its limit, and the coroutine is unwound") {
  bool unwound = false;
  CHECK_THROWS_AS(run(sleeper(unwound), 20ms, "a sleep on purpose"), TimedOut);
  CHECK(unwound);
}

TEST_CASE("RESP values are found however the bytes are cut") {
  std::string stream =
      "+OK\r\n:12\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n*0\r\n*2\r\n*2\r\n$1\r\nx\r\n$0\r\n\r\n-ERR no\r\n%1\r\n+a\r\n:1\r\n";
  std::vector<std::string> expected = {"+OK\r\n", ":12\r\n", "$3\r\na\r\n\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n",
                                       "*2\r\n*2\r\n$1\r\nx\r\n$0\r\n\r\n-ERR no\r\n", "%1\r\n+a\r\n:1\r\n"};
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    RespFrames frames;
    std::vector<std::string> found;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      for (auto& value : frames.feed(std::string_view(stream).substr(at, step))) found.push_back(std::move(value));
    }
    CHECK(found == expected);
    CHECK_FALSE(frames.opaque());
  }
}

TEST_CASE("bytes that are not RESP are handed through") {
  RespFrames frames;
  auto values = frames.feed("\x16\x03\x01 hello");
  CHECK(frames.opaque());
  CHECK(values == std::vector<std::string>{"\x16\x03\x01 hello"});
}
