#pragma once
// What a suspension waits for. Thread safety: values and pure functions.
//
//   named("approve")                                    one signal of this name
//   named("approve").times(3).distinct()                from three different sources
//   any_of(named("reject"), all_of(named("legal").at("contract"), named("paid")))

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ff/core/result.hpp"

namespace ff::core {

// A tree. A leaf holds once `count` signals have come that have one of `names`, at `waitpoint`, and
// not from a source in `not_from`; with `is_distinct`, from that many different sources. A signal
// counts once at every leaf that takes it. What holds goes on holding.
struct Condition {
  enum class Kind : std::uint8_t { signals, all, any };
  Kind kind = Kind::signals;
  std::vector<Condition> parts;  // Of all and any: 1 or more.
  // Of a leaf:
  std::vector<std::string> names;     // Empty: any. At most 32.
  std::vector<std::string> not_from;  // At most 32 sources that do not count.
  std::string waitpoint;              // Label; empty: any of the suspension.
  std::int64_t count = 1;             // 1 to 10000, distinct: to 64.
  bool is_distinct = false;

  Condition() = default;
  Condition(Kind k, std::vector<Condition> p) : kind(k), parts(std::move(p)) {}
  explicit Condition(std::vector<std::string> n) : names(std::move(n)) {}

  // Of a leaf, one after the other.
  Condition times(std::int64_t n) && {
    count = n;
    return std::move(*this);
  }
  Condition distinct() && {
    is_distinct = true;
    return std::move(*this);
  }
  Condition at(std::string label) && {
    waitpoint = std::move(label);
    return std::move(*this);
  }
  Condition except(std::vector<std::string> sources) && {
    not_from = std::move(sources);
    return std::move(*this);
  }
  friend bool operator==(const Condition&, const Condition&) = default;
};

inline Condition any_signal() { return Condition(); }
template <class... Names>
Condition named(Names&&... names) {
  std::vector<std::string> list;
  (list.emplace_back(std::forward<Names>(names)), ...);
  return Condition(std::move(list));
}
template <class... Parts>
Condition all_of(Parts... parts) {
  std::vector<Condition> list;
  (list.push_back(std::move(parts)), ...);
  return Condition(Condition::Kind::all, std::move(list));
}
template <class... Parts>
Condition any_of(Parts... parts) {
  std::vector<Condition> list;
  (list.push_back(std::move(parts)), ...);
  return Condition(Condition::Kind::any, std::move(list));
}

// Refuses the first field that is out of range, a tree deeper than 8 or with more than 32 leaves,
// an empty `all` or `any`, and one that has what belongs to a leaf. The message names the place,
// such as condition.any[1].count. Error: invalid_argument/bad_condition.
Result<void> validate(const Condition& condition);

// Canonical JSON: {"all":[…]}, {"any":[…]}, or a leaf with those of "names", "not_from",
// "waitpoint", "count", "distinct" that are not the default ({} takes any signal). Precondition:
// validate() accepts it.
std::string to_wire(const Condition& condition);

}  // namespace ff::core
