// The ordinary life of a connection: order, bytes, limits, cancelling, closing.
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch_test_macros.hpp>

#include "integration/connection_client.hpp"

using namespace ff::test;

TEST_CASE("replies come to the calls they belong to, in call order") {
  ValkeyServer server;
  Client client(over_unix(server));
  std::vector<std::shared_ptr<Pending>> calls;

  for (int i = 0; i < 2000; ++i) calls.push_back(client.start({"INCR", "n"}));

  REQUIRE(client.until([&] { return calls.back()->done(); }));
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(calls[static_cast<std::size_t>(i)]->done());
    REQUIRE(text(*calls[static_cast<std::size_t>(i)]->result) == std::to_string(i + 1));
  }
  CHECK(client.connection().stats().commands == 2000);
  CHECK(client.connection().stats().reconnects == 0);
}

TEST_CASE("keys and values are bytes") {
  ValkeyServer server;
  Client client(over_tcp(server.port()));
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  every_byte += "\r\n$5\r\nhello\r\n";

  REQUIRE(text(client.call({"SET", every_byte, every_byte})) == "OK");

  CHECK(text(client.call({"GET", every_byte})) == every_byte);
}

TEST_CASE("large arguments and replies pass") {
  ValkeyServer server;
  Client client(over_tcp(server.port()));
  const std::string large(5 * 1024 * 1024, 'x');
  std::vector<std::shared_ptr<Pending>> calls;

  for (int i = 0; i < 5; ++i) calls.push_back(client.start({"ECHO", large + std::to_string(i)}));

  REQUIRE(client.until([&] { return calls.back()->done(); }));
  for (std::size_t i = 0; i < 5; ++i) CHECK(text(*calls[i]->result) == large + std::to_string(i));
}

TEST_CASE("error replies, nil and arrays are values") {
  ValkeyServer server;
  Client client(over_unix(server));
  client.must({"SET", "text", "x"});

  auto wrong_type = client.call({"LPUSH", "text", "x"});
  REQUIRE(wrong_type);
  CHECK(wrong_type->is_error());
  CHECK(wrong_type->text.starts_with("WRONGTYPE"));
  auto mget = client.call({"MGET", "text", "nothing"});
  REQUIRE(mget);
  REQUIRE(mget->elements.size() == 2);
  CHECK(mget->elements[0].text == "x");
  CHECK(mget->elements[1].kind == Reply::Kind::nil);
  CHECK(client.call({"NOSUCHCOMMAND"})->text.starts_with("ERR unknown command"));
}

TEST_CASE("a single server is its only primary") {
  ValkeyServer server;
  Client client(over_unix(server));

  auto replies = client.call_all("PING", Millis(5000));

  REQUIRE(replies);
  REQUIRE(replies->size() == 1);
  CHECK(replies->at(0).text == "PONG");
}

TEST_CASE("a call past its deadline is not sent") {
  ValkeyServer server;
  Client client(over_unix(server));

  CHECK(is_error(client.call({"SET", "k", "v"}, Millis(0)), Code::unavailable, "deadline"));

  CHECK(client.connection().stats().commands == 0);
}

TEST_CASE("one call more than allowed is refused, and only that") {
  ValkeyServer server;
  auto options = over_unix(server);
  options.in_flight_max = 10;
  Client client(options);
  client.must({"PING"});
  server.freeze();
  std::vector<std::shared_ptr<Pending>> calls;
  for (int i = 0; i < 10; ++i) calls.push_back(client.start({"INCR", "n"}));

  CHECK(is_error(client.call({"INCR", "n"}), Code::unavailable, "overload"));

  server.thaw();
  REQUIRE(client.until([&] { return calls.back()->done(); }));
  CHECK(text(*calls.back()->result) == "10");
  CHECK(text(client.call({"GET", "n"})) == "10");
}

TEST_CASE("a cancelled call ends at once, and later replies keep their calls") {
  ValkeyServer server;
  Client client(over_unix(server));
  client.must({"PING"});
  server.freeze();
  const auto before = client.start({"ECHO", "before"});
  const auto cancelled = client.start({"ECHO", "cancelled"});
  const auto after = client.start({"ECHO", "after"});
  client.idle(Millis(20));

  cancelled->cancel.emit(boost::asio::cancellation_type::terminal);

  REQUIRE(client.until([&] { return cancelled->done(); }, Millis(1000)));
  CHECK(is_error(*cancelled->result, Code::cancelled, "cancelled"));
  CHECK_FALSE(before->done());
  server.thaw();
  REQUIRE(client.until([&] { return after->done(); }));
  CHECK(text(*before->result) == "before");
  CHECK(text(*after->result) == "after");
}

