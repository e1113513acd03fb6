#include "ff/core/keys.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace ff::core;

namespace {

const std::vector<std::size_t> kCounts = {1, 3, 64, 256, 1024};

Ulid specimen() {
  return *Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV");
}

std::size_t salt_of(const std::string& tag) {
  return std::stoul(tag.substr(tag.find('.') + 1));
}

std::size_t range_of(Slot slot, std::size_t partitions) {
  return slot * partitions / kSlots;
}

}  // namespace

// The expected slots are those of `CLUSTER KEYSLOT` on valkey-server 8.0.1.
TEST_CASE("slots are those that Valkey computes") {
  CHECK(slot_of("123456789") == 0x31c3);
  CHECK(slot_of("foo") == 12182);
  CHECK(slot_of("bar") == 5061);
  CHECK(slot_of("") == 0);
  CHECK(slot_of(std::string("a\0b\xff", 4)) == 7390);
}

TEST_CASE("only what stands in the first pair of braces is hashed, if anything does") {
  CHECK(slot_of("{user1000}.following") == 3443);
  CHECK(slot_of("{user1000}.following") == slot_of("user1000"));
  CHECK(slot_of("foo{}{bar}") == 8363);
  CHECK(slot_of("foo{{bar}}zap") == slot_of("{bar"));
  CHECK(slot_of("foo{bar}{zap}") == slot_of("bar"));
  CHECK(slot_of("foo{bar") == 15278);
  CHECK(slot_of("foo}bar{") == 11073);
  CHECK(slot_of("}{bar}") == slot_of("bar"));
}

TEST_CASE("partition p's slot lies in the p-th of P equal ranges, all slots distinct") {
  for (const std::size_t count : kCounts) {
    const Keyspace keys("ff", count);
    std::set<Slot> slots;
    REQUIRE(keys.partitions() == count);
    for (std::size_t p = 0; p < count; ++p) {
      const auto partition = static_cast<Partition>(p);
      REQUIRE(slot_of(keys.tag(partition)) == keys.slot(partition));
      REQUIRE(range_of(keys.slot(partition), count) == p);
      slots.insert(keys.slot(partition));
    }
    CHECK(slots.size() == count);
  }
}

TEST_CASE("every node of a cluster gets its share of partitions, give or take one at each end") {
  for (const std::size_t count : {64U, 256U, 1024U}) {
    const Keyspace keys("ff", count);
    for (const std::size_t nodes : {2U, 3U, 5U, 6U, 16U}) {
      std::vector<std::size_t> on(nodes);
      for (std::size_t p = 0; p < count; ++p) {
        ++on[range_of(keys.slot(static_cast<Partition>(p)), nodes)];
      }
      const auto [least, most] = std::minmax_element(on.begin(), on.end());
      INFO(count << " partitions on " << nodes << " nodes");
      CHECK(*most - *least <= (count % nodes == 0 ? 0U : 2U));
    }
  }
}

TEST_CASE("salts are the smallest that fit") {
  for (const std::size_t count : kCounts) {
    const Keyspace keys("ff", count);
    for (std::size_t p = 0; p < count; ++p) {
      const std::string tag = keys.tag(static_cast<Partition>(p));
      const std::string base = tag.substr(0, tag.find('.') + 1);
      REQUIRE(base == "{ff:" + std::to_string(p) + ".");
      REQUIRE(tag == base + std::to_string(salt_of(tag)) + "}");
      for (std::size_t salt = 0; salt < salt_of(tag); ++salt) {
        REQUIRE(range_of(slot_of(base + std::to_string(salt) + "}"), count) != p);
      }
    }
  }
}

// Stored data depends on these: computed apart from this code, they must never change.
TEST_CASE("tags are the ones that deployments already have") {
  CHECK(Keyspace("ff", 1).tag(0) == "{ff:0.0}");
  CHECK(Keyspace("ff", 3).tag(2) == "{ff:2.0}");
  CHECK(Keyspace("ff", 64).tag(0) == "{ff:0.79}");
  CHECK(Keyspace("ff", 64).tag(32) == "{ff:32.178}");
  CHECK(Keyspace("ff", 64).tag(63) == "{ff:63.159}");
  CHECK(Keyspace("ff", 64).slot(63) == 16343);
  CHECK(Keyspace("ff", 256).tag(128) == "{ff:128.118}");
  CHECK(Keyspace("ff", 1024).tag(0) == "{ff:0.300}");
  CHECK(Keyspace("ff", 1024).tag(1023) == "{ff:1023.180}");
  CHECK(Keyspace("prod-eu", 3).tag(2) == "{prod-eu:2.3}");
  CHECK(Keyspace("prod-eu", 1024).tag(1023) == "{prod-eu:1023.422}");
}

