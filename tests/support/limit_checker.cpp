#include "support/limit_checker.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace ff::test {
namespace {

using std::string;
using std::string_view;
using Amounts = std::map<string, std::int64_t, std::less<>>;

// A record: "u:<namespace>/<name>" or "b:…", without a satellite behind it.
bool is_record(const StoredKey& key) {
  const bool kind = key.rest.substr(0, 2) == "u:" || key.rest.substr(0, 2) == "b:";
  return kind && key.type == "hash";
}

struct Record {
  string id;
  std::map<string, string, std::less<>> fields;
  Amounts held;                // Of all holders together.
  std::set<string> holders;
  std::vector<string> damaged;

  Record(const Snapshot& snapshot, const StoredKey& key) : id(key.rest) {
    const auto values = snapshot.values(key);
    for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
      if (values[i].front() != '@') fields.emplace(values[i], values[i + 1]);
      else if (!values[i + 1].empty()) add_holder(values[i].substr(1), values[i + 1]);
    }
  }
  std::int64_t amount(const string& field) const {
    const auto found = fields.find(field);
    return found == fields.end() ? 0 : whole_number(found->second).value_or(-1);
  }
  std::set<string> dimensions() const {
    std::set<string> found;
    for (const auto& [field, value] : fields) {
      if (field.size() > 2 && field[1] == '.') found.insert(field.substr(2));
    }
    for (const auto& [dimension, amount] : held) found.insert(dimension);
    return found;
  }

 private:
  // "<seq> <granted> <starts> <asked us> <dimension>=<amount>,… <wanted>"
  void add_holder(string_view name, string_view text) {
    holders.emplace(name);
    for (int word = 0; word < 4; ++word) text.remove_prefix(std::min(text.find(' '), text.size() - 1) + 1);
    auto amounts = text.substr(0, text.find(' '));
    while (!amounts.empty()) {
      const auto piece = amounts.substr(0, amounts.find(','));
      amounts.remove_prefix(std::min(piece.size() + 1, amounts.size()));
      const auto equals = piece.find('=');
      const auto value = whole_number(piece.substr(std::min(equals + 1, piece.size())));
      if (equals == string_view::npos || !value) damaged.emplace_back(name);
      else held[string(piece.substr(0, equals))] += *value;
    }
  }
};

class Complaints {
 public:
  Complaints(const Snapshot& snapshot, std::vector<Violation>& violations)
      : tag_(snapshot.tag()), violations_(violations) {}
  void add(const string& rest, string expected, string found) {
    violations_.emplace_back(string(), tag_ + ":" + rest, std::move(expected), std::move(found));
  }

 private:
  string tag_;
  std::vector<Violation>& violations_;
};

std::map<string, string, std::less<>> sorted_set(const Snapshot& snapshot, string_view rest) {
  std::map<string, string, std::less<>> members;
  for (const auto& key : snapshot.keys()) {
    if (key.rest != rest || key.type != "zset") continue;
    const auto values = snapshot.values(key);
    for (std::size_t i = 0; i + 1 < values.size(); i += 2) members.emplace(values[i], values[i + 1]);
  }
  return members;
}

}  // namespace

void check_limits(const Snapshot& snapshot, std::vector<Violation>& violations) {
  Complaints complaints(snapshot, violations);
  const auto due = sorted_set(snapshot, "limits_due");
  auto listed = sorted_set(snapshot, "limits");
  for (const auto& key : snapshot.keys()) {
    if (!is_record(key)) continue;
    const Record record(snapshot, key);
    for (const auto& name : record.damaged) complaints.add(record.id, "the amounts of holder " + name, "damage");
    for (const auto& dimension : record.dimensions()) {
      const auto held = record.held.find(dimension);
      const auto sum = held == record.held.end() ? 0 : held->second;
      const auto reserved = record.amount("r." + dimension);
      if (reserved == sum) continue;
      complaints.add(record.id, dimension + " reserved: what its holders have, " + std::to_string(sum),
                     std::to_string(reserved));
    }
    for (const auto& name : record.holders) {
      if (!due.count("h " + record.id + " " + name)) complaints.add("limits_due", "the end of " + name, "none");
    }
    const auto resets = record.fields.find("z");
    const auto timer = due.find("r " + record.id);
    if (resets != record.fields.end() && (timer == due.end() || timer->second != resets->second)) {
      complaints.add("limits_due", "the reset of " + record.id + " at " + resets->second,
                     timer == due.end() ? "none" : timer->second);
    }
    if (record.fields.count("d") != listed.erase(record.id)) {
      complaints.add("limits", "the limits that are defined", record.id + " wrongly there or not");
    }
  }
  for (const auto& [id, score] : listed) complaints.add("limits", "a record behind " + id, "none");
}

std::vector<Violation> check_hard_limits(const Snapshot& snapshot) {
  std::vector<Violation> violations;
  Complaints complaints(snapshot, violations);
  for (const auto& key : snapshot.keys()) {
    if (!is_record(key)) continue;
    const Record record(snapshot, key);
    for (const auto& dimension : record.dimensions()) {
      if (!record.fields.count("h." + dimension)) continue;
      const auto hard = record.amount("h." + dimension);
      const auto taken = record.amount("u." + dimension) + record.amount("r." + dimension);
      if (taken <= hard) continue;
      complaints.add(record.id, dimension + ": at most " + std::to_string(hard), std::to_string(taken));
    }
  }
  return violations;
}

}  // namespace ff::test
