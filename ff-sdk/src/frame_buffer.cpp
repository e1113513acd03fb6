#include "frame_buffer.hpp"

#include "client_call.hpp"
#include "ff/core/limits.hpp"

namespace ff::sdk {
namespace {

std::string content_type_of(const core::Payload& data, FrameMode mode) {
  const bool implied = data.content_type == core::kContentTypeDefault || mode == FrameMode::summary;
  return implied ? std::string() : data.content_type;
}

}  // namespace

core::Result<void> FrameBuffer::check(FrameMode mode, const std::string& type, const core::Payload& data) {
  if (mode == FrameMode::end) return refused_argument("bad_frame", "a closing marker is not appended");
  if (type.size() > core::limits::kFrameTypeBytes) {
    return refused_argument("bad_frame", "the type has " + std::to_string(type.size()) + " bytes, allowed are 64");
  }
  const std::size_t most = mode == FrameMode::summary ? core::limits::kSummaryBytes : core::limits::kFrameBytes;
  if (data.bytes.size() > most) {
    return refused_argument("frame_too_large", "the frame has " + std::to_string(data.bytes.size()) +
                                                   " bytes, allowed are " + std::to_string(most));
  }
  return data.content_type.empty() ? core::Result<void>() : core::validate_content_type(data.content_type);
}

core::Result<void> FrameBuffer::full_or_failed(std::size_t bytes) {
  if (error_) {
    told_ = true;
    return *error_;
  }
  const std::size_t frames = waiting_.size() + taken_frames_;
  if (frames >= kFramesMax || (frames > 0 && bytes_ + bytes > kBytesMax)) {
    return core::Error(core::Code::exhausted, "buffer_full", "frames come faster than they are stored", 1);
  }
  return {};
}

core::Result<void> FrameBuffer::add(FrameMode mode, std::string type, core::Payload data) {
  std::lock_guard lock(mutex_);
  if (mode == FrameMode::best_effort) {
    if (error_) return *error_;
    if (best_effort_.size() == kBestEffortMax) {
      best_effort_.pop_front();
      ++dropped_;
    }
    auto& item = best_effort_.emplace_back();
    item.type = std::move(type);
    item.content_type = content_type_of(data, mode);
    item.data = std::move(data.bytes);
    return {};
  }
  if (auto good = full_or_failed(data.bytes.size()); !good) return good;
  bytes_ += data.bytes.size();
  auto& item = waiting_.emplace_back();
  item.mode = to_string(mode);
  item.type = std::move(type);
  item.content_type = content_type_of(data, mode);
  item.data = std::move(data.bytes);
  return {};
}

bool FrameBuffer::settled(core::Result<void>& outcome) {
  std::lock_guard lock(mutex_);
  if (error_) {
    told_ = true;
    outcome = *error_;
    return true;
  }
  return waiting_.empty() && taken_frames_ == 0;
}

std::uint64_t FrameBuffer::version() const {
  std::lock_guard lock(mutex_);
  return version_;
}

void FrameBuffer::wait_beyond(std::uint64_t seen) {
  std::unique_lock lock(mutex_);
  while (version_ == seen) changed_.wait(lock);
}

std::optional<script::AppendFrames::Args> FrameBuffer::take() {
  std::lock_guard lock(mutex_);
  if (error_ || waiting_.empty() || taken_frames_ > 0) return std::nullopt;
  script::AppendFrames::Args args;
  args.sequence = sequence_;
  std::size_t patch_bytes = 0;
  while (!waiting_.empty() && taken_frames_ < kCallFrames) {
    const std::size_t bytes = waiting_.front().data.size();
    if (waiting_.front().mode == to_string(FrameMode::summary)) patch_bytes += bytes;
    if (taken_frames_ > 0 && taken_bytes_ + bytes > kCallBytes) break;
    if (patch_bytes > core::limits::kSummaryBytes) break;
    args.items.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    ++taken_frames_;
    taken_bytes_ += bytes;
  }
  return args;
}

std::optional<script::PublishFrames::Args> FrameBuffer::take_best_effort() {
  std::lock_guard lock(mutex_);
  if (error_ || best_effort_.empty()) return std::nullopt;
  script::PublishFrames::Args args;
  for (std::size_t bytes = 0; !best_effort_.empty() && bytes < kCallBytes;) {
    bytes += best_effort_.front().data.size();
    args.items.push_back(std::move(best_effort_.front()));
    best_effort_.pop_front();
  }
  return args;
}

void FrameBuffer::stored() {
  std::lock_guard lock(mutex_);
  sequence_ += static_cast<std::int64_t>(taken_frames_);
  bytes_ -= taken_bytes_;
  taken_frames_ = taken_bytes_ = 0;
  ++version_;
  changed_.notify_all();
}

void FrameBuffer::fail(core::Error error) {
  std::lock_guard lock(mutex_);
  if (!error_) {
    told_ = waiting_.empty() && taken_frames_ == 0;  // Nothing of the handler's was lost.
    error_ = std::move(error);
  }
  waiting_.clear();
  best_effort_.clear();
  bytes_ = taken_frames_ = taken_bytes_ = 0;
  ++version_;
  changed_.notify_all();
}

bool FrameBuffer::told() const {
  std::lock_guard lock(mutex_);
  return error_ && told_;
}

std::uint64_t FrameBuffer::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace ff::sdk
