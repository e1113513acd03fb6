#include <catch2/catch_test_macros.hpp>

#include <map>

#include "ff/core/capability.hpp"
#include "ff/core/lane_policy.hpp"
#include "support/seed.hpp"

using namespace ff::core;

TEST_CASE("a capability is a word or key=value") {
  for (const char* good : {"gpu", "cuda=12.2", "a/b:c", "zone=eu-1", "c++=20", "GPU"}) CHECK(validate_capability(good));
  for (const char* bad : {"", "=1", "gpu=", "a=b=c", "a>=1", "a b", "a,b", "-a", "a=-1", "a|b"}) {
    INFO(bad);
    REQUIRE_FALSE(validate_capability(bad));
    CHECK(validate_capability(bad).error().reason == "bad_capability");
  }
  CHECK(validate_capability(std::string(64, 'a')));
  CHECK_FALSE(validate_capability(std::string(65, 'a')));
}

TEST_CASE("a requirement may compare") {
  for (const char* good : {"gpu", "cuda=12.2", "cuda>=12", "cuda<=12", "cuda>11", "cuda<13"}) {
    CHECK(validate_requirement(good));
  }
  for (const char* bad : {"", "cuda>", "cuda=>12", "cuda==12", "cuda>=", ">=12", "cuda<>1", "cuda>=1,2"}) {
    INFO(bad);
    REQUIRE_FALSE(validate_requirement(bad));
    CHECK(validate_requirement(bad).error().reason == "bad_requirement");
  }
}

TEST_CASE("versions are ordered part by part, numbers by value") {
  CHECK(order_versions("12", "12.0") == 0);
  CHECK(order_versions("12.2", "12.10") == -1);
  CHECK(order_versions("12", "9") == 1);
  CHECK(order_versions("1.0.0", "1.0.1") == -1);
  CHECK(order_versions("007", "7") == 0);
  CHECK(order_versions("99999999999999999999", "99999999999999999998") == 1);
  CHECK(order_versions("1.beta", "1.alpha") == 1);
}

TEST_CASE("a word asks for the key, = for the text, the others for the version") {
  const Capabilities has = {"gpu", "cuda=12.2", "zone=a", "zone=b"};

  for (const char* met : {"gpu", "cuda", "cuda=12.2", "cuda>=12", "cuda<13", "cuda<=12.2", "zone=a", "zone=b"}) {
    INFO(met);
    CHECK(satisfies(has, met));
  }
  for (const char* unmet : {"cpu", "cuda=12", "cuda>=12.3", "cuda<12", "gpu=1", "gpu>=0", "zone=c", "cud"}) {
    INFO(unmet);
    CHECK_FALSE(satisfies(has, unmet));
  }
}

// The same by other means: every capability taken apart and compared as numbers.
bool by_hand(const std::multimap<std::string, int>& has, const std::string& key, char sign, int wanted) {
  for (const auto& [mine, value] : has) {
    if (mine != key) continue;
    if (sign == 'w') return true;
    if (value < 0) continue;
    if ((sign == '=' && value == wanted) || (sign == 'g' && value >= wanted) || (sign == 'l' && value < wanted)) {
      return true;
    }
  }
  return false;
}

TEST_CASE("random sets are matched as by hand") {
  ff::test::Rng rng(ff::test::seed());
  const char* keys[] = {"a", "b", "c"};
  for (int i = 0; i < 5000; ++i) {
    Capabilities has;
    std::multimap<std::string, int> known;
    for (auto count = rng.below(5); count > 0; --count) {
      const std::string key = keys[rng.below(3)];
      const int value = static_cast<int>(rng.between(-1, 12));
      if (has.insert(value < 0 ? key : key + "=" + std::to_string(value)).second) known.emplace(key, value);
    }
    std::set<std::string> needs;
    bool wanted = true;
    for (auto count = rng.below(3); count > 0; --count) {
      const std::string key = keys[rng.below(3)];
      const int value = static_cast<int>(rng.between(0, 12));
      const char sign = "w=gl"[rng.below(4)];
      const std::string text = std::to_string(value);
      needs.insert(sign == 'w' ? key : key + (sign == '=' ? "=" : sign == 'g' ? ">=" : "<") + text);
      wanted = wanted && by_hand(known, key, sign, value);
    }
    CHECK(satisfies_all(has, needs) == wanted);
  }
}

TEST_CASE("equal requirements make one text, and too many are refused") {
  Requirements requirements;
  CHECK(to_wire(requirements).empty());
  requirements.needs = {"gpu", "cuda>=12"};
  requirements.prefers = {"ssd"};
  CHECK(to_wire(requirements) == "+cuda>=12 +gpu ~ssd");
  CHECK(validate(requirements));

  for (int i = 0; i < 17; ++i) requirements.needs.insert("n" + std::to_string(i));
  CHECK(validate(requirements).error().reason == "bad_requirement");
}

TEST_CASE("a lane's policy is canonical JSON and names what is wrong") {
  LanePolicy policy;
  CHECK(to_wire(policy).empty());
  policy.weight = 3;
  policy.aging = Millis(0);
  policy.strict = true;
  CHECK(to_wire(policy) == R"({"weight":3,"aging_ms":0,"ordering":"strict"})");
  policy.execution.mode = Mode::lean;
  policy.depth = 100;
  CHECK(to_wire(policy) == R"({"mode":"lean","weight":3,"depth":100,"aging_ms":0,"ordering":"strict"})");
  CHECK(validate(policy));

  policy.weight = 0;
  CHECK(validate(policy).error().message == "weight is 0, must be 1 to 1000");
  policy.weight = 1;
  policy.depth = 0;
  CHECK(validate(policy).error().reason == "bad_policy");
  policy.depth.reset();
  policy.concurrency = 0;
  CHECK(validate(policy));
  CHECK(to_wire(policy) == R"({"mode":"lean","weight":1,"concurrency":0,"aging_ms":0,"ordering":"strict"})");
  policy.concurrency = -1;
  CHECK(validate(policy).error().message == "concurrency is -1, must be 0 to 1000000000");
  policy.concurrency = 1'000'000'001;
  CHECK(validate(policy).error().reason == "bad_policy");
  policy.concurrency.reset();
  policy.aging = Millis(-1);
  CHECK_FALSE(validate(policy));
}

TEST_CASE("lane states are spelled as on the wire") {
  for (const char* word : {"running", "paused", "draining"}) CHECK(to_string(*parse_lane_state(word)) == word);
  CHECK(parse_lane_state("asleep").error().reason == "bad_state");
}
