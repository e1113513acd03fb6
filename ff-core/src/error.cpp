#include "ff/core/error.hpp"

namespace ff::core {

std::string_view to_string(Code code) noexcept {
  switch (code) {
    case Code::invalid_argument:
      return "invalid_argument";
    case Code::not_found:
      return "not_found";
    case Code::conflict:
      return "conflict";
    case Code::stale_lease:
      return "stale_lease";
    case Code::exhausted:
      return "exhausted";
    case Code::unavailable:
      return "unavailable";
    case Code::unknown_outcome:
      return "unknown_outcome";
    case Code::unauthenticated:
      return "unauthenticated";
    case Code::permission_denied:
      return "permission_denied";
    case Code::incompatible:
      return "incompatible";
    case Code::corrupt:
      return "corrupt";
    case Code::cancelled:
      return "cancelled";
    case Code::internal:
      return "internal";
  }
  return "internal";
}

std::string Error::to_string() const {
  std::string text(core::to_string(code));
  if (!reason.empty()) text.append("/").append(reason);
  if (!message.empty()) text.append(": ").append(message);
  return text;
}

}  // namespace ff::core
