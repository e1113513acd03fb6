#pragma once
// OpsListener: GET /livez, /readyz, /metrics and /version for whoever runs the server. On loopback unless told
// otherwise. ARCHITECTURE.md says why it is another library than the public listener: nothing here may matter to a
// tenant.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ff/core/result.hpp"

namespace ff::server::http {

struct OpsAnswer {
  int status = 200;
  std::string body;
  OpsAnswer() = default;
  OpsAnswer(int s, std::string b) : status(s), body(std::move(b)) {}
};

// All are called on the listener's own thread: they read thread-safe snapshots, do not block, and return text.
struct OpsPages {
  std::function<OpsAnswer()> ready;
  std::function<std::string()> metrics;
  std::function<std::string()> version;
  OpsPages() = default;
};

class OpsListener {
 public:
  // Listens and serves until destroyed. `address` is an IP address, port 0 means a free one. Ignores SIGPIPE for the
  // whole process. Error: unavailable/listen.
  static core::Result<std::unique_ptr<OpsListener>> start(const std::string& address, std::uint16_t port,
                                                          OpsPages pages);
  virtual ~OpsListener() = default;
  virtual std::uint16_t port() const noexcept = 0;
};

}  // namespace ff::server::http
