#pragma once
// What the model's source files share.

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "ff/core/capability.hpp"
#include "model/model.hpp"

namespace ff::model {

constexpr std::int64_t kRankEpochMs = 1735689600000, kPriorityMax = 9000;
constexpr std::int64_t kStrictStep = std::int64_t(1) << 39;  // No time makes up for one step of priority.
constexpr std::size_t kRowFieldsAlways = 9, kRowFields = 18, kRowRequirements = 13;  // Of what a claim hands over.
constexpr std::size_t kInCore = 64;  // Bytes of requirements; longer ones are a satellite.
constexpr std::int64_t kStepsKept = 8;
constexpr std::int64_t kPatienceMs = 5000;  // For how long one leaves an execution to who is preferred.
constexpr std::int64_t kFront = -1;  // As the time that a ready execution ranks by.

// The first 16 hex digits of a text's SHA-1.
std::string digest(const std::string& text);
// What a text of requirements asks for.
struct Required {
  std::set<std::string> needs, prefers;
  bool limited = false;
  explicit Required(const std::string& text);
};
ff::core::Capabilities capabilities_of(const std::string& text);
// The line of what needs nothing but allowances, and what it has for requirements.
constexpr const char* kCommonLine = "*";
constexpr const char* kCommonText = "#*";
bool is_common(const std::string& requirements);

std::string route_of(const std::string& queue, const std::string& name);  // As handoffs and keys name a line.
std::vector<std::string> split(const std::string& text, char at);  // Without empty parts.
// The jitter's chance, in [0, 1): the library's own, so that even delays with jitter are exact.
double chance(std::int64_t now_us, const std::string& id);
std::string shorten(const std::string& text, std::size_t bytes);
// What a claim hands over of the last suspension, empty: nothing.
std::string resumption_of(const Execution& execution);
// As stored: netstrings.
std::string record_of(const Step::Signal& signal);

inline Reply answered(std::vector<std::string> fields) {
  Reply reply;
  reply.fields = std::move(fields);
  return reply;
}
inline Reply refused(const char* why) { return answered({"refused", why}); }
inline std::string text(std::int64_t value) { return std::to_string(value); }

// Reads arguments in order.
class Args {
 public:
  explicit Args(const std::vector<std::string>& all) : all_(all) {}
  bool more() const noexcept { return at_ < all_.size(); }
  const std::string& bytes() { return all_.at(at_++); }
  std::int64_t integer() { return std::stoll(bytes()); }
  bool flag() { return bytes() == "1"; }
  // Joined by commas.
  std::vector<std::string> words() {
    std::vector<std::string> list;
    const auto& text = bytes();
    for (std::size_t from = 0; from <= text.size();) {
      auto end = std::min(text.find(',', from), text.size());
      if (end > from) list.push_back(text.substr(from, end - from));
      from = end + 1;
    }
    return list;
  }
  // The same, each counts once.
  std::vector<std::string> names() {
    std::vector<std::string> list;
    for (auto& word : words()) {
      if (std::find(list.begin(), list.end(), word) == list.end()) list.push_back(std::move(word));
    }
    return list;
  }

 private:
  const std::vector<std::string>& all_;
  std::size_t at_ = 0;
};

struct Model::Lease {
  std::string id, lease, epoch;
  Lease() = default;
  explicit Lease(Args& args) {
    id = args.bytes();
    lease = args.bytes();
    epoch = args.bytes();
  }
};

struct Model::Failure {
  std::string cls, text;
  std::int64_t retry_after_ms = -1;
  bool by_holder = false;
  Failure() = default;
};

struct Model::Claim {
  std::string worker, lease;
  std::int64_t lease_ms = 0, want = 0;
  bool again = false;
  std::vector<std::string> queues;
  std::string capabilities;  // As idle workers of the same are indexed: joined by commas.
  // How many with just these limits it may still take, and what it found that it may not.
  mutable std::map<std::string, std::int64_t> allowed;
  std::set<std::string> offered, refused;
  mutable std::int64_t unmet = 0;  // Allowances for what waits in common lines, of which none was met yet.
  mutable std::set<std::string> met;
  mutable bool go_on = false;      // There may be more behind what was sorted out.
  mutable std::vector<std::string> lacking;
  mutable std::optional<std::int64_t> lacking_head;
  std::size_t slot = 0;  // Of `left` in the reply; `head`, `check_in_ms` and `lacking` follow.
  Claim() = default;
  void read_abilities(Args& args);
  std::int64_t lacking_max() const;
  mutable std::int64_t lacking_most = 0;  // That, or a few more for this lane.
  // Whether it is told that it has none, or no more, of these.
  bool has_place(const std::string& requirements) const;
};

// What a claim takes from one lane: how many, how many it could still take, and the rank of the first of these.
struct Model::Taken {
  std::int64_t count = 0, left = 0;
  std::optional<std::int64_t> head;
};

// A line as a claim sees it.
struct Model::Line {
  std::string name, requirements;
  bool patient = false, limited = false, waits = false, touched = false;
  std::optional<std::int64_t> rank;  // Of its first, as far as was looked.
  std::int64_t opened = 0;
  // Of the common line: what waits there, how many of it were looked at, passed over and sorted out, the rank of the
  // first that stays and of the next one, whether there is more to be had, and which classes were told where.
  bool common = false, more = false;
  std::vector<std::string> entries;
  std::size_t looked = 0, passed = 0, sorted = 0;
  std::optional<std::int64_t> stays, next;
  std::map<std::string, std::size_t> seen, slots;
  Line(std::string n, std::string r) : name(std::move(n)), requirements(std::move(r)) {}
};

// One that could be claimed: where it stands, its limited requirements, whether the worker must leave it for others.
struct Model::Eligible {
  std::string queue, line, id, requirements;
  std::int64_t rank = 0, order = 0;
  bool waits = false;
};

}  // namespace ff::model
