#pragma once
// Classes of characters. ASCII on purpose: the C library's depend on the locale.

namespace ff::core {

inline bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_alnum(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z') || is_digit(c); }

}  // namespace ff::core
