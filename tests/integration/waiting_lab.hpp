#pragma once
// WaitingLab: a Valkey, a server, and a worker whose executions wait for signals.

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "ff/script/connect.hpp"
#include "ff/sdk/worker.hpp"
#include "server_process.hpp"
#include "support/run.hpp"
#include "support/wait.hpp"

namespace ff::test {

using namespace std::chrono_literals;

// `wait` suspends for a signal `go` (twice, when its payload is "2") and completes with "<name> of <source>: <payload>"
// of the last; `wait_event` waits for the event `payment` under its payload.
inline sdk::HandlerResult handle_wait(sdk::Task& task) {
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
    thread_ = std::thread([this] { static_cast<void>(run(context_, worker_->run(), 300s)); });
  }
  ~WaitingWorker() {
    worker_->stop();
    thread_.join();
    connection_->close();
    context_.restart();
    context_.run_for(1s);
  }

 private:
  boost::asio::io_context context_{1};
  std::shared_ptr<script::Connection> connection_;
  std::optional<sdk::Worker> worker_;
  std::thread thread_;
};

inline std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }
inline const std::string kJson = "Content-Type: application/json\r\n";

// A server that knows the caller "admin" by this token.
inline const std::string kAdminToken = "an-API-token-of-these-tests";

struct WaitingLab {
  ValkeyServer valkey;
  ServerProcess server;
  WaitingWorker worker{valkey};
  HttpClient http;

  WaitingLab() : server(ServerProcess::on(valkey)), http(server.port) {}
  // With kAdminToken, which `http` brings, and more flags.
  explicit WaitingLab(const std::vector<std::string>& flags)
      : server(on(valkey, flags), with_admin()), http(server.port, bearer(kAdminToken)) {}

  static std::vector<std::string> on(const ValkeyServer& valkey, const std::vector<std::string>& more) {
    auto flags = ServerProcess::on(valkey);
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
  }
  static ProcessOptions with_admin() {
    ProcessOptions options;
    options.environment.emplace_back("FF_API_TOKEN", kAdminToken);
    return options;
  }
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

}  // namespace ff::test
