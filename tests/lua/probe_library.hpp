#pragma once
// The product's library under a name of its own, with functions beside its verbs that show what is inside.

#include <string>

#include "lua/fixture.hpp"

namespace ff::test {

// `more` is Lua that follows the bundle in the same chunk: it sees `ff`. It registers functions by
// ff.probe(name, body), with names that begin with "probe_".
inline std::string probe_library(const std::string& more) {
  std::string source = LuaFixture::product_library();
  const auto replace = [&source](const std::string& from, const std::string& to) {
    const auto at = source.find(from);
    if (at == std::string::npos) throw std::runtime_error("the library has no " + from);
    source.replace(at, from.size(), to);
  };
  replace("#!lua name=ff1\n", "#!lua name=probe\n");
  replace("prefix = \"ff1_\"", "prefix = \"probe_\"");
  source += "function ff.probe(name, body)\n"
            "  redis.register_function(name, function(...) ff.find_globals() return body(...) end)\n"
            "end\n";
  return source + more;
}

}  // namespace ff::test
