#pragma once
// What to do about the library a node has: a decision, without I/O.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/result.hpp"
#include "ff/script/reply.hpp"

namespace ff::script {

struct LibraryFunction {
  std::string signature;
  bool read_only = false;  // Can be called by FCALL_RO.
  LibraryFunction() = default;
};

// A library: one of a node, as FUNCTION LIST LIBRARYNAME … WITHCODE tells, or this program's own.
struct Library {
  bool present = false;
  std::string code;
  std::map<std::string, LibraryFunction, std::less<>> functions;
  Library() = default;
};
// Error: corrupt/"bad_reply".
core::Result<Library> parse_library_list(const Reply& reply);
// `source` with the functions this program was compiled for.
Library own_library(std::string_view source);

enum class LibraryState { missing, older, current, differs, newer };
LibraryState compare_library(const Library& stored, std::string_view own_source);

// `version = N` of a library's text; 0 when there is none.
std::int64_t library_version(std::string_view source);

// Whether a caller that was built for the signature `own` can use a function with the signature `stored`: the same, or
// more answer fields at the end of a verb without rows.
bool fits(std::string_view own, std::string_view stored);

// What to load on every primary.
struct LibraryPlan {
  bool load = false;
  bool replace = false;  // Some primary has an older one.
  std::string code;      // The newest known: this program's own, or a newer one that some primary has.
  LibraryPlan() = default;
};

// `stored`: one of each primary. A version never goes back on any of them.
// Errors, all incompatible: "library_differs": two codes under one version; "signature": a newer library lacks a
// function of this program's, or has it in a form that does not fit; "library_breaks": the same between an older
// library, which running programs use, and the one that would replace it.
core::Result<LibraryPlan> plan_library(const std::vector<Library>& stored, std::string_view own_source);

// Valkey 7.2 or newer, by INFO server. Answers the version. Errors: incompatible/"not_valkey", "valkey_too_old".
core::Result<std::string> check_server_info(std::string_view info);

}  // namespace ff::script
