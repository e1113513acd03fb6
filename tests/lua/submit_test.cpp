#include <catch2/catch_test_macros.hpp>

#include "ff/core/policy.hpp"
#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using script::Submit;

Submit::Args batch(std::vector<Submit::Item> items, std::string ns = "ns") {
  Submit::Args args;
  args.ns = std::move(ns);
  args.items = std::move(items);
  return args;
}

Submit::Args batch(Submit::Item item, std::string ns = "ns") {
  std::vector<Submit::Item> items;
  items.push_back(std::move(item));
  return batch(std::move(items), std::move(ns));
}

// The outcome of the only item.
std::string outcome(LuaFixture& lua, const Submit::Args& args) { return lua.ok<Submit>(args).rows.at(0).outcome; }

Submit::Item keyed(const std::string& key, const std::string& fingerprint = "print") {
  auto item = LuaFixture::item();
  LuaFixture::give_key(item, key);
  item.fingerprint = fingerprint;
  return item;
}

TEST_CASE("a submitted execution waits in its queue with all it was given") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.priority = 7;
  item.tags = R"({"a":"b"})";
  item.content_type = "text/plain";
  item.payload = std::string("\0\xff", 2) + "bytes";

  const auto id = lua.submit(item);

  const auto described = lua.describe(id);
  CHECK(described.state == "ready");
  CHECK(described.queue == "ns/lane");
  CHECK(described.kind == "kind");
  CHECK(described.priority == 7);
  CHECK(described.attempt == 0);
  CHECK(described.position == 0);
  CHECK(described.mode == "record");
  CHECK(described.tags == R"({"a":"b"})");
  CHECK(described.policy.empty());
  CHECK(described.created_at <= described.now);
  CHECK(described.timer_at == described.created_at);
  script::Payload::Args args;
  args.ns = "ns";
  args.id = id;
  const auto payload = lua.ok<script::Payload>(args);
  CHECK(payload.payload == item.payload);
  CHECK(payload.content_type == "text/plain");
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("an empty payload, no tags and the default policy cost no key of their own") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.payload.clear();

  const auto id = lua.submit(item);

  CHECK(lua.text({"KEYS", "*:e:*"}) == lua.key("e:" + id));
}

