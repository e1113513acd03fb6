#pragma once
// Random calls with adversarial arguments, drawn from a seed and from what the model holds at the moment.

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "support/seed.hpp"

namespace ff::model {

class Generator {
 public:
  // Each generator draws its own mix: how many ids, how often each verb, how fast time goes. `focus` is in all of them;
  // without one, each kind of call is in some.
  enum class Focus { none, limits, lanes };
  explicit Generator(ff::test::Rng rng, Focus focus = Focus::none);
  Op next(const Model& model);

  // The workers of every run; nobody listens for the last one.
  static const std::vector<std::string>& workers();
  static std::set<std::string> listened();
  // Every id that any run uses.
  static const std::vector<std::string>& all_ids();

 private:
  using Words = std::vector<std::string>;
  struct Held {
    std::string id, lease, epoch;
  };

  void move_clock(const Model& model, Op& op);
  void note_leases(const Model& model);
  Words make(const std::string& verb, const Model& model);
  Words submit(const Model& model);
  void make_alike(Words& words, bool plain);
  void submit_item(const Model& model, Words& words);
  Words claim(const Model& model);
  Words complete(const Model& model);
  Words list(const Model& model);
  Words append_frames(const Model& model);
  Words of_lease(const std::string& verb, const Model& model);
  Words of_step(const std::string& verb, const Model& model);
  void add_waitpoints(Words& words);
  Words set_lanes(const Model& model);
  void add_abilities(Words& words);
  Words of_limit(const std::string& verb, const Model& model);
  Words reserve(const Model& model, bool keep);
  Words set_budget(const Model& model, const std::string& name);
  void add_reservation(const Model& model, Words& words, std::size_t which, bool keep);
  std::string held(const Holder& holder, bool is_budget);
  std::string resets(const Model& model);
  Held lease(const Model& model);
  void add_leases(const Model& model, Words& words, bool with_result);
  const std::string& pick(const Words& words) { return words[rng_.below(words.size())]; }
  const std::string& some(const Words& words);
  std::string number(std::initializer_list<std::int64_t> choices);
  std::string ns(const Model& model, const std::string& id);
  std::string id(const Model& model, bool ended);
  std::string generation(const Model& model, const std::string& id);
  std::string queues();
  std::string fresh_lease();

  ff::test::Rng rng_;
  Words ids_;
  std::vector<std::pair<std::string, std::uint64_t>> weights_;  // Verbs, cumulative.
  double still_, jump_, back_, routed_;
  Words routes_;  // What executions of this run require: few texts, so that lines grow.
  bool one_lane_ = false;
  std::int64_t clock_us_;
  std::uint64_t leases_made_ = 0;
  std::deque<Held> seen_;
  std::map<std::string, std::string> current_;  // id to lease and epoch already in seen_.
  std::deque<Op> recent_;
};

}  // namespace ff::model
