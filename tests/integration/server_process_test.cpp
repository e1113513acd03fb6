// The life of the program: boot and its failures, drain, crashes of it and of Valkey, the private Valkey.
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "server_process.hpp"
#include "support/seed.hpp"
#include "support/temp_dir.hpp"
#include "support/wait.hpp"

using namespace ff::test;
using namespace std::chrono_literals;

namespace {

// Its output when it has ended with this exit code.
std::string ends_with(int code, std::vector<std::string> flags, ProcessOptions options = ProcessOptions()) {
  Process process = ServerProcess::launch(std::move(flags), std::move(options));
  const auto status = process.wait(30s);
  const std::string output = process.output();
  INFO(output);
  REQUIRE(status.has_value());
  CHECK(status->code == code);
  CHECK(status->signal == 0);
  return output;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a wrong configuration ends it with code 2 and every mistake") {
  ProcessOptions options;
  options.environment = {{"FF_PROT", "1"}, {"FF_API_TOKEN", "canary"}};
  const std::string output = ends_with(2, {"--port=x", "--log-level=loud"}, options);

  for (const char* part :
       {"--port is \"x\"", "--log-level is \"loud\"", "FF_PROT is not a variable", "FF_API_TOKEN is ***"}) {
    CHECK(contains(output, part));
  }
  CHECK(!contains(output, "canary"));
  CHECK(contains(ends_with(0, {"--help"}), "FF_LISTEN_ADDR"));
  CHECK(contains(ends_with(0, {"--version"}), "ff-server 0."));
}

TEST_CASE("an unreachable Valkey ends it with code 1 after the boot time, and it says which") {
  TempDir dir;
  Process process = ServerProcess::launch({"--socket=" + dir.file("none"), "--boot-timeout-ms=1500"});
  REQUIRE(process.wait_for_output("ops listener: ", 10s));
  const std::string address = ServerProcess::line(process, "ops listener: ");
  HttpClient ops(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  CHECK(ops.get("/readyz").status == 503);
  ops.disconnect();
  CHECK(ops.get("/livez").status == 200);

  const auto status = process.wait(20s);

  REQUIRE(status.has_value());
  CHECK(status->code == 1);
  CHECK(contains(process.output(), "ff-server: Valkey was not reachable for 1500 ms"));
  CHECK(!contains(process.output(), "\nready\n"));
}

TEST_CASE("a Valkey that comes up during the boot time is used") {
  ValkeyServer valkey;
  valkey.stop();
  Process process = ServerProcess::launch(ServerProcess::on(valkey));
  REQUIRE(process.wait_for_output("Valkey is not reachable yet", 10s));

  valkey.start();

  CHECK(process.wait_for_output("\nready\n", 20s));
  CHECK(process.end() == ExitStatus());
}

TEST_CASE("without boot time Valkey is tried once") {
  ValkeyServer valkey;
  TempDir dir;

  ServerProcess server({"--socket=" + valkey.unix_socket(), "--boot-timeout-ms=0"});

  CHECK(server.process.end() == ExitStatus());
  CHECK(contains(ends_with(1, {"--socket=" + dir.file("none"), "--boot-timeout-ms=0"}), "No such file"));
}

TEST_CASE("SIGTERM during the boot ends it with code 0") {
  TempDir dir;
  Process process = ServerProcess::launch({"--socket=" + dir.file("none")});
  REQUIRE(process.wait_for_output("Valkey is not reachable yet", 10s));

  process.signal(SIGTERM);

  CHECK(process.wait(10s) == ExitStatus());
}

TEST_CASE("an address that is taken, and a Valkey that does not fit, end it with code 1 and one sentence") {
  ValkeyServer valkey;
  ServerProcess first(ServerProcess::on(valkey));
  const std::string socket = "--socket=" + valkey.unix_socket();
  const std::string taken = "127.0.0.1:" + std::to_string(first.port);
  const std::string ops_taken = "127.0.0.1:" + std::to_string(first.ops_port);

  CHECK(contains(ends_with(1, {socket, "--listen=" + taken}), "ff-server: cannot listen on " + taken));
  CHECK(contains(ends_with(1, {socket, "--ops=" + ops_taken}), "ff-server: cannot listen on " + ops_taken));
  CHECK(contains(ends_with(1, {socket, "--partitions=32"}), "ff-server: Valkey is refused: incompatible/partitions"));
}

TEST_CASE("settings that break a promise are told, and refused when strict") {
  ValkeyServer risky;  // Without AOF.
  ServerOptions options;
  options.aof = Aof::everysec;
  ValkeyServer safe(options);

  ServerProcess warned(ServerProcess::on(risky));
  CHECK(contains(warned.process.output(), "appendonly is no"));
  CHECK(contains(ends_with(1, {"--socket=" + risky.unix_socket(), "--strict"}),
                 "ff-server: --strict refuses this Valkey"));
  ServerProcess strict({"--socket=" + safe.unix_socket(), "--strict"});
  CHECK(!contains(strict.process.output(), "breaks a promise"));
}

TEST_CASE("the effective configuration is printed without secrets") {
  ServerOptions options;
  options.password = "canary-password";
  ValkeyServer valkey(options);
  ProcessOptions process;
  process.environment = {{"FF_PASSWORD", "canary-password"}, {"FF_API_TOKEN", "canary-token-0123"}};
  ServerProcess server({"--socket=" + valkey.unix_socket(), "--log-level=debug"}, process);

  CHECK(server.process.end() == ExitStatus());

  const std::string output = server.process.output();
  CHECK(contains(output, "config: FF_PASSWORD=***\n"));
  CHECK(contains(output, "config: FF_API_TOKEN=***\n"));
  CHECK(contains(output, "config: FF_SOCKET=" + valkey.unix_socket() + "\n"));
  CHECK(!contains(output, "canary"));
}

TEST_CASE("SIGTERM answers long polls, ends with code 0, and leaves nothing behind") {
  ValkeyServer valkey;
  ServerProcess server(ServerProcess::on(valkey));
  HttpClient http(server.port);
  const std::string id = http.submit(R"({"kind":"k"})");
  HttpAnswer answer;
  std::thread waiting([&] { answer = HttpClient(server.port).get("/v1/executions/" + id + "/result?wait_ms=60000"); });
  REQUIRE(wait_until([&] { return valkey.command({"PUBSUB", "SHARDCHANNELS", "*:v:*"}).elements.size() == 1; }));

  const ExitStatus status = server.process.end(10s);
  waiting.join();

  CHECK(status == ExitStatus());
  CHECK(answer.status == 503);
  CHECK(answer.reason() == "shutting_down");
  CHECK(contains(server.process.output(), "msg=stopped"));
}

TEST_CASE("while Valkey is away requests are refused in time and health says so; it comes back by itself") {
  ValkeyServer valkey;
  ServerProcess server({"--socket=" + valkey.unix_socket(), "--request-timeout-ms=1000"});
  HttpClient http(server.port), ops(server.ops_port);
  const std::string id = http.submit(R"({"kind":"k"})");
  CHECK(http.get("/healthz").status == 200);

  valkey.freeze();
  const auto begin = std::chrono::steady_clock::now();
  const auto refused = http.get("/v1/executions/" + id);
  CHECK(refused.status >= 503);
  CHECK(refused.status <= 504);
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  CHECK(wait_until([&] { return http.get("/healthz").status == 503; }, 20s));
  // The cause, which may have an address, is for operators.
  CHECK(http.get("/healthz").json.at("error").at("message") == "Valkey has not answered lately");
  const auto ready = ops.get("/readyz");
  CHECK(ready.status == 503);
  CHECK(ready.raw.body.starts_with("Valkey has not answered lately: "));
  const auto submit = http.post("/v1/executions", R"({"kind":"k"})");
  CHECK((submit.status == 503 || submit.status == 504));
  valkey.thaw();
  CHECK(wait_until([&] { return http.get("/v1/executions/" + id).status == 200; }, 20s));

  valkey.kill9();
  const auto down = http.post("/v1/executions", R"({"kind":"k"})");
  CHECK((down.status == 503 || down.status == 504));
  CHECK((down.status == 504 || down.raw.header("retry-after") == "1"));
  valkey.start();  // Without AOF: the data is gone, the library too.
  CHECK(wait_until([&] { return http.post("/v1/executions", R"({"kind":"k"})").status == 201; }, 20s));
  CHECK(wait_until([&] { return http.get("/healthz").status == 200; }, 20s));
}

TEST_CASE("kill -9 of the server under load loses nothing and doubles nothing") {
  constexpr int kClients = 8, kKeys = 60;
  ValkeyServer valkey;
  PortLease port;
  const std::vector<std::string> flags = {"--socket=" + valkey.unix_socket(),
                                          "--listen=127.0.0.1:" + std::to_string(port.number())};
  auto server = std::make_unique<ServerProcess>(flags);
  std::mutex mutex;
  std::map<std::string, std::set<std::string>> ids_of_key;
  std::atomic<int> submitted{0}, lost_answers{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      HttpClient http(port.number());
      for (int k = 0; k < kKeys; ++k) {
        const std::string key = "c" + std::to_string(c) + "-" + std::to_string(k);
        const std::string fields = "Content-Type: application/json\r\nIdempotency-Key: " + key + "\r\n";
        const auto try_once = [&] {
          const auto answer =
              http.try_ask("POST", "/v1/executions", R"({"kind":"k","payload":")" + key + "\"}", fields);
          if (!answer || answer->status >= 500) {
            ++lost_answers;
            return false;
          }
          const std::lock_guard lock(mutex);
          ids_of_key[key].insert(answer->text("id"));
          return true;
        };
        if (!wait_until(try_once, 60s)) return;
        ++submitted;
        // A repeat of an answered submit, as a client that lost count would send it.
        if (k % 5 == 0) wait_until(try_once, 60s);
      }
    });
  }
  for (int round = 1; round <= 4; ++round) {
    CHECK(wait_until([&] { return submitted > round * kClients * kKeys / 6; }, 60s));
    server->process.kill9();
    server = std::make_unique<ServerProcess>(flags);
  }
  for (auto& client : clients) client.join();

  CHECK(submitted == kClients * kKeys);
  CHECK(lost_answers > 0);
  CHECK(ids_of_key.size() == static_cast<std::size_t>(kClients * kKeys));
  std::set<std::string> ids;
  for (const auto& [key, of_key] : ids_of_key) {
    INFO(key);
    REQUIRE(of_key.size() == 1);
    ids.insert(*of_key.begin());
  }
  CHECK(ids.size() == ids_of_key.size());
  HttpClient http(port.number());
  CHECK(http.get("/v1/counts").json.at("states").at("ready") == kClients * kKeys);
  for (const auto& [key, of_key] : ids_of_key) {
    const auto payload = http.get("/v1/executions/" + *of_key.begin() + "/payload");
    CHECK(payload.json.at("payload").at("json").as_string() == key);
  }
}

