#pragma once
// The reference model: what one partition must answer and hold, in plain C++, written from design.md §4 and
// ARCHITECTURE.md. It knows nothing of Valkey, and plans nothing: it does at once what a verb is said to do.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ff/core/condition.hpp"
#include "ff/core/lane_policy.hpp"
#include "ff/core/policy.hpp"
#include "ff/core/state.hpp"
#include "model/limits.hpp"

namespace ff::model {

using ff::core::State;

// One call: the arguments exactly as they go to the library, and the clock at that moment.
struct Op {
  std::string verb;
  std::vector<std::string> args;
  std::int64_t clock_us = 0;  // What TIME says.
  bool reload = false;        // The library is loaded anew before: what a node remembers is gone.
  Op() = default;
  std::string text() const;
};

// What the call must answer.
struct Reply {
  std::vector<std::string> fields;
  std::string error;  // Not empty: an error reply that begins with this word.
  // A field that the contract leaves open: any whole number from low to high.
  struct Range {
    std::size_t at;
    std::int64_t low, high;
    Range(std::size_t a, std::int64_t l, std::int64_t h) : at(a), low(l), high(h) {}
  };
  std::vector<Range> ranges;
  std::size_t json_from = static_cast<std::size_t>(-1);  // Fields from here are flat JSON objects: see canonical().
  std::size_t rows_from = 0, row_size = 0;               // Not 0: rows of this size in any order.
  std::vector<std::size_t> some;                         // Fields whose text is open, but not whether there is any.
  Reply() = default;
};

// A message that somebody who listens must get: channel without the tag.
struct Message {
  std::string channel, text;
  Message(std::string c, std::string t) : channel(std::move(c)), text(std::move(t)) {}
  friend bool operator==(const Message&, const Message&) = default;
};

// A flat JSON object as names and values, strings with a quote in front, numbers as text. Throws
// std::invalid_argument.
using Entry = std::map<std::string, std::string>;
Entry canonical(std::string_view json);

// One suspension, or the waitpoints of one that may come.
struct Step {
  struct Waitpoint {
    std::string label;
    std::vector<std::string> names;
    std::int64_t max_signals = 0, max_bytes = 0, expires = 0, signals = 0;
  };
  struct Signal {
    std::string label, id, name, source, content_type, payload, first;
    std::int64_t at = 0;
  };
  std::vector<Waitpoint> waitpoints;
  std::vector<Signal> signals;
  std::optional<ff::core::Condition> condition;
  std::string on_timeout, kept, by;
  std::int64_t timeout = 0, delay = 0, suspended = 0, resumed = 0;  // timeout 0: none.

  bool holds() const;
  Waitpoint* find(const std::string& label);
  bool has_expiry() const;
};
constexpr std::int64_t kNever = 99'999'999'999'999;

struct Execution {
  std::string id, ns, lane, kind, payload, content_type, tags, policy_text;
  ff::core::Policy policy;  // Its own; what it leaves open is the lane's.
  State state = State::ready;
  // Of its index: start, lease end, purge; of a ready one the time it ranks by, 0 in front of its priority.
  std::int64_t timer = 0;
  std::string requirements, fairness_key;
  std::int64_t weight = 0, service = 0;  // Of the key; its place in the order of service when it is ready.
  std::int64_t lane_timeout = 0;         // Of this or the last attempt, if it came from the lane.
  std::int64_t created = 0, priority = 0, generation = 0, attempts = 0, failures = 0, crashes = 0, epoch = 0,
      began = 0;
  std::optional<std::int64_t> ended, deadline, cancel_requested, cancel_by;
  std::optional<std::string> lease, outcome, failure_class;
  std::string worker, result, result_type, text;
  bool watched = false, lean = false;
  struct Progress {
    std::int64_t percent = -1, at = 0;
    std::string message;
  };
  std::optional<Progress> progress;
  // What its holders appended: frames by generation and number, and the summary as the last of them that is one.
  struct Frame {
    std::string attempt, mode, type, content_type, data;
    std::int64_t at = 0;
  };
  using Place = std::pair<std::int64_t, std::int64_t>;
  struct Stream {
    std::int64_t generation = 0, last = 0, base = 0, bytes = 0;
    std::string lease;
    std::map<Place, Frame> frames;
    std::optional<std::pair<Place, Frame>> summary;
  };
  std::optional<Stream> stream;
  bool tailed = false;
  std::map<std::int64_t, std::string> old_results;  // By generation, empty ones left out.
  std::deque<Entry> history;
  std::optional<std::int64_t> steps;            // Suspensions so far; none: nothing of the kind.
  std::map<std::int64_t, Step> step;            // The last one, and the one that may come.
  std::map<std::int64_t, std::vector<Step::Signal>> answers;  // Of the last eight, and the one that may come.
  std::optional<std::int64_t> expiry;           // Its score in `waitpoints`.

