#pragma once
// A fixed load for counting instructions: one connection, one partition, one call at a time, the same calls every time.

#include <string>

#include "ff/core/policy.hpp"

namespace ff::bench {

// `executions` through submit, claim and complete in batches, on the Valkey at `socket`. After a warm-up and after each
// step it runs `hook` (if not empty) with the step's name as argument: "warm", "submit", "claim", "complete".
void run_script(const std::string& socket, long executions, int batch, core::Mode mode, const std::string& hook);

}  // namespace ff::bench
