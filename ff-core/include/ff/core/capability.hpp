#pragma once
// What a worker can do against what an execution asks for. The Lua library holds the same functions; a test compares
// them on random sets. Thread safety: pure functions.

#include <set>
#include <string>
#include <string_view>

#include "ff/core/admission.hpp"
#include "ff/core/result.hpp"

namespace ff::core {

// Of a worker: plain words ("gpu") and key=value ("cuda=12.2"); a key may have several values.
using Capabilities = std::set<std::string>;

// A word or key=value, at most 64 characters: letters, digits, '.', '_', ':', '/', '+', '-', the first of each a
// letter or digit. Error: invalid_argument/bad_capability.
Result<void> validate_capability(std::string_view value, std::string_view field = "capability");
// The same, or with '>=', '<=', '>' or '<' in place of '='. Error: invalid_argument/bad_requirement.
Result<void> validate_requirement(std::string_view value, std::string_view field = "requirement");

// -1, 0 or 1. Versions are compared part by part between the dots, numbers by their value, other parts as text; a
// missing part counts as 0: 12 = 12.0 < 12.2 < 12.10.
int order_versions(std::string_view a, std::string_view b) noexcept;

// Whether one of the capabilities answers the requirement. A plain word asks for the key, with whatever value; '='
// compares texts, the other operators versions. Precondition: both are valid.
bool satisfies(const Capabilities& has, std::string_view requirement);
bool satisfies_all(const Capabilities& has, const std::set<std::string>& requirements);

// What an execution asks of the worker and the store that run it. Executions of a lane with equal requirements wait
// together.
struct Requirements {
  std::set<std::string> needs;    // At most 16; a worker that lacks one never gets it.
  std::set<std::string> prefers;  // At most 16; a worker that lacks one gets it after it has waited for 5 s.
  std::set<std::string> quotas;   // At most 8 (admission.hpp); it runs only while each has a slot and a start for it.
  std::string budget;             // It runs only while that and its parents have room for `estimate`; empty: none.
  Amounts estimate;               // Reserved while it runs. Few different ones, rounded: each makes a line of its own.
  Requirements() = default;
  bool empty() const noexcept { return needs.empty() && prefers.empty() && quotas.empty() && budget.empty(); }
  friend bool operator==(const Requirements&, const Requirements&) = default;
};

// Errors: invalid_argument/bad_requirement, also when to_wire would have more than 1024 bytes; bad_limit_name,
// bad_amounts (also for an estimate without a budget).
Result<void> validate(const Requirements& requirements);
// One text for equal requirements, empty for none: "+cuda>=12 +gpu ~ssd" (ARCHITECTURE.md "Routes").
std::string to_wire(const Requirements& requirements);

// 1 to 64 characters: letters, digits, '.', '_', ':', '@', '/', '-', the first a letter or digit. Error:
// invalid_argument/bad_fairness_key.
Result<void> validate_fairness_key(std::string_view value, std::string_view field = "fairness_key");

}  // namespace ff::core
