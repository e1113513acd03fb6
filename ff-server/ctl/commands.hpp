#pragma once
// The commands of ffctl, as one table. Each translates words into one request and prints the answer.

#include <string>
#include <string_view>
#include <vector>

#include "ff/core/result.hpp"
#include "ff/core/secret.hpp"

namespace ff::ctl {

// Exit codes, for scripts.
inline constexpr int kDone = 0, kRefused = 1, kWrongUse = 2, kNoAnswer = 3, kOtherEnd = 4, kTimeOver = 5;

struct Settings {
  std::string server = "http://127.0.0.1:9090";
  std::string ns;        // Empty: the server's default.
  core::Secret token;    // Of the caller; empty: none is sent.
  Settings() = default;
};

std::string help_text();

// Runs what `words` say; prints the answer on standard output and what went wrong on standard error.
int run_command(const Settings& settings, const std::vector<std::string>& words);

}  // namespace ff::ctl
