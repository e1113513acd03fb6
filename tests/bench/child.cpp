#include "bench/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include "support/wait.hpp"

namespace ff::bench {
namespace {

// An end of its own: children forked later hold copies of the pipes, so closing one tells nothing.
constexpr char kGo = 'g', kEnd = 'e';

std::pair<int, int> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  return {ends[0], ends[1]};
}

int run_body(const Child::Body& body, int words_fd, int answers_fd) {
  boost::asio::io_context context(1);
  int code = 1;
  auto parent = std::make_shared<Parent>(context, words_fd, answers_fd);
  boost::asio::co_spawn(context, body(context, parent), [&](std::exception_ptr thrown) {
    code = thrown ? 1 : 0;
    context.stop();
    if (!thrown) return;
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "benchmark child: %s\n", error.what());
    }
  });
  context.run();
  return code;
}

}  // namespace

void* shared_pages(std::size_t bytes) {
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  return pages;
}

void release_pages(void* pages, std::size_t bytes) { ::munmap(pages, bytes); }

Parent::Parent(boost::asio::io_context& context, int words_fd, int answers_fd)
    : words_(context, words_fd), answers_fd_(answers_fd) {}

void Parent::ready() {
  const char word = 'r';
  if (::write(answers_fd_, &word, 1) != 1) ::_exit(1);  // The parent is gone.
}

void Parent::done() { ready(); }

boost::asio::awaitable<bool> Parent::word() {
  char byte = 0;
  const auto buffer = boost::asio::buffer(&byte, 1);
  auto [error, bytes] = co_await words_.async_read_some(buffer, boost::asio::as_tuple(boost::asio::use_awaitable));
  co_return !error && bytes == 1 && byte == kGo;
}

Child::Child(const Body& body) {
  const auto [words_in, words_out] = make_pipe();
  const auto [answers_in, answers_out] = make_pipe();
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::close(words_out);
    ::close(answers_in);
    int code = 1;
    try {
      code = run_body(body, words_in, answers_out);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "benchmark child: %s\n", error.what());
    }
    std::fflush(nullptr);
    ::_exit(code);
  }
  ::close(words_in);
  ::close(answers_out);
  words_fd_ = words_out;
  answers_fd_ = answers_in;
}

Child::~Child() {
  close_pipes();
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Child::close_pipes() {
  if (words_fd_ >= 0) ::close(words_fd_);
  if (answers_fd_ >= 0) ::close(answers_fd_);
  words_fd_ = answers_fd_ = -1;
}

void Child::wait(int seconds_max) {
  pollfd waiting{answers_fd_, POLLIN, 0};
  if (::poll(&waiting, 1, seconds_max * 1000) != 1) throw std::runtime_error("a benchmark process says nothing");
  char word = 0;
  if (::read(answers_fd_, &word, 1) != 1) throw std::runtime_error("a benchmark process has ended early");
}

void Child::go() {
  if (::write(words_fd_, &kGo, 1) != 1) throw std::runtime_error("a benchmark process does not listen");
}

void Child::finish(int seconds_max) {
  if (::write(words_fd_, &kEnd, 1) != 1) throw std::runtime_error("a benchmark process does not listen");
  int status = 0;
  const bool ended = test::wait_until([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; },
                                      std::chrono::seconds(seconds_max));
  if (!ended) throw std::runtime_error("a benchmark process does not end");
  pid_ = -1;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("a benchmark process has failed");
}

}  // namespace ff::bench
