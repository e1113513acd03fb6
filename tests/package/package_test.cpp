// Installs this build, builds the consumer project against it, and runs that on a Valkey of its own.
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <filesystem>
#include <string>

#include "support/process.hpp"
#include "support/temp_dir.hpp"
#include "support/valkey_server.hpp"

using namespace ff::test;
using namespace std::chrono_literals;

namespace {

const std::string kCmake = FF_PACKAGE_CMAKE;

void install(const std::string& prefix) {
  run_program({kCmake, "--install", FF_PACKAGE_BUILD, "--component", "sdk", "--prefix", prefix});
}

// Static libraries that were built with a sanitizer need it in the program, too.
void configure(const std::string& prefix, const std::string& build) {
  const std::string sanitize = FF_PACKAGE_SANITIZE;
  const std::string flags = sanitize.empty() ? "" : "-fsanitize=" + sanitize;
  run_program({kCmake, "-S", FF_PACKAGE_CONSUMER, "-B", build, "-G", FF_PACKAGE_GENERATOR,
               "-DCMAKE_PREFIX_PATH=" + prefix, "-DCMAKE_CXX_COMPILER=" FF_PACKAGE_CXX, "-DCMAKE_CXX_FLAGS=" + flags});
}

}  // namespace

TEST_CASE("a project that finds the installed package builds with it and runs") {
  TempDir directory;
  const std::string prefix = directory.file("prefix"), build = directory.file("build");
  install(prefix);
  configure(prefix, build);
  run_program({kCmake, "--build", build}, 240s);

  ValkeyServer server;
  Process consumer({build + "/consumer", std::to_string(server.port())});

  const auto status = consumer.wait(30s);
  INFO(consumer.output());
  REQUIRE(status.has_value());
  CHECK(status->ok());
  CHECK(consumer.output().find("ended as cancelled: by the consumer\n") != std::string::npos);
}

TEST_CASE("what is installed is the package and nothing else") {
  TempDir directory;
  install(directory.file("prefix"));

  for (const char* module : {"core", "script", "scheduler", "engine", "sdk"}) {
    INFO(module);
    CHECK(std::filesystem::is_directory(directory.path() / "prefix/include/ff" / module));
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path() / "prefix")) {
    if (!entry.is_regular_file()) continue;
    INFO(entry.path().string());
    const std::string ending = entry.path().extension().string();
    CHECK((ending == ".hpp" || ending == ".a" || ending == ".cmake"));
  }
}
