// The only file that knows Boost.Beast: its parser, under limits and checks of ours.
#include "http/public_listener.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <set>

#include "ff/core/ids.hpp"
#include "ff/core/text.hpp"
#include "http/error_map.hpp"
#include "http/target.hpp"
#include "http/wire.hpp"

namespace ff::server::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;
using core::Code;
using core::Error;
using core::Millis;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kTurningAwayMax = 64;  // Connections over the cap that are being told so at once.
constexpr Millis kAcceptPause(50);
constexpr std::size_t kLingerBytesMax = 4 << 20;
constexpr std::string_view kUnparsed = "unparsed";

// Decisions rest on these: a second one could be read differently by somebody in front of us.
constexpr std::array<std::string_view, 12> kOnce = {
    "host",          "content-length",  "content-type",    "transfer-encoding",
    "authorization", "idempotency-key", "x-ff-namespace",  "x-request-id",
    "expect",        "origin",          "content-encoding", "last-event-id"};

Method method_of(beast::http::verb verb) noexcept {
  switch (verb) {
    case beast::http::verb::get: return Method::get;
    case beast::http::verb::head: return Method::head;
    case beast::http::verb::post: return Method::post;
    case beast::http::verb::put: return Method::put;
    case beast::http::verb::patch: return Method::patch;
    case beast::http::verb::delete_: return Method::delete_;
    case beast::http::verb::options: return Method::options;
    default: return Method::other;
  }
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

struct Refusal {
  int status = 400;
  Error error;
  Refusal() = default;
  Refusal(int s, Error e) : status(s), error(std::move(e)) {}
};

Refusal refusal_of(HeadScan::State state, const HeadLimits& limits) {
  using State = HeadScan::State;
  switch (state) {
    case State::bad_line_ending:
      return Refusal(400, bad("bad_line_ending", "a line of the request head does not end in CR LF"));
    case State::folded: return Refusal(400, bad("folded_header", "a header field goes on in a second line"));
    case State::line_too_long:
      return Refusal(414, bad("target_too_long",
                              "the request line is longer than " + std::to_string(limits.line_bytes_max) + " bytes"));
    case State::too_large:
      return Refusal(
          431, bad("head_too_large", "the request head is larger than " + std::to_string(limits.bytes_max) + " bytes"));
    case State::too_many_fields:
      return Refusal(431, bad("too_many_headers",
                              "the request has more than " + std::to_string(limits.fields_max) + " header fields"));
    default: return Refusal(400, bad("bad_byte", "the request head has a byte that must not be in it"));
  }
}

Refusal refusal_of(const error_code& error) {
  using E = beast::http::error;
  if (error == E::body_limit) return Refusal(413, bad("body_too_large", "the body is larger than this route allows"));
  if (error == E::bad_version) return Refusal(505, bad("bad_version", "only HTTP/1.0 and HTTP/1.1 are spoken here"));
  if (error == E::bad_content_length || error == E::multiple_content_length) {
    return Refusal(400,
                   bad("bad_content_length", "Content-Length is not one number, or contradicts Transfer-Encoding"));
  }
  if (error == E::bad_transfer_encoding) {
    return Refusal(400, bad("bad_transfer_encoding", "Transfer-Encoding is repeated or contradicts Content-Length"));
  }
  if (error == E::bad_chunk || error == E::bad_chunk_extension) {
    return Refusal(400, bad("bad_chunk", "a chunk of the body is malformed"));
  }
  return Refusal(400, bad("bad_request", "the request is not well-formed HTTP/1.1"));
}

}  // namespace

class Session;

// What the connections of one listener share. Shared with them, because they end after it.
class ListenerState {
 public:
  ListenerState(asio::any_io_executor e, PublicListenerOptions o, Admit a, ListenerObserver& ob,
                std::shared_ptr<core::Logger> l)
      : executor(std::move(e)),
        options(std::move(o)),
        admit(std::move(a)),
        observer(ob),
        logger(std::move(l)),
        acceptor(executor),
        ended(executor) {}

  asio::any_io_executor executor;
  PublicListenerOptions options;
  Admit admit;
  ListenerObserver& observer;
  std::shared_ptr<core::Logger> logger;
  tcp::acceptor acceptor;
  asio::steady_timer ended;      // Cancelled when the last session ends.
  std::set<Session*> sessions;   // They take themselves out.
  std::size_t serving = 0;       // Of them, those within the cap,
  std::size_t turning_away = 0;  // and those over it.
  std::size_t streams = 0;       // Answers in pieces under way.
  std::size_t body_bytes = 0;    // Reserved by bodies that are received or handled.
  bool draining = false;
};

