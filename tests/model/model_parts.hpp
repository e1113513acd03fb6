#pragma once
// What the model's source files share.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/model.hpp"

namespace ff::model {

// A step of priority is worth a minute of waiting: the model's lanes have no policy.
constexpr std::int64_t kStepMs = 60'000, kRankEpochMs = 1735689600000, kPriorityMax = 9000;

std::int64_t rank(const Execution& execution);
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

// Reads arguments in order.
class Args {
 public:
  explicit Args(const std::vector<std::string>& all) : all_(all) {}
  bool more() const noexcept { return at_ < all_.size(); }
  const std::string& bytes() { return all_.at(at_++); }
  std::int64_t integer() { return std::stoll(bytes()); }
  bool flag() { return bytes() == "1"; }
  // Joined by commas; each counts once.
  std::vector<std::string> names() {
    std::vector<std::string> list;
    const auto& text = bytes();
    for (std::size_t from = 0; from <= text.size();) {
      auto end = std::min(text.find(',', from), text.size());
      auto name = text.substr(from, end - from);
      bool known = false;
      for (const auto& other : list) known = known || other == name;
      if (!name.empty() && !known) list.push_back(std::move(name));
      from = end + 1;
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
  std::size_t slot = 0;  // Of `left` in the reply; `head`, `check_in_ms` and `lacking` follow.
  Claim() = default;
};

}  // namespace ff::model
