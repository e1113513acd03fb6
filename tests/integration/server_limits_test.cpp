// Quotas and budgets over the HTTP API of a real ff-server.
#include <catch2/catch_test_macros.hpp>

#include "server_process.hpp"
#include "support/valkey_server.hpp"

using namespace ff::test;

TEST_CASE("a quota is put, read, paused, listed and deleted") {
  ServerSetup lab;
  const auto answer = lab.http.put("/v1/quotas/tenant%3Aa",
                                   R"({"concurrency":5,"rate":{"starts":10,"period_ms":60000,"burst":3}})");
  CHECK(answer.status == 200);
  const auto got = lab.http.get("/v1/quotas/tenant:a").json;
  CHECK(got.at("concurrency").as_int64() == 5);
  CHECK(got.at("rate").at("starts").as_int64() == 10);
  CHECK(got.at("rate").at("burst").as_int64() == 3);
  CHECK(got.at("held").as_int64() == 0);
  CHECK(lab.http.post("/v1/quotas/tenant:a/pause", R"({"pause_ms":60000})").json.at("paused_ms").as_int64() > 0);
  CHECK(lab.http.get("/v1/quotas").json.at("names").as_array().size() == 1);

  CHECK(lab.http.ask("DELETE", "/v1/quotas/tenant:a").status == 204);

  CHECK(lab.http.get("/v1/quotas/tenant:a").status == 404);
  CHECK(lab.http.ask("DELETE", "/v1/quotas/tenant:a").status == 404);
}

TEST_CASE("a budget is put, reported to, read and deleted") {
  ServerSetup lab;
  const auto body = R"({"dimensions":{"tokens":{"soft":50,"hard":100}},
                        "reset":{"every":"day","zone":"Europe/Berlin"},"on_breach":"suspend"})";
  CHECK(lab.http.put("/v1/budgets/team", body).status == 200);
  CHECK(lab.http.put("/v1/budgets/job", R"({"dimensions":{"tokens":{}},"parent":"team"})").status == 200);
  const auto use = [&](const char* report) { return lab.http.post("/v1/budgets/job/usage", report); };

  CHECK(use(R"({"key":"1","used":{"tokens":60}})").text("verdict") == "soft");
  const auto hard = use(R"({"key":"2","used":{"tokens":60}})");
  CHECK(hard.text("verdict") == "hard");
  CHECK(hard.text("on_breach") == "suspend");
  CHECK(use(R"({"key":"1","used":{"tokens":60}})").text("verdict") == "soft");

  const auto team = lab.http.get("/v1/budgets/team").json;
  CHECK(team.at("dimensions").at("tokens").at("used").as_int64() == 100);
  CHECK(team.at("dimensions").at("tokens").at("over").as_int64() == 20);
  CHECK(team.at("reset").at("zone") == "Europe/Berlin");
  CHECK(lab.http.get("/v1/budgets?after=job&limit=5").json.at("names").as_array().size() == 1);
  CHECK(lab.http.ask("DELETE", "/v1/budgets/team").status == 204);
}

TEST_CASE("what is wrong with a limit is named") {
  ServerSetup lab;
  CHECK(lab.http.put("/v1/quotas/q", R"({"concurency":5})").reason() == "unknown_field");
  CHECK(lab.http.put("/v1/quotas/q", R"({"rate":{"burst":5}})").reason() == "missing_field");
  CHECK(lab.http.put("/v1/quotas/q", R"({"concurrency":-1})").reason() == "bad_quota");
  CHECK(lab.http.put("/v1/budgets/b", "{}").reason() == "missing_field");
  CHECK(lab.http.put("/v1/budgets/b", R"({"dimensions":{"t":{}},"on_breach":"cancel_flow"})").reason() ==
        "bad_on_breach");
  CHECK(lab.http.put("/v1/budgets/b", R"({"dimensions":{"t":{}},"reset":{"every":"day","zone":"Mars"}})").reason() ==
        "bad_zone");
  CHECK(lab.http.post("/v1/budgets/b/usage", R"({"key":"1","used":{"t":1}})").reason() == "not_found");
  CHECK(lab.http.put("/v1/quotas/q", "").reason() == "bad_json");
  CHECK(lab.http.put("/v1/budgets/b", "").reason() == "bad_json");
  CHECK(lab.http.ask("PUT", "/v1/quotas/q", "{}").reason() == "bad_content_type");
  CHECK(lab.http.get("/v1/quotas?limit=0").reason() == "bad_limit");
  CHECK(lab.http.get("/v1/quotas?limit=1001").reason() == "bad_limit");
}

