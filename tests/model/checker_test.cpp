// The checker itself: silent on a sound deployment, and it names every planted damage.
#include "support/checker.hpp"

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "library_source.hpp"
#include "support/stored_core.hpp"
#include "support/valkey_server.hpp"

namespace {

using ff::test::change_core;
using ff::test::RespClient;
using ff::test::ValkeyServer;
using Words = std::vector<std::string>;

const std::string kTag = "{ff:0.0}";

std::string id(std::size_t number) {
  auto digits = std::to_string(number);
  return "01J" + std::string(23 - digits.size(), '0') + digits;
}

void ask(RespClient& client, const Words& words) {
  auto reply = client.command(words);
  INFO(words[0] << " " << words[1] << ": " << reply.str());
  REQUIRE_FALSE(reply.is_error());
}

void call(RespClient& client, const std::string& verb, const Words& args) {
  Words words = {"FCALL", "ff1_" + verb, "1", kTag};
  words.insert(words.end(), args.begin(), args.end());
  ask(client, words);
}

void add_item(Words& words, std::size_t number, const Words& changes) {
  Words item = {id(number), "mail", "send", "payload", "0", "0", "0", "0", "0", "", "0", "", "",
               "", "1", "", "", ""};
  for (std::size_t i = 0; i + 1 < changes.size(); i += 2) item[std::stoul(changes[i])] = changes[i + 1];
  words.insert(words.end(), item.begin(), item.end());
}

// Of a submit whose items have all fields: `columns`, and where some stand.
const std::string kAllColumns = "16383";
const std::string kDelay = "6", kDeadline = "8", kKey = "9", kRequirements = "12", kFairness = "13", kPolicy = "15";

std::string core(std::size_t number) { return kTag + ":e:" + id(number); }

std::string epoch_of(RespClient& client, std::size_t number) {
  const auto fields = client.command(ff::test::read_core(core(number))).elements;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    if (fields[i].text == "e") return fields[i + 1].text;
  }
  return {};
}

// 5: suspended, with a signal.
void suspend(RespClient& client) {
  Words items = {"acme", "0", kAllColumns};
  add_item(items, 5, {});
  call(client, "submit", items);
  call(client, "claim", {"w2", id(903), "60000", "1", "0", "acme/mail", "", ""});
  auto epoch = epoch_of(client, 5);
  call(client, "suspend", {id(5), id(903), epoch, "{\"count\":3}", "0", "fail", "0", "", "w", "go", "0", "0", "90000",
                           "", ""});
  call(client, "signal", {"acme", id(5), "1.w", "s1", "go", "", "", "payload"});
}

// One execution of every kind of standing: 1 active with everything, 2 ready, 3 delayed, 4 completed, 5 suspended,
// 6 and 7 ready in lines of routes, 6 with a fairness key.
void fill(RespClient& client) {
  ask(client, {"FUNCTION", "LOAD", "REPLACE", std::string(ff::script::kLibrarySource)});
  Words items = {"acme", "0", kAllColumns};
  add_item(items, 1, {kDeadline, "600000", kKey, "order-1", kPolicy,
      R"({"crash":{"max":5},"attempt_timeout_ms":90000})"});
  add_item(items, 4, {});
  call(client, "submit", items);
  call(client, "claim", {"w1", id(900), "60000", "2", "0", "acme/mail", "", ""});
  auto epoch = epoch_of(client, 4);
  call(client, "complete", {"w1", id(901), "60000", "0", "acme/mail", "", "", "0", id(4), id(900), epoch, "",
                            "result"});
  call(client, "claim", {"w2", id(902), "60000", "3", "0", "acme/mail", "", ""});
  suspend(client);
  items = {"acme", "0", kAllColumns};
  add_item(items, 2, {});
  add_item(items, 3, {kDelay, "600000"});
  add_item(items, 6, {kRequirements, "+gpu", kFairness, "tenant"});
  add_item(items, 7, {kRequirements, "+gpu"});
  call(client, "submit", items);
}

struct Damage {
  const char* name;
  Words command;
  std::string found_at;  // Part of the violation's text.
};

// The library's digest of "+gpu".
const std::string kLine = "1e0892754396af74";
std::string line() { return kTag + ":q:acme/mail|" + kLine; }

