// What is done about the library a node has.
#include <catch2/catch_test_macros.hpp>

#include "library_plan.hpp"
#include "library_source.hpp"
#include "script_replies.hpp"

using namespace ff;
using namespace ff::test;
using script::compare_library;
using script::fits;
using script::Library;
using script::LibraryState;
using script::plan_library;
using script::Reply;

namespace {

const std::string kOwn(script::kLibrarySource);
const std::int64_t kVersion = script::library_version(script::kLibrarySource);

// The own library's text under another version.
std::string text_of(std::int64_t version) {
  std::string text = kOwn;
  const std::string mark = "\n  version = " + std::to_string(kVersion) + ",";
  const auto at = text.find(mark);
  REQUIRE(at != std::string::npos);
  return text.replace(at, mark.size(), "\n  version = " + std::to_string(version) + ",");
}

// With the functions of the own library, until a test changes them.
Library stored(std::int64_t version) { return script::own_library(version == kVersion ? kOwn : text_of(version)); }

std::vector<Library> nodes(Library a) { return std::vector<Library>{std::move(a)}; }
std::vector<Library> nodes(Library a, Library b) { return std::vector<Library>{std::move(a), std::move(b)}; }

// "reason", and the message must name `named`.
std::string refusal(const std::vector<Library>& libraries, const std::string& named) {
  const auto plan = plan_library(libraries, kOwn);
  REQUIRE_FALSE(plan);
  CHECK(plan.error().code == core::Code::incompatible);
  INFO(plan.error().message);
  CHECK(plan.error().message.find(named) != std::string::npos);
  return plan.error().reason;
}

}  // namespace

TEST_CASE("a library's version is read from its text") {
  CHECK(kVersion >= 1);
  CHECK(script::library_version(text_of(1234)) == 1234);
  CHECK(script::library_version("") == 0);
  CHECK(script::library_version("#!lua name=ff1\nredis.register_function('f', g)") == 0);
}

TEST_CASE("a library is missing, older, current, differs or newer") {
  CHECK(compare_library(Library(), kOwn) == LibraryState::missing);
  CHECK(compare_library(stored(kVersion - 1), kOwn) == LibraryState::older);
  CHECK(compare_library(stored(kVersion), kOwn) == LibraryState::current);
  CHECK(compare_library(stored(kVersion + 1), kOwn) == LibraryState::newer);
  CHECK(compare_library(stored(kVersion + 100), kOwn) == LibraryState::newer);
  auto edited = stored(kVersion);
  edited.code += "-- edited\n";
  CHECK(compare_library(edited, kOwn) == LibraryState::differs);
  auto strange = stored(kVersion);
  strange.code = "#!lua name=ff1\n";
  CHECK(compare_library(strange, kOwn) == LibraryState::older);
}

TEST_CASE("a function fits its callers when it is the same, or answers more at the end without rows") {
  CHECK(fits("a=x:int;i=;r=y:int;w=", "a=x:int;i=;r=y:int;w="));
  CHECK(fits("a=x:int;i=;r=y:int;w=", "a=x:int;i=;r=y:int,z:bytes;w="));
  CHECK(fits("a=;i=;r=;w=", "a=;i=;r=y:int;w="));
  CHECK(fits("a=;i=k:int;r=y:int;w=v:int", "a=;i=k:int;r=y:int;w=v:int"));
}

TEST_CASE("a function does not fit when anything else has changed") {
  const std::string_view own = "a=x:int;i=;r=y:int;w=";
  for (const std::string_view other :
       {"a=x:int,z:int;i=;r=y:int;w=", "a=;i=;r=y:int;w=", "a=z:int;i=;r=y:int;w=", "a=x:bytes;i=;r=y:int;w=",
        "a=x:int;i=k:int;r=y:int;w=", "a=x:int;i=;r=;w=", "a=x:int;i=;r=y:integer;w=", "a=x:int;i=;r=z:int,y:int;w=",
        "a=x:int;i=;r=y:int;w=v:int", "a=x:int;i=;r=y:int", "a=x:int;i=;r=y:int;w=;q=", "", "garbage"}) {
    INFO(other);
    CHECK_FALSE(fits(own, other));
  }
  // Rows begin behind the answer fields: one more field would shift them.
  CHECK_FALSE(fits("a=;i=;r=y:int;w=v:int", "a=;i=;r=y:int,z:int;w=v:int"));
  CHECK_FALSE(fits("a=;i=;r=y:int;w=v:int", "a=;i=;r=y:int;w=v:int,u:int"));
  CHECK_FALSE(fits("a=;i=;r=y:int,z:int;w=", "a=;i=;r=y:int;w="));
}

TEST_CASE("a missing library is loaded, the own one kept") {
  const auto missing = plan_library(nodes(Library()), kOwn);
  REQUIRE(missing);
  CHECK((missing->load && !missing->replace && missing->code == kOwn));
  const auto current = plan_library(nodes(stored(kVersion)), kOwn);
  REQUIRE(current);
  CHECK_FALSE(current->load);
  const auto half = plan_library(nodes(stored(kVersion), Library()), kOwn);
  REQUIRE(half);
  CHECK((half->load && !half->replace && half->code == kOwn));
}

