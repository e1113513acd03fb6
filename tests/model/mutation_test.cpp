// Whether the model test would notice: every mutant of the library must be caught by random calls. Most are within a
// few thousand; the limit is far beyond what the rarest needs, so that chance fails none.
// FLOWFABRIC_TEST_SEED repeats a run.
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <string>

#include "library_source.hpp"
#include "model/generator.hpp"
#include "model/harness.hpp"
#include "model/mutants.hpp"
#include "support/seed.hpp"

namespace {

using namespace ff::model;

constexpr std::uint64_t kStepsMax = 500'000, kStepsOfARun = 500;

// Steps until the library was found wrong; 0: it was not.
std::uint64_t steps_to_catch(Harness& harness, ff::test::Rng& rng, Generator::Focus focus, std::string& how) {
  for (std::uint64_t done = 0; done < kStepsMax;) {
    Generator generator(rng.fork(), focus);
    std::uint64_t given = 0;
    auto result = harness.run([&](const Model& model) -> std::optional<Op> {
      if (given++ == kStepsOfARun) return std::nullopt;
      return generator.next(model);
    });
    done += result.steps;
    if (!result.failure) continue;
    how = result.failure->what.substr(0, 90);
    for (char& c : how) c = c == '\n' ? ' ' : c;
    return done;
  }
  return 0;
}

}  // namespace

TEST_CASE("the model test finds every mutant of the library", "[mutation]") {
  std::string library(ff::script::kLibrarySource);
  ff::test::Rng rng(ff::test::seed());
  Harness harness;
  std::size_t caught = 0;

  for (const auto& mutant : mutants()) {
    std::string how;
    harness.load(mutated(library, mutant));
    auto steps = steps_to_catch(harness, rng, mutant.focus, how);
    std::printf("%-46s %6llu  %s\n", mutant.name, static_cast<unsigned long long>(steps), how.c_str());
    INFO(mutant.name);
    CHECK(steps != 0);
    caught += steps != 0 ? 1 : 0;
  }
  std::printf("%zu of %zu mutants caught\n", caught, mutants().size());
}

TEST_CASE("every mutant applies to the library as it is", "[mutation]") {
  std::string library(ff::script::kLibrarySource);

  for (const auto& mutant : mutants()) CHECK_NOTHROW(mutated(library, mutant));
}
