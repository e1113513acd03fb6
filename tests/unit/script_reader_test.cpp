#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "resp_reader.hpp"

using ff::script::Reply;
using ff::script::RespReader;
using namespace std::string_literals;

namespace {

// Feeds in pieces of `size` bytes.
std::vector<Reply> read_all(std::string_view bytes, std::size_t size) {
  RespReader reader;
  std::vector<Reply> replies;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(size, bytes.size()))) {
    REQUIRE(reader.consume(bytes.substr(0, size), [&](Reply&& reply) {
      replies.push_back(std::move(reply));
      return true;
    }));
  }
  return replies;
}

bool is_no_resp(std::string_view bytes) {
  RespReader reader;
  return !reader.consume(bytes, [](Reply&&) { return true; }) && !reader.error().empty();
}

}  // namespace

TEST_CASE("every kind of reply, cut anywhere") {
  const std::string bytes = "+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\0b\r\n$-1\r\n*-1\r\n$0\r\n\r\n*0\r\n"s;
  for (const std::size_t size : {1, 2, 3, 7, 1000}) {
    const auto replies = read_all(bytes, size);

    REQUIRE(replies.size() == 8);
    CHECK(replies[0].kind == Reply::Kind::status);
    CHECK(replies[0].text == "OK");
    CHECK(replies[1].is_error());
    CHECK(replies[1].text == "ERR no");
    CHECK(replies[2].kind == Reply::Kind::integer);
    CHECK(replies[2].integer == -7);
    CHECK(replies[3].kind == Reply::Kind::bulk);
    CHECK(replies[3].text == std::string("a\0b", 3));
    CHECK(replies[4].kind == Reply::Kind::nil);
    CHECK(replies[5].kind == Reply::Kind::nil);
    CHECK(replies[6].kind == Reply::Kind::bulk);
    CHECK(replies[6].text.empty());
    CHECK(replies[7].kind == Reply::Kind::array);
    CHECK(replies[7].elements.empty());
  }
}

TEST_CASE("arrays nest and keep their order") {
  const auto replies = read_all("*3\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n$-1\r\n*2\r\n+a\r\n-b\r\n:9\r\n", 5);

  REQUIRE(replies.size() == 2);
  const auto& outer = replies[0].elements;
  REQUIRE(outer.size() == 3);
  REQUIRE(outer[0].elements.size() == 2);
  CHECK(outer[0].elements[0].integer == 1);
  CHECK(outer[0].elements[1].elements.at(0).text == "x");
  CHECK(outer[1].kind == Reply::Kind::nil);
  CHECK(outer[2].elements.at(1).is_error());
  CHECK(replies[1].integer == 9);
}

TEST_CASE("an array longer than the space reserved for it") {
  std::string bytes = "*5000\r\n";
  for (int i = 0; i < 5000; ++i) bytes += ":" + std::to_string(i) + "\r\n";

  const auto replies = read_all(bytes, 4096);

  REQUIRE(replies.size() == 1);
  REQUIRE(replies[0].elements.size() == 5000);
  CHECK(replies[0].elements[4999].integer == 4999);
}

TEST_CASE("a claimed length takes no memory before its elements come") {
  RespReader reader;

  CHECK(reader.consume("*100000000\r\n:1\r\n", [](Reply&&) { return true; }));
}

TEST_CASE("a large bulk string in many pieces") {
  const std::string body(3 * 1024 * 1024, 'z');

  const auto replies = read_all("$" + std::to_string(body.size()) + "\r\n" + body + "\r\n+next\r\n", 10'000);

  REQUIRE(replies.size() == 2);
  CHECK(replies[0].text == body);
  CHECK(replies[1].text == "next");
}

TEST_CASE("what is no RESP2 is refused") {
  CHECK(is_no_resp("HTTP/1.1 400 Bad Request\r\n"));
  CHECK(is_no_resp(":12x\r\n"));
  CHECK(is_no_resp("%1\r\n+a\r\n+b\r\n"));
  CHECK(is_no_resp(",1.5\r\n"));
  CHECK(is_no_resp("#t\r\n"));
}

TEST_CASE("the consumer can stop in the middle") {
  RespReader reader;
  int seen = 0;

  CHECK_FALSE(reader.consume("+a\r\n+b\r\n+c\r\n", [&](Reply&&) { return ++seen < 2; }));

  CHECK(seen == 2);
  CHECK(reader.error().empty());
}
