#include "ff/core/state.hpp"

#include "ff/core/text.hpp"

namespace ff::core {

std::string_view to_string(State state) noexcept {
  switch (state) {
    case State::delayed:
      return "delayed";
    case State::blocked:
      return "blocked";
    case State::ready:
      return "ready";
    case State::active:
      return "active";
    case State::suspended:
      return "suspended";
    case State::completed:
      return "completed";
    case State::failed:
      return "failed";
    case State::cancelled:
      return "cancelled";
    case State::expired:
      return "expired";
    case State::skipped:
      return "skipped";
  }
  return "unknown";
}

Result<State> parse_state(std::string_view text) {
  for (const State state : kStates) {
    if (to_string(state) == text) return state;
  }
  return Error(Code::invalid_argument, "bad_state",
               "state is " + shown(text) +
                   ", must be delayed, blocked, ready, active, suspended, completed, failed, "
                   "cancelled, expired or skipped");
}

}  // namespace ff::core
