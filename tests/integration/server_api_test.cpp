// The public API of a real ff-server on a real Valkey, with a real worker behind it.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <set>
#include <thread>

#include "ff/script/connect.hpp"
#include "ff/sdk/worker.hpp"
#include "ff/core/base64.hpp"
#include "http/routes.hpp"
#include "server_process.hpp"
#include "support/run.hpp"
#include "support/wait.hpp"

namespace asio = boost::asio;
using namespace ff;
using namespace ff::test;
using namespace std::chrono_literals;

namespace {

// Answers `echo` with its payload, `fail` with bytes that are no UTF-8, on a thread of its own.
class EchoWorker {
 public:
  explicit EchoWorker(const ValkeyServer& valkey) {
    script::ConnectionOptions options;
    options.unix_socket = valkey.unix_socket();
    connection_ = script::make_connection(context_.get_executor(), options);
    auto opening = script::Deployment::open(connection_, script::DeploymentOptions(), core::Deadline::in(10s));
    worker_.emplace(run(context_, std::move(opening)).value(), sdk::WorkerOptions());
    worker_->handle("echo", [](sdk::Task& task) -> sdk::HandlerResult { return task.payload(); });
    worker_->handle("fail",
                    [](sdk::Task&) -> sdk::HandlerResult { return sdk::Failure("invalid_input", "bad \xff byte"); });
    thread_ = std::thread([this] { ended_ = run(context_, worker_->run(), 120s).has_value(); });
  }
  ~EchoWorker() {
    worker_->stop();
    thread_.join();
    connection_->close();
    context_.restart();
    context_.run_for(1s);
  }

 private:
  asio::io_context context_{1};
  std::shared_ptr<script::Connection> connection_;
  std::optional<sdk::Worker> worker_;
  std::thread thread_;
  bool ended_ = false;
};

std::string all_bytes() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  return bytes;
}

}  // namespace

TEST_CASE("an execution is submitted, waited for without polling, described, replayed and purged") {
  ServerSetup lab;
  const std::string id = lab.http.submit(R"({"kind":"echo","payload":{"n":1.50},"tags":{"a":"b"}})");
  const std::string path = "/v1/executions/" + id;
  CHECK(lab.http.get(path).text("state") == "ready");
  CHECK(lab.http.get(path + "/result").json.at("finished") == false);

  EchoWorker worker(lab.valkey);
  const auto ended = lab.http.get(path + "/result?wait_ms=20000");

  CHECK(ended.text("state") == "completed");
  CHECK(ended.raw.body.find("\"json\":{\"n\":1.50}") != std::string::npos);
  const auto described = lab.http.get(path);
  CHECK(described.text("state") == "completed");
  CHECK(described.json.at("attempt") == 1);
  CHECK(described.json.at("tags").at("a") == "b");
  CHECK(lab.http.post(path + "/cancel", "{}").reason() == "already_finished");
  CHECK(lab.http.post(path + "/replay", "").json.at("generation") == 1);
  CHECK(lab.http.get(path + "/result?wait_ms=20000").json.at("generation") == 1);
  CHECK(lab.http.get(path + "/result?generation=0").text("state") == "completed");
  CHECK(lab.http.ask("DELETE", path).status == 204);
  CHECK(lab.http.get(path).status == 404);
}

TEST_CASE("a waiting request is answered at the end of the execution, not at the end of its time") {
  ServerSetup lab;
  const std::string id = lab.http.submit(R"({"kind":"echo"})");
  const auto begin = std::chrono::steady_clock::now();
  HttpAnswer ended;
  std::thread waiting(
      [&] { ended = HttpClient(lab.server.port).get("/v1/executions/" + id + "/result?wait_ms=60000"); });

  CHECK(lab.http.post("/v1/executions/" + id + "/cancel", R"({"reason":"enough"})").status == 200);
  waiting.join();

  CHECK(ended.text("state") == "cancelled");
  CHECK(ended.text("text") == "enough");
  CHECK(std::chrono::steady_clock::now() - begin < 20s);
}

