#pragma once
// Audit: looks at every execution when the job is over, and has sha256sum look at every file.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <ff/sdk/client.hpp>
#include <map>
#include <string>
#include <vector>

#include "facts.hpp"

namespace files {

// One file and its execution, as Valkey tells it after the end.
struct Audited {
  std::string path;
  ff::core::ExecutionId id;
  ff::core::State state = ff::core::State::ready;
  std::int64_t generation = 0, attempt = 0;
  std::int64_t created_at = 0, began_at = 0, ended_at = 0;  // ms of Valkey's clock
  std::string failure_class, text;
  std::optional<Facts> facts;  // None: no result, or not one of ours.
  Audited(std::string p, ff::core::ExecutionId i) : path(std::move(p)), id(std::move(i)) {}
};

// Waits for what has not ended, then asks for each of them; several at a time. Errors: those of Client.
boost::asio::awaitable<ff::core::Result<void>> look_at_all(ff::sdk::Client client, std::vector<Audited>& all,
                                                           ff::core::Deadline deadline);

// Digests of the files by `xargs -0 sha256sum`; those it cannot read are not in the map.
std::map<std::string, std::string> sha256sum(const std::vector<Audited>& all);

}  // namespace files
