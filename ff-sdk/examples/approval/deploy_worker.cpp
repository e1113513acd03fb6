// A deployment that asks people first. The payload of a `deploy` execution is a range of commits, "<older>..<newer>".
// The worker sums the change up and waits for two different approvers, none of them the author of the newest commit;
// one rejection ends it. If they take too long, it waits once more, for a release manager; then it fails.
//
//   deploy_worker ADDRESS REPOSITORY PATIENCE_MS       ADDRESS: /path/of/valkey.sock
//
// SIGTERM and SIGINT drain it. Exit code: 0 drained, 1 Valkey could not be used, 2 wrong arguments.

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <ff/script/connect.hpp>
#include <ff/sdk/worker.hpp>

#include "git.hpp"

namespace asio = boost::asio;
namespace core = ff::core;
namespace sdk = ff::sdk;

namespace {

struct Setup {
  std::string repository;
  core::Millis patience;
  Setup(std::string r, core::Millis p) : repository(std::move(r)), patience(p) {}
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

sdk::HandlerResult ask_for_approval(sdk::Task& task, const Setup& setup) {
  const auto change = approval::describe_change(setup.repository, task.payload().bytes);
  if (!change) return sdk::Failure(core::failure_class::kInvalidInput, "git knows no such range of commits");
  task.progress(-1, "waits for approval of " + first_line(change->summary));
  core::Waitpoint approval("approval");
  approval.names = {"approve", "reject"};
  auto two = core::named("approve").times(2).distinct().except({change->author});
  return sdk::Suspend(core::any_of(core::named("reject"), std::move(two)))
      .at(approval)
      .within(setup.patience, core::OnTimeout::resume)
      .keeping(change->commit + "\n" + change->summary);
}

sdk::HandlerResult escalate(const core::Resumption& waited) {
  core::Waitpoint escalation("escalation");
  escalation.names = {"approve", "reject"};
  return sdk::Suspend(core::any_signal()).at(escalation).within(std::chrono::hours(24), core::OnTimeout::fail)
      .keeping(waited.kept);
}

sdk::HandlerResult deploy(const core::Resumption& approved) {
  std::string by;
  for (const auto& signal : approved.signals) {
    if (signal.name == "reject") return sdk::Failure("rejected", "rejected by " + signal.source);
    by += (by.empty() ? "" : ", ") + signal.source;
  }
  if (by.empty()) by = "an operator";
  const std::string commit = first_line(approved.kept);
  const std::string summary = approved.kept.substr(std::min(commit.size() + 1, approved.kept.size()));
  return core::Payload("deployed " + commit + ", approved by " + by + "\n\n" + summary + "\n", "text/plain");
}

sdk::HandlerResult handle(sdk::Task& task, const Setup& setup) {
  const core::Resumption* resumption = task.resumption();
  if (resumption == nullptr) return ask_for_approval(task, setup);
  if (resumption->by == core::Resumption::By::timeout) return escalate(*resumption);
  return deploy(*resumption);
}

asio::awaitable<int> work(std::string address, Setup setup, asio::any_io_executor pool) {
  const auto executor = co_await asio::this_coro::executor;
  ff::script::ConnectionOptions connection_options;
  connection_options.unix_socket = address;
  auto connection = ff::script::make_connection(executor, connection_options);
  const auto deadline = core::Deadline::in(std::chrono::seconds(30));
  auto deployment = co_await ff::script::Deployment::open(connection, ff::script::DeploymentOptions(), deadline);
  if (!deployment) {
    std::fprintf(stderr, "deploy_worker: %s\n", deployment.error().to_string().c_str());
    co_return 1;
  }
  sdk::WorkerOptions options;
  options.lanes = {"deployments"};
  options.handler_executor = pool;
  sdk::Worker worker(*deployment, options);
  worker.handle("deploy", [&setup](sdk::Task& task) -> sdk::HandlerResult { return handle(task, setup); });

  asio::signal_set signals(executor, SIGTERM, SIGINT);
  signals.async_wait([&worker](boost::system::error_code error, int) {
    if (!error) worker.stop();
  });
  std::printf("working as %s\n", worker.name().c_str());
  std::fflush(stdout);
  auto ran = co_await worker.run();
  signals.cancel();
  connection->close();
  if (!ran) std::fprintf(stderr, "deploy_worker: %s\n", ran.error().to_string().c_str());
  co_return ran ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const long patience = argc == 4 ? std::strtol(argv[3], nullptr, 10) : 0;
  if (patience <= 0) {
    std::fprintf(stderr, "usage: deploy_worker /path/of/valkey.sock REPOSITORY PATIENCE_MS\n");
    return 2;
  }
  asio::thread_pool pool(2);
  asio::io_context context(1);
  int exit_code = 1;
  auto on_end = [&exit_code](std::exception_ptr failure, int code) { exit_code = failure ? 1 : code; };
  Setup setup(argv[2], core::Millis(patience));
  asio::co_spawn(context, work(argv[1], std::move(setup), pool.get_executor()), on_end);
  context.run();
  pool.join();
  return exit_code;
}
