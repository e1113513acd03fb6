#include "model/limits.hpp"

#include <algorithm>
#include <cctype>

#include "model/model_parts.hpp"

namespace ff::model {
namespace {

constexpr std::int64_t kWaitersLookedAt = 64, kToldAtOnce = 16, kNextWaiterMs = 1000;
constexpr std::size_t kStartsKept = 200;

Amounts amounts_of(const std::string& wire) { return ff::core::amounts_from_wire(wire).value(); }

Amounts without_zeros(Amounts amounts) {
  std::erase_if(amounts, [](const auto& one) { return one.second == 0; });
  return amounts;
}

std::int64_t of(const Amounts& amounts, const std::string& dimension) {
  auto found = amounts.find(dimension);
  return found == amounts.end() ? 0 : found->second;
}

std::string id_of(const std::string& kind, const std::string& ns, const std::string& name) {
  return (kind == "quota" ? "u:" : "b:") + ns + "/" + name;
}

std::int64_t rounded_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::int64_t holders_with_something(const Limit& limit) {
  return std::count_if(limit.holders.begin(), limit.holders.end(),
                       [](const auto& one) { return !one.second.amounts.empty(); });
}

bool is_dimension(const std::string& name) {
  if (name.empty() || std::islower(static_cast<unsigned char>(name[0])) == 0) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_';
  });
}

void drop_empty(Limit& limit) {
  std::erase_if(limit.dimensions, [](const auto& one) { return one.second.empty(); });
}

}  // namespace

std::string Holder::text() const {
  return std::to_string(seq) + " " + std::to_string(granted) + " " + std::to_string(starts) + " " +
         std::to_string(asked_us) + " " + ff::core::to_wire(amounts) + " " + ff::core::to_wire(want);
}

std::int64_t Limit::room(const Amounts& unit, std::int64_t count, bool promised) const {
  for (const auto& [name, amount] : unit) {
    auto found = dimensions.find(name);
    if (amount == 0 || found == dimensions.end() || !found->second.hard) continue;
    const auto& have = found->second;
    auto taken = have.used.value_or(0) + have.reserved.value_or(0) + (promised ? 0 : have.over.value_or(0));
    auto free = std::max<std::int64_t>(0, *have.hard - taken);
    count = std::min(count, free / amount);
  }
  return count;
}

std::optional<Reply> Limits::apply(const std::string& verb, Args& args, Time now) {
  using Verb = Reply (Limits::*)(Args&);
  static const std::map<std::string, Verb> verbs = {
      {"set_quota", &Limits::set_quota},   {"pause_quota", &Limits::pause_quota}, {"set_budget", &Limits::set_budget},
      {"set_resets", &Limits::set_resets}, {"report_usage", &Limits::report_usage}, {"drop_limit", &Limits::drop},
      {"describe_limit", &Limits::describe}};
  now_ = now;
  order_.clear();
  loaded_.clear();
  armed_.clear();
  disarmed_.clear();
  if (verb == "reserve" || verb == "keep") return reserve(args, verb == "keep");
  if (verb == "list_limits") return list(args);
  auto found = verbs.find(verb);
  if (found == verbs.end()) return std::nullopt;
  return (this->*found->second)(args);
}

std::vector<std::string> Limits::take_told() { return std::exchange(told_, {}); }
std::vector<std::string> Limits::take_events() { return std::exchange(events_, {}); }

// Whoever meets a budget whose period is over begins the next.
Limits::Work& Limits::load(const std::string& id) {
  auto there = loaded_.find(id);
  if (there != loaded_.end()) return there->second;
  auto stored = all_.find(id);
  Limit limit;
  limit.is_budget = id[0] == 'b';
  order_.push_back(id);
  auto& work = loaded_.emplace(id, Work(id, stored == all_.end() ? limit : stored->second)).first->second;
  if (!work.limit.resets || *work.limit.resets > now_.ms) return work;
  std::vector<std::string> instants = {text(*work.limit.resets)};
  for (std::size_t from = 0; from < work.limit.later_resets.size();) {
    auto end = std::min(work.limit.later_resets.find(',', from), work.limit.later_resets.size());
    instants.push_back(work.limit.later_resets.substr(from, end - from));
    from = end + 1;
  }
  schedule(work, instants);
  begin_period(work);
  events_.emplace_back("period over");
  return work;
}

