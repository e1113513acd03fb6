#pragma once
// Where Valkey is, from a command line: "/path/of/a.sock" or "HOST:PORT".

#include <ff/script/connect.hpp>
#include <optional>
#include <string>

namespace files {

// None when the text is neither.
std::optional<ff::script::ConnectionOptions> parse_address(const std::string& text);

}  // namespace files
