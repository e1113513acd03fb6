// Events of all partitions: order, resume, gaps, namespaces; and silence when nobody reads.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <map>

#include "ff/engine/events.hpp"
#include "integration/worker_fixture.hpp"
#include "support/seed.hpp"

using namespace ff;
using namespace ff::test;
using engine::EventCursor;
using engine::EventFeed;

namespace {

engine::EventFilter filter(std::string ns = "default") {
  engine::EventFilter all;
  all.ns = std::move(ns);
  return all;
}

// States of each execution, in order of the events; reads until `enough` events came, or nothing more does.
struct Heard {
  std::map<std::string, std::vector<std::string>> states;
  std::size_t events = 0, gaps = 0;
};

void listen(WorkerSetup& setup, EventFeed::Reader& reader, Heard& heard, std::size_t enough) {
  while (heard.events < enough) {
    auto news = setup.good(reader.next(core::Deadline::in(2s)));
    if (news.events.empty()) return;
    for (const auto& event : news.events) {
      if (!event.state) {
        ++heard.gaps;
        continue;
      }
      ++heard.events;
      heard.states[event.ulid].push_back(std::string(core::to_string(*event.state)));
    }
  }
}

}  // namespace

TEST_CASE("every transition of every partition is heard once, and a reader resumes where it was") {
  WorkerSetup setup(GENERATE(Store::standalone, Store::cluster));
  EventFeed feed(setup.client->deployment(), engine::EventFeedOptions());
  auto reader = feed.reader(filter(), std::nullopt);
  REQUIRE(setup.run(reader.ready(core::Deadline::in(10s))));
  setup.submit_count("work", 50);
  Heard heard;
  listen(setup, reader, heard, 50);
  CHECK(heard.states.size() == 50);
  const auto cursor = EventCursor::decode(reader.cursor().encode(), reader.cursor().partitions());
  REQUIRE(cursor);

  auto worker = setup.worker(worker_options(), [](sdk::Worker& w) {
    w.handle("work", [](sdk::Task&) -> sdk::HandlerResult { return core::Payload("done"); });
  });
  REQUIRE(setup.until([&] { return setup.in_state(core::State::completed) == 50; }));
  auto resumed = feed.reader(filter(), *cursor);
  Heard later;
  listen(setup, resumed, later, 100);
  listen(setup, reader, heard, 150);

  CHECK(later.states.size() == 50);
  for (const auto& [ulid, states] : later.states) CHECK(states == std::vector<std::string>{"active", "completed"});
  for (const auto& [ulid, states] : heard.states) {
    CHECK(states == std::vector<std::string>{"ready", "active", "completed"});
  }
  CHECK(heard.gaps + later.gaps == 0);
}

TEST_CASE("a filter lets through what it names, and never another tenant's") {
  WorkerSetup setup;
  EventFeed feed(setup.client->deployment(), engine::EventFeedOptions());
  auto by_lane = filter(), by_state = filter(), by_id = filter();
  by_lane.lane = "fast";
  by_state.state = core::State::cancelled;
  auto lane_reader = feed.reader(by_lane, std::nullopt);
  auto state_reader = feed.reader(by_state, std::nullopt);
  auto other_reader = feed.reader(filter("def"), std::nullopt);
  REQUIRE(setup.run(lane_reader.ready(core::Deadline::in(10s))));
  REQUIRE(setup.run(state_reader.ready(core::Deadline::in(10s))));
  REQUIRE(setup.run(other_reader.ready(core::Deadline::in(10s))));

  const auto slow = setup.submit("slow"), fast = setup.submit("fast");
  setup.good(setup.client->cancel(slow, core::Millis(0), ""));

  Heard of_lane, of_state, of_other;
  listen(setup, lane_reader, of_lane, 2);
  listen(setup, state_reader, of_state, 2);
  listen(setup, other_reader, of_other, 1);
  CHECK(of_lane.states.size() == 1);
  CHECK(of_lane.states.count(fast.ulid().str()) == 1);
  CHECK(of_state.states.count(slow.ulid().str()) == 1);
  CHECK(of_state.events == 1);
  CHECK(of_other.events == 0);
}