void Limits::arm(const std::string& timer, std::int64_t ms) { armed_[timer] = ms; }

void Limits::save_all() {
  for (const auto& id : order_) save(loaded_.at(id));
  for (const auto& [timer, ms] : armed_) timers_[timer] = ms;
  for (const auto& timer : disarmed_) timers_.erase(timer);
}

// What nobody defined and nobody holds is forgotten.
void Limits::save(Work& work) {
  auto& limit = work.limit;
  if (!limit.defined && limit.holders.empty()) {
    all_.erase(work.id);
    return;
  }
  if (work.freed) tell_waiting(work);
  for (const auto& name : work.waits) limit.waiting.emplace(name, now_.ms);
  for (const auto& name : work.waits_no_more) limit.waiting.erase(name);
  drop_empty(limit);
  all_[work.id] = limit;
}

// Those who wait longest and have room now; a timer tells the next, should one of them not come.
void Limits::tell_waiting(Work& work) {
  std::vector<std::pair<std::int64_t, std::string>> waiting;
  for (const auto& [name, since] : work.before.waiting) waiting.emplace_back(since, name);
  std::sort(waiting.begin(), waiting.end());
  if (waiting.size() > kWaitersLookedAt) waiting.resize(kWaitersLookedAt);
  std::int64_t told = 0;
  Amounts promised;
  for (const auto& [_, name] : waiting) {
    auto holder = work.limit.holders.find(name);
    auto with = promised, need = Amounts();
    if (holder != work.limit.holders.end()) {
      for (const auto& [dimension, amount] : holder->second.want) need[dimension] = with[dimension] += amount;
    }
    if (work.limit.room(need, 1) != 1) continue;
    promised = with;
    work.waits_no_more.insert(name);
    told_.push_back(name + " limit " + work.id);
    events_.emplace_back("waiting holder told");
    if (++told == kToldAtOnce) break;
  }
  if (told > 0 && told < std::int64_t(waiting.size())) arm("w " + work.id, now_.ms + kNextWaiterMs);
}

void Limits::tell_all(Work& work) {
  for (const auto& [name, _] : work.limit.holders) told_.push_back(name + " limit " + work.id);
}

// What is reserved is the sum over the holders. Fields of dimensions that nobody ever held are not made.
void Limits::set_holder(Work& work, const std::string& name, std::optional<Holder> holder) {
  auto& limit = work.limit;
  Amounts before, after;
  if (auto there = limit.holders.find(name); there != limit.holders.end()) before = there->second.amounts;
  if (holder) after = holder->amounts = without_zeros(holder->amounts);
  for (const auto& all : {before, after}) {
    for (const auto& [dimension, _] : all) {
      auto change = of(after, dimension) - of(before, dimension);
      if (change != 0 && !limit.dimensions[dimension].reserved) limit.dimensions[dimension].reserved = 0;
      if (change < 0) work.freed = true;
    }
  }
  if (holder) limit.holders[name] = *holder;
  else limit.holders.erase(name);
  for (auto& [dimension, amounts] : limit.dimensions) {
    if (!amounts.reserved) continue;
    amounts.reserved = 0;
    for (const auto& [_, one] : limit.holders) *amounts.reserved += of(one.amounts, dimension);
  }
}

// GCRA: a start may be granted when, with it, no more than the burst is still to be earned.
std::int64_t Limits::take_starts(Limit& limit, std::int64_t count) {
  if (!limit.rate || limit.paused_ms(now_.ms) > 0) return 0;
  const auto& rate = *limit.rate;
  auto earned = std::max(limit.earned.value_or(0), now_.us);
  auto unearned = rounded_up((earned - now_.us) * rate.starts, rate.period_ms * 1000);
  auto granted = std::clamp<std::int64_t>(rate.burst - unearned, 0, count);
  if (granted == 0) return 0;
  limit.earned = earned + rounded_up(granted * rate.period_ms * 1000, rate.starts);
  limit.started[now_.us] += granted;
  events_.emplace_back("starts granted");
  return granted;
}

