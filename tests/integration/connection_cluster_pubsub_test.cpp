// Sharded pub/sub in a cluster: channels follow their slots.
#include <catch2/catch_test_macros.hpp>

#include "integration/connection_listener.hpp"
#include "support/valkey_cluster.hpp"

using namespace ff::test;

namespace {

ConnectionOptions quick_seed(const ValkeyCluster& cluster) {
  auto options = over_tcp(cluster.node(0).port());
  options.cluster = true;
  options.backoff_max = Millis(100);
  return options;
}

// Publishes until the listener hears it: a new subscription may still be on its way.
bool hears(Client& client, Listener& listener, const std::string& channel, const std::string& payload) {
  return client.until([&] {
    client.must({"SPUBLISH", channel, payload}, ValkeyCluster::slot_of(channel));
    client.idle(Millis(10));
    return !listener.messages.empty() && listener.messages.back() == payload;
  });
}

}  // namespace

TEST_CASE("channels are heard on every node") {
  ValkeyCluster cluster;
  Client client(quick_seed(cluster));
  std::vector<std::unique_ptr<Listener>> listeners;
  for (int i = 0; i < 200; ++i) {
    const std::string channel = "c" + std::to_string(i);
    listeners.push_back(std::make_unique<Listener>(client, ValkeyCluster::slot_of(channel), channel));
  }
  REQUIRE(client.until([&] {
    return std::all_of(listeners.begin(), listeners.end(), [](auto& l) { return l->gaps == 1; });
  }));

  for (int i = 0; i < 200; ++i) {
    const std::string channel = "c" + std::to_string(i);
    client.start({"SPUBLISH", channel, channel}, Millis(5000), ValkeyCluster::slot_of(channel));
  }

  REQUIRE(client.until([&] {
    return std::all_of(listeners.begin(), listeners.end(), [](auto& l) { return l->messages.size() == 1; });
  }));
}

TEST_CASE("a channel follows its slot to another node, with a gap") {
  ValkeyCluster cluster;
  Client client(quick_seed(cluster));
  const auto slot = ValkeyCluster::slot_of("news");
  Listener listener(client, slot, "news");
  REQUIRE(client.until([&] { return listener.gaps == 1; }));
  REQUIRE(hears(client, listener, "news", "before"));

  for (int round = 0; round < 3; ++round) {
    const int gaps = listener.gaps;
    cluster.move_slot(slot, (cluster.owner_of(slot) + 1) % 3);

    REQUIRE(client.until([&] { return listener.gaps > gaps; }));
    REQUIRE(hears(client, listener, "news", "after " + std::to_string(round)));
  }
}

TEST_CASE("a subscription made with an old map follows MOVED") {
  ValkeyCluster cluster;
  Client client(quick_seed(cluster));
  const auto slot = ValkeyCluster::slot_of("news");
  client.must({"GET", "news"}, slot);
  cluster.move_slot(slot, (cluster.owner_of(slot) + 1) % 3);

  Listener listener(client, slot, "news");

  REQUIRE(client.until([&] { return listener.gaps >= 1; }));
  REQUIRE(hears(client, listener, "news", "x"));
}

TEST_CASE("channels of a primary that dies are heard on its replica") {
  ClusterOptions options;
  options.replicas = 1;
  options.node_timeout = Millis(1000);
  ValkeyCluster cluster(options);
  Client client(quick_seed(cluster));
  const auto slot = ValkeyCluster::slot_of("news");
  Listener listener(client, slot, "news");
  REQUIRE(client.until([&] { return listener.gaps == 1; }));
  const int gaps = listener.gaps;

  cluster.kill_primary_of(slot);

  REQUIRE(client.until([&] { return listener.gaps > gaps; }, Millis(30'000)));
  REQUIRE(hears(client, listener, "news", "after"));
}
