#pragma once
// Dial: one attempt to open a stream to a node, with names, TLS, AUTH and CLIENT SETNAME, under one time
// limit.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "address.hpp"
#include "ff/core/result.hpp"
#include "resp_reader.hpp"
#include "stream.hpp"
#include "transport.hpp"

namespace ff::script {

class Dial : public std::enable_shared_from_this<Dial> {
 public:
  using Outcome = core::Result<std::shared_ptr<Stream>>;

  Dial(std::shared_ptr<Transport> transport, Address address);

  // Calls `done` once, on the executor, unless cancelled.
  // Errors: unavailable/"connect", unavailable/"maxclients", unauthenticated/"auth".
  template <class Done>
  void start(Done done) {
    done_ = std::move(done);
    launch();
  }
  void cancel();

 private:
  using Endpoints = std::vector<Stream::Endpoint>;

  void launch();
  static boost::asio::awaitable<void> run(std::shared_ptr<Dial> self);
  boost::asio::awaitable<core::Result<void>> open();
  boost::asio::awaitable<core::Result<Endpoints>> find_endpoints();
  boost::asio::awaitable<core::Result<void>> connect(Endpoints endpoints);
  boost::asio::awaitable<core::Result<void>> secure();
  boost::asio::awaitable<core::Result<void>> introduce();
  // Closes the stream when `limit` has passed, unless called again before.
  void watch(core::Millis limit);
  core::Millis time_left() const;
  core::Error failure(const std::string& what) const;

  const std::shared_ptr<Transport> transport_;
  const Address address_;
  std::shared_ptr<Stream> stream_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::steady_timer timer_;
  core::SteadyTime end_;
  std::uint64_t watches_ = 0;
  bool cancelled_ = false;
  bool late_ = false;  // The watch has closed the stream.
  std::function<void(Outcome)> done_;
};

}  // namespace ff::script
