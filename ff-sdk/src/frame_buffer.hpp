#pragma once
// FrameBuffer: the frames of one attempt between its handler and the calls that store them. Decides what goes into a
// call, what has to wait and what is dropped; it sends nothing.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "ff/script/deployment.hpp"
#include "ff/sdk/stream.hpp"

namespace ff::sdk {

// Thread safety: any thread.
class FrameBuffer {
 public:
  static constexpr std::size_t kBytesMax = 1 << 20, kFramesMax = 4096, kBestEffortMax = 256;
  static constexpr std::size_t kCallFrames = 256, kCallBytes = 1 << 19;

  // Refuses what Valkey would.
  static core::Result<void> check(FrameMode mode, const std::string& type, const core::Payload& data);

  // Errors: exhausted/"buffer_full" (try again when there is room); the stream's.
  core::Result<void> add(FrameMode mode, std::string type, core::Payload data);
  // Whether all that was added is stored or has failed; the error, if any, counts as told.
  bool settled(core::Result<void>& outcome);
  // Blocks the thread until changed() was called after `seen`.
  std::uint64_t version() const;
  void wait_beyond(std::uint64_t seen);

  // The next call, or nothing to send. What was taken is repeated by the caller until it is stored or has failed.
  std::optional<script::AppendFrames::Args> take();
  std::optional<script::PublishFrames::Args> take_best_effort();
  void stored();
  // Ends the stream; the first error counts.
  void fail(core::Error error);
  // Whether the stream has failed, and somebody was told of it or it cost no frame.
  bool told() const;
  std::uint64_t dropped() const;

 private:
  core::Result<void> full_or_failed(std::size_t bytes);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<script::AppendFrames::Item> waiting_;
  std::deque<script::PublishFrames::Item> best_effort_;
  std::size_t bytes_ = 0, taken_frames_ = 0, taken_bytes_ = 0;  // Taken ones count as waiting until they are stored.
  std::int64_t sequence_ = 1;                                   // Of the first frame not stored.
  std::uint64_t version_ = 0, dropped_ = 0;
  std::optional<core::Error> error_;
  bool told_ = false;
};

}  // namespace ff::sdk