// What was earned since the grant may have been granted again.
void Limits::return_starts(Limit& limit, std::int64_t count, std::int64_t granted_us) {
  if (!limit.rate) return;
  if (granted_us <= limit.set_us) {
    events_.emplace_back("starts of an earlier rate given back");
    return;
  }
  auto worth = count * limit.rate->period_ms * 1000 / limit.rate->starts - (now_.us - granted_us);
  if (worth > 0) *limit.earned -= worth;
  if (auto there = limit.started.find(granted_us); there != limit.started.end()) there->second -= count;
  events_.emplace_back(worth > 0 ? "starts given back" : "starts given back too late");
}

// Within any time L no more than burst + L * rate are used; a microsecond is lost to rounding.
void Limits::check_bound(const Limit& limit, const std::string& id) {
  if (!limit.rate) return;
  std::int64_t sum = 0;
  for (auto at = limit.started.rbegin(); at != limit.started.rend(); ++at) {
    sum += at->second;
    auto passed = std::max<std::int64_t>(0, now_.us - at->first) + 1;  // The clock may step back within a millisecond.
    auto earned = passed * limit.rate->starts / (limit.rate->period_ms * 1000);
    if (sum <= limit.rate->burst + earned) continue;
    broken_ = id + ": " + text(sum) + " starts since " + text(at->first) + ", " + text(limit.rate->burst + earned) +
              " are allowed";
  }
}

std::int64_t Limits::next_start_ms(Limit& limit) const {
  const auto& rate = *limit.rate;
  auto first = limit.earned.value_or(0) - (rate.burst - 1) * rate.period_ms * 1000 / rate.starts;
  auto mine = limit.asks.value_or(0) + rounded_up(rate.period_ms * 1000, rate.starts);
  limit.asks = std::max({first, now_.us, mine});
  return std::max<std::int64_t>(1, rounded_up(*limit.asks - now_.us, 1000));
}

Holder Limits::grant(Work& work, const std::string& name, const Item& item) {
  auto& limit = work.limit;
  Holder old, next;
  bool known = limit.holders.count(name) != 0;
  if (known) old = limit.holders.at(name);
  next.seq = item.seq;
  next.starts = old.starts;
  next.asked_us = known ? old.asked_us : now_.us;
  auto spare = std::min(item.spare, old.starts);
  if (spare > 0) {
    return_starts(limit, spare, old.asked_us);
    next.starts = 0;
  }
  auto unit = amounts_of(item.unit);
  next.amounts = amounts_of(item.hold);
  set_holder(work, name, next);
  bool paused = limit.paused_ms(now_.ms) > 0;
  next.granted = paused ? 0 : limit.room(unit, item.count);
  if (item.starts > 0) {
    next.starts = take_starts(limit, item.starts);
    next.asked_us = now_.us;
  }
  for (const auto& [dimension, amount] : unit) next.amounts[dimension] += amount * next.granted;
  bool waits = next.granted < item.count && !paused;
  if (waits) next.want = without_zeros(unit);
  (waits ? work.waits : work.waits_no_more).insert(name);
  set_holder(work, name, next);
  if (next.granted > 0) {
    events_.emplace_back("allowance granted");
    for (const auto& [dimension, amount] : unit) {
      const auto& have = limit.dimensions[dimension];
      bool above = amount > 0 && have.hard && have.used.value_or(0) + have.reserved.value_or(0) > *have.hard;
      if (above) broken_ = work.id + ": granted beyond the hard limit of " + dimension;
    }
  }
  if (waits) events_.emplace_back("holder waits");
  check_bound(limit, work.id);
  while (limit.started.size() > kStartsKept) limit.started.erase(limit.started.begin());
  return limit.holders.at(name);
}

