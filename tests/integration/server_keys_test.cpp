// The key ring at work: shared by servers, rotated under load, sealed at rest, and never shown.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "ff/core/base64.hpp"
#include "ff/core/text.hpp"
#include "ff/core/token.hpp"
#include "ff/sdk/token_keys.hpp"
#include "support/temp_dir.hpp"
#include "waiting_lab.hpp"

using namespace ff;
using namespace ff::test;

namespace {

constexpr const char* kSecret = "canary of a waitpoint secret 0123456789";

ProcessOptions with_secret(const std::string& secret = kSecret) {
  ProcessOptions options;
  options.environment = {{"FF_WAITPOINT_HMAC_SECRET", secret}};
  return options;
}

std::vector<std::string> kids(HttpClient& http, const std::string& state) {
  std::vector<std::string> all;
  const auto keys = http.get("/v1/admin/keys");
  for (const auto& key : keys.json.at("keys").as_array()) {
    if (key.at("state").as_string() == state) all.emplace_back(key.at("kid").as_string());
  }
  return all;
}

bool valid(HttpClient& http, const std::string& token) {
  return http.post("/v1/tokens/verify", R"({"token":")" + token + "\"}").json.at("valid").as_bool();
}

std::string mint(HttpClient& http, const std::string& id) {
  const auto answer = http.post("/v1/executions/" + id + "/tokens", R"({"waitpoint":"w"})");
  return answer.status == 201 ? answer.text("token") : answer.raw.body;
}

// The ring as it is stored, opened.
struct OpenRing {
  boost::asio::io_context context{1};
  std::shared_ptr<script::Connection> connection;
  std::shared_ptr<script::Deployment> deployment;
  sdk::TokenKeys::Shared keys;
  explicit OpenRing(const ValkeyServer& valkey, const std::string& secret = kSecret) {
    script::ConnectionOptions options;
    options.unix_socket = valkey.unix_socket();
    connection = script::make_connection(context.get_executor(), options);
    auto opening = script::Deployment::open(connection, script::DeploymentOptions(), core::Deadline::in(10s));
    deployment = run(context, std::move(opening)).value();
    auto opened = open(secret);
    if (opened) keys = *opened;
  }
  ~OpenRing() {
    connection->close();
    context.restart();
    context.run_for(1s);
  }
  core::Result<sdk::TokenKeys::Shared> open(const std::string& secret) {
    auto opening = sdk::TokenKeys::open(deployment, core::Secret(secret), core::Deadline::in(10s));
    return run(context, std::move(opening));
  }
};

}  // namespace

TEST_CASE("servers share the keys: what one mints the other verifies, and it hears of a rotation by itself") {
  WaitingLab lab;
  ServerProcess second(ServerProcess::on(lab.valkey));
  HttpClient other(second.port);
  const std::string id = lab.waiting();
  const std::string before = mint(lab.http, id);
  CHECK(valid(other, before));
  CHECK(kids(lab.http, "active") == kids(other, "active"));

  const auto rotated = lab.http.post("/v1/admin/keys/rotate", "{}");
  CHECK(rotated.json.at("version") == 2);

  CHECK(wait_until([&] { return kids(other, "active") == kids(lab.http, "active"); }));
  CHECK(kids(other, "verify_only").size() == 1);
  CHECK(valid(other, mint(lab.http, id)));
  CHECK(valid(lab.http, before));
  CHECK(lab.signal(id, R"({"name":"go"})", before).json.at("resumed") == true);
}

TEST_CASE("under load no good token is refused while keys rotate, and a revoked one is refused everywhere soon") {
  WaitingLab lab;
  ServerProcess second(ServerProcess::on(lab.valkey));
  const std::string id = lab.waiting();
  const std::string shared = mint(lab.http, id);
  std::atomic<bool> stop{false};
  std::atomic<int> good{0}, refused{0};
  std::vector<std::thread> load;
  for (int i = 0; i < 2; ++i) {
    load.emplace_back([&, i] {
      HttpClient here(i == 0 ? lab.server.port : second.port), there(i == 0 ? second.port : lab.server.port);
      std::vector<std::string> tokens;
      while (!stop) {
        tokens.push_back(mint(here, id));
        if (!valid(here, tokens.back())) ++refused;
        if (!valid(here, tokens.front())) ++refused;
        if (!valid(there, shared)) ++refused;  // The newest key it may not have heard of for a second.
        ++good;
      }
    });
  }
  HttpClient http(lab.server.port), other(second.port);
  for (int round = 0; round < 4; ++round) {
    const int so_far = good;
    CHECK(wait_until([&] { return good > so_far + 20; }));
    REQUIRE(http.post("/v1/admin/keys/rotate", R"({"grace_ms":3600000})").status == 200);
    CHECK(wait_until([&] { return kids(other, "active") == kids(http, "active"); }));
  }
  stop = true;
  for (auto& thread : load) thread.join();
  CHECK(refused == 0);

  const std::string token = mint(other, id);
  REQUIRE(http.post("/v1/admin/keys/rotate", "{}").status == 200);
  const std::string kid = core::read_token(token) ? token.substr(5, 8) : "";
  REQUIRE(http.post("/v1/admin/keys/" + kid + "/revoke", "{}").status == 200);
  CHECK(!valid(http, token));
  CHECK(wait_until([&] { return !valid(other, token); }));
  CHECK(lab.signal(id, R"({"name":"go"})", token).status == 401);
}