TEST_CASE("a start in the future delays, a start in the past does not") {
  LuaFixture lua;
  const auto now = lua.now();
  auto at_time = LuaFixture::item(), after = LuaFixture::item(), past = LuaFixture::item();
  at_time.start_at = now + 60'000;
  at_time.delay_ms = 1;  // Not used: start_at rules.
  after.delay_ms = 30'000;
  past.start_at = 1;

  lua.submit({at_time, after, past});

  CHECK(lua.state(at_time.id) == "delayed");
  CHECK(lua.score("delayed", at_time.id) == now + 60'000);
  CHECK(lua.state(after.id) == "delayed");
  CHECK(lua.score("delayed", after.id) >= now + 30'000);
  CHECK(lua.score("delayed", after.id) <= lua.now() + 30'000);
  CHECK(lua.state(past.id) == "ready");
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("a deadline is armed from a time or from a duration") {
  LuaFixture lua;
  const auto now = lua.now();
  auto at_time = LuaFixture::item(), after = LuaFixture::item();
  at_time.deadline_at = now + 60'000;
  at_time.deadline_ms = 1;  // Not used: deadline_at rules.
  after.deadline_ms = 30'000;

  lua.submit({at_time, after});

  CHECK(lua.describe(at_time.id).deadline_at == now + 60'000);
  CHECK(lua.score("deadlines", at_time.id) == now + 60'000);
  CHECK(lua.describe(after.id).deadline_at == lua.score("deadlines", after.id));
  CHECK(lua.score("deadlines", after.id) >= now + 30'000);
}

TEST_CASE("a resend of the same id answers created and changes nothing") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  lua.submit(item);
  const auto before = lua.contents();
  item.payload = "other";
  item.kind = "other";
  item.delay_ms = 1000;

  CHECK(outcome(lua, batch(item)) == "created");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a resend of an id that has been claimed or has ended changes nothing") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  const auto lease = lua.held(item);
  auto before = lua.contents();
  CHECK(outcome(lua, batch(item)) == "created");
  CHECK(lua.changes(before) == "");

  lua.complete(lease);
  before = lua.contents();
  CHECK(outcome(lua, batch(item)) == "created");
  CHECK(lua.changes(before) == "");
}

TEST_CASE("an id of another namespace is refused by name") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  lua.submit(item);
  const auto before = lua.contents();

  CHECK(outcome(lua, batch(item, "other")) == "id_taken");

  CHECK(lua.changes(before) == "");
}

TEST_CASE("a known idempotency key answers duplicate with the first id") {
  LuaFixture lua;
  const auto first = keyed("key");
  lua.submit(first);
  const auto before = lua.contents();

  const auto answer = lua.ok<Submit>(batch(keyed("key")));

  CHECK(answer.rows.at(0).outcome == "duplicate");
  CHECK(answer.rows.at(0).id == first.id);
  CHECK(outcome(lua, batch(first)) == "created");  // A resend of the first itself.
  CHECK(lua.changes(before) == "");
}

TEST_CASE("another fingerprint under a known idempotency key is refused") {
  LuaFixture lua;
  const auto first = keyed("key");
  lua.submit(first);
  const auto before = lua.contents();

  const auto answer = lua.ok<Submit>(batch(keyed("key", "another print with spaces")));

  CHECK(answer.rows.at(0).outcome == "idempotency_mismatch");
  CHECK(answer.rows.at(0).id == first.id);
  CHECK(lua.changes(before) == "");
}

TEST_CASE("a fingerprint is compared whole, whatever bytes it has") {
  LuaFixture lua;
  const std::string print = std::string("a b\n\0c", 6);
  const auto first = keyed("key", print);
  lua.submit(first);

  CHECK(outcome(lua, batch(keyed("key", print))) == "duplicate");
  CHECK(outcome(lua, batch(keyed("key", print.substr(0, 5)))) == "idempotency_mismatch");
}

TEST_CASE("an idempotency key is one namespace's own") {
  LuaFixture lua;
  lua.submit(keyed("key"));

  CHECK(outcome(lua, batch(keyed("key"), "other")) == "created");
}

TEST_CASE("an idempotency key is forgotten when its time is over") {
  LuaFixture lua;
  const auto first = keyed("key");
  lua.submit(first);
  // The stored time decides, not the key's expiry.
  lua.text({"SET", lua.key("i:ns/key"), first.id + " " + std::to_string(lua.now() - 1) + " print"});

  const auto second = keyed("key", "other");
  const auto answer = lua.ok<Submit>(batch(second));

  CHECK(answer.rows.at(0).outcome == "created");
  CHECK(answer.rows.at(0).id == second.id);
  CHECK(lua.text({"GET", lua.key("i:ns/key")}).starts_with(second.id + " "));
}

TEST_CASE("the key of an idempotency record expires by itself a minute after its time") {
  LuaFixture lua;
  auto item = keyed("key");
  item.idempotency_ttl_ms = 5'000;

  lua.submit(item);

  const auto left = std::stoll(lua.text({"PTTL", lua.key("i:ns/key")}));
  CHECK(left > 60'000);
  CHECK(left <= 65'000);
}

TEST_CASE("a negative idempotency time is taken for none and breaks nothing") {
  LuaFixture lua;
  auto item = keyed("key");
  item.idempotency_ttl_ms = -1'000'000;

  lua.submit(item);

  CHECK(lua.lost().empty());
  CHECK(outcome(lua, batch(keyed("key"))) == "created");
}

TEST_CASE("in one batch the same id and the same idempotency key count once") {
  LuaFixture lua;
  auto a = LuaFixture::item(), again = a, keyed_one = keyed("key"), keyed_two = keyed("key"),
       mismatch = keyed("key", "other");
  again.payload = "other";

  const auto answer = lua.ok<Submit>(batch({a, again, keyed_one, keyed_two, mismatch}));

  REQUIRE(answer.rows.size() == 5);
  CHECK(answer.rows[0].outcome == "created");
  CHECK(answer.rows[1].outcome == "created");
  CHECK(answer.rows[1].id == a.id);
  CHECK(answer.rows[2].outcome == "created");
  CHECK(answer.rows[3].outcome == "duplicate");
  CHECK(answer.rows[3].id == keyed_one.id);
  CHECK(answer.rows[4].outcome == "idempotency_mismatch");
  CHECK(lua.members("q:ns/lane").size() == 2);
  CHECK(lua.payload(a.id) == "payload");
  CHECK(lua.lost().empty());
  CHECK(lua.stray().empty());
}

TEST_CASE("a full batch is created whole, in order") {
  LuaFixture lua;
  std::vector<Submit::Item> items;
  for (int i = 0; i < 256; ++i) items.push_back(keyed("key" + std::to_string(i)));

  const auto answer = lua.ok<Submit>(batch(items));

  REQUIRE(answer.rows.size() == 256);
  for (std::size_t i = 0; i < items.size(); ++i) CHECK(answer.rows[i].id == items[i].id);
  CHECK(lua.members("q:ns/lane").size() == 256);
  CHECK(lua.text({"SMEMBERS", lua.key("lanes")}) == "ns/lane");
  CHECK(lua.lost().empty());
}

TEST_CASE("items of a batch are what they would be alone, however alike they are") {
  LuaFixture lua;
  const auto lean = R"({"mode":"lean"})", kept = R"({"retention_ms":5000})",
             retried = R"({"retry":{"max_attempts":3}})";
  std::vector<Submit::Item> items;
  // Runs of alikes, one after the other, so that each has to be told from the one before.
  for (const char* kind : {"a", "b"}) {
    for (const char* policy : {"", lean, kept, retried}) {
      for (const std::int64_t priority : {0, 9}) {
        for (const std::size_t size : {1, 31, 32, 255, 256, 257, 0, 1}) {
          auto& item = items.emplace_back(LuaFixture::item());
          item.kind = kind;
          item.policy = policy;
          item.priority = priority;
          item.payload = std::string(size, static_cast<char>('a' + items.size() % 26));
        }
      }
    }
  }
  const auto alone = [&lua](Submit::Item item) {
    item.id = LuaFixture::new_id();
    return lua.submit(item);
  };
  const std::vector<std::string> fields = {"s", "q", "k", "p", "m", "r", "t", "j", "pk", "pl"};

  lua.ok<Submit>(batch(items));

  for (const auto& item : items) {
    const auto other = alone(item);
    for (const auto& name : fields) {
      if (lua.field(item.id, name) != lua.field(other, name)) FAIL(name << " of " << item.kind << " " << item.policy);
    }
    script::Payload::Args args;
    args.ns = "ns";
    args.id = item.id;
    CHECK(lua.ok<script::Payload>(args).payload == item.payload);
  }
  CHECK(lua.violations() == "");
}

TEST_CASE("a batch beyond the agreed size is a bug of the caller, and nothing of it is written") {
  LuaFixture lua;
  std::vector<Submit::Item> items;
  for (int i = 0; i < 257; ++i) items.push_back(LuaFixture::item());

  CHECK(lua.word<Submit>(batch(items)) == "FF_BAD_CALL");

  CHECK(lua.contents().empty());
}

TEST_CASE("an empty batch is answered") {
  LuaFixture lua;

  CHECK(lua.ok<Submit>(batch(std::vector<Submit::Item>())).rows.empty());
}

TEST_CASE("a policy that the library cannot work with is refused, the other items are created") {
  LuaFixture lua;
  for (const char* policy :
       {"{", "[1]x", "\"text\"", "17", "null", R"({"retry":null})", R"({"retry":"no"})", R"({"crash":5})",
        R"({"retry":{"delay_ms":"5"}})", R"({"retry":{"delay_ms":1.5}})", R"({"retry":{"delay_ms":-1}})",
        R"({"retry":{"only":"timeout"}})", R"({"retry":{"never":[5]}})", R"({"retry":{"strategy":"other"}})",
        R"({"retry":{"strategy":"explicit"}})", R"({"retry":{"strategy":"explicit","delays_ms":[]}})",
        R"({"retry":{"strategy":"explicit","delays_ms":["5"]}})", R"({"attempt_timeout_ms":"5"})",
        R"({"retention_ms":-5})", R"({"retention_ms":nan})", R"({"crash":{"max":null}})", R"({"mode":7})"}) {
    INFO(policy);
    auto bad = LuaFixture::item(), good = LuaFixture::item();
    bad.policy = policy;

    const auto answer = lua.ok<Submit>(batch({bad, good}));

    CHECK(answer.rows.at(0).outcome == "bad_policy");
    CHECK(answer.rows.at(0).id == bad.id);
    CHECK(answer.rows.at(1).outcome == "created");
    CHECK(lua.core(bad.id).empty());
  }
  CHECK(lua.lost().empty());
}

TEST_CASE("refusals of an item come in order: mismatch, then another namespace's id, then a bad policy") {
  LuaFixture lua;
  auto first = keyed("key");
  lua.submit(first);
  auto foreign = LuaFixture::item();
  REQUIRE(outcome(lua, batch(foreign, "other")) == "created");

  auto item = foreign;
  LuaFixture::give_key(item, "key");
  item.fingerprint = "other";
  item.policy = "{";
  CHECK(outcome(lua, batch(item)) == "idempotency_mismatch");
  item.idempotency_key.clear();
  CHECK(outcome(lua, batch(item)) == "id_taken");
  item.id = LuaFixture::new_id();
  CHECK(outcome(lua, batch(item)) == "bad_policy");
}

TEST_CASE("a policy is kept as it was given, and only where it says something the core does not") {
  LuaFixture lua;
  core::Policy full, times;
  full.retry.delay = core::Millis(5);
  full.crash.max = 1;
  full.attempt_timeout = core::Millis(1000);
  times.attempt_timeout = core::Millis(2000);
  times.retention = core::Millis(0);
  auto with_retry = LuaFixture::item(), only_times = LuaFixture::item();
  with_retry.policy = core::to_wire(full);
  only_times.policy = core::to_wire(times);

  lua.submit({with_retry, only_times});

  CHECK(lua.describe(with_retry.id).policy == with_retry.policy);
  CHECK(lua.describe(with_retry.id).attempt_timeout_ms == 1000);
  CHECK(lua.describe(only_times.id).policy.empty());
  CHECK(lua.describe(only_times.id).attempt_timeout_ms == 2000);
  CHECK(lua.field(only_times.id, "r") == "0");
}

TEST_CASE("an id that is no ULID is a bug of the caller, and nothing of its batch is written") {
  LuaFixture lua;
  auto good = LuaFixture::item(), bad = LuaFixture::item("01ARZ3NDEKTSV4RRFFQ69G5F V");

  CHECK(lua.word<Submit>(batch({good, bad})) == "FF_BAD_CALL");

  CHECK(lua.contents().empty());
}

TEST_CASE("a lane is noted when it is first used") {
  LuaFixture lua;
  auto other = LuaFixture::item();
  other.lane = "other";

  lua.submit({LuaFixture::item(), other, LuaFixture::item()});

  CHECK(lua.text({"SISMEMBER", lua.key("lanes"), "ns/lane"}) == "1");
  CHECK(lua.text({"SISMEMBER", lua.key("lanes"), "ns/other"}) == "1");
}

TEST_CASE("a call that wrote nothing does not count as having noted its lane") {
  LuaFixture lua;
  auto good = LuaFixture::item(), bad = LuaFixture::item("01ARZ3NDEKTSV4RRFFQ69G5F V");
  REQUIRE(lua.word<Submit>(batch({good, bad})) == "FF_BAD_CALL");

  lua.submit(good);

  CHECK(lua.text({"SMEMBERS", lua.key("lanes")}) == "ns/lane");
}

}  // namespace
}  // namespace ff::test
