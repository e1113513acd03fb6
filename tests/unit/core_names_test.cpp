#include "ff/core/names.hpp"

#include <catch2/catch_test_macros.hpp>

#include <functional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

using namespace ff::core;

namespace {

struct Case {
  std::string what;
  std::function<Result<void>(std::string_view)> check;
  std::string reason;
  std::vector<std::string> good;
  std::vector<std::string> bad;
};

std::string times(std::size_t count, char c) {
  return std::string(count, c);
}

const std::string kControl("a\0b", 3);

std::vector<Case> cases() {
  return {
      {"namespace",
       [](std::string_view v) { return validate_namespace(v); },
       "bad_namespace",
       {"a", "0", "default", "acme-eu.prod_1", times(24, 'z')},
       {"", "A", "acme EU", "-a", ".a", "_a", "a/b", "a{b}", "a:b", "\xc3\xa4", "a\n",
        times(25, 'z'), kControl}},
      {"lane",
       [](std::string_view v) { return validate_lane(v); },
       "bad_lane",
       {"m", "7", "mail.high-prio_2", times(39, 'z')},
       {"", "Mail", " mail", "mail ", "-m", "a/b", "a{b", "a\tb", "\xff", times(40, 'z'),
        kControl}},
      {"kind",
       [](std::string_view v) { return validate_kind(v); },
       "bad_kind",
       {"k", "SendEmail", "mail/send:v2", "a.b_c-d", "0", times(64, 'k')},
       {"", "/a", ":a", "a b", "a{b", "a@b", "a\"b", "\xe2\x82\xac", times(65, 'k'), kControl}},
      {"worker",
       [](std::string_view v) { return validate_worker(v); },
       "bad_worker",
       {"w", "Host-1.example:4711@a_b", "0", times(64, 'w')},
       {"", "@w", "a/b", "a b", "a{b}", "a\rb", times(65, 'w'), kControl}},
      {"failure_class",
       [](std::string_view v) { return validate_failure_class(v); },
       "bad_failure_class",
       {"t", "timeout", "card_declined_2", times(32, 'c')},
       {"", "Timeout", "2fast", "_a", "a-b", "a b", "a.b", times(33, 'c'), kControl}},
      {"content_type",
       [](std::string_view v) { return validate_content_type(v); },
       "bad_content_type",
       {"a/b", "application/json", "text/plain; charset=utf-8", "text/plain;charset=\"a b\"",
        "text/plain ; a=b", "application/vnd.acme.v1+json", "a/" + times(62, 'b')},
       {"", "json", "/json", "text/", "a/b/c", "a b/c", "a/b c", "a/b ", "text /plain", "a/b;\n",
        "a/\xc3\xa4", "a/b;\x7f", "a/" + times(63, 'b'), kControl}},
      {"idempotency_key",
       [](std::string_view v) { return validate_idempotency_key(v); },
       "bad_idempotency_key",
       {"k", "order 1/{2}", "\xc3\xa4\xe2\x82\xac", times(256, 'k')},
       {"", "a\nb", "\xff", "\xc3", "\x7f", times(257, 'k'), kControl}},
  };
}

}  // namespace

TEST_CASE("names that follow their rule are taken, others are refused by field and reason") {
  for (const Case& c : cases()) {
    for (const std::string& value : c.good) {
      INFO(c.what << " " << value);
      CHECK(c.check(value));
    }
    for (const std::string& value : c.bad) {
      INFO(c.what << " " << value);
      const Result<void> checked = c.check(value);
      REQUIRE_FALSE(checked);
      CHECK(checked.error().code == Code::invalid_argument);
      CHECK(checked.error().reason == c.reason);
      CHECK(checked.error().message.rfind(c.what + " is \"", 0) == 0);
      CHECK(checked.error().message.find(", must be ") != std::string::npos);
    }
  }
}

