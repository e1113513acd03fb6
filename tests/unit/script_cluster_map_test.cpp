#include <catch2/catch_test_macros.hpp>
#include <string>

#include "cluster_map.hpp"
#include "resp_reader.hpp"

using ff::script::Address;
using ff::script::ClusterMap;
using ff::script::Reply;
using ff::script::RespReader;

namespace {

Reply reply_of(const std::string& bytes) {
  RespReader reader;
  Reply result;
  reader.consume(bytes, [&](Reply&& reply) {
    result = std::move(reply);
    return true;
  });
  return result;
}

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

std::string node(const std::string& host, int port) {
  return "*4\r\n" + host + ":" + std::to_string(port) + "\r\n" + bulk("id") + "*0\r\n";
}

std::string range(int first, int last, const std::string& nodes, int node_count = 1) {
  return "*" + std::to_string(2 + node_count) + "\r\n:" + std::to_string(first) + "\r\n:" +
         std::to_string(last) + "\r\n" + nodes;
}

const Address* owner(const ClusterMap& map, ff::script::Slot slot) {
  const auto index = map.owner(slot);
  return index == ClusterMap::kNobody ? nullptr : &map.nodes()[index];
}

bool is_no_map(const std::string& bytes) { return !ClusterMap::parse(reply_of(bytes), "asked"); }

}  // namespace

TEST_CASE("ranges name their primaries, replicas are left out") {
  const auto map = ClusterMap::parse(
      reply_of("*3\r\n" + range(0, 99, node(bulk("a"), 1) + node(bulk("replica"), 9), 2) +
               range(200, 16383, node(bulk("b"), 2)) + range(100, 100, node(bulk("a"), 1))),
      "asked");

  REQUIRE(map);
  CHECK(map.value().nodes().size() == 2);
  CHECK(*owner(map.value(), 0) == Address("a", 1));
  CHECK(*owner(map.value(), 100) == Address("a", 1));
  CHECK(owner(map.value(), 101) == nullptr);
  CHECK(*owner(map.value(), 16383) == Address("b", 2));
  CHECK(map.value().contains(Address("b", 2)));
  CHECK_FALSE(map.value().contains(Address("replica", 9)));
}

TEST_CASE("a node without a host is the one that was asked") {
  const std::string ranges = range(0, 0, node("$-1\r\n", 1)) + range(1, 1, node(bulk(""), 2)) +
                             range(2, 2, node(bulk("?"), 3));

  const auto parsed = ClusterMap::parse(reply_of("*3\r\n" + ranges), "asked");

  REQUIRE(parsed);
  CHECK(*owner(parsed.value(), 0) == Address("asked", 1));
  CHECK(*owner(parsed.value(), 1) == Address("asked", 2));
  CHECK(*owner(parsed.value(), 2) == Address("asked", 3));
}

TEST_CASE("an unknown host name gives way to the address in the metadata") {
  const std::string metadata = "*2\r\n" + bulk("ip") + bulk("10.0.0.9");
  const std::string with_ip = "*4\r\n" + bulk("?") + ":7\r\n" + bulk("id") + metadata;

  const auto map = ClusterMap::parse(reply_of("*1\r\n" + range(5, 5, with_ip)), "asked");

  REQUIRE(map);
  CHECK(*owner(map.value(), 5) == Address("10.0.0.9", 7));
}

TEST_CASE("a node without a port owns nothing yet") {
  const auto map = ClusterMap::parse(reply_of("*1\r\n" + range(0, 10, node(bulk("a"), 0))), "asked");

  REQUIRE(map);
  CHECK(map.value().empty());
}

TEST_CASE("a map of another form is refused") {
  CHECK(is_no_map("+OK\r\n"));
  CHECK(is_no_map("*1\r\n:1\r\n"));
  CHECK(is_no_map("*1\r\n*2\r\n:0\r\n:1\r\n"));
  CHECK(is_no_map("*1\r\n" + range(-1, 1, node(bulk("a"), 1))));
  CHECK(is_no_map("*1\r\n" + range(0, 16384, node(bulk("a"), 1))));
  CHECK(is_no_map("*1\r\n" + range(2, 1, node(bulk("a"), 1))));
  CHECK(is_no_map("*1\r\n" + range(0, 1, node(bulk("a"), 65536))));
  CHECK(is_no_map("*1\r\n" + range(0, 1, "*1\r\n" + bulk("a"))));
}

TEST_CASE("MOVED changes one slot, and may name a new node") {
  ClusterMap map;
  map.set_owner(7, Address("a", 1));
  map.set_owner(8, Address("a", 1));

  map.set_owner(8, Address("b", 2));

  CHECK(*owner(map, 7) == Address("a", 1));
  CHECK(*owner(map, 8) == Address("b", 2));
  CHECK(map.owners().size() == 2);
}

TEST_CASE("owners are those that still own slots") {
  ClusterMap map;
  map.set_owner(8, Address("a", 1));

  map.set_owner(8, Address("b", 2));

  REQUIRE(map.owners().size() == 1);
  CHECK(map.nodes()[map.owners()[0]] == Address("b", 2));
}
