// Allowances: single decisions, and whole fleets against a simulated store in simulated time.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <memory>

#include "ff/scheduler/allowances.hpp"
#include "support/seed.hpp"

namespace ff::test {
namespace {

using namespace std::chrono_literals;
using core::LimitKind;
using core::LimitName;
using core::Partition;
using core::SteadyTime;
using scheduler::Allowance;
using scheduler::Allowances;
using scheduler::Ask;
using scheduler::AskCall;
using scheduler::Grant;

const SteadyTime t0{1h};
constexpr core::Millis kTtl{30'000}, kRenew{5'000};

// Those called far… are on 1, those called q1, q3, … on 2, the others on 0.
Partition home(const LimitName& name) {
  if (name.name.starts_with("far")) return 1;
  return name.name.starts_with("q") && name.name.back() % 2 == 1 ? 2 : 0;
}
Allowances make() { return Allowances(home, kTtl, kRenew, 1); }

std::vector<Allowance> waiting(std::size_t count, const std::string& requirements) {
  return std::vector<Allowance>{Allowance(count, requirements)};
}

Grant grant(std::int64_t granted, std::int64_t starts = -1) {
  Grant given;
  given.granted = granted;
  given.starts = starts;
  return given;
}

// How many may be taken; those of a count of 0 were refused.
std::size_t usable(const std::vector<Allowance>& offered) {
  std::size_t count = 0;
  for (const auto& one : offered) count += one.count;
  return count;
}

// The only ask of the only call.
Ask only(const std::vector<AskCall>& calls) {
  REQUIRE(calls.size() == 1);
  REQUIRE(calls[0].asks.size() == 1);
  return calls[0].asks[0];
}

TEST_CASE("nothing is reserved before a claim reports work that waits for it") {
  auto allowances = make();

  CHECK(allowances.calls(t0, 16).empty());
  CHECK(allowances.offer(3, 16, t0).empty());
  CHECK_FALSE(allowances.next_look());
}

TEST_CASE("what waits is reserved for, as much as there is room, and offered where it waits") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(100, "#q"), false);

  const auto calls = allowances.calls(t0, 16);
  const auto ask = only(calls);
  CHECK(calls[0].grows);
  CHECK(ask.limit == LimitName(LimitKind::quota, "q"));
  CHECK(ask.count == 16);
  CHECK(ask.starts == 16);
  CHECK(ask.hold.empty());
  allowances.answered(calls[0], {grant(5)}, t0, t0);

  CHECK(allowances.ready(t0) == std::vector<Partition>{3});
  const auto offered = allowances.offer(3, 16, t0);
  REQUIRE(offered.size() == 1);
  CHECK(offered[0].count == 5);
  CHECK(offered[0].requirements == "#q");
  const auto more = allowances.offer(3, 16, t0);  // It was refused more: what waits for it is in the way.
  REQUIRE(more.size() == 1);
  CHECK(more[0].count == 0);
  CHECK(more[0].requirements == "#q");
  allowances.claimed(3, more, {}, {}, false);
  CHECK(allowances.offer(4, 16, t0).empty());
  CHECK(allowances.offer(3, 16, t0).size() == 1);  // It waits there still.
}

TEST_CASE("a partition is asked for more by one call at a time, and for all that came up meanwhile by the next") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(1, "#a"), false);
  const auto first = allowances.calls(t0, 16);
  CHECK(only(first).limit.name == "a");

  allowances.claimed(3, {}, {}, waiting(2, "#b"), false);
  allowances.claimed(4, {}, {}, waiting(1, "#c"), false);
  allowances.claimed(4, {}, {}, waiting(1, "#far"), false);
  CHECK(only(allowances.calls(t0, 16)).limit.name == "far");  // Another partition's.
  allowances.claimed(5, {}, {}, waiting(3, "#b"), false);
  CHECK(allowances.calls(t0, 16).empty());

  if (GENERATE(true, false)) allowances.answered(first[0], {grant(1)}, t0, t0);
  else allowances.unanswered(first[0], t0);
  const auto second = allowances.calls(t0, 16);
  REQUIRE(second.size() == 1);
  REQUIRE(second[0].asks.size() == 2);
  CHECK(second[0].asks[0].limit.name == "b");
  CHECK(second[0].asks[0].count == 5);  // Asked for once, however often it was told of.
  CHECK(second[0].asks[1].limit.name == "c");
  CHECK(allowances.calls(t0, 16).empty());
}

TEST_CASE("what comes up behind a round of several calls waits for the last of them") {
  auto allowances = make();
  for (std::size_t i = 0; i <= Allowances::kItemsPerCall; ++i) {
    allowances.claimed(3, {}, {}, waiting(1, "#x" + std::to_string(i)), false);
  }
  const auto round = allowances.calls(t0, 1000);
  REQUIRE(round.size() == 2);
  allowances.claimed(3, {}, {}, waiting(1, "#z"), false);
  CHECK(allowances.calls(t0, 1000).empty());

  allowances.answered(round[0], std::vector<Grant>(round[0].asks.size(), grant(1)), t0, t0);
  CHECK(allowances.calls(t0, 1000).empty());
  allowances.unanswered(round[1], t0);
  CHECK(only(allowances.calls(t0, 1000)).limit.name == "z");
}

