#include "ff/core/base64.hpp"

#include <catch2/catch_test_macros.hpp>

#include "support/seed.hpp"

using namespace ff::core;

TEST_CASE("base64 goes both ways and has one text for equal bytes") {
  ff::test::Rng rng(ff::test::seed());
  for (std::size_t size = 0; size < 300; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(rng.below(256));
    const std::string text = base64_encode(bytes);
    CHECK(base64_decode(text) == bytes);
    const std::string url = base64url_encode(bytes);
    CHECK(base64url_decode(url) == bytes);
    CHECK(url.find_first_of("+/=") == std::string::npos);
    if (size % 3 != 0) CHECK(!base64_decode(text.substr(0, text.find('='))));
  }
  CHECK(base64_encode("Man") == "TWFu");
  CHECK(base64_decode("TQ==") == "M");
  for (const char* bad :
       {"T", "TQ", "TQ=", "TR==", "TWE", "TWF=", "TW F", "TWFu\n", "====", "=TWF", "TQ==TQ==", "T-_u"}) {
    INFO(bad);
    CHECK(!base64_decode(bad));
  }
  for (const char* bad : {"T", "TQ==", "TR", "T+", "T/_u", "T Q"}) {
    INFO(bad);
    CHECK(!base64url_decode(bad));
  }
}
