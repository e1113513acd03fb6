#include "ff/core/payload.hpp"

#include "ff/core/limits.hpp"
#include "ff/core/names.hpp"

namespace ff::core {

Result<void> validate(const Payload& payload, std::string_view field) {
  if (payload.bytes.size() > limits::kPayloadBytes) {
    return Error(Code::invalid_argument, "payload_too_large",
                 std::string(field) + " has " + std::to_string(payload.bytes.size()) +
                     " bytes, must have at most " + std::to_string(limits::kPayloadBytes) +
                     ": keep larger data elsewhere and pass where");
  }
  return validate_content_type(payload.content_type, std::string(field) + ".content_type");
}

}  // namespace ff::core
