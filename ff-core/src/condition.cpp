#include "ff/core/condition.hpp"

#include <fmt/format.h>

#include "ff/core/limits.hpp"
#include "ff/core/names.hpp"

namespace ff::core {
namespace {

Error bad_condition(std::string message) {
  return Error(Code::invalid_argument, "bad_condition", std::move(message));
}

Result<void> check_words(const std::string& field, const std::vector<std::string>& words,
                         Result<void> (*check)(std::string_view, std::string_view)) {
  if (words.size() > limits::kConditionWords) {
    return bad_condition(
        fmt::format("{} has {} entries, must have at most {}", field, words.size(), limits::kConditionWords));
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (auto good = check(words[i], fmt::format("{}[{}]", field, i)); !good) return bad_condition(good.error().message);
  }
  return {};
}

Result<void> check_leaf(const Condition& leaf, const std::string& place) {
  if (!leaf.parts.empty()) return bad_condition(place + " counts signals and has parts, must have one of them");
  if (auto good = check_words(place + ".names", leaf.names, validate_signal_name); !good) return good;
  if (auto good = check_words(place + ".not_from", leaf.not_from, validate_source); !good) return good;
  if (!leaf.waitpoint.empty()) {
    auto good = validate_waitpoint_label(leaf.waitpoint, place + ".waitpoint");
    if (!good) return bad_condition(good.error().message);
  }
  const std::int64_t most = leaf.is_distinct ? limits::kDistinctSourcesMax : limits::kSignalsMax;
  if (leaf.count < 1 || leaf.count > most) {
    return bad_condition(fmt::format("{}.count is {}, must be 1 to {}", place, leaf.count, most));
  }
  return {};
}

Result<void> check(const Condition& node, const std::string& place, std::size_t depth, std::size_t& leaves) {
  if (depth > limits::kConditionDepth) {
    return bad_condition(fmt::format("{} is {} deep, must be at most {}", place, depth, limits::kConditionDepth));
  }
  if (node.kind == Condition::Kind::signals) {
    if (++leaves > limits::kConditionLeaves) {
      return bad_condition(
          fmt::format("{} is leaf number {}, there may be {}", place, leaves, limits::kConditionLeaves));
    }
    return check_leaf(node, place);
  }
  const std::string_view kind = node.kind == Condition::Kind::all ? "all" : "any";
  if (node.parts.empty()) return bad_condition(fmt::format("{}.{} is empty, must have 1 part or more", place, kind));
  const Condition blank(node.kind, node.parts);
  if (node != blank) return bad_condition(fmt::format("{} has {} and what belongs to a leaf", place, kind));
  for (std::size_t i = 0; i < node.parts.size(); ++i) {
    if (auto good = check(node.parts[i], fmt::format("{}.{}[{}]", place, kind, i), depth + 1, leaves); !good)
      return good;
  }
  return {};
}

// Names and labels need no escapes; a source may have quotes.
void append(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

void append(std::string& out, std::string_view field, const std::vector<std::string>& words) {
  if (words.empty()) return;
  out.append(out.back() == '{' ? "\"" : ",\"").append(field).append("\":[");
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += ',';
    append(out, words[i]);
  }
  out += ']';
}

void append(std::string& out, const Condition& node) {
  if (node.kind != Condition::Kind::signals) {
    out += node.kind == Condition::Kind::all ? "{\"all\":[" : "{\"any\":[";
    for (std::size_t i = 0; i < node.parts.size(); ++i) {
      if (i > 0) out += ',';
      append(out, node.parts[i]);
    }
    out += "]}";
    return;
  }
  out += '{';
  append(out, "names", node.names);
  append(out, "not_from", node.not_from);
  const auto key = [&out](std::string_view field) {
    out.append(out.back() == '{' ? "\"" : ",\"").append(field).append("\":");
  };
  if (!node.waitpoint.empty()) {
    key("waitpoint");
    append(out, node.waitpoint);
  }
  if (node.count != 1) {
    key("count");
    out += std::to_string(node.count);
  }
  if (node.is_distinct) {
    key("distinct");
    out += "true";
  }
  out += '}';
}

}  // namespace

Result<void> validate(const Condition& condition) {
  std::size_t leaves = 0;
  return check(condition, "condition", 1, leaves);
}

std::string to_wire(const Condition& condition) {
  std::string out;
  append(out, condition);
  return out;
}

}  // namespace ff::core
