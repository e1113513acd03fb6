#include "frame_codec.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "client_call.hpp"
#include "ff/core/text.hpp"

namespace ff::sdk {
namespace {

constexpr std::array<std::pair<FrameMode, std::string_view>, 4> kModes{{{FrameMode::durable, "durable"},
                                                                        {FrameMode::summary, "summary"},
                                                                        {FrameMode::best_effort, "best_effort"},
                                                                        {FrameMode::end, "end"}}};

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

// Takes the word before the next space; all of it when there is none.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<Frame> parse_frame(std::string_view text) {
  std::array<std::int64_t, 5> head{};
  for (std::int64_t& field : head) {
    const auto number = number_of(take_word(text));
    if (!number) return std::nullopt;
    field = *number;
  }
  const auto type_bytes = static_cast<std::size_t>(head[3]), content_bytes = static_cast<std::size_t>(head[4]);
  if (type_bytes > text.size() || content_bytes > text.size() - type_bytes) return std::nullopt;
  Frame frame;
  frame.attempt = head[1];
  frame.at = head[2];
  frame.mode = FrameMode::best_effort;
  frame.type = text.substr(0, type_bytes);
  frame.data.content_type = content_type_of_reply(std::string(text.substr(type_bytes, content_bytes)));
  frame.data.bytes = text.substr(type_bytes + content_bytes);
  return frame;
}

}  // namespace

std::string_view to_string(FrameMode mode) noexcept { return kModes[static_cast<std::size_t>(mode)].second; }

std::string FramePlace::str() const { return std::to_string(generation) + "-" + std::to_string(number); }

core::Result<FramePlace> FramePlace::parse(std::string_view text) {
  const std::size_t dash = std::min(text.find('-'), text.size());
  const auto generation = number_of(text.substr(0, dash));
  const auto number = number_of(text.substr(std::min(dash + 1, text.size())));
  constexpr std::int64_t kMax = std::int64_t(1) << 53;
  if (!generation || !number || *generation >= kMax || *number >= kMax) {
    return refused_argument("bad_cursor", "cursor is " + core::shown(text) + ", must be one that was given, as 0-17");
  }
  return FramePlace(*generation, *number);
}

core::Result<FramePage> page_of_reply(script::ReadFrames::Ok reply) {
  FF_TRY(state, state_of_reply(reply.state));
  FramePage page;
  page.state = state;
  page.next = FramePlace(reply.generation, reply.number);
  page.more = reply.more;
  page.lost = reply.lost;
  for (auto& row : reply.rows) {
    Frame& frame = page.frames.emplace_back();
    frame.place = FramePlace(row.generation, row.number);
    frame.attempt = row.attempt;
    frame.at = row.at;
    const auto named = [&row](const auto& mode) { return mode.second == row.mode; };
    const auto* mode = std::find_if(kModes.begin(), kModes.end(), named);
    if (mode == kModes.end()) return corrupt_reply("the mode", row.mode);
    frame.mode = mode->first;
    frame.type = std::move(row.type);
    frame.data = core::Payload(std::move(row.data), content_type_of_reply(std::move(row.content_type)));
  }
  return page;
}

FramesMessage parse_frames_message(std::string_view message) {
  const std::string_view word = take_word(message);
  if (word == "ended") {
    const auto state = core::parse_state(message);
    StreamEnded ended;
    if (!state || !core::is_terminal(*state)) return FramesAppended();
    ended.state = *state;
    return ended;
  }
  if (word == "progress") {
    ProgressTold told;
    const std::string_view percent = take_word(message);
    take_word(message);  // When it was told.
    told.percent = static_cast<int>(number_of(percent).value_or(-1));
    told.text = message;
    return told;
  }
  if (word == "frame") {
    if (auto frame = parse_frame(message)) return std::move(*frame);
  }
  return FramesAppended();
}

}  // namespace ff::sdk
