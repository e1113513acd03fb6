#pragma once
// Report: the table at the end, and whether anything is wrong.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "audit.hpp"

namespace files {

struct Evidence {
  std::map<std::string, std::string> digests;     // By path, from sha256sum.
  std::map<std::string, int> ended;               // By execution id: how often an end was published.
  std::uint64_t events_missed = 0;
  double submit_seconds = 0, seconds = 0;         // Until the last submit was acknowledged; until the last end.
};

// Prints the table. Answers whether nothing was lost, nothing ran to completion twice, and every digest is right.
bool report(const std::vector<Audited>& all, const Evidence& evidence);

}  // namespace files
