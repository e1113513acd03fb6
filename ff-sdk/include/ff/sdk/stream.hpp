#pragma once
// Streams: frames that a running execution tells, kept in order, read by place, and followed live. What a handler
// appends to is FrameStream (Task::stream); what others read from is Client::read_frames and Client::tail.

#include <boost/asio/awaitable.hpp>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ff/core/ids.hpp"
#include "ff/core/payload.hpp"
#include "ff/core/result.hpp"
#include "ff/core/state.hpp"
#include "ff/core/time.hpp"

namespace ff::sdk {

enum class FrameMode : std::uint8_t {
  durable,      // Kept, in order, until the execution is purged or 10000 frames or 8 MiB have come after it.
  summary,      // A JSON merge patch (RFC 7396) of the one document of 32 KiB that is kept; read as the whole document.
  best_effort,  // Told to those who follow now; never stored.
  end,          // Only read: the closing marker. Its type is the state, its data the class of a failure.
};
std::string_view to_string(FrameMode mode) noexcept;

// Where a frame stands: frames are numbered from 1 in each generation. {0, 0} is before the first.
struct FramePlace {
  std::int64_t generation = 0, number = 0;
  FramePlace() = default;
  FramePlace(std::int64_t g, std::int64_t n) : generation(g), number(n) {}
  std::string str() const;  // "0-17"
  // Error: invalid_argument/bad_cursor.
  static core::Result<FramePlace> parse(std::string_view text);
  friend auto operator<=>(const FramePlace&, const FramePlace&) = default;
};

struct Frame {
  FramePlace place;  // {0, 0} of a best-effort one.
  std::int64_t attempt = 0;
  core::TimestampMs at = 0;
  FrameMode mode = FrameMode::durable;
  std::string type;
  core::Payload data;
  Frame() = default;
};

struct FramePage {
  std::vector<Frame> frames;
  FramePlace next;    // To read on from.
  bool more = false;  // There may be more now.
  // Frames before the first of these are gone: trimmed, or lost by a failover together with the place asked for.
  bool lost = false;
  core::State state = core::State::ready;
  FramePage() = default;
};

// What a handler appends to. Frames go out in the background, many in a call, in the order of the appends; best-effort
// ones by themselves. A worker reports the end of a handler when its frames are stored; frames that could not be
// stored, which the handler was not told of, fail the attempt.
// A type is 0 to 64 bytes. Errors of appends: invalid_argument/bad_frame, frame_too_large (64 KiB, a patch 32 KiB),
// bad_content_type; the first error that storing met, which ends the stream: stale_lease, invalid_argument/bad_patch,
// document_too_large (32 KiB), and those of Deployment::call that outlasted the lease.
// Thread safety: any thread. Lifetime: that of the Task.
class FrameStream {
 public:
  virtual ~FrameStream() = default;
  // Durable and summary frames wait for room when a MiB or 4096 of them are not stored yet, best-effort ones push the
  // oldest of 256 out. For plain functions. On the connection's executor, which must not be blocked (handler_executor
  // unset), there is no waiting: exhausted/"buffer_full".
  virtual core::Result<void> append(FrameMode mode, std::string type, core::Payload data) = 0;
  // Until all appended so far is stored. On the connection's executor: exhausted/"buffer_full" when it is not yet.
  virtual core::Result<void> flush() = 0;
  // The same for coroutines, on the connection's executor. Cancellation: the frame was not added.
  virtual boost::asio::awaitable<core::Result<void>> async_append(FrameMode mode, std::string type,
                                                                  core::Payload data) = 0;
  virtual boost::asio::awaitable<core::Result<void>> async_flush() = 0;
  virtual std::uint64_t dropped() const = 0;  // Best-effort frames that were pushed out.
};

struct TailNews {
  std::vector<Frame> frames;   // Best-effort ones behind the others.
  bool lost = false;           // As in FramePage: before the first of them there is a gap.
  bool ended = false;          // The closing marker has come; there is no more.
  std::uint64_t dropped = 0;   // Best-effort frames that came faster than they were taken.
  std::optional<std::pair<int, std::string>> progress;  // The last one told: percent (-1: unknown) and text.
  TailNews() = default;
  bool empty() const noexcept { return frames.empty() && !lost && !ended && dropped == 0 && !progress; }
};

// Follows one execution's stream: one call when something was told, none while nothing is. Holds no connection of its
// own, and outlives interruptions of the one it uses without loss or repeat.
// Thread safety: none; on the connection's executor, one next() at a time. Copies share the place.
class Tail {
 public:
  // What is new, as soon as there is something; nothing at the deadline. A reader may take its time: frames wait in
  // Valkey, and `lost` tells when they were trimmed meanwhile. Of a lean execution, which is gone as it ends, the last
  // frames may be lost, and a tail begun later answers not_found.
  // Errors: not_found (also: purged); those of Deployment::call when Valkey could not be asked by the deadline; after
  // any of them next() may be called again. Cancellation: at any time; no frame is lost by it.
  boost::asio::awaitable<core::Result<TailNews>> next(core::Deadline deadline);
  FramePlace place() const noexcept;  // Behind what next() gave; to go on from in another tail.

  struct State;
  explicit Tail(std::shared_ptr<State> state);

 private:
  std::shared_ptr<State> state_;
};

}  // namespace ff::sdk
