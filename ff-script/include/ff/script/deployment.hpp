#pragma once
// Deployment: one FlowFabric in one Valkey. Knows its keys, keeps its Lua library loaded, and is the one path on which
// every verb is called.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "ff/core/keys.hpp"
#include "ff/core/result.hpp"
#include "ff/core/time.hpp"
#include "ff/script/connection.hpp"
#include "ff/script/verbs.gen.hpp"

namespace ff::script {

struct DeploymentOptions {
  std::string prefix = "ff";       // Of every key; several deployments can share a Valkey.
  std::size_t partitions = 0;      // 0: as stored, or 64 for a new deployment. Refused when it differs from the stored.
  bool load_library = true;        // false: a missing library is an error (for users without the right to load one).
  DeploymentOptions() = default;
};

// Thread safety: none; use it on the connection's executor.
class Deployment {
 public:
  // Checks the server (Valkey, 7.2 or newer), loads or keeps the library on every primary, compares each verb's
  // signature, and fixes or checks the partition count.
  // Errors: those of Connection::send; incompatible/"not_valkey", "valkey_too_old", "library_newer", "library_differs",
  // "signature", "partitions"; not_found/"library_missing"; invalid_argument/"bad_prefix", "bad_partitions".
  static boost::asio::awaitable<core::Result<std::shared_ptr<Deployment>>> open(std::shared_ptr<Connection> connection,
                                                                                DeploymentOptions options,
                                                                                core::Deadline deadline);

  // Calls a verb on a partition. A node without the library gets it and the call is repeated, once, within the
  // deadline. Errors: those of Connection::send; a refusal of the verb, with the word as reason and the code of
  // refusal_code(); exhausted/"oom"; unavailable/"misconf", "noreplicas"; permission_denied/"noperm"; corrupt for
  // FF_CORRUPT and for answers that do not fit the declaration; internal/"bad_call" for FF_BAD_CALL.
  // Cancellation: as Connection::send. After unknown_outcome every verb is safe to repeat with the same arguments.
  template <class Verb>
  boost::asio::awaitable<core::Result<typename Verb::Ok>> call(core::Partition partition, typename Verb::Args args,
                                                               core::Deadline deadline) {
    Command command = begin(Verb::kFunction, Verb::kReadOnly, keys_.tag(partition));
    Verb::encode(args, command);
    auto fields = co_await perform(keys_.slot(partition), std::move(command), deadline);
    if (!fields) co_return std::move(fields).error();
    co_return Verb::decode(*fields);
  }
  // The same for the verbs of the deployment as a whole (open, join, quit), which live on its root tag.
  template <class Verb>
  boost::asio::awaitable<core::Result<typename Verb::Ok>> call_root(typename Verb::Args args, core::Deadline deadline) {
    Command command = begin(Verb::kFunction, Verb::kReadOnly, keys_.root());
    Verb::encode(args, command);
    auto fields = co_await perform(keys_.root_slot(), std::move(command), deadline);
    if (!fields) co_return std::move(fields).error();
    co_return Verb::decode(*fields);
  }

  const core::Keyspace& keys() const noexcept { return keys_; }
  const std::shared_ptr<Connection>& connection() const noexcept { return connection_; }
  const std::string& history() const noexcept { return history_; }            // Changes when the data was wiped.
  const std::string& server_version() const noexcept { return server_version_; }  // Such as "8.0.1".

 private:
  Deployment(std::shared_ptr<Connection> connection, core::Keyspace keys, DeploymentOptions options);
  static Command begin(std::string_view function, bool read_only, const std::string& tag);
  // Sends, heals a missing library, and turns the reply into the fields behind "ok".
  boost::asio::awaitable<core::Result<std::vector<Reply>>> perform(Slot slot, Command command,
                                                                   core::Deadline deadline);
  boost::asio::awaitable<core::Result<void>> check_server(core::Deadline deadline);
  boost::asio::awaitable<core::Result<void>> ensure_library(core::Deadline deadline);
  // One loader at a time: a thousand calls that find the library gone load it once.
  boost::asio::awaitable<core::Result<void>> reload_library(core::Deadline deadline);
  boost::asio::awaitable<core::Result<void>> open_partitions(std::size_t wanted, core::Deadline deadline);

  std::shared_ptr<Connection> connection_;
  core::Keyspace keys_;
  DeploymentOptions options_;
  std::shared_ptr<boost::asio::steady_timer> loading_;  // Set while a reload runs; its end wakes those who wait.
  std::string history_;
  std::string server_version_;
};

// The code of a verb's refusal: what the caller should do. One total table; an unknown word is `internal`.
core::Code refusal_code(std::string_view word) noexcept;

}  // namespace ff::script
