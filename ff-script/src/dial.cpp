#include "dial.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <algorithm>
#include <array>

#include "server_answer.hpp"

namespace ff::script {

namespace asio = boost::asio;
using core::Code;
using core::Error;
using core::Millis;
using core::Result;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

}  // namespace

Dial::Dial(std::shared_ptr<Transport> transport, Address address)
    : transport_(std::move(transport)),
      address_(std::move(address)),
      stream_(std::make_shared<Stream>(transport_->executor)),
      resolver_(transport_->executor),
      timer_(transport_->executor),
      end_(std::chrono::steady_clock::now() + transport_->options.connect_timeout) {}

void Dial::launch() { asio::co_spawn(transport_->executor, run(shared_from_this()), asio::detached); }

void Dial::cancel() {
  cancelled_ = true;
  done_ = nullptr;
  resolver_.cancel();
  timer_.cancel();
  stream_->close();
}

asio::awaitable<void> Dial::run(std::shared_ptr<Dial> self) {
  Result<void> opened = co_await self->open();
  self->timer_.cancel();
  ++self->watches_;
  if (self->cancelled_ || !self->done_) co_return;
  auto done = std::exchange(self->done_, nullptr);
  if (!opened) {
    self->stream_->close();
    done(std::move(opened).error());
  } else {
    done(std::move(self->stream_));
  }
}

asio::awaitable<Result<void>> Dial::open() {
  Result<Endpoints> endpoints = co_await find_endpoints();
  if (!endpoints) co_return std::move(endpoints).error();
  Result<void> connected = co_await connect(std::move(endpoints).value());
  if (!connected) co_return connected;
  watch(time_left());
  if (transport_->options.tls.enabled && address_.unix_socket.empty()) {
    Result<void> secured = co_await secure();
    if (!secured) co_return secured;
  }
  co_return co_await introduce();
}

asio::awaitable<Result<Dial::Endpoints>> Dial::find_endpoints() {
  Endpoints endpoints;
  if (!address_.unix_socket.empty()) {
    // The path fits: make_connection has checked it.
    endpoints.emplace_back(asio::local::stream_protocol::endpoint(address_.unix_socket));
    co_return endpoints;
  }
  boost::system::error_code not_numeric;
  const auto numeric = asio::ip::make_address(address_.host, not_numeric);
  if (!not_numeric) {
    endpoints.emplace_back(asio::ip::tcp::endpoint(numeric, address_.port));
    co_return endpoints;
  }
  watch(time_left());
  const std::string port = std::to_string(address_.port);
  auto [error, found] = co_await resolver_.async_resolve(address_.host, port, kTuple);
  if (error) co_return failure(error.message());
  for (const auto& entry : found) endpoints.emplace_back(entry.endpoint());
  co_return endpoints;
}

// One after the other, each with its share of the time that is left, so that a dead first address does not
// use it up.
asio::awaitable<Result<void>> Dial::connect(Endpoints endpoints) {
  Error last = failure("no address");
  std::size_t left = endpoints.size();
  for (const auto& endpoint : endpoints) {
    watch(time_left() / static_cast<std::int64_t>(left--));
    auto [error] = co_await stream_->connect(endpoint, kTuple);
    if (cancelled_) break;
    if (!error && !late_) {
      if (address_.unix_socket.empty()) stream_->tune_tcp();
      co_return Result<void>();
    }
    last = failure(late_ ? "connect timed out" : error.message());
  }
  co_return last;
}

asio::awaitable<Result<void>> Dial::secure() {
  auto context = transport_->tls_context();
  if (!context) co_return std::move(context).error();
  std::string name = transport_->options.tls.server_name;
  if (name.empty()) name = address_.host;
  auto [error] = co_await stream_->handshake(*context.value(), std::move(name), kTuple);
  if (error) co_return failure(late_ ? "TLS handshake timed out" : "TLS handshake: " + error.message());
  co_return Result<void>();
}

asio::awaitable<Result<void>> Dial::introduce() {
  const ConnectionOptions& options = transport_->options;
  std::string hello;
  const bool auth = !options.user.empty() || !options.password.empty();
  if (auth) {
    Command command("AUTH");
    if (!options.user.empty()) command.arg(options.user);
    command.arg(options.password).append_to(hello);
  }
  Command name("CLIENT");
  name.arg("SETNAME").arg(options.client_name);
  name.append_to(hello);
  auto [write_error, written] = co_await stream_->write(asio::buffer(hello), kTuple);
  static_cast<void>(written);

  // A server that has no room says so and hangs up, perhaps before our first byte: what it said counts for more
  // than how it left. So even a failed write is followed by a look at what there is to read.
  std::vector<Reply> replies;
  RespReader reader;
  std::array<char, 1024> buffer;
  while (replies.size() < (auth ? 2 : 1)) {
    auto [error, size] = co_await stream_->read_some(asio::buffer(buffer), kTuple);
    const bool good = reader.consume(std::string_view(buffer.data(), size), [&](Reply&& reply) {
      replies.push_back(std::move(reply));
      return true;
    });
    for (const Reply& reply : replies) {
      if (reply.is_error() && classify(reply.text) == ServerAnswer::maxclients) {
        co_return Error(Code::unavailable, "maxclients", address_.str() + ": " + reply.text);
      }
    }
    if (late_) co_return failure("the server does not answer");
    if (write_error || error) co_return failure((write_error ? write_error : error).message());
    if (!good) co_return failure("the peer does not speak RESP2: " + reader.error());
  }
  const Reply& first = replies.front();
  // A name is for people only: a server that refuses to set it is still of use, unless it asks for a login.
  if (first.is_error() && (auth || classify(first.text) == ServerAnswer::noauth)) {
    co_return Error(Code::unauthenticated, "auth", address_.str() + " refused the login: " + first.text);
  }
  co_return Result<void>();
}

void Dial::watch(Millis limit) {
  late_ = false;
  timer_.expires_after(limit);
  timer_.async_wait([self = shared_from_this(), watch = ++watches_](boost::system::error_code error) {
    if (error || watch != self->watches_) return;
    self->late_ = true;
    self->resolver_.cancel();
    self->stream_->close();
  });
}

Millis Dial::time_left() const {
  const auto left = std::chrono::ceil<Millis>(end_ - std::chrono::steady_clock::now());
  return std::max(left, Millis(0));
}

Error Dial::failure(const std::string& what) const {
  return Error(Code::unavailable, "connect", address_.str() + ": " + what);
}

}  // namespace ff::script
