#pragma once
// What an error reply of the server says about the command: did it certainly not run, and what helps.

#include <cstdint>
#include <optional>
#include <string_view>

#include "address.hpp"
#include "ff/script/connection.hpp"

namespace ff::script {

enum class ServerAnswer : std::uint8_t {
  moved,        // Another node owns the slot.
  ask,          // This key is already on the node the slot moves to.
  tryagain,     // The keys are on both nodes of a moving slot.
  clusterdown,  // The slot has no owner, or the node knows no majority.
  loading,      // The node reads its data from disk.
  readonly,     // The node is a replica.
  masterdown,   // The node is a replica without its primary.
  busy,         // A script runs for too long.
  maxclients,   // The node takes no more connections.
  noauth,       // This connection has not logged in.
  other,        // Anything else; the command may have run.
};

std::string_view to_string(ServerAnswer answer) noexcept;

// `error` is the text of an error reply, without its '-'. A text that a running script raised is always
// `other`: what the script did before is not known.
ServerAnswer classify(std::string_view error) noexcept;

struct Redirect {
  Slot slot = 0;
  Address target;
};
// "MOVED 3999 10.0.0.1:6381". An empty host means the host that was asked. nullopt: not of this form.
std::optional<Redirect> parse_redirect(std::string_view error, std::string_view asked_host);

}  // namespace ff::script