  std::int64_t open_step() const { return *steps + (state == State::suspended ? 0 : 1); }
  Step* find_step(std::int64_t number) {
    auto found = step.find(number);
    return found == step.end() ? nullptr : &found->second;
  }
  std::int64_t shown_timer() const { return timer < kNever ? timer : 0; }
  std::string queue() const { return ns + "/" + lane; }
  std::string line() const;  // Its name; empty: the lane's own.
  bool sorted_out = false;   // Of the common line, into that of its class.
  bool ended_already() const { return ff::core::is_terminal(state); }
  std::int64_t timeout_ms() const { return policy.attempt_timeout.value_or(ff::core::Millis(0)).count(); }
  std::int64_t attempt_ms() const { return timeout_ms() > 0 ? timeout_ms() : lane_timeout; }
  bool stores_policy() const;
  bool has_satellites() const;  // Beside payload and result; a lean one's are noted too.
  std::optional<std::int64_t> deadline_entry() const;  // Its score in `deadlines`.
};

// A lane's record, as set_lanes brought it.
struct Lane {
  std::string record;
  std::int64_t version = 0, step = 60'000;  // What a step of priority is worth, ms.
  ff::core::LanePolicy policy;
  ff::core::LaneState state = ff::core::LaneState::running;
  std::optional<std::int64_t> depth, home;
};

// The lines of a lane beside its own, and the capabilities of the workers that were seen there.
struct Lines {
  std::map<std::string, std::string> routes;  // What each requires.
  std::map<std::string, std::int64_t> open;   // The rank of its first, or a lower one.
  std::map<std::string, std::map<std::string, std::int64_t>> fair;  // Where the next of a key and priority stands.
  std::map<std::string, std::int64_t> sets;   // When they were noted.
};

// What a node remembers of a lane until its record changes.
struct Remembered {
  struct Service {
    std::int64_t tag = 0, at = 0, pruned = 0;
  };
  std::map<std::string, Service> services;
  std::map<std::string, std::int64_t> seen, idle_since;
  std::int64_t swept = 0, counted_since = 0, started = 0;
};

// What happened during a run; a run in which something never happened has not tested it.
struct Counters {
  std::map<std::pair<State, State>, std::uint64_t> moves;
  std::map<State, std::uint64_t> starts;
  std::map<std::string, std::uint64_t> events;
  void count(const std::string& what, std::uint64_t by = 1) { events[what] += by; }
  void add(const Counters& other);
};

class Model {
 public:
  // `listened` are the workers that somebody listens for; others are dead to a wake-up.
  explicit Model(std::set<std::string> listened) : listened_(std::move(listened)) {}

  Reply apply(const Op& op);

  // Of the last call, in order; hints to the engine are left out.
  const std::vector<Message>& messages() const noexcept { return messages_; }
  std::int64_t now() const noexcept { return now_; }
  std::int64_t behind_ms() const noexcept { return now_ - clock_ms_; }  // How far TIME is behind this clock.
  // When the next timer is due; none: nothing waits for a time.
  std::optional<std::int64_t> earliest() const;
  // The last call went through and wrote.
  bool committed() const noexcept { return committed_; }

  const std::map<std::string, Execution>& executions() const noexcept { return executions_; }
  Counters& counters() noexcept { return counters_; }

  struct Known {
    std::string id, fingerprint;
    std::int64_t expires = 0;
  };
  const std::map<std::string, Known>& known() const noexcept { return known_; }
  const std::set<std::string>& lanes() const noexcept { return lanes_; }
  const std::map<std::string, std::map<std::string, std::int64_t>>& idle() const noexcept { return idle_; }
  const std::map<std::string, std::int64_t>& handoffs() const noexcept { return handoffs_; }
  const Limits& limits() const noexcept { return limits_; }
  // Entries of the event stream, oldest first; `event_count` counts those forgotten here too.
  const std::deque<std::vector<std::string>>& events() const noexcept { return events_; }
  std::size_t event_count() const noexcept { return event_count_; }
  // Ids in an index in its order: of a state, or of a queue.
  std::vector<const Execution*> in_state(State state) const;
  std::vector<const Execution*> in_queue(const std::string& queue) const;
  std::vector<const Execution*> in_line(const std::string& queue, const std::string& name) const;
  std::vector<const Execution*> in_lines(const std::string& queue) const;  // All but the lane's own, by rank.
  std::vector<const Execution*> in_waiting(const std::string& queue) const;  // All but that and the common one.
  std::int64_t rank(const Execution& execution) const;
  const Lane& lane(const std::string& queue) const;
  const std::map<std::string, Lane>& records() const noexcept { return records_; }
  const std::map<std::string, Lines>& lines() const noexcept { return lines_; }
  std::int64_t lanes_version() const noexcept { return lanes_version_; }
  // A rule that was broken; empty: none.
  const std::string& broken() const noexcept { return broken_.empty() ? limits_.broken() : broken_; }