TEST_CASE("homes are the ones that deployments already have") {
  const Keyspace small("ff", 64);
  const Keyspace large("ff", 1024);

  CHECK(stable_hash("") == 0xf52a15e9a9b5e89b);
  CHECK(stable_hash("a") == 0x2c0bdbf481420f8);
  CHECK(stable_hash("acme/order-1") == 0xfcd9f8172ae153e8);
  CHECK(small.home_of("acme", "order-1") == 40);
  CHECK(large.home_of("acme", "order-1") == 1000);
  CHECK(small.home_for_new(specimen()) == 47);
  CHECK(large.home_for_new(specimen()) == 623);
}

TEST_CASE("homes spread evenly over the partitions") {
  const Keyspace keys("ff", 64);
  std::vector<int> by_key(64);
  std::vector<int> by_id(64);
  for (int i = 0; i < 64'000; ++i) {
    ++by_key[keys.home_of("acme", "order-" + std::to_string(i))];
    ++by_id[keys.home_for_new(Ulid::make())];
  }

  // 1000 each, of which 200 are more than six standard deviations.
  for (const auto& counts : {by_key, by_id}) {
    CHECK(*std::min_element(counts.begin(), counts.end()) > 800);
    CHECK(*std::max_element(counts.begin(), counts.end()) < 1200);
  }
}

TEST_CASE("an event is at home where its namespace, name and key hash to") {
  const Keyspace keys("ff", 64);
  CHECK(keys.home_of_event("acme", "paid", "order/1") == stable_hash("acme/paid/order/1") % 64);
}

TEST_CASE("limits live on every fourth partition, by the hash of their id") {
  const LimitName quota(LimitKind::quota, "tenant"), budget(LimitKind::budget, "tenant");
  const auto homes = [&](std::size_t partitions) {
    Keyspace keys("ff", partitions);
    return std::pair<int, int>(keys.home_of_limit("acme", quota), keys.home_of_limit("acme", budget));
  };
  CHECK(homes(1) == std::pair(0, 0));
  CHECK(homes(4) == std::pair(0, 0));
  CHECK(homes(64) == std::pair(60, 32));
  CHECK(homes(1024) == std::pair(252, 864));

  for (const std::size_t partitions : {2, 3, 5, 6, 64, 1023}) {
    Keyspace keys("ff", partitions);
    std::set<std::size_t> met;
    for (int i = 0; i < 20'000; ++i) {
      met.insert(keys.home_of_limit("acme", LimitName(LimitKind::quota, "q" + std::to_string(i))));
    }
    CHECK(met.size() == (partitions + 3) / 4);
    for (const auto home : met) CHECK(home % 4 == 0);
    CHECK(*met.rbegin() < partitions);
  }
}

TEST_CASE("the namespace is part of the home, and its end is told from the key's beginning") {
  const Keyspace keys("ff", 1024);
  CHECK(keys.home_of("a", "bc") != keys.home_of("ab", "c"));
  CHECK(keys.home_of("acme", "order-1") != keys.home_of("other", "order-1"));
}

TEST_CASE("prefixes and partition counts that cannot be are refused by name") {
  const std::vector<std::pair<std::string, std::string>> prefixes = {
      {"", "\"\""},        {"Ff", "\"Ff\""},
      {"f f", "\"f f\""},  {"f:f", "\"f:f\""},
      {"f{f", "\"f{f\""},  {"f}", "\"f}\""},
      {"f_f", "\"f_f\""},  {"\xc3\xa4", "\"\xc3\xa4\""},
      {"f\n", "\"f\\n\""}, {"abcdefghijklmnopq", "\"abcdefghijklmnopq\""}};
  for (const auto& [prefix, shown] : prefixes) {
    const Result<Keyspace> made = Keyspace::make(prefix, 64);
    INFO(prefix);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == Code::invalid_argument);
    CHECK(made.error().reason == "bad_prefix");
    CHECK(made.error().message ==
          "prefix is " + shown + ", must be 1 to 16 characters of a-z, 0-9 and '-'");
    CHECK_THROWS_AS(Keyspace(prefix, 64), std::invalid_argument);
  }
  for (const std::size_t count : {std::size_t{0}, std::size_t{1025}, SIZE_MAX}) {
    const Result<Keyspace> made = Keyspace::make("ff", count);
    REQUIRE_FALSE(made);
    CHECK(made.error().reason == "bad_partitions");
    CHECK(made.error().message == "partitions is " + std::to_string(count) + ", must be 1 to 1024");
    CHECK_THROWS_AS(Keyspace("ff", count), std::invalid_argument);
  }
  CHECK(Keyspace::make("0123456789-abcde", 1));
  CHECK(Keyspace::make("f", 1024));
}

