#pragma once
// wait_until: the one place where tests wait for something they can only look at. Never for "long enough".

#include <chrono>
#include <thread>

namespace ff::test {

// Calls `condition` each millisecond until it is true; false after `limit`.
template <class Condition>
bool wait_until(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // ff-style: allow sleep_for
  }
  return true;
}

}  // namespace ff::test