std::vector<Damage> damages() {
  const std::string queue = kTag + ":q:acme/mail";
  return {
      {"not in its index", {"ZREM", kTag + ":active", id(1)}, id(1)},
      {"in two indexes", {"ZADD", kTag + ":delayed", "5", id(1)}, ":delayed"},
      {"in the index of another state", {"ZADD", kTag + ":failed", "5", id(4)}, ":failed"},
      {"not in its queue", {"ZREM", queue, id(2)}, id(2)},
      {"a rank of another priority", {"ZADD", queue, "12345", id(2)}, "rank of priority 0"},
      {"a priority that is not the rank's", change_core(core(2), {"p", "9"}), "rank of priority 9"},
      {"not in its line", {"ZREM", line() + "|", id(6)}, id(6)},
      {"not among those that wait", {"ZREM", kTag + ":waiting:acme/mail", id(6)}, "waiting"},
      {"in the waiting index without a route", {"ZADD", kTag + ":waiting:acme/mail", "5", id(2)}, "routes"},
      {"a line that is not open", {"DEL", kTag + ":open:acme/mail"}, "the line"},
      {"a line that is not known", {"DEL", kTag + ":routes:acme/mail"}, "the line"},
      {"a rank of its line that is too high", {"ZADD", kTag + ":open:acme/mail", "9000000000000000", kLine},
          "no rank above"},
      {"in the line without keys", {"ZADD", line(), "5", id(6)}, "only ready executions of this queue"},
      {"an entry without a core", {"ZADD", kTag + ":delayed", "5", id(77)}, "a core behind the entry"},
      {"a core without a queue in lanes", {"SREM", kTag + ":lanes", "acme/mail"}, "lanes"},
      {"a deleted core", {"DEL", core(3)}, "a core behind the entry"},
      {"no timeout", {"ZREM", kTag + ":timeouts", id(1)}, "timeouts"},
      {"a timeout too many", {"ZADD", kTag + ":timeouts", "5", id(2)}, "timeouts"},
      {"a timeout at another time", {"ZINCRBY", kTag + ":timeouts", "1", id(1)}, "the score that the core implies"},
      {"no deadline", {"ZREM", kTag + ":deadlines", id(1)}, "deadlines"},
      {"a deadline too many", {"ZADD", kTag + ":deadlines", "5", id(4)}, "deadlines"},
      {"a deadline at another time", {"ZINCRBY", kTag + ":deadlines", "1", id(1)}, "the score that the core implies"},
      {"purged at another time", {"ZINCRBY", kTag + ":completed", "1", id(4)}, "its end and its retention"},
      {"an unknown state", change_core(core(2), {"s", "asleep"}), "a state"},
      {"an unknown field", change_core(core(2), {"hello", "1"}), "a known field"},
      {"a field too long", change_core(core(2), {"k", std::string(65, 'k')}), "at most 64 bytes"},
      {"no lease", change_core(core(1), {"l", ""}), "the lease of the holder"},
      {"no worker", change_core(core(1), {"w", ""}), "field w"},
      {"an outcome while it runs", change_core(core(1), {"o", "failed"}), "absent while its holder works"},
      {"no outcome beside the lease", change_core(core(4), {"o", ""}), "field l"},
      {"no end", change_core(core(4), {"z", ""}), "field z"},
      {"an end too early", change_core(core(2), {"z", "5"}), "field z"},
      {"more crashes than the cap", change_core(core(1), {"n", "6", "a", "7", "x", "crash"}), "at most 5"},
      {"more failures than attempts", change_core(core(1), {"f", "1", "x", "mine"}), "field a"},
      {"a failure without a class", change_core(core(1), {"f", "1", "a", "2"}), "field x"},
      {"not a number", change_core(core(1), {"e", "x"}), "a whole number"},
      {"no note of satellites", change_core(core(1), {"j", ""}), "field j"},
      {"a note of no satellites", change_core(core(2), {"j", "1"}), "field j"},
      {"a payload that is lost", change_core(core(2), {"pk", "1"}), "field pk"},
      {"an orphan", {"SET", core(55) + ":p", "x"}, "a core beside the satellite"},
      {"an unknown satellite", {"SET", core(2) + ":q", "x"}, "a known satellite"},
      {"a satellite of another type", {"LPUSH", core(2) + ":x", "x"}, "a string"},
      {"an old result of the current generation", {"SET", core(4) + ":r0", "x"}, "a generation below 0"},
      {"a result of what has none", {"SET", core(2) + ":r", "x"}, "no result"},
      {"frames without the state of a stream", {"XADD", core(1) + ":f", "0-1", "m", "x"}, "frames only beside"},
      {"a stream of a generation to come", {"HSET", core(1) + ":s", "g", "9", "n", "1", "b", "0", "z", "0"},
       "a generation there was"},
      {"an unknown field of a stream", {"HSET", core(1) + ":s", "hello", "1"}, "a known field"},
      {"a mark of a tail that is none", change_core(core(2), {"i", "2"}), "field i"},
      {"a core that expires", {"EXPIRE", core(2), "1000"}, "no expiry"},
      {"an idempotency record that stays", {"PERSIST", kTag + ":i:acme/order-1"}, "an expiry"},
      {"a damaged idempotency record", {"SET", kTag + ":i:acme/order-1", "hello", "EX", "10"}, "<ulid> <expires ms>"},
      {"a worker without room", {"ZADD", kTag + ":idle:acme/mail", "0", "w9"}, "room of 1 or more"},
      {"a signal that was not answered", {"DEL", core(5) + ":d1"}, "1 answers"},
      {"a signal that is lost", {"DEL", core(5) + ":m1"}, "1 signals"},
      {"a signal that counts twice", {"HSET", core(5) + ":m1", "2", "x"}, "1 signals"},
      {"two answers with one number", {"HSET", core(5) + ":d1", "w/s2", "1 accepted 2 go "}, "an answer for each"},
      {"a suspension without its document", {"DEL", core(5) + ":s1"}, "a document to wait by"},
      {"a document of a later step", {"SET", core(5) + ":s3", "{\"n\":0}"}, "or the next"},
      {"steps of one that has none", {"SET", core(2) + ":s1", "{\"n\":0}"}, "no step without field h"},
      {"an expiry of one without steps", {"ZADD", kTag + ":waitpoints", "5", id(2)}, "an unfinished execution"},
      {"an event that is none", {"HSET", kTag + ":n:acme/a/b", "x", "y"}, "an event, a waiter"},
      {"an unknown key", {"SET", kTag + ":hello", "1"}, "no such key"},
      {"the key that never exists", {"SET", kTag + ":absent", "1"}, "never to exist"},
      {"an index of another type", {"SET", kTag + ":blocked", "1"}, "a zset"},
      {"an unknown field of the partition", {"HSET", kTag, "hello", "1"}, "hi, skew and lv"},
  };
}

}  // namespace

