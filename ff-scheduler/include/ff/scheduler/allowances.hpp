#pragma once
// Allowances: how much of each quota and budget a worker holds, and when it asks for more, keeps it or gives it back.
// A decision without I/O: it is told what claims and reservations answered and what time it is, and says which calls to
// make.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ff/core/admission.hpp"
#include "ff/core/ids.hpp"
#include "ff/core/time.hpp"

namespace ff::scheduler {

// So many executions of exactly these requirements.
struct Allowance {
  std::size_t count = 0;
  std::string requirements;
  Allowance() = default;
  Allowance(std::size_t c, std::string r) : count(c), requirements(std::move(r)) {}
};

// One item of a reserve call, or, with neither count nor starts, of a keep call; the fields of script::Reserve::Item.
struct Ask {
  core::LimitName limit;
  std::int64_t seq = 0;
  core::Amounts hold;
  std::int64_t spare = 0;
  core::Amounts unit;
  std::int64_t count = 0, starts = 0;
  Ask() = default;
  bool grows() const noexcept { return count > 0 || starts > 0; }
};

// Asks of one partition that go in one call; all of them grow (reserve) or none does (keep).
struct AskCall {
  core::Partition partition = 0;
  bool grows = false;
  bool alone = false;  // For one limit that may be damaged; nothing waits behind it.
  std::vector<Ask> asks;
  AskCall() = default;
};

// The fields of script::Reserve::Row.
struct Grant {
  bool too_large = false, old = false, roomy = false;
  std::int64_t granted = 0, starts = -1, keep = -1;
  core::Millis retry_in{0};
  std::string parent;
  Grant() = default;
};

// Executions with the same limited requirements are a class. A class is reserved for only while claims report that its
// work waits for an allowance. What an execution frees is used again by the next claim; what no class has work for goes
// back after kIdle (starts, too; kIdleRoomy where the quota says that it is roomy, so that thousands of quotas with a
// trickle of work each are not asked for every execution), what was not used between two renewals with the second of
// them, what the quota asks back (Grant::keep) at once. More is asked for when what is left of it suffices for less
// than half of what waits; and of starts for up to kRoundsMax rounds at once, while one ask follows the other within
// kBrisk and all of the last one was granted.
//
// A class with several limits asks for them in the order of their names, for the next one once there is something of
// the one before, and gives back what it cannot use when one refuses: so nobody waits with what another one needs.
// What a budget refuses blocks the classes that ask for as much of it, not those that ask for less: these may fit.
// A partition is asked for more by one round of calls at a time, each with up to kItemsPerCall limits: what comes up
// meanwhile goes together behind the answers, and where there is none, behind the deadline of the call.
//
// A reservation counts as ours for `ttl` from when the call left that renewed it, less a tenth. Later, what is in use
// is still reported as held, and counts again, even beyond the limit: work that runs is not stopped because a limit was
// out of reach, but nothing new begins. Thread safety: none.
class Allowances {
 public:
  static constexpr core::Millis kIdle{200}, kIdleRoomy{5000}, kAskAgain{500}, kBrisk{20};
  static constexpr std::size_t kClassesPerClaim = 64, kRefusalsPerClaim = 64, kClassesLookedAt = 256;
  static constexpr std::size_t kItemsPerCall = 256, kRecent = 64, kGuessEvery = 32;
  static constexpr std::size_t kParentsMax = 8;  // Of one budget.
  static constexpr std::int64_t kRoundsMax = 4;  // Of starts asked for at once.
  static constexpr int kAloneMax = 16;
  static constexpr std::size_t kBlocksMax = 16;

  using Reported = std::map<core::LimitName, core::Amounts>;
  using Home = std::function<core::Partition(const core::LimitName&)>;
  // Calls are numbered from `first_seq` on: later instances of one name need higher ones.
  Allowances(Home home, core::Millis ttl, core::Millis renew_every, std::int64_t first_seq);

  // ---- claims

