#pragma once
// HeadScan: looks at the bytes of a request head as they come in, before any parser does, and says when it is complete
// or why it never will be right. Strict where parsers are lax: bare LF, NUL, folded lines, counts and sizes.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ff::server::http {

struct HeadLimits {
  std::size_t bytes_max = 16 * 1024;      // Request line, fields and the empty line.
  std::size_t line_bytes_max = 8 * 1024;  // The request line.
  std::size_t fields_max = 100;
  HeadLimits() = default;
};

class HeadScan {
 public:
  enum class State : std::uint8_t {
    more,             // Not complete yet.
    complete,         // bytes() is the length of the head.
    bad_byte,         // A control character, NUL among them.
    bad_line_ending,  // LF without CR, or CR without LF.
    folded,           // A line that begins with a space.
    line_too_long,
    too_large,
    too_many_fields,
  };

  explicit HeadScan(HeadLimits limits = HeadLimits()) : limits_(limits) {}

  // `bytes` is everything received of this request so far; each call continues where the last one stopped.
  // Empty lines in front of the request line are counted by skipped() and are no part of the head.
  State feed(std::string_view bytes);
  std::size_t bytes() const noexcept { return position_ - skipped_; }
  std::size_t skipped() const noexcept { return skipped_; }

 private:
  State byte(char c);
  State end_of_line();

  HeadLimits limits_;
  std::size_t position_ = 0, skipped_ = 0, line_begin_ = 0;
  std::size_t fields_ = 0;
  bool in_request_line_ = true, after_cr_ = false;
};

}  // namespace ff::server::http
