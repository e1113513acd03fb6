#pragma once
// ConnectionOptions and the factory for TCP, TLS and unix sockets, one server or a cluster.

#include <cstddef>
#include <memory>
#include <string>

#include "ff/core/log.hpp"
#include "ff/script/connection.hpp"

namespace ff::script {

struct TlsOptions {
  bool enabled = false;
  std::string ca_file;           // Empty: the system's trust store.
  std::string certificate_file;  // Client certificate; empty: none.
  std::string key_file;
  std::string server_name;       // Checked against the certificate and sent as SNI; empty: the host.
};

struct ConnectionOptions {
  std::string host = "localhost";
  std::uint16_t port = 6379;
  std::string unix_socket;  // Absolute path; when set, host, port and TLS are ignored.
  bool cluster = false;     // Follow the cluster map; host and port (or unix_socket) name one seed node.
  std::string user;         // Empty: the default user.
  std::string password;     // Empty: none, for a user with nopass. No AUTH when user and password are both empty.
  TlsOptions tls;
  std::string client_name = "flowfabric";           // CLIENT SETNAME; letters, digits, '-', '_', '.'.
  core::Millis connect_timeout{5000};               // Of one dial, TLS and AUTH included.
  core::Millis backoff_min{10}, backoff_max{1000};  // Of dials to one node, repeats of one call.
  // A socket with commands in flight that is silent for an interval, and a pub/sub socket that is for two, is probed;
  // no answer within one more closes it. 0: never.
  core::Millis ping_interval{5000};
  // Commands queued or in flight, replies that nobody waits for any more included; one more is refused.
  std::size_t in_flight_max = 65536;
  // Told, once, that the user lacks the right to subscribe: then nothing comes on any channel. Unset: silent.
  std::shared_ptr<core::Logger> logger;

  ConnectionOptions() = default;
};

// Does not dial yet: the first send does. All calls must be made on `executor`, which must not run two
// handlers of this connection at once (a strand, or an io_context that one thread runs). Host names, unlike
// addresses, are resolved on a thread of Asio's. Throws std::invalid_argument for options that can never
// work; files of TLS are read at the first dial, and one that cannot be read is unavailable/"connect".
std::shared_ptr<Connection> make_connection(boost::asio::any_io_executor executor, ConnectionOptions options);

}  // namespace ff::script
