#pragma once
// What workers that speak HTTP only say and are told, as JSON. Pure functions.

#include <string>
#include <vector>

#include "ff/core/result.hpp"
#include "ff/sdk/remote_worker.hpp"
#include "http/message.hpp"

namespace ff::server::http {

inline constexpr std::size_t kWorkerNameMax = 50;  // A random part follows it.
inline constexpr std::size_t kLanesMax = 64;
inline constexpr std::int64_t kClaimMax = 64, kRenewMax = 256;

struct ClaimBody {
  sdk::WorkerOptions options;  // Of these: name, lanes, capabilities, lease.
  std::size_t count = 1;
  ClaimBody() = default;
};
struct CompletionBody {
  sdk::Lease lease;
  core::Payload result;
  explicit CompletionBody(sdk::Lease l) : lease(std::move(l)) {}
};
struct FailureBody {
  sdk::Lease lease;
  sdk::Failure failure;
  explicit FailureBody(sdk::Lease l) : lease(std::move(l)) {}
};
struct ReleaseBody {
  sdk::Lease lease;
  bool started = true;
  sdk::Released how;
  explicit ReleaseBody(sdk::Lease l) : lease(std::move(l)) {}
};
struct ProgressBody {
  sdk::Lease lease;
  std::int64_t percent = -1;
  std::string message;
  explicit ProgressBody(sdk::Lease l) : lease(std::move(l)) {}
};

// The worker's name in the path. Error: invalid_argument/bad_worker.
core::Result<std::string> worker_of(const Request& request);
// {"lanes":["default"],"capabilities":[…],"count":1,"lease_ms":15000}, all optional. Values are checked, too.
core::Result<ClaimBody> claim_body_of(const Request& request);
// These check the worker's name in the path, too. {"leases":[…]}, 1 to 256 of them.
core::Result<std::vector<sdk::Lease>> renewal_body_of(const Request& request);
// {"lease"} and a payload as in a submit.
core::Result<CompletionBody> completion_body_of(const Request& request);
// {"lease","failure_class","text","retry_after_ms"}, the first two required.
core::Result<FailureBody> failure_body_of(const Request& request);
// {"lease","started","delay_ms","reason"}, the first required.
core::Result<ReleaseBody> release_body_of(const Request& request);
// {"lease","percent","message"}, the first required.
core::Result<ProgressBody> progress_body_of(const Request& request);

std::string claimed_json(const std::vector<sdk::Leased>& taken);
std::string renewals_json(const std::vector<sdk::Lease>& leases, const std::vector<sdk::Renewal>& renewals);

}  // namespace ff::server::http
