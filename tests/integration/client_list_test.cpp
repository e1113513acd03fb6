// Client::list: pages, cursors, filters, empty partitions, refusals.
#include <algorithm>
#include <catch2/generators/catch_generators.hpp>
#include <set>

#include "client_fixture.hpp"

using namespace ff;
using namespace ff::test;

namespace {

struct Walk {
  std::vector<sdk::Listed> all;
  std::size_t pages = 0;
};

Walk walk(Setup& setup, sdk::Client client, sdk::ListQuery query) {
  Walk result;
  do {
    auto page = setup.good(client.list(query));
    CHECK(page.executions.size() <= query.limit);
    for (auto& entry : page.executions) result.all.push_back(std::move(entry));
    query.cursor = page.cursor;
    ++result.pages;
    REQUIRE(result.pages < 10'000);
  } while (!query.cursor.empty());
  return result;
}

std::set<core::ExecutionId> ids(const Walk& walk) {
  std::set<core::ExecutionId> result;
  for (const auto& entry : walk.all) result.insert(entry.id);
  return result;
}

sdk::ListQuery query(core::State state, const std::string& lane, std::size_t limit) {
  sdk::ListQuery result;
  result.state = state;
  result.lane = lane;
  result.limit = limit;
  return result;
}

}  // namespace

TEST_CASE("thousands are listed once each, whatever the size of a page") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  std::vector<sdk::Submission> submissions(3000, sdk::Submission("work"));
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    submissions[i].lane = i % 3 == 0 ? "third" : "rest";
    submissions[i].priority = static_cast<std::int64_t>(i % 7);
  }
  std::set<core::ExecutionId> third, rest;
  const auto answers = setup.good(setup.client->submit_many(submissions));
  for (std::size_t i = 0; i < answers.size(); ++i) (i % 3 == 0 ? third : rest).insert(answers[i]->id);

  for (const std::size_t limit : {7, 100, 1000}) {
    const auto found = walk(setup, *setup.client, query(core::State::ready, "third", limit));
    CHECK(found.all.size() == 1000);
    CHECK(ids(found) == third);
    CHECK(found.pages >= 1000 / limit);
    CHECK(found.pages <= 1000 / limit + 64);
  }
  const auto others = walk(setup, *setup.client, query(core::State::ready, "rest", 500));
  CHECK(ids(others) == rest);
  CHECK(others.all.size() == 2000);
  CHECK(walk(setup, *setup.client, query(core::State::ready, "nothing", 1)).pages == 1);
}

TEST_CASE("a full page is full as long as there are more") {
  Setup setup;
  setup.good(setup.client->submit_many(std::vector<sdk::Submission>(640, sdk::Submission("work"))));
  auto all = query(core::State::ready, "default", 100);
  for (int page = 0; page < 6; ++page) {
    auto found = setup.good(setup.client->list(all));
    CHECK(found.executions.size() == 100);
    all.cursor = found.cursor;
  }
  const auto last = setup.good(setup.client->list(all));
  CHECK(last.executions.size() == 40);
  CHECK(last.cursor.empty());
}

TEST_CASE("delayed ones are listed in the order of their start, with or without a lane") {
  SetupOptions options(GENERATE(Store::standalone, Store::cluster));
  options.partitions = 3;
  Setup setup(options);
  const auto now = setup.valkey_now();
  std::vector<sdk::Submission> submissions(200, sdk::Submission("work"));
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    submissions[i].start_at = now + 3'600'000 + static_cast<std::int64_t>((i * 7919) % 200) * 1000;
    if (i % 4 == 0) submissions[i].lane = "quarter";
  }
  setup.good(setup.client->submit_many(submissions));

  const auto all = walk(setup, *setup.client, query(core::State::delayed, "", 9));
  const auto quarter = walk(setup, *setup.client, query(core::State::delayed, "quarter", 9));

  CHECK(ids(all).size() == 200);
  CHECK(all.all.size() == 200);
  for (std::size_t i = 1; i < all.all.size(); ++i) {
    if (all.all[i].id.partition() == all.all[i - 1].id.partition()) {
      CHECK(all.all[i].timer_at > all.all[i - 1].timer_at);
    } else {
      CHECK(all.all[i].id.partition() > all.all[i - 1].id.partition());
    }
  }
  CHECK(quarter.all.size() == 50);
  CHECK(std::all_of(quarter.all.begin(), quarter.all.end(), [](const auto& e) { return e.lane == "quarter"; }));
}

