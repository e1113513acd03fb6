#pragma once
// The time in tests of tokens and of their keys.

#include "ff/core/time.hpp"

inline constexpr ff::core::TimestampMs kNow = 1764137000000;
