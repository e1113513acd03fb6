#pragma once
// Deployment: one FlowFabric in one Valkey. Knows its keys, keeps its Lua library loaded, and is the one path on which
// every verb is called.

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ff/core/keys.hpp"
#include "ff/core/result.hpp"
#include "ff/core/time.hpp"
#include "ff/script/connection.hpp"
#include "ff/script/verbs.gen.hpp"

namespace ff::script {

struct Library;  // library_plan.hpp

struct DeploymentOptions {
  std::string prefix = "ff";       // Of every key; several deployments can share a Valkey.
  std::size_t partitions = 0;      // 0: as stored, or 64 for a new deployment. Refused when it differs from the stored.
  // false: a missing or older library is an error (for users without the right to load one, who still need the right
  // to list: +function|list).
  bool load_library = true;
  DeploymentOptions() = default;
};

// Thread safety: none; use it on the connection's executor. Lifetime: shared; a reload of the library under way keeps
// it alive, for 5 s at most or until the connection is closed.
class Deployment : public std::enable_shared_from_this<Deployment> {
 public:
  // Checks every primary (Valkey, 7.2 or newer), loads or keeps the library on every primary, compares each verb's
  // signature, and fixes or checks the partition count. A library of a lower version is replaced if it is certain that
  // programs which use it can go on: each of its verbs has the same form in the new one, or more answer fields at the
  // end of a verb without rows. One of a higher version is used if the same holds for this program.
  // Errors: those of call, but for refusals; incompatible/"not_valkey", "valkey_too_old", "partitions" (another count
  // is stored), "library_differs" (other code under the same version), "signature" (a newer library that this program
  // cannot use), "library_breaks" (an older one whose users could not use this program's), "library_refused" (Valkey
  // does not load it, and says why); unavailable/"library_missing" (also: it may not be loaded by this program);
  // invalid_argument/"bad_prefix", "bad_partitions".
  // Cancellation: as Connection::send.
  static boost::asio::awaitable<core::Result<std::shared_ptr<Deployment>>> open(std::shared_ptr<Connection> connection,
                                                                                DeploymentOptions options,
                                                                                core::Deadline deadline);

  // Calls a verb on a partition. A node without the library gets it and the call is repeated, until the deadline; a
  // thousand calls that find it gone load it once, and the end of one of them does not end the load of the others.
  // Errors: those of Connection::send; a refusal of the verb, with the word as reason and the code of refusal_code();
  // exhausted/"oom"; unavailable/"misconf", "noreplicas", "slot_moving", "library_missing" (certainly not run, and the
  // deadline came before the library); permission_denied/"noperm"; unauthenticated/"noauth"; incompatible/"not_cluster"
  // for a node of a cluster without ConnectionOptions::cluster, and as open's, when the library had to be loaded again;
  // corrupt/"corrupt" for FF_CORRUPT, "bad_reply" for an answer that does not fit the declaration, "script_error" for
  // what a function raised unforeseen: it may have run in part; internal/"bad_call" for FF_BAD_CALL, "exception" when
  // loading the library threw.
  // Cancellation: as Connection::send. After unknown_outcome a verb may be repeated with the same arguments (claim with
  // again = true): no second effect, and the first answer. Not so for lean executions, which leave no receipt: once one
  // has ended and is deleted, a repeated submit makes it anew, and a repeated complete answers stale_lease.
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
  struct Reload;
  Deployment(std::shared_ptr<Connection> connection, core::Keyspace keys, DeploymentOptions options);
  static Command begin(std::string_view function, bool read_only, const std::string& tag);
  // Sends, heals a missing library, and turns the reply into the fields behind "ok".
  boost::asio::awaitable<core::Result<std::vector<Reply>>> perform(Slot slot, Command command,
                                                                   core::Deadline deadline);
  boost::asio::awaitable<core::Result<void>> check_server(core::Deadline deadline);
  boost::asio::awaitable<core::Result<void>> ensure_library(core::Deadline deadline);
  boost::asio::awaitable<core::Result<std::vector<Library>>> stored_libraries(core::Deadline deadline);
  // Joins the reload under way, or starts one; waits until it has ended, or to the deadline.
  boost::asio::awaitable<core::Result<void>> reload_library(core::Deadline deadline);
  void start_reload();
  static boost::asio::awaitable<void> run_reload(std::shared_ptr<Deployment> self, std::shared_ptr<Reload> reload);
  boost::asio::awaitable<core::Result<void>> open_partitions(std::size_t wanted, core::Deadline deadline);

  std::shared_ptr<Connection> connection_;
  core::Keyspace keys_;
  DeploymentOptions options_;
  std::shared_ptr<Reload> loading_;  // Set while a reload runs, a coroutine of its own; its end wakes those who wait.
  std::string history_;
  std::string server_version_;
};

// The code of a verb's refusal: what the caller should do. One total table; an unknown word is `internal`.
core::Code refusal_code(std::string_view word) noexcept;

}  // namespace ff::script