using Shared = std::shared_ptr<ListenerState>;

// One connection. Shared with the timer that watches over it, which may fire once more after the end.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Shared listener, tcp::socket socket)
      : listener_(std::move(listener)),
        options_(listener_->options),
        socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        hold_(socket_.get_executor()) {
    error_code ignored;
    const auto peer = socket_.remote_endpoint(ignored);
    if (!ignored) peer_ = peer.address().to_string();
  }
  ~Session() { reserve_body(0); }

  asio::awaitable<void> run();
  // Instead of run(), over the cap: says so and closes.
  asio::awaitable<void> turn_away();
  void drain();
  void close() {
    error_code ignored;
    socket_.close(ignored);
    hold_.cancel();
  }

 private:
  using Parser = beast::http::request_parser<beast::http::string_body>;
  enum class Step { go_on, answered, gone };

  asio::awaitable<bool> serve_one(bool first);
  asio::awaitable<Step> read_head(bool first);
  Step parse_head(Parser& parser, Request& request);
  Step check_head(const Parser& parser, Request& request);
  asio::awaitable<Step> read_body(Parser& parser, const Admission& admission, Request& request);
  asio::awaitable<Step> receive_body(Parser& parser);
  // From now on the request's body takes so much of what all may take.
  void reserve_body(std::size_t bytes) {
    listener_->body_bytes += bytes;
    listener_->body_bytes -= std::exchange(body_reserved_, bytes);
  }
  asio::awaitable<Response> handle(const Admission& admission, Request request);
  asio::awaitable<Response> handle_or_give_up(const Admission& admission, Request request);
  asio::awaitable<void> until_given_up();
  asio::awaitable<bool> answer(Response response, std::string_view route, Method method);
  asio::awaitable<bool> answer_refusal();
  asio::awaitable<bool> write_pieces(std::shared_ptr<BodySource> source);
  asio::awaitable<bool> write_piece(std::string piece);
  asio::awaitable<std::optional<std::string>> next_piece(std::shared_ptr<BodySource> source);
  asio::awaitable<void> linger();
  asio::awaitable<std::size_t> fill();

  Step refuse_with(Refusal refusal) {
    refusal_ = std::move(refusal);
    return Step::answered;
  }
  // What happens when the time is over: reads end, so that a refusal can be written; or the connection ends.
  enum class OnTimeout { cancel, close };
  void arm(Millis duration, OnTimeout action = OnTimeout::cancel);
  void disarm() {
    ++generation_;
    timer_.cancel();
  }
  std::string_view received() const {
    return std::string_view(static_cast<const char*>(buffer_.data().data()), buffer_.size());
  }

  Shared listener_;
  const PublicListenerOptions& options_;
  tcp::socket socket_;
  asio::steady_timer timer_;  // Limits the operation under way: cancels the socket's.
  asio::steady_timer hold_;   // What a long poll waits on when the socket tells nothing more.
  beast::flat_buffer buffer_;
  std::string peer_;
  std::uint64_t generation_ = 0;
  bool timed_out_ = false, idle_ = false, waiting_ = false, peer_gone_ = false;

  // Of the request under way.
  Refusal refusal_;
  std::string request_id_;
  std::size_t head_bytes_ = 0, body_reserved_ = 0;
  bool keep_alive_ = true, http10_ = false;
  std::chrono::steady_clock::time_point began_;
};

void Session::arm(Millis duration, OnTimeout action) {
  timed_out_ = false;
  const std::uint64_t generation = ++generation_;
  timer_.expires_after(duration);
  timer_.async_wait([self = shared_from_this(), generation, action](const error_code& error) {
    if (error || generation != self->generation_) return;
    self->timed_out_ = true;
    error_code ignored;
    if (action == OnTimeout::close) self->socket_.close(ignored);
    else self->socket_.cancel(ignored);
  });
}

void Session::drain() {
  error_code ignored;
  if (idle_ || waiting_) socket_.cancel(ignored);
  hold_.cancel();
}

// Bytes read; 0: the end, an error, or the timer fired.
asio::awaitable<std::size_t> Session::fill() {
  if (timed_out_) co_return 0;  // The timer fired when the last read was done already, and cancelled nothing.
  const auto space = buffer_.prepare(kReadBytes);
  const auto [error, count] = co_await socket_.async_read_some(space, kToken);
  buffer_.commit(count);
  co_return error ? 0 : count;
}

