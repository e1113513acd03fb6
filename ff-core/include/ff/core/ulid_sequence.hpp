#pragma once
// The pure part of Ulid::make(): which (time, randomness) comes next, so that ids ascend whatever
// the clock does.

#include <cstdint>
#include <string>

namespace ff::core {

// 80 bits, as the upper 16 and the lower 64.
struct Random80 {
  std::uint16_t high = 0;
  std::uint64_t low = 0;
  constexpr Random80() noexcept = default;
  constexpr Random80(std::uint16_t h, std::uint64_t l) noexcept : high(h), low(l) {}
  friend constexpr bool operator==(const Random80&, const Random80&) = default;
};

// Not thread-safe.
class UlidSequence {
 public:
  struct Step {
    std::uint64_t ms;  // below 2^48
    Random80 random;
    constexpr Step(std::uint64_t m, Random80 r) noexcept : ms(m), random(r) {}
    friend constexpr bool operator==(const Step&, const Step&) = default;
  };

  // In a later millisecond than the last step: that one, with fresh randomness. Otherwise (also
  // when the clock went back) the last one, with the last randomness plus one. When that overflows,
  // the next millisecond with fresh randomness. `fresh` is called at most once.
  template <class Fresh>
  Step next(std::uint64_t now_ms, Fresh&& fresh) {
    if (!begun_ || now_ms > last_.ms) {
      last_ = Step(now_ms & kMsMask, fresh());
      begun_ = true;
    } else if (!increment(last_.random)) {
      last_ = Step((last_.ms + 1) & kMsMask, fresh());
    }
    return last_;
  }

  // Begin anew, with fresh randomness: in a forked child, which must not repeat its parent's ids.
  void reset() noexcept { begun_ = false; }

 private:
  static constexpr std::uint64_t kMsMask = (std::uint64_t{1} << 48) - 1;
  static constexpr bool increment(Random80& random) noexcept {
    if (++random.low != 0) return true;
    return ++random.high != 0;
  }

  bool begun_ = false;
  Step last_ = Step(0, Random80());
};

// The 26 characters of an id; their order as text is the order of the steps.
std::string ulid_text(const UlidSequence::Step& step);

}  // namespace ff::core