std::int64_t Limits::retry_in_ms(Limit& limit, const Holder& holder, const Item& item) const {
  if (limit.paused_ms(now_.ms) > 0) return limit.paused_ms(now_.ms);
  bool nothing = item.count > 0 && holder.granted == 0;
  if (!nothing && !(limit.rate && holder.starts < item.starts)) return 0;
  if (!nothing) return next_start_ms(limit);
  return limit.resets ? std::max<std::int64_t>(0, *limit.resets - now_.ms) : -1;
}

// A lowered limit is not exceeded with what the others have now; else it is shared evenly with those who wait and have
// nothing.
std::int64_t Limits::slots_to_keep(const Work& work, std::int64_t mine) const {
  const auto& limit = work.limit;
  if (mine == 0) return -1;
  if (limit.paused_ms(now_.ms) > 0) return 0;
  const auto& slots = limit.dimensions.at("slots");
  if (!slots.hard) return -1;
  if (*slots.reserved > *slots.hard) {
    return std::max<std::int64_t>(0, mine - (*slots.reserved - *slots.hard));
  }
  std::int64_t starving = 0;
  for (const auto& [name, _] : work.before.waiting) {
    auto holder = limit.holders.find(name);
    if (holder != limit.holders.end() && holder->second.amounts.empty()) ++starving;
  }
  if (starving == 0) return -1;
  auto share = *slots.hard / (holders_with_something(limit) + starving);
  return share < mine ? share : -1;
}

bool Limits::note_roomy(Work& work, const std::string& caller) {
  auto& limit = work.limit;
  const auto found = limit.dimensions.find("slots");
  const bool limited = found != limit.dimensions.end() && found->second.hard;
  const bool was = std::exchange(limit.tight, false);
  if (limited) limit.tight = found->second.reserved.value_or(0) * (was ? 4 : 2) > *found->second.hard;
  if (limit.tight && !was) {
    for (const auto& [name, holder] : limit.holders) {
      if (name != caller && !holder.amounts.empty()) told_.push_back(name + " limit " + work.id);
    }
    events_.emplace_back("a quota stops being roomy");
  }
  if (was && !limit.tight) events_.emplace_back("a quota is roomy again");
  return !limit.tight;
}

void Limits::reserve_one(const std::string& ns, const std::string& name, std::int64_t ttl_ms, const Item& item,
                         Reply& reply) {
  auto& work = load(id_of(item.kind, ns, item.name));
  auto& limit = work.limit;
  auto there = limit.holders.find(name);
  auto& out = reply.fields;
  if (there != limit.holders.end() && item.seq < there->second.seq) {
    out.insert(out.end(), {"old", "0", "0", "-1", "0", "", "-1", "0"});
    events_.emplace_back("late reservation");
    return;
  }
  bool again = there != limit.holders.end() && item.seq == there->second.seq;
  if (again) events_.emplace_back("reservation repeated");
  Holder holder = again ? there->second : grant(work, name, item);
  arm("h " + work.id + " " + name, now_.ms + ttl_ms);
  bool too_large = false;
  for (const auto& [dimension, amount] : amounts_of(item.unit)) {
    auto found = limit.dimensions.find(dimension);
    too_large = too_large || (found != limit.dimensions.end() && found->second.hard && amount > *found->second.hard);
  }
  too_large = too_large && holder.granted == 0 && item.count > 0;
  if (too_large) events_.emplace_back("reservation too large");
  auto keep = slots_to_keep(work, of(holder.amounts, "slots"));
  if (keep >= 0) events_.emplace_back("slots asked back");
  out.insert(out.end(), {too_large ? "too_large" : "held", text(holder.granted),
                         text(!limit.rate ? -1 : item.starts > 0 ? holder.starts : 0), text(keep),
                         text(retry_in_ms(limit, holder, item)), limit.parent,
                         text(limit.period ? limit.resets_left.value_or(0) : -1),
                         item.kind == "quota" && note_roomy(work, name) ? "1" : "0"});
  if (!limit.parent.empty()) events_.emplace_back("parent named");
}

