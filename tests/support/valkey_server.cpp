#include "support/valkey_server.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>

#include "support/wait.hpp"

namespace ff::test {
namespace {

constexpr std::uint16_t kPortFirst = 12'000;  // Below the kernel's own range, where outgoing connections sit.
constexpr std::uint16_t kPortLast = 31'999;
constexpr int kStartAttemptsMax = 20;
constexpr std::chrono::seconds kStartLimit{30};
constexpr std::chrono::seconds kReplyLimit{10};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

// A name in the abstract socket namespace: it is free again the moment its holder ends, however it ends.
int lock_port(std::uint16_t port) {
  int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string name = "ff-test-port-" + std::to_string(port);
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (fd >= 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

}  // namespace

PortLease::PortLease() {
  std::random_device device;
  std::uint32_t span = kPortLast - kPortFirst + 1;
  for (std::uint32_t tried = 0; tried < span && lock_fd_ < 0; ++tried) {
    number_ = static_cast<std::uint16_t>(kPortFirst + device() % span);
    lock_fd_ = lock_port(number_);
  }
  if (lock_fd_ < 0) throw std::runtime_error("no free port between 12000 and 31999");
}

PortLease::~PortLease() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

ValkeyServer::ValkeyServer(ServerOptions options) : ValkeyServer(std::move(options), Deferred()) { wait_ready(); }

ValkeyServer::ValkeyServer(ServerOptions options, Deferred) : options_(std::move(options)) {
  unix_socket_ = dir_.file("s");
  if (options_.tls) make_certificates();
  if (!options_.acl.empty()) {
    std::string lines;
    for (const auto& line : options_.acl) lines += line + "\n";
    // With an ACL file the default user comes from it alone, so requirepass must be said there.
    if (lines.find("user default ") == std::string::npos) {
      lines += "user default on " + (options_.password.empty() ? "nopass" : ">" + options_.password) + " ~* &* +@all\n";
    }
    write_file(dir_.file("users.acl"), lines);
  }
  take_ports();
  launch_process();
}

ValkeyServer::~ValkeyServer() {
  if (process_) process_->kill9();
}

std::unique_ptr<ValkeyServer> ValkeyServer::launch(ServerOptions options) {
  return std::unique_ptr<ValkeyServer>(new ValkeyServer(std::move(options), Deferred()));
}

void ValkeyServer::take_ports() {
  port_ = std::make_unique<PortLease>();
  if (options_.tls) tls_port_ = std::make_unique<PortLease>();
  if (options_.cluster) cluster_port_ = std::make_unique<PortLease>();
}

std::vector<std::string> ValkeyServer::command_line() const {
  std::vector<std::string> line = {"valkey-server", "--port", std::to_string(port()), "--bind", "127.0.0.1",
                                   "--unixsocket", unix_socket_, "--dir", directory(), "--save", "",
                                   "--logfile", dir_.file("log"), "--daemonize", "no", "--tcp-backlog", "128"};
  auto add = [&line](std::initializer_list<std::string> words) { line.insert(line.end(), words); };
  add({"--appendonly", options_.aof == Aof::off ? "no" : "yes"});
  if (options_.aof != Aof::off) add({"--appendfsync", options_.aof == Aof::always ? "always" : "everysec"});
  if (!options_.acl.empty()) {
    add({"--aclfile", dir_.file("users.acl")});
  } else if (!options_.password.empty()) {
    add({"--requirepass", options_.password, "--masterauth", options_.password});
  }
  if (options_.debug_commands) add({"--enable-debug-command", "local"});
  if (options_.tls) {
    add({"--tls-port", std::to_string(tls_port()), "--tls-ca-cert-file", ca_file()});
    add({"--tls-cert-file", dir_.file("server.crt"), "--tls-key-file", dir_.file("server.key")});
    add({"--tls-auth-clients", options_.tls_client_certificate ? "yes" : "no"});
  }
  if (options_.cluster) {
    add({"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-announce-ip", "127.0.0.1"});
    add({"--cluster-port", std::to_string(cluster_port()), "--repl-diskless-sync-delay", "0"});
  }
  line.insert(line.end(), options_.args.begin(), options_.args.end());
  return line;
}

void ValkeyServer::launch_process() { process_ = std::make_unique<Process>(command_line()); }

// Logged in, because without a login the answer is NOAUTH even while the server is loading.
bool ValkeyServer::answers() const {
  try {
    return client().command({"PING"}).text == "PONG";
  } catch (const std::runtime_error&) {
    return false;
  }
}

void ValkeyServer::wait_ready() {
  for (int attempt = 1;; ++attempt) {
    bool ready = false;
    wait_until([&] { return (ready = answers()) || !process_->running(); }, kStartLimit);
    if (ready) return;
    // A stranger may listen on the port we picked: the server says so and ends. Take others; a used folder must keep
    // its own.
    bool taken = log().find("Address already in use") != std::string::npos;
    if (process_->running() || !taken || attempt == kStartAttemptsMax) {
      throw std::runtime_error("valkey-server does not start: " + process_->output() + log());
    }
    std::filesystem::remove(dir_.file("log"));
    take_ports();
    launch_process();
  }
}

void ValkeyServer::stop() {
  if (process_) process_->end();
}

void ValkeyServer::kill9() {
  if (process_) process_->kill9();
}

void ValkeyServer::start() {
  if (running()) return;
  std::filesystem::remove(unix_socket_);
  launch_process();
  bool ready = false;
  wait_until([&] { return (ready = answers()) || !process_->running(); }, kStartLimit);
  if (!ready) throw std::runtime_error("valkey-server does not start again: " + process_->output() + log());
}

void ValkeyServer::restart() {
  stop();
  start();
}

void ValkeyServer::freeze() { process_->freeze(); }

void ValkeyServer::thaw() { process_->thaw(); }

RespClient ValkeyServer::client() const {
  auto connection = RespClient::over_unix(unix_socket_, kReplyLimit);
  if (!options_.password.empty()) {
    auto reply = connection.command({"AUTH", options_.password});
    if (reply.is_error()) throw std::runtime_error("AUTH: " + reply.text);
  }
  return connection;
}

RespValue ValkeyServer::command(const std::vector<std::string>& arguments) const { return client().command(arguments); }

std::string ValkeyServer::cli_words(const std::vector<std::string>& words) const {
  auto reply = command(words);
  if (reply.is_error()) throw std::runtime_error("cli " + words.at(0) + ": " + reply.text);
  return reply.str();
}

std::string ValkeyServer::info(std::string_view field) const {
  std::istringstream lines(cli("INFO", "everything"));
  std::string prefix = std::string(field) + ":";
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.rfind(prefix, 0) == 0) return line.substr(prefix.size());
  }
  return {};
}

std::string ValkeyServer::log() const { return read_file(dir_.file("log")); }

// One CA, a server certificate for 127.0.0.1 and localhost, a client certificate; all on P-256, which takes
// milliseconds.
void ValkeyServer::make_certificates() {
  const std::vector<std::string> key = {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"};
  auto request = [&](const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> line = {"openssl", "req", "-x509", "-days", "30", "-sha256",
                                     "-subj", "/CN=ff-test-" + name,
                                     "-keyout", dir_.file(name + ".key"), "-out", dir_.file(name + ".crt")};
    line.insert(line.end(), key.begin(), key.end());
    line.insert(line.end(), more.begin(), more.end());
    run_program(std::move(line));
  };
  auto signed_by_ca = [&](const std::string& name, const std::string& extension) {
    request(name, {"-CA", dir_.file("ca.crt"), "-CAkey", dir_.file("ca.key"), "-addext", extension,
                   "-addext", "basicConstraints=critical,CA:FALSE"});
  };
  request("ca", {});
  signed_by_ca("server", "subjectAltName=IP:127.0.0.1,DNS:localhost");
  signed_by_ca("client", "extendedKeyUsage=clientAuth");
}

}  // namespace ff::test
