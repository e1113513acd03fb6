#include "ff/core/text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace ff::core;

TEST_CASE("valid UTF-8 is measured, one sequence at a time") {
  CHECK(utf8_length("a") == 1);
  CHECK(utf8_length(std::string_view("\0", 1)) == 1);
  CHECK(utf8_length("\x7f") == 1);
  CHECK(utf8_length("\xc2\x80") == 2);
  CHECK(utf8_length("\xdf\xbf") == 2);
  CHECK(utf8_length("\xe0\xa0\x80") == 3);
  CHECK(utf8_length("\xed\x9f\xbf") == 3);
  CHECK(utf8_length("\xee\x80\x80") == 3);
  CHECK(utf8_length("\xef\xbf\xbf") == 3);
  CHECK(utf8_length("\xf0\x90\x80\x80") == 4);
  CHECK(utf8_length("\xf4\x8f\xbf\xbfzzz") == 4);
}

TEST_CASE("broken, overlong and impossible UTF-8 is none") {
  const std::vector<std::string> bad = {
      "",                  // nothing
      "\x80",              // continuation alone
      "\xbf",              //
      "\xc0\xaf",          // overlong
      "\xc1\xbf",          //
      "\xe0\x9f\xbf",      //
      "\xf0\x8f\xbf\xbf",  //
      "\xed\xa0\x80",      // surrogate
      "\xf4\x90\x80\x80",  // above U+10FFFF
      "\xf5\x80\x80\x80",  //
      "\xff",              //
      "\xc3",              // cut
      "\xe2\x82",          //
      "\xf0\x9f\x98",      //
      "\xe2\x28\xa1",      // continuation missing
      "\xe2\x82\x28",      //
      "\xf0\x9f\x98\x28",  //
  };
  for (const std::string& text : bad) {
    INFO(escaped(text, 100));
    CHECK(utf8_length(text) == 0);
  }
}

TEST_CASE("plain text is UTF-8 without control characters") {
  CHECK(is_plain_text(""));
  CHECK(is_plain_text("a \"b\" \\ \xc3\xa4 \xf0\x9f\x98\x80 \xc2\xa0"));
  for (const std::string text : {"\n", "\t", "\x1b", "\x7f", "\xc2\x80", "\xc2\x9b", "a\xff"}) {
    INFO(escaped(text, 100));
    CHECK_FALSE(is_plain_text(text));
  }
  CHECK_FALSE(is_plain_text(std::string_view("\0", 1)));
}

TEST_CASE("escaping leaves text readable and bytes harmless") {
  CHECK(escaped("plain \xc3\xa4", 100) == "plain \xc3\xa4");
  CHECK(escaped("\"\\", 100) == "\\\"\\\\");
  CHECK(escaped("\n\r\t", 100) == "\\n\\r\\t");
  CHECK(escaped("\x1b[0m\x7f", 100) == "\\x1b[0m\\x7f");
  CHECK(escaped(std::string_view("\0", 1), 100) == "\\x00");
  CHECK(escaped("\xc2\x9b", 100) == "\\xc2\\x9b");
  CHECK(escaped("\xff\xc3", 100) == "\\xff\\xc3");
}

TEST_CASE("escaping cuts at whole characters") {
  CHECK(escaped("abcdef", 6) == "abcdef");
  CHECK(escaped("abcdefg", 6) == "abcdef...");
  CHECK(escaped("abcde\xc3\xa4", 6) == "abcde...");
  CHECK(escaped("a", 0) == "...");
  CHECK(escaped("", 0).empty());
}

TEST_CASE("a value is shown in quotes, at most 48 bytes of it") {
  CHECK(shown("mail") == "\"mail\"");
  CHECK(shown("") == "\"\"");
  CHECK(shown(std::string(48, 'a')) == "\"" + std::string(48, 'a') + "\"");
  CHECK(shown(std::string(49, 'a')) == "\"" + std::string(48, 'a') + "...\"");
}
