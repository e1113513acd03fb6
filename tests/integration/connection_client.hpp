#pragma once
// Client: a connection under test with its own io_context, driven from plain test code.

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "ff/script/connect.hpp"
#include "support/run.hpp"
#include "support/valkey_server.hpp"

namespace ff::test {

using core::Code;
using core::Millis;
using core::Result;
using script::Command;
using script::ConnectionOptions;
using script::Reply;

inline Command words(const std::vector<std::string>& list) {
  Command command(list.at(0));
  for (std::size_t i = 1; i < list.size(); ++i) command.arg(list[i]);
  return command;
}

inline ConnectionOptions over_unix(const ValkeyServer& server) {
  ConnectionOptions options;
  options.unix_socket = server.unix_socket();
  return options;
}

inline ConnectionOptions over_tcp(std::uint16_t port) {
  ConnectionOptions options;
  options.host = "127.0.0.1";
  options.port = port;
  return options;
}

// One call that was started and not waited for.
struct Pending {
  std::optional<Result<Reply>> result;
  boost::asio::cancellation_signal cancel;
  bool done() const noexcept { return result.has_value(); }
};

using Calls = std::vector<std::shared_ptr<Pending>>;

inline bool all_done(const Calls& calls) {
  return std::all_of(calls.begin(), calls.end(), [](const auto& call) { return call->done(); });
}

class Client {
 public:
  explicit Client(ConnectionOptions options)
      : connection_(script::make_connection(context_.get_executor(), std::move(options))) {}
  // Everything the connection has started must end once it is closed: this hangs, and the test with it, if
  // not.
  ~Client() {
    connection_->close();
    context_.restart();
    context_.run();
  }

  // One command to every primary.
  Result<std::vector<Reply>> call_all(const std::string& name, Millis limit) {
    return run(context_, connection_->send_to_primaries(Command(name), core::Deadline::in(limit)));
  }

  script::Connection& connection() const { return *connection_; }
  boost::asio::io_context& context() { return context_; }

  Result<Reply> call(const std::vector<std::string>& list, Millis limit = Millis(10'000),
                     script::Slot slot = 0) {
    auto pending = start(list, limit, slot);
    const bool ended = until([&] { return pending->done(); }, limit + Millis(5'000));
    if (!ended) throw TimedOut(list.at(0) + " has not ended");
    return *pending->result;
  }

  // A call that must end well.
  void must(const std::vector<std::string>& list, script::Slot slot = 0) {
    const auto result = call(list, Millis(10'000), slot);
    if (!result) throw std::runtime_error(list.at(0) + ": " + result.error().to_string());
    if (result.value().is_error()) throw std::runtime_error(list.at(0) + ": " + result.value().text);
  }

  std::shared_ptr<Pending> start(const std::vector<std::string>& list, Millis limit = Millis(10'000),
                                 script::Slot slot = 0) {
    auto pending = std::make_shared<Pending>();
    auto call = keep(connection_->send(slot, words(list), core::Deadline::in(limit)), pending);
    auto ended = [pending](std::exception_ptr) {};
    boost::asio::co_spawn(context_, std::move(call),
                          boost::asio::bind_cancellation_slot(pending->cancel.slot(), std::move(ended)));
    return pending;
  }

  // Runs the context until `condition`; false after `limit`.
  template <class Condition>
  bool until(Condition condition, Millis limit = Millis(10'000)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    context_.restart();
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      if (context_.run_one_for(Millis(20)) == 0) context_.restart();
    }
    return true;
  }

  // Runs it for so long, whatever happens.
  void idle(Millis duration) {
    until([] { return false; }, duration);
  }

  void close() { connection_->close(); }

 private:
  static boost::asio::awaitable<void> keep(boost::asio::awaitable<Result<Reply>> call,
                                           std::shared_ptr<Pending> pending) {
    Result<Reply> result = co_await std::move(call);
    pending->result.emplace(std::move(result));
  }

  boost::asio::io_context context_{1};
  std::shared_ptr<script::Connection> connection_;
};

inline bool is_error(const Result<Reply>& result, Code code, const std::string& reason) {
  return !result && result.error().code == code && result.error().reason == reason;
}

inline std::string text(const Result<Reply>& result) {
  if (!result) return result.error().to_string();
  if (result.value().kind == Reply::Kind::integer) return std::to_string(result.value().integer);
  return result.value().text;
}

}  // namespace ff::test
