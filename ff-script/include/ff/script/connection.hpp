#pragma once
// Connection: a way to one Valkey deployment, a single server or a cluster. The seam that tests replace by a
// script.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/result.hpp"
#include "ff/core/time.hpp"
#include "ff/script/reply.hpp"

namespace ff::script {

using Slot = std::uint16_t;  // 0..16383; a single server ignores it.

// A command in RESP2, ready to be sent; appending is the only operation. Arguments are bytes.
class Command {
 public:
  explicit Command(std::string_view name) { arg(name); }
  Command& arg(std::string_view bytes);
  Command& arg(std::int64_t number);
  // The whole command, header included.
  std::string encode() const;
  void append_to(std::string& out) const;

 private:
  std::string body_;
  std::size_t count_ = 0;
};

// What the connection has done since it was made; read by metrics and tests. Logins and pings are not
// counted.
struct ConnectionStats {
  std::uint64_t commands = 0;       // Sent, retries included.
  std::uint64_t reconnects = 0;     // Sockets opened after the first of each node.
  std::uint64_t redirects = 0;      // MOVED and ASK followed.
  std::uint64_t retries = 0;        // Repeats of calls that certainly did not run.
  std::uint64_t unknown = 0;        // Calls that ended as unknown_outcome.
};

// Thread safety: none; every call on executor(), callbacks and completions come there, too. Lifetime: must
// die before its execution context. Dying closes it. Calls that an execution context's end finds pending are
// dropped without completion, as those of Asio's own objects.
class Connection {
 public:
  virtual ~Connection() = default;

  // Sends one command to the node that serves `slot` and returns its reply; commands of one slot are sent in
  // call order, pipelined on one socket; one that is repeated or redirected may fall behind. An answer in
  // which the server says that the command did not run (MOVED, ASK, TRYAGAIN, CLUSTERDOWN, LOADING, READONLY,
  // MASTERDOWN, BUSY, max clients) is followed or repeated with jittered backoff until the deadline. Any
  // other server answer, error replies included, is a value; without ConnectionOptions::cluster so are MOVED
  // and ASK, and so is any text that a running script raised.
  //
  // Errors: unavailable (not sent, or certainly not run; reason names the last cause: "connect", "deadline",
  // "overload", "maxclients", "loading", "readonly", "masterdown", "clusterdown", "tryagain", "busy",
  // "moved", "ask"), unknown_outcome (sent, no reply: "connection_lost", "deadline"), unauthenticated
  // ("auth": login refused or missing; pending calls of that node end at once), cancelled ("closed", or
  // "cancelled" by the caller). Cancellation: before the bytes left the command is withdrawn; afterwards it
  // may run, and its reply is dropped by its position. Either way the call ends with cancelled. (In a
  // coroutine that was cancelled earlier the co_await itself throws, as Asio's do.)
  virtual boost::asio::awaitable<core::Result<Reply>> send(Slot slot, Command command,
                                                           core::Deadline deadline) = 0;

  // Sends a copy of `command` to every primary that owns slots. One element per node; fails as a whole if any
  // node fails.
  virtual boost::asio::awaitable<core::Result<std::vector<Reply>>> send_to_primaries(
      Command command, core::Deadline deadline) = 0;

  // Sharded pub/sub. `on_message(channel, payload)` runs on the connection's executor. Channels are
  // subscribed on one extra socket per node, again after every reconnect or topology change; after each
  // (re)subscription of a channel that may have missed messages, `on_gap(channel)` runs once, the first
  // subscription included. A node that refuses is asked again, with backoff, for as long as the handle lives.
  // Several subscriptions of one channel each get every message. The subscription ends when the returned
  // handle dies, which may be within a callback or after the connection. Callbacks must not throw.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  using OnMessage = std::function<void(std::string_view channel, std::string_view payload)>;
  using OnGap = std::function<void(std::string_view channel)>;
  virtual std::unique_ptr<Subscription> subscribe(Slot slot, std::string channel, OnMessage on_message,
                                                  OnGap on_gap) = 0;

  virtual const ConnectionStats& stats() const noexcept = 0;
  virtual boost::asio::any_io_executor executor() const = 0;

  // Ends every pending call with `cancelled` and closes the sockets. Idempotent. Later calls answer
  // `cancelled`.
  virtual void close() = 0;
};

}  // namespace ff::script
