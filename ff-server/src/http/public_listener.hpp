#pragma once
// PublicListener: HTTP/1.1 for the public API. Keep-alive, pipelined requests answered in order, strict parsing, every
// limit enforced before memory is spent, drain on stop. An answer belongs to exactly one request of one connection.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <memory>
#include <string_view>

#include "ff/core/log.hpp"
#include "ff/core/result.hpp"
#include "ff/core/time.hpp"
#include "http/head_scan.hpp"
#include "http/message.hpp"

namespace ff::server::http {

struct PublicListenerOptions {
  boost::asio::ip::tcp::endpoint address;    // Port 0: a free one.
  std::size_t connections_max = 1024;        // More get 503 and are closed.
  std::size_t streams_max = 512;             // Of them, with an answer that is written in pieces; more get 429.
  std::size_t bodies_bytes_max = 256 << 20;  // Of all request bodies received or handled now; more get 503.
  HeadLimits head;
  core::Millis header_timeout{5000};  // From a request's first byte (a connection's start) to the end of its head.
  core::Millis idle_timeout{60000};   // Between two requests.
  core::Millis body_timeout{15000};   // Without a byte of the body, or behind body_rate_min by this much: 408.
  std::size_t body_rate_min = 1024;   // Bytes a second.
  core::Millis write_timeout{15000};  // For an answer, and as long again for each MiB of it; for a piece of a stream.
  core::Millis linger{1000};          // How long a refused client may go on sending before the close.
  PublicListenerOptions() = default;
};

// Told what happens, on the listener's executor. Must not throw.
class ListenerObserver {
 public:
  virtual ~ListenerObserver() = default;
  virtual void connection_opened() = 0;
  virtual void connection_closed() = 0;
  virtual void connection_refused() = 0;  // Over the cap.
  virtual void stream_opened() = 0;       // An answer in pieces has begun.
  virtual void stream_closed() = 0;
  // Requests that were never parsed have the route "unparsed".
  virtual void answered(std::string_view route, Method method, int status, double seconds) = 0;
};

class ListenerState;

// Thread safety: none; everything on the executor, which must not run two of its handlers at once.
class PublicListener {
 public:
  // Lifetime: the observer outlives the listener.
  PublicListener(boost::asio::any_io_executor executor, PublicListenerOptions options, Admit admit,
                 ListenerObserver& observer, std::shared_ptr<core::Logger> logger);
  ~PublicListener();  // Closes what is open.
  PublicListener(const PublicListener&) = delete;
  PublicListener& operator=(const PublicListener&) = delete;

  // Begins to accept. Answers where it listens. Error: unavailable/listen.
  core::Result<boost::asio::ip::tcp::endpoint> start();
  // Accepts no more, closes idle connections, lets requests under way end (long polls and streams at once) until the
  // deadline, and closes the rest. Idempotent.
  boost::asio::awaitable<void> stop(core::Deadline deadline);
  std::size_t connections() const noexcept;

 private:
  std::shared_ptr<ListenerState> state_;
};

}  // namespace ff::server::http
