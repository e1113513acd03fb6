#pragma once
// run: one awaitable on an io_context with a time limit, from plain test code.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace ff::test {

struct TimedOut : std::runtime_error {
  using std::runtime_error::runtime_error;
};

namespace detail {

// Lives as long as the coroutine may still complete, which may be after run() has given up on it.
template <class T>
struct RunState {
  std::optional<T> value;
  std::exception_ptr error;
  bool done = false;
  boost::asio::cancellation_signal cancel;
};

// A Result<T> has no default value, which co_spawn would need of a value it passes on: so the value goes aside.
template <class T, class Value>
boost::asio::awaitable<void> keep(boost::asio::awaitable<T> operation, std::shared_ptr<RunState<Value>> state) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(operation);
  } else {
    T value = co_await std::move(operation);
    state->value.emplace(std::move(value));
  }
}

template <class T, class Value>
void start(boost::asio::io_context& context, boost::asio::awaitable<T> operation,
           std::shared_ptr<RunState<Value>> state) {
  auto finish = [state](std::exception_ptr error) {
    state->error = error;
    state->done = true;
  };
  boost::asio::co_spawn(context, keep(std::move(operation), state),
                        boost::asio::bind_cancellation_slot(state->cancel.slot(), std::move(finish)));
}

// True when `done` within `limit`. The context is kept alive: another thread may be about to post.
inline bool drive(boost::asio::io_context& context, const bool& done, std::chrono::milliseconds limit) {
  auto guard = boost::asio::make_work_guard(context);
  auto end = std::chrono::steady_clock::now() + limit;
  context.restart();
  while (!done && std::chrono::steady_clock::now() < end) context.run_one_until(end);
  return done;
}

}  // namespace detail

// Runs `context` on this thread until `operation` has ended; returns its value or throws what it threw. After `limit`
// it prints the caller's line (and `what`), cancels the operation, gives it one second to unwind, and throws TimedOut.
template <class T>
T run(boost::asio::io_context& context, boost::asio::awaitable<T> operation,
      std::chrono::milliseconds limit = std::chrono::seconds(10), const std::string& what = {},
      const std::source_location where = std::source_location::current()) {
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  auto state = std::make_shared<detail::RunState<Value>>();
  detail::start(context, std::move(operation), state);
  if (!detail::drive(context, state->done, limit)) {
    std::string text = std::string(where.file_name()) + ":" + std::to_string(where.line()) + " in " +
                       where.function_name() + (what.empty() ? "" : ": " + what) + " has not ended after " +
                       std::to_string(limit.count()) + " ms";
    std::fprintf(stderr, "ff::test::run: %s\n", text.c_str());
    state->cancel.emit(boost::asio::cancellation_type::terminal);
    if (!detail::drive(context, state->done, std::chrono::seconds(1))) text += ", and ignores cancellation";
    throw TimedOut(text);
  }
  if (state->error) std::rethrow_exception(state->error);
  if constexpr (!std::is_void_v<T>) return std::move(*state->value);
}

// The same on a context of its own, for operations that are bound to none.
template <class T>
T run(boost::asio::awaitable<T> operation, std::chrono::milliseconds limit = std::chrono::seconds(10),
      const std::string& what = {}, const std::source_location where = std::source_location::current()) {
  boost::asio::io_context context(1);
  return run(context, std::move(operation), limit, what, where);
}

}  // namespace ff::test
