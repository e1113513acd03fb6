#include "ff/core/capability.hpp"

#include <algorithm>

#include "ascii.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"
#include "refusal.hpp"

namespace ff::core {
namespace {

bool is_word(std::string_view text, std::string_view punctuation) {
  if (text.empty() || text.size() > limits::kCapabilityChars || !is_alnum(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [punctuation](char c) {
    return is_alnum(c) || punctuation.find(c) != std::string_view::npos;
  });
}

struct Parts {
  std::string_view key, sign, value;
};

Parts parts(std::string_view text) {
  const auto begin = text.find_first_of("=<>");
  if (begin == std::string_view::npos) return Parts{text, {}, {}};
  const std::size_t length = text[begin] != '=' && begin + 1 < text.size() && text[begin + 1] == '=' ? 2 : 1;
  return Parts{text.substr(0, begin), text.substr(begin, length), text.substr(begin + length)};
}

constexpr std::string_view kPunctuation = "._:/+-";

bool fits(std::string_view text, bool any_sign) {
  const auto found = parts(text);
  if (text.size() > limits::kCapabilityChars || !is_word(found.key, kPunctuation)) return false;
  if (found.sign.empty()) return true;
  return (any_sign || found.sign == "=") && is_word(found.value, kPunctuation);
}

int sign_of(int order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

int order_parts(std::string_view a, std::string_view b) {
  const bool numbers = std::all_of(a.begin(), a.end(), is_digit) && std::all_of(b.begin(), b.end(), is_digit);
  if (!numbers) return sign_of(a.compare(b));
  while (a.size() > 1 && a[0] == '0') a.remove_prefix(1);
  while (b.size() > 1 && b[0] == '0') b.remove_prefix(1);
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return sign_of(a.compare(b));
}

// The part before the next dot, which is taken off; "0" when nothing is left.
std::string_view next_part(std::string_view& text, bool& more) {
  if (!more) return "0";
  const auto dot = text.find('.');
  const auto part = text.substr(0, dot);
  more = dot != std::string_view::npos;
  if (more) text.remove_prefix(dot + 1);
  return part;
}

bool holds(std::string_view value, std::string_view sign, std::string_view wanted) {
  if (sign == "=") return value == wanted;
  const int order = order_versions(value, wanted);
  if (sign == ">=") return order >= 0;
  if (sign == "<=") return order <= 0;
  return sign == ">" ? order > 0 : order < 0;
}

Result<void> validate_all(const std::set<std::string>& requirements, std::string_view field) {
  if (requirements.size() > limits::kRequirementsMax) {
    return Error(Code::invalid_argument, "bad_requirement",
                 std::string(field) + " has " + std::to_string(requirements.size()) +
                     " entries, must have at most 16");
  }
  for (const auto& requirement : requirements) {
    if (auto good = validate_requirement(requirement, field); !good) return good;
  }
  return {};
}

}  // namespace

Result<void> validate_capability(std::string_view value, std::string_view field) {
  if (fits(value, false)) return {};
  return refusal("bad_capability", field, shown(value),
                 "a word or key=value of letters, digits, '.', '_', ':', '/', '+' and '-', at most 64 characters");
}

Result<void> validate_requirement(std::string_view value, std::string_view field) {
  if (fits(value, true)) return {};
  return refusal("bad_requirement", field, shown(value),
                 "a word, or key and value with '=', '>=', '<=', '>' or '<' between them, at most 64 characters");
}

int order_versions(std::string_view a, std::string_view b) noexcept {
  bool more_a = true, more_b = true;
  while (more_a || more_b) {
    const auto x = next_part(a, more_a), y = next_part(b, more_b);
    const int order = order_parts(x, y);
    if (order != 0) return order;
  }
  return 0;
}

bool satisfies(const Capabilities& has, std::string_view requirement) {
  const auto wanted = parts(requirement);
  return std::any_of(has.begin(), has.end(), [&wanted](const std::string& capability) {
    const auto mine = parts(capability);
    if (mine.key != wanted.key) return false;
    return wanted.sign.empty() || (!mine.value.empty() && holds(mine.value, wanted.sign, wanted.value));
  });
}

bool satisfies_all(const Capabilities& has, const std::set<std::string>& requirements) {
  return std::all_of(requirements.begin(), requirements.end(),
                     [&has](const std::string& requirement) { return satisfies(has, requirement); });
}

namespace {

Result<void> validate_limits(const Requirements& requirements) {
  if (requirements.quotas.size() > limits::kQuotasMax) {
    return Error(Code::invalid_argument, "bad_requirement",
                 "quotas has " + std::to_string(requirements.quotas.size()) + " entries, must have at most 8");
  }
  for (const auto& quota : requirements.quotas) {
    if (auto good = validate_quota_name(quota, "quotas"); !good) return good;
  }
  if (requirements.budget.empty() && !requirements.estimate.empty()) {
    return Error(Code::invalid_argument, "bad_amounts", "estimate is given without a budget to reserve it from");
  }
  if (requirements.budget.empty()) return {};
  if (auto good = validate_limit_name(requirements.budget, "budget"); !good) return good;
  return validate(requirements.estimate, "estimate");
}

}  // namespace

Result<void> validate(const Requirements& requirements) {
  if (auto good = validate_all(requirements.needs, "needs"); !good) return good;
  if (auto good = validate_all(requirements.prefers, "prefers"); !good) return good;
  if (auto good = validate_limits(requirements); !good) return good;
  if (to_wire(requirements).size() <= limits::kRequirementsBytes) return {};
  return Error(Code::invalid_argument, "bad_requirement",
               "the requirements have " + std::to_string(to_wire(requirements).size()) +
                   " bytes together, must have at most 1024");
}

std::string to_wire(const Requirements& requirements) {
  std::string text;
  for (const auto& quota : requirements.quotas) text.append(text.empty() ? "" : " ").append(quota_term(quota));
  if (!requirements.budget.empty()) {
    text.append(text.empty() ? "" : " ").append(budget_term(requirements.budget, requirements.estimate));
  }
  const auto append = [&text](char kind, const std::set<std::string>& terms) {
    for (const auto& term : terms) {
      if (!text.empty()) text += ' ';
      text.append(1, kind).append(term);
    }
  };
  append('+', requirements.needs);
  append('~', requirements.prefers);
  return text;
}

Result<void> validate_fairness_key(std::string_view value, std::string_view field) {
  if (is_word(value, "._:@/-")) return {};
  return refusal("bad_fairness_key", field, shown(value),
                 "1 to 64 letters, digits, '.', '_', ':', '@', '/' and '-', the first a letter or digit");
}

}  // namespace ff::core