TEST_CASE("64 clients that leave early get no answer that is not theirs") {
  constexpr int kClients = 64, kRequests = 200;
  ValkeyServer valkey;
  ServerProcess server(ServerProcess::on(valkey));
  std::vector<std::string> ids;
  HttpClient http(server.port);
  for (int c = 0; c < kClients; ++c)
    ids.push_back(http.submit("{\"kind\":\"k\",\"payload\":" + std::to_string(c) + "}"));
  std::atomic<int> wrong{0}, right{0}, left{0};
  const std::uint64_t base = seed();
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      Rng rng(base + static_cast<std::uint64_t>(c));
      std::optional<RawHttp> connection;
      for (int i = 0; i < kRequests; ++i) {
        if (!connection) connection.emplace(server.port, 60s);
        connection->send("GET /v1/executions/" + ids[c] + "/payload?raw=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        if (rng.chance(0.3)) {
          if (rng.chance(0.5)) connection->reset();
          connection.reset();
          ++left;
          continue;
        }
        const auto answer = connection->receive();
        if (answer && answer->status == 200 && answer->body == std::to_string(c)) ++right;
        else ++wrong;
      }
    });
  }
  for (auto& client : clients) client.join();

  CHECK(wrong == 0);
  CHECK(right + left == kClients * kRequests);
  CHECK(left > 1000);
  CHECK(http.get("/healthz").status == 200);
}

