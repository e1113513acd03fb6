// Verbs that only look: describe, payload, result, list, count; and watch.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using script::List;

List::Args listing(const std::string& state, std::int64_t limit = 100, const std::string& lane = "") {
  List::Args args;
  args.ns = "ns";
  args.state = state;
  args.lane = lane;
  args.limit = limit;
  return args;
}

// All pages, each of at most `limit` rows.
std::vector<std::string> all_pages(LuaFixture& lua, List::Args args) {
  std::vector<std::string> ids;
  for (int pages = 0; pages < 1000; ++pages) {
    const auto page = lua.ok<List>(args);
    CHECK(page.rows.size() <= static_cast<std::size_t>(args.limit));
    for (const auto& row : page.rows) ids.push_back(row.id);
    if (page.cursor.empty()) return ids;
    args.cursor = page.cursor;
  }
  FAIL("the list does not end");
  return ids;
}

TEST_CASE("what does not exist in a namespace is not found by any look") {
  LuaFixture lua;
  const auto id = lua.submit();
  const auto refused = [&lua, &id]<class Verb>(Verb) {
    typename Verb::Args foreign, none;
    foreign.ns = "other";
    foreign.id = id;
    none.ns = "ns";
    none.id = LuaFixture::new_id();
    CHECK(lua.word<Verb>(foreign) == "not_found");
    CHECK(lua.word<Verb>(none) == "not_found");
  };
  const auto before = lua.contents();
  refused(script::Describe());
  refused(script::Payload());
  refused(script::Result());
  refused(script::Watch());
  CHECK(lua.changes(before) == "");
}

TEST_CASE("the position of a ready execution is how many are ahead") {
  LuaFixture lua;
  const auto held = lua.held().id, first = lua.submit(), second = lua.submit();
  CHECK(lua.describe(held).position == -1);
  CHECK(lua.describe(first).position == 0);
  CHECK(lua.describe(second).position == 1);
}

TEST_CASE("the state's index is listed with what is needed to show it") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.priority = 9;
  item.delay_ms = 60'000;
  lua.submit(item);

  const auto page = lua.ok<List>(listing("delayed"));

  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].id == item.id);
  CHECK(page.rows[0].queue == "ns/lane");
  CHECK(page.rows[0].kind == "kind");
  CHECK(page.rows[0].priority == 9);
  CHECK(page.rows[0].attempt == 0);
  CHECK(page.rows[0].timer_at == lua.describe(item.id).timer_at);
  CHECK(page.cursor.empty());
}

TEST_CASE("pages of every size show each of many executions with the same time once, in order") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 40; ++i) items.push_back(LuaFixture::item());
  const auto when = lua.now() + 60'000;
  for (auto& item : items) item.start_at = when;
  lua.submit(items);
  std::vector<std::string> wanted;
  for (const auto& item : items) wanted.push_back(item.id);
  std::sort(wanted.begin(), wanted.end());

  for (const std::int64_t limit : {1, 7, 39, 40, 41, 1000}) CHECK(all_pages(lua, listing("delayed", limit)) == wanted);
}

TEST_CASE("a page goes on where the last one ended, also when that execution has left the index") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 6; ++i) items.push_back(LuaFixture::item());
  for (std::size_t i = 0; i < items.size(); ++i)
    items[i].start_at = lua.now() + 60'000 + static_cast<std::int64_t>(i) * 10;
  lua.submit(items);
  auto args = listing("delayed", 3);
  args.cursor = lua.ok<List>(args).cursor;
  lua.make_due("delayed", items[2].id);
  lua.run_due();

  const auto rest = lua.ok<List>(args);

  REQUIRE(rest.rows.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(rest.rows[i].id == items[i + 3].id);
}

TEST_CASE("when it left from among equals they may come twice, but none is missed") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 6; ++i) items.push_back(LuaFixture::item());
  const auto when = lua.now() + 60'000;
  for (auto& item : items) item.start_at = when;
  lua.submit(items);
  auto args = listing("delayed", 3);
  const auto first = lua.ok<List>(args);
  lua.make_due("delayed", first.rows[2].id);
  lua.run_due();

  args.cursor = first.cursor;
  const auto rest = all_pages(lua, args);

  for (std::size_t i = 0; i < 6; ++i) {
    const bool left = items[i].id == first.rows[2].id;
    if (!left &&
        std::none_of(first.rows.begin(), first.rows.end(), [&](const auto& row) { return row.id == items[i].id; })) {
      CHECK(std::count(rest.begin(), rest.end(), items[i].id) == 1);
    }
  }
}

TEST_CASE("ready executions are listed by rank, for one lane") {
  LuaFixture lua;
  auto high = LuaFixture::item(), other = LuaFixture::item();
  high.priority = 9000;
  other.lane = "other";
  const auto low = lua.submit();
  lua.submit({high, other});

  const auto page = lua.ok<List>(listing("ready", 100, "lane"));

  REQUIRE(page.rows.size() == 2);
  CHECK(page.rows[0].id == high.id);
  CHECK(page.rows[1].id == low);
  CHECK(page.rows[1].timer_at == page.rows[1].created_at);
  CHECK(all_pages(lua, listing("ready", 1, "lane")) == std::vector<std::string>{high.id, low});
}

TEST_CASE("a list shows one namespace, and one lane if asked, over pages that show nothing") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 300; ++i) items.push_back(LuaFixture::item());
  for (auto& item : items) item.delay_ms = 60'000;
  lua.submit(items, "other");
  auto mine = LuaFixture::item(), elsewhere = LuaFixture::item();
  mine.delay_ms = elsewhere.delay_ms = 90'000;
  elsewhere.lane = "elsewhere";
  lua.submit({mine, elsewhere});

  CHECK(all_pages(lua, listing("delayed", 10)).size() == 2);
  CHECK(all_pages(lua, listing("delayed", 10, "lane")) == std::vector<std::string>{mine.id});
  CHECK(all_pages(lua, listing("delayed", 10, "none")).empty());
}

