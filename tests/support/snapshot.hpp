#pragma once
// Snapshot: all that one hash tag holds, as it is stored; the checker and the model test look at it.

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/resp_client.hpp"

namespace ff::test {

struct StoredKey {
  std::string_view rest;    // What follows "<tag>:"; empty for the tag itself.
  std::string_view type;    // As TYPE says; core: the string that is an execution's core.
  std::string_view note;    // hash: its encoding, if asked for; list, stream and string: the length.
  std::int64_t ttl_ms = -2; // -1: none; -2: not asked for.
  std::size_t first = 0, count = 0;  // Its values, see Snapshot::values.
  StoredKey() = default;
};

// How much is read. A key left out of `strings` still shows its length.
struct SnapshotScope {
  std::int64_t history_entries = 0;  // The newest of each history; 0: none.
  std::int64_t events = 0;           // The newest entries of the event stream; 0: none.
  bool all_strings = false;          // false: only policies, idempotency records and documents of steps.
  // true: types are taken from the names of keys (a wrong one raises), encodings and expiries are not asked for.
  bool quick = false;
  SnapshotScope() = default;
};

// nullopt: `text` is anything else.
std::optional<std::int64_t> whole_number(std::string_view text);

// Move-only: everything points into the replies, which it keeps.
class Snapshot {
 public:
  explicit Snapshot(std::string tag) : tag_(std::move(tag)) {}
  Snapshot(Snapshot&&) = default;
  Snapshot& operator=(Snapshot&&) = default;
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  const std::string& tag() const noexcept { return tag_; }
  const std::vector<StoredKey>& keys() const noexcept { return keys_; }
  // hash and core: field, value, …; zset: member, score, …; set and list: the elements; string: the bytes, or nothing;
  // stream: newest entry first, for each the number of its fields and values, then these.
  std::span<const std::string_view> values(const StoredKey& key) const {
    return std::span(values_).subspan(key.first, key.count);
  }
  // Adds what the dump script answered. Throws std::runtime_error when it is not that.
  void add(std::string packed);

 private:
  std::string tag_;
  std::deque<std::string> replies_;
  std::vector<StoredKey> keys_;
  std::vector<std::string_view> values_;
};

// The Lua script behind it all, for EVAL with no keys: dumps every key under a tag, in one reply. Only for the small
// databases of tests, because it uses KEYS. Arguments: dump_arguments().
extern const std::string kDumpScript;
std::vector<std::string> dump_arguments(const std::string& tag, const SnapshotScope& scope);

// Everything under one tag, by SCAN and pipelined reads: no single call is long, so what changes meanwhile may show
// half
// changed. Reads values of strings as `scope` says.
Snapshot read_snapshot(RespClient& client, const std::string& tag, const SnapshotScope& scope);

// The same for all tags of a deployment on this node: "{ff}" and "{ff:<p>.<salt>}" for the prefix "ff".
std::vector<Snapshot> read_deployment(RespClient& client, const std::string& prefix, const SnapshotScope& scope);

}  // namespace ff::test
