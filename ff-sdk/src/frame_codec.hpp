#pragma once
// Frames as they come from Valkey: rows of read_frames, and messages of the frames channel. Pure functions.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "ff/script/verbs.gen.hpp"
#include "ff/sdk/stream.hpp"

namespace ff::sdk {

core::Result<FramePage> page_of_reply(script::ReadFrames::Ok reply);

struct FramesAppended {};
struct StreamEnded {
  core::State state = core::State::completed;
  StreamEnded() = default;
};
struct ProgressTold {
  int percent = -1;
  std::string text;
  ProgressTold() = default;
};
// A message that is none of these, as of a newer library, is FramesAppended: whoever reads finds out.
using FramesMessage = std::variant<FramesAppended, StreamEnded, ProgressTold, Frame>;
FramesMessage parse_frames_message(std::string_view message);

}  // namespace ff::sdk
