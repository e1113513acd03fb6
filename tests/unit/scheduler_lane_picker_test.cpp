#include <catch2/catch_test_macros.hpp>

#include <numeric>

#include "ff/scheduler/lane_picker.hpp"
#include "support/seed.hpp"

using ff::scheduler::LanePicker;

namespace {

using Counts = std::vector<std::size_t>;

// Claims `want` from lanes that have `waiting`; what was taken is no longer there.
Counts claim(LanePicker& picker, Counts& waiting, std::size_t want) {
  Counts taken(waiting.size());
  const auto order = picker.order();
  for (const auto lane : order) {
    taken[lane] = std::min(want, waiting[lane]);
    want -= taken[lane];
    waiting[lane] -= taken[lane];
  }
  picker.taken(order, taken);
  return taken;
}

}  // namespace

TEST_CASE("lanes that always have work are served in the proportion of their weights") {
  ff::test::Rng rng(ff::test::seed());
  for (int run = 0; run < 50; ++run) {
    std::vector<std::int64_t> weights;
    for (auto count = 1 + rng.below(5); count > 0; --count) weights.push_back(rng.between(1, 10));
    LanePicker picker(weights);
    Counts waiting(weights.size(), 1'000'000'000), sums(weights.size());
    const std::size_t most = 1 + rng.below(16);
    for (int i = 0; i < 3000; ++i) {
      const auto taken = claim(picker, waiting, 1 + rng.below(most));
      for (std::size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += taken[lane];
    }

    const auto all = std::accumulate(sums.begin(), sums.end(), std::size_t{0});
    const auto weight = std::accumulate(weights.begin(), weights.end(), std::int64_t{0});
    for (std::size_t lane = 0; lane < sums.size(); ++lane) {
      const double share = static_cast<double>(all) * static_cast<double>(weights[lane]) / static_cast<double>(weight);
      INFO("lane " << lane << " of weight " << weights[lane]);
      CHECK(std::abs(static_cast<double>(sums[lane]) - share) <= 2.0 * static_cast<double>(most * weights.size()));
    }
  }
}

TEST_CASE("no lane starves, however small its weight") {
  LanePicker picker({1000, 1});
  Counts waiting = {1'000'000, 1'000'000};
  std::size_t small = 0;

  for (int i = 0; i < 300; ++i) small += claim(picker, waiting, 10)[1];

  CHECK(small > 0);
}

TEST_CASE("a lane that had nothing keeps no credit") {
  LanePicker picker({1, 1});
  Counts waiting = {1000, 0};
  for (int i = 0; i < 50; ++i) claim(picker, waiting, 10);
  waiting = {1000, 1000};

  Counts sums(2);
  for (int i = 0; i < 20; ++i) {
    const auto taken = claim(picker, waiting, 10);
    sums[0] += taken[0];
    sums[1] += taken[1];
  }

  CHECK(sums[0] >= 90);
  CHECK(sums[1] >= 90);
}

TEST_CASE("a claim never comes back empty while any lane has work") {
  LanePicker picker({5, 1, 1});
  Counts waiting = {0, 0, 7};

  CHECK(claim(picker, waiting, 10)[2] == 7);
}

TEST_CASE("among equals the first lane comes first, and another weight counts at once") {
  LanePicker picker({1, 1});
  CHECK(picker.order() == Counts{0, 1});
  picker.set_weight(1, 4);
  Counts waiting = {1000, 1000}, sums(2);
  for (int i = 0; i < 100; ++i) {
    const auto taken = claim(picker, waiting, 1);
    sums[0] += taken[0];
    sums[1] += taken[1];
  }
  CHECK(sums[0] == 20);
  CHECK(sums[1] == 80);
}
