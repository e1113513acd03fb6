// JSON merge patch: RFC 7396 to the letter, and what cjson would lose.
#include <catch2/catch_test_macros.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

class Summary {
 public:
  explicit Summary(LuaFixture& lua) : lua_(lua), lease_(lua.held()) {}

  std::string patch(const std::string& text) {
    script::AppendFrames::Args args;
    args.id = lease_.id;
    args.lease = lease_.lease;
    args.epoch = lease_.epoch;
    args.sequence = next_;
    args.items.emplace_back().mode = "summary";
    args.items.back().data = text;
    const auto word = lua_.word<script::AppendFrames>(args);
    if (word == "ok") ++next_;
    return word;
  }
  std::string document() { return lua_.text({"HGET", lua_.key("e:" + lease_.id + ":s"), "d"}); }

 private:
  LuaFixture& lua_;
  Held lease_;
  std::int64_t next_ = 1;
};

struct Case {
  const char *target, *patch, *outcome;
};

// Appendix A of RFC 7396, without spaces in the outcome.
constexpr Case kExamples[] = {
    {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
    {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
    {R"({"a":"b"})", R"({"a":null})", "{}"},
    {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
    {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
    {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
    {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
    {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
    {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
    {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
    {R"({"a":"foo"})", "null", "null"},
    {R"({"a":"foo"})", R"("bar")", R"("bar")"},
    {R"({"e":null})", R"({"a":1})", R"({"a":1})"},  // Here the target was a patch itself, so it has no null.
    {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
    {"{}", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
};

TEST_CASE("the examples of RFC 7396 come out as it says") {
  LuaFixture lua;
  for (const auto& example : kExamples) {
    INFO(example.target << " with " << example.patch);
    Summary summary(lua);
    REQUIRE(summary.patch(example.target) == "ok");
    REQUIRE(summary.patch(example.patch) == "ok");
    CHECK(summary.document() == example.outcome);
  }
}

TEST_CASE("what a patch does not touch stays as it was written") {
  LuaFixture lua;
  Summary summary(lua);
  const std::string kept = R"("i":9007199254740993,"j":-123456789012345678901234567890,"f":1.10,"e":1E400,)"
                           R"("a":[],"o":{},"n":[null,{"x":null}],"s":"\u00e9\"\\")";
  REQUIRE(summary.patch("{" + kept + R"(,"gone":[ 1 , 2 ]})") == "ok");
  REQUIRE(summary.patch(R"( { "gone" : null } )") == "ok");
  CHECK(summary.document() == "{" + kept + "}");
}

TEST_CASE("names are equal when they mean the same, and the last of two counts") {
  LuaFixture lua;
  Summary summary(lua);
  REQUIRE(summary.patch(R"({"a":1,"a":2})") == "ok");
  CHECK(summary.document() == R"({"a":2})");
  REQUIRE(summary.patch(R"({"\u0061":3})") == "ok");
  CHECK(summary.document() == R"({"a":3})");
}

TEST_CASE("what is not JSON is refused and changes nothing") {
  LuaFixture lua;
  Summary summary(lua);
  REQUIRE(summary.patch(R"({"a":1})") == "ok");
  std::string deep = "1";
  for (int i = 0; i < 40; ++i) deep = R"({"a":)" + deep + "}";
  for (const std::string& bad :
       {std::string(), std::string("{"), std::string(R"({"a"})"), std::string(R"({"a":})"), std::string(R"({"a":1,})"),
        std::string(R"({a:1})"), std::string("[1,]"), std::string("[1 2]"), std::string("01"), std::string("1."),
        std::string("+1"), std::string("nul"), std::string("nulll"), std::string(R"("\x")"), std::string(R"("\u12g4")"),
        std::string("\"a\nb\""), std::string(R"("open)"), std::string("{} {}"), std::string(40, '['), deep}) {
    INFO(bad);
    CHECK(summary.patch(bad) == "bad_patch");
  }
  CHECK(summary.document() == R"({"a":1})");
}

TEST_CASE("a document stays below 32 KiB") {
  LuaFixture lua;
  Summary summary(lua);
  REQUIRE(summary.patch(R"({"a":")" + std::string(20'000, 'x') + R"("})") == "ok");
  CHECK(summary.patch(R"({"b":")" + std::string(20'000, 'x') + R"("})") == "document_too_large");
  CHECK(summary.patch(R"({"a":")" + std::string(20'000, 'y') + R"("})") == "ok");
}

}  // namespace
}  // namespace ff::test
