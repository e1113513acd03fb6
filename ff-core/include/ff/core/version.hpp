#pragma once
// The version of this product, from project(VERSION) in CMakeLists.txt.

#include <string_view>

namespace ff::core {

// "<major>.<minor>.<patch>". Thread-safe.
std::string_view version() noexcept;

}  // namespace ff::core
