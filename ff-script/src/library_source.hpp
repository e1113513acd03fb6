#pragma once
// The Lua library this build speaks to, as text; made from lua/ at configure time.

#include <string_view>

namespace ff::script {
extern const std::string_view kLibrarySource;
}  // namespace ff::script
