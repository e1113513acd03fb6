#pragma once
// TokenMutants: what somebody without a key can make of the tokens he has seen. None of it may pass.

#include <string>
#include <vector>

#include "support/seed.hpp"

namespace ff::test {

std::vector<std::string> parts_of_token(const std::string& token);
std::string token_of_parts(const std::vector<std::string>& parts);

class TokenMutants {
 public:
  // `seen`: good tokens; no mutant is one of them. One of them must be narrowed.
  TokenMutants(std::vector<std::string> seen, Rng rng) : seen_(std::move(seen)), rng_(rng) {}

  // Made of one or two of the tokens: bits flipped, cut, grown, parts of another, another kid, a narrowing taken back
  // or made wider by hand under the mac that the chain would have, a mac made with a key that everybody knows.
  std::string next();

 private:
  const std::string& any() { return seen_.at(rng_.below(seen_.size())); }
  std::string edited(std::string token);
  std::string spliced(const std::string& token);
  std::string of_two(const std::string& token);
  std::string other_kid(const std::string& token);
  std::string unnarrowed(const std::string& token);
  std::string widened(const std::string& token);
  std::string forged(const std::string& token);

  std::vector<std::string> seen_;
  Rng rng_;
};

}  // namespace ff::test
