#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <string>

#include "ff/script/connection.hpp"

using ff::script::Command;
using namespace std::string_literals;

TEST_CASE("a command is encoded as an array of bulk strings") {
  Command command("SET");
  command.arg("key").arg(std::int64_t{-42});

  CHECK(command.encode() == "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$3\r\n-42\r\n");
}

TEST_CASE("arguments are bytes: empty, NUL and line ends pass") {
  Command command("ECHO");
  command.arg(std::string_view("\0\r\n", 3)).arg("");

  CHECK(command.encode() == "*3\r\n$4\r\nECHO\r\n$3\r\n\0\r\n\r\n$0\r\n\r\n"s);
}

TEST_CASE("the smallest integer fits") {
  Command command("X");
  command.arg(std::numeric_limits<std::int64_t>::min());

  CHECK(command.encode() == "*2\r\n$1\r\nX\r\n$20\r\n-9223372036854775808\r\n");
}

TEST_CASE("append_to leaves what is there") {
  std::string out = "before";

  Command("PING").append_to(out);

  CHECK(out == "before*1\r\n$4\r\nPING\r\n");
}
