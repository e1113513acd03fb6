#include "ff/core/text.hpp"

#include "ff/core/limits.hpp"

namespace ff::core {
namespace {

std::uint8_t byte(char c) {
  return static_cast<std::uint8_t>(c);
}

// Control characters: C0, DEL, and C1, which is two bytes in UTF-8 and still moves some terminals'
// cursors.
bool is_control(std::string_view sequence) {
  if (sequence.size() == 1) return byte(sequence[0]) < 0x20 || byte(sequence[0]) == 0x7f;
  return sequence.size() == 2 && byte(sequence[0]) == 0xc2 && byte(sequence[1]) < 0xa0;
}

void append_hex(std::string& out, std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : bytes) {
    out += "\\x";
    out += kHex[byte(c) >> 4];
    out += kHex[byte(c) & 15];
  }
}

void append_escaped(std::string& out, std::string_view sequence, bool valid) {
  if (!valid) return append_hex(out, sequence);
  switch (sequence[0]) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (is_control(sequence)) return append_hex(out, sequence);
  out += sequence;
}

}  // namespace

std::size_t utf8_length(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const std::uint8_t first = byte(text[0]);
  if (first < 0x80) return 1;
  // The range of the second byte is what rules out overlong forms, surrogates and what lies above
  // U+10FFFF.
  std::size_t length = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (text.size() < length || byte(text[1]) < low || byte(text[1]) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(text[i]) < 0x80 || byte(text[i]) > 0xbf) return 0;
  }
  return length;
}

bool is_plain_text(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0 || is_control(text.substr(0, length))) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string escaped(std::string_view text, std::size_t bytes_max) {
  std::string out;
  std::size_t taken = 0;
  while (taken < text.size()) {
    const std::size_t length = utf8_length(text.substr(taken));
    const std::size_t step = length == 0 ? 1 : length;
    if (taken + step > bytes_max) return out + "...";
    append_escaped(out, text.substr(taken, step), length != 0);
    taken += step;
  }
  return out;
}

std::string shown(std::string_view text) {
  return std::string("\"").append(escaped(text, limits::kShownBytes)).append("\"");
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    text += kHex[static_cast<unsigned char>(c) >> 4];
    text += kHex[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

}  // namespace ff::core