TEST_CASE("all byte values survive the way in and out, as base64 and raw, through a worker") {
  ServerSetup lab;
  const std::string bytes = all_bytes();
  const std::string encoded = core::base64_encode(bytes);
  const std::string as_json = lab.http.submit("{\"kind\":\"echo\",\"payload_base64\":\"" + encoded + "\"}");
  const auto raw = lab.http.ask("POST", "/v1/executions?kind=echo", bytes, "Content-Type: image/x-test\r\n");
  REQUIRE(raw.status == 201);
  EchoWorker worker(lab.valkey);

  for (const std::string& id : {as_json, raw.text("id")}) {
    const std::string path = "/v1/executions/" + id;
    const auto result = lab.http.get(path + "/result?wait_ms=20000");
    CHECK(result.json.at("result").at("base64").as_string() == encoded);
    CHECK(lab.http.get(path + "/result?raw=1").raw.body == bytes);
    CHECK(lab.http.get(path + "/payload?raw=1").raw.body == bytes);
    CHECK(lab.http.get(path + "/payload").json.at("payload").at("size") == 256);
  }
  const auto back = lab.http.get("/v1/executions/" + raw.text("id") + "/result?raw=1");
  CHECK(back.raw.header("content-type") == "image/x-test");
  CHECK(back.raw.header("content-security-policy") == "default-src 'none'; sandbox");
}

TEST_CASE("a worker's bytes that are no text do not spoil an answer") {
  ServerSetup lab;
  EchoWorker worker(lab.valkey);
  const std::string id = lab.http.submit(R"({"kind":"fail"})");

  const auto result = lab.http.get("/v1/executions/" + id + "/result?wait_ms=20000");

  CHECK(result.text("state") == "failed");
  CHECK(result.text("failure_class") == "invalid_input");
  CHECK(result.text("text") == "bad \xef\xbf\xbd byte");
  CHECK(result.text("text_base64") == core::base64_encode("bad \xff byte"));
  CHECK(lab.http.get("/v1/executions/" + id).status == 200);
  CHECK(lab.http.get("/v1/executions/" + id + "/result?raw=1").reason() == "not_completed");
}

TEST_CASE("an idempotency key stands for its first execution") {
  ServerSetup lab;
  const std::string fields = "Content-Type: application/json\r\nIdempotency-Key: order-7\r\n";
  const auto first = lab.http.ask("POST", "/v1/executions", R"({"kind":"k","payload":1})", fields);
  const auto second = lab.http.ask("POST", "/v1/executions", R"({"kind":"k","payload":1})", fields);
  const auto other = lab.http.ask("POST", "/v1/executions", R"({"kind":"k","payload":2})", fields);
  const auto torn = lab.http.ask("POST", "/v1/executions", R"({"kind":"k","idempotency_key":"x"})", fields);
  const auto elsewhere = lab.http.ask("POST", "/v1/executions?namespace=two", R"({"kind":"k","payload":1})", fields);

  CHECK(first.status == 201);
  CHECK(first.raw.header("location") == "/v1/executions/" + first.text("id"));
  CHECK(second.status == 200);
  CHECK(second.text("id") == first.text("id"));
  CHECK(other.status == 409);
  CHECK(other.reason() == "idempotency_mismatch");
  CHECK(torn.reason() == "bad_idempotency_key");
  CHECK(elsewhere.status == 201);
  CHECK(elsewhere.text("id") != first.text("id"));
}