TEST_CASE("a call cancelled before it left never reaches the server") {
  ValkeyServer server;
  Client client(over_unix(server));
  client.must({"PING"});

  std::shared_ptr<Pending> cancelled;
  boost::asio::post(client.context(), [&] {  // In one handler: the write can only come after it.
    cancelled = client.start({"SET", "k", "v"});
    cancelled->cancel.emit(boost::asio::cancellation_type::terminal);
  });

  REQUIRE(client.until([&] { return cancelled && cancelled->done(); }, Millis(1000)));
  CHECK(is_error(*cancelled->result, Code::cancelled, "cancelled"));
  CHECK(text(client.call({"EXISTS", "k"})) == "0");
}

TEST_CASE("close ends every pending call with cancelled, queued, sent and waiting ones") {
  ValkeyServer server;
  auto frozen = std::make_unique<Client>(over_unix(server));
  frozen->must({"PING"});
  server.freeze();
  Client nowhere(over_tcp(1));
  std::vector<std::shared_ptr<Pending>> calls;
  for (int i = 0; i < 10; ++i) calls.push_back(frozen->start({"PING"}));
  for (int i = 0; i < 10; ++i) calls.push_back(nowhere.start({"PING"}));
  frozen->idle(Millis(20));
  nowhere.idle(Millis(20));

  frozen->close();
  nowhere.close();

  REQUIRE(frozen->until([&] { return calls[9]->done(); }, Millis(1000)));
  REQUIRE(nowhere.until([&] { return calls[19]->done(); }, Millis(1000)));
  for (const auto& call : calls) CHECK(is_error(*call->result, Code::cancelled, "closed"));
  CHECK(is_error(frozen->call({"PING"}), Code::cancelled, "closed"));
  frozen->close();
  server.thaw();
}

namespace {

boost::asio::awaitable<void> close_after_call(Client& client, bool* closed) {
  auto reply = co_await client.connection().send(0, Command("PING"), ff::core::Deadline::in(Millis(5000)));
  static_cast<void>(reply);
  client.close();
  *closed = true;
}

}  // namespace

TEST_CASE("a connection may be closed from a call's own continuation") {
  ValkeyServer server;
  Client client(over_unix(server));
  std::vector<std::shared_ptr<Pending>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(client.start({"PING"}));
  bool closed = false;
  boost::asio::co_spawn(client.context(), close_after_call(client, &closed), boost::asio::detached);
  for (int i = 0; i < 3; ++i) calls.push_back(client.start({"PING"}));

  REQUIRE(client.until([&] { return calls.back()->done() && closed; }));
}

TEST_CASE("the connection can die before its calls") {
  ValkeyServer server;
  boost::asio::io_context context(1);
  auto connection = ff::script::make_connection(context.get_executor(), over_unix(server));
  auto call = connection->send(0, Command("PING"), ff::core::Deadline::in(Millis(5000)));
  connection.reset();

  CHECK(is_error(run(context, std::move(call)), Code::cancelled, "closed"));
}

namespace {

// Owns the connection it waits on: nothing but the io_context's end can take this ring apart.
using Shared = std::shared_ptr<ff::script::Connection>;

boost::asio::awaitable<void> wait_for_ever(Shared connection, bool* started) {
  Command command("PING");
  auto first = co_await connection->send(0, command, ff::core::Deadline::in(Millis(5000)));
  *started = true;
  auto never = co_await connection->send(0, command, ff::core::Deadline::in(Millis(1'000'000)));
  static_cast<void>(first), static_cast<void>(never);
}

boost::asio::awaitable<void> wait_for_all(Shared connection) {
  const auto deadline = ff::core::Deadline::in(Millis(1'000'000));
  auto never = co_await connection->send_to_primaries(Command("PING"), deadline);
  static_cast<void>(never);
}

}  // namespace

TEST_CASE("an io_context that dies takes pending calls with it") {
  ValkeyServer server;
  {
    boost::asio::io_context context(1);
    bool started = false;
    for (const bool cluster : {false, true}) {
      auto options = over_unix(server);
      options.cluster = cluster;
      auto connection = ff::script::make_connection(context.get_executor(), options);
      boost::asio::co_spawn(context, wait_for_ever(connection, &started), boost::asio::detached);
      boost::asio::co_spawn(context, wait_for_all(connection), boost::asio::detached);
    }
    while (!started) context.run_one();
    server.freeze();
    context.poll();
  }
  server.thaw();
}
