#pragma once
// The exact checker: what the cores of a partition imply against all that is stored there (ARCHITECTURE.md "Keys" and
// invariants 1 to 3). It knows nothing of the Lua library.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "support/resp_client.hpp"
#include "support/snapshot.hpp"

namespace ff::test {

struct Violation {
  std::string execution;  // ULID; empty: none of one execution.
  std::string key;        // Whole key.
  std::string expected, found;
  Violation(std::string e, std::string k, std::string want, std::string have)
      : execution(std::move(e)), key(std::move(k)), expected(std::move(want)), found(std::move(have)) {}
  std::string text() const;
};

struct CheckReport {
  std::vector<Violation> violations;
  std::size_t keys = 0, executions = 0;
  std::map<std::string, std::size_t, std::less<>> by_state;
  std::string text() const;  // Of the violations, one a line, 100 at the most; empty: none.
};

// All of one tag. `snapshot` needs no more than what SnapshotScope has by default.
CheckReport check_snapshot(const Snapshot& snapshot);

// Whether `after` may follow `before` in one or more steps: epochs grow, generations grow by replays only, what has
// ended
// stays as it ended, what was submitted stays as it was. An id that was deleted and submitted again in between is
// told by
// its creation time.
std::vector<Violation> check_step(const Snapshot& before, const Snapshot& after);

// Everything of a deployment on the node of `client`, root tag included. Nothing may write meanwhile.
CheckReport check_deployment(RespClient& client, const std::string& prefix = "ff");

}  // namespace ff::test
