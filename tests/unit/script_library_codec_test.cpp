// Answers that do not fit the declaration.
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <optional>

#include "codec.hpp"
#include "script_replies.hpp"

using namespace ff;
using namespace ff::test;
using script::Reply;
using script::codec::Reader;

namespace {

Reply of(Reply::Kind kind) {
  Reply reply;
  reply.kind = kind;
  return reply;
}

Reply integer(std::int64_t number) {
  Reply reply = of(Reply::Kind::integer);
  reply.integer = number;
  return reply;
}

// Reads one field as a T; "" when it fits, else the error's message.
template <class T>
std::string misfit(Reply reply, T* read = nullptr) {
  std::vector<Reply> fields;
  fields.push_back(std::move(reply));
  Reader reader(fields, "ff1_verb");
  T value{};
  reader.get(value, "field");
  auto result = reader.finish(std::move(value));
  if (!result) {
    CHECK(result.error().code == core::Code::corrupt);
    CHECK(result.error().reason == "bad_reply");
    return result.error().message;
  }
  if (read) *read = *result;
  return "";
}

// How many rows of `width` a reader that has taken `head` fields sees in `count` fields; nullopt: a misfit.
std::optional<std::size_t> rows(std::size_t count, std::size_t head, std::size_t width) {
  std::vector<Reply> fields;
  for (std::size_t i = 0; i < count; ++i) fields.push_back(bulk("x"));
  Reader reader(fields, "ff1_verb");
  std::string field;
  for (std::size_t i = 0; i < head; ++i) reader.get(field, "field");
  const std::size_t seen = reader.rows(width);
  const bool more = reader.more();
  auto result = reader.finish(seen);
  if (!result) {
    CHECK(seen == 0);
    CHECK_FALSE(more);
    const auto misfit = count < head ? "field is missing" : fmt::format("{} fields do not fit the declaration", count);
    CHECK(result.error().message == "ff1_verb answered: " + misfit);
    return std::nullopt;
  }
  return *result;
}

}  // namespace

TEST_CASE("fields that nobody gets are of a newer library") {
  std::vector<Reply> fields;
  for (const char* text : {"a", "b", "c"}) fields.push_back(bulk(text));
  Reader reader(fields, "ff1_verb");
  std::string first;
  reader.get(first, "first");
  CHECK(reader.finish(0));
}

TEST_CASE("a row has the rare fields that the answer tells of, and no others exist") {
  CHECK(script::codec::width(5, 0b111, 0) == 2);
  CHECK(script::codec::width(5, 0b111, 0b101) == 4);
  CHECK(script::codec::width(5, 0b111, 0b111) == 5);
  for (const std::int64_t columns : {8, -1}) {
    std::vector<Reply> fields;
    fields.push_back(integer(columns));
    Reader reader(fields, "ff1_verb");
    reader.columns(0b111);
    const auto result = reader.finish(0);
    REQUIRE_FALSE(result);
    CHECK(result.error().message == "ff1_verb answered: columns tells of fields that are not declared");
  }
}

TEST_CASE("rows must come out even") {
  CHECK(rows(2, 2, 3) == 0);
  CHECK(rows(5, 2, 3) == 1);
  CHECK(rows(8, 2, 3) == 2);
  CHECK_FALSE(rows(1, 2, 3));
  CHECK_FALSE(rows(7, 2, 3));
  CHECK_FALSE(rows(3, 2, 3));
}

TEST_CASE("reading behind the last field is a misfit that names the field") {
  std::vector<Reply> fields;
  fields.push_back(bulk("1"));
  Reader reader(fields, "ff1_verb");
  std::string first, second;

  reader.get(first, "first");
  reader.get(second, "second");

  const auto result = reader.finish(0);
  REQUIRE_FALSE(result);
  CHECK(result.error().message == "ff1_verb answered: second is missing");
}

TEST_CASE("integers are whole, in range, and nothing else") {
  std::int64_t read = 0;
  CHECK(misfit<std::int64_t>(integer(-7), &read).empty());
  CHECK(read == -7);
  CHECK(misfit<std::int64_t>(bulk("9223372036854775807"), &read).empty());
  CHECK(read == INT64_MAX);
  CHECK(misfit<std::int64_t>(bulk("-9223372036854775808"), &read).empty());
  CHECK(read == INT64_MIN);
  for (const char* text : {"9223372036854775808", "-9223372036854775809", "99999999999999999999", "", " 1", "1 ", "+1",
                           "1.0", "1e3", "0x1", "one"}) {
    CHECK(misfit<std::int64_t>(bulk(text)) == "ff1_verb answered: field is not an integer");
  }
  for (const auto kind : {Reply::Kind::nil, Reply::Kind::status, Reply::Kind::error, Reply::Kind::array}) {
    CHECK(misfit<std::int64_t>(of(kind)) == "ff1_verb answered: field is not an integer");
  }
}

TEST_CASE("strings are strings, and integers as text") {
  std::string read;
  CHECK(misfit<std::string>(bulk(std::string("a\0b", 3)), &read).empty());
  CHECK(read == std::string("a\0b", 3));
  CHECK(misfit<std::string>(integer(-5), &read).empty());
  CHECK(read == "-5");
  for (const auto kind : {Reply::Kind::nil, Reply::Kind::error, Reply::Kind::array}) {
    CHECK(misfit<std::string>(of(kind)) == "ff1_verb answered: field is not a string");
  }
}

TEST_CASE("a bool is 0 or 1") {
  bool read = false;
  CHECK(misfit<bool>(integer(1), &read).empty());
  CHECK(read);
  CHECK(misfit<bool>(bulk("0"), &read).empty());
  CHECK_FALSE(read);
  CHECK(misfit<bool>(integer(2)) == "ff1_verb answered: field is not 0 or 1");
  CHECK(misfit<bool>(bulk("-1")) == "ff1_verb answered: field is not 0 or 1");
  CHECK(misfit<bool>(bulk("true")) == "ff1_verb answered: field is not an integer");
}

TEST_CASE("words are what stands between commas") {
  std::vector<std::string> read;
  CHECK(misfit<std::vector<std::string>>(bulk("a,,b"), &read).empty());
  CHECK(read == std::vector<std::string>{"a", "", "b"});
  CHECK(misfit<std::vector<std::string>>(bulk(""), &read).empty());
  CHECK(read.empty());
  CHECK(misfit<std::vector<std::string>>(of(Reply::Kind::nil)) == "ff1_verb answered: field is not a string");
}

TEST_CASE("the first misfit is the one that is told") {
  std::vector<Reply> fields;
  fields.push_back(of(Reply::Kind::nil));
  fields.push_back(bulk("x"));
  Reader reader(fields, "ff1_verb");
  std::string first;
  std::int64_t second = 0;

  reader.get(first, "first");
  reader.get(second, "second");

  const auto result = reader.finish(0);
  REQUIRE_FALSE(result);
  CHECK(result.error().message == "ff1_verb answered: first is not a string");
}
