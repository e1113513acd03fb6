#pragma once
// Outage: what a log says of calls that fail again and again: the first, then one line a minute with how many there
// were, and one when it is over. A decision without I/O. Thread safety: none.

#include <cstdint>
#include <optional>
#include <utility>

#include "ff/core/time.hpp"

namespace ff::core {

class Outage {
 public:
  static constexpr Millis kEvery{60'000};
  // It is over when a call succeeds and none has failed for so long: while one shard is away, calls to others succeed.
  static constexpr Millis kQuiet{15'000};

  // A call failed. Set: say so, of so many failures since it was last said.
  std::optional<std::uint64_t> failed(SteadyTime now) noexcept {
    ++failures_;
    ++unsaid_;
    last_ = now;
    if (failures_ > 1 && now < said_ + kEvery) return std::nullopt;
    said_ = now;
    return std::exchange(unsaid_, 0);
  }

  // A call succeeded. Set: the outage is over, after so many failures.
  std::optional<std::uint64_t> succeeded(SteadyTime now) noexcept {
    if (failures_ == 0 || now < last_ + kQuiet) return std::nullopt;
    unsaid_ = 0;
    return std::exchange(failures_, 0);
  }

 private:
  std::uint64_t failures_ = 0, unsaid_ = 0;
  SteadyTime said_{}, last_{};
};

}  // namespace ff::core
