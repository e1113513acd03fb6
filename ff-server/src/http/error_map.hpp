#pragma once
// The one table from an error's code to an HTTP status, and the body every refusal has.

#include <array>
#include <string>
#include <string_view>

#include "ff/core/error.hpp"
#include "http/json_writer.hpp"
#include "http/message.hpp"

namespace ff::server::http {

struct CodeStatus {
  core::Code code;
  int status;
  constexpr CodeStatus(core::Code c, int s) noexcept : code(c), status(s) {}
};

// Total: error_map_test and the static_assert in error_map.cpp hold it to that, in the order of the enumerators.
inline constexpr std::array kStatusOfCode = {
    CodeStatus(core::Code::invalid_argument, 400), CodeStatus(core::Code::not_found, 404),
    CodeStatus(core::Code::conflict, 409),         CodeStatus(core::Code::stale_lease, 409),
    CodeStatus(core::Code::exhausted, 429),  // 507 when the reason is oom
    CodeStatus(core::Code::unavailable, 503),      CodeStatus(core::Code::unknown_outcome, 504),
    CodeStatus(core::Code::unauthenticated, 401),  CodeStatus(core::Code::permission_denied, 403),
    CodeStatus(core::Code::incompatible, 500),     CodeStatus(core::Code::corrupt, 500),
    CodeStatus(core::Code::cancelled, 503),        CodeStatus(core::Code::internal, 500),
};

int status_of(const core::Error& error) noexcept;

// What is wrong with a request: invalid_argument.
core::Error bad(std::string reason, std::string message);

// {"code","reason","message","request_id"}, and "retry_after_ms" when there is a hint; no request_id when it is empty.
void write_error(JsonWriter& writer, const core::Error& error, std::string_view request_id);

// The refusal of a request: {"error":{…}}. 429, 503 and 507 get Retry-After, 401 gets WWW-Authenticate.
Response refuse(const core::Error& error, std::string_view request_id);
// The same with a status of the protocol that no code stands for: 405, 408, 413, 415, 431, ….
Response refuse(int status, const core::Error& error, std::string_view request_id);

}  // namespace ff::server::http
