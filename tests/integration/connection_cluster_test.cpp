// Commands in a cluster: routing, redirects, moving slots, failover.
#include <catch2/catch_test_macros.hpp>

#include "integration/connection_client.hpp"
#include "support/valkey_cluster.hpp"

using namespace ff::test;

namespace {

ConnectionOptions seed(const ValkeyCluster& cluster, std::size_t node = 0) {
  auto options = over_tcp(cluster.node(node).port());
  options.cluster = true;
  return options;
}

Result<Reply> on_key(Client& client, const std::vector<std::string>& list, Millis limit = Millis(10'000)) {
  return client.call(list, limit, ValkeyCluster::slot_of(list.at(1)));
}

}  // namespace

TEST_CASE("commands go to the owners of their slots without redirects") {
  ValkeyCluster cluster;
  Client client(seed(cluster, 1));
  std::vector<std::shared_ptr<Pending>> calls;
  for (int i = 0; i < 300; ++i) {
    const std::string key = "k" + std::to_string(i);
    calls.push_back(client.start({"SET", key, key}, Millis(10'000), ValkeyCluster::slot_of(key)));
  }

  REQUIRE(client.until([&] { return all_done(calls); }));

  for (const auto& call : calls) CHECK(text(*call->result) == "OK");
  CHECK(client.connection().stats().redirects == 0);
  const auto replies = client.call_all("DBSIZE", Millis(5000));
  REQUIRE(replies);
  REQUIRE(replies->size() == 3);
  CHECK(replies->at(0).integer + replies->at(1).integer + replies->at(2).integer == 300);
}

TEST_CASE("a unix socket can be the seed") {
  ValkeyCluster cluster;
  auto options = over_unix(cluster.node(0));
  options.host = "127.0.0.1";
  options.cluster = true;
  Client client(options);

  CHECK(text(on_key(client, {"SET", "a", "1"})) == "OK");
  CHECK(text(on_key(client, {"SET", "b", "1"})) == "OK");
  CHECK(text(on_key(client, {"SET", "c", "1"})) == "OK");
}

TEST_CASE("send_to_primaries fails as a whole when one primary does") {
  ValkeyCluster cluster;
  Client client(seed(cluster));
  REQUIRE(text(on_key(client, {"SET", "a", "1"})) == "OK");
  cluster.node(2).freeze();

  CHECK_FALSE(client.call_all("DBSIZE", Millis(300)));

  cluster.node(2).thaw();
}

TEST_CASE("MOVED is followed, and the map learns from it") {
  ValkeyCluster cluster;
  Client client(seed(cluster));
  REQUIRE(text(on_key(client, {"SET", "key", "1"})) == "OK");
  const auto slot = ValkeyCluster::slot_of("key");
  const auto target = (cluster.owner_of(slot) + 1) % 3;
  cluster.move_slot(slot, target);

  CHECK(text(on_key(client, {"INCR", "key"})) == "2");

  CHECK(client.connection().stats().redirects == 1);
  CHECK(text(on_key(client, {"INCR", "key"})) == "3");
  CHECK(client.connection().stats().redirects == 1);
}

TEST_CASE("ASK and TRYAGAIN during a migration") {
  ValkeyCluster cluster;
  Client client(seed(cluster));
  REQUIRE(text(on_key(client, {"SET", "{t}a", "1"})) == "OK");
  REQUIRE(text(on_key(client, {"SET", "{t}b", "2"})) == "OK");
  const auto slot = ValkeyCluster::slot_of("{t}");
  cluster.begin_migration(slot, (cluster.owner_of(slot) + 1) % 3);

  // A key that does not exist yet is made on the new node.
  CHECK(text(on_key(client, {"SET", "{t}new", "3"})) == "OK");
  CHECK(client.connection().stats().redirects > 0);
  REQUIRE(cluster.migrate_keys(slot, 1) == 1);
  CHECK(text(on_key(client, {"INCR", "{t}a"})) == "2");
  CHECK(text(on_key(client, {"INCR", "{t}b"})) == "3");
  CHECK(is_error(on_key(client, {"MGET", "{t}a", "{t}b"}, Millis(200)), Code::unavailable, "tryagain"));

  const auto both = client.start({"MGET", "{t}a", "{t}b"}, Millis(10'000), slot);
  client.idle(Millis(50));
  CHECK_FALSE(both->done());
  cluster.finish_migration(slot);
  REQUIRE(client.until([&] { return both->done(); }));
  REQUIRE(both->result->has_value());
  CHECK(both->result->value().elements.at(0).text == "2");
  CHECK(both->result->value().elements.at(1).text == "3");
}

TEST_CASE("no increment is lost or doubled while slots move under load") {
  ValkeyCluster cluster;
  Client client(seed(cluster));
  const auto slot = ValkeyCluster::slot_of("{m}");
  int sent = 0;
  std::vector<std::shared_ptr<Pending>> calls;
  const auto load = [&] {
    for (int i = 0; i < 50; ++i, ++sent) {
      calls.push_back(client.start({"INCR", "{m}" + std::to_string(i)}, Millis(20'000), slot));
    }
    REQUIRE(client.until([&] { return calls.back()->done(); }, Millis(20'000)));
  };

  load();
  for (int round = 0; round < 3; ++round) {
    cluster.begin_migration(slot, (cluster.owner_of(slot) + 1) % 3);
    load();
    cluster.migrate_keys(slot, 20);
    load();
    cluster.finish_migration(slot);
    load();
  }

  REQUIRE(client.until([&] { return all_done(calls); }));
  for (const auto& call : calls) CHECK(call->result->has_value());
  std::int64_t total = 0;
  for (int i = 0; i < 50; ++i) total += std::stoll(text(on_key(client, {"GET", "{m}" + std::to_string(i)})));
  CHECK(total == sent);
  CHECK(client.connection().stats().unknown == 0);
}

TEST_CASE("a primary that dies is replaced by its replica") {
  ClusterOptions options;
  options.replicas = 1;
  options.node_timeout = Millis(1000);
  ValkeyCluster cluster(options);
  auto connection_options = seed(cluster);
  connection_options.backoff_max = Millis(100);
  Client client(connection_options);
  const auto slot = ValkeyCluster::slot_of("key");
  for (const char* key : {"key", "a", "b", "c", "d"}) {
    REQUIRE(text(on_key(client, {"SET", key, "1"})) == "OK");
  }
  REQUIRE(cluster.node(cluster.owner_of(slot)).command({"WAIT", "1", "5000"}).integer() == 1);

  const auto dead = cluster.kill_primary_of(slot);

  const auto first = client.start({"SET", "key", "2"}, Millis(30'000), slot);
  REQUIRE(client.until([&] { return first->done(); }, Millis(30'000)));
  // It may have been sent just before the socket's end was noticed.
  if (!*first->result) CHECK(first->result->error().code == Code::unknown_outcome);
  CHECK(text(on_key(client, {"SET", "key", "3"}, Millis(30'000))) == "OK");
  CHECK(text(on_key(client, {"GET", "key"})) == "3");
  CHECK(cluster.wait_failover(slot, dead) != dead);
}

TEST_CASE("a primary that stands still is left for its replica") {
  ClusterOptions options;
  options.replicas = 1;
  options.node_timeout = Millis(1000);
  ValkeyCluster cluster(options);
  auto connection_options = seed(cluster);
  connection_options.ping_interval = Millis(300);
  connection_options.connect_timeout = Millis(500);
  Client client(connection_options);
  const auto slot = ValkeyCluster::slot_of("key");
  REQUIRE(text(on_key(client, {"SET", "key", "1"})) == "OK");
  const auto owner = cluster.owner_of(slot);
  cluster.node(owner).freeze();

  const auto first = on_key(client, {"SET", "key", "2"}, Millis(30'000));

  if (!first) CHECK(first.error().code == Code::unknown_outcome);
  CHECK(text(on_key(client, {"SET", "key", "3"}, Millis(30'000))) == "OK");
  cluster.node(owner).thaw();
}

TEST_CASE("a cluster that is down says so") {
  ClusterOptions options;
  options.node_timeout = Millis(500);
  ValkeyCluster cluster(options);
  Client client(seed(cluster, 0));
  const auto slot = ValkeyCluster::slot_of("key");
  for (const char* key : {"key", "a", "b", "c", "d"}) {
    REQUIRE(text(on_key(client, {"SET", key, "1"})) == "OK");
  }

  std::string other;  // A key of another node.
  for (const char* key : {"a", "b", "c", "d"}) {
    if (cluster.owner_of(ValkeyCluster::slot_of(key)) != cluster.owner_of(slot)) other = key;
  }
  REQUIRE_FALSE(other.empty());

  cluster.kill_primary_of(slot);

  CHECK(is_error(on_key(client, {"GET", "key"}, Millis(2000)), Code::unavailable, "connect"));
  CHECK(client.until([&] {
    return is_error(on_key(client, {"GET", other}, Millis(300)), Code::unavailable, "clusterdown");
  }));
}

TEST_CASE("without a reachable seed calls end by their deadline") {
  auto options = over_tcp(1);
  options.cluster = true;

  CHECK(is_error(Client(options).call({"PING"}, Millis(300)), Code::unavailable, "connect"));
}

TEST_CASE("a server that is no cluster says so") {
  ValkeyServer server;
  auto options = over_unix(server);
  options.cluster = true;

  CHECK(is_error(Client(options).call({"PING"}, Millis(500)), Code::unavailable, "clusterdown"));
}
