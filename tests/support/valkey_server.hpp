#pragma once
// ValkeyServer: a valkey-server of the test's own in a private folder, on a unix socket and on 127.0.0.1.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "support/process.hpp"
#include "support/resp_client.hpp"
#include "support/temp_dir.hpp"

namespace ff::test {

enum class Aof { off, everysec, always };

struct ServerOptions {
  Aof aof = Aof::off;
  std::vector<std::string> args;  // More of the command line: {"--maxmemory", "10mb"}.
  bool tls = false;               // Also TLS on tls_port(), with certificates for 127.0.0.1 and localhost.
  bool tls_client_certificate = false;  // Refuse TLS clients without client_certificate_file().
  std::string password;                 // Of the default user, without spaces; empty: none.
  std::vector<std::string> acl;         // Lines of an ACL file: "user worker on >secret ~* &* +@all".
  bool debug_commands = false;          // enable-debug-command local
  bool cluster = false;                 // Used by ValkeyCluster.
  ServerOptions() = default;
};

// A TCP port no other test holds: taken below the kernel's own range and kept for this object's life, restarts
// included.
class PortLease {
 public:
  PortLease();
  ~PortLease();
  PortLease(const PortLease&) = delete;
  PortLease& operator=(const PortLease&) = delete;
  std::uint16_t number() const noexcept { return number_; }

 private:
  int lock_fd_ = -1;
  std::uint16_t number_ = 0;
};

// Not thread-safe, except that `command` and `cli` may be called by several threads.
class ValkeyServer {
 public:
  // Returns when the server answers commands. Throws std::runtime_error with the server's log when it does not start.
  explicit ValkeyServer(ServerOptions options = ServerOptions());
  // Kills the server and removes its folder.
  ~ValkeyServer();
  ValkeyServer(const ValkeyServer&) = delete;
  ValkeyServer& operator=(const ValkeyServer&) = delete;

  // The same in two steps, so that several servers start at once: launch() them all, then wait_ready() each.
  static std::unique_ptr<ValkeyServer> launch(ServerOptions options);
  void wait_ready();

  // All three stay the same over restarts.
  const std::string& unix_socket() const noexcept { return unix_socket_; }
  std::uint16_t port() const noexcept { return port_->number(); }
  std::uint16_t tls_port() const noexcept { return tls_port_ ? tls_port_->number() : 0; }  // 0: no TLS.
  std::uint16_t cluster_port() const noexcept { return cluster_port_ ? cluster_port_->number() : 0; }

  std::string ca_file() const { return dir_.file("ca.crt"); }
  std::string client_certificate_file() const { return dir_.file("client.crt"); }
  std::string client_key_file() const { return dir_.file("client.key"); }
  std::string directory() const { return dir_.path().string(); }
  const ServerOptions& options() const noexcept { return options_; }

  pid_t pid() const noexcept { return process_ ? process_->pid() : -1; }
  bool running() { return process_ && process_->running(); }

  void stop();     // An orderly shutdown, as SIGTERM does; returns when the process is gone.
  void kill9();    // Returns when the process is gone.
  void start();    // After stop() or kill9(): the same folder, data and ports. Returns when it answers commands.
  void restart();  // stop() if it runs, then start().
  void freeze();   // SIGSTOP: sockets stay open, nothing answers. Returns when it stands still.
  void thaw();

  // One command over the unix socket as the default user. The reply as a value, errors included.
  RespValue command(const std::vector<std::string>& arguments) const;
  // cli("SET", "key", 3) returns the reply as `valkey-cli --raw` prints it. Throws on an error reply.
  template <class... Args>
  std::string cli(const Args&... args) const {
    std::vector<std::string> words;
    (words.push_back(to_word(args)), ...);
    return cli_words(words);
  }
  // A connection of one's own over the unix socket, logged in.
  RespClient client() const;
  // One field of INFO: info("used_memory"). Empty when there is no such field.
  std::string info(std::string_view field) const;

  // Everything the server has logged since the first start.
  std::string log() const;

 private:
  struct Deferred {};
  ValkeyServer(ServerOptions options, Deferred);

  template <class T>
  static std::string to_word(const T& value) {
    if constexpr (std::is_arithmetic_v<T>) return std::to_string(value);
    else return std::string(value);
  }
  std::string cli_words(const std::vector<std::string>& words) const;
  std::vector<std::string> command_line() const;
  void launch_process();
  void take_ports();
  bool answers() const;
  void make_certificates();

  ServerOptions options_;
  TempDir dir_;
  std::string unix_socket_;
  std::unique_ptr<PortLease> port_, tls_port_, cluster_port_;
  std::unique_ptr<Process> process_;
};

}  // namespace ff::test
