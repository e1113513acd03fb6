// Random calls on the real library against the reference model, all invariants checked after each step.
// FLOWFABRIC_TEST_SEED repeats a run; FLOWFABRIC_MODEL_STEPS sets the steps; FLOWFABRIC_MODEL_RUN does one run
// of the seed alone.
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "library_source.hpp"
#include "model/generator.hpp"
#include "model/harness.hpp"
#include "support/seed.hpp"

namespace {

using namespace ff::model;

constexpr std::uint64_t kStepsDefault = 200'000, kStepsOfARun = 2'000, kShrinkTries = 300;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

ff::test::Rng rng_of(std::uint64_t seed,
    std::uint64_t run) { return ff::test::Rng(seed ^ (run * 0x9e3779b97f4a7c15u)).fork(); }

std::string story(const RunResult& failed, std::uint64_t run) {
  std::string text = "run " + std::to_string(run) + " of the seed, step " + std::to_string(failed.steps) + ": " +
                     failed.failure->what + "\nthe calls (clock in microseconds, verb, arguments):\n";
  std::size_t shown = 60, from = failed.ops.size() > shown ? failed.ops.size() - shown : 0;
  for (auto i = from; i < failed.ops.size(); ++i) text += "  " + failed.ops[i].text() + "\n";
  return text;
}

// The states that nothing leads into yet: they come with flows.
bool later(State state) { return state == State::blocked || state == State::skipped; }

// Prints how often each transition was taken; returns those that never were.
std::string coverage(const Counters& counters) {
  std::string missing;
  std::printf("transitions:\n");
  auto line = [&](const std::string& what, std::uint64_t times) {
    std::printf("  %-26s %10llu\n", what.c_str(), static_cast<unsigned long long>(times));
    if (times == 0) missing += what + "; ";
  };
  for (State state : ff::core::kStartStates) {
    if (later(state)) continue;
    auto found = counters.starts.find(state);
    line("-> " + std::string(to_string(state)), found == counters.starts.end() ? 0 : found->second);
  }
  for (const auto& transition : ff::core::kTransitions) {
    if (later(transition.from) || later(transition.to)) continue;
    auto found = counters.moves.find({transition.from, transition.to});
    line(std::string(to_string(transition.from)) + " -> " + std::string(to_string(transition.to)),
         found == counters.moves.end() ? 0 : found->second);
  }
  for (const auto& [move, _] : counters.moves) {
    bool legal = ff::core::is_legal(move.first, move.second);
    if (!legal) missing += "illegal: " + std::string(to_string(move.first)) + " -> " +
        std::string(to_string(move.second)) + "; ";
  }
  return missing;
}

// What must have happened for the run to mean anything.
std::string events(const Counters& counters) {
  const char* needed[] = {
      "submit created", "submit duplicate", "submit idempotency_mismatch", "submit id_taken", "submit bad_policy",
      "idempotency key expired", "resend of an id", "whole batch refused", "foreign namespace", "complete refused",
      "fail refused", "release refused", "renew refused", "progress refused", "complete repeated", "fail repeated",
      "release repeated", "replay repeated", "cancel repeated", "claim repeated", "claim repeated in vain",
      "receipt found in history", "same call again at once", "renewed", "renewed after its end, before it was taken",
      "completed within the grace", "cancel with grace", "grace asked for again", "grace over", "released unstarted",
      "crash cap reached", "lean deletion", "purged", "watched end", "worker woken", "dead worker dropped",
      "wake passed on", "registered idle", "timer execution_deadline", "timer attempt_timeout", "timer lease_expiry",
      "timer delayed_promoter", "timer retention_trimmer", "timer handoff", "clock behind", "library loaded anew",
      "engine told of a timer", "list continued", "list continued behind what is gone",
          "result of an earlier generation",
      "append refused", "append repeated", "append after another holder", "refused sequence_gap", "refused bad_patch",
      "closing marker written", "place beyond the end", "tailed end",
      "refused not_found", "refused already_finished", "refused not_finished", "refused other_generation",
      "refused stale_lease", "refused bad_state", "refused lane_needed", "refused bad_cursor",
          "refused no_such_generation", "waitpoints opened", "open refused", "suspend refused", "suspend repeated",
      "suspended with early signals", "early signal", "signal accepted", "signal resumed", "signal repeated",
      "signal repeated after the resume",
      "resumed by signals", "resumed by timeout", "resumed by operator", "resume repeated",
      "suspension timed out: fail", "suspension timed out: expire", "suspension timed out: resume",
      "suspension timed out: retry", "timer suspension_timeout", "timer waitpoint_expiry", "refused no_such_waitpoint",
      "refused waitpoint_closed", "refused waitpoint_expired", "refused name_not_allowed", "refused payload_too_large",
      "refused too_many_signals", "refused bad_waitpoint", "refused bad_condition", "refused unknown_waitpoint",
      "refused bad_timeout", "refused other_step", "refused not_suspended", "refused no_such_step",
      "taken from a route", "taken from a fair line", "placed in front of a fair line", "route out of reach",
      "left for a preferred worker", "taken by another than the preferred", "waits for a preferred worker",
      "worker with capabilities woken", "allowance lacking", "empty line forgotten", "unserved told",
      "rows without rare fields", "submit lane_draining", "submit lane_full", "submit elsewhere",
      "submit unknown_outcome", "paused lane left alone", "resumed lane offered", "ranked anew", "policy of the lane",
      "timeout of the lane", "older lane record", "refused bad_rate", "refused bad_dimension", "refused bad_policy",
      "refused other_period", "refused unknown_dimension", "limits: allowance granted", "limits: holder waits",
      "limits: waiting holder told", "limits: late reservation", "limits: reservation repeated",
      "limits: reservation too large", "limits: slots asked back", "limits: starts granted",
      "limits: starts given back", "limits: starts given back too late", "limits: parent named",
      "limits: period over", "limits: resets told", "limits: usage ok", "limits: usage soft", "limits: usage hard",
      "limits: usage reported before", "limits: timer unblock", "limits: timer quota_reconciler",
      "limits: timer budget_reconciler", "limits: timer budget_reset"};
  std::string missing;
  for (const auto& [what, times] : counters.events) {
    std::printf("  %-44s %10llu\n", what.c_str(), static_cast<unsigned long long>(times));
  }
  for (const char* what : needed) {
    if (counters.events.count(what) == 0) missing += std::string(what) + "; ";
  }
  return missing;
}

}  // namespace

