// Wrong tokens by the thousand, at a real ff-server: none passes, none writes, none tells why; too many are refused.
#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <functional>

#include "ff/core/text.hpp"
#include "ff/core/token.hpp"
#include "support/seed.hpp"
#include "support/snapshot.hpp"
#include "support/token_mutants.hpp"
#include "waiting_lab.hpp"

using namespace ff;
using namespace ff::test;

namespace {

// All that came, but for the time.
std::string bytes_of(const HttpAnswer& answer) {
  std::string text = std::to_string(answer.status) + "\n";
  for (const auto& [name, value] : answer.raw.headers) {
    if (name != "date") text += name + ": " + value + "\n";
  }
  return text + answer.raw.body;
}

// All that is stored of executions: their keys, the indexes and events. Not what servers, idle workers and wake-ups
// leave.
std::string stored(const ValkeyServer& valkey) {
  auto client = RespClient::over_unix(valkey.unix_socket());
  SnapshotScope scope;
  scope.history_entries = 1000;
  scope.events = 1000;
  scope.all_strings = true;
  std::string text;
  for (const Snapshot& snapshot : read_deployment(client, "ff", scope)) {
    for (const StoredKey& key : snapshot.keys()) {
      const auto begins = [&key](std::string_view start) { return key.rest.starts_with(start); };
      constexpr std::array<std::string_view, 5> kOfOthers = {"idle:", "sets:", "open:", "handoffs", "servers"};
      if (key.rest.empty() || std::any_of(kOfOthers.begin(), kOfOthers.end(), begins)) continue;
      text.append(snapshot.tag()).append(":").append(key.rest).append(" ").append(key.note);
      for (const auto value : snapshot.values(key)) text.append("\n  ").append(value);
      text += "\n";
    }
  }
  return text;
}

// A token sent in one of the ways there are, always under the same request id.
class Sender {
 public:
  std::string name = "go";  // Of the signals.

  explicit Sender(std::uint16_t port, std::uint8_t from = 1)
      : http_(port, kJson + "X-Request-Id: the-same-for-all\r\n", from) {}

  HttpAnswer in_header(const std::string& id, const std::string& token, const std::string& more = "",
                       const std::string& fields = "") {
    return http_.ask("POST", "/v1/executions/" + id + "/signals", R"({"name":")" + name + "\"" + more + "}",
                     bearer(token) + fields);
  }
  HttpAnswer in_body(const std::string& id, const std::string& token) {
    std::string text;
    for (const char c : token) {
      static constexpr char kHex[] = "0123456789abcdef";
      text += std::string("\\u00") + kHex[static_cast<unsigned char>(c) >> 4] + kHex[c & 15];
    }
    const std::string body = R"({"name":")" + name + R"(","token":")" + text + "\"}";
    return http_.ask("POST", "/v1/executions/" + id + "/signals", body);
  }

 private:
  HttpClient http_;
};

bool fits_header(const std::string& token) {
  return std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

core::Narrowing to_go(core::TimestampMs expires_at) {
  core::Narrowing narrowing;
  narrowing.names = {"go"};
  narrowing.expires_at = expires_at;
  return narrowing;
}

// Two executions that wait at their first step, and tokens for them.
struct Fuzzed {
  WaitingLab lab{{"--wrong-tokens-per-minute=0"}};
  std::string one = lab.waiting(), other = lab.waiting();
  std::string whole = lab.mint(one), of_other = lab.mint(other), reusable = lab.mint(one, R"(,"reusable":true)");
  core::TimestampMs expires_at = core::read_token(whole)->expires_at;
  std::string narrow = core::narrow_token(whole, to_go(expires_at - 10)).value();
  std::string narrower = core::narrow_token(narrow, to_go(expires_at - 20)).value();
};

}  // namespace

TEST_CASE("mutants of tokens are all refused in the same bytes, and nothing is written") {
  Fuzzed f;
  Sender sender(f.lab.server.port);
  Rng rng(seed());
  TokenMutants mutants({f.whole, f.of_other, f.reusable, f.narrow, f.narrower}, rng.fork());
  const std::string before = stored(f.lab.valkey);
  REQUIRE(before.find(f.one.substr(f.one.find('-') + 1)) != std::string::npos);
  const std::string expected = bytes_of(sender.in_header(f.one, "ffw1"));
  CHECK(expected.starts_with("401\n"));

  const std::uint64_t rounds = fuzz_rounds(4000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::string bad = mutants.next();
    const std::string& id = rng.chance(0.9) ? f.one : f.other;
    INFO(bad);
    const bool header = fits_header(bad) && rng.chance(0.7);
    REQUIRE(bytes_of(header ? sender.in_header(id, bad) : sender.in_body(id, bad)) == expected);
  }

  CHECK(stored(f.lab.valkey) == before);
  CHECK(sender.in_header(f.one, f.narrower).json.at("resumed") == true);
  CHECK(f.lab.signals_at(f.other) == 0);
}

