#pragma once
// Valkey settings that break a promise of ours. Pure functions.

#include <map>
#include <string>
#include <vector>

#include "ff/script/reply.hpp"

namespace ff::server {

using Settings = std::map<std::string, std::string>;

// What CONFIG GET answered; empty for an error reply.
Settings settings_of(const script::Reply& reply);
// One sentence for each setting that breaks a promise, with the cure. A setting that is not known breaks none.
std::vector<std::string> broken_promises(const Settings& settings);

}  // namespace ff::server