asio::awaitable<void> Session::run() {
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
  bool first = true, more = true;
  while (more) {
    more = co_await serve_one(first);
    first = false;
  }
  disarm();
  close();
}

// One request and its answer; false when the connection ends with it.
asio::awaitable<bool> Session::serve_one(bool first) {
  keep_alive_ = true;
  http10_ = false;
  request_id_.clear();
  Step step = co_await read_head(first);
  if (step == Step::gone) co_return false;
  if (request_id_.empty()) request_id_ = core::Ulid::make().str();
  if (step == Step::answered) co_return co_await answer_refusal();

  Parser parser;
  Request request;
  step = parse_head(parser, request);
  if (step == Step::answered) co_return co_await answer_refusal();
  Admission admission = listener_->admit(request);
  const Method method = request.method;
  if (!admission.refusal) {
    step = co_await read_body(parser, admission, request);
    if (step == Step::gone) co_return false;
    if (step == Step::answered) admission.refusal = refuse(refusal_.status, refusal_.error, request_id_);
  }
  Response response;
  if (admission.refusal) {
    response = std::move(*admission.refusal);
    if (!parser.is_done() && (parser.chunked() || parser.content_length().value_or(0) > 0)) response.close = true;
  } else {
    request.deadline = core::Deadline::in(admission.time);
    response = co_await handle(admission, std::move(request));
  }
  reserve_body(0);
  if (peer_gone_) co_return false;
  co_return co_await answer(std::move(response), admission.route, method);
}

asio::awaitable<Session::Step> Session::read_head(bool first) {
  HeadScan scan(options_.head);
  idle_ = buffer_.size() == 0;
  if (listener_->draining && idle_) co_return Step::gone;
  arm(idle_ && !first ? options_.idle_timeout : options_.header_timeout);
  HeadScan::State state = scan.feed(received());
  while (state == HeadScan::State::more) {
    const std::size_t count = co_await fill();
    if (count == 0) {
      const bool partial = buffer_.size() > 0;
      if (!timed_out_ || !partial) co_return Step::gone;
      co_return refuse_with(Refusal(408, bad("header_timeout", "the request head did not come in time")));
    }
    if (idle_ && !first) arm(options_.header_timeout);
    idle_ = false;
    state = scan.feed(received());
  }
  idle_ = false;
  disarm();
  began_ = std::chrono::steady_clock::now();
  if (state != HeadScan::State::complete) co_return refuse_with(refusal_of(state, options_.head));
  buffer_.consume(scan.skipped());
  head_bytes_ = scan.bytes();
  co_return Step::go_on;
}

Session::Step Session::parse_head(Parser& parser, Request& request) {
  parser.header_limit(static_cast<std::uint32_t>(options_.head.bytes_max + 1));
  parser.body_limit(boost::none);  // The route's, once it is known.
  error_code error;
  buffer_.consume(parser.put(asio::buffer(buffer_.data().data(), head_bytes_), error));
  if (error || !parser.is_header_done()) return refuse_with(refusal_of(error));
  const auto& message = parser.get();
  request.method = method_of(message.method());
  for (const auto& field : message) {
    request.headers.emplace_back(lower(field.name_string()), std::string(field.value()));
  }
  const std::string* id = request.header("x-request-id");
  if (id != nullptr && valid_request_id(*id)) request_id_ = *id;
  request.request_id = request_id_;
  request.peer = peer_;
  keep_alive_ = message.keep_alive();
  http10_ = message.version() == 10;
  return check_head(parser, request);
}

