#include "ff/sdk/client.hpp"

#include "client_call.hpp"

namespace ff::sdk {

Client::Client(std::shared_ptr<script::Deployment> deployment, std::string ns, core::Millis call_timeout)
    : deployment_(std::move(deployment)), ns_(std::move(ns)), call_timeout_(call_timeout) {}

Client Client::in_namespace(std::string ns) const { return Client(deployment_, std::move(ns), call_timeout_); }

Awaitable<Client> Client::open(boost::asio::any_io_executor executor, ClientOptions options) {
  if (auto good = core::validate_namespace(options.ns); !good) co_return std::move(good).error();
  if (options.call_timeout.count() <= 0) {
    co_return refused_argument("bad_call_timeout", "call_timeout is " + std::to_string(options.call_timeout.count()) +
                                                       " ms, it must be positive");
  }
  auto connection = script::make_connection(executor, std::move(options.connection));
  auto deadline = core::Deadline::in(options.call_timeout);
  auto deployment = co_await script::Deployment::open(connection, std::move(options.deployment), deadline);
  if (!deployment) {
    connection->close();
    co_return std::move(deployment).error();
  }
  co_return Client(std::move(*deployment), std::move(options.ns), options.call_timeout);
}

}  // namespace ff::sdk