TEST_CASE("a limit that cannot be read is in nobody's way: after such a failure each is asked for by itself") {
  auto allowances = make();
  for (const char* requirements : {"#a", "#b", "#c"}) allowances.claimed(3, {}, {}, waiting(1, requirements), false);
  const auto all = allowances.calls(t0, 16);
  REQUIRE(all.size() == 1);
  REQUIRE(all[0].asks.size() == 3);

  allowances.unanswered(all[0], t0, true);
  CHECK(allowances.calls(t0, 16).empty());
  const auto later = t0 + Allowances::kAskAgain;
  auto each = allowances.calls(later, 16);
  REQUIRE(each.size() == 3);
  for (const auto& call : each) {
    if (only({call}).limit.name == "b") continue;  // It takes its time.
    allowances.answered(call, {grant(1)}, later, later);
  }
  allowances.claimed(3, {}, {}, waiting(1, "#d"), false);
  const auto other = allowances.calls(later, 16);
  CHECK(only(other).limit.name == "d");
  allowances.answered(other[0], {grant(1)}, later, later);
  std::map<std::string, std::size_t> offered;
  for (const auto& one : allowances.offer(3, 16, later)) offered[one.requirements] = one.count;
  CHECK(offered == std::map<std::string, std::size_t>{{"#a", 1}, {"#c", 1}, {"#d", 1}});
  for (const auto& call : each) {
    if (call.asks[0].limit.name == "b") allowances.unanswered(call, later, true);
  }
  for (const char* requirements : {"#a", "#c"}) allowances.claimed(3, {}, {}, waiting(9, requirements), false);
  const auto more = allowances.calls(later, 16);  // Those that answered go together again.
  std::set<std::string> together;
  for (const auto& ask : more.at(0).asks) together.insert(ask.limit.name);
  CHECK(together.count("a") + together.count("c") == 2);
  CHECK(together.count("b") == 0);
  CHECK(allowances.calls(later + Allowances::kAskAgain, 16).empty());  // Twice in vain.
  CHECK(only(allowances.calls(later + 2 * Allowances::kAskAgain, 16)).limit.name == "b");
}

TEST_CASE("where work that was refused an allowance may be in the way, a claim is made to put it aside, once") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(100, "#q"), false);
  const auto calls = allowances.calls(t0, 16);
  allowances.answered(calls[0], {grant(0)}, t0, t0);

  CHECK(allowances.ready(t0) == std::vector<Partition>{3});
  auto offered = allowances.offer(3, 16, t0);
  REQUIRE(offered.size() == 1);
  CHECK(offered[0].count == 0);
  allowances.claimed(3, offered, {}, {}, false);
  CHECK(allowances.calls(t0, 16).empty());
  CHECK(allowances.ready(t0).empty());

  allowances.claimed(4, {}, {}, waiting(1, "#q"), false);  // Told of it elsewhere, while it is refused still.
  CHECK(allowances.calls(t0, 16).empty());
  CHECK(allowances.ready(t0) == std::vector<Partition>{4});
}

TEST_CASE("what is refused much of a budget leaves it to those who need less") {
  const bool first = GENERATE(true, false);  // By its name, the large one is planned first, or last.
  const std::string large = first ? "$b?t=40" : "$b?t=70", small = first ? "$b?t=5" : "$b?t=15";
  auto allowances = make();
  allowances.claimed(3, {}, {}, {Allowance(6, large), Allowance(4, small)}, false);
  const auto answer_all = [&](SteadyTime now) {  // There is room for 30.
    std::vector<std::string> asked;
    for (auto calls = allowances.calls(now, 16); !calls.empty(); calls = allowances.calls(now, 16)) {
      const auto ask = only(calls);
      const auto unit = ask.unit.at("t");
      asked.push_back(std::to_string(ask.count) + " of " + std::to_string(unit));
      allowances.answered(calls[0], {grant(std::min(ask.count, 30 / unit))}, now, now);
      REQUIRE(asked.size() < 5);
    }
    return asked;
  };

  CHECK(answer_all(t0).size() == (first ? 2u : 1u));  // Where some of the small were refused, the large need not ask.

  std::map<std::string, std::size_t> offered;
  for (const auto& one : allowances.offer(3, 16, t0)) offered[one.requirements] = one.count;
  CHECK(offered == std::map<std::string, std::size_t>{{large, 0}, {small, first ? 4 : 2}});
  CHECK(answer_all(t0 + 1s).empty());
  CHECK(answer_all(t0 + kRenew).size() >= 1);  // Asked again in its time.
}

TEST_CASE("of a spent budget nothing is asked again before its time, however many estimates there are") {
  const int estimates = GENERATE(10, 16, 17, 40);
  auto allowances = make();
  std::vector<Allowance> waits;  // None is as large as another in both dimensions.
  for (int i = 1; i <= estimates; ++i) {
    waits.emplace_back(1, "$b?t=" + std::to_string(i) + "&u=" + std::to_string(estimates + 1 - i));
  }
  allowances.claimed(3, {}, {}, waits, false);

  int asks = 0;
  for (auto calls = allowances.calls(t0, 16); !calls.empty() && asks < 200; calls = allowances.calls(t0, 16)) {
    ++asks;
    allowances.answered(calls[0], {grant(0)}, t0, t0);
  }

  CHECK(asks >= 10);
  CHECK(asks <= estimates);
  CHECK(allowances.next_look() <= t0 + kRenew);
}