TEST_CASE("a batch is answered item by item") {
  ServerSetup lab;
  std::string body = "{\"executions\":[{\"kind\":\"k\",\"idempotency_key\":\"a\"},{\"kind\":\"k\",\"lane\":\"!\"}";
  for (int i = 0; i < 600; ++i) body += ",{\"kind\":\"k\",\"lane\":\"many\",\"payload\":" + std::to_string(i) + "}";

  const auto answer = lab.http.post("/v1/executions/batch", body + "]}");
  const auto again = lab.http.post("/v1/executions/batch", R"({"executions":[{"kind":"k","idempotency_key":"a"}]})");

  REQUIRE(answer.status == 200);
  const auto& results = answer.json.at("results").as_array();
  REQUIRE(results.size() == 602);
  CHECK(results[0].at("status") == 201);
  CHECK(results[1].at("status") == 400);
  CHECK(results[1].at("error").at("reason") == "bad_lane");
  std::set<std::string> ids;
  for (std::size_t i = 2; i < results.size(); ++i) {
    REQUIRE(results[i].at("status") == 201);
    ids.emplace(results[i].at("id").as_string());
  }
  CHECK(ids.size() == 600);
  CHECK(again.json.at("results").as_array()[0].at("duplicate") == true);
  const std::string last(results[601].at("id").as_string());
  CHECK(lab.http.get("/v1/executions/" + last + "/payload?raw=1").raw.body == "599");
}

TEST_CASE("listing walks through everything once; counts agree") {
  ServerSetup lab;
  std::set<std::string> ids;
  for (int i = 0; i < 150; ++i) ids.insert(lab.http.submit(R"({"kind":"k","lane":"l"})"));

  std::set<std::string> found;
  std::string cursor;
  int pages = 0;
  do {
    const auto page = lab.http.get("/v1/executions?state=ready&lane=l&limit=40&cursor=" + cursor);
    REQUIRE(page.status == 200);
    for (const auto& one : page.json.at("executions").as_array()) CHECK(found.emplace(one.at("id").as_string()).second);
    cursor = page.text("cursor");
  } while (!cursor.empty() && ++pages < 1000);

  CHECK(found == ids);
  const auto counts = lab.http.get("/v1/counts");
  CHECK(counts.json.at("states").at("ready") == 150);
  CHECK(counts.json.at("ready").as_array().at(0).at("lane") == "l");
}

TEST_CASE("a lane is given a concurrency cap, which explains why it waits, and what is wrong with one is named") {
  ServerSetup lab;
  EchoWorker worker(lab.valkey);
  const auto set = [&](const char* policy) { return lab.http.put("/v1/lanes/default/policy", policy); };
  CHECK(set(R"({"concurrency":-1})").reason() == "bad_policy");
  CHECK(set(R"({"concurrency":1000000001})").reason() == "bad_policy");
  CHECK(set(R"({"concurrency":1e30})").reason() == "wrong_type");
  CHECK(set(R"({"concurrency":"5"})").reason() == "wrong_type");
  CHECK(set(R"({"concurrent":5})").reason() == "unknown_field");
  const auto lane = set(R"({"concurrency":0})");
  CHECK(lane.status == 200);
  CHECK(lane.json.at("cap").at("concurrency") == 0);
  const auto id = lab.http.submit(R"({"kind":"echo","payload":1})");
  const auto path = "/v1/executions/" + id;
  CHECK(lab.http.get(path + "/result?wait_ms=500").text("state") == "ready");

  const auto why = lab.http.get(path + "/explain");
  CHECK(why.text("reason") == "lane_capped");
  CHECK(why.json.at("cap").at("held") == 0);
  CHECK(lab.http.get("/v1/quotas/lane:default").json.at("concurrency") == 0);
  CHECK(lab.http.ask("DELETE", "/v1/quotas/lane:default").reason() == "bad_limit_name");
  const std::string json = "Content-Type: application/json\r\n";
  CHECK(lab.http.ask("PUT", "/v1/quotas/lane:other", "{}", json).reason() == "bad_limit_name");
  CHECK(lab.http.post("/v1/executions", R"({"kind":"k","quotas":["lane:default"]})").reason() == "bad_limit_name");

  CHECK(set(R"({"concurrency":1})").status == 200);
  CHECK(lab.http.get(path + "/result?wait_ms=20000").text("state") == "completed");
  CHECK_FALSE(set("{}").json.as_object().contains("cap"));
}

