#include "http_client.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <exception>
#include <optional>

#include "ff/core/text.hpp"

namespace ff::ctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using core::Code;
using core::Error;
using core::Result;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReplyBytesMax = 64 << 20;

struct Address {
  std::string host, port;
  Address() = default;
};

Result<Address> address_of(std::string text) {
  const Error wrong(Code::invalid_argument, "bad_server",
                    "the server is " + core::shown(text) + ", must be http://host:port or host:port; there is no TLS");
  if (text.starts_with("http://")) text.erase(0, 7);
  if (text.ends_with('/')) text.pop_back();
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || text.find('/') != std::string::npos) return wrong;
  Address address;
  address.host = text.substr(0, colon);
  address.port = text.substr(colon + 1);
  if (address.port.empty() || address.port.find_first_not_of("0123456789") != std::string::npos) return wrong;
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  return address;
}

beast::http::request<beast::http::string_body> message_of(const Address& address, const HttpRequest& request) {
  beast::http::request<beast::http::string_body> message;
  message.version(11);
  message.method_string(request.method);
  message.target(request.target);
  const bool v6 = address.host.find(':') != std::string::npos;
  message.set(beast::http::field::host, (v6 ? "[" + address.host + "]" : address.host) + ":" + address.port);
  message.set(beast::http::field::connection, "close");
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.body() = request.body;
  if (request.method != "GET" || !request.body.empty()) message.prepare_payload();
  return message;
}

asio::awaitable<Result<HttpReply>> talk(Address address, HttpRequest request) {
  const auto executor = co_await asio::this_coro::executor;
  const std::string where = address.host + ":" + address.port;
  tcp::resolver resolver(executor);
  auto [resolve_error, places] = co_await resolver.async_resolve(address.host, address.port, kToken);
  if (resolve_error) co_return Error(Code::unavailable, "unreachable", where + ": " + resolve_error.message());
  beast::tcp_stream stream(executor);
  stream.expires_after(request.time);
  auto [connect_error, endpoint] = co_await stream.async_connect(places, kToken);
  if (connect_error) co_return Error(Code::unavailable, "unreachable", where + ": " + connect_error.message());
  auto message = message_of(address, request);
  auto [write_error, written] = co_await beast::http::async_write(stream, message, kToken);
  beast::flat_buffer buffer;
  beast::http::response_parser<beast::http::string_body> parser;
  parser.body_limit(kReplyBytesMax);
  auto [read_error, count] = co_await beast::http::async_read(stream, buffer, parser, kToken);
  if (read_error) {
    const auto& error = write_error ? write_error : read_error;
    co_return Error(Code::unknown_outcome, "no_answer", where + " gave no answer: " + error.message());
  }
  HttpReply reply;
  reply.status = parser.get().result_int();
  reply.body = std::move(parser.get().body());
  co_return reply;
}

// co_spawn cannot hand over a type that has no default.
asio::awaitable<void> talk_into(std::optional<Result<HttpReply>>& reply, Address address, HttpRequest request) {
  auto answer = co_await talk(std::move(address), std::move(request));
  reply.emplace(std::move(answer));
}

}  // namespace

Result<HttpReply> send_request(const std::string& server, const HttpRequest& request) {
  FF_TRY(address, address_of(server));
  asio::io_context context(1);
  std::optional<Result<HttpReply>> reply;
  auto done = [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  };
  asio::co_spawn(context, talk_into(reply, std::move(address), request), std::move(done));
  context.run();
  return std::move(*reply);
}

std::string url_escaped(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain) {
      result += c;
      continue;
    }
    result += '%';
    result += kHex[static_cast<unsigned char>(c) >> 4];
    result += kHex[static_cast<unsigned char>(c) & 15];
  }
  return result;
}

}  // namespace ff::ctl
