#pragma once
// RawHttp: a client that sends what it is told, byte for byte, and takes answers apart with no library of the server's.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ff::test {

struct RawAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
};

class RawHttp {
 public:
  // Throws std::runtime_error when the connection is refused. `limit` bounds every later operation. `from`: the last
  // byte of our own loopback address.
  explicit RawHttp(std::uint16_t port, std::chrono::milliseconds limit = std::chrono::seconds(10),
                   std::uint8_t from = 1);
  ~RawHttp();
  RawHttp(RawHttp&& other) noexcept;
  RawHttp(const RawHttp&) = delete;

  // False: the other side has closed.
  bool send(std::string_view bytes);
  // The next answer; nullopt: the connection ended without one, or the limit is over. `head`: an answer to HEAD.
  std::optional<RawAnswer> receive(bool head = false);
  // True when the other side closes before the limit; bytes that come first are dropped.
  bool closes();
  void reset();   // Closes with RST.
  void finish();  // No more bytes from us.
  int fd() const noexcept { return fd_; }

 private:
  bool fill();
  int fd_ = -1;
  std::string buffer_;
};

// One request on a connection of its own.
std::optional<RawAnswer> ask(std::uint16_t port, std::string_view bytes);

}  // namespace ff::test
