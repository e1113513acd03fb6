#include "ff/core/failure_class.hpp"
#include "ff/core/names.hpp"
#include "ff/core/state.hpp"

#include <catch2/catch_test_macros.hpp>

#include <map>
#include <set>
#include <string>

using namespace ff::core;

namespace {

// Written out apart from the table, so that a slip in it shows.
const std::map<State, std::set<State>> kExpected = {
    {State::delayed, {State::ready, State::cancelled, State::expired}},
    {State::blocked,
     {State::ready, State::delayed, State::skipped, State::cancelled, State::expired}},
    {State::ready, {State::active, State::cancelled, State::expired}},
    {State::active,
     {State::completed, State::failed, State::cancelled, State::expired, State::suspended,
      State::ready, State::delayed}},
    {State::suspended,
     {State::ready, State::delayed, State::failed, State::cancelled, State::expired}},
    {State::completed, {State::ready}},
    {State::failed, {State::ready}},
    {State::cancelled, {State::ready}},
    {State::expired, {State::ready}},
    {State::skipped, {State::ready}},
};

}  // namespace

static_assert(is_legal(State::ready, State::active), "usable at compile time");
static_assert(is_terminal(State::completed) && !is_terminal(State::suspended));

TEST_CASE("of the hundred pairs of states exactly the listed ones are legal") {
  std::size_t legal = 0;
  for (const State from : kStates) {
    for (const State to : kStates) {
      INFO(to_string(from) << " -> " << to_string(to));
      CHECK(is_legal(from, to) == (kExpected.at(from).count(to) == 1));
      legal += is_legal(from, to) ? 1 : 0;
    }
  }
  CHECK(legal == kTransitions.size());
}

TEST_CASE("no state leads to itself, and from the end only a replay leads out") {
  for (const State state : kStates) {
    CHECK_FALSE(is_legal(state, state));
    for (const State to : kStates) {
      if (is_terminal(state)) CHECK(is_legal(state, to) == (to == State::ready));
    }
  }
}

TEST_CASE("every unfinished execution can be cancelled and can expire") {
  for (const State state : kStates) {
    if (is_terminal(state)) continue;
    CHECK(is_legal(state, State::cancelled));
    CHECK(is_legal(state, State::expired));
  }
}

TEST_CASE("the terminal states are the last five") {
  std::set<State> terminal;
  for (const State state : kStates) {
    if (is_terminal(state)) terminal.insert(state);
  }
  CHECK(terminal == std::set<State>{State::completed, State::failed, State::cancelled,
                                    State::expired, State::skipped});
}

TEST_CASE("a submit starts ready, delayed or blocked") {
  CHECK(std::set<State>(kStartStates.begin(), kStartStates.end()) ==
        std::set<State>{State::ready, State::delayed, State::blocked});
}

TEST_CASE("states read back as they print") {
  std::set<std::string_view> words;
  for (const State state : kStates) {
    words.insert(to_string(state));
    const Result<State> parsed = parse_state(to_string(state));
    REQUIRE(parsed);
    CHECK(*parsed == state);
  }
  CHECK(words.size() == 10);
}

TEST_CASE("words that are no state are refused") {
  for (const std::string text : {"", "Ready", "ready ", "done", "waiting"}) {
    const Result<State> parsed = parse_state(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Code::invalid_argument);
    CHECK(parsed.error().reason == "bad_state");
  }
}

TEST_CASE("the standard failure classes are twelve distinct words of the common shape") {
  const std::set<std::string_view> words(failure_class::kStandard.begin(),
                                         failure_class::kStandard.end());
  CHECK(words.size() == 12);
  for (const std::string_view word : words) CHECK(validate_failure_class(word));
  CHECK(failure_class::is_standard("rate_limited"));
  CHECK_FALSE(failure_class::is_standard("card_declined"));
}