TEST_CASE("the library does what the model says, step by step", "[model]") {
  auto seed = ff::test::seed();
  auto steps = from_environment("FLOWFABRIC_MODEL_STEPS", kStepsDefault);
  const char* alone = std::getenv("FLOWFABRIC_MODEL_RUN");
  Harness harness;
  harness.load(std::string(ff::script::kLibrarySource));

  Counters counters;
  std::uint64_t done = 0;
  auto started = std::chrono::steady_clock::now();
  for (std::uint64_t run = from_environment("FLOWFABRIC_MODEL_RUN", 0); done < steps; ++run) {
    Generator generator(rng_of(seed, run));
    std::uint64_t given = 0;
    auto result = harness.run([&](const Model& model) -> std::optional<Op> {
      if (given++ == kStepsOfARun) return std::nullopt;
      return generator.next(model);
    });
    done += result.steps;
    counters.add(result.counters);
    if (result.failure) {
      // Printed, not told to Catch2: it wraps lines, and calls are there to be copied.
      std::printf("%s", story(result, run).c_str());
      std::fflush(stdout);
      std::printf("with fewer calls: %s", story(harness.shrink(std::move(result), kShrinkTries), run).c_str());
      std::fflush(stdout);
      FAIL("the library and the model differ: FLOWFABRIC_TEST_SEED=" << seed << " FLOWFABRIC_MODEL_RUN=" << run
           << " repeats it");
    }
    if (alone != nullptr) return;
  }
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  auto missing = coverage(counters);
  std::printf("events:\n");
  missing += events(counters);
  std::printf("%llu steps in %.1f s: %.0f steps/s\n", static_cast<unsigned long long>(done), took.count(),
      double(done) / took.count());

  // A short run on demand may miss some.
  if (steps >= kStepsDefault) CHECK(missing == "");
}