TEST_CASE("what was refused is told of in turn, each as soon as there is a place, however much it is") {
  const std::size_t classes = GENERATE(10, 64, 65, 100, 300);
  auto allowances = make();
  std::vector<Allowance> waits;
  for (std::size_t i = 0; i < classes; ++i) waits.emplace_back(10, "#t" + std::to_string(i));
  allowances.claimed(3, {}, {}, waits, false);
  for (const auto& call : allowances.calls(t0, 16)) {
    allowances.answered(call, std::vector<Grant>(call.asks.size(), grant(0)), t0, t0);
  }

  std::set<std::string> told;
  std::size_t claims = 0;
  for (; allowances.ready(t0) == std::vector<Partition>{3} && claims < 100; ++claims) {
    const auto offered = allowances.offer(3, 16, t0);
    CHECK(usable(offered) == 0);
    CHECK(offered.size() <= Allowances::kRefusalsPerClaim);
    for (const auto& one : offered) told.insert(one.requirements);
    allowances.claimed(3, offered, {}, {}, false);
  }

  CHECK(told.size() == classes);
  CHECK(claims == (classes + Allowances::kRefusalsPerClaim - 1) / Allowances::kRefusalsPerClaim);
}

TEST_CASE("what ended is used again without a call, and goes back when nothing waits for it") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(2, "#q"), false);
  auto calls = allowances.calls(t0, 16);
  allowances.answered(calls[0], {grant(2)}, t0, t0);
  auto offered = allowances.offer(3, 16, t0);
  allowances.claimed(3, offered, {"#q", "#q"}, {}, false);
  CHECK(allowances.calls(t0, 14).empty());

  allowances.ended("#q");
  offered = allowances.offer(3, 1, t0);
  REQUIRE(offered.size() == 1);
  allowances.claimed(3, offered, {}, {}, false);

  CHECK(allowances.calls(t0 + 1ms, 16).empty());
  const auto ask = only(allowances.calls(t0 + 1ms + Allowances::kIdle, 16));
  CHECK_FALSE(ask.grows());
  CHECK(ask.hold == core::Amounts{{"slots", 1}});
}

TEST_CASE("a worker that guesses wrong where work of a class may wait guesses less, then only now and then") {
  auto allowances = make();
  std::vector<std::string> names;
  for (const char* name : {"#a", "#b", "#c", "#d", "#e", "#f", "#g", "#h"}) names.emplace_back(name);
  for (const auto& name : names) allowances.claimed(3, {}, {}, waiting(2, name), false);
  const auto calls = allowances.calls(t0, 16);
  REQUIRE(calls.size() == 1);
  std::vector<Grant> grants;
  for (const auto& asked : calls[0].asks) grants.push_back(grant(asked.count));
  allowances.answered(calls[0], grants, t0, t0);
  allowances.claimed(3, allowances.offer(3, 16, t0), names, {}, false);  // One each: another one is idle.

  std::vector<std::size_t> guesses;
  for (int i = 0; i < 8; ++i) {
    const auto offered = allowances.offer(4, 16, t0);
    guesses.push_back(offered.size());
    allowances.claimed(4, offered, {}, {}, false);
  }
  CHECK(guesses == std::vector<std::size_t>{8, 8, 8, 8, 4, 2, 1, 0});
  for (std::size_t i = 1; i < Allowances::kGuessEvery; ++i) {
    CHECK(allowances.offer(4, 16, t0).empty());
    allowances.claimed(4, {}, {}, {}, false);
  }
  const auto offered = allowances.offer(4, 16, t0);
  REQUIRE(offered.size() == 1);  // Right, this time.
  allowances.claimed(4, offered, {offered[0].requirements}, {}, false);
  CHECK(allowances.offer(4, 16, t0).size() == 2);
}

TEST_CASE("while results are on their way more is asked only of a roomy quota") {
  const bool roomy = GENERATE(false, true);
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(100, "#q"), false);
  auto calls = allowances.calls(t0, 16);
  auto given = grant(16);
  given.roomy = roomy;
  allowances.answered(calls[0], {given}, t0, t0);
  const auto offered = allowances.offer(3, 16, t0);
  allowances.claimed(3, offered, std::vector<std::string>(16, "#q"), waiting(84, "#q"), true);

  calls = allowances.calls(t0, 16, 16);

  CHECK(calls.size() == (roomy ? 1 : 0));
  if (roomy) CHECK(only(calls).count == 16);
}

TEST_CASE("what is idle is kept for longer where the quota is roomy, until it is told that it is not") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(2, "#q"), false);
  const auto calls = allowances.calls(t0, 16);
  auto roomy = grant(2);
  roomy.roomy = true;
  allowances.answered(calls[0], {roomy}, t0, t0);
  const auto offered = allowances.offer(3, 2, t0);
  allowances.claimed(3, offered, {}, {}, false);

  CHECK(allowances.calls(t0, 16).empty());
  CHECK(allowances.calls(t0 + Allowances::kIdle, 16).empty());
  CHECK(allowances.next_look() == t0 + Allowances::kIdleRoomy);
  allowances.told(LimitName(LimitKind::quota, "q"));

  CHECK(only(allowances.calls(t0 + Allowances::kIdle + 1ms, 16)).hold.empty());
}