TEST_CASE("a refusal about limits says which limit, field or dimension is meant") {
  ServerSetup lab;
  const auto message = [](const HttpAnswer& answer) {
    return std::string(answer.json.at("error").at("message").as_string());
  };
  CHECK(lab.http.put("/v1/budgets/b", R"({"dimensions":{"t":{"hard":5},"usd":{}}})").status == 200);
  const auto use = [&](const char* report) { return message(lab.http.post("/v1/budgets/b/usage", report)); };

  CHECK(message(lab.http.post("/v1/quotas/nope/pause", R"({"pause_ms":5})")) ==
        "there is no quota \"nope\" in this namespace");
  CHECK(message(lab.http.get("/v1/budgets?limit=-5")) == "limit is -5, allowed are 1 to 1000");
  CHECK(use(R"({"key":"k","used":{"t":1,"zz":1}})") ==
        "used.zz is a dimension that the budget \"b\" does not count; it counts t, usd");
  CHECK(use(R"({"key":"\u00e9","used":{"t":1}})") ==
        "key is \"\u00e9\", must be 1 to 64 characters of printable ASCII without spaces");
  CHECK(message(lab.http.put("/v1/budgets/b", R"({"dimensions":{}})")) == "dimensions has 0 entries, must have 1 to 8");
  CHECK(message(lab.http.put("/v1/budgets/b", R"({"dimensions":{"t":{"soft":5,"hard":4}}})")) ==
        "t.soft is 5, must be at most the hard limit, 4");
}

TEST_CASE("what waits for a spent budget is told when that resets") {
  ServerSetup lab;
  const auto hard = R"({"dimensions":{"t":{"hard":10}},"reset":{"every":"month"}})";
  CHECK(lab.http.put("/v1/budgets/month", hard).status == 200);
  CHECK(lab.http.put("/v1/budgets/child", R"({"dimensions":{"t":{}},"parent":"month"})").status == 200);
  const auto id = lab.http.submit(R"({"kind":"k","payload":1,"budget":"child","estimate":{"t":4}})");
  const auto explained = [&] { return lab.http.get("/v1/executions/" + id + "/explain"); };
  const std::string claim = R"({"lanes":["default"]})";

  CHECK(lab.http.post("/v1/budgets/month/usage", R"({"key":"1","used":{"t":7}})").status == 200);
  CHECK(lab.http.post("/v1/workers/w/claim", claim).json.at("executions").as_array().empty());

  const auto resets_at = lab.http.get("/v1/budgets/month").json.at("resets_at").as_int64();
  CHECK(explained().text("reason") == "limited");
  CHECK(explained().json.at("until").as_int64() == resets_at);
  CHECK(explained().text("text").find("its budget is spent and resets in") != std::string::npos);
  const auto more = R"({"dimensions":{"t":{"hard":11}},"reset":{"every":"month"}})";
  CHECK(lab.http.put("/v1/budgets/month", more).status == 200);
  CHECK(explained().json.at("until").as_int64() == 0);
}

TEST_CASE("a submission names its quotas, budget and estimate") {
  ServerSetup lab;
  const auto body = R"({"kind":"k","payload":1,"quotas":["b","a"],"budget":"c","estimate":{"tokens":5}})";
  const auto id = lab.http.submit(body);

  const auto explained = lab.http.get("/v1/executions/" + id + "/explain");

  CHECK(explained.status == 200);
  CHECK(explained.raw.body.find("#a #b $c?tokens=5") != std::string::npos);
  CHECK(lab.http.post("/v1/executions", R"({"kind":"k","quotas":["no name"]})").reason() == "bad_limit_name");
  CHECK(lab.http.post("/v1/executions", R"({"kind":"k","estimate":{"tokens":5}})").reason() == "bad_amounts");
}
