#pragma once
// DevValkey: a private valkey-server for trying things out, on a unix socket. It ends with this process, however that
// ends.

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <string>

#include "ff/core/result.hpp"
#include "ff/core/time.hpp"

namespace ff::server {

// Thread safety: none; on the executor of start().
class DevValkey {
 public:
  // `data`: a folder that is made if needed and kept, used by one at a time; empty: a temporary one, removed at the
  // end. Returns when the server accepts connections. Errors: unavailable/"dev_valkey", with the end of its log.
  static boost::asio::awaitable<core::Result<std::unique_ptr<DevValkey>>> start(boost::asio::any_io_executor executor,
                                                                                std::string data);
  ~DevValkey();  // Kills it when it still runs.
  DevValkey(const DevValkey&) = delete;
  DevValkey& operator=(const DevValkey&) = delete;

  const std::string& socket() const noexcept { return socket_; }
  // Returns when it has ended, by itself or by stop().
  boost::asio::awaitable<void> ended();
  // Orderly shutdown, or a kill after `grace`. Idempotent.
  boost::asio::awaitable<void> stop(core::Millis grace);

 private:
  explicit DevValkey(boost::asio::any_io_executor executor) : pidfd_(std::move(executor)) {}
  core::Result<void> make_folder(const std::string& data);
  core::Result<void> launch();
  bool accepts() const;
  bool reaped();
  std::string log_tail() const;

  std::string folder_, socket_;
  bool temporary_ = false;
  int lock_fd_ = -1;
  pid_t pid_ = -1;
  boost::asio::posix::stream_descriptor pidfd_;
};

}  // namespace ff::server
