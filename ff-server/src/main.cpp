// ff-server: parse, build, run until a signal.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "app.hpp"
#include "config.hpp"
#include "ff/core/version.hpp"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto outcome = ff::server::parse_config(arguments, ff::server::environment());
  if (outcome.help) {
    fmt::print("{}", ff::server::help_text());
    return 0;
  }
  if (outcome.version) {
    fmt::print("ff-server {}\n", ff::core::version());
    return 0;
  }
  for (const std::string& problem : outcome.problems) fmt::print(stderr, "ff-server: {}\n", problem);
  return outcome.problems.empty() ? ff::server::run_app(outcome.config) : 2;
}