Reply Limits::reserve(Args& args, bool keep) {
  std::string ns = args.bytes(), name = args.bytes();
  auto ttl_ms = args.integer();
  Reply reply = answered({"ok"});
  while (args.more()) {
    Item item;
    item.kind = args.bytes();
    item.name = args.bytes();
    item.seq = args.integer();
    item.hold = args.bytes();
    item.spare = args.integer();
    if (!keep) {
      item.unit = args.bytes();
      item.count = args.integer();
      item.starts = args.integer();
    }
    reserve_one(ns, name, ttl_ms, item, reply);
  }
  save_all();
  return reply;
}

Reply Limits::set_quota(Args& args) {
  std::string ns = args.bytes(), name = args.bytes();
  auto slots = args.integer();
  Limit::Rate rate;
  rate.starts = args.integer();
  rate.period_ms = args.integer();
  rate.burst = args.integer();
  bool good = rate.starts <= 0 || (rate.period_ms >= 1 && rate.burst >= 1 && rate.starts <= 1'000'000 &&
                                   rate.period_ms * rate.burst <= 1'000'000'000'000);
  if (!good) return refused("bad_rate");
  auto& work = load(id_of("quota", ns, name));
  auto& limit = work.limit;
  if (!limit.defined) limit.defined = now_.ms;
  limit.dimensions["slots"].hard.reset();
  if (slots >= 0) limit.dimensions["slots"].hard = slots;
  limit.rate.reset();
  auto saved_up = now_.us;
  if (rate.starts > 0) {
    limit.rate = rate;
    saved_up += rounded_up(rate.burst * rate.period_ms * 1000, rate.starts);
  }
  limit.earned = std::min(limit.earned.value_or(0), saved_up);
  limit.asks = 0;
  limit.set_us = now_.us;
  limit.started.clear();
  tell_all(work);
  work.freed = true;
  save_all();
  return answered({"ok"});
}

Reply Limits::pause_quota(Args& args) {
  std::string ns = args.bytes(), name = args.bytes();
  auto pause_ms = args.integer();
  auto& work = load(id_of("quota", ns, name));
  if (!work.limit.defined) return refused("not_found");
  std::int64_t ends = pause_ms > 0 ? std::max(now_.ms + pause_ms, work.limit.paused.value_or(0)) : 0;
  work.limit.paused.reset();
  if (ends > 0) work.limit.paused = ends;
  tell_all(work);
  work.freed = true;
  save_all();
  return answered({"ok", text(ends)});
}

// The first instant ahead is the next reset. Returns whether one that has passed begins a period.
bool Limits::schedule(Work& work, const std::vector<std::string>& instants) {
  auto& limit = work.limit;
  bool passed = false;
  limit.resets.reset();
  limit.later_resets.clear();
  limit.resets_left = 0;
  for (const auto& instant : instants) {
    auto ms = std::stoll(instant);
    if (ms <= now_.ms) {
      passed = passed || ms > limit.began.value_or(0);
      if (passed) limit.began = ms;
    } else if (!limit.resets) {
      limit.resets = ms;
    } else {
      limit.later_resets += (limit.later_resets.empty() ? "" : ",") + instant;
      ++*limit.resets_left;
    }
  }
  if (limit.resets) arm("r " + work.id, *limit.resets);
  return passed;
}

void Limits::begin_period(Work& work) {
  for (auto& [_, amounts] : work.limit.dimensions) {
    if (amounts.used) amounts.used = 0;
    if (amounts.over) amounts.over = 0;
  }
  work.freed = true;
}

