// Signals, waitpoint tokens, roles and keys over HTTP: a real ff-server, a real Valkey, a worker that suspends.
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <fstream>
#include <set>
#include <thread>

#include "ff/core/base64.hpp"
#include "ff/core/sha256.hpp"
#include "ff/core/token.hpp"
#include "ff/script/connect.hpp"
#include "ff/sdk/worker.hpp"
#include "server_process.hpp"
#include "support/run.hpp"
#include "support/temp_dir.hpp"
#include "support/wait.hpp"

namespace asio = boost::asio;
namespace json = boost::json;
using namespace ff;
using namespace ff::test;
using namespace std::chrono_literals;

namespace {

// `wait` suspends for a signal `go` (twice, when its payload is "2") and completes with "<name> of <source>: <payload>"
// of the last; `wait_event` waits for the event `payment` under its payload.
sdk::HandlerResult handle_wait(sdk::Task& task) {
  const std::int64_t steps = task.payload().bytes == "2" ? 2 : 1;
  const core::Resumption* resumption = task.resumption();
  if (resumption != nullptr && resumption->step >= steps) {
    if (resumption->by == core::Resumption::By::by_operator) return core::Payload("by operator");
    const auto& last = resumption->signals.back();
    return core::Payload(last.name + " of " + last.source + ": " + last.payload.bytes, "text/plain");
  }
  return sdk::Suspend(core::named("go")).at(core::Waitpoint("w"));
}

class WaitingWorker {
 public:
  explicit WaitingWorker(const ValkeyServer& valkey) {
    script::ConnectionOptions options;
    options.unix_socket = valkey.unix_socket();
    connection_ = script::make_connection(context_.get_executor(), options);
    auto opening = script::Deployment::open(connection_, script::DeploymentOptions(), core::Deadline::in(10s));
    worker_.emplace(run(context_, std::move(opening)).value(), sdk::WorkerOptions());
    worker_->handle("wait", handle_wait);
    worker_->handle("wait_event", [](sdk::Task& task) -> sdk::HandlerResult {
      if (task.resumption() != nullptr) return task.resumption()->signals.at(0).payload;
      return sdk::wait_event("payment", task.payload().bytes);
    });
    thread_ = std::thread([this] { run(context_, worker_->run(), 300s); });
  }
  ~WaitingWorker() {
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
};

std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }
const std::string kJson = "Content-Type: application/json\r\n";

struct Lab {
  ValkeyServer valkey;
  ServerProcess server{ServerProcess::on(valkey)};
  WaitingWorker worker{valkey};
  HttpClient http{server.port};

  // An execution that waits at "<step>.w".
  std::string waiting(const std::string& payload = "1") {
    const std::string id = http.submit(R"({"kind":"wait","payload_text":")" + payload + "\"}");
    wait_at(id, 1);
    return id;
  }
  void wait_at(const std::string& id, std::int64_t step) {
    REQUIRE(wait_until([&] {
      const auto waiting = http.get("/v1/executions/" + id + "/waitpoints");
      return waiting.text("state") == "suspended" && waiting.json.at("step") == step;
    }));
  }
  std::string mint(const std::string& id, const std::string& more = "") {
    const auto answer = http.post("/v1/executions/" + id + "/tokens", R"({"waitpoint":"w")" + more + "}");
    INFO(answer.raw.body);
    REQUIRE(answer.status == 201);
    return answer.text("token");
  }
  HttpAnswer signal(const std::string& id, const std::string& body, const std::string& token = "",
                    const std::string& fields = "") {
    const std::string with = (token.empty() ? "" : bearer(token)) + kJson + fields;
    return http.ask("POST", "/v1/executions/" + id + "/signals", body, with);
  }
  std::string result(const std::string& id) {
    const auto ended = http.get("/v1/executions/" + id + "/result?wait_ms=30000");
    CHECK(ended.text("state") == "completed");
    return http.get("/v1/executions/" + id + "/result?raw=1").raw.body;
  }
  std::int64_t signals_at(const std::string& id) {
    const auto waiting = http.get("/v1/executions/" + id + "/waitpoints");
    return waiting.json.at("waitpoints").at(0).at("signals").as_int64();
  }
};

std::string flipped(std::string token, std::size_t at) {
  token[at] = token[at] == 'A' ? 'B' : 'A';
  return token;
}

// A refusal without what is different in every answer.
std::string seen(const HttpAnswer& answer) {
  std::string text = std::to_string(answer.status) + " " + answer.raw.body;
  const std::string id = answer.raw.header("x-request-id");
  for (std::size_t at = text.find(id); at != std::string::npos; at = text.find(id)) text.erase(at, id.size());
  return text;
}

}  // namespace

