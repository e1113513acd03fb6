// ffctl: options, then a command.
#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "commands.hpp"
#include "ff/core/version.hpp"

namespace {

using ff::ctl::Settings;

int wrong(const std::string& what) {
  fmt::print(stderr, "ffctl: {}\n", what);
  return ff::ctl::kWrongUse;
}

// What stands in front of the command; returns a sentence about the first mistake.
std::string read_options(std::vector<std::string>& words, Settings& settings) {
  while (!words.empty() && words.front().starts_with("--")) {
    const std::string word = words.front();
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (name != "--server" && name != "--namespace" && name != "--token-file") return name + " is no option";
    words.erase(words.begin());
    if (equals == std::string::npos && words.empty()) return name + " needs a value";
    std::string value = equals == std::string::npos ? words.front() : word.substr(equals + 1);
    if (equals == std::string::npos) words.erase(words.begin());
    if (name == "--server") settings.server = value;
    if (name == "--namespace") settings.ns = value;
    if (name != "--token-file") continue;
    std::ifstream file(value);
    std::string token;
    if (!(file >> token)) return "the file " + value + " holds no token";
    settings.token = ff::core::Secret(std::move(token));
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> words(argv + 1, argv + argc);
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word == "--help" || word == "-h") {
      fmt::print("{}", ff::ctl::help_text());
      return ff::ctl::kDone;
    }
  }
  if (!words.empty() && words.front() == "--version") {
    fmt::print("ffctl {}\n", ff::core::version());
    return ff::ctl::kDone;
  }
  Settings settings;
  if (const char* server = std::getenv("FFCTL_SERVER")) settings.server = server;
  if (const char* token = std::getenv("FFCTL_TOKEN")) settings.token = ff::core::Secret(token);
  const std::string mistake = read_options(words, settings);
  if (!mistake.empty()) return wrong(mistake);
  if (words.empty()) return wrong("a command is missing; ffctl --help lists them");
  return ff::ctl::run_command(settings, words);
}
