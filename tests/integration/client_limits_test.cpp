// Client: quotas and budgets.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "integration/client_fixture.hpp"

using namespace ff;
using namespace ff::test;

namespace {

core::Budget monthly() {
  core::Budget budget;
  budget.dimensions["tokens"].hard = 100;
  budget.dimensions["usd"].soft = 5;
  budget.reset = core::ResetEvery::month;
  budget.zone = "Europe/Berlin";
  budget.on_breach = core::OnBreach::suspend;
  return budget;
}

}  // namespace

TEST_CASE("a quota is set, changed, described, paused, listed and dropped") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  Setup setup{SetupOptions(store)};
  core::Quota quota;
  quota.concurrency = 7;
  quota.rate = 10;
  quota.period = core::Millis(60'000);
  quota.burst = 3;
  setup.good(setup.client->set_quota("tenant:a", quota));

  auto found = setup.good(setup.client->quota("tenant:a"));
  CHECK(found.quota.concurrency == 7);
  CHECK(found.quota.rate == 10);
  CHECK(found.quota.period == core::Millis(60'000));
  CHECK(found.quota.burst == 3);
  CHECK(found.held == 0);
  setup.good(setup.client->pause_quota("tenant:a", core::Millis(5'000)));
  CHECK(setup.good(setup.client->quota("tenant:a")).paused > core::Millis(4'000));
  setup.good(setup.client->set_quota("b", core::Quota()));
  CHECK_FALSE(setup.good(setup.client->quota("b")).quota.concurrency);
  CHECK(setup.good(setup.client->list_limits(core::LimitKind::quota, "", 10)) ==
        std::vector<std::string>{"b", "tenant:a"});
  CHECK(setup.good(setup.client->list_limits(core::LimitKind::quota, "b", 1)) == std::vector<std::string>{"tenant:a"});
  CHECK(setup.good(setup.client->in_namespace("other").list_limits(core::LimitKind::quota, "", 10)).empty());

  setup.good(setup.client->drop_limit(core::LimitKind::quota, "b"));

  CHECK(setup.refusal(setup.client->quota("b")) == "not_found/not_found");
  CHECK(setup.refusal(setup.client->drop_limit(core::LimitKind::quota, "b")) == "not_found/not_found");
}

TEST_CASE("a budget is set, described, reported to and kept to its hard limit") {
  const auto store = GENERATE(Store::standalone, Store::cluster);
  Setup setup{SetupOptions(store)};
  setup.good(setup.client->set_budget("team", monthly()));
  auto child = monthly();
  child.parent = "team";
  child.dimensions["tokens"].hard = 1000;
  setup.good(setup.client->set_budget("job", child));

  CHECK(setup.good(setup.client->report_usage("job", "1", {{"tokens", 60}, {"usd", 1}})).verdict ==
        sdk::Usage::Verdict::ok);
  CHECK(setup.good(setup.client->report_usage("job", "2", {{"usd", 4}})).verdict == sdk::Usage::Verdict::soft);
  const auto hard = setup.good(setup.client->report_usage("job", "3", {{"tokens", 60}}));
  CHECK(hard.verdict == sdk::Usage::Verdict::hard);
  CHECK(hard.on_breach == core::OnBreach::suspend);
  CHECK(hard.resets_in);
  CHECK(setup.good(setup.client->report_usage("job", "1", {{"tokens", 60}})).verdict == sdk::Usage::Verdict::ok);

  const auto team = setup.good(setup.client->budget("team")), job = setup.good(setup.client->budget("job"));
  CHECK(team.use.at("tokens").used == 100);
  CHECK(team.use.at("tokens").over == 20);
  CHECK(job.use.at("tokens").used == 120);
  CHECK(job.budget.parent == "team");
  CHECK(job.budget.reset == core::ResetEvery::month);
  CHECK(job.budget.zone == "Europe/Berlin");
  CHECK(job.budget.dimensions.at("usd").soft == 5);
  CHECK(job.resets_at > job.began_at);
}

TEST_CASE("what cannot be is refused by name") {
  Setup setup{SetupOptions(Store::standalone)};
  core::Quota quota;
  quota.burst = 0;
  CHECK(setup.refusal(setup.client->set_quota("q", quota)) == "invalid_argument/bad_quota");
  CHECK(setup.refusal(setup.client->set_quota("no name", core::Quota())) == "invalid_argument/bad_limit_name");
  CHECK(setup.refusal(setup.client->pause_quota("q", core::Millis(-1))) == "invalid_argument/bad_pause");
  CHECK(setup.refusal(setup.client->pause_quota("q", core::Millis(1))) == "not_found/not_found");
  CHECK(setup.refusal(setup.client->set_budget("b", core::Budget())) == "invalid_argument/bad_budget");
  auto budget = monthly();
  budget.zone = "Europe/Atlantis";
  CHECK(setup.refusal(setup.client->set_budget("b", budget)) == "invalid_argument/bad_zone");
  budget = monthly();
  budget.parent = "nobody";
  CHECK(setup.refusal(setup.client->set_budget("b", budget)) == "invalid_argument/bad_parent");
  setup.good(setup.client->set_budget("b", monthly()));
  budget.parent = "b";
  setup.good(setup.client->set_budget("c", budget));
  CHECK(setup.refusal(setup.client->set_budget("b", budget)) == "invalid_argument/bad_parent");
  budget.parent = "c";
  CHECK(setup.refusal(setup.client->set_budget("b", budget)) == "invalid_argument/bad_parent");
  CHECK(setup.refusal(setup.client->report_usage("b", "no key", {})) == "invalid_argument/bad_usage_key");
  CHECK(setup.refusal(setup.client->report_usage("b", "1", {{"bytes", 1}})) == "invalid_argument/unknown_dimension");
  CHECK(setup.refusal(setup.client->report_usage("b", "1", {{"Bytes", 1}})) == "invalid_argument/bad_amounts");
  CHECK(setup.refusal(setup.client->report_usage("none", "1", {{"tokens", 1}})) == "not_found/not_found");
  CHECK(setup.refusal(setup.client->list_limits(core::LimitKind::quota, "", 0)) == "invalid_argument/bad_limit");
}