 private:
  struct Lease;
  struct Failure;
  struct Claim;
  enum class Standing { held, repeated, stale };

  Reply submit(Args& args);
  std::pair<std::string, std::string> submit_one(const std::string& ns, bool again, std::uint64_t columns,
                                                 Args& args, std::map<std::string, std::int64_t>& depths);
  Reply claim(Args& args);
  Reply complete(Args& args);
  Reply fail(Args& args);
  Reply release(Args& args);
  Reply renew(Args& args);
  Reply progress(Args& args);
  Reply append_frames(Args& args);
  Reply read_frames(Args& args);
  Reply tail_frames(Args& args);
  Reply cancel(Args& args);
  Reply change_priority(Args& args);
  Reply replay(Args& args);
  Reply purge(Args& args);
  Reply watch(Args& args);
  Reply describe(Args& args);
  Reply list(Args& args);
  Reply count(Args& args);
  Reply result(Args& args);
  Reply payload(Args& args);
  Reply run_due(Args& args);
  Reply pass_wake(Args& args);
  Reply leave(Args& args);
  Reply limit_verb(const std::string& verb, Args& args);
  Reply open_waitpoints(Args& args);
  Reply suspend(Args& args);
  Reply signal(Args& args);
  Reply resume(Args& args);
  Reply waitpoints(Args& args);
  Reply signals(Args& args);
  std::string add_waitpoints(Step& step, Args& args);
  void arm_expiry(Execution& execution, const Step& step);
  void go_on(Execution& execution, const std::string& by);
  std::int64_t suspended_step(const Execution& execution, const Lease& lease) const;
  void remember_suspension(Execution& execution, const Step& step, const std::string& by);
  void time_out_suspension(Execution& execution, const std::string& text);
  void expire_waitpoints(Execution& execution);

  void read_clock(std::int64_t clock_us);
  Execution* find(const std::string& ns, const std::string& id);
  Standing fence(const Lease& lease, Execution*& execution, std::string& outcome);
  void move(Execution& execution, State to, std::int64_t timer);
  void finish(Execution& execution, State to);
  void close_stream(Execution& execution);
  void erase(const std::string& id);
  void remember(Execution& execution, const std::string& event, Entry more);
  void tell_worker(const Execution& execution, const std::string& why);
  void revoke(Execution& execution, const std::string& why);
  State fail_attempt(Execution& execution, const Failure& failure, std::int64_t& retry_at);
  void crash(Execution& execution);
  void do_claim(const Claim& claim, Reply& reply);
  std::int64_t check_in(const Claim& claim, std::int64_t room, std::optional<std::int64_t> next, Reply& reply);
  void narrow(std::size_t slot, std::size_t rows, Reply& reply);
  void hand_over(Execution& execution, std::int64_t ready_at, Reply& reply);
  std::string complete_one(const Lease& lease, const std::string& type, const std::string& result, bool elsewhere);
  std::string release_one(const Lease& lease, bool started, std::int64_t delay_ms, const std::string& reason,
                          bool elsewhere);
  Reply ask_to_end(Execution& execution, std::int64_t grace_ms, const std::string& reason);
  std::int64_t do_due(std::int64_t limit, std::map<std::string, std::int64_t>& fired);
  void fire(const std::string& index, Execution& execution);
  std::int64_t fire_limits(const std::vector<std::string>& due, std::int64_t limit,
                           std::map<std::string, std::int64_t>& fired);
  void take_from_limits();
  void end_by_deadline(Execution& execution);
  struct Offer {
    std::string queue, name;  // A line.
    std::int64_t count = 0;
    std::string last;  // Who ran it before; empty: nobody.
  };
  void offer(const std::string& queue, const std::string& name, std::int64_t count, const std::string& last);
  struct Woken {
    bool any = false, more = false;  // Whether somebody was; whether others may be idle.
  };
  Woken wake(Offer& offer, bool patient);
  void wake_from(Offer& offer, const std::string& index, int& tries, Woken& woken);
  std::vector<std::string> idle_indexes(const Offer& offer, bool patient) const;
  std::string required_by(const std::string& queue, const std::string& name) const;
  bool is_choosy(const Offer& offer) const;
  Offer again(const std::string& route) const;
  std::vector<Offer> all_offers(const std::string& queue) const;

