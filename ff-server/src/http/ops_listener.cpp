// The only file that knows Pistache.
#include "http/ops_listener.hpp"

#include <pistache/endpoint.h>

#include <chrono>
#include <csignal>

namespace ff::server::http {
namespace {

namespace http = Pistache::Http;

constexpr std::size_t kRequestBytesMax = 8 * 1024;
constexpr std::chrono::seconds kTimeout(5);
constexpr std::string_view kMetricsType = "text/plain; version=0.0.4";

class Pages final : public http::Handler {
 public:
  HTTP_PROTOTYPE(Pages)
  explicit Pages(OpsPages pages) : pages_(std::move(pages)) {}

  void onRequest(const http::Request& request, http::ResponseWriter response) override {
    OpsAnswer answer(500, "an error of ours\n");
    try {
      answer = page(request);
    } catch (const std::exception&) {
      answer = OpsAnswer(500, "an error of ours\n");  // No text of it: it may hold what is not for everybody.
    }
    response.headers().addRaw(http::Header::Raw("Cache-Control", "no-store"));
    const bool metrics = answer.status == 200 && request.resource() == "/metrics";
    const auto type = http::Mime::MediaType::fromString(std::string(metrics ? kMetricsType : "text/plain"));
    response.send(static_cast<http::Code>(answer.status), answer.body, type);
  }

 private:
  OpsAnswer page(const http::Request& request) const {
    if (request.method() != http::Method::Get) return OpsAnswer(405, "only GET\n");
    const std::string resource = request.resource();
    if (resource == "/livez") return OpsAnswer(200, "ok\n");
    if (resource == "/readyz") return pages_.ready();
    if (resource == "/metrics") return OpsAnswer(200, pages_.metrics());
    if (resource == "/version") return OpsAnswer(200, pages_.version());
    return OpsAnswer(404, "there are /livez, /readyz, /metrics and /version\n");
  }

  OpsPages pages_;
};

std::string host_of(const std::string& address) {
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

class PistacheListener final : public OpsListener {
 public:
  PistacheListener(const std::string& address, std::uint16_t port, OpsPages pages)
      : endpoint_(Pistache::Address(host_of(address), Pistache::Port(port))) {
    auto options = http::Endpoint::options();
    options.threads(1).flags(Pistache::Tcp::Options::ReuseAddr).maxRequestSize(kRequestBytesMax);
    options.headerTimeout(kTimeout).bodyTimeout(kTimeout);
    endpoint_.init(options);
    endpoint_.setHandler(std::make_shared<Pages>(std::move(pages)));
    endpoint_.serveThreaded();
  }
  ~PistacheListener() override { endpoint_.shutdown(); }
  std::uint16_t port() const noexcept override { return endpoint_.getPort(); }

 private:
  http::Endpoint endpoint_;
};

}  // namespace

core::Result<std::unique_ptr<OpsListener>> OpsListener::start(const std::string& address, std::uint16_t port,
                                                              OpsPages pages) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return std::unique_ptr<OpsListener>(std::make_unique<PistacheListener>(address, port, std::move(pages)));
  } catch (const std::exception& error) {
    return core::Error(core::Code::unavailable, "listen",
                       "cannot listen on " + host_of(address) + ":" + std::to_string(port) + ": " + error.what());
  }
}

}  // namespace ff::server::http