TEST_CASE("without a grace old tokens end with the rotation, with one they end with it") {
  WaitingLab lab;
  const std::string id = lab.waiting();
  const std::string first = mint(lab.http, id);
  lab.http.post("/v1/admin/keys/rotate", R"({"grace_ms":0})");
  CHECK(!valid(lab.http, first));
  const std::string second = mint(lab.http, id);
  lab.http.post("/v1/admin/keys/rotate", R"({"grace_ms":1500})");
  CHECK(kids(lab.http, "verify_only").size() + kids(lab.http, "expired").size() == 1);
  CHECK(wait_until([&] { return !valid(lab.http, second); }));
  CHECK(kids(lab.http, "expired").size() == 1);
}

TEST_CASE("two who rotate at once make two rotations, none is lost") {
  WaitingLab lab;
  ServerProcess second(ServerProcess::on(lab.valkey));
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (const auto port : {lab.server.port, second.port}) {
    threads.emplace_back([&done, port] {
      HttpClient http(port);
      for (int i = 0; i < 5; ++i) done += http.post("/v1/admin/keys/rotate", "{}").status == 200 ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(done == 10);
  HttpClient other(second.port);
  CHECK(wait_until([&] { return other.get("/v1/admin/keys").json.at("version") == 11; }));
  CHECK(kids(other, "verify_only").size() == 10);
}

TEST_CASE("a server with another secret does not start, one with the same goes on with the keys") {
  ValkeyServer valkey;
  std::string active;
  {
    ServerProcess server(ServerProcess::on(valkey), with_secret());
    HttpClient http(server.port);
    active = kids(http, "active").at(0);
  }
  Process stranger = ServerProcess::launch(ServerProcess::on(valkey), with_secret(std::string(32, 'x')));
  const auto status = stranger.wait(30s);
  REQUIRE(status.has_value());
  CHECK(status->code == 1);
  CHECK(stranger.output().find("permission_denied/other_secret") != std::string::npos);
  ServerProcess again(ServerProcess::on(valkey), with_secret());
  HttpClient http(again.port);
  CHECK(kids(http, "active").at(0) == active);
}

TEST_CASE("--dev makes a secret, and keeps it beside data that is kept") {
  TempDir dir;
  const std::vector<std::string> flags = {"--dev", "--data=" + dir.file("data")};
  std::string active;
  {
    ServerProcess server(flags);
    HttpClient http(server.port);
    active = kids(http, "active").at(0);
    CHECK(server.process.end() == ExitStatus());
  }
  ServerProcess again(flags);
  HttpClient http(again.port);
  CHECK(kids(http, "active").at(0) == active);
}

TEST_CASE("neither the secret nor a key nor a token is in Valkey, logs, metrics or answers") {
  ValkeyServer valkey;
  auto flags = ServerProcess::on(valkey);
  flags.push_back("--log-level=debug");
  ServerProcess server(flags, with_secret());
  WaitingWorker worker(valkey);
  HttpClient http(server.port);
  const std::string id = http.submit(R"({"kind":"wait"})");
  REQUIRE(wait_until([&] { return http.get("/v1/executions/" + id + "/waitpoints").text("state") == "suspended"; }));
  const std::string token = mint(http, id);
  http.post("/v1/admin/keys/rotate", "{}");
  http.ask("POST", "/v1/executions/" + id + "/signals", R"({"name":"no"})", kJson + bearer(token));
  std::string seen = http.get("/v1/admin/keys").raw.body;
  HttpClient ops(server.ops_port);
  seen += ops.get("/metrics").raw.body;
  for (const auto& key : valkey.command({"KEYS", "*"}).elements) seen += valkey.command({"DUMP", key.text}).text;
  seen += valkey.command({"HGET", "{ff}", "ring"}).text;
  OpenRing ring(valkey);
  REQUIRE(ring.keys);
  CHECK(server.process.end() == ExitStatus());
  seen += server.process.output();

  CHECK(seen.find("canary") == std::string::npos);
  CHECK(seen.find(token) == std::string::npos);
  CHECK(seen.find(token.substr(token.rfind('.') + 1)) == std::string::npos);
  REQUIRE(ring.keys->ring().keys().size() == 2);
  for (const auto& key : ring.keys->ring().keys()) {
    CHECK(seen.find(key.secret.reveal()) == std::string::npos);
    CHECK(seen.find(core::hex(key.secret.reveal())) == std::string::npos);
    CHECK(seen.find(core::base64_encode(key.secret.reveal()).substr(0, 40)) == std::string::npos);
  }
}

TEST_CASE("who is trusted with the secret mints by himself") {
  ValkeyServer valkey;
  ServerProcess server(ServerProcess::on(valkey), with_secret());
  OpenRing ring(valkey);
  REQUIRE(ring.keys);
  core::TokenClaims claims(core::ExecutionId::parse("0-01ARZ3NDEKTSV4RRFFQ69G5FAV").value(), "1.w", "default");
  claims.expires_at = ring.keys->now() + 60'000;
  HttpClient http(server.port);
  CHECK(valid(http, ring.keys->mint(claims).value()));
  CHECK(ring.open(std::string(32, 'x')).error().reason == "other_secret");
}

TEST_CASE("a ring that a failover has lost is given back by who still has it") {
  ValkeyServer valkey;
  ServerProcess server(ServerProcess::on(valkey), with_secret());
  HttpClient http(server.port);
  const std::string version = valkey.command({"HGET", "{ff}", "ringv"}).text;
  const std::string sealed = valkey.command({"HGET", "{ff}", "ring"}).text;
  http.post("/v1/admin/keys/rotate", R"({"grace_ms":0})");
  const auto active = kids(http, "active");

  valkey.command({"HSET", "{ff}", "ringv", version, "ring", sealed});

  CHECK(wait_until([&] { return valkey.command({"HGET", "{ff}", "ringv"}).text == "2"; }));
  OpenRing ring(valkey);
  REQUIRE(ring.keys);
  CHECK(ring.keys->ring().active().kid == active.at(0));
  CHECK(kids(http, "active") == active);
}
