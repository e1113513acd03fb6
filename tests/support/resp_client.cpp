#include "support/resp_client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace ff::test {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("RespClient: " + what); }

int dial(int family, const sockaddr* address, socklen_t size, RespClient::Duration limit) {
  int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("no socket");
  timeval time{};
  time.tv_sec = limit.count() / 1000;
  time.tv_usec = limit.count() % 1000 * 1000;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  if (::connect(fd, address, size) != 0) {
    int reason = errno;
    ::close(fd);
    fail(std::string("cannot connect: ") + std::strerror(reason));
  }
  return fd;
}

}  // namespace

std::string RespValue::str() const {
  if (type != '*') return text;
  std::string joined;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (i != 0) joined += '\n';
    joined += elements[i].str();
  }
  return joined;
}

RespClient RespClient::over_unix(const std::string& path, Duration limit) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail("socket path too long: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return RespClient(dial(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address, limit));
}

RespClient RespClient::over_tcp(std::uint16_t port, Duration limit) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = dial(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address, limit);
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return RespClient(fd);
}

RespClient::~RespClient() {
  if (fd_ >= 0) ::close(fd_);
}

RespClient::RespClient(RespClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)), read_(std::exchange(other.read_, 0)) {}

RespClient& RespClient::operator=(RespClient&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(buffer_, other.buffer_);
  std::swap(read_, other.read_);
  return *this;
}

RespValue RespClient::command(const std::vector<std::string>& arguments) {
  send(arguments);
  return receive();
}

void RespClient::encode(const std::vector<std::string>& arguments, std::string& out) {
  out += '*';
  out += std::to_string(arguments.size());
  out += "\r\n";
  for (const auto& argument : arguments) {
    out += '$';
    out += std::to_string(argument.size());
    out += "\r\n";
    out += argument;
    out += "\r\n";
  }
}

void RespClient::send(const std::vector<std::string>& arguments) {
  std::string out;
  encode(arguments, out);
  send_encoded(out);
}

void RespClient::send_encoded(const std::string& out) {
  for (std::size_t done = 0; done < out.size();) {
    ssize_t wrote = ::send(fd_, out.data() + done, out.size() - done, MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) fail(std::string("connection lost while sending: ") + std::strerror(errno));
    done += static_cast<std::size_t>(wrote);
  }
}

RespValue RespClient::receive() {
  std::string head = line();
  if (head.empty()) fail("empty reply line");
  RespValue value;
  value.type = head[0];
  value.text = head.substr(1);
  if (value.type == '+' || value.type == '-' || value.type == ':') return value;
  if (value.type != '$' && value.type != '*') fail("not RESP2: " + head);
  long long count = std::stoll(value.text);
  value.text.clear();
  if (count < 0) {
    value.type = '_';
  } else if (value.type == '$') {
    value.text = bytes(static_cast<std::size_t>(count));
    bytes(2);
  } else {
    for (long long i = 0; i < count; ++i) value.elements.push_back(receive());
  }
  return value;
}

void RespClient::fill() {
  // What has been read goes now and then, not with every reply: a pipeline's buffer is long.
  buffer_.erase(0, read_);
  read_ = 0;
  char part[65536];
  for (;;) {
    ssize_t got = ::recv(fd_, part, sizeof part, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) fail("no reply in time");
    if (got < 0) fail(std::string("connection lost: ") + std::strerror(errno));
    if (got == 0) fail("connection closed by the server");
    buffer_.append(part, static_cast<std::size_t>(got));
    return;
  }
}

std::string RespClient::line() {
  std::size_t end;
  while ((end = buffer_.find("\r\n", read_)) == std::string::npos) fill();
  std::string text = buffer_.substr(read_, end - read_);
  read_ = end + 2;
  return text;
}

std::string RespClient::bytes(std::size_t count) {
  while (buffer_.size() - read_ < count) fill();
  std::string text = buffer_.substr(read_, count);
  read_ += count;
  return text;
}

}  // namespace ff::test