TEST_CASE("one call looks at a bounded number of entries and goes on from there") {
  LuaFixture lua;
  std::vector<script::Submit::Item> items;
  for (int i = 0; i < 4500; ++i) items.push_back(LuaFixture::item());
  for (auto& item : items) item.delay_ms = 60'000;
  lua.submit(items, "other");
  auto mine = LuaFixture::item();
  mine.delay_ms = 90'000;
  lua.submit(mine);

  auto args = listing("delayed", 10);
  const auto first = lua.ok<List>(args);
  CHECK(first.rows.empty());
  REQUIRE_FALSE(first.cursor.empty());
  args.cursor = first.cursor;
  CHECK(lua.ok<List>(args).rows.at(0).id == mine.id);
}

TEST_CASE("refusals of a list in order: bad state, lane needed, bad cursor") {
  LuaFixture lua;
  auto args = listing("nonsense");
  args.cursor = "nonsense";
  CHECK(lua.word<List>(args) == "bad_state");
  args.state = "ready";
  CHECK(lua.word<List>(args) == "lane_needed");
  args.lane = "lane";
  CHECK(lua.word<List>(args) == "bad_cursor");
  for (const char* cursor : {" ", "5", "x 01ARZ3NDEKTSV4RRFFQ69G5FAV", "-5 01ARZ3NDEKTSV4RRFFQ69G5FAV", "5  a"}) {
    args.cursor = cursor;
    CHECK(lua.word<List>(args) == "bad_cursor");
  }
}

TEST_CASE("a count tells of each state and of each queue") {
  LuaFixture lua;
  auto delayed = LuaFixture::item(), other = LuaFixture::item();
  delayed.delay_ms = 60'000;
  other.lane = "other";
  const auto lease = lua.held();
  lua.complete(lease);
  lua.submit({LuaFixture::item(), LuaFixture::item(), delayed, other});

  std::map<std::string, std::int64_t> counts;
  for (const auto& row : lua.ok<script::Count>(script::Count::Args()).rows) counts[row.index] = row.executions;

  const std::map<std::string, std::int64_t> wanted = {
      {"delayed", 1}, {"active", 0}, {"suspended", 0}, {"blocked", 0}, {"completed", 1}, {"failed", 0},
      {"cancelled", 0}, {"expired", 0}, {"skipped", 0}, {"ready:ns/lane", 2}, {"ready:ns/other", 1}};
  CHECK(counts == wanted);
}

script::Watch::Args watch(const std::string& id) {
  script::Watch::Args args;
  args.ns = "ns";
  args.id = id;
  return args;
}

TEST_CASE("a watched end is published, once, and an unwatched one is not") {
  LuaFixture lua;
  const auto watched = lua.held(), other = lua.held();
  Listener watcher(lua, {"v:" + watched.id, "v:" + other.id});

  CHECK(lua.ok<script::Watch>(watch(watched.id)).state == "active");
  const auto before = lua.contents();
  CHECK(lua.ok<script::Watch>(watch(watched.id)).state == "active");
  CHECK(lua.changes(before) == "");
  lua.complete(watched);
  lua.complete(other);

  CHECK(watcher.heard() == std::vector<std::string>{"v:" + watched.id + " completed"});
  CHECK(lua.ok<script::Watch>(watch(watched.id)).state == "completed");
}

TEST_CASE("a watch hears of each way to end, lean or not, and only of the end") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.policy = R"({"mode":"lean","retry":{"max_attempts":2,"delay_ms":0}})";
  const auto lease = lua.held(item);
  Listener watcher(lua, {"v:" + lease.id});
  lua.ok<script::Watch>(watch(lease.id));
  lua.ok<script::Fail>(lua.fail_args(lease));
  CHECK(watcher.heard().empty());

  lua.ok<script::Fail>(lua.fail_args(lua.held_again(lease.id)));

  CHECK(watcher.heard() == std::vector<std::string>{"v:" + lease.id + " failed"});
}

TEST_CASE("each transition is one event, a batch is one entry") {
  LuaFixture lua;
  const auto a = LuaFixture::item(), b = LuaFixture::item();
  lua.submit({a, b});
  lua.claim(2);
  lua.text({"DEL", lua.key("idle:ns/lane")});
  script::Cancel::Args cancel;
  cancel.ns = "ns";
  cancel.id = a.id;
  lua.ok<script::Cancel>(cancel);

  const auto entries = lua.command({"XRANGE", lua.key("ev"), "-", "+"});

  std::vector<std::string> events;
  for (const auto& entry : entries.elements) events.push_back(entry.elements.at(1).str());
  const auto event = [](const std::string& id, const std::string& text) { return id + "\n" + text + " ns/lane"; };
  CHECK(events == std::vector<std::string>{event(a.id, "ready") + "\n" + event(b.id, "ready"),
                                           event(a.id, "active") + "\n" + event(b.id, "active"),
                                           event(a.id, "cancelled")});
}

TEST_CASE("the stream of events keeps about the last 4096 entries") {
  LuaFixture lua;
  for (int i = 0; i < 5000; ++i) lua.text({"XADD", lua.key("ev"), "*", "a", "b"});

  lua.submit();

  const auto length = std::stoll(lua.text({"XLEN", lua.key("ev")}));
  CHECK(length >= 4096);
  CHECK(length < 4096 + 200);
}

}  // namespace
}  // namespace ff::test