Session::Step Session::check_head(const Parser& parser, Request& request) {
  for (const std::string_view name : kOnce) {
    const auto same = [name](const auto& field) { return field.first == name; };
    if (std::count_if(request.headers.begin(), request.headers.end(), same) > 1) {
      return refuse_with(Refusal(400, bad("duplicate_header", "the header " + std::string(name) + " comes twice")));
    }
  }
  const std::string* length = request.header("content-length");
  if (length != nullptr && length->find_first_not_of("0123456789") != std::string::npos) {
    return refuse_with(Refusal(400, bad("bad_content_length", "Content-Length is not a number")));
  }
  const std::string* encoding = request.header("transfer-encoding");
  if (encoding != nullptr && (lower(*encoding) != "chunked" || http10_)) {
    return refuse_with(Refusal(501, bad("bad_transfer_encoding", "no Transfer-Encoding but chunked is understood")));
  }
  if (request.header("content-encoding") != nullptr) {
    return refuse_with(Refusal(415, bad("bad_content_encoding", "a body with a Content-Encoding is not understood")));
  }
  const std::string* host = request.header("host");
  if (!http10_ && (host == nullptr || host->empty())) {
    return refuse_with(Refusal(400, bad("host_missing", "the header Host is missing")));
  }
  const std::string* expect = request.header("expect");
  if (expect != nullptr && lower(*expect) != "100-continue") {
    return refuse_with(Refusal(417, bad("bad_expect", "nothing but Expect: 100-continue is understood")));
  }
  if (request.method == Method::other) {
    return refuse_with(Refusal(501, bad("unknown_method", "this method is not known here")));
  }
  auto target = parse_target(std::string_view(parser.get().target()));
  if (!target) return refuse_with(Refusal(400, std::move(target).error()));
  request.target = std::move(target).value();
  return Step::go_on;
}

asio::awaitable<Session::Step> Session::read_body(Parser& parser, const Admission& admission, Request& request) {
  const auto length = parser.content_length();
  if (length && *length > admission.body_bytes_max) {
    co_return refuse_with(
        Refusal(413, bad("body_too_large", "the body has " + std::to_string(*length) + " bytes, this route takes " +
                                               std::to_string(admission.body_bytes_max))));
  }
  if (parser.is_done()) co_return Step::go_on;
  const std::size_t reserved = length ? static_cast<std::size_t>(*length) : admission.body_bytes_max;
  if (parser.chunked()) parser.body_limit(admission.body_bytes_max);
  if (listener_->body_bytes + reserved > options_.bodies_bytes_max) {
    co_return refuse_with(
        Refusal(503, Error(Code::unavailable, "bodies_bytes", "too much is being received now", 1000)));
  }
  reserve_body(reserved);
  const Step step = co_await receive_body(parser);
  if (step == Step::go_on) request.body = std::move(parser.get().body());
  reserve_body(request.body.size());
  co_return step;
}

asio::awaitable<Session::Step> Session::receive_body(Parser& parser) {
  if (!http10_ && buffer_.size() == 0 && parser.get().count(beast::http::field::expect) > 0) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    arm(options_.write_timeout, OnTimeout::close);
    const auto [error, count] = co_await asio::async_write(socket_, asio::buffer(kContinue), kToken);
    if (error) co_return Step::gone;
  }
  parser.eager(true);
  const auto begin = std::chrono::steady_clock::now();
  std::size_t total = 0;
  while (true) {
    error_code error;
    if (buffer_.size() > 0) buffer_.consume(parser.put(buffer_.data(), error));
    if (error && error != beast::http::error::need_more) co_return refuse_with(refusal_of(error));
    if (parser.is_done()) break;
    if (buffer_.size() > 2 * kReadBytes)
      co_return refuse_with(Refusal(400, bad("bad_chunk", "a chunk's head is too long")));
    const Millis earned(static_cast<std::int64_t>(total * 1000 / std::max<std::size_t>(1, options_.body_rate_min)));
    const auto spent = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - begin);
    arm(std::clamp(options_.body_timeout + earned - spent, Millis(0), options_.body_timeout));
    const std::size_t count = co_await fill();
    if (count == 0 && !timed_out_) co_return Step::gone;
    if (count == 0) co_return refuse_with(Refusal(408, bad("body_timeout", "the body did not come in time")));
    total += count;
  }
  disarm();
  co_return Step::go_on;
}

asio::awaitable<Response> Session::handle(const Admission& admission, Request request) {
  Response response;
  bool failed = false;
  try {
    if (admission.waits) {
      response = co_await handle_or_give_up(admission, std::move(request));
    } else {
      response = co_await admission.handler(std::move(request));
    }
  } catch (const std::exception& error) {
    failed = true;
    listener_->logger->error("a handler threw",
                             {{"route", admission.route}, {"request_id", request_id_}, {"what", error.what()}});
  }
  if (failed) {
    response =
        refuse(Error(Code::internal, "handler", "an error of ours; the log has it under the request id"), request_id_);
  }
  co_return response;
}

asio::awaitable<Response> Session::handle_or_give_up(const Admission& admission, Request request) {
  using namespace asio::experimental::awaitable_operators;
  waiting_ = true;
  auto work = admission.handler(std::move(request));
  auto given_up = until_given_up();
  auto winner = co_await (std::move(work) || std::move(given_up));
  waiting_ = false;
  if (winner.index() == 0) co_return std::get<0>(std::move(winner));
  co_return refuse(Error(Code::unavailable, "shutting_down", "the server is shutting down, ask another one", 1000),
                   request_id_);
}

