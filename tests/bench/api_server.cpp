#include "bench/api_server.hpp"

#include <fmt/format.h>

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <stdexcept>

#include "bench/session.hpp"

namespace ff::bench {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

test::ProcessOptions with_secret() {
  test::ProcessOptions options;
  options.environment.emplace_back("FF_WAITPOINT_HMAC_SECRET", "the waitpoint secret of the benchmark");
  return options;
}

}  // namespace

ApiServer::ApiServer(const BenchServer& server)
    : program_({FF_SERVER_PROGRAM, "--socket=" + server.unix_socket(), "--listen=127.0.0.1:0", "--ops=127.0.0.1:0"},
               with_secret()) {
  if (!program_.wait_for_output("\nready\n", test::Process::Duration(30'000))) {
    throw std::runtime_error("ff-server is not ready: " + program_.output());
  }
  const std::string output = program_.output(), lead = "public listener: 127.0.0.1:";
  port_ = static_cast<std::uint16_t>(std::stoi(output.substr(output.find(lead) + lead.size())));
}

ApiClient::ApiClient(const asio::any_io_executor& executor, std::uint16_t port) : socket_(executor), port_(port) {}

asio::awaitable<void> ApiClient::send(std::string request) {
  if (!socket_.is_open()) {
    const tcp::endpoint server(asio::ip::address_v4::loopback(), port_);
    co_await socket_.async_connect(server, asio::use_awaitable);
    socket_.set_option(tcp::no_delay(true));
  }
  co_await asio::async_write(socket_, asio::buffer(request), asio::use_awaitable);
}

asio::awaitable<std::string> ApiClient::read_to(std::string text) {
  const auto count = co_await asio::async_read_until(socket_, asio::dynamic_buffer(buffer_), text, asio::use_awaitable);
  std::string read = buffer_.substr(0, count);
  buffer_.erase(0, count);
  co_return read;
}

asio::awaitable<void> ApiClient::get(std::string path) {
  std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
  co_await send(std::move(request));
}

asio::awaitable<std::string> ApiClient::post(std::string path, std::string json, std::string fields) {
  std::string request = fmt::format(
      "POST {} HTTP/1.1\r\nHost: localhost\r\nX-FF-Namespace: {}\r\nContent-Type: application/json\r\n{}"
      "Content-Length: {}\r\n\r\n{}",
      path, kNamespace, fields, json.size(), json);
  co_await send(std::move(request));
  const std::string head = co_await read_to("\r\n\r\n");
  static constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t length = std::stoul(head.substr(head.find(kLength) + kLength.size()));
  while (buffer_.size() < length) {
    std::string piece(length - buffer_.size(), '\0');
    co_await asio::async_read(socket_, asio::buffer(piece), asio::use_awaitable);
    buffer_ += piece;
  }
  std::string body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  const std::string_view status = std::string_view(head).substr(9, 3);
  if (status != "200" && status != "201") throw std::runtime_error("POST " + path + " answered " + head + body);
  co_return body;
}

}  // namespace ff::bench
