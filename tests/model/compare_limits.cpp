// Quotas and budgets: what the model says of them against what is stored.
#include <string>

#include "model/compare.hpp"

namespace ff::model {
namespace {

std::map<std::string, std::string> fields_of(const Limit& limit) {
  std::map<std::string, std::string> fields;
  auto number = [&fields](const std::string& name, const std::optional<std::int64_t>& value) {
    if (value) fields[name] = std::to_string(*value);
  };
  auto text = [&fields](const std::string& name, const std::string& value) {
    if (!value.empty()) fields[name] = value;
  };
  number("d", limit.defined);
  for (const auto& [dimension, amounts] : limit.dimensions) {
    number("h." + dimension, amounts.hard);
    number("s." + dimension, amounts.soft);
    number("u." + dimension, amounts.used);
    number("r." + dimension, amounts.reserved);
    number("o." + dimension, amounts.over);
  }
  for (const auto& [name, holder] : limit.holders) fields["@" + name] = holder.text();
  if (limit.rate) {
    number("n", limit.rate->starts);
    number("w", limit.rate->period_ms);
    number("b", limit.rate->burst);
  }
  number("t", limit.earned);
  number("q", limit.asks);
  number("e", limit.set_us);
  number("p", limit.paused);
  if (limit.tight) text("k", "1");
  text("a", limit.parent);
  text("y", limit.on_breach);
  text("c", limit.period.value_or(""));
  number("z", limit.resets);
  number("i", limit.began);
  number("f", limit.resets_left);
  return fields;
}

}  // namespace

// Whether the key is a limit's; then it is compared.
bool StateCompare::limit_key(const Key& key) {
  const auto& limits = model_->limits();
  Scores expected;
  if (key.rest == "limits_due") {
    for (const auto& [timer, at] : limits.timers()) expected.emplace_back(at, timer);
    return sorted(key, std::move(expected)), true;
  }
  if (key.rest == "limits") {
    for (const auto& [id, limit] : limits.all()) {
      if (limit.defined) expected.emplace_back(0, id);
    }
    return sorted(key, std::move(expected)), true;
  }
  if (key.rest.substr(0, 2) != "u:" && key.rest.substr(0, 2) != "b:") return false;
  auto values = snapshot_->values(key);
  std::string rest(key.rest);
  if (auto report = limits.reports().find(rest); report != limits.reports().end()) {
    return equal(key, values.empty() ? "" : values[0], report->second.first + " " + report->second.second), true;
  }
  auto found = limits.all().find(rest.substr(0, rest.find(':', 2)));
  if (found == limits.all().end()) return wrong(key, "no such limit"), true;
  const auto& limit = found->second;
  if (rest.ends_with(":w")) {
    for (const auto& [holder, since] : limit.waiting) expected.emplace_back(since, holder);
    return sorted(key, std::move(expected)), true;
  }
  if (rest.ends_with(":z")) return equal(key, values.empty() ? "" : values[0], limit.later_resets), true;
  auto due = fields_of(limit);
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    auto want = due.extract(std::string(values[i]));
    std::string field(values[i]);
    if (want.empty()) wrong(key, "field " + field + " is not due, holds " + std::string(values[i + 1]));
    else if (want.mapped() != values[i + 1]) wrong(key, field + ": expected " + want.mapped() + ", holds " +
                                                   std::string(values[i + 1]));
  }
  for (const auto& [field, value] : due) wrong(key, "field " + field + " is missing, expected " + value);
  return true;
}

std::size_t StateCompare::limit_keys() const {
  const auto& limits = model_->limits();
  bool listed = false;
  std::size_t due = limits.reports().size() + limits.all().size() + (limits.timers().empty() ? 0 : 1);
  for (const auto& [_, limit] : limits.all()) {
    due += (limit.waiting.empty() ? 0 : 1) + (limit.later_resets.empty() ? 0 : 1);
    listed = listed || limit.defined.has_value();
  }
  return due + (listed ? 1 : 0);
}

}  // namespace ff::model
