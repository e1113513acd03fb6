// The pure parts of the HTTP side: status table, targets, JSON text, heads.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "http/error_map.hpp"
#include "http/head_scan.hpp"
#include "http/json_writer.hpp"
#include "http/target.hpp"
#include "http/wire.hpp"

using namespace ff::server::http;
using ff::core::Code;
using ff::core::Error;

TEST_CASE("every code has exactly one status, and every status a phrase") {
  std::set<Code> seen;
  for (const CodeStatus& line : kStatusOfCode) {
    CHECK(seen.insert(line.code).second);
    CHECK(line.status >= 400);
    CHECK(reason_phrase(line.status) != "Status");
    CHECK(status_of(Error(line.code, "x", "y")) == line.status);
  }
  // A code without a name is past the last one.
  for (int i = 0; i < 256; ++i) {
    const auto code = static_cast<Code>(i);
    const bool named = i <= static_cast<int>(Code::internal);
    CHECK(seen.contains(code) == named);
    CHECK(status_of(Error(code, "x", "y")) >= 400);
  }
  CHECK(status_of(Error(Code::exhausted, "oom", "")) == 507);
  CHECK(status_of(Error(Code::exhausted, "lane_full", "")) == 429);
}

TEST_CASE("a refusal says code, reason, message and request id, and when to come back") {
  const Response response = refuse(Error(Code::exhausted, "oom", "no \"room\"", 1500), "r-1");

  CHECK(response.status == 507);
  CHECK(response.body == R"({"error":{"code":"exhausted","reason":"oom","message":"no \"room\"",)"
                         R"("request_id":"r-1","retry_after_ms":1500}})");
  CHECK(response.headers == Fields{{"Retry-After", "2"}});
  CHECK(refuse(Error(Code::unavailable, "connect", ""), "").headers == Fields{{"Retry-After", "1"}});
  CHECK(refuse(Error(Code::unauthenticated, "token", ""), "").headers == Fields{{"WWW-Authenticate", "Bearer"}});
}

TEST_CASE("targets are decoded strictly") {
  const auto target = parse_target("/v1/a%2Fb/%C3%A4?x=1+2&y=a%2Bb&z&empty=");
  REQUIRE(target);
  CHECK(target->path == std::vector<std::string>{"v1", "a/b", "\xc3\xa4"});
  CHECK(target->query == Fields{{"x", "1 2"}, {"y", "a+b"}, {"z", ""}, {"empty", ""}});
  CHECK(parse_target("http://host:80/v1?a=b")->path == std::vector<std::string>{"v1"});
  CHECK(parse_target("/")->path.empty());
  CHECK(parse_target("/v1/")->path == std::vector<std::string>{"v1", ""});
  CHECK(parse_target("//v1")->path != std::vector<std::string>{"v1"});

  for (const char* bad : {"", "*", "v1", "/%", "/%4", "/%zz", "/%00", "/%0a", "/%c0%af", "/%ed%a0%80", "/%ff", "/a b",
                          "/\"", "/a#b", "/?a=%", "/?a=1&a=2", "/?a=1&%61=2", "ftp://h/x", "/?x=%00"}) {
    INFO(bad);
    const auto result = parse_target(bad);
    REQUIRE(!result);
    CHECK(result.error().code == Code::invalid_argument);
    CHECK(result.error().reason == "bad_target");
  }
}

TEST_CASE("JSON text is UTF-8, whatever goes in") {
  CHECK(json_string("a\"b\\c\n\x01\x7f") == "\"a\\\"b\\\\c\\u000a\\u0001\x7f\"");
  CHECK(json_string("\xc3\xa4") == "\"\xc3\xa4\"");
  CHECK(json_string("\xff\xc3") == "\"\xef\xbf\xbd\xef\xbf\xbd\"");
  CHECK(json_string(std::string("\0", 1)) == "\"\\u0000\"");
  JsonWriter writer;
  writer.begin_object().field("a", "x").key("b").begin_array().integer(-9007199254740993).boolean(true).end_array();
  writer.key("c").begin_object().end_object().key("d").raw("1e400").flag("e", false).end_object();
  CHECK(writer.take() == R"({"a":"x","b":[-9007199254740993,true],"c":{},"d":1e400,"e":false})");
}

TEST_CASE("a head is found wherever its bytes are split, and empty lines in front are no part of it") {
  const std::string text = "\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\nrest";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    HeadScan scan;
    HeadScan::State state = scan.feed(std::string_view(text).substr(0, cut));
    if (state == HeadScan::State::more) state = scan.feed(text);
    CHECK(state == HeadScan::State::complete);
    CHECK(scan.skipped() == 4);
    CHECK(scan.bytes() == text.size() - 8);
  }
}

TEST_CASE("the bounds of a head are exact") {
  HeadLimits limits;
  limits.fields_max = 2;
  limits.line_bytes_max = 20;
  limits.bytes_max = 40;
  const auto scanned = [&limits](std::string_view text) { return HeadScan(limits).feed(text); };

  CHECK(scanned("GET / HTTP/1.1\r\nA:\r\nB:\r\n\r\n") == HeadScan::State::complete);
  CHECK(scanned("GET / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\n\r\n") == HeadScan::State::too_many_fields);
  CHECK(scanned("GET /123456 HTTP/1.1\r\n\r\n") == HeadScan::State::complete);
  CHECK(scanned("GET /1234567 HTTP/1.1\r\n\r\n") == HeadScan::State::line_too_long);
  CHECK(scanned("GET / HTTP/1.1\r\nA: 34567890123456789\r\n\r\n") == HeadScan::State::complete);
  CHECK(scanned("GET / HTTP/1.1\r\nA: 345678901234567890\r\n\r\n") == HeadScan::State::too_large);
  CHECK(scanned(std::string(100, '\n')) == HeadScan::State::bad_line_ending);
  std::string blank;
  for (int i = 0; i < 50; ++i) blank += "\r\n";
  CHECK(scanned(blank) == HeadScan::State::too_large);
}

TEST_CASE("only an address or localhost counts as a literal host") {
  for (const char* good : {"127.0.0.1", "127.0.0.1:9090", "[::1]", "[::1]:80", "localhost", "localhost:1"}) {
    INFO(good);
    CHECK(host_is_literal(good));
  }
  for (const char* bad : {"", "evil.example", "evil.example:9090", "localhost.evil", "127.0.0.1.evil", "[::1", "::1x",
                          "127.0.0.1:x", "[::1]x"}) {
    INFO(bad);
    CHECK(!host_is_literal(bad));
  }
}