// Ends when the client is gone or the server drains.
asio::awaitable<void> Session::until_given_up() {
  if (listener_->draining) co_return;
  const auto [wait_error] = co_await socket_.async_wait(tcp::socket::wait_read, kToken);
  if (listener_->draining || wait_error) co_return;
  char byte = 0;
  error_code error;
  socket_.non_blocking(true, error);
  socket_.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
  peer_gone_ = error && error != asio::error::would_block;
  if (peer_gone_) co_return;
  hold_.expires_at(std::chrono::steady_clock::time_point::max());  // There is a next request: no more news of this one.
  co_await hold_.async_wait(kToken);
}

asio::awaitable<bool> Session::answer_refusal() {
  Response response = refuse(refusal_.status, refusal_.error, request_id_);
  response.close = true;  // What follows on this connection can't be told apart any more.
  co_return co_await answer(std::move(response), kUnparsed, Method::other);
}

// The pieces of a body; false when the connection can't go on after them.
asio::awaitable<bool> Session::write_pieces(std::shared_ptr<BodySource> source) {
  ++listener_->streams;
  listener_->observer.stream_opened();
  bool whole = false, good = true;
  try {
    while (good && !whole) {
      auto piece = co_await next_piece(source);
      good = !peer_gone_;
      whole = !piece;
      if (!piece) break;
      std::string bytes = http10_ ? std::move(*piece) : chunk(*piece);
      if (good) good = co_await write_piece(std::move(bytes));
    }
    if (good && !http10_) good = co_await write_piece(chunk(""));
  } catch (const std::exception& error) {
    good = false;  // Without the last chunk the client sees that this was not all.
    listener_->logger->error("a stream failed", {{"request_id", request_id_}, {"what", error.what()}});
  }
  --listener_->streams;
  listener_->observer.stream_closed();
  co_return good && !http10_;
}

asio::awaitable<std::optional<std::string>> Session::next_piece(std::shared_ptr<BodySource> source) {
  using namespace asio::experimental::awaitable_operators;
  waiting_ = true;
  auto work = source->next();
  auto given_up = until_given_up();
  auto winner = co_await (std::move(work) || std::move(given_up));
  waiting_ = false;
  if (winner.index() == 1) co_return std::nullopt;
  co_return std::get<0>(std::move(winner));
}

asio::awaitable<bool> Session::write_piece(std::string piece) {
  arm(options_.write_timeout, OnTimeout::close);
  const auto [error, count] = co_await asio::async_write(socket_, asio::buffer(piece), kToken);
  disarm();
  co_return !error;
}

asio::awaitable<bool> Session::answer(Response response, std::string_view route, Method method) {
  if (response.stream && listener_->streams >= options_.streams_max) {
    response = refuse(Error(Code::exhausted, "too_many_streams", "no more streams are served now", 1000), request_id_);
  }
  const bool keep = keep_alive_ && !response.close && !listener_->draining && !(response.stream && http10_);
  HeadOptions head_options;
  head_options.request_id = request_id_;
  head_options.keep_alive = keep;
  head_options.http10 = http10_;
  const std::string head = response_head(response, head_options, std::time(nullptr));
  const bool bodyless = method == Method::head || response.status == 204;
  const std::string_view body = bodyless ? std::string_view() : std::string_view(response.body);
  const std::array<asio::const_buffer, 2> buffers = {asio::buffer(head), asio::buffer(body)};
  arm(options_.write_timeout * (1 + static_cast<int>(response.body.size() >> 20)), OnTimeout::close);
  const auto [error, count] = co_await asio::async_write(socket_, buffers, kToken);
  disarm();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began_;
  listener_->observer.answered(route, method, response.status, took.count());
  listener_->logger->log(response.status == 500 ? core::LogLevel::error : core::LogLevel::debug, "answered",
                         {{"route", route},
                          {"method", to_string(method)},
                          {"status", response.status},
                          {"request_id", request_id_},
                          {"peer", peer_},
                          {"ms", took.count() * 1000}});
  if (error) co_return false;
  if (response.consignment) response.consignment->delivered();
  bool going_on = keep;
  if (response.stream && !bodyless) {
    const bool whole = co_await write_pieces(std::move(response.stream));
    if (peer_gone_) co_return false;
    going_on = whole && keep && !listener_->draining;
  }
  if (!going_on) co_await linger();
  co_return going_on;
}

