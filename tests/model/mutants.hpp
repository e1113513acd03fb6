#pragma once
// Mutants of the Lua library: one line each, and each a fault that the model test must find.

#include <string>
#include <string_view>
#include <vector>

#include "model/generator.hpp"

namespace ff::model {

struct Mutant {
  const char* name;
  const char* from;  // Occurs exactly once in the library.
  const char* to;
  Generator::Focus focus = Generator::Focus::none;  // What finds it soonest.
};
const std::vector<Mutant>& mutants();

// The library with the mutation. Throws std::runtime_error when `from` does not occur exactly once.
std::string mutated(std::string_view library, const Mutant& mutant);

}  // namespace ff::model
