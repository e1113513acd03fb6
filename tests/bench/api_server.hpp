#pragma once
// ApiServer: an ff-server on the Valkey under measurement, and what it takes to speak HTTP to it.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>

#include "bench/server.hpp"
#include "support/process.hpp"

namespace ff::bench {

// Whether the program was built.
inline constexpr bool kApiServerThere = !std::string_view(FF_SERVER_PROGRAM).empty();

class ApiServer {
 public:
  explicit ApiServer(const BenchServer& server);  // Returns when it is ready.
  std::uint16_t port() const noexcept { return port_; }

 private:
  test::Process program_;
  std::uint16_t port_ = 0;
};

// One kept connection, one request at a time.
class ApiClient {
 public:
  ApiClient(const boost::asio::any_io_executor& executor, std::uint16_t port);
  // The body of the answer; throws when its status is not 200 or 201. `fields` end in CR LF each.
  boost::asio::awaitable<std::string> post(std::string path, std::string json, std::string fields);
  // Sends, and leaves what comes to read_to().
  boost::asio::awaitable<void> get(std::string path);
  // Reads on until `text` has come; answers what came up to its end.
  boost::asio::awaitable<std::string> read_to(std::string text);

 private:
  boost::asio::awaitable<void> send(std::string request);
  boost::asio::ip::tcp::socket socket_;
  std::uint16_t port_;
  std::string buffer_;
};

}  // namespace ff::bench
