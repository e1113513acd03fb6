// Workers that speak HTTP only, on real ff-servers.
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <future>
#include <set>

#include "server_process.hpp"
#include "support/valkey_server.hpp"
#include "support/wait.hpp"

using namespace ff::test;

namespace {

namespace json = boost::json;

struct Lab : ServerSetup {
  std::string state(const std::string& id) { return http.get("/v1/executions/" + id).text("state"); }
};

constexpr const char* kClaim = "/v1/workers/w1/claim?wait_ms=8000";

json::array claimed(HttpClient& http, const std::string& body, const std::string& path = kClaim) {
  const auto answer = http.post(path, body);
  INFO(answer.raw.body);
  REQUIRE(answer.status == 200);
  return answer.json.at("executions").as_array();
}

std::string text(const json::value& value, const char* name) { return std::string(value.at(name).as_string()); }

// The only one that is given.
json::value claim_one(HttpClient& http, const std::string& body = "{}") {
  const auto all = claimed(http, body);
  REQUIRE(all.size() == 1);
  return all.at(0);
}

HttpAnswer report(HttpClient& http, const std::string& what, const std::string& lease, const std::string& rest = "") {
  return http.post("/v1/workers/w1/" + what, R"({"lease":")" + lease + "\"" + rest + "}");
}

std::string renewed(HttpClient& http, const std::string& lease) {
  const auto answer = http.post("/v1/workers/w1/renew", R"({"leases":[")" + lease + R"("]})");
  REQUIRE(answer.status == 200);
  return text(answer.json.at("leases").as_array().at(0), "outcome");
}

// By Valkey's clock.
std::int64_t now(HttpClient& http, const std::string& id) {
  return http.get("/v1/executions/" + id).json.at("now").as_int64();
}

}  // namespace

TEST_CASE("an execution is claimed, renewed, reported on and completed over HTTP; repeats get the same answer") {
  Lab lab;
  const auto id = lab.http.submit(R"({"kind":"k","lane":"l","payload":{"a":1},"tags":{"t":"x"}})");

  const auto one = claim_one(lab.http, R"({"lanes":["l"],"lease_ms":20000})");
  const auto lease = text(one, "lease");
  CHECK(text(one, "id") == id);
  CHECK(text(one, "kind") == "k");
  CHECK(text(one, "lane") == "l");
  CHECK(one.at("attempt").as_int64() == 1);
  CHECK(one.at("lease_ms").as_int64() == 20000);
  CHECK(one.at("payload").at("json").at("a").as_int64() == 1);
  CHECK(text(one.at("tags"), "t") == "x");
  CHECK(renewed(lab.http, lease) == "held");
  CHECK(report(lab.http, "progress", lease, R"(,"percent":50,"message":"half")").status == 204);
  CHECK(lab.http.get("/v1/executions/" + id).raw.body.find("half") != std::string::npos);

  CHECK(report(lab.http, "complete", lease, R"(,"payload":[2])").text("outcome") == "completed");
  CHECK(report(lab.http, "complete", lease, R"(,"payload":[2])").text("outcome") == "completed");
  CHECK(lab.http.get("/v1/executions/" + id + "/result?raw=1").raw.body == "[2]");
  CHECK(renewed(lab.http, lease) == "stale_lease");
  const auto late = report(lab.http, "fail", lease, R"(,"failure_class":"internal")");
  CHECK(late.status == 409);
  CHECK(late.reason() == "stale_lease");
}

TEST_CASE("a long poll is woken by what becomes ready, and ends empty at its time") {
  Lab lab;
  CHECK(claimed(lab.http, "{}", "/v1/workers/w1/claim?wait_ms=700").empty());
  auto poll = std::async(std::launch::async, [&lab] {
    HttpClient http(lab.server.port);
    return http.post(kClaim, R"({"count":2})");
  });
  const auto id = lab.http.submit(R"({"kind":"k"})");

  const auto answer = poll.get();

  REQUIRE(answer.json.at("executions").as_array().size() == 1);
  CHECK(text(answer.json.at("executions").as_array().at(0), "id") == id);
}

TEST_CASE("polls of one worker share its work, and none gets more than it asked for") {
  Lab lab;
  const auto poll = [&lab] {
    HttpClient http(lab.server.port);
    return claimed(http, R"({"count":3})").size();
  };
  std::vector<std::future<std::size_t>> polls;
  for (int i = 0; i < 4; ++i) polls.push_back(std::async(std::launch::async, poll));
  for (int i = 0; i < 12; ++i) lab.http.submit(R"({"kind":"k"})");

  std::size_t given = 0;
  for (auto& one : polls) {
    const auto count = one.get();
    CHECK((count >= 1 && count <= 3));
    given += count;
  }
  while (given < 12) given += claimed(lab.http, R"({"count":3})").size();
  CHECK(given == 12);
}

