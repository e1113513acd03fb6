// ffctl as a user runs it: commands, exit codes, and what is told on which stream.
#include <catch2/catch_test_macros.hpp>
#include <fstream>

#include "ff/core/sha256.hpp"
#include "support/temp_dir.hpp"
#include "waiting_lab.hpp"

using namespace ff;
using namespace ff::test;

namespace {

struct Ran {
  int code = -1;
  std::string output;
  bool says(const std::string& text) const { return output.find(text) != std::string::npos; }
};

Ran ffctl(std::uint16_t port, std::vector<std::string> words, const std::string& token = "") {
  words.insert(words.begin(), FF_FFCTL_PROGRAM);
  ProcessOptions options;
  options.environment = {{"FFCTL_SERVER", "http://127.0.0.1:" + std::to_string(port)}};
  if (!token.empty()) options.environment.emplace_back("FFCTL_TOKEN", token);
  Process process(std::move(words), std::move(options));
  const auto status = process.wait(60s);
  Ran ran;
  if (status && status->signal == 0) ran.code = status->code;
  ran.output = process.output();
  return ran;
}

std::string id_in(const std::string& output) {
  const std::size_t at = output.find("\"id\":\"") + 6;
  return output.substr(at, output.find('"', at) - at);
}

std::string line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

TEST_CASE("an execution is submitted, waited for, looked at, cancelled and replayed from the command line") {
  WaitingLab lab;
  const auto port = lab.server.port;
  const auto submitted = ffctl(port, {"submit", "wait", "--payload=1", "--priority", "7", "--key=k"});
  REQUIRE(submitted.code == 0);
  const std::string id = id_in(submitted.output);
  lab.wait_at(id, 1);

  CHECK(ffctl(port, {"get", id}).says("\"priority\":7"));
  CHECK(ffctl(port, {"list", "suspended"}).says(id));
  CHECK(ffctl(port, {"waitpoints", id}).says("\"waitpoint\":\"1.w\""));
  CHECK(ffctl(port, {"wait", id, "--timeout-ms=10"}).code == 5);
  CHECK(ffctl(port, {"signal", id, "go", "--waitpoint=1.w", "--payload=\"hi\""}).says("\"resumed\":true"));
  CHECK(ffctl(port, {"wait", id}).code == 0);
  CHECK(ffctl(port, {"result", id, "--raw"}).output == "go of local: \"hi\"");
  CHECK(ffctl(port, {"result", id}).says("\"state\":\"completed\""));
  CHECK(ffctl(port, {"replay", id}).says("\"generation\":1"));
  REQUIRE(wait_until([&] { return ffctl(port, {"waitpoints", id}).says("\"state\":\"suspended\""); }));
  CHECK(ffctl(port, {"resume", id, "--step=1"}).says("conflict/other_step"));
  CHECK(ffctl(port, {"resume", id}).code == 0);
  CHECK(ffctl(port, {"wait", id}).code == 0);
  const auto refused = ffctl(port, {"cancel", id, "--reason=late"});
  CHECK(refused.code == 1);
  CHECK(refused.says("ffctl: conflict/already_finished"));
  const std::string second = id_in(ffctl(port, {"submit", "wait"}).output);
  CHECK(ffctl(port, {"cancel", second}).says("cancelled"));
  CHECK(ffctl(port, {"wait", second}).code == 4);
  CHECK(ffctl(port, {"publish", "payment", "key", "--payload=1"}).says("\"delivered\":0"));
}

TEST_CASE("tokens are minted, verified, narrowed and used from the command line") {
  WaitingLab lab;
  TempDir dir;
  const auto port = lab.server.port;
  const std::string id = lab.waiting();
  const auto minted = ffctl(port, {"token", "mint", id, "w", "--source=alice", "--names=go,stop"});
  REQUIRE(minted.code == 0);
  std::ofstream(dir.file("token")) << minted.output;
  std::ofstream(dir.file("payload")) << "{}";
  CHECK(ffctl(port, {"token", "verify", dir.file("token")}).says("\"source\":\"alice\""));

  const auto narrow = ffctl(1, {"token", "attenuate", dir.file("token"), "--names=go", "--payload-file",
                                dir.file("payload"), "--expires-in-ms=3600000"});
  REQUIRE(narrow.code == 0);
  std::ofstream(dir.file("narrow")) << line(narrow.output);
  const auto verified = ffctl(port, {"token", "verify", dir.file("narrow")});
  CHECK(verified.code == 0);
  CHECK(verified.says("\"names\":[\"go\"]"));
  CHECK(verified.says(core::sha256_hex("{}")));
  const auto wide = ffctl(1, {"token", "attenuate", dir.file("narrow"), "--names=stop"});
  CHECK(wide.code == 2);
  CHECK(wide.says("invalid_argument/widens"));
  CHECK(ffctl(port, {"signal", id, "stop", "--token-file", dir.file("narrow")}).code == 1);
  CHECK(ffctl(port, {"signal", id, "go", "--token-file", dir.file("narrow"), "--payload={}"}).code == 0);

  CHECK(ffctl(port, {"keys", "list"}).says("\"state\":\"active\""));
  CHECK(ffctl(port, {"keys", "rotate", "--grace-ms=0"}).says("\"version\":2"));
  const auto over = ffctl(port, {"token", "verify", dir.file("token")});
  CHECK(over.code == 1);
  CHECK(over.says("\"fault\":\"unknown_key\""));
  CHECK(ffctl(port, {"keys", "revoke", "zzzzzzzz"}).says("not_found/no_such_key"));
}

TEST_CASE("wrong use, missing rights and absent servers have their own exit codes") {
  ValkeyServer valkey;
  ProcessOptions options;
  options.environment = {{"FF_API_TOKEN", "0123456789-canary"}};
  ServerProcess server(ServerProcess::on(valkey), options);

  CHECK(ffctl(server.port, {"--help"}).says("token attenuate FILE"));
  CHECK(ffctl(server.port, {"--version"}).says("ffctl 0."));
  CHECK(ffctl(server.port, {}).code == 2);
  CHECK(ffctl(server.port, {"dance"}).says("there is no such command"));
  CHECK(ffctl(server.port, {"get"}).says("it takes: ffctl get ID"));
  CHECK(ffctl(server.port, {"submit", "k", "--lone=x"}).says("--lone is no flag of this command"));
  CHECK(ffctl(server.port, {"submit", "k", "--priority=x"}).says("must be a whole number"));
  CHECK(ffctl(server.port, {"submit", "k", "--lane"}).says("--lane needs a value"));
  CHECK(ffctl(server.port, {"--server=ftp://x", "list", "completed"}).code == 2);
  CHECK(ffctl(server.port, {"list", "completed"}).says("ffctl: unauthenticated/bad_token"));
  CHECK(ffctl(server.port, {"list", "completed"}).code == 1);
  CHECK(ffctl(server.port, {"list", "completed"}, "0123456789-canary").code == 0);
  CHECK(ffctl(server.port, {"list", "nonsense"}, "0123456789-canary").says("invalid_argument/bad_state"));
  const auto absent = ffctl(1, {"list", "completed"});
  CHECK(absent.code == 3);
  CHECK(absent.says("ffctl: unavailable/unreachable"));
}