TEST_CASE("key names are those of the contract") {
  const Keyspace keys("ff", 3);
  const Ulid id = specimen();
  const Queue queue = *Queue::make("acme", "mail");
  const std::string e = "{ff:2.0}:e:01ARZ3NDEKTSV4RRFFQ69G5FAV";

  CHECK(keys.prefix() == "ff");
  CHECK(keys.tag(2) == "{ff:2.0}");
  CHECK(keys.core(2, id) == e);
  CHECK(keys.payload(2, id) == e + ":p");
  CHECK(keys.result(2, id) == e + ":r");
  CHECK(keys.old_result(2, id, 0) == e + ":r0");
  CHECK(keys.old_result(2, id, 12) == e + ":r12");
  CHECK(keys.error_text(2, id) == e + ":x");
  CHECK(keys.policy(2, id) == e + ":y");
  CHECK(keys.tags(2, id) == e + ":t");
  CHECK(keys.progress(2, id) == e + ":o");
  CHECK(keys.history(2, id) == e + ":h");
  CHECK(keys.step(2, id, 3) == e + ":s3");
  CHECK(keys.signals(2, id, 3) == e + ":m3");
  CHECK(keys.answers(2, id, 12) == e + ":d12");
  CHECK(keys.event(2, "acme", "paid", "order/1") == "{ff:2.0}:n:acme/paid/order/1");
  CHECK(keys.waitpoints(2) == "{ff:2.0}:waitpoints");
  CHECK(keys.awaits(2) == "{ff:2.0}:awaits");
  CHECK(keys.deliveries(2) == "{ff:2.0}:deliveries");
  CHECK(keys.idempotency(2, "acme", "order {1}") == "{ff:2.0}:i:acme/order {1}");
  CHECK(keys.queue(2, queue) == "{ff:2.0}:q:acme/mail");
  CHECK(keys.idle(2, queue) == "{ff:2.0}:idle:acme/mail");
  CHECK(keys.lanes(2) == "{ff:2.0}:lanes");
  CHECK(keys.timeouts(2) == "{ff:2.0}:timeouts");
  CHECK(keys.deadlines(2) == "{ff:2.0}:deadlines");
  CHECK(keys.handoffs(2) == "{ff:2.0}:handoffs");
  CHECK(keys.events(2) == "{ff:2.0}:ev");
  CHECK(keys.absent(2) == "{ff:2.0}:absent");
  CHECK(keys.root() == "{ff}");
  CHECK(keys.root_slot() == slot_of("ff"));
  CHECK(keys.servers() == "{ff}:servers");
  CHECK(keys.worker_channel(2, "w@host:1") == "{ff:2.0}:w:w@host:1");
  CHECK(keys.watch_channel(2, id) == "{ff:2.0}:v:01ARZ3NDEKTSV4RRFFQ69G5FAV");
  CHECK(keys.engine_channel(2) == "{ff:2.0}:engine");
  CHECK(keys.frames_channel(2, id) == "{ff:2.0}:f:01ARZ3NDEKTSV4RRFFQ69G5FAV");
  CHECK(keys.events_channel(2) == "{ff:2.0}:events");
  CHECK(keys.frames(2, id) == "{ff:2.0}:e:01ARZ3NDEKTSV4RRFFQ69G5FAV:f");
  CHECK(keys.stream_state(2, id) == "{ff:2.0}:e:01ARZ3NDEKTSV4RRFFQ69G5FAV:s");
}

TEST_CASE("every state but ready has an index of its name") {
  const Keyspace keys("ff", 3);
  for (const State state : kStates) {
    if (state == State::ready) {
      CHECK_THROWS_AS(keys.index(1, state), std::logic_error);
    } else {
      CHECK(keys.index(1, state) == "{ff:1.0}:" + std::string(to_string(state)));
    }
  }
}

TEST_CASE("all keys of a partition share its slot, whatever the names hold") {
  const Keyspace keys("ff", 64);
  for (const std::string name : {"plain", "{other}", "}", "{}", "a{b"}) {
    CHECK(slot_of(keys.idempotency(9, "acme", name)) == keys.slot(9));
    CHECK(slot_of(keys.worker_channel(9, name)) == keys.slot(9));
  }
  CHECK(slot_of(keys.core(9, specimen())) == keys.slot(9));
}

TEST_CASE("a partition outside the deployment is a bug that does not pass silently") {
  const Keyspace keys("ff", 3);
  CHECK_THROWS_AS(keys.tag(3), std::out_of_range);
  CHECK_THROWS_AS(keys.slot(3), std::out_of_range);
  CHECK_THROWS_AS(keys.core(3, specimen()), std::out_of_range);
}