TEST_CASE("a gap is announced") {
  WorkerSetup setup;
  EventFeed feed(setup.client->deployment(), engine::EventFeedOptions());
  setup.submit_count("work", 100);
  std::optional<EventCursor> cursor;
  {
    auto reader = feed.reader(filter(), EventCursor(setup.client->deployment()->keys().partitions()));
    Heard heard;
    listen(setup, reader, heard, 100);
    CHECK(heard.events == 100);
    CHECK(heard.gaps == 0);
    cursor = reader.cursor();
  }
  for (int i = 0; i < 2; ++i) setup.submit_count("work", 100);  // An entry has the events of one call.
  const auto& keys = setup.client->deployment()->keys();
  for (std::size_t p = 0; p < keys.partitions(); ++p) {
    setup.cli(static_cast<core::Partition>(p), {"XTRIM", keys.events(static_cast<core::Partition>(p)), "MAXLEN", "1"});
  }

  auto reader = feed.reader(filter(), cursor);
  Heard heard;
  listen(setup, reader, heard, 1000);

  CHECK(heard.gaps > 0);
  CHECK(heard.events > 0);
  CHECK(heard.events < 200);
}

TEST_CASE("a reader that is too slow for the kept events reads the rest for itself") {
  WorkerSetup setup;
  engine::EventFeedOptions options;
  options.kept = 16;
  EventFeed feed(setup.client->deployment(), options);
  auto fast = feed.reader(filter(), std::nullopt), slow = feed.reader(filter(), std::nullopt);
  REQUIRE(setup.run(fast.ready(core::Deadline::in(10s))));
  REQUIRE(setup.run(slow.ready(core::Deadline::in(10s))));
  Heard of_fast, of_slow;
  for (int round = 1; round <= 10; ++round) {
    setup.submit_count("work", 20);
    listen(setup, fast, of_fast, static_cast<std::size_t>(round) * 20);
  }

  listen(setup, slow, of_slow, 200);

  CHECK(of_fast.events == 200);
  CHECK(of_slow.events == 200);
  CHECK(of_slow.states == of_fast.states);
  CHECK(of_slow.gaps == 0);
}

TEST_CASE("readers share one fan-in, and without readers nothing is asked") {
  WorkerSetup setup;
  EventFeed feed(setup.client->deployment(), engine::EventFeedOptions());
  setup.let_pass(300ms);
  CHECK(feed.stats().reads == 0);
  {
    std::vector<EventFeed::Reader> readers;
    for (int i = 0; i < 100; ++i) readers.push_back(feed.reader(filter(), std::nullopt));
    for (auto& reader : readers) REQUIRE(setup.run(reader.ready(core::Deadline::in(10s))));
    const auto reads = feed.stats().reads;
    setup.submit();
    for (auto& reader : readers) CHECK(setup.good(reader.next(core::Deadline::in(5s))).events.size() == 1);
    CHECK(feed.stats().reads < reads + 50);  // Of the fan-in alone, looks at silent partitions among them.
    CHECK(feed.stats().readers == 100);
  }
  CHECK(feed.stats().readers == 0);
  const auto reads = feed.stats().reads;
  setup.submit();
  setup.let_pass(300ms);
  CHECK(feed.stats().reads == reads);
}

TEST_CASE("a cut connection costs a feed nothing") {
  WorkerSetup setup;
  EventFeed feed(setup.client->deployment(), engine::EventFeedOptions());
  auto reader = feed.reader(filter(), std::nullopt);
  REQUIRE(setup.run(reader.ready(core::Deadline::in(10s))));
  Heard heard;
  for (int round = 1; round <= 3; ++round) {
    for (ValkeyServer* node : setup.primaries()) node->command({"CLIENT", "KILL", "TYPE", "pubsub"});
    setup.submit_count("work", 20);
    listen(setup, reader, heard, static_cast<std::size_t>(round) * 20);
  }
  CHECK(heard.states.size() == 60);
  CHECK(heard.events == 60);
}

TEST_CASE("a cursor is read back as it was, and nothing else is taken for one") {
  Rng random(seed());
  for (int round = 0; round < 200; ++round) {
    EventCursor cursor(random.below(100) + 1);
    for (std::size_t p = 0; p < cursor.partitions(); ++p) {
      if (random.chance(0.3)) continue;
      cursor.at(static_cast<core::Partition>(p)) = engine::EntryId(random() >> random.between(1, 63), random.below(9));
    }
    const std::string bytes = cursor.encode();
    const auto again = EventCursor::decode(bytes, cursor.partitions());
    REQUIRE(again);
    CHECK(again->encode() == bytes);
    CHECK_FALSE(EventCursor::decode(bytes, cursor.partitions() + 1));
    CHECK_FALSE(EventCursor::decode(bytes.substr(0, bytes.size() - 1), cursor.partitions()));
    CHECK_FALSE(EventCursor::decode(bytes + "x", cursor.partitions()));
  }
  CHECK_FALSE(EventCursor::decode("", 8));
}
