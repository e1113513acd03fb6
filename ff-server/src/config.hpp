#pragma once
// Environment and flags to one validated struct. Every wrong value is named, all at once; what is unknown is refused.

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "callers.hpp"
#include "ff/core/log.hpp"
#include "ff/core/secret.hpp"
#include "ff/core/time.hpp"

namespace ff::server {

struct Config {
  // Where Valkey is.
  std::string host = "localhost";
  std::uint16_t port = 6379;
  std::string socket;
  bool tls = false;
  std::string tls_ca, tls_cert, tls_key;
  bool cluster = false;
  std::string user;
  core::Secret password;
  std::string prefix = "ff";
  std::size_t partitions = 0;  // 0: as stored, or 64 for a new deployment.
  bool dev = false;
  std::string dev_data;  // Empty: a temporary folder.

  // Where we are.
  boost::asio::ip::tcp::endpoint listen{boost::asio::ip::address_v4::loopback(), 9090};
  boost::asio::ip::tcp::endpoint ops{boost::asio::ip::address_v4::loopback(), 9091};
  core::Secret api_token;   // Of the caller "admin". Without it and callers: no authentication, loopback only.
  Callers callers;          // From FF_API_CALLERS_FILE.
  core::Secret hmac_secret;  // Seals the keys of waitpoint tokens; empty: only with --dev, which makes one.
  core::Millis hmac_grace{24 * 3600 * 1000};  // How long a rotated key goes on to verify.
  std::string server_name;  // Empty: made of host name, pid and chance.

  // Limits.
  std::size_t max_connections = 1024;
  std::size_t max_streams = 512;
  std::size_t max_body_bytes = 8 << 20;
  std::uint32_t wrong_tokens_per_minute = 60;  // Of one client address; 0: no limit.
  core::Millis request_timeout{15000};
  core::Millis boot_timeout{30000};
  core::Millis drain_timeout{10000};
  core::LogLevel log_level = core::LogLevel::info;
  bool strict = false;

  Config() = default;
};

struct ConfigOutcome {
  Config config;
  bool help = false;                  // --help was given.
  bool version = false;               // --version was given.
  std::vector<std::string> problems;  // One sentence each; not empty: do not start.
  ConfigOutcome() = default;
};

using Environment = std::vector<std::pair<std::string, std::string>>;
// The FF_… variables of this process.
Environment environment();

// A flag overrides its variable. Files named by FF_…_FILE are read here.
ConfigOutcome parse_config(std::span<const std::string> arguments, const Environment& environment);

// Every option with flag, variable, default and unit.
std::string help_text();
// One line for each option, "FF_PORT=6379"; secrets as ***.
std::string describe(const Config& config);

// "127.0.0.1:9090", "[::1]:9090"
std::string to_string(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace ff::server
