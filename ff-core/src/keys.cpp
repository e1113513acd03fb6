#include "ff/core/keys.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <stdexcept>

#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"

namespace ff::core {
namespace {

constexpr std::array<std::uint16_t, 256> kCrcTable = [] {
  std::array<std::uint16_t, 256> table{};
  for (unsigned i = 0; i < 256; ++i) {
    unsigned crc = i << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[i] = static_cast<std::uint16_t>(crc);
  }
  return table;
}();

// CRC16/XMODEM: polynomial 0x1021, begins with 0, nothing reflected. Can be continued: that is how
// salts are tried.
std::uint16_t crc16(std::string_view bytes, std::uint16_t crc = 0) {
  for (const char c : bytes) {
    crc = static_cast<std::uint16_t>((crc << 8) ^
                                     kCrcTable[((crc >> 8) ^ static_cast<std::uint8_t>(c)) & 0xff]);
  }
  return crc;
}

bool is_prefix(std::string_view text) {
  if (text.empty() || text.size() > limits::kPrefixChars) return false;
  for (const char c : text) {
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') return false;
  }
  return true;
}

Result<void> check(std::string_view prefix, std::size_t partitions) {
  if (!is_prefix(prefix)) {
    return Error(Code::invalid_argument, "bad_prefix",
                 "prefix is " + shown(prefix) + ", must be 1 to 16 characters of a-z, 0-9 and '-'");
  }
  if (partitions == 0 || partitions > limits::kPartitionsMax) {
    return Error(Code::invalid_argument, "bad_partitions",
                 "partitions is " + std::to_string(partitions) + ", must be 1 to 1024");
  }
  return {};
}

// The smallest salt with which "<base><salt>" hashes into the p-th of `partitions` equal slot
// ranges. The loop ends: a few digits reach every slot (a test builds all 1024).
std::string salted(const std::string& base, std::size_t p, std::size_t partitions) {
  const std::uint16_t begun = crc16(base);
  std::array<char, 20> digits{};
  for (std::uint64_t salt = 0;; ++salt) {
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), salt);
    const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
    const std::size_t slot = crc16(text, begun) % kSlots;
    if (slot * partitions / kSlots == p) return base + std::string(text);
  }
}

}  // namespace

Slot slot_of(std::string_view key) noexcept {
  const std::size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1)
      key = key.substr(open + 1, close - open - 1);
  }
  return static_cast<Slot>(crc16(key) % kSlots);
}

std::uint64_t stable_hash(std::string_view bytes) noexcept {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : bytes) h = (h ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  // FNV's last bytes barely reach the upper bits, nor its lower bits the earlier ones; the
  // finalizer mixes all with all.
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
  h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
  return h ^ (h >> 31);
}

Result<Keyspace> Keyspace::make(std::string prefix, std::size_t partitions) {
  if (auto good = check(prefix, partitions); !good) return std::move(good).error();
  return Keyspace(std::move(prefix), partitions);
}

Keyspace::Keyspace(std::string prefix, std::size_t partitions)
    : prefix_(std::move(prefix)),
      root_(fmt::format("{{{}}}", prefix_)),
      root_slot_(slot_of(root_)) {
  if (auto good = check(prefix_, partitions); !good)
    throw std::invalid_argument(good.error().message);
  tags_.reserve(partitions);
  slots_.reserve(partitions);
  for (std::size_t p = 0; p < partitions; ++p) {
    const std::string base = fmt::format("{}:{}.", prefix_, p);
    tags_.push_back(fmt::format("{{{}}}", salted(base, p, partitions)));
    slots_.push_back(slot_of(tags_.back()));
  }
}

Partition Keyspace::home_of(std::string_view ns, std::string_view idempotency_key) const {
  std::string text;
  text.reserve(ns.size() + 1 + idempotency_key.size());
  text.append(ns).append("/").append(idempotency_key);
  return static_cast<Partition>(stable_hash(text) % partitions());
}

Partition Keyspace::home_of_event(std::string_view ns, std::string_view event, std::string_view key) const {
  std::string text(ns);
  text.append("/").append(event).append("/").append(key);
  return static_cast<Partition>(stable_hash(text) % partitions());
}

Partition Keyspace::home_for_new(const Ulid& ulid) const {
  return static_cast<Partition>(stable_hash(ulid.str()) % partitions());
}

std::string Keyspace::limit_id(std::string_view ns, const LimitName& limit) {
  std::string id(limit.kind == LimitKind::quota ? "u:" : "b:");
  return id.append(ns).append("/").append(limit.name);
}
Partition Keyspace::home_of_limit(std::string_view ns, const LimitName& limit) const {
  const auto homes = (partitions() + kPartitionsPerLimitHome - 1) / kPartitionsPerLimitHome;
  return static_cast<Partition>(stable_hash(limit_id(ns, limit)) % homes * kPartitionsPerLimitHome);
}

std::string Keyspace::name(Partition p, std::string_view rest) const {
  return name(p, rest, {});
}

