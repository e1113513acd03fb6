// The concurrency cap of a lane: a quota that its claims need allowances for, defined by the lane's record.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <map>
#include <sstream>

#include "lua/holder.hpp"
#include "lua/lane.hpp"

namespace ff::test {
namespace {

using Texts = std::vector<std::string>;

script::Submit::Item like(const std::string& requirements, const std::string& key = "") {
  auto item = LuaFixture::item();
  item.requirements = requirements;
  item.fairness_key = key;
  return item;
}

script::Claim::Ok claim(LuaFixture& lua, std::int64_t want, Texts allowances, Texts capabilities = {}) {
  auto args = LuaFixture::claim_args(want);
  args.allowances = std::move(allowances);
  args.capabilities = std::move(capabilities);
  return lua.ok<script::Claim>(args);
}

std::map<std::string, int> taken(const script::Claim::Ok& answer) {
  std::map<std::string, int> counts;
  for (const auto& row : answer.rows) ++counts[row.requirements];
  return counts;
}

Texts sorted(Texts words) {
  std::sort(words.begin(), words.end());
  return words;
}

script::DescribeLimit::Args cap_quota() {
  script::DescribeLimit::Args args;
  args.ns = "ns";
  args.kind = "quota";
  args.name = "lane:lane";
  return args;
}

// Of the quota that this partition has for the cap; -1: there is none.
std::int64_t defined(LuaFixture& lua) {
  if (lua.word<script::DescribeLimit>(cap_quota()) == "not_found") return -1;
  return dimension(lua, "quota", "lane:lane", "slots").hard;
}

TEST_CASE("plain work of a lane with a cap is claimed with allowances of the cap alone") {
  LuaFixture lua;
  Lane lane(lua);
  lua.submit({LuaFixture::item(), LuaFixture::item(), LuaFixture::item()});  // Before there is a cap.
  lane.cap(5);

  const auto none = claim(lua, 5, {});
  CHECK(none.rows.empty());
  CHECK(none.left == 0);
  CHECK(none.head > 0);  // Of the first that waits for an allowance.
  CHECK(none.check_in_ms > 0);
  CHECK(none.lacking == Texts{"3 #lane:lane"});
  CHECK(claim(lua, 5, {"3 #lane:other", "3 #lane:lane2", "3 #lane"}).rows.empty());

  const auto two = claim(lua, 5, {"2 #lane:lane"});
  CHECK(taken(two) == std::map<std::string, int>{{"#lane:lane", 2}});
  CHECK(two.lacking == Texts{"1 #lane:lane"});
  CHECK(two.left == 0);
  CHECK(two.check_in_ms > 0);
  const auto last = claim(lua, 1, {"5 #lane:lane"});
  CHECK(last.rows.size() == 1);
  CHECK(last.lacking.empty());
  CHECK(last.left == 0);
  CHECK(lua.violations() == "");
}

TEST_CASE("what is left that allowances are left for counts as left, with its rank") {
  LuaFixture lua;
  Lane lane(lua);
  lane.cap(5);
  lua.submit({LuaFixture::item(), LuaFixture::item(), LuaFixture::item()});

  const auto answer = claim(lua, 1, {"2 #lane:lane"});

  CHECK(answer.rows.size() == 1);
  CHECK(answer.left == 1);
  CHECK(answer.head > 0);
  CHECK(answer.lacking.empty());
  CHECK(answer.check_in_ms == 0);
}

TEST_CASE("every line of a lane with a cap counts against it, beside what it requires itself") {
  LuaFixture lua;
  Lane lane(lua);
  lua.submit({like(""), like(""), like("+gpu"), like("#q"), like("#q +gpu"), like("", "A"), like("", "B")});
  lane.cap(5);

  auto answer = claim(lua, 9, {}, {"gpu"});
  CHECK(answer.rows.empty());
  CHECK(sorted(answer.lacking) == Texts{"1 #lane:lane #q", "1 #lane:lane #q +gpu", "1 #lane:lane +gpu",
                                        "2 #lane:lane", "2 #lane:lane"});
  answer = claim(lua, 9, {"9 #q", "9 #q +gpu"}, {"gpu"});
  CHECK(answer.rows.empty());
  answer = claim(lua, 9, {"9 #lane:lane +gpu", "9 #lane:lane #q +gpu"});  // Without the capability.
  CHECK(answer.rows.empty());

  answer = claim(lua, 9, {"3 #lane:lane", "1 #lane:lane #q", "4 #lane:lane +gpu"}, {"gpu"});

  CHECK(taken(answer) == std::map<std::string, int>{{"#lane:lane", 3}, {"#lane:lane #q", 1}, {"#lane:lane +gpu", 1}});
  CHECK(sorted(answer.lacking) == Texts{"1 #lane:lane", "1 #lane:lane #q +gpu"});
  CHECK(lua.violations() == "");
}

TEST_CASE("with many lines a claim finds those it has allowances for, the lane's own and keyed ones among them") {
  LuaFixture lua;
  Lane lane(lua);
  std::vector<script::Submit::Item> items = {like(""), like(""), like("", "A"), like("", "A")};
  for (int i = 0; i < 80; ++i) items.push_back(like("+c" + std::to_string(i)));
  Texts capabilities;
  for (int i = 0; i < 60; ++i) capabilities.push_back("c" + std::to_string(i));
  lua.submit(items);
  lane.cap(9);

  const auto answer =
      claim(lua, 9, {"3 #lane:lane", "2 #lane:lane +c59", "2 #lane:lane +c79", "5 #lane:lane2"}, sorted(capabilities));

  CHECK(taken(answer) == std::map<std::string, int>{{"#lane:lane", 3}, {"#lane:lane +c59", 1}});
  CHECK(answer.lacking.size() == 17 + 8 + 1);  // By its want, from behind those, and of what it has used up.
  CHECK(lua.violations() == "");
}

TEST_CASE("without its cap a lane gives plain work to anybody again, and wakes workers for it") {
  LuaFixture lua;
  Lane lane(lua);
  lane.cap(0);
  lua.submit();
  claim(lua, 5, {});
  Listener listener(lua, {"w:worker"});

  lane.cap(-1);

  CHECK(listener.heard() == Texts{"w:worker ready ns/lane"});
  const auto answer = claim(lua, 5, {});
  REQUIRE(answer.rows.size() == 1);
  CHECK(answer.rows[0].requirements == "");
}

TEST_CASE("the cap's home defines the quota with the record, and never by an older one") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy five, seven;
  five.concurrency = 5;
  seven.concurrency = 7;
  const auto older = lane.change_policy(five, -1, lua.home()), newer = lane.change_policy(seven, -1, lua.home());
  CHECK(defined(lua) == -1);

