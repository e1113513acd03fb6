#include "ff/core/error.hpp"
#include "ff/core/result.hpp"
#include "ff/core/version.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <memory>
#include <set>
#include <string>

using namespace ff::core;

TEST_CASE("every error code has its own wire word") {
  std::set<std::string_view> words;
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
    words.insert(to_string(static_cast<Code>(i)));
  }

  CHECK(words.size() == static_cast<std::size_t>(Code::internal) + 1);
  CHECK(to_string(Code::invalid_argument) == "invalid_argument");
  CHECK(to_string(Code::stale_lease) == "stale_lease");
  CHECK(to_string(Code::unknown_outcome) == "unknown_outcome");
  CHECK(to_string(Code::internal) == "internal");
}

TEST_CASE("an error prints code, reason and message, and leaves out what is empty") {
  const Error whole(Code::invalid_argument, "bad_priority", "priority is 9001, must be 0 to 9000");

  CHECK(whole.to_string() == "invalid_argument/bad_priority: priority is 9001, must be 0 to 9000");
  CHECK(Error(Code::unavailable, "deadline", "").to_string() == "unavailable/deadline");
  CHECK(Error(Code::internal, "", "lost").to_string() == "internal: lost");
  CHECK(Error().to_string() == "internal");
}

namespace {

Result<int> positive(int value) {
  if (value > 0) return value;
  return Error(Code::invalid_argument, "bad_value", "not positive");
}

Result<int> doubled(int value) {
  FF_TRY(good, positive(value));
  return 2 * good;
}

Result<std::unique_ptr<int>> boxed(int value) {
  FF_TRY(good, positive(value));
  return std::make_unique<int>(good);
}

}  // namespace

TEST_CASE("FF_TRY hands on the value or returns the error, also for move-only values") {
  CHECK(*doubled(21) == 42);
  CHECK(doubled(-1).error().reason == "bad_value");

  auto box = boxed(7);
  REQUIRE(box);
  const std::unique_ptr<int> taken = std::move(box).value();
  CHECK(*taken == 7);
  CHECK_FALSE(boxed(0));
}

TEST_CASE("a Result<void> is good unless it was given an error") {
  CHECK(Result<void>());
  const Result<void> bad(Error(Code::conflict, "paused", ""));
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == Code::conflict);
}

TEST_CASE("the version has three numbers") {
  CHECK(std::count(version().begin(), version().end(), '.') == 2);
  CHECK(version().find_first_not_of("0123456789.") == std::string_view::npos);
}
