#pragma once
// Process: a child program whose output is captured, and which dies with this process however this process ends.

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ff::test {

struct ProcessOptions {
  std::vector<std::pair<std::string, std::string>> environment;  // Set in addition to our own environment.
  std::string working_directory;                                 // Empty: ours.
  ProcessOptions() = default;
};

struct ExitStatus {
  int code = 0;    // Exit code; 0 when a signal ended it.
  int signal = 0;  // 0: it exited by itself.
  bool ok() const noexcept { return code == 0 && signal == 0; }
  std::string to_string() const;
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

class Process {
 public:
  using Duration = std::chrono::milliseconds;

  // Starts argv[0], looked up in PATH. Throws std::runtime_error when the program cannot be executed.
  explicit Process(std::vector<std::string> argv, ProcessOptions options = ProcessOptions());
  // Kills it (SIGKILL) and reaps it.
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const noexcept { return pid_; }
  bool running();

  void signal(int number);  // No-op once it has ended.
  void kill9() { end(Duration(0)); }
  void freeze();  // SIGSTOP, returns when it is stopped.
  void thaw();    // SIGCONT
  // Waits for the end. nullopt: still running after `limit`.
  std::optional<ExitStatus> wait(Duration limit);
  // SIGTERM, and SIGKILL when it has not ended after `grace`. A grace of 0 is SIGKILL at once.
  ExitStatus end(Duration grace = Duration(10'000));

  // Standard output and error as written so far, in order.
  std::string output() const;
  // True as soon as `output()` contains `text`; false after `limit` or when it ended without.
  bool wait_for_output(const std::string& text, Duration limit);

 private:
  bool reap(int flags);

  std::string name_;
  pid_t pid_ = -1;
  int output_fd_ = -1;
  std::optional<ExitStatus> status_;
};

// Runs a program to its end and returns its output. Throws with that output when it fails or exceeds `limit`.
std::string run_program(std::vector<std::string> argv, Process::Duration limit = Process::Duration(60'000));

}  // namespace ff::test