  // What a claim for `want` from this partition may take: in use from now on. Claimed, withdrawn or abandoned ends
  // that. A count of 0 is for what waits there and was refused for some time: it is in the way of the others.
  std::vector<Allowance> offer(core::Partition partition, std::size_t want, core::SteadyTime now);
  // The claim gave executions of these requirements; `waiting` is what else is there that it told of, mostly because it
  // had no allowance for it. `more`: it gave as many as were wanted, and told that there is more for these allowances.
  void claimed(core::Partition partition, const std::vector<Allowance>& offered, const std::vector<std::string>& given,
               const std::vector<Allowance>& waiting, bool more);
  // The claim certainly did not run.
  void withdrawn(const std::vector<Allowance>& offered);
  // It may have run and what it gave is not known: it stays in use until then.
  void abandoned(const std::vector<Allowance>& offered, core::SteadyTime until);
  // An execution begins or ends to use an allowance, `reported` of its budget counted as used already.
  void begun(const std::string& requirements, const Reported& reported = {});
  void ended(const std::string& requirements, const Reported& reported = {});
  // Partitions to claim from now: there is an allowance for work that waits there; or work was refused one and stands
  // before what else waits, and the claim puts it aside. Each of the latter is given until an offer has told of it.
  std::vector<core::Partition> ready(core::SteadyTime now);

  // ---- reservations

  // The calls to make now, with `room` free places for executions; of `freeing` of them, the allowances of what ended
  // there will be free when its result has arrived: only of roomy quotas without a rate more is asked for meanwhile,
  // each class its part.
  std::vector<AskCall> calls(core::SteadyTime now, std::size_t room, std::size_t freeing = 0);
  void answered(const AskCall& call, const std::vector<Grant>& grants, core::SteadyTime sent_at, core::SteadyTime now);
  // The call failed; whatever it did, the next one says what is held. `damaged`: what is stored of one of its limits
  // cannot be read; each of them is asked for by itself until it answers, so that it is in nobody's way. Each time that
  // fails it waits for one kAskAgain more, up to kAloneMax: the damage may be one of all.
  void unanswered(const AskCall& call, core::SteadyTime now, bool damaged = false);
  // There may be room, or the limit has changed.
  void told(const core::LimitName& limit);
  // A report of usage leaves, of which `covered` is to come out of what is held: calls behind it hold so much less.
  void reporting(const core::LimitName& limit, const core::Amounts& covered);
  // It was answered, or has failed: `taken` came out of it. The rest is the execution's again, unless that has ended.
  void used(const core::LimitName& limit, const core::Amounts& covered, const core::Amounts& taken, bool ended);
  // When calls() may have something without being told anything.
  std::optional<core::SteadyTime> next_look() const;

  // Everything that is not in use goes back with the next calls, and nothing more is reserved.
  void drain();
  // What an execution of these requirements has of each budget it counts against.
  std::vector<core::Need> budgets_of(const std::string& requirements) const;

 private:
  struct Class;
  struct Block {
    core::Amounts unit;  // Empty: anything.
    core::SteadyTime until;
  };
  struct Limit {
    explicit Limit(core::LimitName n) : name(std::move(n)) {}
    core::LimitName name;
    core::Partition home = 0;
    core::Amounts held, in_use;
    core::Amounts reporting;                   // Part of both, until the report is answered.
    std::int64_t starts = 0;                   // Granted and not used.
    bool rated = true;                         // Until the first answer says that it is not.
    bool calling = false, used = false;        // used: since the last renewal.
    bool give_back = false;                    // All that is not in use, with the next call.
    bool roomy = false;                        // Grant::roomy.
    bool refusing = false;                     // The last answer was less than was asked for.
    int alone = 0;                             // Asked for by a call of its own: how often that has failed.
    bool told = false;                         // While a call is under way: its answer may be older than that.
    std::int64_t keep = -1;                    // Grant::keep: what is held beyond it goes back, and is not used again.
    core::Amounts unit;                        // To be asked for: count units, and starts.
    std::int64_t count = 0, want_starts = 0;
    std::int64_t rounds = 1;                   // Of starts at once.
    bool short_of_starts = false;              // The last ask for starts was not granted whole.
    core::SteadyTime asked_starts_at{};
    std::vector<Block> blocks;                 // It has refused as much.
    core::SteadyTime valid_until{}, starts_until{};
    core::SteadyTime renew_at = core::SteadyTime::max(), idle_since = core::SteadyTime::max();
    core::SteadyTime look = core::SteadyTime::max();
    std::string parent;
    std::set<Class*> classes;
  };
  struct Share {
    Limit* limit;
    core::Amounts unit;
  };
  struct Class {
    explicit Class(std::string r) : requirements(std::move(r)) {}
    std::string requirements;
    std::vector<Share> shares;                       // Of the limits named, and of their parents behind them.
    std::size_t in_use = 0;
    std::map<core::Partition, std::int64_t> waiting;
    std::set<core::Partition> told;                  // Of these, where no claim has said yet that it was refused.
  };
  struct Abandoned {
    core::SteadyTime until;
    std::vector<Allowance> offered;
  };

