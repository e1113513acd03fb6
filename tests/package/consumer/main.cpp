// Submits, cancels and waits: enough to need every library of the package.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <exception>
#include <ff/sdk/client.hpp>
#include <string>

namespace core = ff::core;
namespace sdk = ff::sdk;

namespace {

boost::asio::awaitable<bool> use(sdk::ClientOptions options) {
  auto executor = co_await boost::asio::this_coro::executor;
  auto client = co_await sdk::Client::open(executor, std::move(options));
  if (!client) {
    std::printf("open: %s\n", client.error().to_string().c_str());
    co_return false;
  }
  auto submitted = co_await client->submit(sdk::Submission("work"));
  if (!submitted) co_return false;
  auto cancelled = co_await client->cancel(submitted->id, core::Millis(0), "by the consumer");
  if (!cancelled) co_return false;
  auto end = co_await client->wait(submitted->id, core::Deadline::in(std::chrono::seconds(10)));
  if (!end) co_return false;
  std::printf("ended as %s: %s\n", std::string(core::to_string(end->state)).c_str(), end->text.c_str());
  co_return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  sdk::ClientOptions options;
  options.connection.host = "127.0.0.1";
  options.connection.port = static_cast<std::uint16_t>(std::stoul(argv[1]));
  boost::asio::io_context context(1);
  bool good = false;
  boost::asio::co_spawn(context, use(std::move(options)),
                        [&good](std::exception_ptr failure, bool result) { good = !failure && result; });
  context.run();
  return good ? 0 : 1;
}
