#pragma once
// Time as the engine uses it. Deadlines of calls run on this process's steady clock; every time
// stored in Valkey is Valkey's own TIME in milliseconds since 1970 (TimestampMs) and is never
// compared with a local clock.

#include <chrono>
#include <cstdint>

namespace ff::core {

using Millis = std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;
using TimestampMs = std::int64_t;  // Valkey's clock.

// When a call must have ended. A call past its deadline that was not sent fails as `unavailable`,
// one that was sent as `unknown_outcome`; both with reason "deadline".
struct Deadline {
  SteadyTime at;
  explicit Deadline(SteadyTime t) : at(t) {}
  static Deadline in(Millis duration) {
    return Deadline(std::chrono::steady_clock::now() + duration);
  }
};

}  // namespace ff::core
