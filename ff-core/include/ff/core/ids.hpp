#pragma once
// Ids are made by the caller, so that a resend after a lost reply is recognised. `ExecutionId` is
// "<partition>-<ULID>"; inside its partition every key uses the ULID alone.

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "ff/core/result.hpp"

namespace ff::core {

using Partition = std::uint16_t;  // 0 .. partition count - 1 (at most 1023).

// 26 characters of Crockford base32 in upper case: 48 bits of milliseconds, 80 bits of randomness.
// Sorts by age.
class Ulid {
 public:
  // A new one from the system clock and std::random_device. Ids made by one thread ascend, even
  // when the clock goes back (then their time stays ahead of it). Thread-safe; a forked child does
  // not repeat its parent's ids.
  static Ulid make();
  // Refuses everything but the canonical form. Error: invalid_argument/bad_id.
  static Result<Ulid> parse(std::string_view text);

  const std::string& str() const noexcept { return text_; }
  // When it was made, in ms since 1970 by its maker's clock: for people, never for a decision.
  std::int64_t made_at_ms() const noexcept;
  friend auto operator<=>(const Ulid&, const Ulid&) = default;

 private:
  explicit Ulid(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

class ExecutionId {
 public:
  ExecutionId(Partition partition, Ulid ulid) : partition_(partition), ulid_(std::move(ulid)) {}
  // "<partition>-<ULID>", partition without leading zeros, at most 1023. Error:
  // invalid_argument/bad_id.
  static Result<ExecutionId> parse(std::string_view text);

  Partition partition() const noexcept { return partition_; }
  const Ulid& ulid() const noexcept { return ulid_; }
  std::string str() const { return std::to_string(partition_) + "-" + ulid_.str(); }
  friend auto operator<=>(const ExecutionId&, const ExecutionId&) = default;

 private:
  Partition partition_;
  Ulid ulid_;
};

}  // namespace ff::core

template <>
struct std::hash<ff::core::Ulid> {
  std::size_t operator()(const ff::core::Ulid& ulid) const noexcept {
    return std::hash<std::string>{}(ulid.str());
  }
};
template <>
struct std::hash<ff::core::ExecutionId> {
  // The ULID is random enough alone.
  std::size_t operator()(const ff::core::ExecutionId& id) const noexcept {
    return std::hash<std::string>{}(id.ulid().str());
  }
};
