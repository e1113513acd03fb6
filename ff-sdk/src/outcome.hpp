#pragma once
// From the reply of the verb `result` to an Outcome.

#include "ff/sdk/client.hpp"

namespace ff::sdk {

// Error: corrupt, for a state that is none.
core::Result<Outcome> outcome_of_reply(script::Result::Ok found);

}  // namespace ff::sdk
