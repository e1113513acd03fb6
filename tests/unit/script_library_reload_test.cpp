// Calls that find the library gone, on a Valkey that is played: what they wait for, and how they end.
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch_test_macros.hpp>
#include <stdexcept>

#include "ff/script/deployment.hpp"
#include "library_plan.hpp"
#include "library_source.hpp"
#include "script_replies.hpp"
#include "support/run.hpp"

using namespace ff;
using namespace ff::test;
using namespace std::chrono_literals;
using boost::asio::awaitable;
using core::Code;
using core::Deadline;
using core::Result;
using script::Reply;

namespace {

Reply failed(std::string text) { return text_reply(Reply::Kind::error, std::move(text)); }

Reply own_library_list() {
  std::vector<Reply> functions;
  for (const auto& verb : script::verbs()) {
    std::vector<Reply> flags;
    if (verb.read_only) flags.push_back(bulk("no-writes"));
    functions.push_back(list({bulk("name"), bulk(std::string(verb.function)), bulk("description"),
                              bulk(std::string(verb.signature)), bulk("flags"), list(std::move(flags))}));
  }
  return list({list({bulk("library_code"), bulk(std::string(script::kLibrarySource)), bulk("functions"),
                     list(std::move(functions))})});
}

// A Valkey with or without the library, and the ways in which a load of it can go wrong.
class Played final : public script::Connection {
 public:
  explicit Played(boost::asio::any_io_executor executor) : executor_(executor), gate_(executor) { open_gate(); }

  std::vector<std::string> versions = {"8.0.1"};  // Of each primary.
  bool has_library = true;
  bool load_sticks = true;    // false: loaded, and gone again.
  bool list_throws = false;
  std::string load_error;     // Not empty: what FUNCTION LOAD answers.
  Code list_fails = Code::internal;  // Not internal: how FUNCTION LIST ends.
  int loads = 0, lists = 0, calls = 0;

  // FUNCTION LIST answers when the gate is open.
  void close_gate() { gate_.expires_at(boost::asio::steady_timer::time_point::max()); }
  void open_gate() { gate_.expires_at(boost::asio::steady_timer::time_point::min()); }

  awaitable<Result<Reply>> send(script::Slot, script::Command command, Deadline) override {
    const std::string text = command.encode();
    ++calls;
    if (!has_library) co_return failed("ERR Function not found");
    std::vector<Reply> fields;
    fields.push_back(bulk("ok"));
    const bool open = text.find("ff1_open") != std::string::npos;
    fields.push_back(bulk(open ? "64" : "1"));
    if (open) fields.push_back(bulk("history"));
    co_return list(std::move(fields));
  }

  awaitable<Result<std::vector<Reply>>> send_to_primaries(script::Command command, Deadline) override {
    std::vector<Reply> replies;
    if (command.encode().starts_with("*2\r\n$4\r\nINFO")) {
      for (const auto& version : versions) {
        replies.push_back(bulk("server_name:valkey\r\nvalkey_version:" + version + "\r\n"));
      }
      co_return replies;
    }
    if (command.encode().find("LOAD") != std::string::npos) {
      ++loads;
      has_library = load_sticks && load_error.empty();
      if (load_error.empty()) replies.push_back(bulk("ff1"));
      else replies.push_back(failed(load_error));
      co_return replies;
    }
    ++lists;
    boost::system::error_code opened;
    co_await gate_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, opened));
    if (list_throws) throw std::runtime_error("out of luck");
    if (list_fails != Code::internal) co_return core::Error(list_fails, "connection_lost", "the cable is out");
    if (has_library) replies.push_back(own_library_list());
    else replies.push_back(list({}));
    co_return replies;
  }

  std::unique_ptr<Subscription> subscribe(script::Slot, std::string, OnMessage, OnGap) override { return nullptr; }
  const script::ConnectionStats& stats() const noexcept override { return stats_; }
  boost::asio::any_io_executor executor() const override { return executor_; }
  void close() override {}

 private:
  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer gate_;
  script::ConnectionStats stats_;
};

using Answer = Result<script::Version::Ok>;
using State = std::shared_ptr<test::detail::RunState<Answer>>;

struct Stage {
  boost::asio::io_context context{1};
  std::shared_ptr<Played> valkey = std::make_shared<Played>(context.get_executor());
  std::shared_ptr<script::Deployment> deployment;

  explicit Stage(script::DeploymentOptions options = script::DeploymentOptions()) {
    auto opening = script::Deployment::open(valkey, std::move(options), Deadline::in(5s));
    deployment = test::run(context, std::move(opening)).value();
    valkey->has_library = false;
    valkey->lists = 0;
  }
  State start(core::Millis limit = 5s) {
    auto state = std::make_shared<test::detail::RunState<Answer>>();
    auto call = deployment->call<script::Version>(7, script::Version::Args(), Deadline::in(limit));
    test::detail::start(context, std::move(call), state);
    return state;
  }
  bool ended(const State& state) { return test::detail::drive(context, state->done, 10s); }
  // "ok" or "code/reason".
  std::string outcome(const State& state) {
    REQUIRE(ended(state));
    REQUIRE_FALSE(state->error);
    return state->value->has_value() ? "ok" : std::string(to_string(state->value->error().code)) + "/" +
                                                  state->value->error().reason;
  }
  // Runs what can run now.
  void poll() {
    context.restart();
    context.poll();
  }
};

}  // namespace

