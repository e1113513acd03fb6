#pragma once
// The exact checker's part for quotas and budgets (ARCHITECTURE.md invariant 6).

#include <vector>

#include "support/checker.hpp"

namespace ff::test {

// What always holds: what is reserved is what the holders have together, each holder's reservation ends some time, a
// budget's next reset is armed, and the index of limits has those that are defined.
void check_limits(const Snapshot& snapshot, std::vector<Violation>& violations);

// No hard limit is exceeded by what is used and reserved. Holds while no limit was lowered, and no holder was out of
// reach for longer than its reservation and came back.
std::vector<Violation> check_hard_limits(const Snapshot& snapshot);

}  // namespace ff::test
