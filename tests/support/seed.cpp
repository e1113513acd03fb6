#include "support/seed.hpp"

#include <cstdio>
#include <cstdlib>
#include <random>

namespace ff::test {

std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* given = std::getenv("FLOWFABRIC_TEST_SEED");
    std::random_device device;
    std::uint64_t chosen = given != nullptr && *given != '\0' ? std::strtoull(given, nullptr, 0)
                                                               : (std::uint64_t{device()} << 32 | device());
    std::fprintf(stderr, "FLOWFABRIC_TEST_SEED=%llu\n", static_cast<unsigned long long>(chosen));
    return chosen;
  }();
  return value;
}

std::uint64_t fuzz_rounds(std::uint64_t usual) {
  const char* given = std::getenv("FLOWFABRIC_FUZZ_ROUNDS");
  return given != nullptr && *given != '\0' ? std::strtoull(given, nullptr, 0) : usual;
}

}  // namespace ff::test