  lane.tell(newer);
  CHECK(defined(lua) == 7);
  lane.tell(older);
  CHECK(defined(lua) == 7);
  Holder holder(lua, "holder");
  CHECK(holder.reserve("quota", "lane:lane", "", "slots=1", 9).granted == 7);
  Listener listener(lua, {"w:holder"});
  lane.state("paused");  // A newer record with the same cap.
  CHECK(defined(lua) == 7);
  CHECK(listener.heard().empty());
  lane.cap(0);
  CHECK(defined(lua) == 0);
  CHECK(listener.heard() == Texts{"w:holder limit u:ns/lane:lane"});
  lane.cap(-1);
  CHECK(defined(lua) == -1);
  lane.cap(3);
  CHECK(defined(lua) == 3);
  CHECK(dimension(lua, "quota", "lane:lane", "slots").reserved == 7);
}

TEST_CASE("a partition that is not the cap's home asks allowances and defines nothing") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.concurrency = 5;
  lua.submit();

  lane.tell(lane.change_policy(policy, -1, lua.home() + 1));

  CHECK(defined(lua) == -1);
  CHECK(claim(lua, 5, {}).lacking == Texts{"1 #lane:lane"});
}

TEST_CASE("a claim whose reply was lost is told again what counts against the cap") {
  LuaFixture lua;
  Lane lane(lua);
  lane.cap(5);
  lua.submit({like(""), like("+gpu")});
  auto args = LuaFixture::claim_args(5);
  args.capabilities = {"gpu"};
  args.allowances = {"1 #lane:lane", "1 #lane:lane +gpu"};
  const auto first = taken(lua.ok<script::Claim>(args));
  args.again = true;

  CHECK(first.size() == 2);
  CHECK(taken(lua.ok<script::Claim>(args)) == first);
}

