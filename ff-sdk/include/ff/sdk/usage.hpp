#pragma once
// How a budget stands after a report of usage, by Client or Task.

#include <cstdint>
#include <optional>
#include <string_view>

#include "ff/core/admission.hpp"
#include "ff/core/time.hpp"

namespace ff::sdk {

struct Usage {
  enum class Verdict : std::uint8_t {
    ok,
    soft,  // A soft limit is reached.
    hard,  // Some of it did not fit: the execution should end.
  };
  Verdict verdict = Verdict::ok;
  core::OnBreach on_breach = core::OnBreach::fail;  // Of the budget with the worst verdict, parents included.
  std::optional<core::Millis> resets_in;            // Of the same; unset: never.
  Usage() = default;
};
std::string_view to_string(Usage::Verdict verdict) noexcept;

}  // namespace ff::sdk