TEST_CASE("a caller signals an execution by waitpoint, and it goes on") {
  Lab lab;
  const std::string id = lab.waiting();
  const auto waiting = lab.http.get("/v1/executions/" + id + "/waitpoints");
  CHECK(waiting.json.at("waitpoints").at(0).at("waitpoint") == "1.w");
  CHECK(json::serialize(waiting.json.at("condition")).find("go") != std::string::npos);

  const auto other = lab.signal(id, R"({"waitpoint":"1.w","name":"other","id":"a"})");
  CHECK(other.json.at("resumed") == false);
  CHECK(other.json.at("number") == 1);
  const std::string path = "/v1/executions/" + id + "/waitpoints/1.w/signals";
  const auto go = lab.http.post(path, R"({"name":"go","id":"b","payload_text":"now"})");
  CHECK(go.json.at("resumed") == true);

  CHECK(lab.result(id) == "go of local: now");
  const auto again = lab.http.post(path, R"({"name":"go","id":"b","payload_text":"now"})");
  CHECK(again.status == 200);
  CHECK(again.json.at("duplicate") == true);
  CHECK(again.json.at("resumed") == true);
  CHECK(lab.http.post(path, R"({"name":"go","id":"c"})").reason() == "already_finished");
}

TEST_CASE("who holds a token sends with it what it allows, in its own name, once") {
  Lab lab;
  const std::string id = lab.waiting();
  const std::string token = lab.mint(id, R"(,"source":"alice","names":["go","stop"])");

  const auto stop = lab.signal(id, R"({"name":"stop"})", token);
  CHECK(stop.status == 200);
  CHECK(stop.text("waitpoint") == "1.w");
  CHECK(lab.signal(id, R"({"name":"go"})", token).json.at("duplicate") == true);  // It was spent on "stop".
  CHECK(lab.signals_at(id) == 1);
  const std::string second = lab.mint(id, R"(,"source":"alice")");
  CHECK(lab.signal(id, R"({"name":"go","payload_text":"in the body","token":")" + second + "\"}").status == 200);
  CHECK(lab.result(id) == "go of alice: in the body");
}

TEST_CASE("a reusable token sends as often as its waitpoint takes; without a source it has one of its own") {
  Lab lab;
  const std::string id = lab.waiting();
  const std::string token = lab.mint(id, R"(,"reusable":true)");
  for (const char* body : {R"({"name":"x","id":"1"})", R"({"name":"x","id":"2"})", R"({"name":"x"})"}) {
    CHECK(lab.signal(id, body, token).json.at("duplicate") == false);
  }
  CHECK(lab.signal(id, R"({"name":"x","id":"2"})", token).json.at("duplicate") == true);
  CHECK(lab.signals_at(id) == 3);
  CHECK(lab.signal(id, R"({"name":"go"})", token).status == 200);
  CHECK(lab.result(id).starts_with("go of token:"));
}

TEST_CASE("whatever is wrong with a token, its holder hears the same, nothing is written, and operators can count") {
  Lab lab;
  const std::string id = lab.waiting(), other = lab.waiting();
  const std::string digest = core::sha256_hex("right");
  const std::string token = lab.mint(id, R"(,"names":["go"],"payload_sha256":")" + digest + "\"");
  const std::string right = R"({"name":"go","payload_text":"right")";
  const auto first = lab.signal(id, R"({"name":"go","payload_text":"wrong"})", token);
  CHECK(first.status == 401);
  const std::string expected = seen(first);
  const std::size_t dot = token.find('.', 5), last = token.rfind('.');
  core::Narrowing over;
  over.expires_at = 1;
  const std::string expired = core::narrow_token(token, over).value();
  const auto wall = std::chrono::system_clock::now().time_since_epoch() + 1h;
  const auto in_an_hour = std::chrono::duration_cast<std::chrono::milliseconds>(wall).count();
  const std::string early = lab.mint(id, ",\"not_before\":" + std::to_string(in_an_hour));

  for (const std::string& bad : {flipped(token, dot + 20), flipped(token, last + 3), flipped(token, 6),
                                 token.substr(0, token.size() - 1), token.substr(0, last), token + ".", expired, early}) {
    INFO(bad);
    CHECK(seen(lab.signal(id, right + "}", bad)) == expected);
    CHECK(seen(lab.signal(id, right + ",\"token\":\"" + bad + "\"}")) == expected);
  }
  CHECK(seen(lab.signal(id, R"({"name":"stop","payload_text":"right"})", token)) == expected);
  CHECK(seen(lab.signal(id, right + R"(,"waitpoint":"2.w"})", token)) == expected);
  CHECK(seen(lab.signal(other, right + "}", token)) == expected);
  CHECK(seen(lab.signal(id, right + "}", token, "X-FF-Namespace: other\r\n")) == expected);
  CHECK(seen(lab.signal("0-01ARZ3NDEKTSV4RRFFQ69G5FAV", right + "}", token)) == expected);

  CHECK(lab.signals_at(id) == 0);
  CHECK(lab.signals_at(other) == 0);
  HttpClient ops(lab.server.ops_port);
  const std::string page = ops.get("/metrics").raw.body;
  for (const char* fault : {"malformed", "unknown_key", "bad_mac", "not_yet", "expired", "other_namespace", "other_execution",
                            "other_waitpoint", "other_name", "other_payload"}) {
    INFO(fault);
    const std::string line = "ff_waitpoint_tokens_refused_total{fault=\"" + std::string(fault) + "\"} ";
    const std::size_t at = page.find(line);
    REQUIRE(at != std::string::npos);
    CHECK(page[at + line.size()] != '0');
  }
  const auto told = lab.http.post("/v1/tokens/verify", R"({"token":")" + expired + "\"}");
  CHECK(told.text("fault") == "expired");
  CHECK(lab.signal(id, right + "}", token).json.at("resumed") == true);
}
