#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <random>
#include <vector>

#include "deadline_heap.hpp"

using ff::core::SteadyTime;
using ff::script::DeadlineHeap;
using ff::script::Timed;

namespace {

Timed at(int ms) { return Timed(SteadyTime(std::chrono::milliseconds(ms))); }

}  // namespace

TEST_CASE("the earliest deadline is on top") {
  Timed late = at(30), early = at(10), middle = at(20);
  DeadlineHeap heap;

  heap.push(late);
  heap.push(early);
  heap.push(middle);

  CHECK(&heap.top() == &early);
  heap.erase(early);
  CHECK(&heap.top() == &middle);
  heap.erase(late);
  CHECK(&heap.top() == &middle);
  heap.erase(middle);
  CHECK(heap.empty());
}

TEST_CASE("any order of coming and going leaves the earliest on top") {
  std::mt19937 random(7);
  std::vector<Timed> items;
  for (int i = 0; i < 500; ++i) items.push_back(at(static_cast<int>(random() % 100)));
  std::vector<Timed*> present;
  DeadlineHeap heap;
  for (Timed& item : items) {
    heap.push(item);
    present.push_back(&item);
  }

  while (!present.empty()) {
    const auto earliest = std::min_element(present.begin(), present.end(),
                                           [](const Timed* a, const Timed* b) { return a->at < b->at; });
    REQUIRE(heap.top().at == (*earliest)->at);
    REQUIRE(heap.size() == present.size());
    const std::size_t leaving = random() % present.size();
    heap.erase(*present[leaving]);
    CHECK(present[leaving]->heap_place == Timed::kNowhere);
    present.erase(present.begin() + static_cast<long>(leaving));
  }
  CHECK(heap.empty());
}
