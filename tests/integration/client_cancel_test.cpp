// Calls of Client that are given up: by cancellation at any step, and by the end of the context.
#include <deque>

#include "client_fixture.hpp"

using namespace ff;
using namespace ff::test;

namespace {

// Sets `begun`, which outlives it, when it runs for the first time: Asio 1.83 throws out of the context when what is
// spawned is cancelled before it began.
template <class T>
boost::asio::awaitable<void> begin(sdk::Awaitable<T> call, bool& begun) {
  begun = true;
  auto result = co_await std::move(call);
  static_cast<void>(result);
}

// Starts `make()` again and again and cancels it one handler later each time, until it ends before that.
template <class Make>
std::size_t cancel_at_every_step(Setup& setup, Make make) {
  for (std::size_t steps = 0;; ++steps) {
    auto begun = std::make_unique<bool>(false);
    auto call = begin(make(), *begun);
    Background<std::monostate> running(setup.context, std::move(call));
    for (std::size_t done = 0; !*begun || done < steps; ++done) {
      setup.context.restart();
      setup.context.run_one_for(10ms);
      if (running.done()) return steps;
    }
    running.cancel();
    running.threw();
    REQUIRE(steps < 10'000);
  }
}

std::vector<sdk::Submission> some(std::size_t count) {
  return std::vector<sdk::Submission>(count, sdk::Submission("work", core::Payload("payload")));
}

sdk::ListQuery everything() {
  sdk::ListQuery query;
  query.lane = "default";
  return query;
}

}  // namespace

TEST_CASE("calls to many partitions can be cancelled at every step, and the next call works") {
  Setup setup;
  CHECK(cancel_at_every_step(setup, [&] { return setup.client->count(); }) > 1);
  CHECK(cancel_at_every_step(setup, [&] { return setup.client->submit_many(some(100)); }) > 1);
  CHECK(cancel_at_every_step(setup, [&] { return setup.client->list(everything()); }) > 0);

  const auto answers = setup.good(setup.client->submit_many(some(100)));

  CHECK(answers.size() == 100);
  for (const auto& answer : answers) CHECK(answer.has_value());
}

TEST_CASE("a call to one partition can be cancelled at every step") {
  Setup setup;
  const auto id = setup.submit();
  CHECK(cancel_at_every_step(setup, [&] { return setup.client->describe(id); }) > 0);
  CHECK(cancel_at_every_step(setup, [&] { return setup.client->replay(id); }) > 0);
  CHECK(setup.good(setup.client->describe(id)).state == core::State::ready);
}

TEST_CASE("a call that repeats can be cancelled between its attempts") {
  Setup setup;
  const auto id = setup.submit();
  FaultyClient faulty(setup);
  faulty.faults->lose_reply("ff1_describe");
  for (int i = 0; i < 1000; ++i) faulty.faults->refuse("ff1_describe");
  Background<core::Result<sdk::Description>> describing(setup.context, faulty.client->describe(id));
  REQUIRE(describing.until([&] { return faulty.faults->faults_left() < 998; }));

  describing.cancel();

  CHECK(describing.threw());
}

TEST_CASE("a context that ends under pending calls takes them along") {
  Setup setup;
  const auto id = setup.submit();
  for (const int steps : {0, 1, 3, 10, 30}) {
    boost::asio::io_context context(1);
    sdk::ClientOptions options;
    options.connection = connect_to(Store::standalone);
    options.deployment.prefix = setup.options.prefix;
    auto client = run(context, sdk::Client::open(context.get_executor(), options));
    REQUIRE(client.has_value());
    Background<core::Result<sdk::Outcome>> waiting(context, client->wait(id, core::Deadline::in(1h)));
    Background<core::Result<std::map<std::string, std::int64_t>>> counting(context, client->count());
    Background<core::Result<std::vector<core::Result<sdk::Submitted>>>> submitting(context,
                                                                                    client->submit_many(some(300)));
    client = core::Error();  // The calls hold what they need.
    context.restart();
    for (int step = 0; step < steps; ++step) context.run_one_for(10ms);
    CHECK_FALSE(waiting.done());
  }
  CHECK(setup.good(setup.client->describe(id)).state == core::State::ready);
}
