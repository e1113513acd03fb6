#pragma once
// Program: what opens a deployment, with a connection and an io_context of its own; and the library in other versions.

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ff/script/connect.hpp"
#include "ff/script/deployment.hpp"
#include "library_plan.hpp"
#include "library_source.hpp"
#include "support/run.hpp"
#include "support/valkey_cluster.hpp"
#include "support/valkey_server.hpp"

namespace ff::test {

using namespace std::chrono_literals;
using core::Code;
using core::Deadline;
using core::Millis;

inline script::ConnectionOptions to_server(const ValkeyServer& server) {
  script::ConnectionOptions options;
  options.unix_socket = server.unix_socket();
  return options;
}

inline script::ConnectionOptions to_cluster(const ValkeyCluster& cluster) {
  script::ConnectionOptions options;
  options.host = "127.0.0.1";
  options.port = cluster.node(0).port();
  options.cluster = true;
  return options;
}

// "ok" or "code/reason".
template <class T>
std::string outcome(const core::Result<T>& result) {
  if (result) return "ok";
  return std::string(core::to_string(result.error().code)) + "/" + result.error().reason;
}

class Program {
 public:
  explicit Program(script::ConnectionOptions options)
      : connection_(script::make_connection(context_.get_executor(), std::move(options))) {}
  explicit Program(const ValkeyServer& server) : Program(to_server(server)) {}
  explicit Program(const ValkeyCluster& cluster) : Program(to_cluster(cluster)) {}
  // All that was started must end with the connection: this hangs, and the test with it, if not.
  ~Program() {
    connection_->close();
    context_.restart();
    context_.run();
  }

  // Opens; what it answered.
  std::string open(script::DeploymentOptions options = script::DeploymentOptions(), Millis limit = 10s) {
    auto opened = run(context_, script::Deployment::open(connection_, std::move(options), Deadline::in(limit)),
                      limit + 10s);
    message_ = opened ? "" : opened.error().message;
    if (opened) deployment_ = std::move(*opened);
    return outcome(opened);
  }
  const std::string& message() const noexcept { return message_; }  // Of the last error.
  const script::Deployment& deployment() const { return *deployment_; }
  boost::asio::io_context& context() noexcept { return context_; }

  template <class Verb>
  core::Result<typename Verb::Ok> call(typename Verb::Args args, core::Partition partition = 0, Millis limit = 10s) {
    auto result = run(context_, deployment_->call<Verb>(partition, std::move(args), Deadline::in(limit)), limit + 10s);
    message_ = result ? "" : result.error().message;
    return result;
  }
  std::string version(core::Partition partition = 0, Millis limit = 10s) {
    return outcome(call<script::Version>(script::Version::Args(), partition, limit));
  }
  // Submits one execution to partition 0; its id, or the outcome when it is none.
  std::pair<std::string, std::string> submit() {
    script::Submit::Args args;
    args.ns = "ns";
    script::Submit::Item item;
    item.id = core::Ulid::make().str();
    item.lane = "lane";
    item.kind = "kind";
    const std::string id = item.id;
    args.items.push_back(std::move(item));
    return {id, outcome(call<script::Submit>(std::move(args)))};
  }

 private:
  boost::asio::io_context context_{1};
  std::shared_ptr<script::Connection> connection_;
  std::shared_ptr<script::Deployment> deployment_;
  std::string message_;
};

inline std::string own_text() { return std::string(script::kLibrarySource); }
inline std::int64_t own_version() { return script::library_version(script::kLibrarySource); }

// The own library with its version number changed by `step`.
inline std::string text_of_version(std::int64_t step) {
  std::string text = own_text();
  const std::string mark = "\n  version = " + std::to_string(own_version()) + ",";
  const auto at = text.find(mark);
  REQUIRE(at != std::string::npos);
  return text.replace(at, mark.size(), "\n  version = " + std::to_string(own_version() + step) + ",");
}

// The text of library ff1 on a server; "" when there is none.
inline std::string loaded_text(const ValkeyServer& server) {
  const auto list = server.command({"FUNCTION", "LIST", "LIBRARYNAME", "ff1", "WITHCODE"});
  if (list.elements.empty()) return "";
  const auto& members = list.elements.front().elements;
  for (std::size_t i = 0; i + 1 < members.size(); i += 2) {
    if (members[i].text == "library_code") return members[i + 1].text;
  }
  throw std::runtime_error("FUNCTION LIST has no code");
}

// How often a command was called, subcommand as "function|load", since the start or CONFIG RESETSTAT.
inline int calls_of(const ValkeyServer& server, const std::string& command) {
  const auto stats = server.info("cmdstat_" + command);
  if (stats.empty()) return 0;
  REQUIRE(stats.starts_with("calls="));
  return std::stoi(stats.substr(6));
}

}  // namespace ff::test