Reply Limits::set_budget(Args& args) {
  std::string ns = args.bytes(), name = args.bytes(), parent = args.bytes(), on_breach = args.bytes();
  std::string period = args.bytes();
  auto resets = args.names();
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> wanted;
  while (args.more()) {
    std::string dimension = args.bytes();
    auto soft = args.integer(), hard = args.integer();
    if (!is_dimension(dimension) || !wanted.emplace(dimension, std::pair(soft, hard)).second) {
      return refused("bad_dimension");
    }
  }
  if (on_breach != "fail" && on_breach != "suspend") return refused("bad_policy");
  auto& work = load(id_of("budget", ns, name));
  auto& limit = work.limit;
  if (!limit.defined) limit.defined = limit.began = now_.ms;
  limit.parent = parent;
  limit.on_breach = on_breach;
  limit.period.reset();
  if (!period.empty()) limit.period = period;
  for (auto& [dimension, amounts] : limit.dimensions) {
    auto reserved = amounts.reserved;
    if (wanted.count(dimension) != 0) continue;
    amounts = Dimension();
    amounts.reserved = reserved;
  }
  for (const auto& [dimension, range] : wanted) {
    auto& amounts = limit.dimensions[dimension];
    amounts.soft.reset();
    amounts.hard.reset();
    if (range.first >= 0) amounts.soft = range.first;
    if (range.second >= 0) amounts.hard = range.second;
    if (!amounts.used) amounts.used = 0;
  }
  if (schedule(work, resets)) begin_period(work);
  tell_all(work);
  work.freed = true;
  save_all();
  return answered({"ok"});
}

Reply Limits::set_resets(Args& args) {
  std::string ns = args.bytes(), name = args.bytes(), period = args.bytes();
  auto began = args.integer();
  auto& work = load(id_of("budget", ns, name));
  if (!work.limit.defined) return refused("not_found");
  if (work.limit.period.value_or("") != period || work.limit.began != began) return refused("other_period");
  if (schedule(work, args.names())) begin_period(work);
  events_.emplace_back("resets told");
  save_all();
  return answered({"ok"});
}

// What was reserved for it first, then free room; what fits into neither is written down beside it.
Limits::Report Limits::count_usage(Work& work, const std::string& holder, const Amounts& used,
                                   const Amounts& covered) {
  Amounts taken;
  auto there = work.limit.holders.find(holder);
  if (there != work.limit.holders.end()) {
    Holder less = there->second;
    for (const auto& [dimension, amount] : used) {
      taken[dimension] = std::min({amount, of(covered, dimension), of(less.amounts, dimension)});
      less.amounts[dimension] -= taken[dimension];
    }
    bool freed = work.freed;
    set_holder(work, holder, less);
    work.freed = freed;
  }
  std::string verdict = "ok";
  for (const auto& [dimension, amount] : used) {
    const auto fits = std::max(work.limit.room({{dimension, 1}}, of(taken, dimension), true),
                               work.limit.room({{dimension, 1}}, amount));
    auto& have = work.limit.dimensions.at(dimension);
    *have.used += fits;
    if (fits < amount) {
      have.over = have.over.value_or(0) + amount - fits;
      verdict = "hard";
    } else if (verdict == "ok" && have.soft && *have.used >= *have.soft) {
      verdict = "soft";
    }
    bool above = fits > 0 && have.hard && *have.used + have.reserved.value_or(0) > *have.hard;
    if (above) broken_ = work.id + ": used beyond the hard limit of " + dimension;
  }
  events_.emplace_back("usage " + verdict);
  return {verdict, ff::core::to_wire(taken)};
}

Reply Limits::report_usage(Args& args) {
  std::string ns = args.bytes(), name = args.bytes(), key = args.bytes();
  args.integer();  // How long the key is known: longer than a test takes, and by Valkey's own clock.
  std::string holder = args.bytes();
  auto used = amounts_of(args.bytes()), covered = amounts_of(args.bytes());
  auto& work = load(id_of("budget", ns, name));
  auto& limit = work.limit;
  if (!limit.defined) return refused("not_found");
  for (const auto& [dimension, _] : used) {
    auto found = limit.dimensions.find(dimension);
    if (found == limit.dimensions.end() || !found->second.used) return refused("unknown_dimension");
  }
  auto scoped = work.id + ":k:" + key;
  auto known = reports_.find(scoped);
  if (known != reports_.end()) events_.emplace_back("usage reported before");
  else known = reports_.emplace(scoped, count_usage(work, holder, used, covered)).first;
  save_all();
  auto resets_in = limit.resets ? std::max<std::int64_t>(0, *limit.resets - now_.ms) : -1;
  return answered({"ok", known->second.first, limit.on_breach, text(resets_in), limit.parent, known->second.second});
}

