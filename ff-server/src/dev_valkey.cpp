#include "dev_valkey.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace ff::server {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using core::Code;
using core::Error;
using core::Millis;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kSocketPathMax = sizeof(sockaddr_un::sun_path) - 1;
constexpr Millis kStartLimit(10000), kLook(10);
constexpr Millis kLockLimit(2000);  // The Valkey of a server that was killed may still be writing.

Error failed(std::string what) { return Error(Code::unavailable, "dev_valkey", std::move(what)); }
std::string errno_text(int number) { return std::generic_category().message(number); }

// In the child, between fork and exec: nothing but system calls.
[[noreturn]] void become(char* const* argv, pid_t parent, int error_pipe, int lock_fd) {
  ::fcntl(lock_fd, F_SETFD, 0);  // The folder stays locked until Valkey has ended, too.
  ::setpgid(0, 0);  // Ctrl-C is for us: we stop it when we are done.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::getppid() == parent) {
    const int null = ::open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
    ::execvp(argv[0], argv);
  }
  const int error = errno;
  if (::write(error_pipe, &error, sizeof error) < 0) ::_exit(126);
  ::_exit(127);
}

// 0, or the errno of the exec.
int run(std::vector<std::string> words, pid_t& pid, int lock_fd) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::array<int, 2> error_pipe{};
  if (::pipe2(error_pipe.data(), O_CLOEXEC) != 0) return errno;
  const pid_t parent = ::getpid();
  pid = ::fork();
  if (pid == 0) become(argv.data(), parent, error_pipe[1], lock_fd);
  int error = pid < 0 ? errno : 0;
  ::close(error_pipe[1]);
  if (pid > 0 && ::read(error_pipe[0], &error, sizeof error) != sizeof error) error = 0;
  ::close(error_pipe[0]);
  return error;
}

}  // namespace

asio::awaitable<core::Result<std::unique_ptr<DevValkey>>> DevValkey::start(asio::any_io_executor executor,
                                                                           std::string data) {
  std::unique_ptr<DevValkey> valkey(new DevValkey(executor));
  if (auto made = valkey->make_folder(data); !made) co_return std::move(made).error();
  asio::steady_timer look(executor);
  const auto lock_end = std::chrono::steady_clock::now() + kLockLimit;
  while (::flock(valkey->lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() > lock_end)
      co_return failed("another ff-server, or the Valkey of one, uses " + valkey->folder_);
    look.expires_after(kLook);
    co_await look.async_wait(kTuple);
  }
  if (auto launched = valkey->launch(); !launched) co_return std::move(launched).error();
  const auto end = std::chrono::steady_clock::now() + kStartLimit;
  while (!valkey->accepts()) {
    if (valkey->reaped()) co_return failed("the private valkey-server ended at once: " + valkey->log_tail());
    if (std::chrono::steady_clock::now() > end)
      co_return failed("the private valkey-server does not listen: " + valkey->log_tail());
    look.expires_after(kLook);
    co_await look.async_wait(kTuple);
  }
  co_return valkey;
}

core::Result<void> DevValkey::make_folder(const std::string& data) {
  std::error_code error;
  temporary_ = data.empty();
  if (temporary_) {
    const char* base = std::getenv("TMPDIR");
    std::string name = std::string(base != nullptr && std::strlen(base) < 60 ? base : "/tmp") + "/ff-dev-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return failed("cannot make a temporary folder: " + errno_text(errno));
    folder_ = name;
  } else {
    fs::create_directories(data, error);
    if (error) return failed("cannot make the folder " + data + ": " + error.message());
    folder_ = data;
  }
  socket_ = folder_ + "/valkey.sock";
  if (socket_.size() > kSocketPathMax) return failed("the path of " + folder_ + " is too long for a unix socket");
  lock_fd_ = ::open((folder_ + "/ff-server.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock_fd_ < 0) return failed("cannot write to " + folder_ + ": " + errno_text(errno));
  return {};
}

core::Result<void> DevValkey::launch() {
  fs::remove(socket_);
  std::vector<std::string> words = {"valkey-server",
                                    "--port",
                                    "0",
                                    "--unixsocket",
                                    socket_,
                                    "--unixsocketperm",
                                    "700",
                                    "--dir",
                                    folder_,
                                    "--save",
                                    "",
                                    "--appendonly",
                                    "yes",
                                    "--appendfsync",
                                    "everysec",
                                    "--daemonize",
                                    "no",
                                    "--logfile",
                                    folder_ + "/valkey.log"};
  if (const int error = run(std::move(words), pid_, lock_fd_); error != 0) {
    if (pid_ > 0) ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    return failed("cannot start valkey-server (Debian package valkey-server, from backports): " + errno_text(error));
  }
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (fd < 0) return failed("cannot watch valkey-server: " + errno_text(errno));
  pidfd_.assign(fd);
  return {};
}

bool DevValkey::accepts() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_.copy(address.sun_path, kSocketPathMax);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return connected;
}

bool DevValkey::reaped() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = -1;
  return pid_ <= 0;
}

asio::awaitable<void> DevValkey::ended() {
  while (!reaped()) {
    const auto [error] = co_await pidfd_.async_wait(asio::posix::stream_descriptor::wait_read, kTuple);
    if (error && pid_ > 0) co_return;  // Cancelled.
  }
}

asio::awaitable<void> DevValkey::stop(Millis grace) {
  using namespace asio::experimental::awaitable_operators;
  if (reaped()) co_return;
  ::kill(pid_, SIGTERM);
  asio::steady_timer limit(pidfd_.get_executor(), grace);
  auto end = ended();
  auto timeout = limit.async_wait(kTuple);
  co_await (std::move(end) || std::move(timeout));
  if (reaped()) co_return;
  ::kill(pid_, SIGKILL);
  co_await ended();
}

std::string DevValkey::log_tail() const {
  std::ifstream in(folder_ + "/valkey.log");
  std::ostringstream text;
  text << in.rdbuf();
  const std::string log = text.str();
  return log.empty() ? "it has logged nothing" : log.substr(log.size() > 600 ? log.size() - 600 : 0);
}

DevValkey::~DevValkey() {
  if (!reaped()) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (lock_fd_ >= 0) ::close(lock_fd_);
  std::error_code ignored;
  if (temporary_ && !folder_.empty()) fs::remove_all(folder_, ignored);
}

}  // namespace ff::server
