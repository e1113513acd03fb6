#include "list_cursor.hpp"

#include <charconv>

#include "client_call.hpp"
#include "ff/core/text.hpp"

namespace ff::sdk {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 16 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "<score> <ulid>", perhaps behind a '*' or '+', as the verb makes it.
bool is_inner(std::string_view text) {
  if (text.starts_with('*') || text.starts_with('+')) text.remove_prefix(1);
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return false;
  return is_number(text.substr(0, space)) && core::Ulid::parse(text.substr(space + 1)).has_value();
}

}  // namespace

core::Result<ListCursor> ListCursor::parse(std::string_view text, std::size_t partitions) {
  if (text.empty()) return ListCursor();
  const std::size_t mark = text.find('~');
  std::size_t partition = 0;
  const char* end = text.data() + std::min(mark, text.size());
  const auto [rest, error] = std::from_chars(text.data(), end, partition);
  const bool canonical = error == std::errc() && rest == end && std::to_string(partition).size() == mark;
  if (mark == std::string_view::npos || !canonical || partition >= partitions ||
      (mark + 1 < text.size() && !is_inner(text.substr(mark + 1)))) {
    return refused_argument("bad_cursor", "cursor is " + core::shown(text) + ", must come from a page of this list");
  }
  return ListCursor(static_cast<core::Partition>(partition), std::string(text.substr(mark + 1)));
}

}  // namespace ff::sdk
