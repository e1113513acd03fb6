#pragma once
// ValkeyCluster: a Valkey Cluster of the test's own, ready to serve all 16384 slots when the constructor returns.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "support/valkey_server.hpp"

namespace ff::test {

struct ClusterOptions {
  std::size_t primaries = 3;
  std::size_t replicas = 0;  // Of each primary: 0 or 1.
  // After which a node counts as dead. 0: 2 s where a replica is to take over, else 15 s, so that on a machine that is
  // busy nobody looks dead.
  std::chrono::milliseconds node_timeout{0};
  ServerOptions server;  // Of every node.
  ClusterOptions() = default;
};

// Nodes 0 .. primaries-1 start as primaries with equal shares of the slots; node primaries+i starts as the replica of
// i. Not thread-safe.
class ValkeyCluster {
 public:
  using Duration = std::chrono::milliseconds;

  // Returns when every node sees cluster_state:ok and every replica's link is up. Throws with the nodes' logs
  // otherwise.
  explicit ValkeyCluster(ClusterOptions options = ClusterOptions());

  const std::vector<std::unique_ptr<ValkeyServer>>& nodes() const noexcept { return nodes_; }
  ValkeyServer& node(std::size_t index) const { return *nodes_.at(index); }
  std::size_t primaries() const noexcept { return options_.primaries; }
  const std::string& id(std::size_t index) const { return ids_.at(index); }

  // CRC16 of the key's hash tag, modulo 16384.
  static std::uint16_t slot_of(std::string_view key);
  // Index of the node that owns the slot, as the running nodes agree. Throws when they do not within 10 s.
  std::size_t owner_of(std::uint16_t slot) const;

  // Marks the slot as moving: afterwards the owner answers ASK or TRYAGAIN for keys it does not have.
  void begin_migration(std::uint16_t slot, std::size_t to);
  // Moves up to `count` keys of a slot that is moving; returns how many there were.
  std::size_t migrate_keys(std::uint16_t slot, std::size_t count);
  // Moves what is left, gives the slot to its target and waits until every running node knows.
  void finish_migration(std::uint16_t slot);
  // Takes the marks back; keys that have moved already stay where they are, so call it before migrate_keys.
  void abort_migration(std::uint16_t slot);
  void move_slot(std::uint16_t slot, std::size_t to);

  // kill -9. Returns the node that owned `slot` and is now dead.
  std::size_t kill_primary_of(std::uint16_t slot);
  // Waits until another node than `dead` owns the slot and cluster_state is ok on every running node; returns the new
  // owner.
  std::size_t wait_failover(std::uint16_t slot, std::size_t dead, Duration limit = Duration(30'000));
  // Waits until every running node says cluster_state:ok and every replica that runs has its link up.
  void wait_ok(Duration limit = Duration(30'000));

 private:
  struct Migration {
    std::uint16_t slot;
    std::size_t from, to;
  };
  void start_nodes();
  void join_nodes();
  void attach_replicas();
  bool all_ok() const;
  bool node_knows(std::size_t node, std::uint16_t slot, std::size_t owner) const;
  long owner_seen_by(const ValkeyServer& server, std::uint16_t slot) const;
  Migration migration_of(std::uint16_t slot) const;
  std::string logs() const;

  ClusterOptions options_;
  std::vector<std::unique_ptr<ValkeyServer>> nodes_;
  std::vector<std::string> ids_;
  std::vector<Migration> migrations_;
};

}  // namespace ff::test