TEST_CASE("what is told while a call is under way counts after its answer, which may be older") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(2, "#q"), false);
  auto calls = allowances.calls(t0, 16);
  allowances.told(LimitName(LimitKind::quota, "q"));
  auto roomy = grant(2);
  roomy.roomy = true;
  allowances.answered(calls[0], {roomy}, t0, t0);

  calls = allowances.calls(t0, 16);
  CHECK(only(calls).hold == core::Amounts{{"slots", 2}});
  CHECK_FALSE(calls[0].grows);
}

TEST_CASE("of what still suffices for half of what waits, no more is asked for") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(2, "#q"), false);
  const auto calls = allowances.calls(t0, 16);
  allowances.answered(calls[0], {grant(2)}, t0, t0);

  allowances.claimed(4, {}, {}, waiting(2, "#q"), false);
  CHECK(allowances.calls(t0, 16).empty());
  allowances.claimed(5, {}, {}, waiting(1, "#q"), false);

  CHECK(only(allowances.calls(t0, 16)).count == 3);
}

TEST_CASE("several limits are asked in order, and what cannot be used goes back when one refuses") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(4, "#a #b"), false);
  auto calls = allowances.calls(t0, 16);
  CHECK(only(calls).limit.name == "a");
  allowances.answered(calls[0], {grant(4)}, t0, t0);
  calls = allowances.calls(t0, 16);
  CHECK(only(calls).limit.name == "b");

  allowances.answered(calls[0], {grant(0)}, t0, t0);

  calls = allowances.calls(t0, 16);
  const auto back = only(calls);
  CHECK(back.limit.name == "a");
  CHECK(back.hold.empty());
  allowances.answered(calls[0], {grant(0)}, t0, t0);
  CHECK(allowances.calls(t0 + 1ms, 16).empty());
  allowances.told(LimitName(LimitKind::quota, "b"));
  CHECK(only(allowances.calls(t0 + 2ms, 16)).limit.name == "a");
}

TEST_CASE("one who was refused asks again when told, or when its time comes") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(4, "#q"), false);
  auto calls = allowances.calls(t0, 16);
  auto refused = grant(0);
  refused.retry_in = core::Millis(300);
  allowances.answered(calls[0], {refused}, t0, t0);

  CHECK(allowances.calls(t0 + 299ms, 16).empty());
  CHECK(allowances.next_look() == t0 + 300ms);
  calls = allowances.calls(t0 + 300ms, 16);
  CHECK(only(calls).count == 4);
  refused.retry_in = core::Millis(-1);
  allowances.answered(calls[0], {refused}, t0 + 300ms, t0 + 300ms);
  CHECK(allowances.calls(t0 + 301ms, 16).empty());
  allowances.told(LimitName(LimitKind::quota, "q"));

  CHECK(only(allowances.calls(t0 + 302ms, 16)).count == 4);
}

TEST_CASE("starts are asked for with each batch, and those not used go back with the next call") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(100, "#q"), false);
  auto calls = allowances.calls(t0, 4);
  allowances.answered(calls[0], {grant(4, 4)}, t0, t0);
  auto offered = allowances.offer(3, 4, t0);
  allowances.claimed(3, offered, {"#q", "#q", "#q"}, waiting(5, "#q"), false);
  allowances.ended("#q");

  const auto ask = only(allowances.calls(t0 + Allowances::kBrisk, 3));

  CHECK(ask.starts == 3);
  CHECK(ask.spare == 1);
  CHECK(ask.count == 1);
}

TEST_CASE("of starts that are used up in no time more are asked for at once, unless the rate is short of them") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(1000, "#rate"), false);
  auto now = t0;
  const auto round = [&](std::int64_t granted, core::Millis retry_in = 0ms) {
    const auto calls = allowances.calls(now, 4);
    const auto asked = only(calls).starts;
    auto given_now = grant(only(calls).count, std::min(granted, asked));
    given_now.retry_in = retry_in;
    allowances.answered(calls[0], {given_now}, now, now);
    for (auto left = std::min(granted, asked); left > 0; left -= 4) {
      const auto offered = allowances.offer(3, 4, now);
      const std::vector<std::string> given(offered.at(0).count, "#rate");
      allowances.claimed(3, offered, given, waiting(1000, "#rate"), true);
      for (const auto& one : given) allowances.ended(one);
    }
    now += 2ms;
    return asked;
  };

  CHECK(round(1000) == 4);
  CHECK(round(1000) == 8);
  CHECK(round(1000) == 16);
  CHECK(round(1000) == 16);
  SECTION("not when they lasted for longer") {
    now += Allowances::kBrisk;
    CHECK(round(1000) == 4);
  }
  SECTION("not after it has refused some") {
    CHECK(round(8, 1ms) == 16);
    allowances.told(LimitName(LimitKind::quota, "rate"));  // There may be room: that is no start.
    CHECK(round(1000) == 4);
    CHECK(round(1000) == 8);
  }
}

