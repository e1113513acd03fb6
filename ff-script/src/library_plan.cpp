#include "library_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "ff/script/verbs.gen.hpp"

namespace ff::script {
namespace {

using core::Code;
using core::Error;

// The value behind `name` in a flat list of names and values.
const Reply* member(const Reply& list, std::string_view name) {
  for (std::size_t i = 0; i + 1 < list.elements.size(); i += 2) {
    if (list.elements[i].text == name) return &list.elements[i + 1];
  }
  return nullptr;
}

// "a=…;i=…;r=…;w=…" as its four parts.
std::vector<std::string_view> parts(std::string_view signature) {
  std::vector<std::string_view> found;
  while (true) {
    const auto end = signature.find(';');
    found.push_back(signature.substr(0, end));
    if (end == std::string_view::npos) return found;
    signature.remove_prefix(end + 1);
  }
}

std::string_view info_line(std::string_view info, std::string_view key) {
  std::size_t begin = 0;
  while (begin < info.size()) {
    const auto end = std::min(info.find('\n', begin), info.size());
    auto line = info.substr(begin, end - begin);
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ':') {
      line.remove_prefix(key.size() + 1);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      return line;
    }
    begin = end + 1;
  }
  return {};
}

Error unfit(std::string_view reason, std::string_view name, std::string text) {
  return Error(Code::incompatible, std::string(reason), fmt::format("function {} {}", name, text));
}

// Whether programs built for `caller` can go on with `library`. The error names the function, its reason is `reason`.
core::Result<void> check_functions(const Library& caller, const Library& library, std::string_view reason) {
  for (const auto& [name, wanted] : caller.functions) {
    const auto found = library.functions.find(name);
    if (found == library.functions.end()) return unfit(reason, name, "is missing");
    const auto& has = found->second;
    if (!fits(wanted.signature, has.signature)) {
      return unfit(reason, name, fmt::format("is '{}', its callers need '{}'", has.signature, wanted.signature));
    }
    if (wanted.read_only && !has.read_only) return unfit(reason, name, "may write, its callers call it by FCALL_RO");
  }
  return {};
}

}  // namespace

core::Result<Library> parse_library_list(const Reply& reply) {
  Library stored;
  if (reply.kind != Reply::Kind::array) return Error(Code::corrupt, "bad_reply", "FUNCTION LIST is not a list");
  if (reply.elements.empty()) return stored;
  const Reply& library = reply.elements.front();
  const Reply* code = member(library, "library_code");
  const Reply* functions = member(library, "functions");
  if (!code || !functions) return Error(Code::corrupt, "bad_reply", "FUNCTION LIST lacks code or functions");
  stored.present = true;
  stored.code = code->text;
  for (const auto& function : functions->elements) {
    const Reply* name = member(function, "name");
    const Reply* description = member(function, "description");
    const Reply* flags = member(function, "flags");
    if (!name || !description || !flags) return Error(Code::corrupt, "bad_reply", "FUNCTION LIST lacks a function");
    auto& known = stored.functions[name->text];
    known.signature = description->text;
    for (const auto& flag : flags->elements) known.read_only = known.read_only || flag.text == "no-writes";
  }
  return stored;
}

Library own_library(std::string_view source) {
  Library own;
  own.present = true;
  own.code = source;
  for (const auto& verb : verbs()) {
    auto& function = own.functions[std::string(verb.function)];
    function.signature = verb.signature;
    function.read_only = verb.read_only;
  }
  return own;
}

bool fits(std::string_view own, std::string_view stored) {
  if (own == stored) return true;
  const auto a = parts(own), b = parts(stored);
  if (a.size() != 4 || b.size() != 4 || a[0] != b[0] || a[1] != b[1] || a[3] != b[3] || a[3] != "w=") return false;
  return b[2].starts_with(a[2]) && (a[2] == "r=" || b[2].size() == a[2].size() || b[2][a[2].size()] == ',');
}

std::int64_t library_version(std::string_view source) {
  constexpr std::string_view kMark = "\n  version = ";
  const auto at = source.find(kMark);
  std::int64_t version = 0;
  if (at != std::string_view::npos) {
    const char* begin = source.data() + at + kMark.size();
    std::from_chars(begin, source.data() + source.size(), version);
  }
  return version;
}

LibraryState compare_library(const Library& stored, std::string_view own_source) {
  if (!stored.present) return LibraryState::missing;
  if (stored.code == own_source) return LibraryState::current;
  const auto theirs = library_version(stored.code), ours = library_version(own_source);
  if (theirs < ours) return LibraryState::older;
  return theirs > ours ? LibraryState::newer : LibraryState::differs;
}

core::Result<LibraryPlan> plan_library(const std::vector<Library>& stored, std::string_view own_source) {
  const Library own = own_library(own_source);
  const Library* newest = &own;
  for (const auto& library : stored) {
    if (compare_library(library, newest->code) == LibraryState::newer) newest = &library;
  }
  LibraryPlan plan;
  for (const auto& library : stored) {
    const auto state = compare_library(library, newest->code);
    if (state == LibraryState::differs) {
      return Error(Code::incompatible, "library_differs",
                   fmt::format("library ff1 version {} is loaded with other code than this program, or another node, "
                               "has under the same version; it was not replaced",
                               library_version(library.code)));
    }
    if (state == LibraryState::current) {
      auto usable = check_functions(own, library, "signature");
      if (!usable) return std::move(usable).error();
    }
    if (state == LibraryState::older) {
      auto kept = check_functions(library, *newest, "library_breaks");
      if (!kept) return std::move(kept).error();
      plan.replace = true;
    }
    plan.load = plan.load || state != LibraryState::current;
  }
  if (plan.load) plan.code = newest->code;
  return plan;
}

core::Result<std::string> check_server_info(std::string_view info) {
  const auto name = info_line(info, "server_name");
  if (name != "valkey") {
    const auto version = info_line(info, "redis_version");
    std::string what = "not to be told from INFO";
    if (!version.empty()) what = fmt::format("{} {}", name.empty() ? "Redis" : name, version);
    return Error(Code::incompatible, "not_valkey",
                 fmt::format("the server is {}; FlowFabric needs Valkey 7.2 or newer", what));
  }
  auto version = info_line(info, "valkey_version");
  if (version.empty()) version = info_line(info, "redis_version");
  int major = 0, minor = 0;
  const char* end = version.data() + version.size();
  const auto dot = std::from_chars(version.data(), end, major).ptr;
  if (dot < end) std::from_chars(dot + 1, end, minor);
  if (major < 7 || (major == 7 && minor < 2)) {
    return Error(Code::incompatible, "valkey_too_old",
                 fmt::format("the server is Valkey {}; FlowFabric needs 7.2 or newer", version));
  }
  return std::string(version);
}

}  // namespace ff::script
