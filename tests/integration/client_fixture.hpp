#pragma once
// What the tests of Client share: one server and one cluster for the program, a deployment of its own for each test.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_tostring.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ff/script/verbs.gen.hpp"
#include "ff/sdk/client.hpp"
#include "support/run.hpp"
#include "support/valkey_cluster.hpp"
#include "support/valkey_server.hpp"
#include "support/wait.hpp"

namespace ff::test {

using namespace std::chrono_literals;
using core::Code;

enum class Store { standalone, cluster };

// Started at first use, ended with the program.
ValkeyServer& the_server();
ValkeyCluster& the_cluster();

script::ConnectionOptions connect_to(Store store);
script::ConnectionOptions connect_to_port(std::uint16_t port);
// A key prefix that no other test of this program has.
std::string fresh_prefix();

// An operation that goes on while the test does other things on the same context.
// T is std::monostate for one without a value.
template <class T>
class Background {
 public:
  using Operation = std::conditional_t<std::is_same_v<T, std::monostate>, void, T>;
  Background(boost::asio::io_context& context, boost::asio::awaitable<Operation> operation)
      : context_(context), state_(std::make_shared<detail::RunState<T>>()) {
    detail::start(context, std::move(operation), state_);
  }
  // Runs the context until `condition` holds or the operation has ended; whether `condition` holds.
  bool until(const std::function<bool()>& condition, std::chrono::milliseconds limit = 10s) {
    wait_until([&] { return poll() || condition(); }, limit);
    return condition();
  }
  bool done() const { return state_->done; }
  void cancel() { state_->cancel.emit(boost::asio::cancellation_type::terminal); }
  // Runs the context until the operation has ended; whether it threw.
  bool threw() {
    REQUIRE(wait_until([&] { return poll(); }));
    return state_->error != nullptr;
  }
  T get() {
    REQUIRE(wait_until([&] { return poll(); }));
    if (state_->error) std::rethrow_exception(state_->error);
    return std::move(*state_->value);
  }

 private:
  bool poll() {
    context_.restart();
    context_.poll();
    return state_->done;
  }
  boost::asio::io_context& context_;
  std::shared_ptr<detail::RunState<T>> state_;
};

struct SetupOptions {
  Store store = Store::standalone;
  std::size_t partitions = 0;
  std::string prefix = fresh_prefix();
  core::Millis call_timeout{5000};
  std::optional<script::ConnectionOptions> connection;  // Instead of the store's own, such as through a proxy.
  std::string ns = "default";
  SetupOptions() = default;
  explicit SetupOptions(Store s) : store(s) {}
};

// One claimed execution, with what fences it.
struct Held {
  core::ExecutionId id;
  std::string lease;
  script::Claim::Row row;
  Held(core::ExecutionId i, std::string l, script::Claim::Row r)
      : id(std::move(i)), lease(std::move(l)), row(std::move(r)) {}
};

class Setup {
 public:
  explicit Setup(SetupOptions options);
  explicit Setup(Store store) : Setup(SetupOptions(store)) {}
  Setup() : Setup(SetupOptions()) {}

  // Another client of the same deployment, on a connection of its own, straight to the store.
  sdk::Client another(const std::string& ns = "default");

  template <class T>
  T run(boost::asio::awaitable<T> operation) {
    return test::run(context, std::move(operation), 20s);
  }
  // The value, or a failed test with the error's text.
  template <class T>
  T good(boost::asio::awaitable<core::Result<T>> operation) {
    auto result = run(std::move(operation));
    INFO(text(result));
    REQUIRE(result.has_value());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }
  // "code/reason" of the error, or "ok".
  template <class T>
  std::string refusal(boost::asio::awaitable<core::Result<T>> operation) {
    return text(run(std::move(operation)));
  }
  template <class T>
  static std::string text(const core::Result<T>& result) {
    if (result) return "ok";
    return std::string(core::to_string(result.error().code)) + "/" + result.error().reason;
  }

  core::ExecutionId submit(const std::string& lane = "default", core::Payload payload = core::Payload());
  core::ExecutionId submit(sdk::Submission submission);
  // Claims on the id's partition what is first in the lane, which must be this id.
  Held claim(const core::ExecutionId& id, const std::string& lane = "default", std::int64_t lease_ms = 60'000);
  // The verb's outcome word.
  std::string complete(const Held& held, core::Payload result = core::Payload());
  std::string fail(const Held& held, const std::string& failure_class, const std::string& why);
  core::TimestampMs valkey_now();
  std::int64_t counted(const std::string& index);
  std::uint64_t commands() const { return client->deployment()->connection()->stats().commands; }
  // Whether anybody listens for the end of this execution.
  bool watched(const core::ExecutionId& id);
  // Runs the context until nobody does.
  bool becomes_unwatched(const core::ExecutionId& id);

  SetupOptions options;
  boost::asio::io_context context{1};
  std::optional<sdk::Client> client;  // Set by the constructor.
};

// Passes every call on to another connection, but for the faults it was told of: exact, where a proxy's cut depends on
// which call comes first.
class FaultyConnection final : public script::Connection {
 public:
  explicit FaultyConnection(std::shared_ptr<script::Connection> inner) : inner_(std::move(inner)) {}

  // The next calls whose bytes contain `text`: run, and their replies lost; not run, and unavailable; or preceded by
  // `action`. One shot each, in the order given.
  void lose_reply(std::string text) { faults_.push_back(Fault(std::move(text), Kind::lose_reply)); }
  void refuse(std::string text) { faults_.push_back(Fault(std::move(text), Kind::refuse)); }
  void before(std::string text, std::function<boost::asio::awaitable<void>()> action) {
    faults_.push_back(Fault(std::move(text), Kind::before));
    faults_.back().action = std::move(action);
  }
  std::size_t faults_left() const { return faults_.size(); }
  std::size_t sent() const { return sent_; }          // Commands, refused ones included.
  std::size_t answered() const { return answered_; }  // Commands whose replies have come.

  boost::asio::awaitable<core::Result<script::Reply>> send(script::Slot slot, script::Command command,
                                                           core::Deadline deadline) override;
  boost::asio::awaitable<core::Result<std::vector<script::Reply>>> send_to_primaries(script::Command command,
                                                                                     core::Deadline deadline) override {
    return inner_->send_to_primaries(std::move(command), deadline);
  }
  std::unique_ptr<Subscription> subscribe(script::Slot slot, std::string channel,
                                          std::function<void(std::string_view, std::string_view)> on_message,
                                          std::function<void(std::string_view)> on_gap) override {
    return inner_->subscribe(slot, std::move(channel), std::move(on_message), std::move(on_gap));
  }
  const script::ConnectionStats& stats() const noexcept override { return inner_->stats(); }
  boost::asio::any_io_executor executor() const override { return inner_->executor(); }
  void close() override { inner_->close(); }

 private:
  enum class Kind { lose_reply, refuse, before };
  struct Fault {
    Fault(std::string t, Kind k) : text(std::move(t)), kind(k) {}
    std::string text;
    Kind kind;
    std::function<boost::asio::awaitable<void>()> action;
  };
  std::shared_ptr<script::Connection> inner_;
  std::vector<Fault> faults_;
  std::size_t sent_ = 0;
  std::size_t answered_ = 0;
};

boost::asio::awaitable<void> replay(sdk::Client client, core::ExecutionId id);

// A client of the setup's deployment over a FaultyConnection.
struct FaultyClient {
  explicit FaultyClient(Setup& setup);
  std::shared_ptr<FaultyConnection> faults;
  std::optional<sdk::Client> client;
};

}  // namespace ff::test
