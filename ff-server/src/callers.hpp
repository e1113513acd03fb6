#pragma once
// Callers: who may call the public API, by the bearer token he brings. Tokens are known by their SHA-256 only.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/result.hpp"
#include "ff/core/secret.hpp"
#include "ff/core/sha256.hpp"

namespace ff::server {

// Bits, so that a route can name several.
enum Role : std::uint8_t { kSubmit = 1, kWork = 2, kSignal = 4, kOperate = 8, kAdmin = 16, kEveryRole = 31 };
// "submit, operate"
std::string roles_text(std::uint8_t roles);

struct Caller {
  std::string name;                     // The source of his signals.
  std::uint8_t roles = kEveryRole;      // kAdmin stands for all.
  std::vector<std::string> namespaces;  // Empty: all.
  Caller() = default;
  explicit Caller(std::string n) : name(std::move(n)) {}

  bool has_one_of(std::uint8_t any) const noexcept { return (roles & (any | kAdmin)) != 0; }
  bool may_enter(std::string_view ns) const;
};

// Thread safety: immutable once it serves.
class Callers {
 public:
  Callers() = default;
  // One caller a line: "<name> <role>[,<role>...] <namespace>[,<namespace>...] <sha256 of the token, hex>"; the roles
  // are submit, work, signal, operate and admin, "*" stands for every namespace. Empty lines and those that begin with
  // '#' are skipped. Error: invalid_argument/bad_callers with the line.
  static core::Result<Callers> parse(std::string_view text);

  void add(Caller caller, const core::Sha256& token);
  bool empty() const noexcept { return entries_.empty(); }
  // Null: nobody's token. Takes the same time whoever it is.
  const Caller* find(std::string_view token) const;

 private:
  struct Entry {
    Caller caller;
    core::Sha256 token;
  };
  std::vector<Entry> entries_;
};

}  // namespace ff::server
