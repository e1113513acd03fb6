#pragma once
// When a budget's periods begin, by the clocks of a time zone. Lua knows no zones: the instants are computed here and
// stored with the budget.

#include <cstddef>
#include <string>
#include <vector>

#include "ff/core/admission.hpp"
#include "ff/core/result.hpp"
#include "ff/core/time.hpp"

namespace ff::sdk {

// How many instants are stored at a time, and how few are left when more are added.
constexpr std::size_t kResetsStored = 64, kResetsFew = 8;

// The first `count` beginnings after `after`, ascending; none for ResetEvery::never. A day begins at midnight, or where
// the clocks jump over it, as they jump; an hour begins as often as the clocks show it.
// Error: invalid_argument/bad_zone when the time zone database has no such zone.
core::Result<std::vector<core::TimestampMs>> next_resets(core::ResetEvery every, const std::string& zone,
                                                         core::TimestampMs after, std::size_t count);

// How a budget's record names its period: "day Europe/Berlin", empty for never; and back. Error: corrupt/bad_reply.
std::string period_text(core::ResetEvery every, const std::string& zone);
core::Result<void> read_period(const std::string& text, core::Budget& budget);

}  // namespace ff::sdk
