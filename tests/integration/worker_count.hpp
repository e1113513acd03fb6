#pragma once
// Handlers that count how many run at once, over all workers of a test.

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "integration/worker_fixture.hpp"

namespace ff::test {

struct Count {
  std::size_t running = 0, most = 0, ended = 0;
};

inline boost::asio::awaitable<sdk::HandlerResult> run_counted(boost::asio::io_context& context, Count& count,
                                                              core::Millis takes) {
  count.most = std::max(count.most, ++count.running);
  boost::asio::steady_timer timer(context, takes);
  co_await timer.async_wait(boost::asio::use_awaitable);
  --count.running;
  ++count.ended;
  co_return core::Payload("done");
}

// The same; but when `free` have ended, the others wait at the gate.
inline boost::asio::awaitable<sdk::HandlerResult> run_counted_then_wait(boost::asio::io_context& context, Count& count,
                                                                        std::size_t free, Gate& gate) {
  if (count.ended < free) co_return co_await run_counted(context, count, core::Millis(10));
  count.most = std::max(count.most, ++count.running);
  co_await gate.pass();
  --count.running;
  ++count.ended;
  co_return core::Payload("done");
}

inline sdk::Worker::Coroutine counted(boost::asio::io_context& context, Count& count, core::Millis takes) {
  return [&context, &count, takes](sdk::Task&) { return run_counted(context, count, takes); };
}

// The same, but ends when it is told to stop.
inline boost::asio::awaitable<sdk::HandlerResult> run_until_stopped(boost::asio::io_context& context, Count& count,
                                                                    core::Millis takes, sdk::Task& task) {
  count.most = std::max(count.most, ++count.running);
  boost::asio::steady_timer timer(context, takes);
  std::stop_callback wake(task.stop_token(), [&timer] { timer.cancel(); });
  boost::system::error_code ignored;
  co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  --count.running;
  ++count.ended;
  co_return core::Payload("done");
}

inline sdk::Worker::Coroutine until_stopped(boost::asio::io_context& context, Count& count, core::Millis takes) {
  return [&context, &count, takes](sdk::Task& task) { return run_until_stopped(context, count, takes, task); };
}

}  // namespace ff::test
