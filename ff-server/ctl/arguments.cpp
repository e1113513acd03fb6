#include "arguments.hpp"

#include <charconv>
#include <sstream>

#include "ff/core/text.hpp"

namespace ff::ctl {
namespace {

enum class Takes : std::uint8_t { unknown, nothing, value };

Takes find(FlagList flags, const std::string& name) {
  std::istringstream words{std::string(flags)};
  for (std::string word; words >> word;) {
    if (word == name) return Takes::nothing;
    if (word == name + "=") return Takes::value;
  }
  return Takes::unknown;
}

}  // namespace

core::Error wrong_use(std::string message) {
  return core::Error(core::Code::invalid_argument, "usage", std::move(message));
}

core::Result<Arguments> Arguments::parse(const std::vector<std::string>& words, FlagList flags) {
  Arguments arguments;
  bool only_positions = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (only_positions || !word.starts_with("--")) {
      arguments.positions_.push_back(word);
      continue;
    }
    if (word == "--") {
      only_positions = true;
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const Takes takes = find(flags, name);
    if (takes == Takes::unknown) return wrong_use(core::escaped(name, 48) + " is no flag of this command");
    if (arguments.has(name)) return wrong_use(name + " is given twice");
    if (takes == Takes::nothing && equals != std::string::npos) return wrong_use(name + " takes no value");
    if (takes == Takes::nothing) arguments.values_[name] = "";
    else if (equals != std::string::npos) arguments.values_[name] = word.substr(equals + 1);
    else if (i + 1 < words.size()) arguments.values_[name] = words[++i];
    else return wrong_use(name + " needs a value");
  }
  return arguments;
}

std::string Arguments::text(const std::string& flag) const {
  const auto found = values_.find(flag);
  return found == values_.end() ? std::string() : found->second;
}

core::Result<std::optional<std::int64_t>> Arguments::number(const std::string& flag) const {
  if (!has(flag)) return std::optional<std::int64_t>();
  const std::string given = text(flag);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
  if (error != std::errc() || end != given.data() + given.size())
    return wrong_use(flag + " is " + core::shown(given) + ", must be a whole number");
  return std::optional<std::int64_t>(value);
}

}  // namespace ff::ctl