  void place(Execution& execution, std::int64_t ms, std::int64_t priority);
  std::int64_t serving(const std::string& queue, const std::string& name);
  struct Line;
  struct Taken;
  Taken take(const std::string& queue, const Claim& claim, std::int64_t room, Reply& reply);
  Taken take_lines(const std::string& queue, const Claim& claim, std::int64_t room, Reply& reply);
  void take_from(Line& line, const std::string& queue, const Claim& claim, std::int64_t& room, std::int64_t limit,
                 Reply& reply);
  void take_common(Line& line, const std::string& queue, const Claim& claim, std::int64_t& room, std::int64_t limit,
                   Reply& reply);
  bool take_page(Line& line, const std::string& queue, const Claim& claim, std::size_t count, std::int64_t& room,
                 std::int64_t limit, Reply& reply);
  void lacks(Line& line, const std::string& queue, const Claim& claim, const std::string& text, std::int64_t rank);
  void settle_common(const std::string& queue, const Line& line, bool alone);
  void start(Execution& execution, const Claim& claim, Reply& reply);
  std::vector<Line> lines_for(const std::string& queue, const Claim& claim);
  void note_lacking(const Claim& claim, const std::string& queue, const Line& line);
  void note_set(const std::string& queue, const std::string& capabilities);
  void settle(const std::string& queue, const Line& line, bool alone);
  std::vector<std::string> sweep(const std::string& queue);
  bool is_served(const std::string& queue, const std::string& requirements) const;
  struct Eligible;
  std::vector<Eligible> eligible(const Claim& claim) const;
  void check_claim(const Claim& claim, const std::vector<Eligible>& before, std::size_t rows, const Reply& reply);

  ff::core::Policy effective(const Execution& execution);
  std::int64_t retention_ms(const Execution& execution) const;
  std::string lane_refuses(const Execution& item, bool again, bool keyed, std::map<std::string, std::int64_t>& depths,
                           std::string& where) const;
  Reply set_lanes(Args& args);
  void rank_anew(const std::string& queue, const Lane& from, const Lane& to);
  void tell(const std::string& worker, const std::string& text);
  void commit();

  std::set<std::string> listened_;
  std::int64_t now_ = 0, now_us_ = 0, clock_ms_ = 0, skew_tenths_ = 0, engine_seen_ = 0;
  std::map<std::string, Execution> executions_;
  std::map<std::string, Known> known_;
  std::map<std::string, std::map<std::string, std::int64_t>> idle_;
  std::map<std::string, std::int64_t> handoffs_;
  std::set<std::string> lanes_;
  std::map<std::string, Lane> records_;
  std::map<std::string, Lines> lines_;
  std::map<std::string, Remembered> remembered_;
  std::int64_t lanes_version_ = 0;
  Limits limits_;
  std::string broken_;
  std::deque<std::vector<std::string>> events_;
  std::size_t event_count_ = 0;
  bool committed_ = false, rare_rows_ = false, required_rows_ = false;
  Counters counters_;
  // Of the commit under way.
  std::vector<std::string> commit_events_;
  std::vector<Offer> offers_;
  std::set<std::string> unanswered_;  // Lines whose handoff was due.
  struct Leaving {
    std::string line;
    std::int64_t service, priority;
    std::string id;
  };
  std::vector<Leaving> leaving_;  // Entries of lines that go with this commit.
  std::vector<Message> tells_;
  std::vector<Message> messages_;
};

// The policies that a run uses, and how the library must store each: the model knows no others.
struct PaletteEntry {
  std::string text;  // What is submitted.
  std::optional<ff::core::Policy> policy;  // none: refused as bad_policy.
};
const std::vector<PaletteEntry>& palette();

// The policies of lanes that a run uses; all are good.
const std::vector<ff::core::LanePolicy>& lane_policies();

// What executions of a run require, and what workers can do: capabilities joined by commas.
const std::vector<std::string>& requirement_texts();
const std::vector<std::string>& capability_texts();

// The conditions that a run uses.
struct ConditionEntry {
  std::string text;
  std::optional<ff::core::Condition> condition;  // none: no condition, or refused.
};
const std::vector<ConditionEntry>& conditions();

}  // namespace ff::model
