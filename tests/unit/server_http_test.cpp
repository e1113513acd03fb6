// The public listener against hostile and merely impatient clients, over real sockets. No Valkey: the routes are an
// echo.
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <functional>
#include <thread>
#include <vector>

#include "http/error_map.hpp"
#include "http/public_listener.hpp"
#include "server_lab.hpp"
#include "support/seed.hpp"
#include "support/wait.hpp"

namespace asio = boost::asio;
using namespace ff::server::http;
using namespace ff::test;
using namespace std::chrono_literals;
using ff::core::Code;
using ff::core::Error;

namespace {

constexpr std::size_t kBodyMax = 1000;
constexpr auto kTime = 5s;

// What handlers have seen; a test looks at the difference it makes.
std::atomic<int> waits_begun{0};
std::atomic<std::chrono::steady_clock::time_point> last_deadline{};

asio::awaitable<Response> echo(Request request) {
  last_deadline = request.deadline.at;
  if (request.target.path.at(0) == "throw") throw std::runtime_error("a secret detail");
  Response response(200, request.target.path.at(0) == "number" ? request.target.path.at(1) : request.body);
  response.content_type = "application/octet-stream";
  co_return response;
}

asio::awaitable<Response> wait_for_ever(Request) {
  ++waits_begun;
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::steady_clock::time_point::max());
  co_await timer.async_wait(asio::use_awaitable);
  co_return Response(200, "");
}

Admission admit(const Request& head) {
  Admission admission;
  admission.route = "echo";
  admission.body_bytes_max = kBodyMax;
  admission.time = kTime;
  if (head.target.path.empty() || head.target.path[0] == "unknown") {
    admission.refusal = refuse(Error(Code::not_found, "no_route", "no such path"), head.request_id);
  }
  admission.waits = !admission.refusal && head.target.path[0] == "wait";
  admission.handler = admission.waits ? Handler(wait_for_ever) : Handler(echo);
  return admission;
}

class Counts final : public ListenerObserver {
 public:
  std::atomic<int> opened{0}, closed{0}, refused{0}, answers{0}, streams_opened{0}, streams_closed{0};
  void connection_opened() override { ++opened; }
  void connection_closed() override { ++closed; }
  void connection_refused() override { ++refused; }
  void stream_opened() override { ++streams_opened; }
  void stream_closed() override { ++streams_closed; }
  void answered(std::string_view, Method, int, double) override { ++answers; }
};

// A listener on a thread of its own.
class Lab {
 public:
  explicit Lab(PublicListenerOptions options = PublicListenerOptions()) {
    options.address = asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0);
    listener_.emplace(context_.get_executor(), options, admit, counts, std::make_shared<ff::core::NullLogger>());
    port = listener_->start().value().port();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Lab() {
    stop(1s);
    guard_.reset();
    thread_.join();
  }
  void stop(ff::core::Millis limit) {
    auto stopped = listener_->stop(ff::core::Deadline::in(limit));
    asio::co_spawn(context_, std::move(stopped), asio::use_future).get();
  }

  Counts counts;
  std::uint16_t port = 0;

 private:
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_ = asio::make_work_guard(context_);
  std::optional<PublicListener> listener_;
  std::thread thread_;
};

struct Case {
  const char* name;
  std::string bytes;
  int status;
  std::string reason;
};

std::string many_headers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "X-H" + std::to_string(i) + ": 1\r\n";
  return text;
}