TEST_CASE("a lane is given a policy, paused, explained and resumed") {
  ServerSetup lab;
  EchoWorker worker(lab.valkey);
  CHECK(lab.http.get("/v1/lanes").json.at("lanes").as_array().empty());
  CHECK(lab.http.put("/v1/lanes/default/policy", R"({"weight":3,"depth":64})").status == 200);
  const auto paused = lab.http.post("/v1/lanes/default/pause", R"({"by":"ops","why":"a look"})");
  CHECK(paused.status == 200);
  CHECK(paused.text("state") == "paused");
  const auto id = lab.http.submit(R"({"kind":"echo","payload":1})");
  const auto path = "/v1/executions/" + id;

  CHECK(lab.http.get(path + "/result?wait_ms=500").text("state") == "ready");
  const auto why = lab.http.get(path + "/explain");
  CHECK(why.text("reason") == "lane_paused");
  CHECK(why.text("text").find("which is paused by ops (a look): it starts when") != std::string::npos);
  CHECK(why.text("lane_by") == "ops");
  CHECK(why.text("lane_why") == "a look");
  CHECK(why.json.at("lane_since") == paused.json.at("since"));
  const auto lane = lab.http.get("/v1/lanes/default");
  CHECK(lane.json.at("waiting") == 1);
  CHECK(lane.json.at("policy").at("weight") == 3);
  CHECK(lane.text("why") == "a look");
  CHECK(lab.http.get("/v1/lanes").json.at("lanes").as_array().size() == 1);

  CHECK(lab.http.post("/v1/lanes/default/resume", "").text("state") == "running");
  CHECK(lab.http.get(path + "/result?wait_ms=20000").text("state") == "completed");
  CHECK(lab.http.post("/v1/lanes/default/drain", "{}").text("state") == "draining");
  CHECK(lab.http.post("/v1/executions", R"({"kind":"echo"})").reason() == "lane_draining");
  CHECK(lab.http.put("/v1/lanes/default/policy", R"({"weight":0})").reason() == "bad_policy");
  CHECK(lab.http.post("/v1/lanes/UPPER/pause", "{}").reason() == "bad_lane");
}

TEST_CASE("who pauses a lane and why is bounded, said as JSON, and not forgotten when it is said again") {
  ServerSetup lab;
  const std::string path = "/v1/lanes/default";
  const auto paused = lab.http.post(path + "/pause", R"({"by":"ops","why":"a look"})");
  const auto again = lab.http.post(path + "/pause", "");

  CHECK(again.text("by") == "ops");
  CHECK(again.text("why") == "a look");
  CHECK(again.json.at("since") == paused.json.at("since"));
  CHECK(lab.http.post(path + "/resume", "{}").text("by") == "local");
  for (const std::string field : {"by", "why"}) {
    CHECK(lab.http.post(path + "/pause", "{\"" + field + "\":\"" + std::string(513, 'x') + "\"}").reason() ==
          "bad_reason");
  }
  CHECK(lab.http.ask("POST", path + "/pause", R"({"by":"ops"})").reason() == "bad_content_type");
  CHECK(lab.http.ask("PUT", path + "/policy", "{}").reason() == "bad_content_type");
  CHECK(lab.http.put(path + "/policy", "").reason() == "bad_json");
  CHECK(lab.http.get(path).text("state") == "running");
}

TEST_CASE("a draining lane knows the keys it has seen, spread or strict") {
  ServerSetup lab;
  for (const std::string ordering : {"spread", "strict"}) {
    CHECK(lab.http.put("/v1/lanes/" + ordering + "/policy", R"({"ordering":")" + ordering + "\"}").status == 200);
    std::vector<std::string> bodies, ids;
    for (int i = 0; i < 8; ++i) {  // One of them has its key's home where the lane has its own, at the most.
      bodies.push_back(R"({"kind":"k","lane":")" + ordering + R"(","idempotency_key":")" + ordering +
                       std::to_string(i) + "\"}");
      ids.push_back(lab.http.submit(bodies.back()));
    }
    CHECK(lab.http.post("/v1/lanes/" + ordering + "/drain", "").status == 200);

    for (std::size_t i = 0; i < bodies.size(); ++i) {
      const auto again = lab.http.post("/v1/executions", bodies[i]);
      INFO(ordering << " " << again.raw.body);
      REQUIRE(again.status == 200);
      CHECK(again.text("id") == ids[i]);
      CHECK(again.json.at("duplicate").as_bool());
    }
    const auto fresh = lab.http.post("/v1/executions", R"({"kind":"k","lane":")" + ordering + "\"}");
    CHECK(fresh.reason() == "lane_draining");
  }
}

