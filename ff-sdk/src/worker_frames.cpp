// Frames: what handlers append goes out in the background, and before their results.

#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>

#include "worker_impl.hpp"

namespace ff::sdk {

using std::chrono::steady_clock;

FrameStream& Attempt::stream() {
  std::call_once(stream_made_, [this] {
    auto worker = worker_.lock();
    auto self = std::weak_ptr<Attempt>(std::static_pointer_cast<Attempt>(shared_from_this()));
    auto kick = [weak = worker_, self] {
      auto running = weak.lock();
      auto attempt = self.lock();
      if (running && attempt) running->send_frames_of(std::move(attempt));
    };
    if (worker) {
      stream_ = worker->make_stream(std::move(kick));
    } else {
      stream_ = std::make_unique<AttemptStream>(asio::system_executor(), false, [] {});
      stream_->buffer().fail(core::Error(core::Code::cancelled, "closed", "the worker is gone"));
    }
    has_stream_.store(true, std::memory_order_release);
  });
  return *stream_;
}

std::unique_ptr<AttemptStream> Worker::Impl::make_stream(std::function<void()> kick) const {
  return std::make_unique<AttemptStream>(executor_, options_.handler_executor != executor_, std::move(kick));
}

void Worker::Impl::send_frames_of(AttemptPtr attempt) {
  asio::post(executor_, [self = shared_from_this(), attempt = std::move(attempt)] {
    AttemptStream& stream = *attempt->stream_if_used();
    stream.kicked = false;
    if (std::exchange(stream.sending, true)) return;
    self->spawn(send_frames(self, attempt));
  });
}

asio::awaitable<void> Worker::Impl::send_frames(Self self, AttemptPtr attempt) {
  AttemptStream& stream = *attempt->stream_if_used();
  while (true) {
    auto best_effort = stream.buffer().take_best_effort();
    auto frames = stream.buffer().take();
    if (!best_effort && !frames) break;
    if (best_effort) co_await publish_frames(self, attempt, std::move(*best_effort));
    if (frames) co_await store_frames(self, attempt, std::move(*frames));
  }
  stream.sending = false;
}

asio::awaitable<void> Worker::Impl::publish_frames(Self self, AttemptPtr attempt, script::PublishFrames::Args args) {
  args.id = attempt->id().ulid().str();
  args.lease = attempt->lease;
  args.epoch = attempt->epoch_text;
  auto sent = co_await self->deployment_->call<script::PublishFrames>(attempt->partition(), args, self->deadline());
  if (!sent) self->log(core::LogLevel::debug, "best-effort frames not sent", sent.error());
}

// Repeated until it is known to be stored, or the lease is over.
asio::awaitable<void> Worker::Impl::store_frames(Self self, AttemptPtr attempt, script::AppendFrames::Args args) {
  args.id = attempt->id().ulid().str();
  args.lease = attempt->lease;
  args.epoch = attempt->epoch_text;
  AttemptStream& stream = *attempt->stream_if_used();
  for (int round = 0;; ++round) {
    auto stored = co_await self->deployment_->call<script::AppendFrames>(attempt->partition(), args, self->deadline());
    if (stored) {
      stream.buffer().stored();
      break;
    }
    auto error = std::move(stored).error();
    const bool repeat = co_await pause_before_repeat(self, error, round, attempt->held_until);
    if (repeat && !attempt->lost) continue;
    if (error.code != core::Code::stale_lease) self->log(core::LogLevel::warn, "frames not stored", error);
    stream.buffer().fail(std::move(error));
    break;
  }
  stream.changed();
}

// The handler has ended: what it appended is stored first, while its lease is kept.
asio::awaitable<void> Worker::Impl::end_after_frames(Self self, AttemptPtr attempt, HandlerResult result) {
  AttemptStream& stream = *attempt->stream_if_used();
  const bool told = stream.buffer().told();
  auto flushed = co_await stream.async_flush();
  if (!flushed && !told && std::holds_alternative<core::Payload>(result)) {
    result = Failure(core::failure_class::kUnavailable, "frames could not be stored: " + flushed.error().to_string());
  }
  attempt->frames_flushed = true;
  self->handler_ended(std::move(attempt), std::move(result));
}

}  // namespace ff::sdk
