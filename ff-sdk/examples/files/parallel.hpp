#pragma once
// run_all: several coroutines at once, on the executor of the caller.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>
#include <vector>

namespace files {

// Returns when all have ended. They must not throw.
inline boost::asio::awaitable<void> run_all(std::vector<boost::asio::awaitable<void>> all) {
  namespace asio = boost::asio;
  const auto executor = co_await asio::this_coro::executor;
  using Running = decltype(asio::co_spawn(executor, std::move(all.front()), asio::deferred));
  std::vector<Running> running;
  for (auto& one : all) running.push_back(asio::co_spawn(executor, std::move(one), asio::deferred));
  auto group = asio::experimental::make_parallel_group(std::move(running));
  co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
}

}  // namespace files