TEST_CASE("--dev has a Valkey of its own, and takes it along when it ends") {
  ServerProcess server({"--dev"});
  const std::string socket = ServerProcess::line(server.process, "dev valkey: unix socket ");
  const std::string folder = std::filesystem::path(socket).parent_path();
  HttpClient http(server.port);
  CHECK(!http.submit(R"({"kind":"k"})").empty());
  CHECK(RespClient::over_unix(socket).command({"PING"}).text == "PONG");

  CHECK(server.process.end() == ExitStatus());

  CHECK(!std::filesystem::exists(folder));
}

TEST_CASE("the private Valkey dies with a server that is killed") {
  TempDir dir;
  ServerProcess server({"--dev", "--data=" + dir.file("data")});
  const std::string socket = ServerProcess::line(server.process, "dev valkey: unix socket ");
  RespClient client = RespClient::over_unix(socket);

  server.process.kill9();

  CHECK_THROWS(client.receive());  // The connection ends, and
  CHECK(wait_until([&] {
    try {
      RespClient::over_unix(socket);
      return false;
    } catch (const std::runtime_error&) {
      return true;
    }
  }));
}

TEST_CASE("--data is kept from one run to the next, and used by one server at a time") {
  TempDir dir;
  const std::vector<std::string> flags = {"--dev", "--data=" + dir.file("data")};
  std::string id;
  {
    ServerProcess server(flags);
    id = HttpClient(server.port).submit(R"({"kind":"k"})");
    CHECK(contains(ends_with(1, flags), "or the Valkey of one, uses " + dir.file("data")));
    server.process.kill9();
  }
  ServerProcess again(flags);
  CHECK(HttpClient(again.port).get("/v1/executions/" + id).text("state") == "ready");
}