TEST_CASE("starts that were not used go back as the worker ends") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(4, "#q"), false);
  const auto calls = allowances.calls(t0, 4);
  allowances.answered(calls[0], {grant(4, 4)}, t0, t0);

  allowances.drain();

  CHECK(only(allowances.calls(t0 + 1ms, 0)).spare == 4);
}

TEST_CASE("starts are not kept: what is not used soon goes back") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(4, "#q"), false);
  auto calls = allowances.calls(t0, 4);
  allowances.answered(calls[0], {grant(4, 4)}, t0, t0);

  CHECK(allowances.offer(3, 4, t0 + Allowances::kIdle).empty());
  const auto ask = only(allowances.calls(t0 + Allowances::kIdle, 0));

  CHECK(ask.spare == 4);
}

TEST_CASE("what is held is renewed; what a quota asks back is given as it becomes free and not asked for again") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(100, "#q"), false);
  auto calls = allowances.calls(t0, 4);
  allowances.answered(calls[0], {grant(4)}, t0, t0);
  const auto offered = allowances.offer(3, 4, t0);
  allowances.claimed(3, offered, {"#q", "#q", "#q", "#q"}, waiting(96, "#q"), true);
  CHECK(allowances.calls(t0 + kRenew - 1ms, 0).empty());
  calls = allowances.calls(t0 + kRenew, 0);
  CHECK(only(calls).hold == core::Amounts{{"slots", 4}});
  auto come_down = grant(0);
  come_down.keep = 2;
  allowances.answered(calls[0], {come_down}, t0 + kRenew, t0 + kRenew);

  CHECK(allowances.calls(t0 + kRenew, 0).empty());
  allowances.ended("#q");
  calls = allowances.calls(t0 + kRenew + 1ms, 1);

  CHECK(only(calls).hold == core::Amounts{{"slots", 3}});
  CHECK_FALSE(calls[0].grows);
}

TEST_CASE("what a quota asks back is not used again by the call that frees it, nor while it goes back") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(100, "#q"), false);
  auto calls = allowances.calls(t0, 4);
  allowances.answered(calls[0], {grant(4)}, t0, t0);
  const auto offered = allowances.offer(3, 4, t0);
  allowances.claimed(3, offered, {"#q", "#q", "#q", "#q"}, waiting(96, "#q"), true);
  allowances.told(LimitName(LimitKind::quota, "q"));
  calls = allowances.calls(t0, 0);
  auto come_down = grant(0);
  come_down.keep = 2;
  allowances.answered(calls[0], {come_down}, t0, t0);

  allowances.ended("#q");
  CHECK(usable(allowances.offer(3, 4, t0)) == 0);
  CHECK(only(allowances.calls(t0, 1)).hold == core::Amounts{{"slots", 3}});
  allowances.ended("#q");
  CHECK(usable(allowances.offer(3, 4, t0)) == 0);
  allowances.ended("#q");
  CHECK(usable(allowances.offer(3, 4, t0)) == 1);
}

TEST_CASE("a reservation that could not be renewed in time begins nothing more, and what runs still counts") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(4, "#q"), false);
  auto calls = allowances.calls(t0, 4);
  allowances.answered(calls[0], {grant(4)}, t0, t0);
  auto offered = allowances.offer(3, 2, t0);
  allowances.claimed(3, offered, {"#q", "#q"}, waiting(2, "#q"), true);
  for (auto now = t0 + kRenew; now < t0 + kTtl; now += 600ms) {
    for (const auto& call : allowances.calls(now, 2)) allowances.unanswered(call, now);
  }

  CHECK(usable(allowances.offer(3, 2, t0 + kTtl)) == 0);
  for (const auto& call : allowances.calls(t0 + kTtl + 1s, 2)) {
    CHECK(call.asks.at(0).hold == core::Amounts{{"slots", 2}});
  }
}

TEST_CASE("a budget's unit is reserved for each execution, its parents' too, and what was reported is not given back") {
  auto allowances = make();
  const LimitName child(LimitKind::budget, "b"), parent(LimitKind::budget, "p");
  const std::string requirements = "$b?tokens=10&usd=1";
  allowances.claimed(3, {}, {}, waiting(2, requirements), false);
  auto calls = allowances.calls(t0, 16);
  CHECK(only(calls).unit == core::Amounts{{"tokens", 10}, {"usd", 1}});
  auto given = grant(2);
  given.parent = "p";
  allowances.answered(calls[0], {given}, t0, t0);
  calls = allowances.calls(t0, 16);
  CHECK(only(calls).limit == parent);
  allowances.answered(calls[0], {grant(2)}, t0, t0);
  const auto offered = allowances.offer(3, 16, t0);
  REQUIRE(offered.size() == 1);
  allowances.claimed(3, offered, {requirements, requirements}, {}, false);
  CHECK(allowances.budgets_of(requirements).size() == 2);

  for (const auto& name : {child, parent}) {
    allowances.reporting(name, {{"tokens", 7}});
    allowances.used(name, {{"tokens", 7}}, {{"tokens", 7}}, false);
  }
  allowances.ended(requirements, {{child, {{"tokens", 7}}}, {parent, {{"tokens", 7}}}});

  calls = allowances.calls(t0 + 1ms, 16);
  calls = allowances.calls(t0 + 1ms + Allowances::kIdle, 16);
  REQUIRE(calls.size() == 1);
  for (const auto& ask : calls[0].asks) CHECK(ask.hold == core::Amounts{{"tokens", 10}, {"usd", 1}});
}

