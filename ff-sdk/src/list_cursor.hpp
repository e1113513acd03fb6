#pragma once
// Where a page of Client::list begins: a partition, and a cursor of the verb `list` within it.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "ff/core/ids.hpp"
#include "ff/core/result.hpp"

namespace ff::sdk {

struct ListCursor {
  core::Partition partition = 0;
  std::string inner;  // Empty: from the partition's start.
  ListCursor() = default;
  ListCursor(core::Partition p, std::string i) : partition(p), inner(std::move(i)) {}

  // "<partition>~<inner>"
  std::string str() const { return std::to_string(partition) + "~" + inner; }
  // "" is the start. Refuses everything that str() does not make. Error: invalid_argument/bad_cursor.
  static core::Result<ListCursor> parse(std::string_view text, std::size_t partitions);
};

}  // namespace ff::sdk