TEST_CASE("--data is not given to a second Valkey while the first still runs, though its server was killed") {
  TempDir dir;
  const std::vector<std::string> flags = {"--dev", "--data=" + dir.file("data")};
  auto server = std::make_unique<ServerProcess>(flags);
  RespClient client = RespClient::over_unix(ServerProcess::line(server->process, "dev valkey: unix socket "));
  const std::string info = client.command({"INFO", "server"}).text;
  const pid_t valkey = std::stoi(info.substr(info.find("process_id:") + 11));
  client.send({"EVAL", "while true do end", "0"});  // It does not look at signals meanwhile.
  server->process.kill9();

  Process second = ServerProcess::launch(flags);
  const auto status = second.wait(30s);
  ::kill(valkey, SIGKILL);

  REQUIRE(status.has_value());
  CHECK(status->code == 1);
  CHECK(contains(second.output(), "or the Valkey of one, uses " + dir.file("data")));
  CHECK(ServerProcess(flags).process.end() == ExitStatus());
}

TEST_CASE("a private Valkey that ends by itself ends the server with code 1") {
  ServerProcess server({"--dev"});
  const std::string socket = ServerProcess::line(server.process, "dev valkey: unix socket ");
  RespClient::over_unix(socket).send({"SHUTDOWN", "NOSAVE"});

  const auto status = server.process.wait(30s);

  REQUIRE(status.has_value());
  CHECK(status->code == 1);
  CHECK(contains(server.process.output(), "ff-server: the private Valkey has ended by itself"));
}
