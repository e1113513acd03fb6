#include "http/wire.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>

namespace ff::server::http {
namespace {

struct Phrase {
  int status;
  std::string_view text;
  constexpr Phrase(int s, std::string_view t) noexcept : status(s), text(t) {}
};
constexpr std::array kPhrases = {Phrase(200, "OK"),
                                 Phrase(201, "Created"),
                                 Phrase(204, "No Content"),
                                 Phrase(400, "Bad Request"),
                                 Phrase(401, "Unauthorized"),
                                 Phrase(403, "Forbidden"),
                                 Phrase(404, "Not Found"),
                                 Phrase(405, "Method Not Allowed"),
                                 Phrase(408, "Request Timeout"),
                                 Phrase(409, "Conflict"),
                                 Phrase(413, "Content Too Large"),
                                 Phrase(414, "URI Too Long"),
                                 Phrase(415, "Unsupported Media Type"),
                                 Phrase(417, "Expectation Failed"),
                                 Phrase(429, "Too Many Requests"),
                                 Phrase(431, "Request Header Fields Too Large"),
                                 Phrase(500, "Internal Server Error"),
                                 Phrase(501, "Not Implemented"),
                                 Phrase(503, "Service Unavailable"),
                                 Phrase(504, "Gateway Timeout"),
                                 Phrase(505, "HTTP Version Not Supported"),
                                 Phrase(507, "Insufficient Storage")};

bool has_body(int status) noexcept { return status != 204 && status != 304; }

}  // namespace

std::string_view reason_phrase(int status) noexcept {
  for (const Phrase& phrase : kPhrases) {
    if (phrase.status == status) return phrase.text;
  }
  return "Status";
}

std::string response_head(const Response& response, const HeadOptions& options, std::time_t now) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", response.status,
                                 reason_phrase(response.status), fmt::gmtime(now));
  if (response.stream) {
    head += fmt::format("Content-Type: {}\r\n{}", response.content_type,
                        options.http10 ? "" : "Transfer-Encoding: chunked\r\n");
  } else if (has_body(response.status)) {
    if (!response.body.empty()) head += fmt::format("Content-Type: {}\r\n", response.content_type);
    head += fmt::format("Content-Length: {}\r\n", response.body.size());
  }
  head += fmt::format("X-Request-Id: {}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
                      options.request_id);
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
  if (!options.keep_alive) head += "Connection: close\r\n";
  else if (options.http10) head += "Connection: keep-alive\r\n";
  return head += "\r\n";
}

std::string chunk(std::string_view piece) { return fmt::format("{:x}\r\n{}\r\n", piece.size(), piece); }

bool valid_request_id(std::string_view text) noexcept {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), good);
}

bool host_is_literal(std::string_view host) noexcept {
  const bool bracket = host.starts_with('[');
  const std::size_t end = bracket ? host.find(']') : host.find(':');
  if (bracket && end == std::string_view::npos) return false;
  const std::string_view rest =
      end == std::string_view::npos ? std::string_view() : host.substr(end + (bracket ? 1 : 0));
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!rest.empty() && (rest[0] != ':' || !std::all_of(rest.begin() + 1, rest.end(), digit))) return false;
  const std::string name(bracket ? host.substr(1, end - 1) : host.substr(0, end));
  if (name == "localhost") return true;
  boost::system::error_code error;
  boost::asio::ip::make_address(name, error);
  return !error;
}

}  // namespace ff::server::http
