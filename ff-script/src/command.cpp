#include <charconv>

#include "ff/script/connection.hpp"

namespace ff::script {
namespace {

void append_length(std::string& out, char kind, std::size_t length) {
  char text[24];
  text[0] = kind;
  char* end = std::to_chars(text + 1, text + sizeof text - 2, length).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(text, end);
}

}  // namespace

Command& Command::arg(std::string_view bytes) {
  append_length(body_, '$', bytes.size());
  body_.append(bytes);
  body_.append("\r\n", 2);
  ++count_;
  return *this;
}

Command& Command::arg(std::int64_t number) {
  char text[24];
  const char* end = std::to_chars(text, text + sizeof text, number).ptr;
  return arg(std::string_view(text, static_cast<std::size_t>(end - text)));
}

void Command::append_to(std::string& out) const {
  append_length(out, '*', count_);
  out.append(body_);
}

std::string Command::encode() const {
  std::string out;
  out.reserve(body_.size() + 16);
  append_to(out);
  return out;
}

}  // namespace ff::script
