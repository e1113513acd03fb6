#pragma once
// ServerProcess: the program ff-server, started and asked as a user would. HttpClient: a keep-alive client for it.

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server_lab.hpp"
#include "support/process.hpp"
#include "support/valkey_server.hpp"

namespace ff::test {

class ServerProcess {
 public:
  // `flags` beside listeners on free ports, which they may override. Throws with its output when it does not get ready.
  explicit ServerProcess(std::vector<std::string> flags, ProcessOptions options = ProcessOptions());
  // The same, on a Valkey of a test.
  static std::vector<std::string> on(const ValkeyServer& valkey) { return {"--socket=" + valkey.unix_socket()}; }

  // Without waiting for readiness.
  static Process launch(std::vector<std::string> flags, ProcessOptions options = ProcessOptions());
  // The rest of the line of its output that begins with `start`, empty: there is none.
  static std::string line(const Process& process, const std::string& start);

  std::uint16_t port = 0, ops_port = 0;
  Process process;
};

struct HttpAnswer {
  int status = 0;
  RawAnswer raw;
  boost::json::value json;  // Null when the body is no JSON.
  std::string text(const std::string& name) const { return std::string(json.at(name).as_string()); }
  std::string reason() const { return std::string(json.at("error").at("reason").as_string()); }
};

class HttpClient {
 public:
  // `from`: the last byte of our own loopback address.
  explicit HttpClient(std::uint16_t port, std::string fields = {}, std::uint8_t from = 1)
      : port_(port), from_(from), fields_(std::move(fields)) {}

  // nullopt: the connection was lost, or could not be made. `fields` end in CR LF each. Repeated once when a kept
  // connection turns out to be closed before a byte came back.
  std::optional<HttpAnswer> try_ask(const std::string& method, const std::string& path, const std::string& body = {},
                                    const std::string& fields = {});
  // Throws when there is no answer.
  HttpAnswer ask(const std::string& method, const std::string& path, const std::string& body = {},
                 const std::string& fields = {});
  HttpAnswer get(const std::string& path) { return ask("GET", path); }
  HttpAnswer post(const std::string& path, const std::string& json) {
    return ask("POST", path, json, "Content-Type: application/json\r\n");
  }
  HttpAnswer put(const std::string& path, const std::string& json) {
    return ask("PUT", path, json, "Content-Type: application/json\r\n");
  }
  // The id of a new execution.
  std::string submit(const std::string& json);
  void disconnect() { connection_.reset(); }

 private:
  std::uint16_t port_;
  std::uint8_t from_;
  std::string fields_;
  std::optional<RawHttp> connection_;
};

// A server on a Valkey of its own, and who asks it.
struct ServerSetup {
  ValkeyServer valkey;
  ServerProcess server{ServerProcess::on(valkey)};
  HttpClient http{server.port};
};

}  // namespace ff::test