TEST_CASE("what is listed tells the same as describe") {
  Setup setup;
  sdk::Submission submission("video/encode");
  submission.priority = 17;
  submission.lane = "slow";
  const auto id = setup.submit(submission);
  setup.complete(setup.claim(id, "slow"));

  const auto page = setup.good(setup.client->list(query(core::State::completed, "", 10)));
  const auto described = setup.good(setup.client->describe(id));

  REQUIRE(page.executions.size() == 1);
  const auto& entry = page.executions[0];
  CHECK(entry.id == id);
  CHECK(entry.lane == "slow");
  CHECK(entry.kind == "video/encode");
  CHECK(entry.priority == 17);
  CHECK(entry.attempt == 1);
  CHECK(entry.created_at == described.fields.created_at);
  CHECK(entry.timer_at == described.fields.timer_at);
}

TEST_CASE("a namespace lists its own only") {
  Setup setup(GENERATE(Store::standalone, Store::cluster));
  auto other = setup.client->in_namespace("other");
  sdk::Submission later("work");
  later.delay = 1h;
  std::set<core::ExecutionId> own, theirs;
  for (int i = 0; i < 20; ++i) {
    own.insert(setup.submit(later));
    theirs.insert(setup.good(other.submit(later)).id);
  }

  CHECK(ids(walk(setup, *setup.client, query(core::State::delayed, "", 3))) == own);
  CHECK(ids(walk(setup, other, query(core::State::delayed, "", 3))) == theirs);
}

TEST_CASE("a few executions among 1024 partitions are found by one page, in few rounds") {
  SetupOptions options(GENERATE(Store::standalone, Store::cluster));
  options.partitions = 1024;
  Setup setup(options);
  std::set<core::ExecutionId> own;
  for (int i = 0; i < 5; ++i) own.insert(setup.submit());

  const auto found = walk(setup, *setup.client, query(core::State::ready, "default", 100));

  CHECK(found.pages == 1);
  CHECK(ids(found) == own);
}

TEST_CASE("the list goes on where it was although its last execution has moved on") {
  SetupOptions options;
  options.partitions = 1;
  Setup setup(options);
  std::vector<core::ExecutionId> order;
  for (int i = 0; i < 10; ++i) order.push_back(setup.submit());
  auto all = query(core::State::ready, "default", 4);
  const auto first = setup.good(setup.client->list(all));
  for (const auto& entry : first.executions) setup.good(setup.client->cancel(entry.id, core::Millis(0), ""));
  all.cursor = first.cursor;

  const auto rest = walk(setup, *setup.client, all);

  const auto seen = ids(rest);
  for (const auto& id : order) {
    const bool on_first = std::any_of(first.executions.begin(), first.executions.end(),
                                      [&id](const auto& entry) { return entry.id == id; });
    CHECK((on_first || seen.contains(id)));
  }
}

TEST_CASE("a wrong query is refused by name") {
  Setup setup;
  const auto refused = [&setup](sdk::ListQuery wrong) { return setup.refusal(setup.client->list(std::move(wrong))); };
  CHECK(refused(query(core::State::ready, "", 10)) == "invalid_argument/lane_needed");
  CHECK(refused(query(core::State::ready, "Not A Lane", 10)) == "invalid_argument/bad_lane");
  CHECK(refused(query(core::State::failed, "", 0)) == "invalid_argument/bad_limit");
  CHECK(refused(query(core::State::failed, "", 1001)) == "invalid_argument/bad_limit");
  for (const char* cursor : {"~", "x", "0", "64~", "00~", "-1~", "1~x", "0~12", "0~12 short", "0~12 short "}) {
    auto wrong = query(core::State::failed, "", 10);
    wrong.cursor = cursor;
    INFO(cursor);
    CHECK(refused(wrong) == "invalid_argument/bad_cursor");
  }
  auto last = query(core::State::failed, "", 10);
  last.cursor = "63~";
  CHECK(setup.good(setup.client->list(last)).cursor.empty());
}

TEST_CASE("a page of which a partition cannot be asked is refused, a lost reply is not missed") {
  Setup setup;
  const auto id = setup.submit();
  FaultyClient faulty(setup);
  faulty.faults->refuse("ff1_list");
  CHECK(setup.refusal(faulty.client->list(query(core::State::ready, "default", 10))) == "unavailable/connect");

  faulty.faults->lose_reply("ff1_list");
  const auto page = setup.good(faulty.client->list(query(core::State::ready, "default", 10)));
  REQUIRE(page.executions.size() == 1);
  CHECK(page.executions[0].id == id);
}