// A close with unread bytes resets the connection, and the client may lose the answer: so take in what it still sends.
asio::awaitable<void> Session::linger() {
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  arm(options_.linger, OnTimeout::close);
  std::size_t total = 0;
  while (total < kLingerBytesMax) {
    buffer_.consume(buffer_.size());
    const std::size_t count = co_await fill();
    if (count == 0) break;
    total += count;
  }
  disarm();
}

asio::awaitable<void> Session::turn_away() {
  request_id_ = core::Ulid::make().str();
  began_ = std::chrono::steady_clock::now();
  Response response =
      refuse(Error(Code::unavailable, "too_many_connections", "no more connections are served now", 1000), request_id_);
  response.close = true;
  co_await answer(std::move(response), kUnparsed, Method::other);
  close();
}

namespace {

void end_session(ListenerState& listener, Session& session) {
  session.close();
  listener.sessions.erase(&session);
  if (listener.sessions.empty()) listener.ended.cancel();
}

asio::awaitable<void> serve(Shared listener, std::shared_ptr<Session> session, bool over_cap) {
  try {
    if (over_cap) {
      co_await session->turn_away();
    } else {
      co_await session->run();
    }
  } catch (const std::exception& error) {
    listener->logger->error("a connection failed", {{"what", error.what()}});
  }
  --(over_cap ? listener->turning_away : listener->serving);
  if (!over_cap) listener->observer.connection_closed();
  end_session(*listener, *session);
}

void take(const Shared& listener, tcp::socket socket) {
  const bool over_cap = listener->serving >= listener->options.connections_max;
  if (over_cap) {
    listener->observer.connection_refused();
    if (listener->turning_away >= kTurningAwayMax) return;
  } else {
    listener->observer.connection_opened();
  }
  ++(over_cap ? listener->turning_away : listener->serving);
  auto session = std::make_shared<Session>(listener, std::move(socket));
  listener->sessions.insert(session.get());
  asio::co_spawn(listener->executor, serve(listener, std::move(session), over_cap), asio::detached);
}

asio::awaitable<void> accept_all(Shared listener) {
  asio::steady_timer pause(listener->executor);
  while (listener->acceptor.is_open()) {
    auto [error, socket] = co_await listener->acceptor.async_accept(kToken);
    if (!error) {
      take(listener, std::move(socket));
      continue;
    }
    if (listener->draining) break;
    listener->logger->warn("a connection could not be accepted", {{"error", error.message()}});
    pause.expires_after(kAcceptPause);  // Out of descriptors, mostly: let some close.
    co_await pause.async_wait(kToken);
  }
}

}  // namespace

PublicListener::PublicListener(asio::any_io_executor executor, PublicListenerOptions options, Admit admit,
                               ListenerObserver& observer, std::shared_ptr<core::Logger> logger)
    : state_(std::make_shared<ListenerState>(std::move(executor), std::move(options), std::move(admit), observer,
                                             std::move(logger))) {}

PublicListener::~PublicListener() {
  state_->draining = true;
  error_code ignored;
  state_->acceptor.close(ignored);
  for (Session* session : state_->sessions) session->close();
}

core::Result<tcp::endpoint> PublicListener::start() {
  error_code error;
  const tcp::endpoint& address = state_->options.address;
  tcp::acceptor& acceptor = state_->acceptor;
  acceptor.open(address.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(address, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Error(Code::unavailable, "listen",
                 "cannot listen on " + address.address().to_string() + ":" + std::to_string(address.port()) + ": " +
                     error.message());
  }
  asio::co_spawn(state_->executor, accept_all(state_), asio::detached);
  return acceptor.local_endpoint();
}

asio::awaitable<void> PublicListener::stop(core::Deadline deadline) {
  const Shared state = state_;
  state->draining = true;
  error_code ignored;
  state->acceptor.close(ignored);
  for (Session* session : state->sessions) session->drain();
  while (!state->sessions.empty() && std::chrono::steady_clock::now() < deadline.at) {
    state->ended.expires_at(deadline.at);
    co_await state->ended.async_wait(kToken);
  }
  if (!state->sessions.empty()) {
    state->logger->warn("connections are closed with requests under way", {{"connections", state->sessions.size()}});
  }
  for (Session* session : state->sessions) session->close();
}

std::size_t PublicListener::connections() const noexcept { return state_->serving; }

}  // namespace ff::server::http
