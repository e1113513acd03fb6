#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <optional>
#include <vector>

#include "ff/scheduler/claim_planner.hpp"

using namespace std::chrono_literals;
using ff::core::SteadyTime;
using ff::scheduler::ClaimAnswer;
using ff::scheduler::ClaimPlanner;

namespace {

const SteadyTime t0{};
constexpr std::int64_t kStep = 60'000;  // Of priority, in ranks, in a lane of defaults.

ClaimAnswer answer(std::size_t wanted, std::size_t taken, std::int64_t left, std::int64_t head,
                   ff::core::Millis check_in) {
  ClaimAnswer a;
  a.wanted = wanted;
  a.taken = taken;
  a.left = left;
  a.head = head;
  a.check_in = check_in;
  return a;
}

}  // namespace

TEST_CASE("nothing is claimed before a channel is heard or the first look is due") {
  ClaimPlanner planner(4, t0 + 1s);

  CHECK_FALSE(planner.next(t0, 16));
  CHECK(planner.next_look() == t0 + 1s);
  CHECK(planner.next(t0 + 1s, 16));
}

TEST_CASE("looks into unknown partitions share the room and never exceed it") {
  ClaimPlanner planner(64, t0);
  std::size_t asked = 0, calls = 0, room = 16;

  while (auto plan = planner.next(t0, room - asked)) {
    asked += plan->want;
    ++calls;
  }

  CHECK(calls == ClaimPlanner::kCallsAtOnce);
  CHECK(asked == 16);
}

TEST_CASE("a partition with a head better by a step is next, and gets all the room") {
  ClaimPlanner planner(3, t0);
  for (int i = 0; i < 3; ++i) REQUIRE(planner.next(t0, 3));
  planner.answered(0, answer(1, 1, 10, kStep + 500, 0ms), t0);
  planner.answered(1, answer(1, 1, 10, 100, 0ms), t0);
  planner.answered(2, answer(1, 0, 0, -1, 60s), t0);

  auto plan = planner.next(t0, 16);

  REQUIRE(plan);
  CHECK(plan->partition == 1);
  CHECK(plan->want == 16);
}

TEST_CASE("an empty partition is left alone until its check-in, a wake opens it at once") {
  ClaimPlanner planner(1, t0);
  REQUIRE(planner.next(t0, 4));
  planner.answered(0, answer(4, 0, 0, -1, 60s), t0);
  CHECK_FALSE(planner.next(t0 + 59s, 4));
  CHECK(planner.next_look() == t0 + 60s);

  planner.opened(0);

  CHECK(planner.next(t0 + 1s, 4));
}

TEST_CASE("a wake that comes during a call is not forgotten") {
  ClaimPlanner planner(1, t0);
  REQUIRE(planner.next(t0, 4));
  planner.opened(0);
  planner.answered(0, answer(4, 0, 0, -1, 60s), t0);

  CHECK(planner.next(t0, 4));
}

