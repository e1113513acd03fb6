// A worker to be killed, stalled and cut off. Writes down when an attempt begins and ends, each in one write to the
// end of a file that all workers of a test share:  begin|end <execution> <epoch> <pid>
//
//   ledger_worker ADDRESS PREFIX LEDGER CONCURRENCY PREFETCH LEASE_MS WORK_MS
//
// ADDRESS: a unix socket, a port of 127.0.0.1, or "cluster:" and a port. WORK_MS: how long an execution takes, -1:
// until it is stopped. The result of an execution is its epoch. SIGTERM drains it; the last line says what it has
// done.
//
// The kind "approval" waits for two signals "go", for as many ms as its payload says (0: for ever). Its result is what
// ended that (signals, timeout or operator), and the ids of the signals: "signals a b".

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "ff/script/connect.hpp"
#include "ff/sdk/worker.hpp"

namespace asio = boost::asio;
using namespace ff;

namespace {

struct Settings {
  script::ConnectionOptions connection;
  std::string prefix;
  int ledger = -1;
  sdk::WorkerOptions worker;
  std::int64_t work_ms = 0;
};

script::ConnectionOptions parse_address(std::string text) {
  script::ConnectionOptions options;
  options.connect_timeout = core::Millis(1000);
  options.backoff_max = core::Millis(100);
  if (text.starts_with('/')) {
    options.unix_socket = text;
    return options;
  }
  options.cluster = text.starts_with("cluster:");
  if (options.cluster) text.erase(0, 8);
  options.host = "127.0.0.1";
  options.port = static_cast<std::uint16_t>(std::stoul(text));
  return options;
}

void note(const Settings& settings, const char* what, const sdk::Task& task) {
  const auto line = std::string(what) + " " + task.id().str() + " " + std::to_string(task.epoch()) + " " +
                    std::to_string(::getpid()) + "\n";
  if (::write(settings.ledger, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::terminate();
}

asio::awaitable<sdk::HandlerResult> work(const Settings& settings, sdk::Task& task) {
  note(settings, "begin", task);
  if (settings.work_ms != 0) {
    asio::steady_timer done(co_await asio::this_coro::executor, core::SteadyTime::max());
    if (settings.work_ms > 0) done.expires_after(core::Millis(settings.work_ms));
    std::stop_callback wake(task.stop_token(), [&done] { done.cancel(); });
    boost::system::error_code cancelled;
    co_await done.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    if (cancelled) co_return sdk::Failure(core::failure_class::kCancelled, "told to stop");
  }
  note(settings, "end", task);
  co_return core::Payload(std::to_string(task.epoch()));
}

sdk::HandlerResult approval(const Settings& settings, const sdk::Task& task) {
  note(settings, "begin", task);
  const core::Resumption* resumption = task.resumption();
  if (resumption == nullptr) {
    const core::Millis limit(std::stol(task.payload().bytes));
    return sdk::Suspend(core::named("go").times(2)).within(limit, core::OnTimeout::resume);
  }
  static constexpr const char* kBy[] = {"signals", "timeout", "operator"};
  std::string result = kBy[static_cast<std::size_t>(resumption->by)];
  for (const auto& signal : resumption->signals) result += " " + signal.id;
  note(settings, "end", task);
  return core::Payload(result);
}

asio::awaitable<void> serve(const Settings& settings, asio::io_context& context) {
  auto connection = script::make_connection(context.get_executor(), settings.connection);
  script::DeploymentOptions options;
  options.prefix = settings.prefix;
  std::shared_ptr<script::Deployment> deployment;
  while (!deployment) {  // Valkey may be away when this starts.
    auto opened = co_await script::Deployment::open(connection, options, core::Deadline::in(core::Millis(2000)));
    if (opened) deployment = std::move(*opened);
    else std::fprintf(stderr, "%s\n", opened.error().to_string().c_str());
  }
  sdk::Worker worker(deployment, settings.worker);
  worker.handle_async("work", [&settings](sdk::Task& task) { return work(settings, task); });
  worker.handle("approval", [&settings](sdk::Task& task) { return approval(settings, task); });
  asio::signal_set signals(context, SIGTERM);
  signals.async_wait([&worker](boost::system::error_code error, int) {
    if (!error) worker.stop();
  });
  std::printf("working\n");
  std::fflush(stdout);
  auto ran = co_await worker.run();
  const auto& stats = worker.stats();
  std::printf("claimed=%lu completed=%lu released=%lu lost=%lu unknown=%lu%s\n", stats.claimed, stats.completed,
              stats.released, stats.lost, connection->stats().unknown, ran ? "" : " refused");
  signals.cancel();
  connection->close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  const std::vector<std::string> words(argv + 1, argv + argc);
  Settings settings;
  settings.connection = parse_address(words[0]);
  settings.prefix = words[1];
  settings.ledger = ::open(words[2].c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  settings.worker.concurrency = std::stoul(words[3]);
  settings.worker.prefetch = std::stoul(words[4]);
  settings.worker.lease = core::Millis(std::stol(words[5]));
  settings.worker.call_timeout = core::Millis(2000);
  settings.work_ms = std::stol(words[6]);
  if (settings.ledger < 0) return 2;
  asio::io_context context(1);
  asio::co_spawn(context, serve(settings, context), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
  return 0;
}
