#pragma once
// What goes into a handler and what comes out: opaque bytes with a content type, never looked into.

#include <string>
#include <string_view>
#include <utility>

#include "ff/core/result.hpp"

namespace ff::core {

inline constexpr std::string_view kContentTypeDefault = "application/octet-stream";

struct Payload {
  std::string bytes;                                            // 0 bytes to 1 MiB.
  std::string content_type = std::string(kContentTypeDefault);  // See validate_content_type().

  Payload() = default;
  explicit Payload(std::string b) : bytes(std::move(b)) {}
  Payload(std::string b, std::string type) : bytes(std::move(b)), content_type(std::move(type)) {}

  friend bool operator==(const Payload&, const Payload&) = default;
};

// Errors: invalid_argument/payload_too_large, invalid_argument/bad_content_type. `field` names it:
// "payload" or "result".
Result<void> validate(const Payload& payload, std::string_view field = "payload");

}  // namespace ff::core