TEST_CASE("partitions that are alike are served in turn, a stint at a time, whatever their heads do") {
  const std::size_t partitions = 4, room = 8;
  ClaimPlanner planner(partitions, t0);
  std::vector<std::size_t> served(partitions), stints;
  std::int64_t head = 100;
  std::optional<ff::core::Partition> at;
  for (std::size_t taken = 0; taken < 10'000; taken += room) {
    auto want = at ? planner.keep_at(*at, room, t0) : 0;
    if (want == 0) {
      const auto plan = planner.next(t0, room);
      REQUIRE(plan);
      at = plan->partition;
      want = plan->want;
      stints.push_back(0);
    }
    head += 7 % (1 + *at);
    served[*at] += want;
    stints.back() += want;
    planner.answered(*at, answer(want, want, 100000, head, 0ms), t0);
  }

  const auto [least, most] = std::minmax_element(served.begin(), served.end());
  CHECK(*most - *least <= ClaimPlanner::kStint + room);
  CHECK(*std::max_element(stints.begin(), stints.end()) < ClaimPlanner::kStint + room);
  CHECK(stints.size() <= 10'000 / ClaimPlanner::kStint + 2 * partitions);
}

TEST_CASE("places that run apart do not stay where they are: each stint ends") {
  ClaimPlanner planner(2, t0);
  REQUIRE(planner.next(t0, 2)->partition == 0);
  REQUIRE(planner.next(t0, 1)->partition == 1);
  planner.answered(0, answer(1, 1, 100000, 50, 0ms), t0);
  planner.answered(1, answer(1, 1, 100000, 50, 0ms), t0);
  // Seven places are at 0, one at 1, and each is free by itself.
  std::vector<ff::core::Partition> places(8, 0);
  places[7] = 1;
  std::size_t served[2] = {0, 0};
  for (int i = 0; i < 8000; ++i) {
    auto& place = places[static_cast<std::size_t>(i) % places.size()];
    auto want = planner.keep_at(place, 1, t0);
    if (want == 0) {
      const auto plan = planner.next(t0, 1);
      place = plan->partition;
    }
    ++served[place];
    planner.answered(place, answer(1, 1, 100000, 50, 0ms), t0);
  }

  CHECK(served[0] < 4400);
  CHECK(served[1] < 4400);
}

TEST_CASE("a partition is kept for its stint, or on and on while the others are worse, but for one look a quantum") {
  ClaimPlanner planner(3, t0);
  for (int i = 0; i < 3; ++i) REQUIRE(planner.next(t0, 3));
  planner.answered(0, answer(1, 1, 100000, 50, 0ms), t0);
  planner.answered(1, answer(1, 1, 100000, kStep + 100, 0ms), t0);
  planner.answered(2, answer(1, 1, 100000, kStep + 200, 0ms), t0);
  std::size_t taken = 0;

  while (auto want = planner.keep_at(0, 32, t0)) {
    taken += want;
    planner.answered(0, answer(want, want, 100000, 50, 0ms), t0);
    REQUIRE(taken < 100000);
  }

  CHECK(taken >= ClaimPlanner::kQuantum - 3);
  CHECK(taken <= ClaimPlanner::kQuantum + 32);
  for (const ff::core::Partition worse : {1, 2}) {
    const auto plan = planner.next(t0, 16);
    CHECK(plan->partition == worse);
    CHECK(plan->want == 1);
  }
  CHECK(planner.next(t0, 16)->want == 16);
}

TEST_CASE("a partition that was woken is looked at before known backlogs, and none is kept meanwhile") {
  ClaimPlanner planner(2, t0);
  REQUIRE(planner.next(t0, 2));
  REQUIRE(planner.next(t0, 1));
  planner.answered(0, answer(1, 1, 100000, 50, 0ms), t0);
  planner.answered(1, answer(1, 0, 0, -1, 60s), t0);
  planner.opened(1);

  CHECK(planner.keep_at(0, 4, t0) == 0);
  CHECK(planner.next(t0, 4)->partition == 1);
}

TEST_CASE("no partition is passed over for ever by those with better heads, however small the claims") {
  ClaimPlanner planner(3, t0);
  for (int i = 0; i < 3; ++i) REQUIRE(planner.next(t0, 3));
  planner.answered(0, answer(1, 1, 100000, 50, 0ms), t0);
  planner.answered(1, answer(1, 1, 100000, 60, 0ms), t0);
  planner.answered(2, answer(1, 1, 100000, kStep + 1000, 0ms), t0);
  std::size_t before = 0;

  for (auto plan = planner.next(t0, 1); plan->partition != 2; plan = planner.next(t0, 1)) {
    planner.answered(plan->partition, answer(1, 1, 100000, plan->partition == 0 ? 60 : 50, 0ms), t0);
    REQUIRE(++before <= ClaimPlanner::kQuantum);
  }

  CHECK(before == ClaimPlanner::kQuantum);
}

TEST_CASE("a partition is not kept while another has a head of higher priority, but while only its age is better") {
  constexpr std::int64_t priority_step = std::int64_t{1} << 39;
  ClaimPlanner planner(2, t0);
  REQUIRE(planner.next(t0, 2));
  REQUIRE(planner.next(t0, 1));
  planner.answered(0, answer(1, 1, 10, priority_step + 500, 0ms), t0);
  planner.answered(1, answer(1, 1, 10, priority_step + 100, 0ms), t0);
  CHECK(planner.keep_at(0, 4, t0) == 4);
  planner.answered(0, answer(4, 4, 10, priority_step + 500, 0ms), t0);
  REQUIRE(planner.next(t0, 1)->partition == 1);
  planner.answered(1, answer(1, 1, 10, 100, 0ms), t0);

  CHECK(planner.keep_at(0, 4, t0) == 0);
  CHECK(planner.next(t0, 4)->partition == 1);
}

TEST_CASE("a failed call is repeated when told, and only then") {
  ClaimPlanner planner(1, t0);
  REQUIRE(planner.next(t0, 4));
  planner.unanswered(0, t0 + 1s);

  CHECK_FALSE(planner.next(t0, 4));
  CHECK(planner.next(t0 + 1s, 4));
  CHECK(planner.calling() == 1);
}

TEST_CASE("partitions that do not answer leave the calls to the others, and are tried one at a time") {
  ClaimPlanner planner(32, t0);
  for (std::size_t i = 0; i < ClaimPlanner::kCallsAtOnce; ++i) REQUIRE(planner.next(t0, 16)->partition == i);
  for (ff::core::Partition p = 0; p < ClaimPlanner::kCallsAtOnce; ++p) planner.unanswered(p, t0 + 1s);

  std::size_t suspects = 0, others = 0;
  while (auto plan = planner.next(t0 + 2s, 16)) {
    ++(plan->partition < ClaimPlanner::kCallsAtOnce ? suspects : others);
    if (plan->partition < ClaimPlanner::kCallsAtOnce) CHECK(plan->want == 1);
  }

  CHECK(suspects == 1);
  CHECK(others == ClaimPlanner::kCallsAtOnce);
}

TEST_CASE("a suspect that answers, or is heard of, is like all others again") {
  ClaimPlanner planner(2, t0);
  REQUIRE(planner.next(t0, 16)->partition == 0);
  REQUIRE(planner.next(t0, 16)->partition == 1);
  planner.unanswered(0, t0 + 1s);
  planner.unanswered(1, t0 + 2s);
  CHECK(planner.next_look() == t0 + 1s);
  CHECK_FALSE(planner.next(t0, 16));

  REQUIRE(planner.next(t0 + 1s, 16)->partition == 0);
  CHECK_FALSE(planner.next_look());
  planner.answered(0, answer(1, 1, 5, 100, 0ms), t0 + 1s);
  planner.opened(1);

  CHECK(planner.next(t0 + 1s, 16)->partition == 1);
  const auto known = planner.next(t0 + 1s, 16);
  REQUIRE(known);
  CHECK(known->partition == 0);
  CHECK(known->want == 16);
}

TEST_CASE("what waited for an allowance is claimed with all the room once there is one; a suspect keeps its time") {
  ClaimPlanner planner(3, t0);
  for (int i = 0; i < 3; ++i) REQUIRE(planner.next(t0, 3));
  for (const ff::core::Partition p : {0, 1}) planner.answered(p, answer(1, 0, 0, 100, 60s), t0);
  planner.unanswered(2, t0 + 1s);
  CHECK_FALSE(planner.next(t0, 16));

  planner.freed(2);
  CHECK_FALSE(planner.next(t0, 16));
  planner.freed(1);
  const auto plan = planner.next(t0, 16);

  REQUIRE(plan);
  CHECK(plan->partition == 1);
  CHECK(plan->want == 16);
  planner.answered(1, answer(16, 0, 0, -1, 60s), t0);
  CHECK_FALSE(planner.next(t0, 16));
}

TEST_CASE("a small room waits for what is under way while that is for more than twice as many, but not for long") {
  ClaimPlanner planner(3, t0);
  for (int i = 0; i < 3; ++i) REQUIRE(planner.next(t0, 3));
  for (const ff::core::Partition p : {0, 1, 2}) planner.answered(p, answer(1, 1, 100000, 50, 0ms), t0);
  const auto first = planner.next(t0, 12);
  REQUIRE(first);
  REQUIRE(first->want == 12);

  CHECK_FALSE(planner.next(t0, 5));
  CHECK(planner.next_look() == t0 + ClaimPlanner::kGather);

  SECTION("what was waited for is forgotten, also where nothing can be claimed") {
    CHECK_FALSE(planner.next(t0 + ClaimPlanner::kGather, 0));
    CHECK_FALSE(planner.next_look());
  }
  SECTION("as many as half are not held up") { CHECK(planner.next(t0, 6)); }
  SECTION("nor are fewer when the call has lasted") { CHECK(planner.next(t0 + ClaimPlanner::kGather, 5)); }
  SECTION("nor after its answer") {
    planner.answered(first->partition, answer(12, 7, 0, 50, 0ms), t0);
    const auto next = planner.next(t0, 10);
    REQUIRE(next);
    CHECK(next->want == 10);
    CHECK_FALSE(planner.next_look());
  }
}

TEST_CASE("the results of a turn's first claim take one more along, whatever else is due") {
  ClaimPlanner planner(64, t0);
  for (ff::core::Partition p = 0; p < 64; ++p) {
    const auto plan = planner.next(t0, 1);
    planner.answered(plan->partition, answer(1, 1, 100000, 50, 0ms), t0);
  }
  for (int turn = 0; turn < 64; ++turn) {
    const auto plan = planner.next(t0, 16);
    planner.answered(plan->partition, answer(16, 16, 100000, 50, 0ms), t0);
  }

  const auto plan = planner.next(t0, 16);
  planner.answered(plan->partition, answer(16, 16, 100000, 50, 0ms), t0);
  REQUIRE(planner.keep_at(plan->partition, 16, t0) == 16);
  planner.answered(plan->partition, answer(16, 16, 100000, 50, 0ms), t0);

  CHECK(planner.keep_at(plan->partition, 16, t0) == 0);
  CHECK(planner.next(t0, 16)->partition != plan->partition);
}

TEST_CASE("what is freed during a call is claimed again after it, where work waits") {
  ClaimPlanner planner(1, t0);
  REQUIRE(planner.next(t0, 4));
  planner.freed(0);

  planner.answered(0, answer(4, 0, 0, 77, 60s), t0);
  CHECK(planner.next(t0, 4));
  planner.answered(0, answer(4, 0, 0, 77, 60s), t0);
  CHECK_FALSE(planner.next(t0, 4));
}
