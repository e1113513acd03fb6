// Which servers are accepted, and what every refusal of a verb tells the caller to do.
#include <catch2/catch_test_macros.hpp>

#include "ff/script/deployment.hpp"
#include "library_plan.hpp"

using namespace ff;
using core::Code;

namespace {

std::string version_of(std::string_view info) {
  const auto version = script::check_server_info(info);
  INFO((version ? "" : version.error().to_string()));
  REQUIRE(version);
  return *version;
}

std::string refusal(std::string_view info, const std::string& named) {
  const auto version = script::check_server_info(info);
  REQUIRE_FALSE(version);
  CHECK(version.error().code == Code::incompatible);
  INFO(version.error().message);
  CHECK(version.error().message.find(named) != std::string::npos);
  return version.error().reason;
}

}  // namespace

TEST_CASE("Valkey 7.2 and newer are accepted") {
  CHECK(version_of("# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.2.5\r\n"
                   "redis_git_sha1:00000000\r\n") == "7.2.5");
  CHECK(version_of("# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n") == "8.0.1");
  CHECK(version_of("server_name:valkey\nvalkey_version:10.1.0") == "10.1.0");
  CHECK(version_of("server_name:valkey\nvalkey_version:8") == "8");
}

TEST_CASE("older Valkey is refused by its version") {
  CHECK(refusal("server_name:valkey\r\nvalkey_version:7.0.15\r\n", "Valkey 7.0.15") == "valkey_too_old");
  CHECK(refusal("server_name:valkey\r\nredis_version:7.1.9\r\n", "Valkey 7.1.9") == "valkey_too_old");
  CHECK(refusal("server_name:valkey\r\nvalkey_version:6.9.9\r\n", "Valkey 6.9.9") == "valkey_too_old");
  CHECK(refusal("server_name:valkey\r\nvalkey_version:new\r\n", "Valkey new") == "valkey_too_old");
  CHECK(refusal("server_name:valkey\r\n", "7.2 or newer") == "valkey_too_old");
}

TEST_CASE("other servers are refused by their names") {
  CHECK(refusal("# Server\r\nredis_version:7.4.1\r\nredis_mode:standalone\r\n", "Redis 7.4.1") == "not_valkey");
  CHECK(refusal("redis_version:7.2.4\r\nserver_name:other\r\n", "other 7.2.4") == "not_valkey");
}

TEST_CASE("an INFO that is none is refused") {
  for (const std::string_view info :
       {"", "\r\n\r\n", "garbage", ":", "server_name", "server_name:", "xserver_name:valkey"}) {
    CHECK(refusal(info, "not to be told") == "not_valkey");
  }
}

TEST_CASE("every declared refusal has a code of its own") {
  std::size_t words = 0;
  for (const auto& verb : script::verbs()) {
    for (const auto& word : verb.refusals) {
      INFO(verb.function << " " << word);
      CHECK(script::refusal_code(word) != Code::internal);
      ++words;
    }
  }
  CHECK(words > 10);
}

TEST_CASE("a word that no verb declares is a bug") {
  CHECK(script::refusal_code("idempotency_mismatch") == Code::internal);
  CHECK(script::refusal_code("") == Code::internal);
}
