#pragma once
// Comparison of what the model says with what Valkey answered and holds.

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/model.hpp"
#include "support/resp_client.hpp"
#include "support/snapshot.hpp"

namespace ff::model {

// Empty: the reply is what the model expects.
std::string difference(const Reply& expected, const ff::test::RespValue& got);

// Every key under a partition's tag against the model, field by field. Remembers JSON it has read before.
class StateCompare {
 public:
  // Empty: all is as the model says. The snapshot has all strings, and the newest entries of history and events.
  std::string difference(const Model& model, const ff::test::Snapshot& snapshot);

 private:
  using Key = ff::test::StoredKey;
  void core(const Key& key, const Execution& execution);
  void satellite(const Key& key, const Execution& execution, std::string_view which);
  void step(const Key& key, const Execution& execution, std::string_view which);
  void history(const Key& key, const Execution& execution);
  void stream_state(const Key& key, const Execution& execution);
  void execution_key(const Key& key);
  void index_key(const Key& key);
  using Scores = std::vector<std::pair<std::int64_t, std::string_view>>;
  void sorted(const Key& key, Scores expected);
  void partition(const Key& key);
  void events(const Key& key);
  bool limit_key(const Key& key);
  std::size_t limit_keys() const;
  bool lane_key(const Key& key);
  std::size_t lane_keys() const;
  void known(const Key& key);
  void count_keys();
  void wrong(const Key& key, const std::string& what);
  void equal(const Key& key, std::string_view found, const std::string& expected);

  const Model* model_ = nullptr;
  const ff::test::Snapshot* snapshot_ = nullptr;
  std::string problems_;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> parsed_;
};

}  // namespace ff::model