TEST_CASE("a namespace does not see another's executions") {
  ServerSetup lab;
  const std::string id = lab.http.submit(R"({"kind":"k"})");
  const std::string path = "/v1/executions/" + id;
  HttpClient other(lab.server.port, "X-FF-Namespace: other\r\n");

  CHECK(other.get(path).status == 404);
  CHECK(other.get(path + "/payload").status == 404);
  CHECK(other.get(path + "/result").status == 404);
  CHECK(other.post(path + "/cancel", "{}").status == 404);
  CHECK(other.post(path + "/priority", R"({"priority":1})").status == 404);
  CHECK(other.ask("DELETE", path).status == 404);
  CHECK(lab.http.get(path + "?namespace=other").status == 404);
  CHECK(other.get(path + "?namespace=default").reason() == "bad_namespace");
  CHECK(lab.http.get(path + "?namespace=UPPER").reason() == "bad_namespace");
  CHECK(lab.http.get(path).text("state") == "ready");
}

TEST_CASE("timers run in the server: a delayed execution becomes ready, an expired one ends, without a worker") {
  ServerSetup lab;
  const std::string delayed = lab.http.submit(R"({"kind":"k","delay_ms":3000})");
  const std::string expiring = lab.http.submit(R"({"kind":"k","deadline_ms":200})");
  CHECK(lab.http.get("/v1/executions/" + delayed).text("state") == "delayed");

  CHECK(lab.http.get("/v1/executions/" + expiring + "/result?wait_ms=20000").text("state") == "expired");
  CHECK(wait_until([&] { return lab.http.get("/v1/executions/" + delayed).text("state") == "ready"; }, 20s));
}

