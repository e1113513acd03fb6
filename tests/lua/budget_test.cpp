// Budgets: what is reserved, used and reported, and how periods end.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>

#include "lua/holder.hpp"
#include "support/seed.hpp"

namespace ff::test {
namespace {

script::ReportUsage::Args usage(const std::string& key, const std::string& used, const std::string& holder = "",
                                const std::string& covered = "") {
  script::ReportUsage::Args args;
  args.ns = "ns";
  args.name = "b";
  args.key = key;
  args.known_ms = 60'000;
  args.used = used;
  args.holder = holder;
  args.covered = covered;
  return args;
}

Dimension tokens(LuaFixture& lua) { return dimension(lua, "budget", "b", "tokens"); }

void wait(LuaFixture& lua, std::int64_t ms) {
  const auto until = lua.now() + ms;
  while (lua.now() < until) lua.text({"PING"});
}

TEST_CASE("units are reserved while all of their dimensions have room") {
  LuaFixture lua;
  auto args = budget_args(-1, 100);
  args.items[1].hard = 7;
  lua.ok<script::SetBudget>(args);
  Holder a(lua, "a"), b(lua, "b");

  CHECK(a.reserve("budget", "b", "", "tokens=10,usd=2", 8).granted == 3);
  CHECK(b.reserve("budget", "b", "", "tokens=70", 1).granted == 1);
  CHECK(b.reserve("budget", "b", "tokens=70", "tokens=1", 1).granted == 0);
  CHECK(b.reserve("budget", "b", "tokens=70", "tokens=101", 1).outcome == "too_large");

  CHECK(tokens(lua).reserved == 100);
  CHECK(dimension(lua, "budget", "b", "usd").reserved == 6);
}

TEST_CASE("of what is not limited as much is reserved as can be counted exactly, and the record stays readable") {
  LuaFixture lua;
  Holder a(lua, "a"), b(lua, "b");
  const std::string unit = "tokens=1000000000000000";

  CHECK(a.reserve("budget", "b", "", unit, 10).granted == 9);
  CHECK(b.reserve("budget", "b", "", unit, 1).granted == 0);
  CHECK(a.reserve("budget", "b", unit, unit, 3).granted == 3);
  lua.ok<script::SetBudget>(budget_args(-1, 100));
  CHECK(tokens(lua).reserved == 4'000'000'000'000'000);
}

TEST_CASE("usage comes out of the reservation first, then out of what is free") {
  LuaFixture lua;
  lua.ok<script::SetBudget>(budget_args(50, 100));
  Holder a(lua, "a");
  CHECK(a.reserve("budget", "b", "", "tokens=40", 1).granted == 1);

  CHECK(lua.ok<script::ReportUsage>(usage("1", "tokens=30", "a", "tokens=30")).verdict == "ok");
  CHECK(tokens(lua).reserved == 10);
  CHECK(tokens(lua).used == 30);
  CHECK(lua.ok<script::ReportUsage>(usage("2", "tokens=30", "a", "tokens=10")).verdict == "soft");
  CHECK(tokens(lua).reserved == 0);

  CHECK(tokens(lua).used == 60);
  CHECK(a.reserve("budget", "b", "", "tokens=40", 2).granted == 1);
}

TEST_CASE("the hard limit is never exceeded: what does not fit is written beside it, and the verdict is hard") {
  LuaFixture lua;
  lua.ok<script::SetBudget>(budget_args(50, 100));
  Holder a(lua, "a");
  a.reserve("budget", "b", "", "tokens=30", 1);

  const auto answer = lua.ok<script::ReportUsage>(usage("1", "tokens=90"));

  CHECK(answer.verdict == "hard");
  CHECK(answer.on_breach == "fail");
  CHECK(tokens(lua).used == 70);
  CHECK(tokens(lua).over == 20);
  CHECK(lua.ok<script::ReportUsage>(usage("2", "tokens=30", "a", "tokens=30")).verdict == "soft");
  CHECK(tokens(lua).used == 100);
}

TEST_CASE("what was used beyond the hard limit takes the room of what would be reserved next") {
  LuaFixture lua;
  lua.ok<script::SetBudget>(budget_args(-1, 10));
  Holder a(lua, "a"), b(lua, "b");
  CHECK(a.reserve("budget", "b", "", "tokens=10", 1).granted == 1);
  CHECK(lua.ok<script::ReportUsage>(usage("1", "tokens=8")).verdict == "hard");  // Not said to be out of that.

  a.keep("budget", "b", "");

  CHECK(b.reserve("budget", "b", "", "tokens=3", 1).granted == 0);
  CHECK(b.reserve("budget", "b", "", "tokens=2", 2).granted == 1);
  CHECK(tokens(lua).used == 0);
  CHECK(tokens(lua).over == 8);
}

TEST_CASE("the same key counts once and gets the first verdict; a dimension that is not there is refused") {
  LuaFixture lua;
  lua.ok<script::SetBudget>(budget_args(50, 100));
  CHECK(lua.ok<script::ReportUsage>(usage("1", "tokens=40")).verdict == "ok");
  CHECK(lua.ok<script::ReportUsage>(usage("2", "tokens=20")).verdict == "soft");

  CHECK(lua.ok<script::ReportUsage>(usage("1", "tokens=40")).verdict == "ok");

  CHECK(tokens(lua).used == 60);
  CHECK(lua.word<script::ReportUsage>(usage("3", "bytes=1")) == "unknown_dimension");
  auto other = usage("1", "tokens=1");
  other.name = "none";
  CHECK(lua.word<script::ReportUsage>(other) == "not_found");
}

TEST_CASE("at its reset a budget forgets what was used, keeps what is reserved, and tells those who wait") {
  LuaFixture lua;
  auto args = budget_args(-1, 100);
  const auto first = lua.now() + 300, second = first + 60'000;
  args.period = "some";
  args.resets = {std::to_string(first), std::to_string(second)};
  lua.ok<script::SetBudget>(args);
  Holder a(lua, "a"), b(lua, "b");
  a.reserve("budget", "b", "", "tokens=30", 1);
  lua.ok<script::ReportUsage>(usage("1", "tokens=70"));
  const auto refused = b.reserve("budget", "b", "", "tokens=10", 1);
  CHECK(refused.granted == 0);
  CHECK((refused.retry_in_ms > 0 && refused.retry_in_ms <= 300));
  CHECK(refused.resets_left == 1);
  Listener listener(lua, {"w:b"});
  wait(lua, 310);

  script::RunDue::Args due;
  due.limit = 10;
  const auto answer = lua.ok<script::RunDue>(due);

  REQUIRE(answer.rows.size() == 1);
  CHECK(answer.rows[0].scanner == "budget_reset");
  CHECK(listener.heard() == std::vector<std::string>{"w:b limit b:ns/b"});
  CHECK(tokens(lua).used == 0);
  CHECK(tokens(lua).reserved == 30);
  const auto shown = describe_limit(lua, "budget", "b");
  CHECK(shown.began_at == first);
  CHECK(shown.resets_at == second);
  CHECK(lua.score("limits_due", "r b:ns/b") == second);
  CHECK(b.reserve("budget", "b", "", "tokens=10", 1).granted == 1);
}

TEST_CASE("a reset counts from its time on, whether or not a timer ran") {
  LuaFixture lua;
  auto args = budget_args(-1, 100);
  args.period = "some";
  args.resets = {std::to_string(lua.now() + 100)};
  lua.ok<script::SetBudget>(args);
  lua.ok<script::ReportUsage>(usage("1", "tokens=100"));
  wait(lua, 110);

  CHECK(tokens(lua).used == 0);  // A read, which cannot write it down.
  CHECK(lua.ok<script::ReportUsage>(usage("2", "tokens=100")).verdict == "ok");
  CHECK(tokens(lua).used == 100);
  CHECK(describe_limit(lua, "budget", "b").resets_at == 0);
}

TEST_CASE("resets that ran out are told anew, and one that was missed meanwhile counts") {
  LuaFixture lua;
  auto args = budget_args(-1, 100);
  args.period = "some";
  const auto first = lua.now() + 50;
  args.resets = {std::to_string(first)};
  lua.ok<script::SetBudget>(args);
  wait(lua, 60);
  lua.ok<script::ReportUsage>(usage("1", "tokens=100"));
  script::SetResets::Args resets;
  resets.ns = "ns";
  resets.name = "b";
  resets.period = "some";
  resets.began_at = first;
  const auto missed = lua.now() - 1;
  resets.resets = {std::to_string(missed), std::to_string(missed + 60'000), std::to_string(missed + 120'000)};

  lua.ok<script::SetResets>(resets);

  CHECK(tokens(lua).used == 0);
  CHECK(describe_limit(lua, "budget", "b").began_at == missed);
  CHECK(describe_limit(lua, "budget", "b").resets_at == missed + 60'000);
  CHECK(describe_limit(lua, "budget", "b").resets_left == 1);
  CHECK(lua.word<script::SetResets>(resets) == "other_period");
}

TEST_CASE("a budget set anew while its reset is due knows all of its new resets") {
  LuaFixture lua;
  auto args = budget_args(-1, 100);
  args.period = "some";
  args.resets = {std::to_string(lua.now() + 30)};
  lua.ok<script::SetBudget>(args);
  wait(lua, 40);
  const auto first = lua.now() + 300'000;
  args.resets = {std::to_string(first), std::to_string(first + 1)};

  lua.ok<script::SetBudget>(args);

  CHECK(describe_limit(lua, "budget", "b").resets_at == first);
  CHECK(lua.text({"GET", lua.key("b:ns/b:z")}) == std::to_string(first + 1));
}

TEST_CASE("a budget is changed live: limits count at once, what was used stays used") {
  LuaFixture lua;
  lua.ok<script::SetBudget>(budget_args(-1, 100));
  lua.ok<script::ReportUsage>(usage("1", "tokens=60"));
  Holder a(lua, "a");
  CHECK(a.reserve("budget", "b", "", "tokens=50", 1).granted == 0);
  Listener listener(lua, {"w:a"});
  auto args = budget_args(-1, 200);
  args.items.pop_back();

  lua.ok<script::SetBudget>(args);

  CHECK_FALSE(listener.heard().empty());
  CHECK(tokens(lua).used == 60);
  CHECK(a.reserve("budget", "b", "", "tokens=50", 5).granted == 2);
  CHECK(describe_limit(lua, "budget", "b").rows.size() == 1);
  args.on_breach = "cancel_flow";
  CHECK(lua.word<script::SetBudget>(args) == "bad_policy");
  args.on_breach = "suspend";
  args.items.push_back(args.items[0]);
  CHECK(lua.word<script::SetBudget>(args) == "bad_dimension");
}

TEST_CASE("quotas and budgets of a namespace are listed by name, page by page") {
  LuaFixture lua;
  for (const char* name : {"c", "a", "b"}) {
    auto args = budget_args(-1, 1);
    args.name = name;
    lua.ok<script::SetBudget>(args);
    args.ns = "nt";
    lua.ok<script::SetBudget>(args);
  }
  set_quota(lua, 1);
  script::ListLimits::Args args;
  args.ns = "ns";
  args.kind = "budget";
  args.limit = 2;

  const auto first = lua.ok<script::ListLimits>(args).rows;
  args.after = "b";
  const auto second = lua.ok<script::ListLimits>(args).rows;
  args.kind = "quota";
  args.after = "";

  REQUIRE(first.size() == 2);
  CHECK(first[0].name == "a");
  CHECK(first[1].name == "b");
  REQUIRE(second.size() == 1);
  CHECK(second[0].name == "c");
  CHECK(lua.ok<script::ListLimits>(args).rows.at(0).name == "q");
  args.kind = "other";
  CHECK(lua.word<script::ListLimits>(args) == "FF_BAD_CALL");
}

// The rules once more, as plainly as they can be said.
struct Model {
  std::int64_t hard, used = 0, over = 0;
  std::map<std::string, std::int64_t> held;

  std::int64_t reserved() const {
    std::int64_t sum = 0;
    for (const auto& [name, amount] : held) sum += amount;
    return sum;
  }
  std::int64_t room() const { return std::max<std::int64_t>(0, hard - used - over - reserved()); }
  std::int64_t reserve(const std::string& name, std::int64_t hold, std::int64_t unit, std::int64_t count) {
    held[name] = hold;
    const auto granted = unit == 0 ? count : std::min(count, room() / unit);
    held[name] += granted * unit;
    return granted;
  }
  std::string report(const std::string& name, std::int64_t amount, std::int64_t covered) {
    const auto mine = std::min({amount, covered, held[name]});
    held[name] -= mine;
    const auto counted = std::max(mine, std::min(amount, room()));
    used += counted;
    over += amount - counted;
    return counted < amount ? "hard" : "ok";
  }
};

TEST_CASE("random admission, usage, deaths and changes agree with the model, and the hard limit holds throughout") {
  Rng random(seed());
  for (int round = 0; round < 20; ++round) {
    LuaFixture lua;
    Model model{random.between(1, 200)};
    lua.ok<script::SetBudget>(budget_args(-1, model.hard));
    std::vector<Holder> holders;
    for (const char* name : {"a", "b", "c", "d"}) holders.emplace_back(lua, name);
    for (int step = 0; step < 100; ++step) {
      auto& holder = holders[random.below(holders.size())];
      auto& held = model.held[holder.name()];
      const auto kept = random.between(0, held), unit = random.between(1, 20);
      const auto amount = [](std::int64_t n) { return n > 0 ? "tokens=" + std::to_string(n) : std::string(); };
      const auto action = random.below(10);
      if (action < 4) {
        const auto count = random.between(0, 4);
        CHECK(holder.reserve("budget", "b", amount(kept), amount(unit), count).granted ==
              model.reserve(holder.name(), kept, unit, count));
        if (random.chance(0.3)) holder.again();
      } else if (action < 6) {
        holder.keep("budget", "b", amount(kept));
        held = kept;
      } else if (action < 9) {
        const auto args = usage(std::to_string(step), amount(unit), holder.name(), amount(kept));
        CHECK(lua.ok<script::ReportUsage>(args).verdict == model.report(holder.name(), unit, kept));
        if (random.chance(0.3)) lua.ok<script::ReportUsage>(args);
      } else if (lua.score("limits_due", "h b:ns/b " + holder.name()) >= 0) {
        lua.make_due("limits_due", "h b:ns/b " + holder.name());
        lua.run_due();
        held = 0;
      }
      const auto now = tokens(lua);
      CHECK(now.used == model.used);
      CHECK(now.over == model.over);
      CHECK(now.reserved == model.reserved());
      CHECK(now.used + now.reserved <= model.hard);
    }
  }
}

}  // namespace
}  // namespace ff::test