TEST_CASE("what is reported meanwhile is not held again by a call behind the report, nor left in use by its end") {
  auto allowances = make();
  const LimitName budget(LimitKind::budget, "b");
  const std::string requirements = "$b?tokens=10";
  allowances.claimed(3, {}, {}, waiting(3, requirements), false);
  auto calls = allowances.calls(t0, 3);
  allowances.answered(calls[0], {grant(3)}, t0, t0);
  const auto offered = allowances.offer(3, 3, t0);
  allowances.claimed(3, offered, {requirements, requirements, requirements}, waiting(1, requirements), true);

  allowances.reporting(budget, {{"tokens", 7}});
  calls = allowances.calls(t0, 1);
  CHECK(only(calls).hold == core::Amounts{{"tokens", 23}});
  allowances.answered(calls[0], {grant(1)}, t0, t0);
  allowances.used(budget, {{"tokens", 7}}, {{"tokens", 7}}, false);
  calls = allowances.calls(t0 + kRenew, 0);
  CHECK(only(calls).hold == core::Amounts{{"tokens", 33}});
  allowances.answered(calls[0], {grant(0)}, t0 + kRenew, t0 + kRenew);

  // Ended for a call that then claims for something else: it begins again with what is left of it.
  const Allowances::Reported reported = {{budget, {{"tokens", 7}}}};
  allowances.ended(requirements, reported);
  allowances.begun(requirements, reported);
  // Ends while its report is under way, which turns out not to have been taken.
  allowances.reporting(budget, {{"tokens", 4}});
  allowances.ended(requirements, {{budget, {{"tokens", 4}}}});
  allowances.used(budget, {{"tokens", 4}}, {}, true);
  allowances.ended(requirements, reported);
  allowances.ended(requirements);

  allowances.drain();
  CHECK(only(allowances.calls(t0 + kRenew + 1s, 0)).hold.empty());
}

TEST_CASE("a rate that grants some of the starts is asked for the others in its time, not at once") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(100, "#q"), false);
  auto calls = allowances.calls(t0, 16);
  auto some = grant(16, 5);
  some.retry_in = core::Millis(20);
  allowances.answered(calls[0], {some}, t0, t0);

  CHECK(allowances.calls(t0, 16).empty());
  CHECK(allowances.ready(t0) == std::vector<Partition>{3});
  const auto offered = allowances.offer(3, 16, t0);
  REQUIRE(offered.size() == 1);
  CHECK(offered[0].count == 5);
  allowances.claimed(3, offered, std::vector<std::string>(5, "#q"), waiting(95, "#q"), false);
  CHECK(allowances.calls(t0 + 19ms, 11).empty());
  CHECK(only(allowances.calls(t0 + 20ms, 11)).starts == 11);
}

TEST_CASE("starts that another limit makes useless go back at once") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(5, "#a #far"), false);
  auto calls = allowances.calls(t0, 16);
  CHECK(only(calls).limit.name == "a");
  allowances.answered(calls[0], {grant(5, 5)}, t0, t0);
  calls = allowances.calls(t0, 16);
  CHECK(only(calls).limit.name == "far");
  auto refusal = grant(0);
  refusal.retry_in = core::Millis(-1);
  allowances.answered(calls[0], {refusal}, t0, t0);

  const auto back = only(allowances.calls(t0, 16));

  CHECK(back.limit.name == "a");
  CHECK_FALSE(back.grows());
  CHECK(back.spare == 5);
  CHECK(back.hold.empty());
}

TEST_CASE("a claim whose outcome stays unknown keeps its allowances until its leases are over") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(2, "#q"), false);
  auto calls = allowances.calls(t0, 2);
  allowances.answered(calls[0], {grant(2)}, t0, t0);
  const auto offered = allowances.offer(3, 2, t0);

  allowances.abandoned(offered, t0 + 1s);
  allowances.calls(t0 + 999ms, 2);
  CHECK(allowances.offer(3, 2, t0 + 999ms).empty());
  allowances.calls(t0 + 1s, 2);

  CHECK(allowances.offer(3, 2, t0 + 1s).size() == 1);
}

TEST_CASE("an instance with the name of an earlier one counts on from behind it") {
  auto allowances = make();
  allowances.claimed(3, {}, {}, waiting(2, "#q"), false);
  auto calls = allowances.calls(t0, 2);
  const auto seq = only(calls).seq;
  auto old = grant(0);
  old.old = true;
  allowances.answered(calls[0], {old}, t0, t0);

  CHECK(only(allowances.calls(t0, 2)).seq > seq + 1'000'000);
}

// ---- a fleet

// One quota of the store.
struct Store {
  struct Holder {
    std::int64_t slots = 0;
    SteadyTime ends{};
  };
  std::int64_t limit = 0;
  std::chrono::microseconds period{0};  // GCRA: in which a start is earned; 0: no rate.
  std::int64_t burst = 0;
  SteadyTime earned{};                  // When all that was granted will have been.
  std::map<int, SteadyTime> asked_starts;
  std::map<int, Holder> holders;
  std::set<int> waiters;

