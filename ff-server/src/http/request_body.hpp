#pragma once
// What handlers take from a request. Pure functions.

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ff/core/ids.hpp"
#include "ff/core/result.hpp"
#include "http/message.hpp"

namespace ff::server::http {

// What the header Authorization brings as "Bearer <token>", the scheme in whatever case (RFC 7235). Nothing without the
// header, and with another scheme. Lifetime: the request's.
std::optional<std::string_view> bearer_token(const Request& request);

enum class BodyKind : std::uint8_t { json, bytes };
BodyKind body_kind(const Request& request);

// The object in the body. Errors: invalid_argument/bad_content_type, wrong_type, and those of parse_json.
core::Result<boost::json::value> json_object(const Request& request);
// The same where all fields are optional: an empty body is an empty object.
core::Result<boost::json::value> small_object(const Request& request);

// A whole number among the query parameters. Errors: invalid_argument/wrong_type, bad_<name>.
core::Result<std::int64_t> integer_query(const Request& request, std::string_view name, std::int64_t fallback,
                                         std::int64_t min, std::int64_t max);

// The first capture. Error: invalid_argument/bad_id.
core::Result<core::ExecutionId> id_of(const Request& request);

}  // namespace ff::server::http
