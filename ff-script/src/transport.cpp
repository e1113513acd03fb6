#include "transport.hpp"

#include <boost/asio/ssl/context.hpp>

namespace ff::script {

namespace ssl = boost::asio::ssl;

Transport::Transport(boost::asio::any_io_executor e, ConnectionOptions o)
    : executor(std::move(e)), options(std::move(o)) {}

Transport::~Transport() = default;

core::Result<ssl::context*> Transport::tls_context() {
  if (tls_context_) return tls_context_.get();
  const TlsOptions& tls = options.tls;
  auto context = std::make_unique<ssl::context>(ssl::context::tls_client);
  boost::system::error_code error;
  std::string file;
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  context->set_verify_mode(ssl::verify_peer, error);
  if (tls.ca_file.empty()) {
    context->set_default_verify_paths(error);
  } else {
    file = tls.ca_file;
    context->load_verify_file(file, error);
  }
  if (!error && !tls.certificate_file.empty()) {
    file = tls.certificate_file;
    context->use_certificate_chain_file(file, error);
  }
  if (!error && !tls.key_file.empty()) {
    file = tls.key_file;
    context->use_private_key_file(file, ssl::context::pem, error);
  }
  if (error) {
    return core::Error(core::Code::unavailable, "connect", "TLS file " + file + ": " + error.message());
  }
  tls_context_ = std::move(context);
  return tls_context_.get();
}

}  // namespace ff::script
