#include "http/head_scan.hpp"

namespace ff::server::http {

HeadScan::State HeadScan::feed(std::string_view bytes) {
  while (position_ < bytes.size()) {
    const State state = byte(bytes[position_]);
    if (state != State::more) return state;
    if (position_ - skipped_ >= limits_.bytes_max || skipped_ > limits_.line_bytes_max) return State::too_large;
  }
  return State::more;
}

HeadScan::State HeadScan::byte(char c) {
  if (after_cr_) {
    if (c != '\n') return State::bad_line_ending;
    after_cr_ = false;
    ++position_;
    return end_of_line();
  }
  if (c == '\n') return State::bad_line_ending;
  const bool first = position_ == line_begin_;
  if (c == '\r') {
    after_cr_ = true;
    ++position_;
    return State::more;
  }
  const auto code = static_cast<unsigned char>(c);
  if ((code < 0x20 && c != '\t') || code == 0x7f) return State::bad_byte;
  if (first && (c == ' ' || c == '\t')) return in_request_line_ ? State::bad_byte : State::folded;
  ++position_;
  if (in_request_line_ && position_ - line_begin_ > limits_.line_bytes_max) return State::line_too_long;
  return State::more;
}

HeadScan::State HeadScan::end_of_line() {
  const bool empty = position_ - line_begin_ == 2;
  line_begin_ = position_;
  if (in_request_line_) {
    if (empty) skipped_ = position_;
    in_request_line_ = empty;
    return State::more;
  }
  if (empty) return State::complete;
  return ++fields_ > limits_.fields_max ? State::too_many_fields : State::more;
}

}  // namespace ff::server::http
