#pragma once
// Transport: what all sockets of one connection share.

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <random>

#include "backoff.hpp"
#include "ff/core/result.hpp"
#include "ff/script/connect.hpp"

namespace boost::asio::ssl {
class context;
}

namespace ff::script {

struct Transport {
  const boost::asio::any_io_executor executor;
  const ConnectionOptions options;
  ConnectionStats stats;
  Random random{std::random_device{}()};

  Transport(boost::asio::any_io_executor e, ConnectionOptions o);
  ~Transport();

  // Certificates are read at the first dial. Error: unavailable/"connect" when a file cannot be used; read
  // again next time.
  core::Result<boost::asio::ssl::context*> tls_context();

 private:
  std::unique_ptr<boost::asio::ssl::context> tls_context_;
};

}  // namespace ff::script
