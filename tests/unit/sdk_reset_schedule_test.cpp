// When periods begin, across changes of the clocks.
#include <catch2/catch_test_macros.hpp>

#include "reset_schedule.hpp"

namespace ff::test {
namespace {

using core::ResetEvery;
using core::TimestampMs;

constexpr TimestampMs kHour = 3'600'000, kDay = 24 * kHour;
// 2026-03-28T12:00:00Z; Berlin changes to summer time on the 29th at 01:00Z, and back on 2026-10-25 at 01:00Z.
constexpr TimestampMs kBeforeSpring = 1'774'699'200'000, kBeforeAutumn = 1'792'843'200'000;  // 2026-10-24T12:00:00Z

std::vector<TimestampMs> resets(ResetEvery every, const std::string& zone, TimestampMs after, std::size_t count) {
  auto found = sdk::next_resets(every, zone, after, count);
  REQUIRE(found);
  return *found;
}

TEST_CASE("a day begins at local midnight: 23 hours long in spring, 25 in autumn") {
  const auto spring = resets(ResetEvery::day, "Europe/Berlin", kBeforeSpring, 3);
  CHECK(spring[0] == kBeforeSpring + 11 * kHour);
  CHECK(spring[1] - spring[0] == 23 * kHour);
  CHECK(spring[2] - spring[1] == kDay);

  const auto autumn = resets(ResetEvery::day, "Europe/Berlin", kBeforeAutumn, 3);
  CHECK(autumn[0] == kBeforeAutumn + 10 * kHour);
  CHECK(autumn[1] - autumn[0] == 25 * kHour);
  CHECK(autumn[2] - autumn[1] == kDay);
}

TEST_CASE("a midnight that the clocks jump over begins as they jump") {
  // Cairo goes from 00:00 to 01:00 on 2026-04-24.
  const auto found = resets(ResetEvery::day, "Africa/Cairo", 1'776'945'600'000, 2);  // 2026-04-23T12:00:00Z
  CHECK(found[0] == 1'776'945'600'000 + 10 * kHour);
  CHECK(found[1] - found[0] == 23 * kHour);
}

TEST_CASE("weeks begin on Monday, months on the first, by the zone's clocks") {
  const auto weeks = resets(ResetEvery::week, "Europe/Berlin", kBeforeSpring, 2);
  CHECK(weeks[0] == kBeforeSpring + 34 * kHour);  // Monday 2026-03-30, 00:00 in summer time.
  CHECK(weeks[1] - weeks[0] == 7 * kDay);

  const auto months = resets(ResetEvery::month, "America/New_York", kBeforeSpring, 13);
  CHECK(months[0] == 1'775'016'000'000);                          // 2026-04-01T04:00:00Z
  CHECK(months[12] - months[0] == 365 * kDay);
  CHECK(months[8] - months[7] == 30 * kDay + kHour);              // November ends summer time.
}

TEST_CASE("hours begin by the zone's clocks too, and as often as they show it") {
  const auto india = resets(ResetEvery::hour, "Asia/Kolkata", kBeforeSpring, 2);
  CHECK(india[0] == kBeforeSpring + kHour / 2);
  CHECK(india[1] - india[0] == kHour);

  const auto autumn = resets(ResetEvery::hour, "Europe/Berlin", kBeforeAutumn, 24);
  for (std::size_t i = 1; i < autumn.size(); ++i) CHECK(autumn[i] - autumn[i - 1] == kHour);
}

TEST_CASE("what comes first is later than `after`, also when that is a beginning itself") {
  const auto first = resets(ResetEvery::day, "UTC", kBeforeSpring, 1)[0];
  CHECK(resets(ResetEvery::day, "UTC", first, 1)[0] == first + kDay);
  CHECK(resets(ResetEvery::day, "UTC", first - 1, 1)[0] == first);
  CHECK(resets(ResetEvery::never, "UTC", first, 5).empty());
}

TEST_CASE("a zone that does not exist is refused by name") {
  const auto found = sdk::next_resets(ResetEvery::day, "Europe/Atlantis", 0, 1);
  REQUIRE_FALSE(found);
  CHECK(found.error().reason == "bad_zone");
  CHECK(found.error().message.find("Atlantis") != std::string::npos);
}

TEST_CASE("a period is written and read back") {
  core::Budget budget;
  CHECK(sdk::read_period(sdk::period_text(ResetEvery::month, "Asia/Tokyo"), budget));
  CHECK(budget.reset == ResetEvery::month);
  CHECK(budget.zone == "Asia/Tokyo");
  CHECK(sdk::period_text(ResetEvery::never, "UTC").empty());
  CHECK_FALSE(sdk::read_period("eon UTC", budget));
}

}  // namespace
}  // namespace ff::test
