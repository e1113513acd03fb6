#include "ff/script/connect.hpp"

#include <sys/un.h>

#include <stdexcept>
#include <utility>

#include "router.hpp"
#include "subscriptions.hpp"

namespace ff::script {

namespace asio = boost::asio;

namespace {

// What the caller holds. It has no share in what is under way: its end closes everything.
class ValkeyConnection final : public Connection {
 public:
  ValkeyConnection(asio::any_io_executor executor, ConnectionOptions options)
      : router_(std::make_shared<Router>(std::move(executor), std::move(options))) {}
  ~ValkeyConnection() override { router_->close(); }

  asio::awaitable<core::Result<Reply>> send(Slot slot, Command command, core::Deadline deadline) override {
    return Router::send(router_, slot, std::move(command), deadline);
  }
  asio::awaitable<core::Result<std::vector<Reply>>> send_to_primaries(Command command,
                                                                      core::Deadline deadline) override {
    return Router::send_to_primaries(router_, std::move(command), deadline);
  }
  std::unique_ptr<Subscription> subscribe(Slot slot, std::string channel, OnMessage on_message,
                                          OnGap on_gap) override {
    return Subscriptions::add(router_, slot, std::move(channel), std::move(on_message), std::move(on_gap));
  }
  const ConnectionStats& stats() const noexcept override { return router_->transport().stats; }
  asio::any_io_executor executor() const override { return router_->transport().executor; }
  void close() override { router_->close(); }

 private:
  const std::shared_ptr<Router> router_;
};

bool is_name(const std::string& text) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  return text.find_first_not_of(allowed) == std::string::npos;
}

}  // namespace

std::shared_ptr<Connection> make_connection(asio::any_io_executor executor, ConnectionOptions options) {
  if (!is_name(options.client_name)) {
    throw std::invalid_argument("client_name: letters, digits, '-', '_' and '.' only");
  }
  if (options.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) {
    throw std::invalid_argument("unix_socket: the path is longer than the system allows");
  }
  if (options.in_flight_max == 0) throw std::invalid_argument("in_flight_max: must be at least 1");
  return std::make_shared<ValkeyConnection>(std::move(executor), std::move(options));
}

}  // namespace ff::script
