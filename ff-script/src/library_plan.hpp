#pragma once
// What to do about the library a node has: a decision, without I/O.

#include <map>
#include <string>
#include <string_view>

#include "ff/core/result.hpp"
#include "ff/script/reply.hpp"

namespace ff::script {

// The library of a node as FUNCTION LIST LIBRARYNAME … WITHCODE tells.
struct StoredLibrary {
  bool present = false;
  std::string code;
  std::map<std::string, std::string> signatures;  // By function name.
  StoredLibrary() = default;
};
core::Result<StoredLibrary> parse_library_list(const Reply& reply);

enum class LibraryState { missing, older, current, differs, newer };
LibraryState compare_library(const StoredLibrary& stored, std::string_view own_source);

// `version = N` of a library's text; 0 when there is none.
std::int64_t library_version(std::string_view source);

// Whether a caller compiled with the declared signatures can use a node's library. A newer one may have more answer
// fields at the end of a verb without rows. Error: incompatible/"signature", naming the function.
core::Result<void> check_signatures(const StoredLibrary& stored);

// Valkey 7.2 or newer, by INFO server. Answers the version. Errors: incompatible/"not_valkey", "valkey_too_old".
core::Result<std::string> check_server_info(std::string_view info);

}  // namespace ff::script