TEST_CASE("a refusal shows field, value and rule") {
  CHECK(validate_lane("My Lane").error().message ==
        "lane is \"My Lane\", must be 1 to 39 characters of a-z, 0-9, '.', '_' and '-', the first "
        "a letter or digit");
  CHECK(validate_kind("", "items[3].kind").error().message ==
        "items[3].kind is \"\", must be 1 to 64 letters, digits, '.', '_', ':', '/' and '-', the "
        "first a letter or digit");
}

TEST_CASE("a refusal repeats no control characters and no long values") {
  const std::string message =
      validate_namespace("\x1b[2Jred\n" + times(10'000, 'x')).error().message;

  CHECK(message.rfind("namespace is \"\\x1b[2Jred\\nxxx", 0) == 0);
  CHECK(message.find("xxx...\", must be") != std::string::npos);
  CHECK(message.size() < 200);
}

TEST_CASE("tags are taken up to their bounds") {
  Tags tags;
  CHECK(validate_tags(tags));
  for (int i = 0; i < 16; ++i) tags["key" + std::to_string(i)] = times(256, 'v');
  CHECK(validate_tags(tags));
  CHECK(validate_tags(Tags{{"Team:billing/eu.west_1-a", ""}, {times(64, 'k'), "\xc3\xa4 \"x\""}}));
}

TEST_CASE("tags beyond their bounds are refused by name") {
  Tags many;
  for (int i = 0; i < 17; ++i) many["key" + std::to_string(i)] = "";
  const std::vector<std::pair<Tags, std::string>> bad = {
      {many, "tags has 17 entries, must have at most 16"},
      {Tags{{"", "v"}}, "tags has the key \"\", must be 1 to 64"},
      {Tags{{"a b", "v"}}, "tags has the key \"a b\", must be 1 to 64"},
      {Tags{{times(65, 'k'), "v"}}, "tags has the key \"kkk"},
      {Tags{{"team", times(257, 'v')}}, "tags.team is \"vvv"},
      {Tags{{"team", "a\nb"}}, "tags.team is \"a\\nb\", must be at most 256 bytes of UTF-8"},
      {Tags{{"team", "\xff"}}, "tags.team is \"\\xff\", must be at most 256 bytes of UTF-8"},
  };
  for (const auto& [tags, message] : bad) {
    const Result<void> checked = validate_tags(tags);
    INFO(message);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == Code::invalid_argument);
    CHECK(checked.error().reason == "bad_tags");
    CHECK(checked.error().message.rfind(message, 0) == 0);
  }
}

TEST_CASE("a queue is namespace and lane, read back as it prints") {
  const Result<Queue> made = Queue::make("acme", "mail.high");
  REQUIRE(made);
  CHECK(made->str() == "acme/mail.high");
  CHECK(made->ns() == "acme");
  CHECK(made->lane() == "mail.high");

  const Result<Queue> parsed = Queue::parse("acme/mail.high");
  REQUIRE(parsed);
  CHECK(*parsed == *made);
  CHECK(std::unordered_set<Queue>{*parsed, *made}.size() == 1);
  CHECK(*Queue::make("acme", "a") < *Queue::make("acme", "b"));
}

TEST_CASE("the longest queue is one core field of 64 bytes") {
  CHECK(Queue::make(times(24, 'n'), times(39, 'l'))->str().size() == 64);
}

TEST_CASE("queues of impossible names are refused") {
  CHECK(Queue::make("Acme", "mail").error().reason == "bad_namespace");
  CHECK(Queue::make("acme", "").error().reason == "bad_lane");
  CHECK(Queue::parse("acme").error().reason == "bad_queue");
  CHECK(Queue::parse("").error().reason == "bad_queue");
  CHECK(Queue::parse("/mail").error().reason == "bad_namespace");
  CHECK(Queue::parse("acme/").error().reason == "bad_lane");
  CHECK(Queue::parse("acme/mail/high").error().reason == "bad_lane");
}
