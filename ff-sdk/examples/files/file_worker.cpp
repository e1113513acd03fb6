// A worker of the main job: the payload of an execution is a path, the result what is known of the file.
//
//   file_worker ADDRESS            /path/of/valkey.sock or HOST:PORT
//
// SIGTERM and SIGINT drain it: running files are finished, those not begun are handed back. Exit code: 0 drained,
// 1 Valkey could not be used, 2 wrong arguments.

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <ff/sdk/worker.hpp>
#include <thread>

#include "address.hpp"
#include "facts.hpp"

namespace asio = boost::asio;
namespace core = ff::core;
namespace sdk = ff::sdk;

namespace {

sdk::HandlerResult examine_file(sdk::Task& task) {
  const std::string& path = task.payload().bytes;
  const auto found = files::examine(path, task.stop_token());
  if (found.stopped) return sdk::Failure(core::failure_class::kCancelled, "told to stop");
  if (found.error == 0) return core::Payload(found.facts.text(), "text/plain");
  auto failure_class = core::failure_class::kUnavailable;  // Worth another attempt.
  if (found.error == ENOENT || found.error == ENOTDIR) failure_class = core::failure_class::kNotFound;
  if (found.error == EACCES || found.error == EPERM) failure_class = core::failure_class::kPermission;
  return sdk::Failure(failure_class, std::strerror(found.error));
}

asio::awaitable<int> work(ff::script::ConnectionOptions address, asio::any_io_executor pool, std::size_t threads) {
  const auto executor = co_await asio::this_coro::executor;
  auto connection = ff::script::make_connection(executor, std::move(address));
  const auto deadline = core::Deadline::in(std::chrono::seconds(30));
  auto deployment = co_await ff::script::Deployment::open(connection, ff::script::DeploymentOptions(), deadline);
  if (!deployment) {
    std::fprintf(stderr, "file_worker: %s\n", deployment.error().to_string().c_str());
    co_return 1;
  }
  sdk::WorkerOptions options;
  options.lanes = {"files"};
  options.concurrency = threads;
  options.prefetch = 64;                 // Files are short: the next ones wait here, not a round trip away.
  options.lease = core::Millis(2000);    // So that others take over soon when this process dies.
  options.handler_executor = pool;
  options.logger = std::make_shared<core::StderrLogger>(core::LogLevel::warn);
  sdk::Worker worker(*deployment, options);
  worker.handle("examine_file", examine_file);

  asio::signal_set signals(executor, SIGTERM, SIGINT);
  signals.async_wait([&worker](boost::system::error_code error, int) {
    if (!error) worker.stop();
  });
  std::printf("working as %s\n", worker.name().c_str());
  std::fflush(stdout);
  auto ran = co_await worker.run();
  signals.cancel();
  connection->close();
  if (!ran) std::fprintf(stderr, "file_worker: %s\n", ran.error().to_string().c_str());
  const auto& stats = worker.stats();
  std::printf("drained: %lu completed, %lu failed, %lu handed back\n", static_cast<unsigned long>(stats.completed),
              static_cast<unsigned long>(stats.failed), static_cast<unsigned long>(stats.released));
  co_return ran ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const auto address = argc == 2 ? files::parse_address(argv[1]) : std::nullopt;
  if (!address) {
    std::fprintf(stderr, "usage: file_worker ADDRESS   (/path/of/valkey.sock or HOST:PORT)\n");
    return 2;
  }
  const std::size_t threads = std::max(2u, std::thread::hardware_concurrency());
  asio::thread_pool pool(threads);
  asio::io_context context(1);
  int exit_code = 1;
  auto on_end = [&exit_code](std::exception_ptr failure, int code) { exit_code = failure ? 1 : code; };
  asio::co_spawn(context, work(*address, pool.get_executor(), threads), on_end);
  context.run();
  pool.join();
  return exit_code;
}
