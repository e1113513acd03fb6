#include "model/mutants.hpp"

#include <stdexcept>

namespace ff::model {

const std::vector<Mutant>& mutants() {
  static const std::vector<Mutant> all = {};
  return all;
}

std::string mutated(std::string_view library, const Mutant& mutant) {
  std::string text(library);
  auto at = text.find(mutant.from);
  if (at == std::string::npos) throw std::runtime_error(std::string(mutant.name) + ": its line is not in the library");
  if (text.find(mutant.from, at + 1) != std::string::npos) throw std::runtime_error(std::string(mutant.name) + ": not one line");
  return text.replace(at, std::string_view(mutant.from).size(), mutant.to);
}

}  // namespace ff::model
