#pragma once
// The states of an execution and the legal steps between them, as data. Lua's table
// (lua/prelude/state.lua) is the one that rules; a test holds the two equal.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "ff/core/result.hpp"

namespace ff::core {

// Enumerators are spelled as on the wire.
enum class State : std::uint8_t {
  delayed,    // Waits for its start or retry time.
  blocked,    // Waits for other executions.
  ready,      // Waits for a worker, in its queue.
  active,     // A worker holds its lease.
  suspended,  // Gave up its lease and waits for a signal.
  completed,  // Ended with a result.
  failed,     // Ended with a failure that is not retried.
  cancelled,  // Ended by request.
  expired,    // Ended by its deadline.
  skipped,    // Never to run: what it waited for did not end as needed.
};

inline constexpr std::array kStates = {
    State::delayed,   State::blocked, State::ready,     State::active,  State::suspended,
    State::completed, State::failed,  State::cancelled, State::expired, State::skipped};

// The states a submit may begin with.
inline constexpr std::array kStartStates = {State::ready, State::delayed, State::blocked};

// Whether the execution has ended; only a replay leads out.
constexpr bool is_terminal(State state) noexcept {
  return state >= State::completed;
}

std::string_view to_string(State state) noexcept;
// Error: invalid_argument/bad_state.
Result<State> parse_state(std::string_view text);

struct Transition {
  State from;
  State to;
  constexpr Transition(State f, State t) noexcept : from(f), to(t) {}
  friend constexpr bool operator==(const Transition&, const Transition&) = default;
};

inline constexpr std::array kTransitions = {
    Transition(State::delayed, State::ready),        // its time has come
    Transition(State::delayed, State::cancelled),    //
    Transition(State::delayed, State::expired),      //
    Transition(State::blocked, State::ready),        // what it waited for has ended as needed
    Transition(State::blocked, State::delayed),      // the same, with a start time ahead
    Transition(State::blocked, State::skipped),      // what it waited for will never end as needed
    Transition(State::blocked, State::cancelled),    //
    Transition(State::blocked, State::expired),      //
    Transition(State::ready, State::active),         // claimed
    Transition(State::ready, State::cancelled),      //
    Transition(State::ready, State::expired),        //
    Transition(State::active, State::completed),     //
    Transition(State::active, State::failed),        //
    Transition(State::active, State::cancelled),     //
    Transition(State::active, State::expired),       //
    Transition(State::active, State::suspended),     //
    Transition(State::active, State::ready),         // given back, or its lease ran out
    Transition(State::active, State::delayed),       // waits for its retry
    Transition(State::suspended, State::ready),      // resumed
    Transition(State::suspended, State::delayed),    // its timeout retries it
    Transition(State::suspended, State::failed),     // its timeout fails it
    Transition(State::suspended, State::cancelled),  //
    Transition(State::suspended, State::expired),    //
    Transition(State::completed, State::ready),      // replay, here and below
    Transition(State::failed, State::ready),         //
    Transition(State::cancelled, State::ready),      //
    Transition(State::expired, State::ready),        //
    Transition(State::skipped, State::ready),        //
};

constexpr bool is_legal(State from, State to) noexcept {
  return std::find(kTransitions.begin(), kTransitions.end(), Transition(from, to)) !=
         kTransitions.end();
}

}  // namespace ff::core
