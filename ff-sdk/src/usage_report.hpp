#pragma once
// Reporting usage to a budget and its parents; what Client and Task share.

#include <functional>
#include <string>

#include "client_call.hpp"
#include "ff/sdk/client.hpp"

namespace ff::sdk {

// One report, on its way up the chain of budgets.
struct UsageReport {
  std::string key;
  std::string holder;  // Worker instance that has reserved for it, empty: none.
  core::Amounts used;
  // Before each call: how much of it the holder has reserved of this budget. After it: how much of that was taken.
  std::function<core::Amounts(const core::LimitName&)> cover;
  std::function<void(const core::LimitName&, const core::Amounts& covered, const core::Amounts& taken)> counted;
  UsageReport() = default;
};

core::Result<void> validate(const UsageReport& report);
// Precondition: validate accepts it, and the name.
Awaitable<Usage> report_usage(Caller caller, std::string budget, UsageReport report);

// Computes and stores more resets for a budget that is about to run out of them.
boost::asio::awaitable<void> extend_resets(Caller caller, std::string budget);

}  // namespace ff::sdk
