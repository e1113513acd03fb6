#include "callers.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

#include "ff/core/names.hpp"
#include "ff/core/text.hpp"

namespace ff::server {
namespace {

using core::Error;

constexpr std::array<std::pair<std::string_view, std::uint8_t>, 5> kRoles = {{
    {"submit", kSubmit}, {"work", kWork}, {"signal", kSignal}, {"operate", kOperate}, {"admin", kAdmin}}};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::optional<std::uint8_t> role_of(std::string_view word) {
  for (const auto& [name, role] : kRoles) {
    if (name == word) return role;
  }
  return std::nullopt;
}

// What is wrong with a line, empty: nothing.
std::string read_line(const std::vector<std::string_view>& words, Caller& caller, core::Sha256& token) {
  if (words.size() != 4)
    return "has " + std::to_string(words.size()) + " words, must have name, roles, namespaces, sha256";
  if (auto good = core::validate_worker(words[0], "the name"); !good) return good.error().message;
  caller.name = std::string(words[0]);
  caller.roles = 0;
  for (const std::string_view word : split(words[1], ',')) {
    const auto role = role_of(word);
    if (!role) return "names the role " + core::shown(word) + "; there are submit, work, signal, operate and admin";
    caller.roles |= *role;
  }
  for (const std::string_view ns : split(words[2], ',')) {
    if (words[2] == "*") break;
    if (auto good = core::validate_namespace(ns); !good) return good.error().message;
    caller.namespaces.emplace_back(ns);
  }
  const auto digest = core::parse_sha256(words[3]);
  if (!digest) return "ends in what is no SHA-256 of 64 lower case hex digits";
  token = *digest;
  return {};
}

}  // namespace

std::string roles_text(std::uint8_t roles) {
  std::string text;
  for (const auto& [name, role] : kRoles) {
    if ((roles & role) != 0) text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text;
}

bool Caller::may_enter(std::string_view ns) const {
  return namespaces.empty() || std::find(namespaces.begin(), namespaces.end(), ns) != namespaces.end();
}

core::Result<Callers> Callers::parse(std::string_view text) {
  Callers callers;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const auto words = split(line, ' ');
    if (words.empty() || words[0].starts_with('#')) continue;
    Caller caller;
    core::Sha256 token{};
    const std::string wrong = read_line(words, caller, token);
    if (!wrong.empty())
      return Error(core::Code::invalid_argument, "bad_callers", "line " + std::to_string(number) + " " + wrong);
    callers.add(std::move(caller), token);
  }
  if (callers.empty()) return Error(core::Code::invalid_argument, "bad_callers", "there is no caller in it");
  return callers;
}

void Callers::add(Caller caller, const core::Sha256& token) {
  entries_.push_back(Entry{std::move(caller), token});
}

const Caller* Callers::find(std::string_view token) const {
  const core::Sha256 digest = core::sha256(token);
  const Caller* found = nullptr;
  for (const Entry& entry : entries_) {
    if (CRYPTO_memcmp(entry.token.data(), digest.data(), digest.size()) == 0) found = &entry.caller;
  }
  return found;
}

}  // namespace ff::server
