#include "address.hpp"

#include <charconv>

namespace files {

std::optional<ff::script::ConnectionOptions> parse_address(const std::string& text) {
  ff::script::ConnectionOptions options;
  if (text.starts_with('/')) {
    options.unix_socket = text;
    return options;
  }
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, options.port);
  if (error != std::errc() || stop != end || options.port == 0) return std::nullopt;
  options.host = text.substr(0, colon);
  return options;
}

}  // namespace files
