// Submits one execution, waits until a worker has ended it, and prints how.
//
//   01_submit [HOST [PORT [KIND [TEXT]]]]
//
// Exit code: 0 completed, 1 ended otherwise or not within a minute, 2 Valkey could not be used.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <exception>
#include <ff/sdk/client.hpp>
#include <string>
#include <vector>

namespace core = ff::core;
namespace sdk = ff::sdk;

namespace {

int report(const char* what, const core::Error& error, int exit_code) {
  std::fprintf(stderr, "%s: %s\n", what, error.to_string().c_str());
  return exit_code;
}

boost::asio::awaitable<int> submit_and_wait(sdk::ClientOptions options, sdk::Submission job) {
  auto executor = co_await boost::asio::this_coro::executor;
  auto client = co_await sdk::Client::open(executor, std::move(options));
  if (!client) co_return report("open", client.error(), 2);

  auto submitted = co_await client->submit(std::move(job));
  if (!submitted) co_return report("submit", submitted.error(), 2);
  std::printf("submitted %s\n", submitted->id.str().c_str());

  auto end = co_await client->wait(submitted->id, core::Deadline::in(std::chrono::minutes(1)));
  if (!end) co_return report("wait", end.error(), 1);
  std::printf("%s %s\n", std::string(core::to_string(end->state)).c_str(), end->result.bytes.c_str());
  co_return end->state == core::State::completed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  sdk::ClientOptions options;
  if (words.size() > 0) options.connection.host = words[0];
  if (words.size() > 1) options.connection.port = static_cast<std::uint16_t>(std::stoul(words[1]));
  sdk::Submission job(words.size() > 2 ? words[2] : "greeting");
  job.payload = core::Payload(words.size() > 3 ? words[3] : "hello", "text/plain");

  boost::asio::io_context context(1);
  int exit_code = 2;
  boost::asio::co_spawn(context, submit_and_wait(std::move(options), std::move(job)),
                        [&exit_code](std::exception_ptr failure, int code) { exit_code = failure ? 2 : code; });
  context.run();
  return exit_code;
}