TEST_CASE("an older library is replaced when its users can go on") {
  auto older = stored(kVersion - 1);
  older.functions.erase("ff1_version");           // A new verb,
  older.functions.at("ff1_cancel").signature =    // and a new answer field.
      "a=namespace:bytes,id:ulid,grace_ms:int,reason:bytes;i=;r=state:bytes;w=";

  const auto plan = plan_library(nodes(older), kOwn);

  REQUIRE(plan);
  CHECK((plan->load && plan->replace && plan->code == kOwn));
}

TEST_CASE("an older library is kept when its users could not go on") {
  auto more = stored(kVersion - 1);
  more.functions["ff1_gone"].signature = "a=;i=;r=;w=";
  CHECK(refusal(nodes(more), "ff1_gone") == "library_breaks");

  auto fewer_arguments = stored(kVersion - 1);
  fewer_arguments.functions.at("ff1_cancel").signature =
      "a=namespace:bytes,id:ulid;i=;r=state:bytes,grace_until:int;w=";
  CHECK(refusal(nodes(fewer_arguments), "ff1_cancel") == "library_breaks");

  auto reading = stored(kVersion - 1);
  reading.functions.at("ff1_cancel").read_only = true;
  CHECK(refusal(nodes(reading), "ff1_cancel") == "library_breaks");

  Library strange;
  strange.present = true;
  strange.code = "#!lua name=ff1\n";
  strange.functions["somebody_elses"].signature = "";
  CHECK(refusal(nodes(strange), "somebody_elses") == "library_breaks");
}

TEST_CASE("a newer library is used when it fits this program") {
  auto newer = stored(kVersion + 1);
  newer.functions["ff1_new"].signature = "a=;i=;r=;w=";
  auto& open = newer.functions.at("ff1_open").signature;
  open.insert(open.find(";w="), ",more:int");

  const auto plan = plan_library(nodes(newer), kOwn);

  REQUIRE(plan);
  CHECK_FALSE(plan->load);
}

TEST_CASE("a newer library that does not fit is refused by the function's name") {
  auto lacks = stored(kVersion + 1);
  lacks.functions.erase("ff1_purge");
  CHECK(refusal(nodes(lacks), "ff1_purge") == "signature");

  auto writes = stored(kVersion + 1);
  writes.functions.at("ff1_list").read_only = false;
  CHECK(refusal(nodes(writes), "ff1_list") == "signature");
}

TEST_CASE("bindings that do not fit the program's own library are noticed") {
  auto current = stored(kVersion);
  current.functions.at("ff1_claim").signature = "a=;i=;r=;w=";
  CHECK(refusal(nodes(current), "ff1_claim") == "signature");
}

TEST_CASE("other code under the same version is refused") {
  auto edited = stored(kVersion);
  edited.code += "-- edited\n";
  CHECK(refusal(nodes(edited), std::to_string(kVersion)) == "library_differs");
  CHECK(refusal(nodes(Library(), edited), std::to_string(kVersion)) == "library_differs");
  auto newer = stored(kVersion + 1), newer_edited = newer;
  newer_edited.code += "-- edited\n";
  CHECK(refusal(nodes(newer, newer_edited), std::to_string(kVersion + 1)) == "library_differs");
}

TEST_CASE("primaries that lag behind a newer one get that newer one") {
  for (const auto& behind : {Library(), stored(kVersion), stored(kVersion - 1)}) {
    for (const bool newer_first : {true, false}) {
      const auto newer = stored(kVersion + 1);
      const auto plan = plan_library(newer_first ? nodes(newer, behind) : nodes(behind, newer), kOwn);
      REQUIRE(plan);
      CHECK(plan->load);
      CHECK(plan->replace == behind.present);
      CHECK(plan->code == newer.code);
    }
  }
}

TEST_CASE("FUNCTION LIST is read, and refused when it is none") {
  const auto flags = list({bulk("no-writes")});
  const auto function = list({bulk("name"), bulk("ff1_x"), bulk("description"), bulk("a="), bulk("flags"), flags});
  const auto library = list({bulk("library_name"), bulk("ff1"), bulk("engine"), bulk("LUA"), bulk("functions"),
                             list({function}), bulk("library_code"), bulk("text")});

  const auto parsed = script::parse_library_list(list({library}));

  REQUIRE(parsed);
  CHECK(parsed->present);
  CHECK(parsed->code == "text");
  REQUIRE(parsed->functions.size() == 1);
  CHECK(parsed->functions.at("ff1_x").signature == "a=");
  CHECK(parsed->functions.at("ff1_x").read_only);
  const auto empty = script::parse_library_list(list({}));
  REQUIRE(empty);
  CHECK_FALSE(empty->present);
  for (const auto& bad : {bulk("x"), list({bulk("x")}), list({list({bulk("library_code"), bulk("x")})}),
                          list({list({bulk("library_code"), bulk("x"), bulk("functions"), list({list({})})})})}) {
    const auto refused = script::parse_library_list(bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "bad_reply");
  }
}
