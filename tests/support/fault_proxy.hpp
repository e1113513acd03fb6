#pragma once
// FaultProxy: a TCP proxy in front of one Valkey that loses, delays and mangles on command. It knows where requests and
// replies end, so that "the commit happened, the reply was lost" is exact. Bytes that are not RESP (TLS) are passed on
// uncounted; timing faults and cut_all() work for them too.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace ff::test {

// What really happened, so that a test can prove that its faults were not empty.
struct ProxyCounters {
  std::uint64_t connections = 0;         // Accepted and joined to the server.
  std::uint64_t refused = 0;             // Closed at once: refuse(true), or the server was not there.
  std::uint64_t requests = 0;            // Passed on to the server as a whole.
  std::uint64_t replies = 0;             // Passed on to the client as a whole.
  std::uint64_t matched = 0;             // Requests that `only` let count, lost ones included.
  std::uint64_t replies_lost = 0;        // Received from the server, not passed on as a whole: the call did run.
  std::uint64_t requests_lost = 0;       // Received from the client, not passed on as a whole: it did not run.
  std::uint64_t cuts = 0;                // Connections cut by a fault.
  std::uint64_t cuts_after_reply = 0;    // ... of them with the reply swallowed.
  std::uint64_t cuts_inside_reply = 0;   // ... with half a reply passed on.
  std::uint64_t cuts_before_request = 0; // ... with the request swallowed.
  std::uint64_t cuts_inside_request = 0; // ... with half a request passed on.
  std::uint64_t half_closes = 0;
  std::uint64_t delayed = 0;             // Pieces that waited for delay().
  std::uint64_t held = 0;                // Pieces that waited for release().
  std::uint64_t slices = 0;              // Writes made by slice().
  std::uint64_t opaque_bytes = 0;        // Not RESP.
};

enum class Direction { to_server, to_client, both };

// Thread-safe. A fault is armed when the call that arms it returns.
class FaultProxy {
 public:
  using Duration = std::chrono::milliseconds;

  explicit FaultProxy(std::string unix_socket);
  FaultProxy(std::string host, std::uint16_t port);  // host: an IP address.
  ~FaultProxy();  // Closes every connection.
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  std::uint16_t port() const noexcept;  // Listens on 127.0.0.1.

  // Cutting faults look only at requests that contain `text`, and at their replies: a function's name, for example, so
  // that the handshake does not count. Empty: at all of them. Set it before arming.
  void only(std::string text);

  // One shot each; counted from now over all connections; 1 is the next. What came before the cut value in the same
  // direction is passed on first; the other direction stops at once.
  void cut_after_reply(std::uint64_t k = 1);     // The server has answered; the client never learns.
  void cut_inside_reply(std::uint64_t k = 1);    // The client gets the first half.
  void cut_before_request(std::uint64_t n = 1);  // The server never sees it.
  void cut_inside_request(std::uint64_t n = 1);  // The server gets the first half.
  // Each counted reply is lost with probability `reply`, each counted request with probability `request`, by cutting.
  void cut_randomly(double reply, double request, std::uint64_t seed);
  void cut_all();                  // Now.
  void cut_with_reset(bool on);    // Cuts end in RST instead of FIN. Off at first.
  void refuse(bool on);            // New connections are closed at once.
  void half_close(Direction way);  // FIN in that direction on every present connection, after what is under way.

  void delay(Direction way, Duration by);                        // 0 ends it. Order is kept.
  void hold(Direction way);                                      // A black hole: nothing passes, nothing closes.
  void release();                                                // What was held flows again.
  void slice(std::size_t bytes, Duration pause = Duration(0));   // Written in pieces of so many bytes. 0 ends it.

  // Every fault off, armed ones included; what was held flows. Counters stay.
  void pass();

  ProxyCounters counters() const;
  std::size_t open_connections() const;
  // Blocks until `reached(counters())`; false after `limit`.
  bool wait_for(const std::function<bool(const ProxyCounters&)>& reached, Duration limit = Duration(10'000)) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ff::test
