#include "client_call.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <vector>

#include "ff/core/payload.hpp"
#include "ff/core/text.hpp"

namespace ff::sdk {
namespace asio = boost::asio;

asio::awaitable<void> pause(asio::any_io_executor executor, core::Millis duration) {
  asio::steady_timer timer(executor, duration);
  co_await timer.async_wait(asio::use_awaitable);
}

namespace {

struct Steps {
  Steps(std::size_t n, std::function<asio::awaitable<void>(std::size_t)> s) : count(n), step(std::move(s)) {}
  std::size_t next = 0;
  std::size_t count;
  std::function<asio::awaitable<void>(std::size_t)> step;
};

asio::awaitable<void> take_steps(std::shared_ptr<Steps> steps) {
  while (steps->next < steps->count) {
    const std::size_t mine = steps->next++;
    co_await steps->step(mine);
  }
}

}  // namespace

asio::awaitable<void> for_each_index(asio::any_io_executor executor, std::size_t count, std::size_t at_once,
                                     std::function<asio::awaitable<void>(std::size_t)> step) {
  if (count == 0) co_return;
  auto steps = std::make_shared<Steps>(count, std::move(step));
  using Runner = decltype(asio::co_spawn(executor, take_steps(steps), asio::deferred));
  std::vector<Runner> runners;
  runners.reserve(std::min(count, at_once));
  while (runners.size() < std::min(count, at_once)) {
    runners.push_back(asio::co_spawn(executor, take_steps(steps), asio::deferred));
  }
  auto group = asio::experimental::make_parallel_group(std::move(runners));
  auto [order, errors] = co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

core::Error not_found(const core::ExecutionId& id) {
  return core::Error(core::Code::not_found, "not_found", "there is no execution " + id.str() + " in this namespace");
}

core::Error refused_argument(std::string reason, std::string message) {
  return core::Error(core::Code::invalid_argument, std::move(reason), std::move(message));
}

core::Error corrupt_reply(std::string_view what, std::string_view value) {
  return core::Error(core::Code::corrupt, "bad_reply", std::string(what) + " in a reply is " + core::shown(value));
}

core::Result<core::State> state_of_reply(std::string_view word) {
  auto state = core::parse_state(word);
  if (!state) return corrupt_reply("the state", word);
  return state;
}

std::string content_type_of_reply(std::string text) {
  return text.empty() ? std::string(core::kContentTypeDefault) : std::move(text);
}

}  // namespace ff::sdk
