#pragma once
// What an answer looks like on the wire, and small decisions of the protocol. Pure functions.

#include <ctime>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace ff::server::http {

std::string_view reason_phrase(int status) noexcept;

struct HeadOptions {
  std::string request_id;
  bool keep_alive = true;
  bool http10 = false;  // The client speaks HTTP/1.0 and must be told of a kept connection.
  HeadOptions() = default;
};
// Status line and fields, the empty line included. `now` goes into Date.
std::string response_head(const Response& response, const HeadOptions& options, std::time_t now);

// A piece of a chunked body; of an empty piece, its end.
std::string chunk(std::string_view piece);

// 1 to 64 characters of A-Z a-z 0-9 . _ -
bool valid_request_id(std::string_view text) noexcept;
// Whether a Host names this machine in a way no foreign name server can: an IP address or localhost, with or without a
// port.
bool host_is_literal(std::string_view host) noexcept;

}  // namespace ff::server::http
