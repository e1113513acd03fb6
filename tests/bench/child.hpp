#pragma once
// Child: a forked process of the benchmark. It says when it is ready, waits for the word, and ends when it is told to
// or when its parent ends.

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <utility>

namespace ff::bench {

// A value in memory that this process shares with the children it forks. T: atomics and plain data.
void* shared_pages(std::size_t bytes);
void release_pages(void* pages, std::size_t bytes);

template <class T>
class Shared {
 public:
  Shared() : value_(new (shared_pages(sizeof(T))) T) {}
  ~Shared() { release_pages(value_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T* operator->() const noexcept { return value_; }
  T& operator*() const noexcept { return *value_; }
  T* get() const noexcept { return value_; }

 private:
  T* value_;
};

// The child's ends of its pipes.
class Parent {
 public:
  Parent(boost::asio::io_context& context, int words_fd, int answers_fd);
  void ready();   // Tells the parent.
  void done();    // The same, a second time.
  // The parent's next word; false: it wants the end.
  boost::asio::awaitable<bool> word();

 private:
  boost::asio::posix::stream_descriptor words_;
  int answers_fd_;
};

class Child {
 public:
  using Body = std::function<boost::asio::awaitable<void>(boost::asio::io_context&, std::shared_ptr<Parent>)>;

  // Forks; the body runs on an io_context of the child's own, and the child exits when it has ended.
  explicit Child(const Body& body);
  ~Child();  // Kills it, if it has not ended.
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const noexcept { return pid_; }
  // Until the child's next word. Throws when it ends or says nothing within the limit.
  void wait(int seconds_max);
  void go();     // A word to it.
  void finish(int seconds_max); // Tells it to end and waits. Throws when it does not, or ends badly.

 private:
  void close_pipes();
  pid_t pid_ = -1;
  int words_fd_ = -1, answers_fd_ = -1;
};

}  // namespace ff::bench
