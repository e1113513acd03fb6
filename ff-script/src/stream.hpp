#pragma once
// Stream: one byte stream to a node, over TCP, a unix socket, or TLS on TCP.

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <memory>
#include <string>

namespace boost::asio::ssl {
class context;
}

namespace ff::script {

// Must live until the handlers of all its operations have run; close() makes them run soon.
class Stream {
 public:
  using Error = boost::system::error_code;
  using IoHandler = boost::asio::any_completion_handler<void(Error, std::size_t)>;
  using Handler = boost::asio::any_completion_handler<void(Error)>;
  using Socket = boost::asio::generic::stream_protocol::socket;
  using Endpoint = boost::asio::generic::stream_protocol::endpoint;

  explicit Stream(boost::asio::any_io_executor executor);
  ~Stream();

  // Opens a socket, closing the one before.
  template <class Token>
  auto connect(const Endpoint& endpoint, Token&& token) {
    close();
    return socket_.async_connect(endpoint, std::forward<Token>(token));
  }
  // No delay and keepalive; for TCP, after connect.
  void tune_tcp();
  // Wraps what follows in TLS: the peer must prove that it is `server_name`.
  template <class Token>
  auto handshake(boost::asio::ssl::context& context, std::string server_name, Token&& token) {
    return boost::asio::async_initiate<Token, void(Error)>(
        [this, &context, name = std::move(server_name)](auto handler) {
          start_handshake(context, name, Handler(std::move(handler)));
        },
        token);
  }
  template <class Token>
  auto read_some(boost::asio::mutable_buffer buffer, Token&& token) {
    return boost::asio::async_initiate<Token, void(Error, std::size_t)>(
        [this, buffer](auto handler) { start_read(buffer, IoHandler(std::move(handler))); }, token);
  }
  // Writes all of it.
  template <class Token>
  auto write(boost::asio::const_buffer buffer, Token&& token) {
    return boost::asio::async_initiate<Token, void(Error, std::size_t)>(
        [this, buffer](auto handler) { start_write(buffer, IoHandler(std::move(handler))); }, token);
  }

  bool tls() const noexcept { return tls_ != nullptr; }
  const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  // Everything under way ends with operation_aborted.
  void close() noexcept;

 private:
  struct Tls;
  void start_handshake(boost::asio::ssl::context& context, const std::string& server_name, Handler handler);
  void start_read(boost::asio::mutable_buffer buffer, IoHandler handler);
  void start_write(boost::asio::const_buffer buffer, IoHandler handler);

  boost::asio::any_io_executor executor_;
  Socket socket_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace ff::script
