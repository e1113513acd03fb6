// Configuration: everything wrong is named, all at once; what is unknown is refused with the nearest name.
#include <catch2/catch_test_macros.hpp>
#include <fstream>

#include "config.hpp"
#include "ff/core/sha256.hpp"
#include "support/temp_dir.hpp"

using namespace ff::server;
using namespace std::chrono_literals;

namespace {

const std::string kSecret = "canary-0123456789-0123456789-0123";

// The one thing that has no default is given.
ConfigOutcome parse(std::vector<std::string> arguments, Environment environment = {}) {
  environment.emplace_back("FF_WAITPOINT_HMAC_SECRET", kSecret);
  return parse_config(arguments, environment);
}

bool names(const ConfigOutcome& outcome, const std::string& text) {
  for (const auto& problem : outcome.problems) {
    if (problem.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("without anything the defaults hold, and they are valid") {
  const auto outcome = parse({});

  CHECK(outcome.problems.empty());
  CHECK(to_string(outcome.config.listen) == "127.0.0.1:9090");
  CHECK(to_string(outcome.config.ops) == "127.0.0.1:9091");
  CHECK(outcome.config.port == 6379);
  CHECK(outcome.config.api_token.empty());
}

TEST_CASE("every option can be given as a variable") {
  ff::test::TempDir dir;
  const std::string file = dir.file("pem");
  std::ofstream(file) << "x";
  const auto outcome = parse({}, {{"FF_HOST", "valkey.internal"},
                                  {"FF_PORT", "7000"},
                                  {"FF_TLS", "1"},
                                  {"FF_TLS_CA", file},
                                  {"FF_TLS_CERT", file},
                                  {"FF_TLS_KEY", file},
                                  {"FF_CLUSTER", "true"},
                                  {"FF_USER", "u"},
                                  {"FF_PASSWORD", "p w"},
                                  {"FF_PREFIX", "t1"},
                                  {"FF_PARTITIONS", "128"},
                                  {"FF_LISTEN_ADDR", "[::]:8080"},
                                  {"FF_OPS_ADDR", "[::1]:0"},
                                  {"FF_API_TOKEN", "0123456789abcdef"},
                                  {"FF_WAITPOINT_HMAC_GRACE_MS", "60000"},
                                  {"FF_SERVER_NAME", "s-1"},
                                  {"FF_MAX_CONNECTIONS", "10"},
                                  {"FF_MAX_BODY_BYTES", "2048"},
                                  {"FF_WRONG_TOKENS_PER_MINUTE", "5"},
                                  {"FF_REQUEST_TIMEOUT_MS", "1000"},
                                  {"FF_BOOT_TIMEOUT_MS", "1"},
                                  {"FF_DRAIN_TIMEOUT_MS", "2"},
                                  {"FF_LOG_LEVEL", "debug"},
                                  {"FF_STRICT", "true"}});
  const Config& config = outcome.config;

  REQUIRE(outcome.problems.empty());
  CHECK(config.host == "valkey.internal");
  CHECK(config.port == 7000);
  CHECK(config.tls);
  CHECK(config.tls_ca == file);
  CHECK(config.tls_cert == file);
  CHECK(config.tls_key == file);
  CHECK(config.cluster);
  CHECK(config.user == "u");
  CHECK(config.password.reveal() == "p w");
  CHECK(config.prefix == "t1");
  CHECK(config.partitions == 128);
  CHECK(to_string(config.listen) == "[::]:8080");
  CHECK(to_string(config.ops) == "[::1]:0");
  CHECK(config.api_token.reveal() == "0123456789abcdef");
  CHECK(config.hmac_secret.reveal() == kSecret);
  CHECK(config.hmac_grace == 60s);
  CHECK(config.server_name == "s-1");
  CHECK(config.max_connections == 10);
  CHECK(config.max_body_bytes == 2048);
  CHECK(config.request_timeout == 1000ms);
  CHECK(config.boot_timeout == 1ms);
  CHECK(config.drain_timeout == 2ms);
  CHECK(config.log_level == ff::core::LogLevel::debug);
  CHECK(config.strict);
}

TEST_CASE("each wrong value is named with its variable and what is allowed") {
  const std::string long_path = "/" + std::string(108, 's');
  struct Wrong {
    const char* name;
    const char* value;
  };
  const std::vector<Wrong> all = {{"FF_HOST", "a\nb"},
                                  {"FF_PORT", "0"},
                                  {"FF_PORT", "65536"},
                                  {"FF_PORT", "12a"},
                                  {"FF_PORT", "-1"},
                                  {"FF_PORT", " 1"},
                                  {"FF_SOCKET", "relative"},
                                  {"FF_SOCKET", long_path.c_str()},
                                  {"FF_TLS", "yes"},
                                  {"FF_TLS_CA", "/no/such/file"},
                                  {"FF_CLUSTER", "2"},
                                  {"FF_PREFIX", "UPPER"},
                                  {"FF_PREFIX", "12345678901234567"},
                                  {"FF_PARTITIONS", "1025"},
                                  {"FF_LISTEN_ADDR", "9090"},
                                  {"FF_LISTEN_ADDR", "1.2.3.4:99999"},
                                  {"FF_LISTEN_ADDR", "::1:80"},
                                  {"FF_LISTEN_ADDR", "host.name:80"},
                                  {"FF_OPS_ADDR", ":80"},
                                  {"FF_WAITPOINT_HMAC_GRACE_MS", "-1"},
                                  {"FF_API_CALLERS_FILE", "/no/such/file"},
                                  {"FF_SERVER_NAME", "a b"},
                                  {"FF_MAX_CONNECTIONS", "0"},
                                  {"FF_MAX_BODY_BYTES", "1023"},
                                  {"FF_WRONG_TOKENS_PER_MINUTE", "60001"},
                                  {"FF_REQUEST_TIMEOUT_MS", "99"},
                                  {"FF_BOOT_TIMEOUT_MS", "x"},
                                  {"FF_DRAIN_TIMEOUT_MS", "-5"},
                                  {"FF_LOG_LEVEL", "loud"},
                                  {"FF_DEV_DATA", "rel"},
                                  {"FF_PASSWORD_FILE", "/no/such/file"}};
  for (const Wrong& wrong : all) {
    INFO(wrong.name << "=" << wrong.value);
    const bool of_tls = std::string(wrong.name).starts_with("FF_TLS_");
    const auto outcome = parse({of_tls ? "--tls" : "--strict"}, {{wrong.name, wrong.value}});
    REQUIRE(outcome.problems.size() == 1);
    CHECK(outcome.problems[0].find(wrong.name) == 0);
    CHECK(outcome.problems[0].find("; allowed is ") != std::string::npos);
    CHECK(names(parse({}, {{wrong.name, ""}}), std::string(wrong.name) + " is empty"));
  }
}

TEST_CASE("all problems are told at once") {
  const auto outcome = parse({"--port=x", "--nonsense"}, {{"FF_LOG_LEVEL", "loud"}, {"FF_PROT", "1"}});

  CHECK(outcome.problems.size() == 4);
}

TEST_CASE("what is unknown is refused with the nearest name") {
  CHECK(names(parse({}, {{"FF_LISEN_ADDR", "x"}}), "the nearest is FF_LISTEN_ADDR"));
  CHECK(names(parse({"--lisen", "x"}), "the nearest is --listen"));
  CHECK(names(parse({"9090"}), "flags begin with --"));
  CHECK(names(parse({"--password=x"}), "every user of the machine can see it"));
}

TEST_CASE("flags take values both ways and override variables") {
  const auto outcome =
      parse({"--port", "7001", "--host=h", "--tls=false", "--strict"}, {{"FF_PORT", "7002"}, {"FF_TLS", "true"}});

  CHECK(outcome.problems.empty());
  CHECK(outcome.config.port == 7001);
  CHECK(outcome.config.host == "h");
  CHECK(!outcome.config.tls);
  CHECK(outcome.config.strict);
  CHECK(names(parse({"--port"}), "--port needs a value"));
  CHECK(names(parse({"--port=1", "--port=2"}), "--port is given twice"));
}

TEST_CASE("the seed's name for partitions is accepted, but not two answers") {
  CHECK(parse({}, {{"FF_FLOW_PARTITIONS", "32"}}).config.partitions == 32);
  CHECK(parse({}, {{"FF_FLOW_PARTITIONS", "32"}, {"FF_PARTITIONS", "32"}}).problems.empty());
  CHECK(names(parse({}, {{"FF_FLOW_PARTITIONS", "32"}, {"FF_PARTITIONS", "64"}}), "different values"));
}

TEST_CASE("without a token only loopback is listened on") {
  CHECK(names(parse({"--listen", "0.0.0.0:9090"}), "without FF_API_TOKEN"));
  CHECK(names(parse({"--listen", "[::]:9090"}), "without FF_API_TOKEN"));
  CHECK(parse({"--listen", "127.8.9.1:9090"}).problems.empty());
  CHECK(parse({"--listen", "[::1]:9090"}).problems.empty());
  CHECK(parse({"--listen", "0.0.0.0:9090"}, {{"FF_API_TOKEN", "0123456789abcdef"}}).problems.empty());
  CHECK(names(parse({"--listen=127.0.0.1:1", "--ops=127.0.0.1:1"}), "different ports"));
}

TEST_CASE("options that contradict each other are refused") {
  CHECK(names(parse({"--socket=/s", "--host=h"}), "--socket and --host"));
  CHECK(names(parse({"--dev", "--port=7"}), "--dev and --port"));
  CHECK(names(parse({"--data=/d"}), "--dev is not"));
  CHECK(names(parse({"--tls-ca=/dev/null"}), "FF_TLS is not true"));
  CHECK(names(parse({"--tls", "--tls-cert=/dev/null"}), "FF_TLS_CERT and FF_TLS_KEY"));
  CHECK(names(parse({"--password-file=/dev/null"}, {{"FF_PASSWORD", "x"}}), "keep one"));
}

TEST_CASE("secrets come from files without their newline, and are never shown") {
  ff::test::TempDir dir;
  std::ofstream(dir.file("token")) << "0123456789abcdef\n";
  std::ofstream(dir.file("short")) << "canary-short\n";
  std::ofstream(dir.file("password")) << "canary-password\n";

  const auto good = parse({"--api-token-file", dir.file("token"), "--password-file", dir.file("password")});
  const auto bad = parse({"--api-token-file", dir.file("short")}, {{"FF_API_TOKEN", "canary too short"}});

  REQUIRE(good.problems.empty());
  CHECK(good.config.api_token.reveal() == "0123456789abcdef");
  CHECK(good.config.password.reveal() == "canary-password");
  CHECK(describe(good.config).find("FF_API_TOKEN=***\n") != std::string::npos);
  CHECK(describe(good.config).find("canary") == std::string::npos);
  CHECK(bad.problems.size() == 3);
  CHECK(!names(bad, "canary"));
}

TEST_CASE("without the secret of waitpoint tokens only --dev starts") {
  const Environment none, some = {{"FF_WAITPOINT_HMAC_SECRET", "too-short"}};
  CHECK(names(parse_config(std::vector<std::string>(), none), "FF_WAITPOINT_HMAC_SECRET is missing"));
  CHECK(parse_config(std::vector<std::string>{"--dev"}, none).problems.empty());
  CHECK(names(parse_config(std::vector<std::string>(), some), "FF_WAITPOINT_HMAC_SECRET is ***; allowed is 32 to 512"));
  CHECK(names(parse({"--waitpoint-hmac-secret=x"}), "every user of the machine can see it"));
  CHECK(describe(parse({}).config).find("canary") == std::string::npos);
}

TEST_CASE("callers come from a file, by name, role and namespace, with hashed tokens") {
  ff::test::TempDir dir;
  const std::string file = dir.file("callers");
  std::ofstream(file) << "# who may do what\n\n"
                      << "ci submit,work default,acme " << ff::core::sha256_hex("token-of-ci") << "\n"
                      << "ops operate,admin * " << ff::core::sha256_hex("token-of-ops") << "\n";
  const auto outcome = parse({"--api-callers-file", file, "--listen=0.0.0.0:9090"});

  REQUIRE(outcome.problems.empty());
  const Callers& callers = outcome.config.callers;
  const Caller* ci = callers.find("token-of-ci");
  REQUIRE(ci != nullptr);
  CHECK(ci->name == "ci");
  CHECK(ci->has_one_of(kSubmit | kOperate));
  CHECK(!ci->has_one_of(kSignal | kOperate));
  CHECK(ci->may_enter("acme"));
  CHECK(!ci->may_enter("other"));
  CHECK(callers.find("token-of-ops")->has_one_of(kSignal));
  CHECK(callers.find("token-of-ops")->may_enter("other"));
  CHECK(callers.find("") == nullptr);
  CHECK(callers.find("token-of-c") == nullptr);
  CHECK(callers.find(ff::core::sha256_hex("token-of-ci")) == nullptr);
}

TEST_CASE("a wrong line of the callers is named") {
  const std::string hash = ff::core::sha256_hex("t");
  for (const auto& [line, what] : std::vector<std::pair<std::string, std::string>>{
           {"", "there is no caller"},
           {"ci submit *", "line 1 has 3 words"},
           {"ci submit * " + hash + " more", "line 1 has 5 words"},
           {"ci boss * " + hash, "line 1 names the role \"boss\""},
           {"c!i submit * " + hash, "line 1 the name is"},
           {"ci submit Bad " + hash, "line 1 namespace is"},
           {"ci submit * " + hash.substr(1), "line 1 ends in what is no SHA-256"},
           {"# fine\nci submit * " + hash + "\nx", "line 3 has 1 words"}}) {
    INFO(line);
    const auto callers = Callers::parse(line);
    REQUIRE(!callers);
    CHECK(callers.error().message.find(what) != std::string::npos);
  }
}

TEST_CASE("the help names every option that describe() prints") {
  const std::string help = help_text();
  const std::string lines = describe(Config());
  for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1) {
    const std::string name = lines.substr(at, lines.find('=', at) - at);
    INFO(name);
    CHECK(help.find(name) != std::string::npos);
  }
  CHECK(parse({"--help"}).help);
  CHECK(parse({"--version"}).version);
}
