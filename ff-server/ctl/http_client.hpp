#pragma once
// A plain HTTP/1.1 client for one request at a time: what ffctl needs, and no more.

#include <string>
#include <utility>
#include <vector>

#include "ff/core/result.hpp"
#include "ff/core/time.hpp"

namespace ff::ctl {

struct HttpRequest {
  std::string method = "GET", target;  // The target is escaped already.
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // Beside Host and Content-Length.
  core::Millis time{30000};
  HttpRequest() = default;
};

struct HttpReply {
  int status = 0;
  std::string body;
  HttpReply() = default;
};

// `server` is "http://host:port" or "host:port". Errors: invalid_argument/bad_server; unavailable/unreachable when it
// was certainly not asked; unknown_outcome/no_answer when it may have been.
core::Result<HttpReply> send_request(const std::string& server, const HttpRequest& request);

// Everything but letters, digits and "-._~" as %XX.
std::string url_escaped(std::string_view text);

}  // namespace ff::ctl
