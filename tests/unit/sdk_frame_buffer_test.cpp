// What goes into a call, what waits, and what is dropped between a handler and the store.
#include "frame_buffer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <thread>

using namespace ff;
using sdk::FrameBuffer;
using sdk::FrameMode;

namespace {

core::Result<void> add(FrameBuffer& buffer, std::string bytes, FrameMode mode = FrameMode::durable) {
  return buffer.add(mode, "t", core::Payload(std::move(bytes)));
}

core::Error some_error() { return core::Error(core::Code::stale_lease, "stale_lease", ""); }

}  // namespace

TEST_CASE("a call takes 256 frames or 512 KiB, and counts on from what was stored") {
  FrameBuffer buffer;
  for (int i = 0; i < 300; ++i) REQUIRE(add(buffer, std::to_string(i)));
  auto first = buffer.take();
  REQUIRE(first);
  CHECK(first->items.size() == 256);
  CHECK(first->sequence == 1);
  CHECK_FALSE(buffer.take());  // One at a time.
  buffer.stored();
  auto second = buffer.take();
  REQUIRE(second);
  CHECK(second->sequence == 257);
  CHECK(second->items.at(0).data == "256");
  buffer.stored();
  for (int i = 0; i < 10; ++i) REQUIRE(add(buffer, std::string(65'536, 'x')));
  CHECK(buffer.take()->items.size() == 8);
}

TEST_CASE("patches of a call stay below what Valkey takes apart at once") {
  FrameBuffer buffer;
  for (int i = 0; i < 3; ++i) REQUIRE(add(buffer, "{\"a\":\"" + std::string(20'000, 'x') + "\"}", FrameMode::summary));
  CHECK(buffer.take()->items.size() == 1);
}

TEST_CASE("what is not stored yet is bounded, in bytes and in frames") {
  FrameBuffer bytes, frames;
  for (int i = 0; i < 16; ++i) REQUIRE(add(bytes, std::string(65'536, 'x')));
  CHECK(add(bytes, "x").error().reason == "buffer_full");
  REQUIRE(bytes.take());
  CHECK(add(bytes, "x").error().reason == "buffer_full");  // On its way is not stored.
  bytes.stored();
  CHECK(add(bytes, "x"));
  for (std::size_t i = 0; i < FrameBuffer::kFramesMax; ++i) REQUIRE(add(frames, ""));
  CHECK(add(frames, "").error().reason == "buffer_full");
}

TEST_CASE("of best-effort frames the oldest go") {
  FrameBuffer buffer;
  for (int i = 0; i < 300; ++i) REQUIRE(add(buffer, std::to_string(i), FrameMode::best_effort));
  CHECK(buffer.dropped() == 44);
  auto args = buffer.take_best_effort();
  REQUIRE(args);
  CHECK(args->items.size() == 256);
  CHECK(args->items.at(0).data == "44");
  CHECK_FALSE(buffer.take_best_effort());
}

TEST_CASE("an error ends the stream, and is told once it cost something") {
  FrameBuffer idle, busy;
  idle.fail(some_error());
  CHECK(idle.told());
  CHECK(add(idle, "x").error().reason == "stale_lease");

  REQUIRE(add(busy, "x"));
  REQUIRE(busy.take());
  busy.fail(some_error());
  CHECK_FALSE(busy.told());
  core::Result<void> outcome;
  CHECK(busy.settled(outcome));
  CHECK(outcome.error().reason == "stale_lease");
  CHECK(busy.told());
}

TEST_CASE("who waits for room is woken by what was stored") {
  FrameBuffer buffer;
  REQUIRE(add(buffer, "x"));
  REQUIRE(buffer.take());
  const auto seen = buffer.version();
  std::thread waiting([&] { buffer.wait_beyond(seen); });
  buffer.stored();
  waiting.join();
  core::Result<void> outcome;
  CHECK(buffer.settled(outcome));
  CHECK(outcome.has_value());
}

TEST_CASE("what Valkey would refuse is refused before it is taken") {
  const auto refusal = [](FrameMode mode, std::size_t type, std::size_t bytes, std::string content_type = {}) {
    core::Payload data(std::string(bytes, 'x'));
    data.content_type = std::move(content_type);
    auto checked = FrameBuffer::check(mode, std::string(type, 't'), data);
    return checked ? std::string("ok") : checked.error().reason;
  };
  CHECK(refusal(FrameMode::durable, 64, 65'536) == "ok");
  CHECK(refusal(FrameMode::durable, 65, 0) == "bad_frame");
  CHECK(refusal(FrameMode::durable, 0, 65'537) == "frame_too_large");
  CHECK(refusal(FrameMode::summary, 0, 32'768) == "ok");
  CHECK(refusal(FrameMode::summary, 0, 32'769) == "frame_too_large");
  CHECK(refusal(FrameMode::end, 0, 0) == "bad_frame");
  CHECK(refusal(FrameMode::durable, 0, 0, "no type") == "bad_content_type");
}