std::string Keyspace::name(Partition p, std::string_view kind, std::string_view rest) const {
  const std::string& t = tag(p);
  std::string key;
  key.reserve(t.size() + 1 + kind.size() + rest.size());
  return key.append(t).append(":").append(kind).append(rest);
}

std::string Keyspace::satellite(Partition p, const Ulid& ulid, std::string_view suffix) const {
  return core(p, ulid).append(suffix);
}

std::string Keyspace::worker_channel(Partition p, std::string_view worker) const {
  return name(p, "w:", worker);
}
std::string Keyspace::watch_channel(Partition p, const Ulid& ulid) const {
  return name(p, "v:", ulid.str());
}
std::string Keyspace::engine_channel(Partition p) const {
  return name(p, "engine");
}
std::string Keyspace::frames_channel(Partition p, const Ulid& ulid) const {
  return name(p, "f:", ulid.str());
}
std::string Keyspace::events_channel(Partition p) const {
  return name(p, "events");
}

std::string Keyspace::core(Partition p, const Ulid& ulid) const {
  return name(p, "e:", ulid.str());
}
std::string Keyspace::payload(Partition p, const Ulid& ulid) const {
  return satellite(p, ulid, ":p");
}
std::string Keyspace::result(Partition p, const Ulid& ulid) const {
  return satellite(p, ulid, ":r");
}
std::string Keyspace::old_result(Partition p, const Ulid& ulid, std::int64_t generation) const {
  return satellite(p, ulid, ":r" + std::to_string(generation));
}
std::string Keyspace::error_text(Partition p, const Ulid& ulid) const {
  return satellite(p, ulid, ":x");
}
std::string Keyspace::policy(Partition p, const Ulid& ulid) const {
  return satellite(p, ulid, ":y");
}
std::string Keyspace::tags(Partition p, const Ulid& ulid) const {
  return satellite(p, ulid, ":t");
}
std::string Keyspace::progress(Partition p, const Ulid& ulid) const {
  return satellite(p, ulid, ":o");
}
std::string Keyspace::history(Partition p, const Ulid& ulid) const {
  return satellite(p, ulid, ":h");
}
std::string Keyspace::step(Partition p, const Ulid& ulid, std::int64_t step) const {
  return satellite(p, ulid, ":s" + std::to_string(step));
}
std::string Keyspace::signals(Partition p, const Ulid& ulid, std::int64_t step) const {
  return satellite(p, ulid, ":m" + std::to_string(step));
}
std::string Keyspace::answers(Partition p, const Ulid& ulid, std::int64_t step) const {
  return satellite(p, ulid, ":d" + std::to_string(step));
}
std::string Keyspace::frames(Partition p, const Ulid& ulid) const {
  return satellite(p, ulid, ":f");
}
std::string Keyspace::stream_state(Partition p, const Ulid& ulid) const {
  return satellite(p, ulid, ":s");
}

std::string Keyspace::idempotency(Partition p, std::string_view ns, std::string_view key) const {
  std::string rest;
  rest.reserve(ns.size() + 1 + key.size());
  return name(p, "i:", rest.append(ns).append("/").append(key));
}
std::string Keyspace::queue(Partition p, const Queue& queue) const {
  return name(p, "q:", queue.str());
}
std::string Keyspace::idle(Partition p, const Queue& queue) const {
  return name(p, "idle:", queue.str());
}
std::string Keyspace::lanes(Partition p) const {
  return name(p, "lanes");
}
std::string Keyspace::index(Partition p, State state) const {
  if (state == State::ready)
    throw std::logic_error("ready executions have no index: they wait in their queue");
  return name(p, to_string(state));
}
std::string Keyspace::timeouts(Partition p) const {
  return name(p, "timeouts");
}
std::string Keyspace::deadlines(Partition p) const {
  return name(p, "deadlines");
}
std::string Keyspace::handoffs(Partition p) const {
  return name(p, "handoffs");
}
std::string Keyspace::waitpoints(Partition p) const {
  return name(p, "waitpoints");
}
std::string Keyspace::awaits(Partition p) const {
  return name(p, "awaits");
}
std::string Keyspace::deliveries(Partition p) const {
  return name(p, "deliveries");
}
std::string Keyspace::event(Partition p, std::string_view ns, std::string_view event, std::string_view key) const {
  std::string rest(ns);
  return name(p, "n:", rest.append("/").append(event).append("/").append(key));
}
std::string Keyspace::events(Partition p) const {
  return name(p, "ev");
}
std::string Keyspace::limits(Partition p) const {
  return name(p, "limits");
}
std::string Keyspace::limits_due(Partition p) const {
  return name(p, "limits_due");
}
std::string Keyspace::limit(std::string_view ns, const LimitName& limit) const {
  return name(home_of_limit(ns, limit), limit_id(ns, limit));
}
std::string Keyspace::absent(Partition p) const {
  return name(p, "absent");
}

std::string Keyspace::servers() const {
  return root_ + ":servers";
}

}  // namespace ff::core
