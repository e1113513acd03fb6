#pragma once
// Address: where one node listens, over TCP or as a unix socket.

#include <compare>
#include <cstdint>
#include <string>

namespace ff::script {

struct Address {
  std::string host;
  std::uint16_t port = 0;
  std::string unix_socket;  // Not empty: host and port are ignored.

  Address() = default;
  Address(std::string h, std::uint16_t p) : host(std::move(h)), port(p) {}
  explicit Address(std::string path) : unix_socket(std::move(path)) {}

  std::string str() const { return unix_socket.empty() ? host + ":" + std::to_string(port) : unix_socket; }
  friend auto operator<=>(const Address&, const Address&) = default;
};

}  // namespace ff::script
