// Routes: requirements, preferences, allowances and fairness keys, on a real Valkey.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <numeric>

#include "ff/core/capability.hpp"
#include "lua/fixture.hpp"
#include "support/seed.hpp"

namespace ff::test {
namespace {

script::Submit::Item requiring(const std::string& requirements) {
  auto item = LuaFixture::item();
  item.requirements = requirements;
  return item;
}

script::Submit::Item of_key(const std::string& key, std::int64_t weight = 1) {
  auto item = LuaFixture::item();
  item.fairness_key = key;
  item.fairness_weight = weight;
  item.kind = key;
  return item;
}

std::vector<script::Submit::Item> many(const script::Submit::Item& like, std::size_t count) {
  std::vector<script::Submit::Item> items(count, like);
  for (auto& item : items) item.id = LuaFixture::new_id();
  return items;
}

script::Claim::Args claim_args(std::int64_t want, std::vector<std::string> capabilities,
                               std::vector<std::string> allowances = {}) {
  auto args = LuaFixture::claim_args(want);
  args.capabilities = std::move(capabilities);
  args.allowances = std::move(allowances);
  return args;
}

// The kinds of what was claimed, joined.
std::string kinds(const script::Claim::Ok& answer) {
  std::string all;
  for (const auto& row : answer.rows) all += row.kind;
  return all;
}

TEST_CASE("an execution goes only to a worker that has what it requires") {
  LuaFixture lua;
  const auto id = lua.submit(requiring("+cuda>=12 +gpu"));

  for (const auto& lacking : std::vector<std::vector<std::string>>{{}, {"gpu"}, {"cuda=12.2"}, {"cuda=11", "gpu"}}) {
    const auto answer = lua.ok<script::Claim>(claim_args(5, lacking));
    CHECK(answer.rows.empty());
    CHECK(answer.left == 0);
    CHECK(answer.head == -1);
    CHECK(answer.check_in_ms > 0);
  }

  const auto answer = lua.ok<script::Claim>(claim_args(5, {"cuda=12.2", "gpu"}));
  REQUIRE(answer.rows.size() == 1);
  CHECK(answer.rows[0].id == id);
  CHECK(answer.rows[0].requirements == "+cuda>=12 +gpu");
  CHECK(lua.violations() == "");
}

TEST_CASE("a worker with capabilities also takes plain work, the best of all lines first") {
  LuaFixture lua;
  auto low = LuaFixture::item(), high = requiring("+gpu"), middle = LuaFixture::item();
  low.kind = "a";
  high.kind = "c";
  high.priority = 9;
  middle.kind = "b";
  middle.priority = 5;
  lua.submit({low, high, middle});

  CHECK(kinds(lua.ok<script::Claim>(claim_args(2, {"gpu"}))) == "cb");
  CHECK(kinds(lua.ok<script::Claim>(claim_args(2, {}))) == "a");
  CHECK(lua.violations() == "");
}

TEST_CASE("requirements that do not fit into the core are kept beside it, through a retry") {
  LuaFixture lua;
  std::string text;
  std::vector<std::string> capabilities;
  for (int i = 10; i < 26; ++i) {
    text += (text.empty() ? "+capability-" : " +capability-") + std::to_string(i);
    capabilities.push_back("capability-" + std::to_string(i));
  }
  const auto id = lua.submit(requiring(text));
  auto args = claim_args(1, capabilities);
  const auto first = lua.ok<script::Claim>(args);
  REQUIRE(first.rows.size() == 1);
  CHECK(first.rows[0].requirements == text);
  CHECK(lua.describe(id).requirements == text);
  Held lease;
  lease.id = id;
  lease.lease = args.lease;
  lease.epoch = std::to_string(first.rows[0].epoch);
  auto fail = lua.fail_args(lease);
  fail.retry_after_ms = 0;
  lua.ok<script::Fail>(fail);
  CHECK(lua.violations() == "");

  CHECK(lua.ok<script::Claim>(claim_args(1, {"capability-10"})).rows.empty());
  CHECK(lua.ok<script::Claim>(claim_args(1, capabilities)).rows.size() == 1);
}

TEST_CASE("what becomes ready wakes a worker that can take it, and nobody else") {
  LuaFixture lua;
  auto plain = claim_args(5, {}), able = claim_args(5, {"gpu"});
  able.worker = "able";
  lua.ok<script::Claim>(plain);
  lua.ok<script::Claim>(able);
  Listener listener(lua, {"w:worker", "w:able"});

  lua.submit(requiring("+gpu"));
  CHECK(listener.heard() == std::vector<std::string>{"w:able ready ns/lane"});
  lua.submit(requiring("+other"));
  CHECK(listener.heard().empty());
  lua.submit();
  CHECK(listener.heard() == std::vector<std::string>{"w:worker ready ns/lane"});
}

TEST_CASE("plain work wakes a worker with capabilities when no other is idle") {
  LuaFixture lua;
  lua.ok<script::Claim>(claim_args(5, {"gpu"}));
  Listener listener(lua, {"w:worker"});

  lua.submit();

  CHECK(listener.heard() == std::vector<std::string>{"w:worker ready ns/lane"});
}

TEST_CASE("a worker that leaves is not woken in its capability set") {
  LuaFixture lua;
  lua.ok<script::Claim>(claim_args(5, {"gpu"}));
  script::Leave::Args leave;
  leave.worker = "worker";
  leave.queues = {"ns/lane"};
  leave.capabilities = {"gpu"};
  lua.ok<script::Leave>(leave);
  Listener listener(lua, {"w:worker"});

  lua.submit(requiring("+gpu"));

  CHECK(listener.heard().empty());
}

TEST_CASE("a retry wakes first the worker that ran it") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto other = claim_args(9, {});
  other.worker = "other";
  lua.ok<script::Claim>(other);       // More room,
  lua.ok<script::Claim>(claim_args(1, {}));  // but not the one.
  Listener listener(lua, {"w:worker", "w:other"});
  auto fail = lua.fail_args(lease);
  fail.retry_after_ms = 0;