  Class& class_of(const std::string& requirements);
  Limit& limit_of(const core::LimitName& name);
  void share_out(Class& of);
  void set_parent(Limit& limit, const std::string& parent);
  std::int64_t possible(const Class& of, core::SteadyTime now) const;
  static std::int64_t free_units(const Limit& limit, const core::Amounts& unit, core::SteadyTime now);
  static std::int64_t free_starts(const Limit& limit, core::SteadyTime now);
  static bool covers(const core::Amounts& unit, const core::Amounts& other);
  static bool blocked(const Limit& limit, const core::Amounts& unit, core::SteadyTime now);
  static void block(Limit& limit, const core::Amounts& unit, core::SteadyTime until, core::SteadyTime now);
  static bool refused(const Class& of, core::SteadyTime now);
  static bool wanted(const Limit& limit);
  static bool roomy(const Class& of);
  static core::Millis idle_time(const Limit& limit);
  void take(Class& of, std::size_t count);
  void put_back(Class& of, std::size_t count, bool unused);
  void note_waiting(Class& of, core::Partition partition, std::int64_t count);
  void forget_waiting(Class& of, core::Partition partition);
  void judge_guesses(core::Partition partition, const std::vector<Allowance>& offered,
                     const std::map<std::string, std::size_t>& given);
  void settle_offered(Class& of, core::Partition partition, std::size_t offered, std::size_t taken, bool more);
  void drop_unused(Class& of);
  void drop_unused(Limit& limit);

  void plan(Class& of, core::SteadyTime now, std::int64_t room);
  bool request(const Share& share, core::SteadyTime now, std::int64_t waiting, std::int64_t room);
  static void look_ahead(Limit& limit, core::SteadyTime now);
  void give_back_others(const Class& of, const Limit& refusing);
  core::Amounts returnable(const Limit& limit, core::SteadyTime now) const;
  std::optional<Ask> ask(Limit& limit, core::SteadyTime now);
  void plan_again(const Limit& limit);
  void over(const AskCall& call);
  void take_grant(Limit& limit, const Ask& asked, const Grant& grant, core::SteadyTime now);
  void settle(Limit& limit, core::SteadyTime now);  // Sets when to look at it again.
  void fire_looks(core::SteadyTime now);

  Home home_;
  core::Millis ttl_, renew_every_;
  std::int64_t seq_;
  std::map<std::string, Class> classes_;
  std::map<core::LimitName, Limit> limits_;
  std::map<core::Partition, std::set<std::string>> here_;  // Classes whose work waits in a partition.
  std::map<core::Partition, std::string> offered_last_;    // Where the next offer there goes on.
  std::deque<std::string> recent_;                         // Classes given lately, for partitions where none is known.
  std::size_t guesses_ = kRecent, unguessed_ = 0;          // How many of them are tried; at 0, claims since.
  std::set<std::string> to_plan_, to_advise_;
  std::set<core::LimitName> touched_;
  struct Asking {
    std::size_t calls = 0;
    std::set<core::LimitName> behind;
  };
  std::map<core::Partition, Asking> asking_;  // Calls for more under way, and what waits until they are over.
  std::set<std::pair<core::SteadyTime, core::LimitName>> looks_;
  std::deque<Abandoned> abandoned_;
  bool draining_ = false;
};

}  // namespace ff::scheduler
