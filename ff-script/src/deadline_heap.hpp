#pragma once
// DeadlineHeap: things with a deadline, the earliest on top. Things know their place, so that leaving early,
// which nearly all of them do, is cheap; one timer serves them all.

#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "ff/core/time.hpp"

namespace ff::script {

struct Timed {
  static constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();
  core::SteadyTime at;
  std::size_t heap_place = kNowhere;
  explicit Timed(core::SteadyTime t) : at(t) {}
};

// Owns nothing.
class DeadlineHeap {
 public:
  bool empty() const noexcept { return items_.empty(); }
  std::size_t size() const noexcept { return items_.size(); }
  // Precondition: not empty.
  Timed& top() const noexcept { return *items_.front(); }

  void push(Timed& item) {
    items_.push_back(&item);
    rise(items_.size() - 1);
  }

  // Precondition: `item` is here.
  void erase(Timed& item) {
    const std::size_t place = std::exchange(item.heap_place, Timed::kNowhere);
    Timed* last = items_.back();
    items_.pop_back();
    if (last == &item) return;
    put(place, last);
    rise(place);
    sink(last->heap_place);
  }

 private:
  void put(std::size_t place, Timed* item) noexcept {
    items_[place] = item;
    item->heap_place = place;
  }

  void rise(std::size_t place) noexcept {
    Timed* item = items_[place];
    while (place > 0) {
      const std::size_t parent = (place - 1) / 2;
      if (items_[parent]->at <= item->at) break;
      put(place, items_[parent]);
      place = parent;
    }
    put(place, item);
  }

  void sink(std::size_t place) noexcept {
    Timed* item = items_[place];
    while (true) {
      std::size_t child = 2 * place + 1;
      if (child >= items_.size()) break;
      if (child + 1 < items_.size() && items_[child + 1]->at < items_[child]->at) ++child;
      if (item->at <= items_[child]->at) break;
      put(place, items_[child]);
      place = child;
    }
    put(place, item);
  }

  std::vector<Timed*> items_;
};

}  // namespace ff::script