TEST_CASE("every primary must be new enough, not only the one that has the root tag") {
  boost::asio::io_context context{1};
  auto valkey = std::make_shared<Played>(context.get_executor());
  const auto open = [&] {
    return test::run(context, script::Deployment::open(valkey, script::DeploymentOptions(), Deadline::in(5s)));
  };
  valkey->versions = {"8.0.1", "7.2.4"};
  CHECK(open());

  valkey->versions = {"8.0.1", "7.0.9", "8.0.1"};

  const auto refused = open();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().reason == "valkey_too_old");
}

TEST_CASE("a thousand calls that find the library gone load it once") {
  Stage stage;
  std::vector<State> calls;
  for (int i = 0; i < 1000; ++i) calls.push_back(stage.start());

  for (const auto& call : calls) CHECK(stage.outcome(call) == "ok");

  CHECK(stage.valkey->loads == 1);
  CHECK(stage.valkey->lists == 2);
}

TEST_CASE("a cancelled caller does not cancel the load for the others") {
  Stage stage;
  stage.valkey->close_gate();
  const auto first = stage.start();
  stage.poll();
  REQUIRE(stage.valkey->lists == 1);
  const auto second = stage.start();
  stage.poll();

  first->cancel.emit(boost::asio::cancellation_type::terminal);

  REQUIRE(stage.ended(first));
  CHECK_FALSE(second->done);
  CHECK((first->error || first->value->error().code == Code::cancelled));
  stage.valkey->open_gate();
  CHECK(stage.outcome(second) == "ok");
  CHECK(stage.outcome(stage.start()) == "ok");
  CHECK(stage.valkey->loads == 1);
}

TEST_CASE("a caller waits for another's load at most to its own deadline") {
  Stage stage;
  stage.valkey->close_gate();
  const auto patient = stage.start(10s);
  const auto hasty = stage.start(50ms);

  CHECK(stage.outcome(hasty) == "unavailable/library_missing");
  CHECK_FALSE(patient->done);

  stage.valkey->open_gate();
  CHECK(stage.outcome(patient) == "ok");
}

TEST_CASE("a load that throws fails its callers, and not the next ones") {
  Stage stage;
  stage.valkey->close_gate();
  stage.valkey->list_throws = true;
  const auto first = stage.start(), second = stage.start();
  stage.poll();
  stage.valkey->open_gate();

  CHECK(stage.outcome(first) == "internal/exception");
  CHECK(stage.outcome(second) == "internal/exception");
  CHECK(first->value->error().message.find("out of luck") != std::string::npos);

  stage.valkey->list_throws = false;
  CHECK(stage.outcome(stage.start()) == "ok");
}

TEST_CASE("a library that is lost again is loaded again, until the deadline") {
  Stage stage;
  stage.valkey->load_sticks = false;

  const auto call = stage.start(5s);
  REQUIRE(test::detail::drive(stage.context, call->done, 300ms) == false);
  CHECK(stage.valkey->loads > 1);
  CHECK(stage.valkey->loads < 40);

  stage.valkey->load_sticks = true;
  CHECK(stage.outcome(call) == "ok");
}

TEST_CASE("a library that never stays is unavailable, and the call certainly did not run") {
  Stage stage;
  stage.valkey->load_sticks = false;
  CHECK(stage.outcome(stage.start(200ms)) == "unavailable/library_missing");
}

TEST_CASE("a load whose outcome is unknown is repeated, and never the call's own outcome") {
  Stage stage;
  for (const Code code : {Code::unknown_outcome, Code::unavailable}) {
    stage.valkey->has_library = false;
    stage.valkey->list_fails = code;
    const auto call = stage.start(100ms);
    CHECK(stage.outcome(call) == "unavailable/library_missing");
    CHECK(call->value->error().message.find("the cable is out") != std::string::npos);

    const auto next = stage.start(5s);
    REQUIRE(test::detail::drive(stage.context, next->done, 50ms) == false);
    stage.valkey->list_fails = Code::internal;
    CHECK(stage.outcome(next) == "ok");
  }
}

TEST_CASE("a load that can never succeed ends its calls at once, by its cause") {
  Stage stage;
  stage.valkey->load_error = "NOPERM User worker has no permissions to run the 'function|load' command";
  CHECK(stage.outcome(stage.start(60s)) == "permission_denied/noperm");
  stage.valkey->load_error = "OOM command not allowed when used memory > 'maxmemory'.";
  CHECK(stage.outcome(stage.start(60s)) == "exhausted/oom");
  stage.valkey->load_error = "ERR Function ff1_submit already exists";
  CHECK(stage.outcome(stage.start(60s)) == "incompatible/library_refused");
  stage.valkey->load_error = "ERR Error compiling function: user_function:1: '=' expected near 'end'";
  CHECK(stage.outcome(stage.start(60s)) == "incompatible/library_refused");
}

TEST_CASE("a program that may not load waits for another that does") {
  script::DeploymentOptions options;
  options.load_library = false;
  Stage stage(options);
  CHECK(stage.outcome(stage.start(100ms)) == "unavailable/library_missing");

  const auto call = stage.start(10s);
  REQUIRE(test::detail::drive(stage.context, call->done, 50ms) == false);
  stage.valkey->has_library = true;

  CHECK(stage.outcome(call) == "ok");
  CHECK(stage.valkey->loads == 0);
  CHECK(stage.valkey->lists == 0);
}

TEST_CASE("an io_context that dies takes a load and its callers with it") {
  std::weak_ptr<Played> valkey;
  {
    Stage stage;
    valkey = stage.valkey;
    stage.valkey->close_gate();
    stage.start();
    stage.start();
    stage.poll();
    REQUIRE(stage.valkey->lists == 1);
  }
  CHECK(valkey.expired());
}
