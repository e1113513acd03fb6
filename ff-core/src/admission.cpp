#include "ff/core/admission.hpp"

#include <algorithm>
#include <charconv>

#include "ascii.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"
#include "refusal.hpp"

namespace ff::core {
namespace {

constexpr std::string_view kCapPrefix = "lane:";
constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

bool is_limit_name(std::string_view value) {
  if (value.empty() || value.size() > limits::kLimitNameChars || !is_alnum(value.front())) return false;
  constexpr std::string_view kOthers = "._:@/-";
  return std::all_of(value.begin(), value.end(),
                     [kOthers](char c) { return is_alnum(c) || kOthers.find(c) != std::string_view::npos; });
}

bool is_dimension(std::string_view value) {
  if (value.empty() || value.size() > limits::kDimensionChars || !is_lower(value.front())) return false;
  return std::all_of(value.begin(), value.end(), [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
}

Result<void> check_dimension(std::string_view reason, std::string_view field, const std::string& dimension) {
  if (is_dimension(dimension)) return {};
  return refusal(reason, field, shown(dimension), "1 to 32 characters of a-z, 0-9 and '_', the first a letter");
}

Result<void> check_amount(std::string_view reason, const std::string& field, std::int64_t amount) {
  if (amount >= 0 && amount <= limits::kAmountMax) return {};
  return refusal(reason, field, std::to_string(amount), "0 to 1000000000000000");
}

// "tokens=100&usd=5"
std::optional<Amounts> parse_amounts(std::string_view text, char separator) {
  Amounts unit;
  while (!text.empty()) {
    const auto piece = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(piece.size() + 1, text.size()));
    const auto equals = piece.find('=');
    if (equals == std::string_view::npos || !is_dimension(piece.substr(0, equals))) return std::nullopt;
    std::int64_t amount = 0;
    const auto* end = piece.data() + piece.size();
    const auto parsed = std::from_chars(piece.data() + equals + 1, end, amount);
    if (parsed.ec != std::errc() || parsed.ptr != end || amount < 0) return std::nullopt;
    unit[std::string(piece.substr(0, equals))] = amount;
  }
  return unit;
}

std::string joined(const Amounts& amounts, char separator) {
  std::string text;
  for (const auto& [dimension, amount] : amounts) {
    if (amount == 0) continue;
    if (!text.empty()) text += separator;
    text.append(dimension).append("=").append(std::to_string(amount));
  }
  return text;
}

}  // namespace

std::string_view to_string(LimitKind kind) noexcept { return kind == LimitKind::quota ? "quota" : "budget"; }
std::string_view to_string(OnBreach on_breach) noexcept { return on_breach == OnBreach::fail ? "fail" : "suspend"; }

std::string_view to_string(ResetEvery every) noexcept {
  switch (every) {
    case ResetEvery::never: return "never";
    case ResetEvery::hour: return "hour";
    case ResetEvery::day: return "day";
    case ResetEvery::week: return "week";
    case ResetEvery::month: return "month";
  }
  return "never";
}

Result<OnBreach> on_breach_from(std::string_view text, std::string_view field) {
  if (text == "fail") return OnBreach::fail;
  if (text == "suspend") return OnBreach::suspend;
  if (text == "cancel_flow") {
    return Error(Code::invalid_argument, "bad_on_breach",
                 std::string(field) + " is cancel_flow: there are no flows yet");
  }
  return refusal("bad_on_breach", field, shown(text), "fail or suspend");
}

Result<ResetEvery> reset_every_from(std::string_view text, std::string_view field) {
  for (const auto every :
       {ResetEvery::never, ResetEvery::hour, ResetEvery::day, ResetEvery::week, ResetEvery::month}) {
    if (text == to_string(every)) return every;
  }
  return refusal("bad_reset", field, shown(text), "never, hour, day, week or month");
}

Result<void> validate_limit_name(std::string_view value, std::string_view field) {
  if (is_limit_name(value)) return {};
  return refusal("bad_limit_name", field, shown(value),
                 "1 to 64 letters, digits, '.', '_', ':', '@', '/' and '-', the first a letter or digit");
}

Result<void> validate_quota_name(std::string_view value, std::string_view field) {
  if (auto good = validate_limit_name(value, field); !good) return good;
  if (value.substr(0, kCapPrefix.size()) != kCapPrefix) return {};
  return refusal("bad_limit_name", field, shown(value), "another: 'lane:' is for the concurrency caps of lanes");
}

std::string cap_quota(std::string_view lane) { return std::string(kCapPrefix).append(lane); }

Result<void> validate(const Amounts& amounts, std::string_view field) {
  if (amounts.size() > limits::kDimensionsMax) {
    return Error(Code::invalid_argument, "bad_amounts",
                 std::string(field) + " has " + std::to_string(amounts.size()) + " dimensions, must have at most 8");
  }
  for (const auto& [dimension, amount] : amounts) {
    if (auto good = check_dimension("bad_amounts", field, dimension); !good) return good;
    if (auto good = check_amount("bad_amounts", std::string(field) + "." + dimension, amount); !good) return good;
  }
  return {};
}

Amounts difference(const Amounts& from, const Amounts& less) {
  Amounts rest;
  for (const auto& [dimension, amount] : from) {
    const auto other = less.find(dimension);
    const auto left = amount - (other == less.end() ? 0 : other->second);
    if (left > 0) rest[dimension] = left;
  }
  return rest;
}

std::string to_wire(const Amounts& amounts) { return joined(amounts, ','); }

Result<Amounts> amounts_from_wire(std::string_view text) {
  auto amounts = parse_amounts(text, ',');
  if (!amounts) return Error(Code::corrupt, "bad_reply", "amounts in a reply are " + shown(text));
  return std::move(*amounts);
}

Result<void> validate(const Quota& quota) {
  constexpr std::string_view kReason = "bad_quota";
  if (quota.concurrency) {
    if (auto good = check_amount(kReason, "concurrency", *quota.concurrency); !good) return good;
  }
  if (quota.rate < 0 || quota.rate > limits::kQuotaRateMax) {
    return refusal(kReason, "rate.starts", std::to_string(quota.rate), "0 to 1000000");
  }
  if (quota.period.count() < 1 || quota.period.count() > kDayMs) {
    return refusal(kReason, "rate.period_ms", std::to_string(quota.period.count()), "1 ms to a day");
  }
  // Products of these must be exact.
  if (quota.burst < 1 || quota.burst > limits::kBurstPeriodMax / quota.period.count()) {
    return refusal(kReason, "rate.burst", std::to_string(quota.burst),
                   "1 or more, and times the period in ms at most 10^12");
  }
  return {};
}

Result<void> validate(const Budget& budget) {
  constexpr std::string_view kReason = "bad_budget";
  if (budget.dimensions.empty() || budget.dimensions.size() > limits::kDimensionsMax) {
    return Error(Code::invalid_argument, std::string(kReason),
                 "dimensions has " + std::to_string(budget.dimensions.size()) + " entries, must have 1 to 8");
  }
  for (const auto& [dimension, limit] : budget.dimensions) {
    if (auto good = check_dimension(kReason, "dimensions", dimension); !good) return good;
    for (const auto& [field, amount] : {std::pair("soft", limit.soft), std::pair("hard", limit.hard)}) {
      if (!amount) continue;
      if (auto good = check_amount(kReason, dimension + "." + field, *amount); !good) return good;
    }
    if (limit.soft && limit.hard && *limit.soft > *limit.hard) {
      return refusal(kReason, dimension + ".soft", std::to_string(*limit.soft),
                     "at most the hard limit, " + std::to_string(*limit.hard));
    }
  }
  if (budget.zone.empty() || budget.zone.size() > limits::kZoneChars) {
    return refusal(kReason, "zone", shown(budget.zone), "1 to 64 characters, such as Europe/Berlin");
  }
  if (!budget.parent.empty()) return validate_limit_name(budget.parent, "parent");
  return {};
}

std::string quota_term(std::string_view quota) { return std::string("#").append(quota); }

std::string budget_term(std::string_view budget, const Amounts& estimate) {
  return std::string("$").append(budget).append("?").append(joined(estimate, '&'));
}

bool limited(std::string_view requirements) noexcept {
  // Terms are sorted, and '#' and '$' come before the marks of capabilities.
  return !requirements.empty() && (requirements.front() == '#' || requirements.front() == '$');
}

std::vector<Need> needs_of(std::string_view requirements) {
  std::vector<Need> needs;
  while (!requirements.empty()) {
    auto term = requirements.substr(0, requirements.find(' '));
    requirements.remove_prefix(std::min(term.size() + 1, requirements.size()));
    if (term.empty()) continue;
    const char mark = term.front();
    term.remove_prefix(1);
    if (mark == '#' && is_limit_name(term)) {
      needs.emplace_back(LimitName(LimitKind::quota, std::string(term)), Amounts{{"slots", 1}});
    } else if (mark == '$') {
      const auto name = term.substr(0, term.find('?'));
      auto unit = parse_amounts(term.substr(std::min(name.size() + 1, term.size())), '&');
      if (is_limit_name(name) && unit) {
        needs.emplace_back(LimitName(LimitKind::budget, std::string(name)), std::move(*unit));
      }
    }
  }
  std::sort(needs.begin(), needs.end(), [](const Need& a, const Need& b) { return a.limit < b.limit; });
  return needs;
}

}  // namespace ff::core
