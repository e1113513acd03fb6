#include "attempt_stream.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace ff::sdk {

namespace asio = boost::asio;

namespace {

bool full(const core::Result<void>& added) { return !added && added.error().reason == "buffer_full"; }

core::Error not_yet() {
  return core::Error(core::Code::exhausted, "buffer_full", "not all frames are stored yet", 1);
}

asio::awaitable<bool> given_up() {
  const auto state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

core::Error cancelled() { return core::Error(core::Code::cancelled, "cancelled", "the caller gave up"); }

}  // namespace

AttemptStream::AttemptStream(asio::any_io_executor executor, bool blocks, std::function<void()> kick)
    : changed_(executor, core::SteadyTime::max()), blocks_(blocks), kick_(std::move(kick)) {}

core::Result<void> AttemptStream::add(FrameMode mode, const std::string& type, const core::Payload& data) {
  auto added = buffer_.add(mode, type, data);
  if (added && !kicked.exchange(true)) kick_();
  return added;
}

core::Result<void> AttemptStream::append(FrameMode mode, std::string type, core::Payload data) {
  if (auto good = FrameBuffer::check(mode, type, data); !good) return good;
  while (true) {
    const std::uint64_t seen = buffer_.version();
    auto added = add(mode, type, data);
    if (!full(added) || !blocks_) return added;
    buffer_.wait_beyond(seen);
  }
}

core::Result<void> AttemptStream::flush() {
  core::Result<void> outcome;
  while (true) {
    const std::uint64_t seen = buffer_.version();
    if (buffer_.settled(outcome)) return outcome;
    if (!blocks_) return not_yet();
    buffer_.wait_beyond(seen);
  }
}

asio::awaitable<core::Result<void>> AttemptStream::async_append(FrameMode mode, std::string type, core::Payload data) {
  if (auto good = FrameBuffer::check(mode, type, data); !good) co_return good;
  while (true) {
    auto added = add(mode, type, data);
    if (!full(added)) co_return added;
    boost::system::error_code ignored;
    co_await changed_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const bool stop = co_await given_up();
    if (stop) co_return cancelled();
  }
}

asio::awaitable<core::Result<void>> AttemptStream::async_flush() {
  core::Result<void> outcome;
  while (!buffer_.settled(outcome)) {
    boost::system::error_code ignored;
    co_await changed_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const bool stop = co_await given_up();
    if (stop) co_return cancelled();
  }
  co_return outcome;
}

}  // namespace ff::sdk
