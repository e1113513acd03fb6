// Calls about quotas and budgets: few names, so that holders meet; calls that come late, again or never.
#include <algorithm>

#include "model/generator.hpp"
#include "model/model_parts.hpp"

namespace ff::model {
namespace {

struct Name {
  const char* kind;
  const char* name;
};
constexpr Name kNames[] = {{"quota", "mail"}, {"quota", "calls"}, {"budget", "team"}, {"budget", "org"}};
constexpr std::int64_t kKnownMs = 3'600'000;  // By Valkey's own clock: longer than a test.

std::string id_of(const std::string& ns, const Name& name) {
  return (name.kind == std::string("quota") ? "u:" : "b:") + ns + "/" + name.name;
}

}  // namespace

// Mostly what the holder has, or less; sometimes what its reservation no longer covers.
std::string Generator::held(const Holder& holder, bool is_budget) {
  Amounts keeps = holder.amounts;
  for (auto& [_, amount] : keeps) {
    auto kind = rng_.below(6);
    if (kind < 2) amount = std::int64_t(rng_.below(std::uint64_t(amount) + 1));
    if (kind == 2) amount = 0;
  }
  if (rng_.chance(0.06)) keeps[is_budget ? "tokens" : "slots"] += rng_.between(1, 4);
  return ff::core::to_wire(keeps);
}

void Generator::add_reservation(const Model& model, Words& words, std::size_t which, bool keep) {
  const auto& name = kNames[which];
  bool is_budget = which >= 2;
  Holder holder;
  auto limit = model.limits().all().find(id_of(words[0], name));
  if (limit != model.limits().all().end()) {
    auto found = limit->second.holders.find(words[1]);
    if (found != limit->second.holders.end()) holder = found->second;
  }
  auto seq = holder.seq + (rng_.chance(0.85) ? 1 : rng_.between(-1, 3));
  words.insert(words.end(), {name.kind, name.name, std::to_string(std::max<std::int64_t>(1, seq)),
                             held(holder, is_budget), std::to_string(rng_.below(std::uint64_t(holder.starts) + 2))});
  if (keep) return;
  words.push_back(is_budget ? pick({"tokens=3", "tokens=1,usd=2", "usd=9", "tokens=60", ""}) : pick({"slots=1", ""}));
  words.push_back(number({0, 1, 1, 2, 4}));
  words.push_back(is_budget ? "0" : number({0, 1, 1, 2, 5}));
}

Generator::Words Generator::reserve(const Model& model, bool keep) {
  Words words = {rng_.chance(0.95) ? "acme" : "beta", pick(workers()), number({1, 40, 1000, 1000, 30000, 30000})};
  bool any = false;
  for (std::size_t which = 0; which < std::size(kNames); ++which) {
    if (!rng_.chance(0.4)) continue;
    add_reservation(model, words, which, keep);
    any = true;
  }
  if (!any) add_reservation(model, words, rng_.below(std::size(kNames)), keep);
  return words;
}

// Ascending, some of them over.
std::string Generator::resets(const Model& model) {
  auto at = std::max(model.now(), clock_us_ / 1000) + rng_.between(-2000, 500);
  std::string all;
  for (; rng_.chance(0.6); at += rng_.between(1, 3000)) all += (all.empty() ? "" : ",") + std::to_string(at);
  return all;
}

Generator::Words Generator::set_budget(const Model& model, const std::string& name) {
  Words words = {"acme", name, name == "team" ? pick({"org", "org", ""}) : "", pick({"fail", "suspend"}),
                 pick({"", "day Europe/Berlin"}), resets(model)};
  if (rng_.chance(0.03)) words[3] = "ignore";
  words.insert(words.end(), {"tokens", number({-1, 0, 5, 20}), number({-1, 0, 4, 10, 50})});
  if (rng_.chance(0.7)) words.insert(words.end(), {"usd", number({-1, 3}), number({-1, -1, 8, 30})});
  if (rng_.chance(0.03)) words.insert(words.end(), {pick({"tokens", "Usd", "2nd"}), "-1", "5"});
  return words;
}

Generator::Words Generator::of_limit(const std::string& verb, const Model& model) {
  const auto& name = kNames[rng_.below(std::size(kNames))];
  Words words = {rng_.chance(0.95) ? "acme" : "beta", name.kind, name.name};
  if (verb == "reserve" || verb == "keep") return reserve(model, verb == "keep");
  if (verb == "drop_limit" || verb == "describe_limit") return words;
  if (verb == "list_limits") return {words[0], words[1], pick({"", "", "m", "org"}), number({0, 1, 1000})};
  const auto* quota = pick({"mail", "calls"}) == "mail" ? "mail" : "calls";
  if (verb == "set_quota") {
    words = {"acme", quota, number({-1, 0, 1, 3, 6}), number({0, 1, 3, 7}), number({1, 50, 1000}), number({1, 2, 5})};
    if (rng_.chance(0.03)) words[4] = "0";
    return words;
  }
  if (verb == "pause_quota") return {words[0], quota, number({0, 1, 60, 3000})};
  std::string budget = pick({"team", "org"});
  if (verb == "set_budget") return set_budget(model, budget);
  auto limit = model.limits().all().find("b:acme/" + budget);
  if (verb == "set_resets") {
    bool known = limit != model.limits().all().end() && rng_.chance(0.9);
    std::string period = known ? limit->second.period.value_or("") : "week UTC";
    auto began = known ? limit->second.began.value_or(0) : 1;
    return {"acme", budget, period, std::to_string(began), resets(model)};
  }
  Amounts used = {{"tokens", rng_.between(0, 8)}};
  if (rng_.chance(0.3)) used["usd"] = rng_.between(0, 12);
  if (rng_.chance(0.03)) used["bytes"] = 1;
  Amounts covered = used;
  for (auto& [_, amount] : covered) amount = std::max<std::int64_t>(0, amount + rng_.between(-3, 1));
  return {"acme", budget, "report" + std::to_string(rng_.below(12)), std::to_string(kKnownMs),
          rng_.chance(0.2) ? "" : pick(workers()), ff::core::to_wire(used), ff::core::to_wire(covered)};
}

}  // namespace ff::model
