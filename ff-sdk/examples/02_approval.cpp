// A release that waits for two of its approvers and then cools down before it goes out. While it waits it costs memory
// only: no thread, no worker slot, and any worker that has the handler may go on with it.
//
//   02_approval [HOST [PORT]]
//
// The program is all parts at once: the worker, the one who asks, and the people who approve.
// Exit code: 0 completed, 1 ended otherwise or not within a minute, 2 Valkey could not be used.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <exception>
#include <ff/sdk/client.hpp>
#include <ff/sdk/worker.hpp>
#include <string>
#include <vector>

namespace asio = boost::asio;
namespace core = ff::core;
namespace sdk = ff::sdk;
using namespace std::chrono_literals;

namespace {

// Runs from its start each time; `kept` tells where it stands.
sdk::HandlerResult release(sdk::Task& task) {
  const core::Resumption* resumed = task.resumption();
  if (!resumed) {
    core::Waitpoint people("people");
    people.names = {"approve", "reject"};
    auto decided = core::any_of(core::named("reject"), core::named("approve").times(2).distinct());
    return sdk::Suspend(std::move(decided)).at(std::move(people)).within(72h, core::OnTimeout::fail);
  }
  if (resumed->by == core::Resumption::By::timeout) return core::Payload(resumed->kept, "text/plain");

  std::string who;
  for (const auto& signal : resumed->signals) {
    if (signal.name == "reject") return sdk::Failure(core::failure_class::kPermission, "rejected by " + signal.source);
    who += (who.empty() ? "approved by " : " and ") + signal.source;
  }
  return sdk::durable_sleep(1s, who);
}

int report(const char* what, const core::Error& error, int exit_code) {
  std::fprintf(stderr, "%s: %s\n", what, error.to_string().c_str());
  return exit_code;
}

// Whoever approves learns the waitpoint's name from a mail or a page; here it is looked up.
sdk::Awaitable<std::string> open_waitpoint(sdk::Client client, core::ExecutionId id) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (true) {
    auto waiting = co_await client.waitpoints(id);
    if (!waiting) co_return std::move(waiting).error();
    if (waiting->suspended_at != 0) co_return waiting->waitpoints.at(0).name;
    timer.expires_after(20ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<int> ask_and_approve(sdk::Client client) {
  sdk::Submission job("release");
  auto submitted = co_await client.submit(job);
  if (!submitted) co_return report("submit", submitted.error(), 2);
  auto waitpoint = co_await open_waitpoint(client, submitted->id);
  if (!waitpoint) co_return report("waitpoints", waitpoint.error(), 2);
  std::printf("%s waits at %s\n", submitted->id.str().c_str(), waitpoint->c_str());

  const std::vector<std::string> people{"ann", "ben"};
  for (const auto& person : people) {
    core::Signal approval("approve");
    approval.source = person;
    auto told = co_await client.signal(submitted->id, *waitpoint, approval);
    if (!told) co_return report("signal", told.error(), 2);
    std::printf("%s approves: %s\n", person.c_str(), told->resumed ? "it goes on" : "not enough yet");
  }

  auto end = co_await client.wait(submitted->id, core::Deadline::in(1min));
  if (!end) co_return report("wait", end.error(), 1);
  std::printf("%s: %s\n", std::string(core::to_string(end->state)).c_str(), end->result.bytes.c_str());
  co_return end->state == core::State::completed ? 0 : 1;
}

asio::awaitable<int> play(sdk::ClientOptions options) {
  auto executor = co_await asio::this_coro::executor;
  auto client = co_await sdk::Client::open(executor, std::move(options));
  if (!client) co_return report("open", client.error(), 2);
  sdk::Worker worker(client->deployment(), sdk::WorkerOptions());
  worker.handle("release", release);
  bool over = false;
  asio::steady_timer ended(executor, asio::steady_timer::time_point::max());
  asio::co_spawn(executor, worker.run(), [&over, &ended](std::exception_ptr, core::Result<void>) {
    over = true;
    ended.cancel();
  });

  const int exit_code = co_await ask_and_approve(*client);

  worker.stop();
  boost::system::error_code ignored;
  while (!over) co_await ended.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  sdk::ClientOptions options;
  if (words.size() > 0) options.connection.host = words[0];
  if (words.size() > 1) options.connection.port = static_cast<std::uint16_t>(std::stoul(words[1]));

  asio::io_context context(1);
  int exit_code = 2;
  asio::co_spawn(context, play(std::move(options)),
                 [&exit_code](std::exception_ptr failure, int code) { exit_code = failure ? 2 : code; });
  context.run();
  return exit_code;
}