TEST_CASE("the checker is silent on a sound partition", "[checker]") {
  ValkeyServer server;
  auto client = server.client();
  fill(client);

  auto report = ff::test::check_deployment(client);

  CHECK(report.text() == "");
  CHECK(report.executions == 7);
  CHECK(report.by_state["suspended"] == 1);
  CHECK(report.by_state["active"] == 1);
  CHECK(report.by_state["ready"] == 3);
  CHECK(report.by_state["delayed"] == 1);
  CHECK(report.by_state["completed"] == 1);
}

TEST_CASE("the checker names every damage", "[checker]") {
  ValkeyServer server;
  auto client = server.client();

  for (const auto& damage : damages()) {
    ask(client, {"FLUSHALL", "SYNC"});
    fill(client);
    ask(client, damage.command);
    auto text = ff::test::check_deployment(client).text();
    INFO(damage.name << "\n" << text);
    CHECK(text.find(damage.found_at) != std::string::npos);
  }
}

TEST_CASE("a step back of epoch, generation or end is named", "[checker]") {
  ValkeyServer server;
  auto client = server.client();
  fill(client);
  ff::test::SnapshotScope scope;
  auto before = ff::test::read_snapshot(client, kTag, scope);
  CHECK(ff::test::check_step(before, ff::test::read_snapshot(client, kTag, scope)).empty());

  ask(client, change_core(core(1), {"e", "7"}));
  ask(client, change_core(core(4), {"s", "failed"}));
  ask(client, change_core(core(2), {"k", "other"}));
  auto violations = ff::test::check_step(before, ff::test::read_snapshot(client, kTag, scope));

  std::string text;
  for (const auto& violation : violations) text += violation.text() + "\n";
  CHECK(text.find("field e: never smaller") != std::string::npos);
  CHECK(text.find("field s: unchanged after the end") != std::string::npos);
  CHECK(text.find("field k: unchanged") != std::string::npos);
}

TEST_CASE("the checker reads a large partition in pieces", "[checker]") {
  ValkeyServer server;
  auto client = server.client();
  fill(client);
  constexpr std::size_t batches = 80, batch = 256;
  for (std::size_t i = 0; i < batches; ++i) {
    Words items = {"acme", "0", kAllColumns};
    for (std::size_t n = 0; n < batch; ++n) add_item(items, 1000 + i * batch + n, {});
    call(client, "submit", items);
  }

  auto started = std::chrono::steady_clock::now();
  auto report = ff::test::check_deployment(client);
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;

  std::printf("%zu executions, %zu keys: %.0f executions/s\n", report.executions, report.keys,
              double(report.executions) / took.count());
  CHECK(report.text() == "");
  CHECK(report.executions == batches * batch + 7);
}
