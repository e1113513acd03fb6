// The main job's programs: right over names of any bytes, and not to be fooled by a worker that errs.

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "integration/worker_fixture.hpp"
#include "support/temp_dir.hpp"

using namespace ff;
using namespace ff::test;
namespace fs = std::filesystem;

namespace {

void put(const fs::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  REQUIRE(file.good());
}

Process submit_files(const ValkeyServer& server, const fs::path& folder, const std::string& halfway = "") {
  std::vector<std::string> words = {FF_FILE_SUBMIT, server.unix_socket(), folder.native()};
  if (!halfway.empty()) words.push_back(halfway);
  return Process(words);
}

Process start_worker(const ValkeyServer& server) {
  Process worker({FF_FILE_WORKER, server.unix_socket()});
  REQUIRE(worker.wait_for_output("working as", 10s));
  return worker;
}

}  // namespace

TEST_CASE("every file of any name is examined once, though a worker is killed halfway") {
  ValkeyServer server;
  TempDir folder, scratch;
  const fs::path root = folder.path();
  const std::vector<std::string> names = {"plain",     "two words", "new\nline", "not\xff\xfeutf8",
                                          "quote'\"$`", "-dash",     "back\\slash"};
  for (const auto& name : names) put(root / name, "content of " + name);
  fs::create_directory(root / "deep\n er");
  put(root / "deep\n er" / "empty", "");
  put(root / "large", std::string(3'000'000, 'x') + "\n");
  fs::create_symlink("plain", root / "link");
  for (int i = 0; i < 2000; ++i) {
    put(root / ("file" + std::to_string(i)), std::string(20'000, static_cast<char>('a' + i % 26)));
  }

  auto killed = start_worker(server), worker = start_worker(server);
  auto job = submit_files(server, root, scratch.file("halfway"));
  REQUIRE(wait_until([&] { return fs::exists(scratch.file("halfway")); }, 60s));
  killed.kill9();
  const auto status = job.wait(60s);

  INFO(job.output());
  REQUIRE(status.has_value());
  CHECK(status->ok());
  CHECK(job.output().find("2,009 of 2,009 equal to sha256sum's") != std::string::npos);
  worker.signal(SIGTERM);
  const auto drained = worker.wait(10s);
  INFO(worker.output());
  REQUIRE(drained.has_value());
  CHECK(drained->ok());
  CHECK(worker.output().find("drained: ") != std::string::npos);
}

TEST_CASE("a result that is wrong, and an execution that failed for no reason, are told from good ones") {
  SetupOptions options;
  options.prefix = "ff";
  WorkerSetup setup(options, the_server());
  TempDir folder;
  for (const std::string name : {"good", "lied", "failed"}) put(folder.path() / name, name);
  auto wanted = worker_options();
  wanted.lanes = {"files"};
  const std::string digest_of_good = "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c";
  auto worker = setup.worker(wanted, [&](sdk::Worker& w) {
    w.handle("examine_file", [&](sdk::Task& task) -> sdk::HandlerResult {
      if (task.payload().bytes.ends_with("failed")) return sdk::Failure(core::failure_class::kPermission, "no reason");
      return core::Payload(digest_of_good + " 4 0 12", "text/plain");
    });
  });

  auto job = submit_files(the_server(), folder.path());
  REQUIRE(setup.until([&] { return !job.running(); }, 60s));

  const auto output = job.output();
  INFO(output);
  CHECK(job.wait(1s) == ExitStatus{1, 0});
  CHECK(output.find("WRONG: another digest than sha256sum's: " + folder.file("lied")) != std::string::npos);
  CHECK(output.find("WRONG: not completed, though sha256sum can read it: permission: " + folder.file("failed")) !=
        std::string::npos);
  CHECK(output.find(folder.file("good") + " (") == std::string::npos);
  CHECK(output.find("1 of 2 equal to sha256sum's") != std::string::npos);
}

TEST_CASE("wrong arguments and a Valkey that is not there are said so") {
  TempDir folder;
  const auto code = [](std::vector<std::string> words) {
    Process process(std::move(words));
    return process.wait(60s).value().code;
  };

  CHECK(code({FF_FILE_WORKER}) == 2);
  CHECK(code({FF_FILE_WORKER, "nowhere"}) == 2);
  CHECK(code({FF_FILE_SUBMIT, "localhost:0", folder.path().native()}) == 2);
  CHECK(code({FF_FILE_SUBMIT, "localhost:1", folder.file("missing")}) == 2);
}
