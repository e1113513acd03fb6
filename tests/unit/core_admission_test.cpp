// Names, amounts and definitions of quotas and budgets, and what requirements need of them.
#include <catch2/catch_test_macros.hpp>

#include "ff/core/admission.hpp"
#include "ff/core/capability.hpp"

namespace ff::core {
namespace {

template <class T>
std::string reason(const Result<T>& result) {
  return result ? "ok" : result.error().reason;
}

TEST_CASE("a limit's name is what a person would call it") {
  for (const char* good : {"a", "tenant:acme", "api.openai.com/v1", "a@b-c_d", "0"}) CHECK(validate_limit_name(good));
  const std::string long_name(65, 'a');
  for (const char* bad : {"", ":a", "a b", "a?b", "a&b", "a=b", "a,b", "#a", "\xc3\xa4", long_name.c_str()}) {
    CHECK(reason(validate_limit_name(bad)) == "bad_limit_name");
  }
}

TEST_CASE("quotas that are caps of lanes are nobody's to name") {
  CHECK(cap_quota("mail") == "lane:mail");
  for (const char* good : {"lane", "lanes:a", "a:lane:b", "tenant:acme"}) CHECK(validate_quota_name(good));
  CHECK(reason(validate_quota_name("lane:mail")) == "bad_limit_name");
  CHECK(reason(validate_quota_name("no name")) == "bad_limit_name");
  CHECK(validate_limit_name("lane:mail"));
}

TEST_CASE("amounts are written and read back; zeros are left out") {
  const Amounts amounts{{"tokens", 100}, {"usd", 0}, {"x_1", 5}};
  CHECK(to_wire(amounts) == "tokens=100,x_1=5");
  CHECK(*amounts_from_wire("tokens=100,x_1=5") == Amounts{{"tokens", 100}, {"x_1", 5}});
  CHECK(amounts_from_wire("")->empty());
  for (const char* bad : {"tokens", "tokens=", "tokens=x", "tokens=-1", "=1", "Tokens=1", "tokens=1 "}) {
    CHECK(reason(amounts_from_wire(bad)) == "bad_reply");
  }
  CHECK(reason(validate(Amounts{{"Tokens", 1}}, "used")) == "bad_amounts");
  CHECK(reason(validate(Amounts{{"tokens", -1}}, "used")) == "bad_amounts");
  Amounts many;
  for (int i = 0; i < 9; ++i) many["d" + std::to_string(i)] = 1;
  CHECK(reason(validate(many, "used")) == "bad_amounts");
}

TEST_CASE("a quota out of range is refused") {
  Quota quota;
  CHECK(validate(quota));
  quota.concurrency = -1;
  CHECK(reason(validate(quota)) == "bad_quota");
  quota.concurrency = 0;
  CHECK(validate(quota));
  quota.rate = 1'000'001;
  CHECK(reason(validate(quota)) == "bad_quota");
  quota.rate = 1'000'000;
  quota.period = Millis(0);
  CHECK(reason(validate(quota)) == "bad_quota");
  quota.period = Millis(86'400'000);
  quota.burst = 100'000;
  CHECK(reason(validate(quota)) == "bad_quota");
  quota.burst = 10'000;
  CHECK(validate(quota));
}

TEST_CASE("a budget out of range is refused") {
  Budget budget;
  CHECK(reason(validate(budget)) == "bad_budget");
  budget.dimensions["tokens"].hard = 5;
  CHECK(validate(budget));
  budget.dimensions["tokens"].soft = -5;
  CHECK(reason(validate(budget)) == "bad_budget");
  budget.dimensions["tokens"].soft = 5;
  CHECK(validate(budget));
  budget.dimensions["tokens"].soft = 6;
  CHECK(validate(budget).error().message == "tokens.soft is 6, must be at most the hard limit, 5");
  budget.dimensions["tokens"].soft.reset();
  budget.zone = "";
  CHECK(reason(validate(budget)) == "bad_budget");
  budget.zone = "UTC";
  budget.parent = "no name";
  CHECK(reason(validate(budget)) == "bad_limit_name");
}

TEST_CASE("words of enumerations are read back, and what is not built yet is refused by name") {
  for (const auto every : {ResetEvery::never, ResetEvery::hour, ResetEvery::day, ResetEvery::week, ResetEvery::month}) {
    CHECK(*reset_every_from(to_string(every)) == every);
  }
  CHECK(reason(reset_every_from("eon")) == "bad_reset");
  for (const auto on_breach : {OnBreach::fail, OnBreach::suspend}) {
    CHECK(*on_breach_from(to_string(on_breach)) == on_breach);
  }
  const auto flow = on_breach_from("cancel_flow");
  REQUIRE_FALSE(flow);
  CHECK(flow.error().message.find("no flows yet") != std::string::npos);
}

TEST_CASE("requirements with limits are one text, and say what they need") {
  Requirements requirements;
  requirements.needs = {"gpu"};
  CHECK_FALSE(limited(to_wire(requirements)));
  CHECK(needs_of(to_wire(requirements)).empty());
  requirements.quotas = {"tenant:b", "all"};
  requirements.budget = "money";
  requirements.estimate = {{"usd", 5}, {"tokens", 100}};
  REQUIRE(validate(requirements));

  const auto text = to_wire(requirements);
  const auto needs = needs_of(text);

  CHECK(text == "#all #tenant:b $money?tokens=100&usd=5 +gpu");
  CHECK(limited(text));
  REQUIRE(needs.size() == 3);
  CHECK(needs[0] == Need(LimitName(LimitKind::quota, "all"), {{"slots", 1}}));
  CHECK(needs[1] == Need(LimitName(LimitKind::quota, "tenant:b"), {{"slots", 1}}));
  CHECK(needs[2] == Need(LimitName(LimitKind::budget, "money"), {{"tokens", 100}, {"usd", 5}}));
}

TEST_CASE("requirements that name limits wrongly are refused") {
  Requirements requirements;
  requirements.quotas = {"no name"};
  CHECK(reason(validate(requirements)) == "bad_limit_name");
  requirements.quotas.clear();
  requirements.estimate = {{"tokens", 1}};
  CHECK(reason(validate(requirements)) == "bad_amounts");
  requirements.budget = "b";
  CHECK(validate(requirements));
  requirements.estimate = {{"tokens", -1}};
  CHECK(reason(validate(requirements)) == "bad_amounts");
  for (int i = 0; i < 9; ++i) requirements.quotas.insert("q" + std::to_string(i));
  CHECK(reason(validate(requirements)) == "bad_requirement");
}

TEST_CASE("terms that cannot be read need nothing") {
  CHECK(needs_of("").empty());
  CHECK(needs_of("# $ $b?x #a,b").empty());
  CHECK(needs_of("$b").at(0).unit.empty());
}

}  // namespace
}  // namespace ff::core
