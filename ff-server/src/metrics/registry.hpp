#pragma once
// Registry: what the server has counted, and the page that says so.

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "ff/core/token.hpp"
#include "ff/engine/timers.hpp"
#include "ff/script/connection.hpp"
#include "http/public_listener.hpp"

namespace ff::server::metrics {

// What the main loop knows, put together for readers on other threads.
struct Snapshot {
  std::map<std::string, std::int64_t> counts;  // As sdk::Client::count() gives them.
  std::optional<core::SteadyTime> counted_at;
  engine::TimersStats timers;
  script::ConnectionStats connection;
  bool valkey_up = false;
  std::string valkey_version;
  Snapshot() = default;
};

// Thread-safe.
class Registry final : public http::ListenerObserver {
 public:
  Registry();
  ~Registry() override;

  void connection_opened() override;
  void connection_closed() override;
  void connection_refused() override;
  void stream_opened() override;
  void stream_closed() override;
  void answered(std::string_view route, http::Method method, int status, double seconds) override;

  void token_refused(core::TokenFault fault);
  void token_unread();

  void set(Snapshot snapshot);
  // The page in Prometheus' text format, families in order of name. Counts as a scrape.
  std::string page();
  // Whether somebody scraped within the last minute: counting executions is worth it then.
  bool scraped_lately() const;

 private:
  class Http;
  std::unique_ptr<Http> http_;
  mutable std::mutex mutex_;
  Snapshot snapshot_;
  std::atomic<std::int64_t> last_scrape_ms_{INT64_MIN / 2};
  double started_at_;
};

}  // namespace ff::server::metrics