  lua.ok<script::Fail>(fail);

  CHECK(listener.heard() == std::vector<std::string>{"w:worker ready ns/lane"});
}

TEST_CASE("what prefers a worker goes to it at once, and to others after five seconds") {
  LuaFixture lua;
  const auto id = lua.submit(requiring("~ssd"));
  const auto waits = lua.ok<script::Claim>(claim_args(1, {}));
  CHECK(waits.rows.empty());
  CHECK(waits.left == 0);
  CHECK(lua.score("handoffs", "ns/lane|" + lua.members("open:ns/lane").at(0)) > lua.now() + 4000);

  SECTION("the one it prefers") {
    CHECK(lua.ok<script::Claim>(claim_args(1, {"ssd"})).rows.size() == 1);
  }
  SECTION("another one, in time") {
    // As if it had come six seconds ago.
    const auto line = "q:ns/lane|" + lua.members("open:ns/lane").at(0);
    lua.text({"ZINCRBY", lua.key(line), "-6000", id});
    CHECK(lua.ok<script::Claim>(claim_args(1, {})).rows.size() == 1);
  }
}

TEST_CASE("limited work needs an allowance, and a claim says what it has none for") {
  LuaFixture lua;
  lua.submit(many(requiring("#tenant:a"), 3));
  lua.submit(requiring("#tenant:b +gpu"));

  auto none = lua.ok<script::Claim>(claim_args(5, {}));
  CHECK(none.rows.empty());
  CHECK(none.lacking == std::vector<std::string>{"3 #tenant:a"});
  const auto two = lua.ok<script::Claim>(claim_args(5, {}, {"2 #tenant:a"}));
  CHECK(two.rows.size() == 2);
  CHECK(two.rows[0].requirements == "#tenant:a");
  auto able = lua.ok<script::Claim>(claim_args(5, {"gpu"}, {"1 #tenant:b +gpu"}));
  CHECK(able.rows.size() == 1);
  CHECK(able.lacking == std::vector<std::string>{"1 #tenant:a"});
  CHECK(lua.violations() == "");
}

TEST_CASE("a change to the priority it has leaves an execution where it stands, also a second time") {
  LuaFixture lua;
  const auto first = lua.submit(of_key("A")), second = lua.submit(of_key("A"));
  script::ChangePriority::Args args;
  args.ns = "ns";
  args.id = first;
  args.priority = 5;
  lua.ok<script::ChangePriority>(args);
  args.id = second;
  lua.ok<script::ChangePriority>(args);
  args.id = first;

  lua.ok<script::ChangePriority>(args);

  const auto both = lua.ok<script::Claim>(claim_args(2, {}));
  REQUIRE(both.rows.size() == 2);
  CHECK(both.rows[0].id == first);
  CHECK(both.rows[1].id == second);
}

TEST_CASE("fairness keys are served in turn, by weight, however many wait for each") {
  LuaFixture lua;
  lua.submit(many(of_key("A"), 300));
  lua.submit(many(of_key("B", 2), 40));
  lua.submit(many(of_key("C"), 40));

  CHECK(kinds(lua.ok<script::Claim>(claim_args(12, {}))) == "ABCBABCBABCB");
  std::string more;
  for (int i = 0; i < 8; ++i) more += kinds(lua.ok<script::Claim>(claim_args(1, {})));
  CHECK(std::count(more.begin(), more.end(), 'B') == 4);
  CHECK(lua.violations() == "");
}

TEST_CASE("a key that comes back at once is not ahead of those that wait") {
  LuaFixture lua;
  lua.submit(many(of_key("A"), 100));
  std::string served;
  for (int i = 0; i < 40; ++i) {
    if (i == 0 || served.back() == 'B') lua.submit(of_key("B"));
    served += kinds(lua.ok<script::Claim>(claim_args(1, {})));
  }

  CHECK(std::count(served.begin(), served.end(), 'B') >= 19);
  CHECK(std::count(served.begin(), served.end(), 'B') <= 21);
  CHECK(lua.violations() == "");
}

TEST_CASE("a noisy tenant: a hundred of B behind a hundred thousand of A wait as in an empty lane") {
  LuaFixture lua;
  lua.submit(many(of_key("A"), 100'000));
  lua.submit(many(of_key("B"), 100));

  std::size_t claimed = 0, of_b = 0, last_b = 0;
  while (of_b < 100 && claimed < 1000) {
    for (const auto& row : lua.ok<script::Claim>(claim_args(10, {})).rows) {
      ++claimed;
      if (row.kind != "B") continue;
      ++of_b;
      last_b = claimed;
    }
  }

  CHECK(of_b == 100);
  CHECK(last_b <= 202);  // Every second one.
}

TEST_CASE("among fairness keys a higher priority goes first, and lower ones are passed only so often") {
  LuaFixture lua;
  auto low = of_key("low");
  auto high = of_key("high");
  high.priority = 2;
  lua.submit(many(high, 300));
  lua.submit(many(low, 5));
  std::size_t before = 0;
  for (bool found = false; !found && before < 300;) {
    const auto rows = lua.ok<script::Claim>(claim_args(1, {})).rows;
    found = rows.at(0).kind == "low";
    if (!found) ++before;
  }

  // Two steps of a minute each; a service counts as a second.
  CHECK(before >= 119);
  CHECK(before <= 121);
}

TEST_CASE("a change of priority while waiting works in every line") {
  LuaFixture lua;
  const auto plain = lua.submit(), routed = lua.submit(requiring("+gpu")), keyed = lua.submit(of_key("A"));
  lua.submit(of_key("B"));
  for (const auto& id : {plain, routed, keyed}) {
    script::ChangePriority::Args args;
    args.ns = "ns";
    args.id = id;
    args.priority = 7;
    const auto since = lua.describe(id).timer_at;
    lua.ok<script::ChangePriority>(args);
    CHECK(lua.describe(id).timer_at == since);
    CHECK(lua.violations() == "");
  }
  auto args = claim_args(3, {"gpu"});
  std::set<std::string> best;
  for (const auto& row : lua.ok<script::Claim>(args).rows) best.insert(row.id);
  CHECK(best == std::set<std::string>{plain, routed, keyed});
}

struct Listed {
  std::multiset<std::string> ids;
  int calls = 0;
};

Listed list_ready(LuaFixture& lua) {
  Listed listed;
  script::List::Args args;
  args.ns = "ns";
  args.state = "ready";
  args.lane = "lane";
  args.limit = 2;
  do {
    const auto page = lua.ok<script::List>(args);
    for (const auto& row : page.rows) listed.ids.insert(row.id);
    args.cursor = page.cursor;
  } while (++listed.calls < 100 && !args.cursor.empty());
  return listed;
}

TEST_CASE("an index with nothing in it costs a list no call") {
  LuaFixture lua;
  lua.submit(many(LuaFixture::item(), 2));
  CHECK(list_ready(lua).calls == 1);
  lua.submit(many(requiring("+gpu"), 2));
  CHECK(list_ready(lua).calls == 2);
  lua.submit(many(requiring("#a"), 2));
  CHECK(list_ready(lua).calls == 3);

  auto refused = claim_args(5, {});
  refused.allowances = {"0 #a"};
  REQUIRE(lua.ok<script::Claim>(refused).rows.size() == 2);  // The plain ones; the others were sorted out.
  const auto sorted = list_ready(lua);
  CHECK(sorted.calls == 3);  // None for the common line.
  CHECK(sorted.ids.size() == 4);
  CHECK(std::set<std::string>(sorted.ids.begin(), sorted.ids.end()).size() == 4);
}

TEST_CASE("ready executions of all lines are counted and listed") {
  LuaFixture lua;
  lua.submit(many(LuaFixture::item(), 3));
  lua.submit(many(requiring("+gpu"), 4));
  lua.submit(many(of_key("A"), 5));
  lua.submit(many(requiring("#a"), 3));
  const auto listed = list_ready(lua).ids;
  CHECK(listed.size() == 15);
  CHECK(std::set<std::string>(listed.begin(), listed.end()).size() == 15);
  std::map<std::string, std::int64_t> counts;
  for (const auto& row : lua.ok<script::Count>(script::Count::Args()).rows) counts[row.index] = row.executions;
  CHECK(counts["ready:ns/lane"] == 15);
  CHECK(counts["unserved:ns/lane"] == 12);  // No worker was seen.
}

TEST_CASE("what a lane's lines require outlives a reload of the library") {
  LuaFixture lua;
  lua.submit(requiring("+gpu"));
  lua.submit(of_key("A"));
  lua.reload();

  CHECK(lua.ok<script::Claim>(claim_args(5, {"gpu"})).rows.size() == 2);
}

// Everything at random, against what must hold whatever happens: nobody gets what it lacks a capability or an
// allowance for, and a claim that has room left leaves nothing that it could have taken.
class Fuzz {
 public:
  explicit Fuzz(std::uint64_t seed) : rng_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      const auto kind = rng_.below(10);
      if (kind < 4) submit();
      else if (kind < 8) claim();
      else if (kind < 9) cancel();
      else change_priority();
      if (i % 10 == 9) REQUIRE(lua_.violations() == "");
      if (rng_.chance(0.02)) lua_.reload();
    }
    CHECK(claimed_ > 100);
  }

 private:
  struct Waiting {
    core::Requirements requirements;
    std::string text;
    bool limited = false;
  };

  void submit() {
    static const char* needs[] = {"a", "b=1", "b>=2", "c"};
    auto item = LuaFixture::item();
    Waiting waiting;
    for (auto count = rng_.below(3); count > 0; --count) waiting.requirements.needs.insert(needs[rng_.below(4)]);
    waiting.limited = rng_.chance(0.2);
    waiting.text = (waiting.limited ? "#q" : "") + core::to_wire(waiting.requirements);
    if (waiting.limited && waiting.text.size() > 2) waiting.text.insert(2, " ");
    item.requirements = waiting.text;
    item.priority = rng_.between(0, 3);
    if (rng_.chance(0.5)) item.fairness_key = std::string(1, static_cast<char>('a' + rng_.below(4)));
    item.fairness_weight = rng_.between(1, 3);
    lua_.submit(item);
    waiting_.emplace(item.id, waiting);
  }

  void claim() {
    static const char* all[] = {"a", "b=1", "b=2", "b=3", "c"};
    core::Capabilities has;
    for (auto count = rng_.below(4); count > 0; --count) has.insert(all[rng_.below(5)]);
    const auto want = rng_.between(1, 6);
    auto args = claim_args(want, {has.begin(), has.end()});
    std::map<std::string, std::int64_t> allowed;
    if (rng_.chance(0.5)) {
      for (const auto& [id, waiting] : waiting_) {
        if (waiting.limited && rng_.chance(0.3)) allowed[waiting.text] = rng_.between(1, 2);
      }
    }
    for (const auto& [text, count] : allowed) args.allowances.push_back(std::to_string(count) + " " + text);
    const auto answer = lua_.ok<script::Claim>(args);
    for (const auto& row : answer.rows) {
      const auto found = waiting_.find(row.id);
      REQUIRE(found != waiting_.end());
      CHECK(core::satisfies_all(has, found->second.requirements.needs));
      CHECK(row.requirements == found->second.text);
      if (found->second.limited) CHECK(--allowed[row.requirements] >= 0);
      waiting_.erase(found);
      ++claimed_;
    }
    if (static_cast<std::int64_t>(answer.rows.size()) == want) return;
    for (const auto& [id, waiting] : waiting_) {
      const bool could = core::satisfies_all(has, waiting.requirements.needs) &&
                         (!waiting.limited || allowed[waiting.text] > 0);
      INFO(id << " requires " << waiting.text);
      CHECK_FALSE(could);
    }
  }

  std::string any() {
    auto at = waiting_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(rng_.below(waiting_.size())));
    return at->first;
  }

  void cancel() {
    if (waiting_.empty()) return;
    script::Cancel::Args args;
    args.ns = "ns";
    args.id = any();
    lua_.ok<script::Cancel>(args);
    waiting_.erase(args.id);
  }

  void change_priority() {
    if (waiting_.empty()) return;
    script::ChangePriority::Args args;
    args.ns = "ns";
    args.id = any();
    args.priority = rng_.between(0, 3);
    lua_.ok<script::ChangePriority>(args);
  }

  Rng rng_;
  LuaFixture lua_;
  std::map<std::string, Waiting> waiting_;
  std::size_t claimed_ = 0;
};

TEST_CASE("at random, nobody gets what it may not have, and nothing that could be taken is left") {
  Fuzz(seed()).run(1500);
}

}  // namespace
}  // namespace ff::test
