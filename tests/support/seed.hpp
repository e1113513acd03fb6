#pragma once
// Randomness that can be repeated: every random test prints its seed and takes it back from FLOWFABRIC_TEST_SEED.

#include <cstdint>
#include <limits>

namespace ff::test {

// The seed of this process: FLOWFABRIC_TEST_SEED if set, else random. The first call prints "FLOWFABRIC_TEST_SEED=…" to
// standard error.
std::uint64_t seed();

// How often a fuzz test does what it does: FLOWFABRIC_FUZZ_ROUNDS if set (a campaign), else `usual` (some seconds).
std::uint64_t fuzz_rounds(std::uint64_t usual);

// splitmix64: small, fast, the same on every machine. Satisfies UniformRandomBitGenerator.
class Rng {
 public:
  using result_type = std::uint64_t;
  explicit Rng(std::uint64_t seed) : state_(seed) {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // 0 .. bound-1; 0 for a bound of 0.
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : (*this)() % bound; }
  // low .. high, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  double unit() { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }  // [0, 1)
  bool chance(double probability) { return unit() < probability; }
  // A generator of its own, so that what one part draws does not shift another's draws.
  Rng fork() { return Rng((*this)()); }

 private:
  std::uint64_t state_;
};

}  // namespace ff::test
