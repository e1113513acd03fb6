#pragma once
// The HTTP seam: what a handler gets and gives. Nothing here knows which library speaks HTTP.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ff/core/time.hpp"

namespace ff::server::http {

enum class Method : std::uint8_t { get, head, post, put, patch, delete_, options, other };
std::string_view to_string(Method method) noexcept;

using Fields = std::vector<std::pair<std::string, std::string>>;

// A request-target, decoded. A path is "/v1/x" as {"v1", "x"}; a segment may hold any character, '/' included.
struct Target {
  std::vector<std::string> path;
  Fields query;  // In the order of the request; no key twice.
  Target() = default;
};

struct Request {
  Method method = Method::get;
  Target target;
  Fields headers;                     // Names in lower case.
  std::string body;                   // As it came, chunks joined.
  std::string request_id;             // The client's, or one of ours.
  std::string peer;                   // Address of the client, for logs.
  std::string caller;                 // Who asks, by his credential; empty: nobody in particular.
  bool caller_shown = false;          // The caller has a credential: he is not just whoever reaches this address.
  core::Deadline deadline;            // When the answer must have been made.
  std::vector<std::string> captures;  // Values of the {…} of the route, in order.

  Request() : deadline(core::SteadyTime()) {}
  // The first field of that name (lower case), or null. Fields that decisions rest on occur once: the listener sees to
  // it.
  const std::string* header(std::string_view name) const noexcept;
  const std::string* query(std::string_view name) const noexcept;
};

// A body that is written in pieces, while it is made: the next piece is asked for when the last one is on its way, so a
// client that reads slowly is made for slowly.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // The next piece, not empty; nullopt: that was all. May take any time, but what keeps the connection alive is the
  // source's business. Cancelled when the client is gone or the server drains; not asked again then.
  virtual boost::asio::awaitable<std::optional<std::string>> next() = 0;
};

// What an answer hands over, and must not be lost with it: destroyed without delivered(), nobody got it.
class Consignment {
 public:
  virtual ~Consignment() = default;
  virtual void delivered() = 0;  // All of the answer is on its way to a client that was there.
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";  // Not sent when there is no body.
  std::string body;
  Fields headers;      // Beside those the listener adds: Date, Content-Length, X-Request-Id, Cache-Control, ….
  bool close = false;  // Close the connection after it.
  std::shared_ptr<Consignment> consignment;  // Unset: it may be lost.
  std::shared_ptr<BodySource> stream;  // Set: instead of `body`. Owned by the connection while it writes.

  Response() = default;
  Response(int s, std::string b) : status(s), body(std::move(b)) {}
};

using Handler = std::function<boost::asio::awaitable<Response>(Request)>;

// What is decided about a request when its header is there and its body is not.
struct Admission {
  std::optional<Response> refusal;  // Set: sent at once; the body is not read.
  Handler handler;
  std::string_view route = "unmatched";  // Bounded set, for metrics. Outlives the listener.
  std::size_t body_bytes_max = 0;
  core::Millis time{0};  // For the handler, from when the body is there.
  bool waits = false;    // A long poll: given up when the client goes or the server drains.
  Admission() = default;
};
using Admit = std::function<Admission(const Request& head)>;

}  // namespace ff::server::http