  std::int64_t reserved() const {
    std::int64_t sum = 0;
    for (const auto& [who, holder] : holders) sum += holder.slots;
    return sum;
  }
  Grant ask(int who, const Ask& asked, SteadyTime now) {
    auto& holder = holders[who];
    const auto hold = asked.hold.find("slots");
    holder.slots = hold == asked.hold.end() ? 0 : hold->second;
    holder.ends = now + kTtl;
    Grant given;
    given.granted = std::clamp<std::int64_t>(limit - reserved(), 0, asked.count);
    given.retry_in = core::Millis(given.granted < asked.count ? -1 : 0);
    given.roomy = 2 * (reserved() + given.granted) <= limit;
    holder.slots += given.granted;
    if (given.granted < asked.count) waiters.insert(who);
    if (period.count() > 0) grant_starts(who, asked, now, given);
    return given;
  }
  void grant_starts(int who, const Ask& asked, SteadyTime now, Grant& given) {
    // What comes back is worth what has not been earned since: as the library does it.
    const auto worth = asked.spare * period - (now - asked_starts[who]);
    if (asked.spare > 0 && worth.count() > 0) earned -= worth;
    given.starts = 0;
    if (asked.starts == 0) return;
    const auto ahead = std::max<std::chrono::nanoseconds>(earned - now, 0ns);
    given.starts = std::clamp<std::int64_t>(burst - (ahead + period - 1ns) / period, 0, asked.starts);
    earned = std::max(earned, now) + given.starts * period;
    asked_starts[who] = now;
    if (given.starts == asked.starts) return;
    const auto first = std::chrono::duration_cast<core::Millis>(earned - (burst - 1) * period - now);
    given.retry_in = std::max(first, core::Millis(1));
  }
};

struct Fleet {
  struct UnderWay {
    AskCall call;
    std::vector<Grant> grants;
    SteadyTime sent;
    bool lost = false;
  };
  struct Member {
    Allowances allowances = make();
    std::multimap<SteadyTime, std::string> running;
    std::multimap<SteadyTime, UnderWay> calls;  // By when they are answered, or given up.
    bool alive = true;
  };
  static constexpr std::size_t kPlaces = 8, kPartitions = 8;
  Rng random;
  std::map<std::string, Store> stores;
  std::vector<std::unique_ptr<Member>> members;
  std::map<Partition, std::map<std::string, std::size_t>> queues;
  std::map<std::string, std::vector<std::pair<SteadyTime, int>>> begun;  // Of each class: when, and by whom.
  std::size_t done = 0, asks = 0;
  std::int64_t delay_max_ms = 0;  // Of an answer.
  SteadyTime now = t0;

  explicit Fleet(std::uint64_t seed) : random(seed) {}

  void claim(int who, Partition partition) {
    auto& member = *members[static_cast<std::size_t>(who)];
    const auto want = kPlaces - member.running.size();
    if (want == 0) return;
    const auto offered = member.allowances.offer(partition, want, now);
    std::vector<std::string> given;
    std::vector<Allowance> shorts;
    for (auto& [requirements, left] : queues[partition]) {
      const auto found = std::find_if(offered.begin(), offered.end(),
                                      [&](const Allowance& one) { return one.requirements == requirements; });
      if (found == offered.end() && left > 0) shorts.emplace_back(left, requirements);
      for (std::size_t i = 0; found != offered.end() && i < found->count && left > 0 && given.size() < want; ++i) {
        --left;
        given.push_back(requirements);
        begun[requirements].emplace_back(now, who);
        member.running.emplace(now + core::Millis(random.between(1, 40)), requirements);
      }
    }
    if (shorts.size() > 16) shorts.resize(16);
    member.allowances.claimed(partition, offered, given, shorts, given.size() == want);
  }

  void step(int who) {
    auto& member = *members[static_cast<std::size_t>(who)];
    while (!member.running.empty() && member.running.begin()->first <= now) {
      member.allowances.ended(member.running.begin()->second);
      member.running.erase(member.running.begin());
      ++done;
    }
    while (!member.calls.empty() && member.calls.begin()->first <= now) {
      const auto& [call, grants, sent, lost] = member.calls.begin()->second;
      if (lost) member.allowances.unanswered(call, now);
      else member.allowances.answered(call, grants, sent, now);
      member.calls.erase(member.calls.begin());
    }
    for (auto& call : member.allowances.calls(now, kPlaces - member.running.size())) {
      ++asks;
      UnderWay one;
      one.lost = random.chance(0.05);  // On the way there, or on the way back.
      const bool arrives = !one.lost || random.chance(0.5);
      for (const auto& asked : call.asks) {
        if (arrives) one.grants.push_back(stores[asked.limit.name].ask(who, asked, now));
      }
      one.sent = now;
      one.call = std::move(call);
      member.calls.emplace(now + core::Millis(random.between(0, delay_max_ms)), std::move(one));
    }
    for (const auto partition : member.allowances.ready(now)) claim(who, partition);
    if (random.chance(0.1)) claim(who, static_cast<Partition>(random.below(kPartitions)));
  }

