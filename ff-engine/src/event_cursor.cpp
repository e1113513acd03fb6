#include <algorithm>
#include <charconv>

#include "ff/engine/events.hpp"

namespace ff::engine {
namespace {

constexpr std::uint64_t kVersion = 1;

void put(std::string& out, std::uint64_t number) {
  while (number >= 0x80) {
    out += static_cast<char>(0x80 | (number & 0x7f));
    number >>= 7;
  }
  out += static_cast<char>(number);
}

std::optional<std::uint64_t> take(std::string_view& bytes) {
  std::uint64_t number = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    if (shift == 63 && byte > 1) return std::nullopt;
    number |= std::uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

}  // namespace

std::string EntryId::str() const { return std::to_string(ms) + "-" + std::to_string(sequence); }

std::optional<EntryId> EntryId::parse(std::string_view text) {
  EntryId id;
  const char* end = text.data() + text.size();
  const auto [dash, bad_ms] = std::from_chars(text.data(), end, id.ms);
  if (bad_ms != std::errc() || dash == end || *dash != '-') return std::nullopt;
  const auto [stop, bad_sequence] = std::from_chars(dash + 1, end, id.sequence);
  if (bad_sequence != std::errc() || stop != end) return std::nullopt;
  return id;
}

// Version, partitions, the latest time, then for each partition how long before that (0: nothing yet, else one more)
// and the sequence.
std::string EventCursor::encode() const {
  std::uint64_t latest = 0;
  for (const EntryId& place : places_) latest = std::max(latest, place.ms);
  std::string bytes;
  put(bytes, kVersion);
  put(bytes, places_.size());
  put(bytes, latest);
  for (const EntryId& place : places_) {
    const bool nothing = place == EntryId();
    put(bytes, nothing ? 0 : latest - place.ms + 1);
    if (!nothing) put(bytes, place.sequence);
  }
  return bytes;
}

std::optional<EventCursor> EventCursor::decode(std::string_view bytes, std::size_t partitions) {
  const auto version = take(bytes), count = take(bytes), latest = take(bytes);
  if (version != kVersion || count != partitions || !latest) return std::nullopt;
  EventCursor cursor(partitions);
  for (EntryId& place : cursor.places_) {
    const auto before = take(bytes);
    if (!before || *before > *latest + 1) return std::nullopt;
    if (*before == 0) continue;
    const auto sequence = take(bytes);
    if (!sequence) return std::nullopt;
    place = EntryId(*latest - (*before - 1), *sequence);
  }
  if (!bytes.empty()) return std::nullopt;
  return cursor;
}

bool EventFilter::takes(const Event& event) const {
  if (!event.state) return true;
  const std::string_view queue = event.queue;
  if (queue.size() <= ns.size() || !queue.starts_with(ns) || queue[ns.size()] != '/') return false;
  if (!lane.empty() && queue.substr(ns.size() + 1) != lane) return false;
  if (state && event.state != state) return false;
  return !id || (event.partition == id->partition() && event.ulid == id->ulid().str());
}

}  // namespace ff::engine