TEST_CASE("what is wrong with a request is named") {
  struct Wrong {
    std::string method, path, body;
    int status;
    std::string reason;
  };
  ServerSetup lab;
  const std::string one = "/v1/executions/" + lab.http.submit(R"({"kind":"k"})");
  const std::string nobody = "/v1/executions/0-01ARZ3NDEKTSV4RRFFQ69G5FAV";
  const std::vector<Wrong> all = {
      {"GET", "/", "", 404, "no_route"},
      {"GET", "/v1/executions/", "", 400, "bad_id"},
      {"GET", one + "/nothing", "", 404, "no_route"},
      {"PUT", one, "", 405, "method_not_allowed"},
      {"POST", "/healthz", "", 405, "method_not_allowed"},
      {"GET", one + "?x=1", "", 400, "unknown_parameter"},
      {"GET", nobody, "", 404, "not_found"},
      {"GET", "/v1/executions/5", "", 400, "bad_id"},
      {"GET", "/v1/executions/0-01arz3ndektsv4rrffq69g5fav", "", 400, "bad_id"},
      {"GET", "/v1/executions/1024-01ARZ3NDEKTSV4RRFFQ69G5FAV", "", 400, "bad_id"},
      {"GET", one + "/result?wait_ms=-1", "", 400, "bad_wait_ms"},
      {"GET", one + "/result?wait_ms=60001", "", 400, "bad_wait_ms"},
      {"GET", one + "/result?wait_ms=1e3", "", 400, "wrong_type"},
      {"GET", one + "/result?generation=7", "", 404, "no_such_generation"},
      {"GET", one + "/result?raw=2", "", 400, "bad_raw"},
      {"GET", "/v1/executions", "", 400, "missing_field"},
      {"GET", "/v1/executions?state=busy", "", 400, "bad_state"},
      {"GET", "/v1/executions?state=ready", "", 400, "lane_needed"},
      {"GET", "/v1/executions?state=active&limit=0", "", 400, "bad_limit"},
      {"GET", "/v1/executions?state=active&limit=1001", "", 400, "bad_limit"},
      {"GET", "/v1/executions?state=active&lane=A", "", 400, "bad_lane"},
      {"GET", "/v1/executions?state=active&cursor=rubbish", "", 400, "bad_cursor"},
      {"POST", "/v1/executions", R"({"kind":"k","priority":9001})", 400, "bad_priority"},
      {"POST", "/v1/executions", R"({"kind":"k","priority":-1})", 400, "bad_priority"},
      {"POST", "/v1/executions", R"({"kind":""})", 400, "bad_kind"},
      {"POST", "/v1/executions", R"({"kind":"k","lane":""})", 400, "bad_lane"},
      {"POST", "/v1/executions", R"({"kind":"k","delay_ms":-1})", 400, "bad_delay"},
      {"POST", "/v1/executions", R"({"kind":"k","delay_ms":1,"start_at":1})", 400, "bad_delay"},
      {"POST", "/v1/executions", R"({"kind":"k","deadline_ms":-1})", 400, "bad_deadline"},
      {"POST", "/v1/executions", R"({"kind":"k","idempotency_key":"k","idempotency_ttl_ms":0})", 400,
       "bad_idempotency_ttl"},
      {"POST", "/v1/executions", R"({"kind":"k","content_type":"x"})", 400, "bad_content_type"},
      {"POST", "/v1/executions", R"({"kind":"k","tags":{"":"x"}})", 400, "bad_tags"},
      {"POST", "/v1/executions", R"({"kind":"k","policy":{"retry":{"max_attempts":0}}})", 400, "bad_policy"},
      {"POST", "/v1/executions?kind=k", R"({"kind":"k"})", 400, "unknown_parameter"},
      {"POST", "/v1/executions", "{", 400, "bad_json"},
      {"POST", "/v1/executions", "", 400, "bad_json"},
      {"POST", "/v1/executions/batch", R"({"executions":[{"kind":"k","x":1}]})", 400, "unknown_field"},
      {"POST", one + "/cancel", R"({"grace":1})", 400, "unknown_field"},
      {"POST", one + "/cancel", R"({"grace_ms":"1"})", 400, "wrong_type"},
      {"POST", one + "/cancel", "[]", 400, "wrong_type"},
      {"POST", one + "/priority", "{}", 400, "missing_field"},
      {"POST", one + "/priority", R"({"priority":9001})", 400, "bad_priority"},
      {"POST", one + "/replay", R"({"x":1})", 400, "unknown_field"},
      {"POST", one + "/replay", "", 409, "not_finished"},
      {"DELETE", one, "", 409, "not_finished"},
  };
  for (const Wrong& wrong : all) {
    INFO(wrong.method << " " << wrong.path << " " << wrong.body);
    const std::string type = wrong.method == "POST" ? "Content-Type: application/json\r\n" : "";
    const auto answer = lab.http.ask(wrong.method, wrong.path, wrong.body, type);
    CHECK(answer.status == wrong.status);
    CHECK(answer.reason() == wrong.reason);
    CHECK(std::string(answer.json.at("error").at("request_id").as_string()) == answer.raw.header("x-request-id"));
    CHECK(!answer.json.at("error").at("message").as_string().empty());
  }
  CHECK(lab.http.ask("PUT", one).raw.header("allow") == "GET, HEAD, DELETE");
  const auto big = lab.http.ask("POST", "/v1/executions?kind=k", std::string((1 << 20) + 1, 'x'));
  CHECK(big.status == 400);
  CHECK(big.reason() == "payload_too_large");
  CHECK(lab.http.ask("POST", "/v1/executions?kind=k", std::string((2 << 20) + 1, 'x')).status == 413);
  CHECK(lab.http.ask("POST", one + "/cancel", "x=1", "Content-Type: application/x-www-form-urlencoded\r\n").reason() ==
        "bad_content_type");
  CHECK(lab.http.get(one).text("state") == "ready");
}

