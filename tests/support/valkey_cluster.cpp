#include "support/valkey_cluster.hpp"

#include <sstream>
#include <stdexcept>

#include "support/wait.hpp"

namespace ff::test {
namespace {

constexpr std::uint32_t kSlots = 16384;
constexpr std::chrono::seconds kAgreeLimit{10};

std::uint16_t crc16(std::string_view bytes) {
  std::uint32_t crc = 0;
  for (unsigned char byte : bytes) {
    crc ^= std::uint32_t{byte} << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1 & 0xffff;
  }
  return static_cast<std::uint16_t>(crc);
}

// One line of CLUSTER NODES.
struct NodeLine {
  std::string id, address, flags, primary, ping, pong, epoch, link;
  std::vector<std::string> slots;
};

std::vector<NodeLine> cluster_nodes(const ValkeyServer& server) {
  std::vector<NodeLine> nodes;
  std::istringstream text(server.cli("CLUSTER", "NODES"));
  for (std::string line; std::getline(text, line);) {
    NodeLine node;
    std::istringstream words(line);
    words >> node.id >> node.address >> node.flags >> node.primary >> node.ping >> node.pong >> node.epoch >> node.link;
    for (std::string slot; words >> slot;) node.slots.push_back(slot);
    if (!node.link.empty()) nodes.push_back(std::move(node));
  }
  return nodes;
}

bool covers(const std::string& range, std::uint16_t slot) {
  if (range.front() == '[') return false;  // A slot on the move; its owner lists it as a plain range too.
  auto dash = range.find('-');
  auto first = std::stoul(range);
  auto last = dash == std::string::npos ? first : std::stoul(range.substr(dash + 1));
  return first <= slot && slot <= last;
}

bool cluster_ok(const ValkeyServer& server) {
  return server.cli("CLUSTER", "INFO").find("cluster_state:ok") != std::string::npos;
}

}  // namespace

ValkeyCluster::ValkeyCluster(ClusterOptions options) : options_(std::move(options)) {
  if (options_.replicas > 1) throw std::invalid_argument("ValkeyCluster: at most one replica of each primary");
  if (options_.node_timeout.count() == 0) options_.node_timeout = Duration(options_.replicas > 0 ? 2'000 : 15'000);
  start_nodes();
  join_nodes();
  attach_replicas();
  wait_ok();
}

void ValkeyCluster::start_nodes() {
  ServerOptions server = options_.server;
  server.cluster = true;
  auto timeout = std::to_string(options_.node_timeout.count());
  server.args.insert(server.args.begin(), {"--cluster-node-timeout", timeout});
  std::size_t count = options_.primaries * (1 + options_.replicas);
  for (std::size_t i = 0; i < count; ++i) nodes_.push_back(ValkeyServer::launch(server));
  for (auto& node : nodes_) {
    node->wait_ready();
    ids_.push_back(node->cli("CLUSTER", "MYID"));
  }
}

// Everybody meets everybody: waiting for gossip to introduce them would take seconds.
void ValkeyCluster::join_nodes() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i]->cli("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
    if (i >= options_.primaries) continue;
    auto first = kSlots * i / options_.primaries;
    auto last = kSlots * (i + 1) / options_.primaries - 1;
    nodes_[i]->cli("CLUSTER", "ADDSLOTSRANGE", first, last);
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    for (std::size_t j = i + 1; j < nodes_.size(); ++j) {
      nodes_[i]->cli("CLUSTER", "MEET", "127.0.0.1", nodes_[j]->port(), nodes_[j]->cluster_port());
    }
  }
}

void ValkeyCluster::attach_replicas() {
  for (std::size_t i = options_.primaries; i < nodes_.size(); ++i) {
    const auto& primary = ids_[i - options_.primaries];
    auto attach = [&] { return !nodes_[i]->command({"CLUSTER", "REPLICATE", primary}).is_error(); };
    bool attached = wait_until(attach, kAgreeLimit);
    if (!attached) throw std::runtime_error("ValkeyCluster: a replica does not find its primary\n" + logs());
  }
}

bool ValkeyCluster::all_ok() const {
  for (const auto& node : nodes_) {
    if (!node->running()) continue;
    if (!cluster_ok(*node)) return false;
    auto seen = cluster_nodes(*node);
    if (seen.size() < nodes_.size()) return false;
    std::size_t replicas = 0;
    for (const auto& line : seen) {
      if (line.flags.find("handshake") != std::string::npos) return false;
      replicas += line.flags.find("slave") != std::string::npos ? 1 : 0;
    }
    // Every replica is known as one to everybody, unless it has been promoted: then a primary is dead or came back as
    // one.
    bool all_run = true;
    for (const auto& other : nodes_) all_run = all_run && other->running();
    if (all_run && replicas != options_.primaries * options_.replicas) return false;
    if (node->info("role") == "slave" && node->info("master_link_status") != "up") return false;
  }
  return true;
}

void ValkeyCluster::wait_ok(Duration limit) {
  bool ok = wait_until([this] { return all_ok(); }, limit);
  if (!ok) throw std::runtime_error("ValkeyCluster: not ok in time\n" + logs());
}

