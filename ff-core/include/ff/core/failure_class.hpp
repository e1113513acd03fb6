#pragma once
// Why an attempt failed: one word that the retry policy and dashboards decide by. Mandatory in
// every failure. These are the standard words; a handler may use its own, shaped as
// validate_failure_class() says.

#include <algorithm>
#include <array>
#include <string_view>

namespace ff::core::failure_class {

// Took longer than allowed; also the attempt timeout.
inline constexpr std::string_view kTimeout = "timeout";
// The other side asked to come back later.
inline constexpr std::string_view kRateLimited = "rate_limited";
// The other side cannot serve now.
inline constexpr std::string_view kUnavailable = "unavailable";
// The payload will never work.
inline constexpr std::string_view kInvalidInput = "invalid_input";
// What the payload names does not exist.
inline constexpr std::string_view kNotFound = "not_found";
// The right is missing.
inline constexpr std::string_view kPermission = "permission";
// Somebody else changed it meanwhile.
inline constexpr std::string_view kConflict = "conflict";
// Some of it was done.
inline constexpr std::string_view kPartial = "partial";
// The worker vanished; set by the engine.
inline constexpr std::string_view kCrash = "crash";
// A hard budget is spent.
inline constexpr std::string_view kBudgetExceeded = "budget_exceeded";
// The handler stopped because it was told to.
inline constexpr std::string_view kCancelled = "cancelled";
// A bug in the handler; also an unhandled exception.
inline constexpr std::string_view kInternal = "internal";

inline constexpr std::array kStandard = {kTimeout,  kRateLimited,    kUnavailable, kInvalidInput,
                                         kNotFound, kPermission,     kConflict,    kPartial,
                                         kCrash,    kBudgetExceeded, kCancelled,   kInternal};

constexpr bool is_standard(std::string_view word) noexcept {
  return std::find(kStandard.begin(), kStandard.end(), word) != kStandard.end();
}

}  // namespace ff::core::failure_class