TEST_CASE("a complete claims the next one under the same cap") {
  LuaFixture lua;
  Lane lane(lua);
  lane.cap(1);
  lua.submit({LuaFixture::item(), LuaFixture::item()});
  auto args = LuaFixture::claim_args(1);
  args.allowances = {"1 #lane:lane"};
  const auto row = lua.ok<script::Claim>(args).rows.at(0);
  script::Complete::Args complete;
  complete.worker = "worker";
  complete.next_lease = LuaFixture::new_id();
  complete.lease_ms = 60'000;
  complete.want = 1;
  complete.queues = {"ns/lane"};
  complete.allowances = args.allowances;
  auto& item = complete.items.emplace_back();
  item.id = row.id;
  item.lease = args.lease;
  item.epoch = std::to_string(row.epoch);

  const auto answer = lua.ok<script::Complete>(complete);

  REQUIRE(answer.rows.size() == 1);
  CHECK(answer.rows[0].requirements == "#lane:lane");
}

TEST_CASE("a paused lane with a cap lacks nothing, and one of strict order keeps it") {
  LuaFixture lua;
  Lane lane(lua);
  core::LanePolicy policy;
  policy.concurrency = 2;
  policy.strict = true;
  lane.policy(policy);
  auto later = LuaFixture::item(), first = like("+gpu");
  first.priority = 1;
  lua.submit({later, first});
  lane.state("paused");
  CHECK(claim(lua, 2, {"1 #lane:lane"}).rows.empty());
  CHECK(claim(lua, 2, {}).lacking.empty());
  lane.state("draining");

  const auto answer = claim(lua, 2, {"1 #lane:lane", "1 #lane:lane +gpu"}, {"gpu"});

  REQUIRE(answer.rows.size() == 2);
  CHECK(answer.rows[0].id == first.id);
  CHECK(answer.rows[1].id == later.id);
}

TEST_CASE("a cap cannot be required by name") {
  LuaFixture lua;
  for (const char* text : {"#lane:lane", "#a #lane:b +gpu"}) {
    script::Submit::Args args;
    args.ns = "ns";
    args.items.push_back(like(text));
    CHECK(lua.word<script::Submit>(args) == "FF_BAD_CALL");
  }
  lua.submit(like("#line:lane +lane:b"));
}

TEST_CASE("explain and the records of lanes tell the cap") {
  LuaFixture lua;
  Lane lane(lua);
  script::Explain::Args args;
  args.ns = "ns";
  args.id = lua.submit();
  CHECK(lua.ok<script::Explain>(args).concurrency == -1);
  lane.cap(4);

  CHECK(lua.ok<script::Explain>(args).concurrency == 4);
  CHECK(lane.at_root<script::Lanes>(script::Lanes::Args()).rows.at(0).concurrency == 4);
}

// How often the commands that a claim from this queue runs were called in all, when nothing else was to be done.
std::int64_t commands_of_claim(LuaFixture& lua, const std::string& queue) {
  auto least = std::numeric_limits<std::int64_t>::max();
  for (int round = 0; round < 10; ++round) {  // Some look at the lane's keys, once a second.
    auto item = LuaFixture::item();
    item.lane = queue.substr(queue.find('/') + 1);
    lua.submit({item});
    auto args = LuaFixture::claim_args(1);
    args.queues = {queue};
    lua.text({"CONFIG", "RESETSTAT"});
    REQUIRE(lua.ok<script::Claim>(args).rows.size() == 1);
    std::istringstream lines(lua.text({"INFO", "commandstats"}));
    std::int64_t calls = 0;
    for (std::string line; std::getline(lines, line);) {
      const auto at = line.find("calls=");
      if (line.starts_with("cmdstat_") && at != std::string::npos) calls += std::stoll(line.substr(at + 6));
    }
    least = std::min(least, calls);
  }
  return least;
}

TEST_CASE("a lane without a cap runs the same commands for a claim, whether or not another one has a cap") {
  LuaFixture lua;
  Lane lane(lua);
  const auto before = commands_of_claim(lua, "ns/plain");

  lane.cap(5);
  lua.submit({LuaFixture::item(), LuaFixture::item()});

  CHECK(commands_of_claim(lua, "ns/plain") == before);
}

}  // namespace
}  // namespace ff::test
