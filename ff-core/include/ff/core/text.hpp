#pragma once
// Foreign bytes on their way to people: UTF-8 checks and quoting that no terminal or log reader can
// be fooled by. Thread safety: pure functions.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ff::core {

// Length of the valid UTF-8 sequence `text` begins with (no overlong forms, no surrogates, at most
// U+10FFFF), 1 to 4; 0 when it begins with none or is empty.
std::size_t utf8_length(std::string_view text) noexcept;
// Whether all of `text` is UTF-8 without control characters (U+0000 to U+001F, U+007F to U+009F).
bool is_plain_text(std::string_view text) noexcept;

// `text` with '"' and '\' escaped, control characters and bytes that are no UTF-8 as \n, \r, \t or
// \xNN, and what lies beyond `bytes_max` bytes cut off and replaced by "...". Adds no quotes.
std::string escaped(std::string_view text, std::size_t bytes_max);
// `escaped` in quotes, cut to 48 bytes: how a refusal shows a value.
std::string shown(std::string_view text);

// Two lower case hex digits for each byte.
std::string hex(std::string_view bytes);

}  // namespace ff::core
