#pragma once
// AttemptStream: FrameStream over the worker that runs the attempt.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <atomic>
#include <functional>
#include <memory>

#include "frame_buffer.hpp"

namespace ff::sdk {

class AttemptStream final : public FrameStream {
 public:
  // `kick` is called from any thread when there is something to send. `blocks`: a thread of its own may wait.
  AttemptStream(boost::asio::any_io_executor executor, bool blocks, std::function<void()> kick);

  core::Result<void> append(FrameMode mode, std::string type, core::Payload data) override;
  core::Result<void> flush() override;
  boost::asio::awaitable<core::Result<void>> async_append(FrameMode mode, std::string type,
                                                          core::Payload data) override;
  boost::asio::awaitable<core::Result<void>> async_flush() override;
  std::uint64_t dropped() const override { return buffer_.dropped(); }

  FrameBuffer& buffer() noexcept { return buffer_; }
  // On the executor, after the buffer's stored() or fail().
  void changed() { changed_.cancel(); }
  bool sending = false;              // On the executor only.
  std::atomic<bool> kicked = false;  // Since the last look at the buffer.

 private:
  core::Result<void> add(FrameMode mode, const std::string& type, const core::Payload& data);

  FrameBuffer buffer_;
  boost::asio::steady_timer changed_;  // Never expires; cancelled to wake coroutines.
  bool blocks_;
  std::function<void()> kick_;
};

}  // namespace ff::sdk
