#pragma once
// The harness: runs calls on a real Valkey, with a copy of the library whose clock the test sets, and compares every
// answer, every message and everything stored with the model after each step.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/compare.hpp"
#include "model/model.hpp"
#include "support/resp_client.hpp"
#include "support/valkey_server.hpp"

namespace ff::model {

// The library with its clock taken from two keys that the test sets. Throws when the text has no such place.
std::string with_test_clock(std::string_view library);

struct Failure {
  std::size_t step = 0;  // Of the run, from 0.
  std::string what;
  Failure() = default;
};

// What one run did.
struct RunResult {
  std::size_t steps = 0;
  std::optional<Failure> failure;
  std::vector<Op> ops;  // All that was sent; only the first `steps` were looked at.
  Counters counters;
  RunResult() = default;
};

class Harness {
 public:
  // Calls for a run, one after the other; nothing: the end. It sees the model as it is after the calls so far.
  using Source = std::function<std::optional<Op>(const Model&)>;

  Harness();
  // Replaces the library on the server. Throws when Valkey refuses it.
  void load(const std::string& library);
  // One run in an empty database, on a tag of its own. Stops at the first difference.
  RunResult run(const Source& next);
  RunResult run(const std::vector<Op>& ops);
  // The same failure with fewer calls, as far as `tries` runs get.
  RunResult shrink(RunResult failed, std::size_t tries);

 private:
  struct Run;
  void connect();

  ff::test::ValkeyServer server_;
  std::unique_ptr<ff::test::RespClient> commands_, listener_;
  std::string library_, dump_sha_;
  std::size_t runs_ = 0;
};

}  // namespace ff::model