TEST_CASE("good tokens used wrongly hear the same as bad ones, in whatever order, and nothing is written") {
  Fuzzed f;
  Sender sender(f.lab.server.port);
  const std::string twice = f.lab.waiting("2"), used = f.lab.mint(twice), unused = f.lab.mint(twice);
  REQUIRE(sender.in_header(twice, used).json.at("resumed") == true);
  f.lab.wait_at(twice, 2);
  const std::string expired = core::narrow_token(f.whole, to_go(1)).value();
  const std::string early = f.lab.mint(f.one, ",\"not_before\":" + std::to_string(f.expires_at - 1));
  core::Narrowing stop_only;
  stop_only.names = {"stop"};
  const std::string stop = core::narrow_token(f.whole, stop_only).value();
  const std::string before = stored(f.lab.valkey);
  const std::string expected = bytes_of(sender.in_header(f.one, "ffw1"));

  const std::vector<std::function<HttpAnswer()>> uses = {
      [&] { return sender.in_header(f.one, f.of_other); },  // Other execution.
      [&] { return sender.in_header("0-01ARZ3NDEKTSV4RRFFQ69G5FAV", f.whole); },  // One that is not there.
      [&] { return sender.in_header(f.one, f.whole, "", "X-FF-Namespace: other\r\n"); },  // Other namespace.
      [&] { return sender.in_header(f.one, expired); },
      [&] { return sender.in_header(f.one, early); },
      [&] { return sender.in_header(f.one, stop); },  // Other name.
      [&] { return sender.in_header(f.one, f.whole, R"(,"waitpoint":"2.w")"); },  // Other waitpoint.
      [&] { return sender.in_header(twice, unused, R"(,"waitpoint":"2.w")"); },  // Of an earlier one.
      [&] { return sender.in_header(twice, used, R"(,"waitpoint":"2.w")"); },  // Replayed there.
      [&] { return sender.in_body(f.one, f.of_other); },
      [&] { return sender.in_body(f.one, expired); }};
  Rng rng(seed());
  for (std::uint64_t round = 0; round < fuzz_rounds(500); ++round) {
    const auto use = rng.below(uses.size());
    INFO("use " << use);
    REQUIRE(bytes_of(uses[use]()) == expected);
  }
  // A token is genuine for the step it was made for; that it is over is no secret of the token's.
  for (int i = 0; i < 20; ++i) {
    CHECK(sender.in_header(twice, used).json.at("duplicate") == true);
    CHECK(sender.in_header(twice, unused).reason() == "waitpoint_closed");
  }

  CHECK(stored(f.lab.valkey) == before);
  CHECK(f.lab.signals_at(twice) == 0);
}

TEST_CASE("a wrong token is refused before Valkey is asked") {
  Fuzzed f;
  Sender sender(f.lab.server.port);
  const std::string expected = bytes_of(sender.in_header(f.one, "ffw1"));
  f.lab.valkey.freeze();
  CHECK(bytes_of(sender.in_header(f.one, f.of_other)) == expected);
  CHECK(bytes_of(sender.in_header(f.one, f.whole.substr(1))) == expected);
  f.lab.valkey.thaw();
  CHECK(sender.in_header(f.one, f.whole).status == 200);
}

TEST_CASE("an address with too many wrong tokens is not looked at for a while; others pass") {
  WaitingLab lab({"--wrong-tokens-per-minute=5"});
  const std::string id = lab.waiting(), right = lab.mint(id, R"(,"reusable":true)");
  Sender guesser(lab.server.port, 2), holder(lab.server.port);
  guesser.name = holder.name = "knock";  // Resumes nothing.
  for (int i = 0; i < 5; ++i) {
    CHECK(guesser.in_header(id, right).status == 200);  // Right ones cost nothing.
    CHECK(guesser.in_header(id, right + "A").status == 401);
  }

  for (const auto& answer : {guesser.in_header(id, right + "A"), guesser.in_header(id, right),
                             guesser.in_body(id, right), guesser.in_header(id, "no waitpoint token")}) {
    CHECK(answer.status == 429);
    CHECK(answer.reason() == "too_many_wrong_tokens");
    const int seconds = std::stoi(answer.raw.header("retry-after"));
    CHECK((seconds >= 1 && seconds <= 12));
  }
  HttpClient same_address(lab.server.port, bearer(kAdminToken), 2), wrong_caller(lab.server.port, bearer("wrong"), 3);
  CHECK(same_address.get("/v1/counts").reason() == "too_many_wrong_tokens");
  CHECK(HttpClient(lab.server.port, "", 2).get("/healthz").status == 200);
  for (int i = 0; i < 5; ++i) CHECK(wrong_caller.get("/v1/counts").status == 401);
  CHECK(wrong_caller.get("/v1/counts").status == 429);

  CHECK(holder.in_header(id, right).status == 200);
  CHECK(lab.http.get("/v1/counts").status == 200);
  const std::string page = HttpClient(lab.server.ops_port).get("/metrics").raw.body;
  CHECK(page.find("\nff_tokens_unread_total 6\n") != std::string::npos);
  CHECK(lab.server.process.output().find("127.0.0.2") != std::string::npos);
}
