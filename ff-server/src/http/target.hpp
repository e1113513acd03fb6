#pragma once
// Request targets: strict percent-decoding and UTF-8, no key twice.

#include <string_view>

#include "ff/core/result.hpp"
#include "http/message.hpp"

namespace ff::server::http {

// Origin form ("/v1/x?a=b") or absolute form ("http://host/v1/x"). In the query '+' is a space, as forms have it.
// Error: invalid_argument/bad_target: a bad or missing '%XX', a raw byte that must be encoded, an encoded control
// character, bytes that are no UTF-8, a fragment, a query key twice.
core::Result<Target> parse_target(std::string_view text);

}  // namespace ff::server::http
