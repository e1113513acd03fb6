// The calling convention, for every declared verb alike.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <bit>
#include <sstream>

#include "lua/fixture.hpp"
#include "lua/scenarios.hpp"
#include "support/process.hpp"

namespace ff::test {
namespace {

using Words = std::vector<std::string>;

struct Field {
  std::string name, type;
  bool rare = false;
};

// The fields of one part ("a", "i", "r", "w") of a signature.
std::vector<Field> fields(std::string_view signature, char part) {
  std::vector<Field> found;
  auto begin = signature.find(std::string(1, part) + "=");
  REQUIRE(begin != std::string_view::npos);
  auto text = signature.substr(begin + 2);
  text = text.substr(0, text.find(';'));
  while (!text.empty()) {
    const auto one = text.substr(0, text.find(','));
    const auto colon = one.find(':');
    Field field{std::string(one.substr(0, colon)), std::string(one.substr(colon + 1))};
    if (field.type.ends_with('?')) {
      field.rare = true;
      field.type.pop_back();
    }
    found.push_back(std::move(field));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
  }
  return found;
}

// The `columns` with which all rare fields travel.
std::int64_t all_columns(const std::vector<Field>& fields) {
  const auto rare = std::count_if(fields.begin(), fields.end(), [](const auto& field) { return field.rare; });
  return (std::int64_t{1} << rare) - 1;
}

std::string good_value(const Field& field, const std::vector<Field>& item) {
  if (field.type == "ulid") return LuaFixture::new_id();
  if (field.type == "columns") return std::to_string(all_columns(item));
  if (field.type == "int" || field.type == "bool") return "0";
  return "x";
}

// Values that this type must refuse.
Words bad_values(const Field& field) {
  if (field.type == "columns") return {"", "x", "-1", "1.5", "16384", "9007199254740991"};
  if (field.type == "ulid") return {"", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVX"};
  if (field.type == "int") {
    return {"",
            " ",
            "x",
            "1.5",
            "1e3",
            "0x10",
            " 1",
            "1 ",
            "+1",
            "--1",
            "nan",
            "inf",
            "9007199254740993",
            "-9007199254740993",
            "99999999999999999999",
            std::string("1\0", 2)};
  }
  if (field.type == "bool") return {"", "2", "-1", "true", "01"};
  return {};
}

struct Call {
  Words head;                // FCALL, function, 1, tag.
  std::vector<Field> shape;  // Of `values`: the arguments and two items.
  Words values;
  std::size_t items = 0;  // Fields of one item.

  Words words() const {
    auto all = head;
    all.insert(all.end(), values.begin(), values.end());
    return all;
  }
};

Call call_of(LuaFixture& lua, const script::VerbInfo& verb) {
  Call call;
  call.head = {verb.read_only ? "FCALL_RO" : "FCALL", std::string(verb.function), "1", lua.tag()};
  call.shape = fields(verb.signature, 'a');
  const auto item = fields(verb.signature, 'i');
  call.items = item.size();
  CHECK(call.shape.size() == verb.args);
  CHECK(item.size() == verb.items);
  for (int i = 0; i < 2; ++i) call.shape.insert(call.shape.end(), item.begin(), item.end());
  for (const auto& field : call.shape) call.values.push_back(good_value(field, item));
  return call;
}

std::string first_word(const RespValue& reply) {
  return reply.is_error() ? reply.text.substr(0, reply.text.find(' ')) : "";
}

TEST_CASE("the loaded library has exactly the declared verbs, with the declared signatures") {
  LuaFixture lua;
  const auto libraries = lua.command({"FUNCTION", "LIST", "LIBRARYNAME", "ff1"});
  std::map<std::string, std::string> loaded;
  const auto& library = libraries.elements.at(0).elements;
  const auto functions =
      std::find_if(library.begin(), library.end(), [](const RespValue& value) { return value.text == "functions"; });
  REQUIRE(functions != library.end());
  for (const auto& function : (functions + 1)->elements) {
    std::map<std::string, std::string> values;
    for (std::size_t i = 0; i + 1 < function.elements.size(); i += 2) {
      values[function.elements[i].text] = function.elements[i + 1].text;
    }
    loaded[values["name"]] = values["description"];
  }

  std::map<std::string, std::string> declared;
  for (const auto& verb : script::verbs()) declared[std::string(verb.function)] = std::string(verb.signature);

  CHECK(loaded == declared);
}

TEST_CASE("every verb has a scenario, and each scenario answers ok") {
  std::set<std::string> seen;
  for (const auto& scenario : scenarios()) {
    INFO(scenario.name);
    LuaFixture lua;
    const auto reply = lua.command(scenario.prepare(lua));
    INFO(reply.str());
    REQUIRE(reply.type == '*');
    CHECK(reply.elements.at(0).text == "ok");
    CHECK(lua.lost().empty());
    CHECK(lua.stray().empty());
    seen.insert(scenario.verb);
  }
  for (const auto& verb : script::verbs()) CHECK(seen.count(std::string(verb.function)) == 1);
}

TEST_CASE("too few and too many arguments, a partial item and no key are refused before anything is written") {
  LuaFixture lua;
  lua.submit();
  const auto before = lua.contents();
  for (const auto& verb : script::verbs()) {
    INFO(verb.function);
    auto call = call_of(lua, verb);
    const auto refused = [&lua](const Words& words) { return first_word(lua.command(words)); };

    auto fewer = call, more = call, one_key_more = call;
    if (!fewer.values.empty()) {
      fewer.values.pop_back();
      CHECK(refused(fewer.words()) == "FF_BAD_CALL");
      fewer.values.clear();
      if (verb.args > 0) CHECK(refused(fewer.words()) == "FF_BAD_CALL");
    }
    for (std::size_t extra = 1; extra < std::max<std::size_t>(call.items, 2); ++extra) {
      more.values.push_back("x");
      CHECK(refused(more.words()) == "FF_BAD_CALL");
    }
    one_key_more.head[2] = "2";
    one_key_more.head.push_back(lua.key("more"));
    CHECK(refused(one_key_more.words()) == "FF_BAD_CALL");
    auto no_key = call;
    no_key.head = {call.head[0], call.head[1], "0"};
    CHECK(refused(no_key.words()) == "FF_BAD_CALL");
  }
  CHECK(lua.changes(before) == "");
}

TEST_CASE("a malformed argument is refused by its name before anything is written") {
  LuaFixture lua;
  lua.submit();
  const auto before = lua.contents();
  for (const auto& verb : script::verbs()) {
    const auto call = call_of(lua, verb);
    for (std::size_t i = 0; i < call.shape.size(); ++i) {
      for (const auto& bad : bad_values(call.shape[i])) {
        INFO(verb.function << " " << call.shape[i].name << " = '" << bad << "'");
        auto wrong = call;
        wrong.values[i] = bad;
        const auto reply = lua.command(wrong.words());
        CHECK(first_word(reply) == "FF_BAD_CALL");
        CHECK(reply.text.find(" " + call.shape[i].name + " ") != std::string::npos);
      }
    }
  }
  CHECK(lua.changes(before) == "");
}

TEST_CASE("a key that is no partition's tag is refused") {
  if (LuaFixture::on_cluster()) SKIP("there the slot of the key decides first");
  LuaFixture lua;
  for (const auto& verb : script::verbs()) {
    for (const char* key : {"", "ff", "{ff", "ff}", "{ff}:e"}) {
      auto call = call_of(lua, verb);
      call.head[3] = key;
      CHECK(first_word(lua.command(call.words())) == "FF_BAD_CALL");
    }
  }
  CHECK(lua.text({"DBSIZE"}) == "0");
}

TEST_CASE("exactly the verbs that only read can be called read-only") {
  for (const auto& scenario : scenarios()) {
    INFO(scenario.name);
    LuaFixture lua;
    auto words = scenario.prepare(lua);
    const auto verb = std::find_if(script::verbs().begin(), script::verbs().end(),
                                   [&](const auto& info) { return info.function == scenario.verb; });
    REQUIRE(verb != script::verbs().end());
    CHECK(words[0] == (verb->read_only ? "FCALL_RO" : "FCALL"));
    const auto before = lua.contents();
    words[0] = "FCALL_RO";
    CHECK(lua.command(words).is_error() == !verb->read_only);
    CHECK(lua.changes(before) == "");
  }
}

// Verbs that add work or keep more; all the others end it, free memory, or only look.
const std::set<std::string> kRefusedWithoutMemory = {
    "ff1_submit",  "ff1_claim",           "ff1_progress", "ff1_replay",        "ff1_join",       "ff1_open",
    "ff1_suspend", "ff1_open_waitpoints", "ff1_signal",   "ff1_publish_event", "ff1_await_event",
    "ff1_append_frames", "ff1_set_quota", "ff1_pause_quota", "ff1_set_budget", "ff1_set_resets", "ff1_report_usage",
    "ff1_reserve"};

TEST_CASE("without memory what adds work is refused before anything, and what ends it runs") {
  for (const auto& scenario : scenarios()) {
    INFO(scenario.name);
    LuaFixture lua;
    const auto words = scenario.prepare(lua);
    const auto before = lua.contents();

    lua.text({"CONFIG", "SET", "maxmemory", "1"});
    const auto reply = lua.command(words);
    lua.text({"CONFIG", "SET", "maxmemory", "0"});

    INFO(reply.str());
    if (kRefusedWithoutMemory.count(scenario.verb)) {
      CHECK(first_word(reply) == "OOM");
      CHECK(lua.changes(before) == "");
    } else {
      CHECK_FALSE(reply.is_error());
      CHECK(reply.elements.at(0).text == "ok");
      CHECK(lua.lost().empty());
      CHECK(lua.stray().empty());
    }
  }
}

TEST_CASE("an answer has the declared number of fields") {
  for (const auto& scenario : scenarios()) {
    INFO(scenario.name);
    LuaFixture lua;
    const auto reply = lua.command(scenario.prepare(lua));
    const auto verb = std::find_if(script::verbs().begin(), script::verbs().end(),
                                   [&](const auto& info) { return info.function == scenario.verb; });
    const auto answer = fields(verb->signature, 'r'), rows = fields(verb->signature, 'w');
    const auto head = answer.size(), behind = reply.elements.size() - 1 - head;
    REQUIRE(reply.elements.size() >= 1 + head);
    auto row = rows.size();
    if (!answer.empty() && answer.back().type == "columns") {
      const auto columns = reply.elements.at(head).integer();
      CHECK((columns & ~all_columns(rows)) == 0);
      row -= static_cast<std::size_t>(std::popcount(static_cast<std::uint64_t>(all_columns(rows) & ~columns)));
    }
    CHECK((row == 0 ? behind == 0 : behind % row == 0));
    for (const auto& element : reply.elements) CHECK((element.type == '$' || element.type == ':'));
  }
}

std::string run_where(const std::string& place) {
  auto found = run_program({"sh", "-c", "cd '" FF_SOURCE_DIR "' && exec lua5.1 lua/tools/where.lua " + place});
  while (!found.empty() && found.back() == '\n') found.pop_back();
  return found;
}

TEST_CASE("where.lua knows the first line of every file, and its last") {
  const auto& source = LuaFixture::product_library();
  std::string places, wanted, file;
  std::size_t number = 0, first = 0;
  std::istringstream lines(source);
  const std::string mark = "-- file: ";
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const auto marked = line.find(mark);
    if (marked == std::string::npos) continue;
    if (!file.empty()) {
      const auto last = number - (first == 3 ? 1 : 2);  // Only the first file has no `end` behind it.
      places += " " + std::to_string(last);
      wanted += file + ":" + std::to_string(last - first) + "\n";
    }
    file = line.substr(marked + mark.size());
    first = number;
    places += " user_function:" + std::to_string(number + 1);
    wanted += file + ":1\n";
  }
  wanted.pop_back();

  CHECK(run_where(places) == wanted);
}

TEST_CASE("where.lua finds the line of an error") {
  LuaFixture lua;
  lua.text({"SET", lua.tag(), "no hash"});
  const auto error = lua.command(lua.words<script::Version>(script::Version::Args())).text;
  const auto at = error.find("user_function:");
  REQUIRE(at != std::string::npos);

  const auto place = run_where(error.substr(at, error.find('.', at) - at));

  CHECK(place.starts_with("lua/prelude/clock.lua:"));
}

}  // namespace
}  // namespace ff::test
