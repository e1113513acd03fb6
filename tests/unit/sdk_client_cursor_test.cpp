// ListCursor: what it accepts is exactly what it makes.
#include <catch2/catch_test_macros.hpp>

#include "list_cursor.hpp"

using ff::sdk::ListCursor;

namespace {

const std::string kUlid = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

bool refused(std::string_view text, std::size_t partitions = 64) {
  const auto cursor = ListCursor::parse(text, partitions);
  return !cursor && cursor.error().code == ff::core::Code::invalid_argument && cursor.error().reason == "bad_cursor";
}

}  // namespace

TEST_CASE("a cursor reads back as it was written") {
  for (const auto& cursor : {ListCursor(0, ""), ListCursor(63, ""), ListCursor(10, "1760000000000 " + kUlid),
                             ListCursor(0, "0 " + kUlid), ListCursor(1, "*0 " + kUlid), ListCursor(1, "+17 " + kUlid),
                             ListCursor(7, "4947802324992000 " + kUlid)}) {
    const auto back = ListCursor::parse(cursor.str(), 64);
    REQUIRE(back.has_value());
    CHECK(back->partition == cursor.partition);
    CHECK(back->inner == cursor.inner);
  }
}

TEST_CASE("no cursor is the start") {
  const auto start = ListCursor::parse("", 1);
  REQUIRE(start.has_value());
  CHECK(start->partition == 0);
  CHECK(start->inner.empty());
}

TEST_CASE("everything else is refused") {
  CHECK(refused("~"));
  CHECK(refused("1"));
  CHECK(refused("64~"));
  CHECK_FALSE(refused("64~", 65));
  CHECK(refused("01~"));
  CHECK(refused("+1~"));
  CHECK(refused("-1~"));
  CHECK(refused(" 1~"));
  CHECK(refused("1 ~"));
  CHECK(refused("99999999999999999999999~"));
  CHECK(refused("1~ "));
  CHECK(refused("1~*"));
  CHECK(refused("1~**5 " + kUlid));
  CHECK(refused("1~*+5 " + kUlid));
  CHECK(refused("1~#5 " + kUlid));
  CHECK(refused("1~5"));
  CHECK(refused("1~5 "));
  CHECK(refused("1~ " + kUlid));
  CHECK(refused("1~-5 " + kUlid));
  CHECK(refused("1~1e5 " + kUlid));
  CHECK(refused("1~12345678901234567 " + kUlid));
  CHECK(refused("1~5 " + kUlid + "X"));
  CHECK(refused("1~5  " + kUlid));
  CHECK(refused("1~5 " + kUlid + "\n"));
  CHECK(refused(std::string("1~5\0", 4) + kUlid));
}