TEST_CASE("with a token every route but /healthz needs it") {
  ValkeyServer valkey;
  ProcessOptions options;
  options.environment = {{"FF_API_TOKEN", "0123456789-canary"}, {"FF_WRONG_TOKENS_PER_MINUTE", "0"}};
  ServerProcess server(ServerProcess::on(valkey), options);
  const std::vector<std::string> wrong = {"",
                                          "Authorization: Bearer 0123456789-canarx\r\n",
                                          "Authorization: Bearer \r\n",
                                          "Authorization: Bearer 0123456789-canary-and-more\r\n",
                                          "Authorization: Basic 0123456789-canary\r\n",
                                          "Authorization: 0123456789-canary\r\n"};
  HttpClient http(server.port);
  for (const auto& route : server::http::routes()) {
    std::string path(route.pattern);
    for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{', at))
      path.replace(at, path.find('}', at) - at + 1, "0-01ARZ3NDEKTSV4RRFFQ69G5FAV");
    INFO(path);
    for (const std::string& fields : wrong) {
      const auto answer = http.ask(std::string(to_string(route.method)), path, "", fields);
      CHECK((answer.status == 401) == (route.roles != 0));
      CHECK(answer.raw.header("www-authenticate") == (route.roles == 0 ? "" : "Bearer"));
    }
    const bool endless = path == "/v1/events" && route.method == server::http::Method::get;
    const std::string method(endless ? "HEAD" : to_string(route.method));
    const auto good = http.ask(method, path, "", "Authorization: Bearer 0123456789-canary\r\n");
    CHECK(good.status != 401);
  }
  CHECK(http.ask("GET", "/v1/lanes", "", "Authorization: bEARER  0123456789-canary\r\n").status == 200);
  CHECK(http.ask("GET", "/v1/lanes", "", "Authorization: Bearers 0123456789-canary\r\n").status == 401);
  CHECK(http.get("/nothing").status == 401);
  CHECK(server.process.output().find("canary") == std::string::npos);
}

TEST_CASE("pages of other sites are turned away, and so are names that only look like this machine") {
  ServerSetup lab;
  const auto asked = [&lab](const std::string& host, const std::string& fields) {
    return ask(lab.server.port, "GET /v1/counts HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n")->status;
  };
  CHECK(asked("localhost", "") == 200);
  CHECK(asked("127.0.0.1:9090", "Origin: http://127.0.0.1:9090\r\n") == 200);
  CHECK(asked("localhost", "Origin: http://evil.example\r\n") == 403);
  CHECK(asked("localhost", "Origin: null\r\n") == 403);
  CHECK(asked("evil.example", "") == 403);
  CHECK(asked("evil.example", "Origin: http://evil.example\r\n") == 403);
}

TEST_CASE("the metrics page knows what happened") {
  ServerSetup lab;
  lab.http.submit(R"({"kind":"k","lane":"seen"})");
  CHECK(lab.http.get("/nothing").status == 404);
  HttpClient ops(lab.server.ops_port);
  const auto page = [&ops] {
    ops.disconnect();
    return ops.get("/metrics").raw.body;
  };

  // An answer is counted when it has left, so a client may be faster than the count.
  const auto shows = [&page](const std::string& line) {
    return wait_until([&] { return page().find(line) != std::string::npos; }, 20s);
  };
  CHECK(shows("ff_http_requests_total{route=\"/v1/executions\",status=\"201\"} 1\n"));
  CHECK(shows("ff_http_requests_total{route=\"unmatched\",status=\"404\"} 1\n"));
  CHECK(shows("lane=\"seen\"} 1\n"));
  CHECK(shows("ff_timers_partitions 64\n"));
  CHECK(shows("ff_valkey_up 1\n"));
  ops.disconnect();
  CHECK(ops.get("/readyz").status == 200);
}