// What is reserved still counts.
Reply Limits::drop(Args& args) {
  std::string ns = args.bytes(), kind = args.bytes(), name = args.bytes();
  auto& work = load(id_of(kind, ns, name));
  if (!work.limit.defined) return refused("not_found");
  Limit left;
  left.is_budget = work.limit.is_budget;
  left.holders = work.limit.holders;
  left.waiting = work.limit.waiting;
  for (const auto& [dimension, amounts] : work.limit.dimensions) left.dimensions[dimension].reserved = amounts.reserved;
  work.limit = std::move(left);
  disarmed_.insert("r " + work.id);
  tell_all(work);
  work.freed = true;
  save_all();
  return answered({"ok"});
}

Reply Limits::describe(Args& args) {
  std::string ns = args.bytes(), kind = args.bytes(), name = args.bytes();
  const auto& work = load(id_of(kind, ns, name));
  Limit limit = work.limit;
  if (!limit.defined) return refused("not_found");
  auto rate = limit.rate.value_or(Limit::Rate());
  Reply reply = answered(
      {"ok", text(*limit.defined), text(holders_with_something(limit)), text(std::int64_t(work.before.waiting.size())),
       text(rate.starts), text(rate.period_ms), text(rate.burst), text(limit.paused_ms(now_.ms)), limit.parent,
       limit.on_breach, limit.period.value_or(""), text(limit.began.value_or(0)), text(limit.resets.value_or(0)),
       text(limit.period ? limit.resets_left.value_or(0) : -1), text(now_.ms)});
  drop_empty(limit);
  for (const auto& [dimension, amounts] : limit.dimensions) {
    for (auto& field : {dimension, text(amounts.soft.value_or(-1)), text(amounts.hard.value_or(-1)),
                        text(amounts.used.value_or(0)), text(amounts.reserved.value_or(0)),
                        text(amounts.over.value_or(0))}) {
      reply.fields.push_back(field);
    }
  }
  return reply;
}

Reply Limits::list(Args& args) const {
  std::string ns = args.bytes(), kind = args.bytes(), after = args.bytes();
  auto most = std::clamp<std::int64_t>(args.integer(), 1, 1000);
  auto prefix = id_of(kind, ns, "");
  Reply reply = answered({"ok"});
  for (const auto& [id, limit] : all_) {
    if (!limit.defined || id.compare(0, prefix.size(), prefix) != 0) continue;
    auto name = id.substr(prefix.size());
    if (after.empty() || name > after) reply.fields.push_back(name);
    if (std::int64_t(reply.fields.size()) == most + 1) break;
  }
  return reply;
}

std::vector<std::string> Limits::due(std::int64_t now, std::int64_t at_most) const {
  std::vector<std::pair<std::int64_t, std::string>> due;
  for (const auto& [timer, at] : timers_) {
    if (at <= now) due.emplace_back(at, timer);
  }
  std::sort(due.begin(), due.end());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < due.size() && std::int64_t(i) < at_most; ++i) names.push_back(due[i].second);
  return names;
}

void Limits::fire(const std::vector<std::string>& due, Time now, std::map<std::string, std::int64_t>& fired) {
  now_ = now;
  order_.clear();
  loaded_.clear();
  armed_.clear();
  disarmed_.clear();
  for (const auto& timer : due) {
    auto space = timer.find(' ', 2);
    auto id = timer.substr(2, space == std::string::npos ? space : space - 2);
    auto& work = load(id);
    std::string scanner = "budget_reset";
    if (timer[0] == 'w') {
      work.freed = true;
      scanner = "unblock";
    } else if (timer[0] == 'h') {
      auto name = timer.substr(space + 1);
      work.waits_no_more.insert(name);
      if (work.limit.holders.count(name) != 0) set_holder(work, name, std::nullopt);
      scanner = id[0] == 'u' ? "quota_reconciler" : "budget_reconciler";
    }
    ++fired[scanner];
    events_.push_back("timer " + scanner);
  }
  save_all();
  for (const auto& timer : due) {
    if (armed_.count(timer) == 0) timers_.erase(timer);
  }
}

}  // namespace ff::model
