#include "ff/scheduler/allowances.hpp"

#include <algorithm>
#include <limits>

namespace ff::scheduler {
namespace {

using core::Amounts;
using core::difference;
using core::LimitName;
using core::Partition;
using core::SteadyTime;

constexpr std::int64_t kManyUnits = 1'000'000;    // Of what is not limited.
constexpr std::int64_t kRoomyAsk = 4;             // At least, of a roomy quota: where one waits there will be more.
constexpr std::int64_t kSeqStep = 1'000'000'000;  // Past whatever an earlier instance of the name has used.

std::int64_t amount_of(const Amounts& amounts, const std::string& dimension) {
  const auto found = amounts.find(dimension);
  return found == amounts.end() ? 0 : found->second;
}

void add(Amounts& to, const Amounts& unit, std::int64_t count) {
  for (const auto& [dimension, amount] : unit) {
    auto& sum = to[dimension];
    sum = std::max<std::int64_t>(0, sum + amount * count);
    if (sum == 0) to.erase(dimension);
  }
}

}  // namespace

Allowances::Allowances(Home home, core::Millis ttl, core::Millis renew_every, std::int64_t first_seq)
    : home_(std::move(home)), ttl_(ttl), renew_every_(renew_every), seq_(first_seq) {}

// ---- what there is

Allowances::Class& Allowances::class_of(const std::string& requirements) {
  const auto [found, made] = classes_.try_emplace(requirements, requirements);
  if (made) share_out(found->second);
  return found->second;
}

Allowances::Limit& Allowances::limit_of(const LimitName& name) {
  const auto [found, made] = limits_.try_emplace(name, name);
  if (made) found->second.home = home_(name);
  return found->second;
}

// Which limits a class counts against: those it names, then their parents.
void Allowances::share_out(Class& of) {
  std::vector<Share> shares;
  for (auto& need : core::needs_of(of.requirements)) {
    auto name = need.limit;
    for (std::size_t depth = 0; depth <= kParentsMax && !name.name.empty(); ++depth) {
      auto& limit = limit_of(name);
      const bool there = std::any_of(shares.begin(), shares.end(), [&](const Share& s) { return s.limit == &limit; });
      if (there) break;
      shares.push_back(Share{&limit, need.unit});
      name.name = limit.parent;
    }
  }
  const auto count = static_cast<std::int64_t>(of.in_use);
  for (const auto& share : of.shares) {
    add(share.limit->in_use, share.unit, -count);
    share.limit->classes.erase(&of);
  }
  for (const auto& share : shares) {
    add(share.limit->in_use, share.unit, count);
    share.limit->classes.insert(&of);
  }
  of.shares = std::move(shares);
}

void Allowances::set_parent(Limit& limit, const std::string& parent) {
  if (limit.parent == parent) return;
  limit.parent = parent;
  const auto classes = limit.classes;
  for (auto* of : classes) share_out(*of);
}

std::int64_t Allowances::free_units(const Limit& limit, const Amounts& unit, SteadyTime now) {
  auto units = kManyUnits;
  for (const auto& [dimension, amount] : unit) {
    if (amount == 0) continue;
    auto usable = amount_of(limit.held, dimension);
    if (limit.keep >= 0 && dimension == "slots") usable = std::min(usable, limit.keep);
    const auto free = usable - amount_of(limit.in_use, dimension);
    units = std::min(units, now < limit.valid_until ? std::max<std::int64_t>(0, free) / amount : 0);
  }
  return units;
}

std::int64_t Allowances::free_starts(const Limit& limit, SteadyTime now) {
  if (limit.name.kind == core::LimitKind::budget || !limit.rated) return kManyUnits;
  return now < limit.starts_until ? limit.starts : 0;
}

std::int64_t Allowances::possible(const Class& of, SteadyTime now) const {
  auto count = draining_ ? 0 : kManyUnits;
  for (const auto& share : of.shares) {
    count = std::min({count, free_units(*share.limit, share.unit, now), free_starts(*share.limit, now)});
  }
  return count;
}

bool Allowances::covers(const Amounts& unit, const Amounts& other) {
  return std::all_of(other.begin(), other.end(),
                     [&unit](const auto& one) { return amount_of(unit, one.first) >= one.second; });
}

// What was refused blocks what asks for as much: of a budget, less may fit.
bool Allowances::blocked(const Limit& limit, const Amounts& unit, SteadyTime now) {
  return std::any_of(limit.blocks.begin(), limit.blocks.end(),
                     [&](const Block& block) { return block.until > now && covers(unit, block.unit); });
}

void Allowances::block(Limit& limit, const Amounts& unit, SteadyTime until, SteadyTime now) {
  std::erase_if(limit.blocks, [&](const Block& one) {
    return one.until <= now || (one.until <= until && covers(one.unit, unit));
  });
  Block made{unit, until};
  if (limit.blocks.size() == kBlocksMax) {  // Too many to tell apart: none asks before all may.
    for (const auto& one : limit.blocks) made.until = std::max(made.until, one.until);
    made.unit.clear();
    limit.blocks.clear();
  }
  limit.blocks.push_back(std::move(made));
}

bool Allowances::refused(const Class& of, SteadyTime now) {
  static const auto cap = core::cap_quota("");  // Refused by its cap, nothing of a lane is in the way of anything.
  return std::any_of(of.shares.begin(), of.shares.end(), [now](const Share& share) {
    return blocked(*share.limit, share.unit, now) && !share.limit->name.name.starts_with(cap);
  });
}

bool Allowances::wanted(const Limit& limit) {
  return std::any_of(limit.classes.begin(), limit.classes.end(), [](const Class* of) { return !of->waiting.empty(); });
}

void Allowances::take(Class& of, std::size_t count) {
  of.in_use += count;
  for (const auto& share : of.shares) {
    auto& limit = *share.limit;
    add(limit.in_use, share.unit, static_cast<std::int64_t>(count));
    if (limit.rated) limit.starts = std::max<std::int64_t>(0, limit.starts - static_cast<std::int64_t>(count));
    limit.used = true;
    limit.idle_since = SteadyTime::max();
  }
}

void Allowances::put_back(Class& of, std::size_t count, bool unused) {
  count = std::min(count, of.in_use);
  of.in_use -= count;
  for (const auto& share : of.shares) {
    add(share.limit->in_use, share.unit, -static_cast<std::int64_t>(count));
    if (unused && share.limit->rated) share.limit->starts += static_cast<std::int64_t>(count);
    touched_.insert(share.limit->name);
  }
  to_advise_.insert(of.requirements);
}

// 0: there may be work, but it is not known that there is.
void Allowances::note_waiting(Class& of, Partition partition, std::int64_t count) {
  if (of.waiting.insert_or_assign(partition, count).second) of.told.insert(partition);
  here_[partition].insert(of.requirements);
}

void Allowances::forget_waiting(Class& of, Partition partition) {
  of.waiting.erase(partition);
  of.told.erase(partition);
  const auto here = here_.find(partition);
  if (here != here_.end() && here->second.erase(of.requirements) > 0 && here->second.empty()) here_.erase(here);
  for (const auto& share : of.shares) touched_.insert(share.limit->name);
}

// A class without work is forgotten, and so is a limit that no class counts against and nothing is held of.
void Allowances::drop_unused(Class& of) {
  if (of.in_use > 0 || !of.waiting.empty()) return;
  for (const auto& share : of.shares) {
    share.limit->classes.erase(&of);
    touched_.insert(share.limit->name);
  }
  const auto requirements = of.requirements;
  to_plan_.erase(requirements);
  to_advise_.erase(requirements);
  classes_.erase(requirements);
}

void Allowances::drop_unused(Limit& limit) {
  const bool something = limit.starts > 0 || !limit.held.empty() || !limit.in_use.empty();
  if (limit.calling || !limit.classes.empty() || something) return;
  looks_.erase({limit.look, limit.name});
  limits_.erase(LimitName(limit.name));
}

// ---- claims

std::vector<Allowance> Allowances::offer(Partition partition, std::size_t want, SteadyTime now) {
  std::vector<Allowance> offered;
  std::int64_t expected = 0;  // What these will yield: each class costs the claim something.
  std::size_t refusals = 0;
  bool untold = false;  // A refusal that the claim has no place for: the next one goes on with it.
  const auto room = static_cast<std::int64_t>(want);
  const auto give = [&](Class& of) {
    const auto count = std::min(possible(of, now), room);
    const auto known = of.waiting.find(partition);
    if (count <= 0) {
      if (known == of.waiting.end() || !refused(of, now)) return;
      if (refusals == kRefusalsPerClaim) {
        untold = true;
        if (of.told.count(partition)) to_advise_.insert(of.requirements);
        return;
      }
      ++refusals;
      offered.emplace_back(0, of.requirements);
      of.told.erase(partition);
      return;
    }
    expected += std::min(count, known == of.waiting.end() ? 1 : std::max<std::int64_t>(1, known->second));
    take(of, static_cast<std::size_t>(count));
    offered.emplace_back(static_cast<std::size_t>(count), of.requirements);
  };
  const auto here = here_.find(partition);
  if (here != here_.end()) {
    // In turn, so that with many classes each is offered some time.
    auto& last = offered_last_[partition];
    auto next = here->second.upper_bound(last);
    const auto most = std::min(here->second.size(), kClassesLookedAt);
    for (std::size_t i = 0; i < most && expected < room && offered.size() < kClassesPerClaim + refusals; ++i, ++next) {
      if (next == here->second.end()) next = here->second.begin();
      give(classes_.at(*next));
      if (!untold) last = *next;
    }
  }
  auto guesses = guesses_;
  for (const auto& requirements : recent_) {
    if (expected >= room || guesses == 0) break;
    const auto known = classes_.find(requirements);
    if (known == classes_.end() || known->second.waiting.count(partition)) continue;
    const auto before = offered.size();
    give(known->second);
    guesses -= offered.size() - before;
  }
  return offered;
}

// Guesses are worth their while where there are few classes, and hardly ever right where there are thousands.
void Allowances::judge_guesses(Partition partition, const std::vector<Allowance>& offered,
                               const std::map<std::string, std::size_t>& given) {
  bool guessed = false, right = false;
  for (const auto& one : offered) {
    const auto known = classes_.find(one.requirements);
    if (known != classes_.end() && known->second.waiting.count(partition)) continue;
    guessed = true;
    right = right || given.count(one.requirements) > 0;
  }
  if (guessed) {
    guesses_ = right ? std::min(kRecent, 2 * guesses_) : guesses_ / 2;
  } else if (guesses_ == 0 && ++unguessed_ == kGuessEvery) {
    guesses_ = 1;
  }
  if (guesses_ > 0) unguessed_ = 0;
}

// What a claim has left of a class that it was offered for.
void Allowances::settle_offered(Class& of, Partition partition, std::size_t offered, std::size_t taken, bool more) {
  if (taken < offered) put_back(of, offered - taken, true);
  if (taken > 0) {
    std::erase(recent_, of.requirements);
    recent_.push_front(of.requirements);
    if (recent_.size() > kRecent) recent_.pop_back();
  }
  const auto known = of.waiting.find(partition);
  if (!more || (taken == 0 && known == of.waiting.end())) return forget_waiting(of, partition);
  const auto left = known == of.waiting.end() ? 0 : known->second - static_cast<std::int64_t>(taken);
  note_waiting(of, partition, std::max<std::int64_t>(0, left));
}

void Allowances::claimed(Partition partition, const std::vector<Allowance>& offered,
                         const std::vector<std::string>& given, const std::vector<Allowance>& waiting, bool more) {
  std::map<std::string, std::size_t> counts;
  for (const auto& requirements : given) {
    if (core::limited(requirements)) ++counts[requirements];
  }
  judge_guesses(partition, offered, counts);
  for (const auto& one : offered) {
    if (one.count == 0) {  // It still waits: at least one, whatever was told.
      const auto of = classes_.find(one.requirements);
      if (of == classes_.end()) continue;
      const auto known = of->second.waiting.find(partition);
      if (known != of->second.waiting.end()) known->second = std::max<std::int64_t>(1, known->second);
      continue;
    }
    auto& count = counts[one.requirements];
    const auto taken = std::min(count, one.count);
    count -= taken;
    settle_offered(class_of(one.requirements), partition, one.count, taken, more);
  }
  for (const auto& [requirements, count] : counts) {
    for (std::size_t i = 0; i < count; ++i) begun(requirements);  // What a lost reply had given before.
  }
  std::map<std::string, std::int64_t> lacking;  // Of all lanes together.
  for (const auto& one : waiting) lacking[one.requirements] += static_cast<std::int64_t>(one.count);
  for (const auto& [requirements, count] : lacking) {
    note_waiting(class_of(requirements), partition, count);
    to_plan_.insert(requirements);
  }
  for (const auto& one : offered) {
    const auto found = classes_.find(one.requirements);
    if (found == classes_.end()) continue;
    if (!found->second.waiting.empty()) to_plan_.insert(one.requirements);
    drop_unused(found->second);
  }
}

void Allowances::withdrawn(const std::vector<Allowance>& offered) {
  for (const auto& one : offered) {
    if (one.count > 0) put_back(class_of(one.requirements), one.count, true);
  }
}

void Allowances::abandoned(const std::vector<Allowance>& offered, SteadyTime until) {
  if (!offered.empty()) abandoned_.push_back(Abandoned{until, offered});
}

void Allowances::begun(const std::string& requirements, const Reported& reported) {
  auto& of = class_of(requirements);
  ++of.in_use;
  for (const auto& share : of.shares) add(share.limit->in_use, share.unit, 1);
  for (const auto& [name, amounts] : reported) {
    const auto limit = limits_.find(name);
    if (limit != limits_.end()) add(limit->second.in_use, amounts, -1);  // What counts as used is no longer reserved.
  }
}

void Allowances::ended(const std::string& requirements, const Reported& reported) {
  const auto found = classes_.find(requirements);
  if (found == classes_.end()) return;
  auto& of = found->second;
  for (const auto& [name, amounts] : reported) {
    const auto limit = limits_.find(name);
    if (limit != limits_.end()) add(limit->second.in_use, amounts, 1);  // put_back takes the whole unit.
  }
  put_back(of, 1, false);
  if (!of.waiting.empty()) to_plan_.insert(requirements);
  drop_unused(of);
}

std::vector<Partition> Allowances::ready(SteadyTime now) {
  std::set<Partition> partitions;
  for (const auto& requirements : std::exchange(to_advise_, {})) {
    const auto found = classes_.find(requirements);
    if (found == classes_.end()) continue;
    auto count = possible(found->second, now);
    const auto& told = found->second.told;
    if (count <= 0 && refused(found->second, now)) partitions.insert(told.begin(), told.end());
    for (const auto& [partition, waiting] : found->second.waiting) {
      if (count <= 0) break;
      partitions.insert(partition);
      count -= std::max<std::int64_t>(1, waiting);
    }
  }
  return std::vector<Partition>(partitions.begin(), partitions.end());
}

// ---- reservations

// What a class cannot use while one of its limits refuses is for others: of this worker, or else of the fleet.
void Allowances::give_back_others(const Class& of, const Limit& refusing) {
  for (const auto& share : of.shares) {
    auto& limit = *share.limit;
    const bool useful = std::any_of(limit.classes.begin(), limit.classes.end(),
                                    [&](const Class* other) { return other != &of && !other->waiting.empty(); });
    if (&limit == &refusing || useful) continue;
    limit.give_back = true;
    touched_.insert(limit.name);
  }
}

// How many rounds of starts are asked for at once: more while one ask follows the other in no time, so that the next
// claim need not wait for an answer. What is not used goes back soon, but a rate that is short has none to wait with.
void Allowances::look_ahead(Limit& limit, SteadyTime now) {
  const bool brisk = now < limit.asked_starts_at + kBrisk && !limit.short_of_starts;
  limit.rounds = brisk ? std::min(2 * limit.rounds, kRoundsMax) : 1;
  limit.asked_starts_at = now;
}

// Asks for what is missing of one limit, once that is more than half. Whether there is something of it now.
bool Allowances::request(const Share& share, SteadyTime now, std::int64_t waiting, std::int64_t room) {
  auto& limit = *share.limit;
  const auto count = std::min(waiting, room);
  const auto units = free_units(limit, share.unit, now), starts = free_starts(limit, now);
  const bool some = units > 0 && starts > 0;
  if (2 * std::min(units, starts) >= count || limit.calling || blocked(limit, share.unit, now)) return some;
  if (const auto asked = asking_.find(limit.home); asked != asking_.end() && limit.alone == 0) {
    asked->second.behind.insert(limit.name);
    return some;
  }
  if (limit.count > 0 && limit.unit != share.unit) return some;  // Another class's turn; this one's comes after it.
  limit.unit = share.unit;
  auto missing = std::max<std::int64_t>(0, count - units);
  if (missing > 0 && limit.roomy && !limit.rated) missing = std::max(missing, kRoomyAsk);
  limit.count = std::min(limit.count + missing, std::max<std::int64_t>(0, room - units));
  if (starts < count) {
    if (limit.rated && limit.want_starts == 0) look_ahead(limit, now);
    limit.want_starts = std::min(limit.want_starts + waiting, room * limit.rounds);
  }
  touched_.insert(limit.name);
  return some;
}

bool Allowances::roomy(const Class& of) {
  return std::all_of(of.shares.begin(), of.shares.end(),
                     [](const Share& share) { return share.limit->roomy && !share.limit->rated; });
}

void Allowances::plan(Class& of, SteadyTime now, std::int64_t room) {
  std::int64_t waiting = 0;
  for (const auto& [partition, count] : of.waiting) waiting += count;
  if (waiting == 0 || room == 0) return;
  for (const auto& share : of.shares) {
    const bool none = free_units(*share.limit, share.unit, now) == 0 || free_starts(*share.limit, now) == 0;
    if (!none || !blocked(*share.limit, share.unit, now)) continue;
    if (!of.told.empty()) to_advise_.insert(of.requirements);
    return give_back_others(of, *share.limit);
  }
  for (const auto& share : of.shares) {
    if (!request(share, now, waiting, room)) return;
  }
  to_advise_.insert(of.requirements);
}

core::Millis Allowances::idle_time(const Limit& limit) { return limit.roomy ? kIdleRoomy : kIdle; }

Amounts Allowances::returnable(const Limit& limit, SteadyTime now) const {
  auto free = difference(limit.held, limit.in_use);
  if (free.empty() || draining_ || limit.give_back || now >= limit.valid_until) return free;
  if (limit.idle_since <= now - idle_time(limit) || (now >= limit.renew_at && !limit.used)) return free;
  if (limit.keep >= 0 && limit.count == 0) {
    auto& slots = free["slots"];
    slots = std::min(slots, amount_of(limit.held, "slots") - limit.keep);
    if (slots > 0) return free;
  }
  return Amounts();
}

// The ask that is due of a limit, if any. What it gives back is no longer ours from here on.
std::optional<Ask> Allowances::ask(Limit& limit, SteadyTime now) {
  if (limit.calling) return std::nullopt;
  const auto back = returnable(limit, now);
  const bool old_starts = limit.starts > 0 && (limit.starts_until <= now || draining_ || limit.give_back);
  const bool grows = !draining_ && (limit.count > 0 || limit.want_starts > 0);
  const bool renews = now >= limit.renew_at;
  limit.give_back = false;
  if (!grows && back.empty() && !renews && !old_starts) return std::nullopt;
  Ask ask;
  ask.limit = limit.name;
  ask.seq = ++seq_;
  limit.held = difference(limit.held, back);
  if (!back.empty() && limit.name.kind == core::LimitKind::budget) {  // With that there may be room for a large one.
    std::erase_if(limit.blocks, [](const Block& one) { return !one.unit.empty(); });
  }
  for (const auto& [dimension, amount] : limit.in_use) {
    auto& held = limit.held[dimension];
    held = std::max(held, amount);
  }
  ask.hold = difference(limit.held, limit.reporting);  // It comes behind the report.
  if (grows) {
    ask.unit = limit.unit;
    ask.count = limit.count;
    ask.starts = limit.want_starts;
  }
  if (ask.starts > 0 || old_starts) ask.spare = std::exchange(limit.starts, 0);
  limit.count = limit.want_starts = 0;
  limit.calling = true;
  if (renews) limit.used = false;
  return ask;
}

void Allowances::plan_again(const Limit& limit) {
  for (const auto* of : limit.classes) {
    if (!of->waiting.empty()) to_plan_.insert(of->requirements);
  }
}

void Allowances::fire_looks(SteadyTime now) {
  while (!looks_.empty() && looks_.begin()->first <= now) {
    const auto name = looks_.begin()->second;
    looks_.erase(looks_.begin());
    const auto found = limits_.find(name);
    if (found == limits_.end()) continue;
    found->second.look = SteadyTime::max();
    touched_.insert(name);
    plan_again(found->second);
  }
  while (!abandoned_.empty() && abandoned_.front().until <= now) {
    withdrawn(abandoned_.front().offered);
    abandoned_.pop_front();
  }
}

std::vector<AskCall> Allowances::calls(SteadyTime now, std::size_t room, std::size_t freeing) {
  fire_looks(now);
  const auto places = room > freeing ? room - freeing : 0;
  const auto part = classes_.empty() ? 0 : (room - places) / classes_.size();  // For each that is roomy.
  if (places + part > 0 && !draining_) {
    for (const auto& requirements : std::exchange(to_plan_, {})) {
      const auto found = classes_.find(requirements);
      if (found == classes_.end()) continue;
      const auto for_it = places + (roomy(found->second) ? part : 0);
      if (for_it == 0) to_plan_.insert(requirements);
      else plan(found->second, now, static_cast<std::int64_t>(for_it));
    }
  }
  std::map<std::pair<Partition, bool>, AskCall> open;
  std::vector<AskCall> calls;
  for (const auto& name : std::exchange(touched_, {})) {
    const auto found = limits_.find(name);
    if (found == limits_.end()) continue;
    auto& limit = found->second;
    if (auto one = ask(limit, now)) {
      AskCall by_itself;
      auto& call = limit.alone > 0 ? by_itself : open[{limit.home, one->grows()}];
      call.partition = limit.home;
      call.grows = one->grows();
      call.alone = limit.alone > 0;
      call.asks.push_back(std::move(*one));
      if (limit.alone > 0 || call.asks.size() == kItemsPerCall) calls.push_back(std::exchange(call, AskCall()));
    }
    settle(limit, now);
  }
  for (auto& [key, call] : open) {
    if (!call.asks.empty()) calls.push_back(std::move(call));
  }
  for (const auto& call : calls) {
    if (call.grows && !call.alone) ++asking_[call.partition].calls;
  }
  return calls;
}

void Allowances::take_grant(Limit& limit, const Ask& asked, const Grant& grant, SteadyTime now) {
  add(limit.held, asked.unit, grant.granted);
  limit.rated = grant.starts >= 0;
  if (asked.starts > 0) {
    limit.starts = std::max<std::int64_t>(0, grant.starts);
    limit.starts_until = now + kIdle;
    limit.short_of_starts = limit.starts < asked.starts;
  }
  limit.keep = grant.keep;
  limit.roomy = grant.roomy;
  const bool refused = grant.granted < asked.count || (limit.rated && limit.starts < asked.starts);
  if (refused && !limit.rated && !limit.refusing) {  // From now on it may be in the way, wherever it waits.
    for (auto* of : limit.classes) {
      for (const auto& [partition, count] : of->waiting) of->told.insert(partition);
    }
  }
  limit.refusing = refused;
  if (asked.grows()) std::erase_if(limit.blocks, [&](const Block& one) { return covers(asked.unit, one.unit); });
  if (refused || grant.keep >= 0) {  // What it gives back is not asked for at once: others are to have it.
    const auto again = grant.retry_in.count() > 0 ? std::min(grant.retry_in, renew_every_) : renew_every_;
    block(limit, grant.keep >= 0 ? Amounts() : asked.unit, now + again, now);
  }
  set_parent(limit, grant.parent);
}

// What came up behind the calls for more of a partition is planned when the last of them is over, all together.
void Allowances::over(const AskCall& call) {
  if (!call.grows || call.alone || --asking_.at(call.partition).calls > 0) return;
  const auto asked = asking_.extract(call.partition);
  for (const auto& name : asked.mapped().behind) {
    const auto found = limits_.find(name);
    if (found != limits_.end()) plan_again(found->second);
  }
}

void Allowances::answered(const AskCall& call, const std::vector<Grant>& grants, SteadyTime sent_at, SteadyTime now) {
  over(call);
  for (std::size_t i = 0; i < call.asks.size() && i < grants.size(); ++i) {
    const auto found = limits_.find(call.asks[i].limit);
    if (found == limits_.end()) continue;
    auto& limit = found->second;
    limit.calling = false;
    limit.alone = 0;
    if (grants[i].old) {  // An earlier instance of this name has counted further.
      seq_ += kSeqStep;
      limit.renew_at = now;
    } else {
      limit.valid_until = sent_at + ttl_ - ttl_ / 10;
      limit.renew_at = limit.held.empty() && grants[i].granted == 0 ? SteadyTime::max() : sent_at + renew_every_;
      take_grant(limit, call.asks[i], grants[i], now);
    }
    if (std::exchange(limit.told, false)) told(limit.name);
    touched_.insert(limit.name);
    for (const auto* of : limit.classes) {
      if (of->waiting.empty()) continue;
      to_plan_.insert(of->requirements);
      to_advise_.insert(of->requirements);
    }
  }
}

void Allowances::unanswered(const AskCall& call, SteadyTime now, bool damaged) {
  over(call);
  for (const auto& asked : call.asks) {
    const auto found = limits_.find(asked.limit);
    if (found == limits_.end()) continue;
    auto& limit = found->second;
    limit.calling = limit.told = false;
    if (damaged) limit.alone = std::min(limit.alone + 1, kAloneMax);
    // The server may have more for us than we know, or what we gave back: the next call tells it.
    limit.renew_at = now + kAskAgain * std::max(1, limit.alone);
    block(limit, Amounts(), limit.renew_at, now);
    touched_.insert(limit.name);
  }
}

void Allowances::told(const LimitName& name) {
  const auto found = limits_.find(name);
  if (found == limits_.end()) return;
  auto& limit = found->second;
  limit.told = limit.calling;
  limit.blocks.clear();
  limit.roomy = false;
  if (!limit.held.empty()) {
    limit.renew_at = SteadyTime();
    limit.used = true;  // What was granted a moment ago need not have been.
  }
  touched_.insert(name);
  plan_again(limit);
}

void Allowances::reporting(const LimitName& name, const Amounts& covered) {
  const auto found = limits_.find(name);
  if (found != limits_.end()) add(found->second.reporting, covered, 1);
}

void Allowances::used(const LimitName& name, const Amounts& covered, const Amounts& taken, bool ended) {
  const auto found = limits_.find(name);
  if (found == limits_.end()) return;
  add(found->second.reporting, covered, -1);
  add(found->second.held, taken, -1);
  add(found->second.in_use, ended ? covered : taken, -1);
  touched_.insert(name);
}

// When it is to be looked at again: to be renewed, asked again, or given back.
void Allowances::settle(Limit& limit, SteadyTime now) {
  const bool idle = !wanted(limit) && !difference(limit.held, limit.in_use).empty();
  if (!idle) limit.idle_since = SteadyTime::max();
  if (idle && limit.idle_since == SteadyTime::max()) limit.idle_since = now;
  auto at = SteadyTime::max();
  if (!limit.calling) {
    at = limit.renew_at;
    if (idle) at = std::min(at, limit.idle_since + idle_time(limit));
    if (limit.starts > 0) at = std::min(at, limit.starts_until);
    for (const auto& block : limit.blocks) {
      if (block.until > now && wanted(limit)) at = std::min(at, block.until);
    }
  }
  if (limit.look != at) {
    looks_.erase({limit.look, limit.name});
    limit.look = at;
    if (at != SteadyTime::max()) looks_.insert({at, limit.name});
  }
  drop_unused(limit);
}

std::optional<SteadyTime> Allowances::next_look() const {
  auto next = SteadyTime::max();
  if (!looks_.empty()) next = looks_.begin()->first;
  if (!abandoned_.empty()) next = std::min(next, abandoned_.front().until);
  if (next == SteadyTime::max()) return std::nullopt;
  return next;
}

void Allowances::drain() {
  draining_ = true;
  for (const auto& [name, limit] : limits_) touched_.insert(name);
}

std::vector<core::Need> Allowances::budgets_of(const std::string& requirements) const {
  std::vector<core::Need> budgets;
  const auto found = classes_.find(requirements);
  if (found == classes_.end()) return budgets;
  for (const auto& share : found->second.shares) {
    if (share.limit->name.kind == core::LimitKind::budget) budgets.emplace_back(share.limit->name, share.unit);
  }
  return budgets;
}

}  // namespace ff::scheduler