// Each on a fresh connection, which must be answered so and then closed.
std::vector<Case> hostile() {
  const std::string host = "Host: x\r\n";
  const std::string get = "GET /number/1 HTTP/1.1\r\n";
  const std::string post = "POST /echo HTTP/1.1\r\n" + host;
  return {
      {"no Host", get + "\r\n", 400, "host_missing"},
      {"an empty Host", get + "Host:\r\n\r\n", 400, "host_missing"},
      {"two Hosts", get + host + host + "\r\n", 400, "duplicate_header"},
      {"LF only", "GET /number/1 HTTP/1.1\nHost: x\n\n", 400, "bad_line_ending"},
      {"CR without LF", "GET /number/1 HTTP/1.1\rHost: x\r\n\r\n", 400, "bad_line_ending"},
      {"NUL in a value", get + host + std::string("X-A: a\0b\r\n\r\n", 12), 400, "bad_byte"},
      {"NUL in the target", std::string("GET /\0 HTTP/1.1\r\n", 17) + host + "\r\n", 400, "bad_byte"},
      {"a folded header", get + host + "X-A: a\r\n b\r\n\r\n", 400, "folded_header"},
      {"a header without a colon", get + host + "nonsense\r\n\r\n", 400, "bad_request"},
      {"a space before the colon", get + "Host : x\r\n\r\n", 400, "bad_request"},
      {"101 headers", get + host + many_headers(100) + "\r\n", 431, "too_many_headers"},
      {"a head of 17 KB", get + host + "X-A: " + std::string(17000, 'a') + "\r\n\r\n", 431, "head_too_large"},
      {"a target of 9 KB", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 414, "target_too_long"},
      {"50,000 slashes", "GET " + std::string(50000, '/') + " HTTP/1.1\r\n" + host + "\r\n", 414, "target_too_long"},
      {"binary rubbish", std::string("\x16\x03\x01\x02\x00\x01", 6), 400, "bad_byte"},
      {"version 2.0", "GET / HTTP/2.0\r\n" + host + "\r\n", 505, "bad_version"},
      {"version H", "GET / H\r\n" + host + "\r\n", 505, "bad_version"},
      {"no version", "GET /\r\n" + host + "\r\n", 400, "bad_request"},
      {"an unknown method", "BREW /number/1 HTTP/1.1\r\n" + host + "\r\n", 501, "unknown_method"},
      {"a bad percent", "GET /number/%zz HTTP/1.1\r\n" + host + "\r\n", 400, "bad_target"},
      {"half a percent", "GET /number/%4 HTTP/1.1\r\n" + host + "\r\n", 400, "bad_target"},
      {"an encoded NUL", "GET /number/%00 HTTP/1.1\r\n" + host + "\r\n", 400, "bad_target"},
      {"overlong UTF-8", "GET /number/%c0%af HTTP/1.1\r\n" + host + "\r\n", 400, "bad_target"},
      {"raw bytes above ASCII", "GET /number/\xc3\xa4 HTTP/1.1\r\n" + host + "\r\n", 400, ""},
      {"a query key twice", "GET /number/1?a=1&a=2 HTTP/1.1\r\n" + host + "\r\n", 400, "bad_target"},
      {"Content-Length abc", post + "Content-Length: abc\r\n\r\n", 400, "bad_content_length"},
      {"Content-Length -5", post + "Content-Length: -5\r\n\r\n", 400, "bad_content_length"},
      {"Content-Length +5", post + "Content-Length: +5\r\n\r\nhello", 400, "bad_content_length"},
      {"Content-Length of 20 digits", post + "Content-Length: 99999999999999999999\r\n\r\n", 400, "bad_content_length"},
      {"Content-Length 5,5", post + "Content-Length: 5, 5\r\n\r\nhello", 400, "bad_content_length"},
      {"two equal Content-Lengths", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400,
       "duplicate_header"},
      {"two Content-Lengths", post + "Content-Length: 3\r\nContent-Length: 5\r\n\r\nhello", 400, "bad_content_length"},
      {"CL and TE", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
       "bad_transfer_encoding"},
      {"TE and CL", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400,
       "bad_content_length"},
      {"TE gzip", post + "Transfer-Encoding: gzip\r\n\r\n", 501, "bad_transfer_encoding"},
      {"TE gzip, chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "bad_transfer_encoding"},
      {"chunk size ZZ", post + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n", 400, "bad_chunk"},
      {"chunk size -3", post + "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n", 400, "bad_chunk"},
      {"chunk size 2^64-1", post + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", 413, "body_too_large"},
      {"a chunk head without end", post + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(70000, 'a'), 400,
       "bad_chunk"},
      {"a body over the limit", post + "Content-Length: 1001\r\n\r\n", 413, "body_too_large"},
      {"a body of 1 GB", post + "Content-Length: 1000000000\r\n\r\n", 413, "body_too_large"},
      {"chunks over the limit", post + "Transfer-Encoding: chunked\r\n\r\n3E9\r\n", 413, "body_too_large"},
      {"a compressed body", post + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", 415,
       "bad_content_encoding"},
      {"another Expect", post + "Expect: miracles\r\nContent-Length: 5\r\n\r\n", 417, "bad_expect"},
      {"CONNECT", "CONNECT x:80 HTTP/1.1\r\n" + host + "\r\n", 501, "unknown_method"},
      {"asterisk", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 400, "bad_target"},
  };
}

}  // namespace

TEST_CASE("hostile requests get the right status, a stable reason, and a closed connection") {
  Lab lab;
  for (const Case& one : hostile()) {
    INFO(one.name);
    RawHttp client(lab.port);
    client.send(one.bytes);
    const auto answer = client.receive();
    REQUIRE(answer.has_value());
    CHECK(answer->status == one.status);
    CHECK(answer->body.find("\"reason\":\"" + one.reason) != std::string::npos);
    CHECK(answer->header("x-request-id").size() == 26);
    CHECK(answer->header("connection") == "close");
    client.finish();
    CHECK(client.closes());
  }
  CHECK(ask(lab.port, "GET /number/7 HTTP/1.1\r\nHost: x\r\n\r\n")->body == "7");
}

TEST_CASE("the same requests byte by byte get the same answers") {
  Lab lab;
  for (const Case& one : hostile()) {
    if (one.bytes.size() > 400) continue;
    INFO(one.name);
    RawHttp client(lab.port);
    for (const char c : one.bytes) {
      if (!client.send(std::string_view(&c, 1))) break;
    }
    const auto answer = client.receive();
    REQUIRE(answer.has_value());
    CHECK(answer->status == one.status);
  }
}

TEST_CASE("pipelined requests are answered in order, bodies among them") {
  Lab lab;
  RawHttp client(lab.port);
  std::string bytes;
  for (int i = 0; i < 50; ++i) {
    bytes +=
        "GET /number/" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\nX-Request-Id: r" + std::to_string(i) + "\r\n\r\n";
    const std::string body = "body" + std::to_string(i);
    bytes += "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    bytes +=
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: "
        "v\r\n\r\n";
  }

  client.send(bytes);

  for (int i = 0; i < 50; ++i) {
    const auto number = client.receive();
    REQUIRE(number.has_value());
    CHECK(number->body == std::to_string(i));
    CHECK(number->header("x-request-id") == "r" + std::to_string(i));
    CHECK(client.receive()->body == "body" + std::to_string(i));
    CHECK(client.receive()->body == "abc");
  }
  CHECK(lab.counts.opened == 1);
}

TEST_CASE("all 256 byte values pass through a body") {
  Lab lab;
  std::string body;
  for (int i = 0; i < 256; ++i) body += static_cast<char>(i);

  const auto answer = ask(lab.port, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 256\r\n\r\n" + body);

  CHECK(answer->body == body);
}

TEST_CASE("HEAD is answered like GET, without the body") {
  Lab lab;
  RawHttp client(lab.port);
  client.send("HEAD /number/42 HTTP/1.1\r\nHost: x\r\n\r\nGET /number/43 HTTP/1.1\r\nHost: x\r\n\r\n");

  const auto head = client.receive(true);
  CHECK(head->header("content-length") == "2");
  CHECK(client.receive()->body == "43");
}

TEST_CASE("every answer says that it must not be stored or guessed at, and carries the request id") {
  Lab lab;
  const std::string id = "abc.DEF-1_2";
  const auto good = ask(lab.port, "GET /number/1 HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + id + "\r\n\r\n");
  const auto bad = ask(lab.port, "GET /unknown HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + id + "\r\n\r\n");
  const auto forged = ask(lab.port, "GET /number/1 HTTP/1.1\r\nHost: x\r\nX-Request-Id: a b\"c\r\n\r\n");

  CHECK(good->header("x-request-id") == id);
  CHECK(bad->header("x-request-id") == id);
  CHECK(bad->body.find(id) != std::string::npos);
  CHECK(forged->header("x-request-id").size() == 26);
  for (const auto& answer : {*good, *bad, *forged}) {
    CHECK(answer.header("cache-control") == "no-store");
    CHECK(answer.header("x-content-type-options") == "nosniff");
    CHECK(answer.header("date").size() == 29);
  }
}

TEST_CASE("HTTP/1.0 is closed unless it asks to be kept; Connection: close is honoured") {
  Lab lab;
  RawHttp plain(lab.port), kept(lab.port), closing(lab.port);
  plain.send("GET /number/1 HTTP/1.0\r\n\r\n");
  kept.send("GET /number/2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  closing.send("GET /number/3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

  CHECK(plain.receive()->header("connection") == "close");
  CHECK(plain.closes());
  CHECK(kept.receive()->header("connection") == "keep-alive");
  kept.send("GET /number/4 HTTP/1.0\r\n\r\n");
  CHECK(kept.receive()->body == "4");
  CHECK(closing.receive()->header("connection") == "close");
  CHECK(closing.closes());
}

TEST_CASE("Expect: 100-continue is answered before the body, and not when the body is refused") {
  Lab lab;
  RawHttp client(lab.port), refused(lab.port);
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  refused.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n");

  CHECK(client.receive()->status == 100);
  client.send("hello");
  CHECK(client.receive()->body == "hello");
  CHECK(refused.receive()->status == 413);
}

TEST_CASE("a handler that throws is an error of ours, and nothing of it is told") {
  Lab lab;
  RawHttp client(lab.port);
  client.send("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n");

  const auto answer = client.receive();

  CHECK(answer->status == 500);
  CHECK(answer->body.find("secret") == std::string::npos);
  client.send("GET /number/1 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(client.receive()->body == "1");
}

TEST_CASE("slow heads, slow bodies and silence are ended by their timeouts") {
  PublicListenerOptions options;
  options.header_timeout = 150ms;
  options.body_timeout = 150ms;
  options.body_rate_min = 100'000;
  options.idle_timeout = 150ms;
  Lab lab(options);
  RawHttp silent(lab.port), half_head(lab.port), half_body(lab.port), idle(lab.port), dripping(lab.port);
  half_head.send("GET /number/1 HT");
  half_body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
  idle.send("GET /number/1 HTTP/1.1\r\nHost: x\r\n\r\n");
  dripping.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
  std::thread drip([&dripping] {
    const auto one_byte = [&dripping] { return !dripping.send("x"); };
    wait_until(one_byte, 1s);
  });

  CHECK(half_head.receive()->status == 408);
  CHECK(half_body.receive()->status == 408);
  CHECK(dripping.receive()->status == 408);
  CHECK(idle.receive()->status == 200);
  CHECK(idle.closes());
  CHECK(silent.closes());
  drip.join();
}

TEST_CASE("connections over the cap get 503 and do not disturb the others") {
  PublicListenerOptions options;
  options.connections_max = 2;
  Lab lab(options);
  RawHttp one(lab.port), two(lab.port);
  REQUIRE(wait_until([&] { return lab.counts.opened == 2; }));

  RawHttp three(lab.port);
  const auto refused = three.receive();

  REQUIRE(refused.has_value());
  CHECK(refused->status == 503);
  CHECK(refused->header("retry-after") == "1");
  CHECK(three.closes());
  one.send("GET /number/1 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(one.receive()->body == "1");
  one.reset();
  REQUIRE(wait_until([&] { return lab.counts.closed == 1; }));
  CHECK(ask(lab.port, "GET /number/4 HTTP/1.1\r\nHost: x\r\n\r\n")->body == "4");
}

TEST_CASE("bodies under way are bounded together") {
  PublicListenerOptions options;
  options.bodies_bytes_max = 1500;
  Lab lab(options);
  RawHttp one(lab.port), two(lab.port);
  one.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 900\r\n\r\n");
  CHECK(one.receive()->status == 100);

  two.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
  CHECK(two.receive()->status == 503);

  one.send(std::string(900, 'x'));
  CHECK(one.receive()->status == 200);
  CHECK(
      ask(lab.port, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n" + std::string(900, 'y'))->status ==
      200);
}

TEST_CASE("a body counts among those under way until its request has been handled") {
  PublicListenerOptions options;
  options.bodies_bytes_max = 1500;
  Lab lab(options);
  const std::string body = "Content-Length: 900\r\n\r\n" + std::string(900, 'x');
  const int begun = waits_begun;
  RawHttp waiting(lab.port);
  waiting.send("POST /wait HTTP/1.1\r\nHost: x\r\n" + body);
  REQUIRE(wait_until([&] { return waits_begun == begun + 1; }));

  CHECK(ask(lab.port, "POST /echo HTTP/1.1\r\nHost: x\r\n" + body)->status == 503);

  waiting.reset();
  REQUIRE(wait_until([&] { return lab.counts.closed == 2; }));
  CHECK(ask(lab.port, "POST /echo HTTP/1.1\r\nHost: x\r\n" + body)->status == 200);
}

TEST_CASE("the time to send a body is not taken from the time to handle it") {
  Lab lab;
  RawHttp client(lab.port);
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
  REQUIRE(client.receive()->status == 100);

  const auto sent_at = std::chrono::steady_clock::now();
  client.send("x");

  CHECK(client.receive()->status == 200);
  CHECK(last_deadline.load() >= sent_at + kTime);
}

TEST_CASE("a long poll ends with its client") {
  Lab lab;
  RawHttp client(lab.port);
  client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(wait_until([&] { return lab.counts.opened == 1; }));

  client.reset();

  CHECK(wait_until([&] { return lab.counts.closed == 1; }));
  CHECK(lab.counts.answers == 0);
}

TEST_CASE("a drain ends idle connections and long polls at once and lets requests under way end") {
  Lab lab;
  RawHttp idle(lab.port), waiting(lab.port), sending(lab.port), pipelining(lab.port);
  idle.send("GET /number/1 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(idle.receive()->status == 200);
  waiting.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  pipelining.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\nGET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  sending.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  CHECK(sending.receive()->status == 100);
  REQUIRE(wait_until([&] { return lab.counts.opened == 4; }));

  std::thread stopping([&lab] { lab.stop(10s); });

  CHECK(idle.closes());
  CHECK(waiting.receive()->status == 503);
  CHECK(pipelining.receive()->status == 503);
  sending.send("hello");
  const auto last = sending.receive();
  REQUIRE(last.has_value());
  CHECK(last->body == "hello");
  CHECK(last->header("connection") == "close");
  for (RawHttp* client : {&waiting, &sending, &pipelining}) client->finish();
  stopping.join();
  CHECK_THROWS(RawHttp(lab.port));
}

TEST_CASE("64 clients that leave early get no answer that is not theirs") {
  Lab lab;
  std::atomic<int> wrong{0}, right{0}, left{0};
  const std::uint64_t base = seed();
  std::vector<std::thread> clients;
  for (int c = 0; c < 64; ++c) {
    clients.emplace_back([&, c] {
      Rng rng(base + static_cast<std::uint64_t>(c));
      std::optional<RawHttp> connection;
      for (int i = 0; i < 200; ++i) {
        if (!connection) connection.emplace(lab.port);
        const std::string number = std::to_string(c * 1000 + i);
        connection->send("GET /number/" + number + " HTTP/1.1\r\nHost: x\r\n\r\n");
        if (rng.chance(0.3)) {
          connection->reset();
          connection.reset();
          ++left;
          continue;
        }
        const auto answer = connection->receive();
        if (!answer || answer->body != number) ++wrong;
        else ++right;
      }
    });
  }
  for (auto& client : clients) client.join();

  CHECK(wrong == 0);
  CHECK(right + left == 64 * 200);
  CHECK(left > 1000);
}
