#include "server_answer.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace ff::script {
namespace {

constexpr std::array<std::pair<std::string_view, ServerAnswer>, 9> kWords{{
    {"MOVED", ServerAnswer::moved},
    {"ASK", ServerAnswer::ask},
    {"TRYAGAIN", ServerAnswer::tryagain},
    {"CLUSTERDOWN", ServerAnswer::clusterdown},
    {"LOADING", ServerAnswer::loading},
    {"READONLY", ServerAnswer::readonly},
    {"MASTERDOWN", ServerAnswer::masterdown},
    {"BUSY", ServerAnswer::busy},
    {"NOAUTH", ServerAnswer::noauth},
}};

template <class Number>
std::optional<Number> parse_number(std::string_view text, Number max) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value > max) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::string_view to_string(ServerAnswer answer) noexcept {
  switch (answer) {
    case ServerAnswer::moved: return "moved";
    case ServerAnswer::ask: return "ask";
    case ServerAnswer::tryagain: return "tryagain";
    case ServerAnswer::clusterdown: return "clusterdown";
    case ServerAnswer::loading: return "loading";
    case ServerAnswer::readonly: return "readonly";
    case ServerAnswer::masterdown: return "masterdown";
    case ServerAnswer::busy: return "busy";
    case ServerAnswer::maxclients: return "maxclients";
    case ServerAnswer::noauth: return "auth";
    case ServerAnswer::other: return "other";
  }
  return "other";
}

ServerAnswer classify(std::string_view error) noexcept {
  if (error.find(" script: ") != std::string_view::npos) return ServerAnswer::other;
  if (error.starts_with("ERR max number of clients")) return ServerAnswer::maxclients;
  const std::string_view word = error.substr(0, error.find(' '));
  for (const auto& [known, answer] : kWords) {
    if (word == known) return answer;
  }
  return ServerAnswer::other;
}

std::optional<Redirect> parse_redirect(std::string_view error, std::string_view asked_host) {
  const auto first = error.find(' ');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = error.find(' ', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto slot = parse_number<Slot>(error.substr(first + 1, second - first - 1), 16383);
  const std::string_view endpoint = error.substr(second + 1);
  const auto colon = endpoint.rfind(':');  // An IPv6 address has more of them.
  if (!slot || colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number<std::uint16_t>(endpoint.substr(colon + 1), 65535);
  if (!port || *port == 0) return std::nullopt;
  std::string_view host = endpoint.substr(0, colon);
  if (host.empty() || host == "?") host = asked_host;
  Redirect redirect;
  redirect.slot = *slot;
  redirect.target = Address(std::string(host), *port);
  return redirect;
}

}  // namespace ff::script
