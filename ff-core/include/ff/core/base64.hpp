#pragma once
// Base64 (RFC 4648 §4): canonical only, so that equal bytes have one text.

#include <optional>
#include <string>
#include <string_view>

namespace ff::core {

std::string base64_encode(std::string_view bytes);
// nullopt: a character that is not of the alphabet (white space too), wrong padding, or unused bits that are not zero.
std::optional<std::string> base64_decode(std::string_view text);

// The same without padding and with '-' and '_' (§5): safe in a URL.
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace ff::core
