#pragma once
// The words of a command line, by the table of a command: positions, flags with and without a value.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/result.hpp"

namespace ff::ctl {

// "--lane= --wait": flags that take a value end in '='.
using FlagList = std::string_view;

class Arguments {
 public:
  // Errors: invalid_argument/usage, with what is wrong.
  static core::Result<Arguments> parse(const std::vector<std::string>& words, FlagList flags);

  const std::vector<std::string>& positions() const noexcept { return positions_; }
  const std::string& at(std::size_t i) const { return positions_.at(i); }
  bool has(const std::string& flag) const { return values_.contains(flag); }
  // Empty: not given.
  std::string text(const std::string& flag) const;
  // nullopt: not given. Error: invalid_argument/usage.
  core::Result<std::optional<std::int64_t>> number(const std::string& flag) const;

 private:
  std::vector<std::string> positions_;
  std::map<std::string, std::string> values_;
};

core::Error wrong_use(std::string message);

}  // namespace ff::ctl
