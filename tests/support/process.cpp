#include "support/process.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <functional>
#include <future>
#include <mutex>
#include <queue>
#include <stdexcept>
#include <thread>

#include "support/wait.hpp"

extern char** environ;

namespace ff::test {
namespace {

// PR_SET_PDEATHSIG fires when the *thread* that forked ends. So every child is forked by one thread that never ends
// before the process does; a test may then start servers from short-lived threads.
class Forker {
 public:
  static Forker& instance() {
    static auto* one = new Forker;  // Never destroyed: its thread outlives main's statics.
    return *one;
  }
  pid_t run(std::function<pid_t()> fork_one) {
    std::packaged_task<pid_t()> task(std::move(fork_one));
    auto result = task.get_future();
    {
      std::lock_guard lock(mutex_);
      tasks_.push(std::move(task));
    }
    wake_.notify_one();
    return result.get();
  }

 private:
  Forker() {
    std::thread([this] { loop(); }).detach();
  }
  [[noreturn]] void loop() {
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !tasks_.empty(); });
      auto task = std::move(tasks_.front());
      tasks_.pop();
      lock.unlock();
      task();
    }
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  std::queue<std::packaged_task<pid_t()>> tasks_;
};

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (auto& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& extra) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string text = *entry;
    bool replaced = false;
    for (const auto& [name, value] : extra) replaced = replaced || text.rfind(name + "=", 0) == 0;
    if (!replaced) result.push_back(std::move(text));
  }
  for (const auto& [name, value] : extra) result.push_back(name + "=" + value);
  return result;
}

// Only calls that are safe between fork and exec in a program with threads.
[[noreturn]] void become(char* const* argv, char* const* env, const char* directory, int output, int failure,
                         pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // It died before the line above.
  ::setpgid(0, 0);  // Ctrl-C reaches the test, which decides about its children.
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, STDIN_FILENO);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (directory[0] == '\0' || ::chdir(directory) == 0) ::execvpe(argv[0], argv, env);
  int reason = errno;
  (void)!::write(failure, &reason, sizeof reason);
  ::_exit(127);
}

}  // namespace

std::string ExitStatus::to_string() const {
  if (signal != 0) return "killed by signal " + std::to_string(signal);
  return "exit code " + std::to_string(code);
}

Process::Process(std::vector<std::string> argv, ProcessOptions options) : name_(argv.at(0)) {
  output_fd_ = ::memfd_create("output", MFD_CLOEXEC);
  int failure[2];
  if (output_fd_ < 0 || ::pipe2(failure, O_CLOEXEC) != 0) throw std::runtime_error("no file descriptors for a child");
  ::fcntl(output_fd_, F_SETFL, O_APPEND);
  auto env_words = environment_with(options.environment);
  auto argv_pointers = pointers(argv);
  auto env_pointers = pointers(env_words);
  pid_t self = ::getpid();
  const char* directory = options.working_directory.c_str();
  pid_ = Forker::instance().run([&] {
    pid_t pid = ::fork();
    if (pid == 0) become(argv_pointers.data(), env_pointers.data(), directory, output_fd_, failure[1], self);
    return pid;
  });
  ::close(failure[1]);
  int reason = 0;
  bool failed = pid_ < 0 || ::read(failure[0], &reason, sizeof reason) == sizeof reason;
  ::close(failure[0]);
  if (failed) {
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    ::close(output_fd_);
    throw std::runtime_error("cannot start " + name_ + ": " + std::strerror(reason != 0 ? reason : errno));
  }
}

Process::~Process() {
  if (pid_ > 0) kill9();
  if (output_fd_ >= 0) ::close(output_fd_);
}

Process::Process(Process&& other) noexcept
    : name_(std::move(other.name_)),
      pid_(std::exchange(other.pid_, -1)),
      output_fd_(std::exchange(other.output_fd_, -1)),
      status_(other.status_) {}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(name_, other.name_);
  std::swap(pid_, other.pid_);
  std::swap(output_fd_, other.output_fd_);
  std::swap(status_, other.status_);
  return *this;
}

// True once the child has ended; its status is then known.
bool Process::reap(int flags) {
  if (status_) return true;
  int raw = 0;
  pid_t got;
  do got = ::waitpid(pid_, &raw, flags);
  while (got < 0 && errno == EINTR);
  if (got == 0 || (got == pid_ && WIFSTOPPED(raw))) return false;
  status_.emplace();
  if (got == pid_ && WIFSIGNALED(raw)) status_->signal = WTERMSIG(raw);
  if (got == pid_ && WIFEXITED(raw)) status_->code = WEXITSTATUS(raw);
  return true;
}

bool Process::running() { return !reap(WNOHANG); }

void Process::signal(int number) {
  if (running()) ::kill(pid_, number);
}

void Process::freeze() {
  signal(SIGSTOP);
  reap(WUNTRACED);
}

void Process::thaw() { signal(SIGCONT); }

std::optional<ExitStatus> Process::wait(Duration limit) {
  wait_until([this] { return !running(); }, limit);
  return status_;
}

ExitStatus Process::end(Duration grace) {
  if (grace > Duration(0)) {
    signal(SIGTERM);
    wait(grace);
  }
  if (!status_) {
    ::kill(pid_, SIGKILL);
    reap(0);
  }
  return *status_;
}

std::string Process::output() const {
  std::string text;
  char part[16384];
  for (;;) {
    ssize_t got = ::pread(output_fd_, part, sizeof part, static_cast<off_t>(text.size()));
    if (got <= 0) return text;
    text.append(part, static_cast<std::size_t>(got));
  }
}

bool Process::wait_for_output(const std::string& text, Duration limit) {
  bool ended = false;
  auto seen = [&] { return output().find(text) != std::string::npos; };
  wait_until([&] { return seen() || (ended = !running()); }, limit);
  return seen();
}

std::string run_program(std::vector<std::string> argv, Process::Duration limit) {
  std::string name = argv.at(0);
  Process process(std::move(argv));
  auto status = process.wait(limit);
  if (!status) throw std::runtime_error(name + " has not ended in time; its output: " + process.output());
  if (!status->ok()) throw std::runtime_error(name + ": " + status->to_string() + "; its output: " + process.output());
  return process.output();
}

}  // namespace ff::test
