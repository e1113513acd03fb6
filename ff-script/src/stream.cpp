#include "stream.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

namespace ff::script {

namespace asio = boost::asio;

namespace {

// A peer that vanished without a word is noticed by the kernel after half a minute of silence, even on an
// idle socket.
constexpr int kKeepIdleSeconds = 15, kKeepIntervalSeconds = 5, kKeepProbes = 3;

void set(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);  // Tuning: a refusal costs speed only.
}

}  // namespace

struct Stream::Tls {
  asio::ssl::stream<Socket&> stream;
  Tls(Socket& socket, asio::ssl::context& context) : stream(socket, context) {}
};

Stream::Stream(asio::any_io_executor executor) : executor_(executor), socket_(std::move(executor)) {}

Stream::~Stream() = default;

void Stream::tune_tcp() {
  const int fd = socket_.native_handle();
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleSeconds);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalSeconds);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepProbes);
}

void Stream::start_handshake(asio::ssl::context& context, const std::string& server_name, Handler handler) {
  tls_ = std::make_unique<Tls>(socket_, context);
  Error error;
  asio::ip::make_address(server_name, error);
  const bool is_name = static_cast<bool>(error);
  if (is_name) SSL_set_tlsext_host_name(tls_->stream.native_handle(), server_name.c_str());
  tls_->stream.set_verify_callback(asio::ssl::host_name_verification(server_name), error);
  tls_->stream.async_handshake(asio::ssl::stream_base::client, std::move(handler));
}

void Stream::start_read(asio::mutable_buffer buffer, IoHandler handler) {
  if (tls_) tls_->stream.async_read_some(buffer, std::move(handler));
  else socket_.async_read_some(buffer, std::move(handler));
}

void Stream::start_write(asio::const_buffer buffer, IoHandler handler) {
  if (tls_) asio::async_write(tls_->stream, buffer, std::move(handler));
  else asio::async_write(socket_, buffer, std::move(handler));
}

void Stream::close() noexcept {
  Error ignored;
  socket_.close(ignored);
}

}  // namespace ff::script
