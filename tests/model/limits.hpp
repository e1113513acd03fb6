#pragma once
// The model of quotas and budgets, written from ARCHITECTURE.md "Quotas and budgets": what holders are granted, what is
// used, and the timers of both. It knows nothing of executions.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ff/core/admission.hpp"

namespace ff::model {

class Args;
struct Reply;
using ff::core::Amounts;

struct Dimension {
  std::optional<std::int64_t> hard, soft, used, reserved, over;  // As stored; none: no such field.
  bool empty() const { return !hard && !soft && !used && !reserved && !over; }
};

struct Holder {
  std::int64_t seq = 0, granted = 0, starts = 0, asked_us = 0;
  Amounts amounts, want;
  std::string text() const;  // As stored.
};

struct Limit {
  bool is_budget = false;
  std::optional<std::int64_t> defined;
  std::map<std::string, Dimension> dimensions;
  std::map<std::string, Holder> holders;
  std::map<std::string, std::int64_t> waiting;  // Holders that want more, since when.

  // Of a quota. `earned`: when all that was granted so far will have been earned, µs.
  struct Rate {
    std::int64_t starts = 0, period_ms = 0, burst = 0;
  };
  std::optional<Rate> rate;
  std::optional<std::int64_t> earned, asks, set_us, paused;
  bool tight = false;  // More than half was taken, and not less than a quarter since.
  // What was granted and not given back under the rate that is set: when, and how many. For the bound alone.
  std::map<std::int64_t, std::int64_t> started;

  // Of a budget.
  std::string parent, on_breach;
  std::optional<std::string> period;
  std::optional<std::int64_t> began, resets;
  std::optional<std::int64_t> resets_left;
  std::string later_resets;  // Joined by commas.

  std::int64_t paused_ms(std::int64_t now) const { return std::max<std::int64_t>(0, paused.value_or(0) - now); }
  // How many times `unit` there is room for, `count` at the most.
  std::int64_t room(const Amounts& unit, std::int64_t count, bool promised = false) const;
};

class Limits {
 public:
  struct Time {
    std::int64_t ms = 0, us = 0;
  };
  // Whether it is one of its verbs; then the answer.
  std::optional<Reply> apply(const std::string& verb, Args& args, Time now);

  // Timers, as stored: "h <id> <holder>", "w <id>", "r <id>".
  const std::map<std::string, std::int64_t>& timers() const noexcept { return timers_; }
  std::vector<std::string> due(std::int64_t now, std::int64_t at_most) const;
  void fire(const std::vector<std::string>& due, Time now, std::map<std::string, std::int64_t>& fired);

  const std::map<std::string, Limit>& all() const noexcept { return all_; }
  using Report = std::pair<std::string, std::string>;  // Verdict, and what came out of the reservation.
  const std::map<std::string, Report>& reports() const noexcept { return reports_; }
  std::vector<std::string> take_told();  // Holders told of a limit, in any order: "<holder> limit <id>".
  std::vector<std::string> take_events();
  const std::string& broken() const noexcept { return broken_; }  // A rule that was broken; empty: none.

 private:
  Reply reserve(Args& args, bool keep);
  Reply set_quota(Args& args);
  Reply pause_quota(Args& args);
  Reply set_budget(Args& args);
  Reply set_resets(Args& args);
  Reply report_usage(Args& args);
  Reply drop(Args& args);
  Reply describe(Args& args);
  Reply list(Args& args) const;

  struct Item {
    std::string kind, name, hold, unit;
    std::int64_t seq = 0, spare = 0, count = 0, starts = 0;
  };
  // A limit as a call works on it; what it changes counts when the call goes through.
  struct Work {
    std::string id;
    Limit limit;
    const Limit before;
    bool freed = false;
    std::set<std::string> waits, waits_no_more;
    Work(std::string i, const Limit& l) : id(std::move(i)), limit(l), before(l) {}
  };
  Work& load(const std::string& id);
  void save_all();
  void save(Work& work);
  void tell_waiting(Work& work);
  void tell_all(Work& work);
  void arm(const std::string& timer, std::int64_t ms);
  void set_holder(Work& work, const std::string& name, std::optional<Holder> holder);
  void reserve_one(const std::string& ns, const std::string& name, std::int64_t ttl_ms, const Item& item, Reply& reply);
  Holder grant(Work& work, const std::string& name, const Item& item);
  std::int64_t take_starts(Limit& limit, std::int64_t count);
  void return_starts(Limit& limit, std::int64_t count, std::int64_t granted_us);
  std::int64_t next_start_ms(Limit& limit) const;
  std::int64_t retry_in_ms(Limit& limit, const Holder& holder, const Item& item) const;
  std::int64_t slots_to_keep(const Work& work, std::int64_t mine) const;
  bool note_roomy(Work& work, const std::string& caller);
  bool schedule(Work& work, const std::vector<std::string>& instants);
  void begin_period(Work& work);
  Report count_usage(Work& work, const std::string& holder, const Amounts& used, const Amounts& covered);
  void check_bound(const Limit& limit, const std::string& id);

  Time now_;
  std::map<std::string, Limit> all_;
  std::map<std::string, std::int64_t> timers_;
  std::map<std::string, Report> reports_;  // By the limit's id and the key.
  // Of the call under way.
  std::vector<std::string> order_;
  std::map<std::string, Work> loaded_;
  std::map<std::string, std::int64_t> armed_;
  std::set<std::string> disarmed_;
  std::vector<std::string> told_, events_;
  std::string broken_;
};

}  // namespace ff::model
