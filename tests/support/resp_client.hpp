#pragma once
// RespClient: a small blocking Valkey client for set-up and inspection in tests. The product's client is not used
// here, so that a test never checks the client with itself.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace ff::test {

struct RespValue {
  char type = '$';  // '+', '-', ':', '$', '*', or '_' for nil.
  std::string text;
  std::vector<RespValue> elements;

  bool is_error() const noexcept { return type == '-'; }
  bool is_nil() const noexcept { return type == '_'; }
  std::int64_t integer() const { return std::stoll(text); }
  // As `valkey-cli --raw` prints it: elements one per line, nil is empty.
  std::string str() const;
};

class RespClient {
 public:
  using Duration = std::chrono::milliseconds;

  // Both throw std::runtime_error when the connection is refused. `limit` bounds every later read and write.
  static RespClient over_unix(const std::string& path, Duration limit = Duration(10'000));
  static RespClient over_tcp(std::uint16_t port, Duration limit = Duration(10'000));
  ~RespClient();
  RespClient(RespClient&& other) noexcept;
  RespClient& operator=(RespClient&& other) noexcept;

  // Throws on a lost connection and after the limit; an error reply is a value.
  RespValue command(const std::vector<std::string>& arguments);
  // The same in two halves, for pipelines and for replies that must not be waited for.
  void send(const std::vector<std::string>& arguments);
  RespValue receive();
  // Several commands in one write: encode() appends one to `out`.
  static void encode(const std::vector<std::string>& arguments, std::string& out);
  void send_encoded(const std::string& out);

 private:
  explicit RespClient(int fd) : fd_(fd) {}
  void fill();
  std::string line();
  std::string bytes(std::size_t count);

  int fd_ = -1;
  std::string buffer_;
  std::size_t read_ = 0;  // Of buffer_.
};

}  // namespace ff::test
