#pragma once
// Backoff with full jitter: a wait is drawn from zero to a bound that doubles with each failure, so that
// clients that failed together do not come back together.

#include <algorithm>
#include <random>

#include "ff/core/time.hpp"

namespace ff::script {

using Random = std::minstd_rand;

// The bound of attempt n (from 0) is min * 2^n, at most max.
inline core::Millis full_jitter(core::Millis min, core::Millis max, unsigned attempt, Random& random) {
  const std::int64_t doubled = min.count() << std::min(attempt, 20U);
  const std::int64_t bound = std::clamp<std::int64_t>(doubled, 0, std::max<std::int64_t>(max.count(), 0));
  return core::Millis(std::uniform_int_distribution<std::int64_t>(0, bound)(random));
}

class Backoff {
 public:
  Backoff(core::Millis min, core::Millis max) : min_(min), max_(max) {}
  core::Millis next(Random& random) { return full_jitter(min_, max_, attempt_++, random); }
  void reset() noexcept { attempt_ = 0; }
  unsigned attempts() const noexcept { return attempt_; }

 private:
  core::Millis min_, max_;
  unsigned attempt_ = 0;
};

}  // namespace ff::script
