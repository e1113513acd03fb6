#include "server_process.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <stdexcept>

namespace ff::test {
namespace {

constexpr const char* kSecretVariable = "FF_WAITPOINT_HMAC_SECRET";

}  // namespace

using namespace std::chrono_literals;

Process ServerProcess::launch(std::vector<std::string> flags, ProcessOptions options) {
  std::vector<std::string> words = {FF_SERVER_PROGRAM};
  const auto given = [&flags](const std::string& name) {
    for (const auto& flag : flags) {
      if (flag.starts_with(name)) return true;
    }
    return false;
  };
  if (!given("--listen")) words.push_back("--listen=127.0.0.1:0");
  if (!given("--ops")) words.push_back("--ops=127.0.0.1:0");
  words.insert(words.end(), flags.begin(), flags.end());
  const auto same = [](const auto& variable) { return variable.first == kSecretVariable; };
  auto& environment = options.environment;
  const bool secret = given("--dev") || std::any_of(environment.begin(), environment.end(), same);
  if (!secret) environment.emplace_back(kSecretVariable, "the waitpoint secret of all these tests");
  return Process(std::move(words), std::move(options));
}

std::string ServerProcess::line(const Process& process, const std::string& start) {
  const std::string output = "\n" + process.output();
  const std::size_t at = output.find("\n" + start);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + 1 + start.size();
  return output.substr(begin, output.find('\n', begin) - begin);
}

namespace {

std::uint16_t port_in(const std::string& address) {
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

}  // namespace

ServerProcess::ServerProcess(std::vector<std::string> flags, ProcessOptions options)
    : process(launch(std::move(flags), std::move(options))) {
  if (!process.wait_for_output("\nready\n", 30s))
    throw std::runtime_error("ff-server is not ready:\n" + process.output());
  port = port_in(line(process, "public listener: "));
  ops_port = port_in(line(process, "ops listener: "));
}

std::optional<HttpAnswer> HttpClient::try_ask(const std::string& method, const std::string& path,
                                              const std::string& body, const std::string& fields) {
  const std::string request = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields_ + fields +
                              "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  for (bool kept = connection_.has_value();; kept = false) {
    try {
      if (!connection_) connection_.emplace(port_, 60s, from_);
    } catch (const std::runtime_error&) {
      return std::nullopt;
    }
    auto raw = connection_->send(request) ? connection_->receive(method == "HEAD") : std::nullopt;
    if (!raw || raw->header("connection") == "close") connection_.reset();
    if (!raw && kept) continue;
    if (!raw) return std::nullopt;
    HttpAnswer answer;
    answer.status = raw->status;
    boost::system::error_code error;
    answer.json = boost::json::parse(raw->body, error);
    answer.raw = std::move(*raw);
    return answer;
  }
}

HttpAnswer HttpClient::ask(const std::string& method, const std::string& path, const std::string& body,
                           const std::string& fields) {
  auto answer = try_ask(method, path, body, fields);
  if (!answer) throw std::runtime_error(method + " " + path + " got no answer");
  return std::move(*answer);
}

std::string HttpClient::submit(const std::string& json) {
  const HttpAnswer answer = post("/v1/executions", json);
  if (answer.status != 201) throw std::runtime_error("submit answered " + answer.raw.body);
  return answer.text("id");
}

}  // namespace ff::test