std::uint16_t ValkeyCluster::slot_of(std::string_view key) {
  auto open = key.find('{');
  if (open != std::string_view::npos) {
    auto close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  return static_cast<std::uint16_t>(crc16(key) % kSlots);
}

// Index of the node that `server` believes to own the slot; -1: none or one we do not run.
long ValkeyCluster::owner_seen_by(const ValkeyServer& server, std::uint16_t slot) const {
  for (const auto& line : cluster_nodes(server)) {
    for (const auto& range : line.slots) {
      if (!covers(range, slot)) continue;
      for (std::size_t i = 0; i < ids_.size(); ++i) {
        if (ids_[i] == line.id) return static_cast<long>(i);
      }
    }
  }
  return -1;
}

bool ValkeyCluster::node_knows(std::size_t node, std::uint16_t slot, std::size_t owner) const {
  return !nodes_[node]->running() || owner_seen_by(*nodes_[node], slot) == static_cast<long>(owner);
}

std::size_t ValkeyCluster::owner_of(std::uint16_t slot) const {
  long agreed = -1;
  bool found = wait_until([&] {
    agreed = -1;
    for (const auto& node : nodes_) {
      if (!node->running()) continue;
      long seen = owner_seen_by(*node, slot);
      if (seen < 0 || (agreed >= 0 && agreed != seen)) return false;
      agreed = seen;
    }
    return agreed >= 0;
  }, kAgreeLimit);
  if (!found) throw std::runtime_error("ValkeyCluster: no agreed owner of slot " + std::to_string(slot));
  return static_cast<std::size_t>(agreed);
}

void ValkeyCluster::begin_migration(std::uint16_t slot, std::size_t to) {
  auto from = owner_of(slot);
  if (from == to) throw std::invalid_argument("ValkeyCluster: the node owns the slot already");
  nodes_.at(to)->cli("CLUSTER", "SETSLOT", slot, "IMPORTING", ids_[from]);
  nodes_[from]->cli("CLUSTER", "SETSLOT", slot, "MIGRATING", ids_[to]);
  migrations_.push_back(Migration{slot, from, to});
}

ValkeyCluster::Migration ValkeyCluster::migration_of(std::uint16_t slot) const {
  for (const auto& migration : migrations_) {
    if (migration.slot == slot) return migration;
  }
  throw std::invalid_argument("ValkeyCluster: slot " + std::to_string(slot) + " is not moving");
}

std::size_t ValkeyCluster::migrate_keys(std::uint16_t slot, std::size_t count) {
  auto migration = migration_of(slot);
  const auto& from = *nodes_[migration.from];
  auto keys = from.command({"CLUSTER", "GETKEYSINSLOT", std::to_string(slot), std::to_string(count)});
  if (keys.elements.empty()) return 0;
  auto port = std::to_string(nodes_[migration.to]->port());
  std::vector<std::string> move = {"MIGRATE", "127.0.0.1", port, "", "0", "10000"};
  if (!options_.server.password.empty()) move.insert(move.end(), {"AUTH", options_.server.password});
  move.push_back("KEYS");
  for (const auto& key : keys.elements) move.push_back(key.text);
  auto reply = from.command(move);
  if (reply.is_error()) throw std::runtime_error("MIGRATE: " + reply.text);
  return keys.elements.size();
}

void ValkeyCluster::finish_migration(std::uint16_t slot) {
  auto migration = migration_of(slot);
  while (migrate_keys(slot, 100) != 0) {
  }
  // The target first: if the source went first and failed, the slot would have no owner.
  nodes_[migration.to]->cli("CLUSTER", "SETSLOT", slot, "NODE", ids_[migration.to]);
  nodes_[migration.from]->cli("CLUSTER", "SETSLOT", slot, "NODE", ids_[migration.to]);
  std::erase_if(migrations_, [slot](const Migration& m) { return m.slot == slot; });
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!wait_until([&] { return node_knows(i, slot, migration.to); }, kAgreeLimit)) {
      throw std::runtime_error("ValkeyCluster: a node does not learn of the moved slot\n" + logs());
    }
  }
}

void ValkeyCluster::abort_migration(std::uint16_t slot) {
  auto migration = migration_of(slot);
  nodes_[migration.from]->cli("CLUSTER", "SETSLOT", slot, "STABLE");
  nodes_[migration.to]->cli("CLUSTER", "SETSLOT", slot, "STABLE");
  std::erase_if(migrations_, [slot](const Migration& m) { return m.slot == slot; });
}

void ValkeyCluster::move_slot(std::uint16_t slot, std::size_t to) {
  begin_migration(slot, to);
  finish_migration(slot);
}

std::size_t ValkeyCluster::kill_primary_of(std::uint16_t slot) {
  auto owner = owner_of(slot);
  nodes_[owner]->kill9();
  return owner;
}

std::size_t ValkeyCluster::wait_failover(std::uint16_t slot, std::size_t dead, Duration limit) {
  long owner = -1;
  bool over = wait_until([&] {
    owner = -1;
    for (const auto& node : nodes_) {
      if (!node->running()) continue;
      long seen = owner_seen_by(*node, slot);
      if (seen < 0 || seen == static_cast<long>(dead) || (owner >= 0 && owner != seen)) return false;
      if (!cluster_ok(*node)) return false;
      owner = seen;
    }
    return owner >= 0;
  }, limit);
  if (!over) throw std::runtime_error("ValkeyCluster: no failover in time\n" + logs());
  return static_cast<std::size_t>(owner);
}

std::string ValkeyCluster::logs() const {
  std::string text;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    auto log = nodes_[i]->log();
    text += "--- node " + std::to_string(i) + "\n" + log.substr(log.size() > 2000 ? log.size() - 2000 : 0);
  }
  return text;
}

}  // namespace ff::test