TEST_CASE("what a client that went away was not given is for others, and spends no attempt") {
  Lab lab;
  for (int i = 0; i < 20; ++i) {
    RawHttp gone(lab.server.port);
    gone.send("POST /v1/workers/w1/claim?wait_ms=8000 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    gone.reset();  // Before there is work: what reaches a client that is still there is its own until the lease ends.
    const auto id = lab.http.submit(R"({"kind":"k"})");
    const auto one = claim_one(lab.http);
    CHECK(text(one, "id") == id);
    CHECK(one.at("attempt").as_int64() == 1);
    CHECK(report(lab.http, "complete", text(one, "lease")).status == 200);
  }
}

TEST_CASE("failures follow the retry policy; what is released unstarted spends no attempt") {
  Lab lab;
  const auto id = lab.http.submit(R"({"kind":"k","policy":{"retry":{"delay_ms":1,"max_attempts":2}}})");
  auto one = claim_one(lab.http);
  CHECK(report(lab.http, "release", text(one, "lease"), R"(,"started":false)").text("outcome") == "released");
  one = claim_one(lab.http);
  CHECK(one.at("attempt").as_int64() == 1);
  CHECK(report(lab.http, "fail", text(one, "lease"), R"(,"failure_class":"timeout","text":"no")").text("outcome") ==
        "retried");
  one = claim_one(lab.http);
  CHECK(one.at("attempt").as_int64() == 2);
  CHECK(one.at("failures").as_int64() == 1);

  CHECK(report(lab.http, "fail", text(one, "lease"), R"(,"failure_class":"timeout")").text("outcome") == "failed");

  CHECK(lab.state(id) == "failed");
}

TEST_CASE("a lease that is not renewed is over, and somebody else gets the execution") {
  Lab lab;
  const auto id = lab.http.submit(R"({"kind":"k"})");
  const auto lost = claim_one(lab.http, R"({"lease_ms":300})");

  const auto one = claim_one(lab.http, R"({"lease_ms":20000})");

  CHECK(text(one, "id") == id);
  CHECK(one.at("attempt").as_int64() == 2);
  CHECK(report(lab.http, "complete", text(lost, "lease")).reason() == "stale_lease");
  CHECK(report(lab.http, "complete", text(one, "lease")).status == 200);
}

TEST_CASE("a cancel is told with the next renewal") {
  Lab lab;
  const auto id = lab.http.submit(R"({"kind":"k"})");
  const auto lease = text(claim_one(lab.http), "lease");
  CHECK(lab.http.post("/v1/executions/" + id + "/cancel", R"({"grace_ms":60000})").status == 200);
  CHECK(renewed(lab.http, lease) == "cancelling");
  CHECK(report(lab.http, "release", lease).text("outcome") == "cancelled");
  CHECK(lab.state(id) == "cancelled");
}

TEST_CASE("quotas hold for workers of HTTP, whichever server hears that an execution has ended") {
  Lab lab;
  ServerProcess other(ServerProcess::on(lab.valkey));
  HttpClient elsewhere(other.port);
  CHECK(lab.http.ask("PUT", "/v1/quotas/q", R"({"concurrency":1})", "Content-Type: application/json\r\n").status ==
        200);
  for (int i = 0; i < 3; ++i) lab.http.submit(R"({"kind":"k","quotas":["q"]})");
  const char* const ask = R"({"count":3,"lease_ms":2000})";
  const auto first = claim_one(lab.http, ask);

  // Renewed elsewhere only, for longer than a lease, it goes on to count here.
  const auto until = now(elsewhere, text(first, "id")) + 5000;
  REQUIRE(wait_until([&] {
    CHECK(renewed(elsewhere, text(first, "lease")) == "held");
    return now(elsewhere, text(first, "id")) > until;
  }));
  CHECK(claimed(lab.http, ask, "/v1/workers/w1/claim?wait_ms=100").empty());

  CHECK(report(lab.http, "complete", text(first, "lease")).status == 200);
  const auto second = claim_one(lab.http, ask);
  CHECK(report(elsewhere, "complete", text(second, "lease")).status == 200);
  const auto third = claim_one(lab.http, ask);

  CHECK(text(third, "id") != text(second, "id"));
  CHECK(third.at("attempt").as_int64() == 1);
}

TEST_CASE("what is reported through another server leaves its place at once") {
  Lab lab;
  ServerProcess other(ServerProcess::on(lab.valkey));
  HttpClient elsewhere(other.port);
  const auto set = lab.http.ask("PUT", "/v1/quotas/q", R"({"concurrency":1})", "Content-Type: application/json\r\n");
  REQUIRE(set.status == 200);
  for (int i = 0; i < 4; ++i) lab.http.submit(R"({"kind":"k","quotas":["q"]})");
  const char* const ask = R"({"lease_ms":60000})";  // Which nobody waits for here.
  std::set<std::string> ids;

  for (const char* what : {"complete", "fail", "release", "complete"}) {
    const auto one = claim_one(lab.http, ask);
    ids.insert(text(one, "id"));
    const auto* rest = what == std::string("fail") ? R"(,"failure_class":"invalid","retry_after_ms":0)" : "";
    CHECK(report(elsewhere, what, text(one, "lease"), rest).status == 200);
  }

  CHECK(ids.size() >= 2);
}

TEST_CASE("a lane's cap holds for workers of HTTP over all servers, and what is released leaves its place to others") {
  Lab lab;
  ServerProcess other(ServerProcess::on(lab.valkey));
  HttpClient elsewhere(other.port);
  const auto set = lab.http.ask("PUT", "/v1/lanes/default/policy", R"({"concurrency":1})",
                                "Content-Type: application/json\r\n");
  REQUIRE(set.status == 200);
  for (int i = 0; i < 3; ++i) lab.http.submit(R"({"kind":"k"})");
  const char* const ask = R"({"count":3,"lease_ms":20000})";
  const auto first = claim_one(lab.http, ask);
  CHECK(text(first, "requirements") == "#lane:default");
  CHECK(claimed(lab.http, ask, "/v1/workers/w1/claim?wait_ms=300").empty());
  CHECK(claimed(elsewhere, ask, "/v1/workers/w2/claim?wait_ms=300").empty());

  CHECK(report(lab.http, "release", text(first, "lease")).status == 200);
  const auto second = claim_one(lab.http, ask);
  CHECK(report(lab.http, "complete", text(second, "lease")).status == 200);
  const auto third = claimed(elsewhere, ask, "/v1/workers/w2/claim?wait_ms=8000");

  REQUIRE(third.size() == 1);
  CHECK(claimed(lab.http, ask, "/v1/workers/w1/claim?wait_ms=300").empty());
}

TEST_CASE("only what the worker can take is given to it") {
  Lab lab;
  const auto id = lab.http.submit(R"({"kind":"k","needs":["cuda>=12"]})");
  CHECK(claimed(lab.http, R"({"capabilities":["gpu"]})", "/v1/workers/w1/claim?wait_ms=500").empty());
  CHECK(text(claim_one(lab.http, R"({"capabilities":["gpu","cuda=12.2"]})"), "id") == id);
}

TEST_CASE("a server that stops takes nothing away: its leases are reported through another one") {
  Lab lab;
  ServerProcess other(ServerProcess::on(lab.valkey));
  const auto id = lab.http.submit(R"({"kind":"k"})");
  HttpClient elsewhere(other.port);
  const auto lease = text(claim_one(elsewhere), "lease");
  other.process.signal(SIGTERM);
  const auto ended = other.process.wait(std::chrono::seconds(20));
  REQUIRE(ended);
  CHECK(ended->ok());

  CHECK(renewed(lab.http, lease) == "held");
  CHECK(report(lab.http, "complete", lease).status == 200);
  CHECK(lab.state(id) == "completed");
}

TEST_CASE("what is wrong with a claim or a report is named before anything happens") {
  Lab lab;
  const auto claim = [&lab](const std::string& body, const std::string& query = "") {
    return lab.http.post("/v1/workers/w1/claim" + query, body).reason();
  };
  CHECK(claim(R"({"lanes":[]})") == "bad_lane");
  CHECK(claim(R"({"lanes":["a b"]})") == "bad_lane");
  CHECK(claim(R"({"capabilities":["a b"]})") == "bad_capability");
  CHECK(claim(R"({"count":0})") == "bad_count");
  CHECK(claim(R"({"count":65})") == "bad_count");
  CHECK(claim(R"({"lease_ms":1})") == "bad_lease_ms");
  CHECK(claim(R"({"kinds":["k"]})") == "unknown_field");
  CHECK(claim("{}", "?wait_ms=60001") == "bad_wait_ms");
  CHECK(claim("{}", "?wait_ms=x") == "wrong_type");
  CHECK(lab.http.post("/v1/workers/-w/claim", "{}").reason() == "bad_worker");
  CHECK(lab.http.post("/v1/workers/" + std::string(51, 'w') + "/claim", "{}").reason() == "bad_worker");
  for (const char* what : {"complete", "fail", "release", "progress"}) {
    CHECK(lab.http.post("/v1/workers/w1/" + std::string(what), "{}").reason() == "missing_field");
    CHECK(report(lab.http, what, "x", R"(,"failure_class":"internal")").reason() == "bad_lease");
  }
  CHECK(lab.http.post("/v1/workers/w1/renew", "{}").reason() == "missing_field");
  CHECK(lab.http.post("/v1/workers/w1/renew", R"({"leases":[]})").reason() == "bad_leases");
  const auto id = lab.http.submit(R"({"kind":"k"})");
  const auto lease = text(claim_one(lab.http), "lease");
  CHECK(report(lab.http, "fail", lease).reason() == "missing_field");
  CHECK(report(lab.http, "fail", lease, R"(,"failure_class":"No Class")").reason() == "bad_failure_class");
  CHECK(report(lab.http, "progress", lease, R"(,"percent":101)").reason() == "bad_percent");
  CHECK(report(lab.http, "release", lease, R"(,"started":1)").reason() == "wrong_type");
  CHECK(renewed(lab.http, lease) == "held");
  CHECK(renewed(lab.http, "9" + lease) == "stale_lease");
}