  void tick() {
    now += 1ms;
    for (auto& [name, store] : stores) {
      std::erase_if(store.holders, [this](const auto& entry) { return entry.second.ends <= now; });
      if (store.reserved() < store.limit) {
        for (const auto who : std::exchange(store.waiters, {})) {
          members[static_cast<std::size_t>(who)]->allowances.told(LimitName(LimitKind::quota, name));
        }
      }
    }
    for (std::size_t who = 0; who < members.size(); ++who) {
      if (members[who]->alive) step(static_cast<int>(who));
    }
    check();
  }

  void check() const {
    std::map<std::string, std::int64_t> running;
    for (const auto& member : members) {
      if (!member->alive) continue;
      for (const auto& [ends, requirements] : member->running) {
        for (const auto& need : core::needs_of(requirements)) ++running[need.limit.name];
      }
    }
    for (const auto& [name, count] : running) {
      if (count > stores.at(name).limit) FAIL(name << " runs " << count);
    }
  }
};

TEST_CASE("a fleet that is killed and loses calls never exceeds a quota, does all work, and gives everything back") {
  Rng random(seed());
  for (int round = 0; round < 5; ++round) {
    Fleet fleet(random());
    fleet.delay_max_ms = random.between(0, 5);
    const auto quotas = random.between(1, 6);
    for (std::int64_t i = 0; i < quotas; ++i) fleet.stores["q" + std::to_string(i)].limit = random.between(1, 12);
    for (int i = 0; i < 5; ++i) fleet.members.push_back(std::make_unique<Fleet::Member>());
    std::size_t work = 0;
    for (int i = 0; i < 2000; ++i, ++work) {
      auto requirements = "#q" + std::to_string(random.between(0, quotas - 1));
      const auto other = "#q" + std::to_string(random.between(0, quotas - 1));
      if (random.chance(0.3) && other > requirements) requirements += " " + other;
      ++fleet.queues[static_cast<Partition>(random.below(Fleet::kPartitions))][requirements];
    }
    std::size_t lost = 0;
    for (int ms = 0; fleet.done + lost < work && ms < 200'000; ++ms) {
      if (ms == 100) {
        fleet.members[0]->alive = false;
        lost = fleet.members[0]->running.size();
      }
      fleet.tick();
    }
    CHECK(fleet.done + lost == work);
    CHECK(fleet.asks < work);

    for (auto& member : fleet.members) member->allowances.drain();
    for (int ms = 0; ms < 40'000; ++ms) fleet.tick();

    for (const auto& [name, store] : fleet.stores) CHECK(store.reserved() == 0);
  }
}

TEST_CASE("workers that share a rate start what it allows and no more, though they ask for starts ahead of need") {
  Fleet fleet(seed());
  fleet.delay_max_ms = 3;
  auto& store = fleet.stores["q"];
  store.limit = 1000;
  store.period = 2ms;
  store.burst = 20;
  constexpr int kMembers = 4, kWork = 2000;
  for (int i = 0; i < kMembers; ++i) fleet.members.push_back(std::make_unique<Fleet::Member>());
  for (std::size_t i = 0; i < kWork; ++i) ++fleet.queues[static_cast<Partition>(i % Fleet::kPartitions)]["#q"];

  for (int ms = 0; fleet.done < kWork && ms < 60'000; ++ms) fleet.tick();

  const auto& begun = fleet.begun["#q"];
  REQUIRE(begun.size() == kWork);
  // Starts are used up to kIdle after they were granted, with those that the burst allows then.
  const auto saved = static_cast<std::size_t>(store.burst + Allowances::kIdle / store.period);
  for (std::size_t i = 0; i + 1000 < begun.size(); ++i) {
    const auto took = begun[i + 1000].first - begun[i].first;
    REQUIRE(static_cast<std::size_t>(took / store.period) + saved + 1 >= 1000);
  }
  CHECK(begun.back().first - begun.front().first < 2 * kWork * store.period);  // And what it allows is used.
  std::map<int, std::size_t> shares;
  for (const auto& [at, who] : begun) ++shares[who];
  for (int who = 0; who < kMembers; ++who) CHECK(shares[who] > kWork / kMembers / 4);
}

TEST_CASE("with one quota on all work, few calls are made beside the claims") {
  Fleet fleet(1);
  fleet.stores["q"].limit = 1000;
  for (int i = 0; i < 2; ++i) fleet.members.push_back(std::make_unique<Fleet::Member>());
  for (std::size_t i = 0; i < 8000; ++i) ++fleet.queues[static_cast<Partition>(i % Fleet::kPartitions)]["#q"];

  while (fleet.done < 8000) fleet.tick();

  CHECK(fleet.asks < 8000 / 50);
}

TEST_CASE("with hundreds of quotas with room, few calls are made beside the claims") {
  Fleet fleet(1);
  for (int i = 0; i < 2; ++i) fleet.members.push_back(std::make_unique<Fleet::Member>());
  for (std::size_t i = 0; i < 8000; ++i) {
    const auto quota = "q" + std::to_string(i % 200);
    fleet.stores[quota].limit = 1000;
    ++fleet.queues[static_cast<Partition>((i / 200) % Fleet::kPartitions)]["#" + quota];
  }

  while (fleet.done < 8000) fleet.tick();

  CHECK(fleet.asks < 8000 / 4);
}

}  // namespace
}  // namespace ff::test
