#include "git.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

extern char** environ;

namespace approval {
namespace {

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> chunk{};
  for (;;) {
    const auto count = ::read(fd, chunk.data(), chunk.size());
    if (count > 0) text.append(chunk.data(), static_cast<std::size_t>(count));
    else if (count == 0 || errno != EINTR) return text;
  }
}

}  // namespace

std::optional<std::string> git(const std::string& repository, const std::vector<std::string>& words) {
  std::vector<std::string> all = {"git", "-C", repository, "--no-pager"};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (auto& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return std::nullopt;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, "git", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  std::string output = failed == 0 ? read_all(pipe[0]) : std::string();
  ::close(pipe[0]);
  int status = -1;
  if (failed != 0 || ::waitpid(pid, &status, 0) != pid || status != 0) return std::nullopt;
  if (output.ends_with('\n')) output.pop_back();
  return output;
}

std::optional<Change> describe_change(const std::string& repository, const std::string& range) {
  if (range.empty() || range.front() == '-') return std::nullopt;  // Never an option of git's.
  const auto commit = git(repository, {"log", "-1", "--format=%H", range, "--"});
  const auto author = git(repository, {"log", "-1", "--format=%ae", range, "--"});
  const auto commits = git(repository, {"log", "--format=%h %an: %s", "--max-count=50", range, "--"});
  const auto files = git(repository, {"diff", "--stat=100", "--stat-count=50", range, "--"});
  if (!commit || !author || !commits || !files || commit->empty()) return std::nullopt;
  return Change{*commit, *author, *commits + "\n\n" + *files};
}

}  // namespace approval
