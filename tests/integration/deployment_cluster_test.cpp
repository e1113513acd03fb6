// The library on several primaries.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include "integration/deployment_program.hpp"

namespace ff::test {
namespace {

ValkeyCluster& the_cluster() {
  static ValkeyCluster cluster;
  return cluster;
}

ValkeyCluster& empty_cluster() {
  for (const auto& node : the_cluster().nodes()) {
    node->cli("FLUSHALL", "SYNC");
    node->cli("FUNCTION", "FLUSH", "SYNC");
    node->cli("CONFIG", "RESETSTAT");
  }
  return the_cluster();
}

// A partition that this node serves.
core::Partition partition_of(const Program& program, const ValkeyCluster& cluster, std::size_t node) {
  const auto& keys = program.deployment().keys();
  for (core::Partition p = 0; p < keys.partitions(); ++p) {
    if (cluster.owner_of(keys.slot(p)) == node) return p;
  }
  throw std::runtime_error("the node serves no partition");
}

TEST_CASE("open loads the library on every primary") {
  auto& cluster = empty_cluster();
  Program program(cluster);

  REQUIRE(program.open() == "ok");

  for (std::size_t node = 0; node < 3; ++node) {
    CHECK(loaded_text(cluster.node(node)) == own_text());
    CHECK(program.version(partition_of(program, cluster, node)) == "ok");
  }
}

TEST_CASE("a connection that was not told of the cluster is refused as such, not as damaged data") {
  auto& cluster = empty_cluster();
  Program aware(cluster);
  REQUIRE(aware.open() == "ok");
  const auto root_owner = cluster.owner_of(aware.deployment().keys().root_slot());
  Program unaware(to_server(cluster.node(root_owner == 0 ? 1 : 0)));

  CHECK(unaware.open() == "incompatible/not_cluster");

  CHECK(unaware.message().find("MOVED ") != std::string::npos);
}

TEST_CASE("a primary without the library gets it at the first call, and the others keep theirs") {
  auto& cluster = empty_cluster();
  Program program(cluster);
  REQUIRE(program.open() == "ok");
  cluster.node(1).cli("FUNCTION", "DELETE", "ff1");

  CHECK(program.version(partition_of(program, cluster, 0)) == "ok");
  CHECK(loaded_text(cluster.node(1)).empty());
  CHECK(program.version(partition_of(program, cluster, 1)) == "ok");

  for (std::size_t node = 0; node < 3; ++node) CHECK(loaded_text(cluster.node(node)) == own_text());
}

TEST_CASE("one primary is ahead: no other gets less, and it is not set back") {
  auto& cluster = empty_cluster();
  const auto newer = text_of_version(+1);
  cluster.node(0).cli("FUNCTION", "LOAD", text_of_version(-1));
  cluster.node(2).cli("FUNCTION", "LOAD", newer);
  Program program(cluster);

  REQUIRE(program.open() == "ok");

  for (std::size_t node = 0; node < 3; ++node) CHECK(loaded_text(cluster.node(node)) == newer);
}

TEST_CASE("one primary with other code under the same version refuses all") {
  auto& cluster = empty_cluster();
  cluster.node(2).cli("FUNCTION", "LOAD", own_text() + "-- edited\n");
  Program program(cluster);

  CHECK(program.open() == "incompatible/library_differs");

  CHECK(loaded_text(cluster.node(0)).empty());
}

TEST_CASE("a primary that does not answer ends a call's healing at its deadline") {
  auto& cluster = empty_cluster();
  Program program(cluster);
  REQUIRE(program.open() == "ok");
  const auto partition = partition_of(program, cluster, 0);
  REQUIRE(program.version(partition) == "ok");
  cluster.node(0).cli("FUNCTION", "DELETE", "ff1");
  cluster.node(2).freeze();
  const auto begin = std::chrono::steady_clock::now();

  CHECK(program.version(partition, 300ms) == "unavailable/library_missing");

  CHECK(std::chrono::steady_clock::now() - begin < 3s);
  cluster.node(2).thaw();
  cluster.wait_ok();
  CHECK(program.version(partition) == "ok");
}

}  // namespace
}  // namespace ff::test
