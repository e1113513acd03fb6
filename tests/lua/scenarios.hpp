#pragma once
// One call of each verb on a partition where it has something to do: for tests that do the same to all of them.

#include <functional>
#include <string>
#include <vector>

#include "lua/fixture.hpp"

namespace ff::test {

struct Scenario {
  std::string name;  // Of the verb, and what it meets.
  std::string verb;  // "ff1_submit".
  // Prepares the partition and returns the call as the words of a command.
  std::function<std::vector<std::string>(LuaFixture&)> prepare;
  Scenario(std::string n, std::string v, std::function<std::vector<std::string>(LuaFixture&)> p)
      : name(std::move(n)), verb(std::move(v)), prepare(std::move(p)) {}
};

// What one of the routes requires that the scenarios use: with "gpu" too long for a core. All others require "gpu", and
// one of these an allowance for "#q +gpu".
inline constexpr const char* kLongCapability = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

// At least one for each verb; every kind of key is there when the call is made.
const std::vector<Scenario>& scenarios();

}  // namespace ff::test
