// Places, rows and messages of streams.
#include "frame_codec.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace ff;
using sdk::FramePlace;

TEST_CASE("a place is read back as it was, and nothing else is taken for one") {
  for (const auto& place : {FramePlace(), FramePlace(0, 17), FramePlace(3, 9'007'199'254'740'991)}) {
    CHECK(FramePlace::parse(place.str()).value() == place);
  }
  for (const char* bad : {"", "-", "1", "1-", "-1", "1-2-3", "1 2", "a-1", "1--2", "+1-1", "9007199254740992-1",
                          "1-99999999999999999999"}) {
    INFO(bad);
    CHECK(FramePlace::parse(bad).error().reason == "bad_cursor");
  }
  CHECK(FramePlace(0, 9) < FramePlace(1, 1));
}

TEST_CASE("messages of the frames channel are told apart") {
  CHECK(std::holds_alternative<sdk::FramesAppended>(sdk::parse_frames_message("frames")));
  CHECK(std::get<sdk::StreamEnded>(sdk::parse_frames_message("ended failed")).state == core::State::failed);
  const auto progress = std::get<sdk::ProgressTold>(sdk::parse_frames_message("progress 40 1795673012730 half way"));
  CHECK(progress.percent == 40);
  CHECK(progress.text == "half way");
  CHECK(std::get<sdk::ProgressTold>(sdk::parse_frames_message("progress -1 5 ")).percent == -1);
  const auto frame = std::get<sdk::Frame>(sdk::parse_frames_message("frame 2 3 99 5 10 tokentext/plaina b\n"));
  CHECK(frame.mode == sdk::FrameMode::best_effort);
  CHECK(frame.attempt == 3);
  CHECK(frame.at == 99);
  CHECK(frame.type == "token");
  CHECK(frame.data == core::Payload("a b\n", "text/plain"));
}

TEST_CASE("a message that cannot be read asks for a look") {
  for (const char* message : {"", "frame", "frame 1 2 3 4", "frame 0 1 2 99 0 short", "frame 0 1 2 0 99 short",
                              "frame 0 1 x 0 0 ", "ended ready", "ended", "something new"}) {
    INFO(message);
    CHECK(std::holds_alternative<sdk::FramesAppended>(sdk::parse_frames_message(message)));
  }
}

TEST_CASE("a row of a mode that is not known is damage") {
  script::ReadFrames::Ok reply;
  reply.state = "active";
  reply.rows.emplace_back().mode = "other";
  CHECK(sdk::page_of_reply(std::move(reply)).error().code == core::Code::corrupt);
}
