// The operations listener: four pages, nothing else, and no text of an exception.
#include <catch2/catch_test_macros.hpp>
#include <stdexcept>

#include "http/ops_listener.hpp"
#include "server_lab.hpp"

using namespace ff::server::http;
using namespace ff::test;

namespace {

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"; }

OpsPages pages() {
  OpsPages result;
  result.ready = [] { return OpsAnswer(503, "booting\n"); };
  result.metrics = [] { return std::string("ff_up 1\n"); };
  result.version = []() -> std::string { throw std::runtime_error("a secret"); };
  return result;
}

}  // namespace

TEST_CASE("the operations listener serves its pages and refuses the rest") {
  auto listener = OpsListener::start("127.0.0.1", 0, pages());
  REQUIRE(listener);
  const std::uint16_t port = (*listener)->port();
  REQUIRE(port != 0);

  CHECK(ask(port, get("/livez"))->body == "ok\n");
  const auto ready = ask(port, get("/readyz"));
  CHECK(ready->status == 503);
  CHECK(ready->body == "booting\n");
  const auto metrics = ask(port, get("/metrics"));
  CHECK(metrics->body == "ff_up 1\n");
  CHECK(metrics->header("content-type").find("text/plain; version=0.0.4") == 0);
  const auto broken = ask(port, get("/version"));
  CHECK(broken->status == 500);
  CHECK(broken->body.find("secret") == std::string::npos);
  CHECK(ask(port, get("/metrics/x"))->status == 404);
  CHECK(ask(port, get("/"))->status == 404);
  CHECK(ask(port, "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")->status == 405);
}

TEST_CASE("an operations request over 8 KB is refused, and the listener goes on") {
  auto listener = OpsListener::start("127.0.0.1", 0, pages());
  REQUIRE(listener);
  const std::uint16_t port = (*listener)->port();

  CHECK(ask(port, "GET " + std::string(50000, '/') + " HTTP/1.1\r\nHost: x\r\n\r\n")->status == 413);
  CHECK(ask(port, get("/livez"))->body == "ok\n");
}

TEST_CASE("an address that is taken is an error with the address in it") {
  auto first = OpsListener::start("127.0.0.1", 0, pages());
  REQUIRE(first);

  const auto second = OpsListener::start("127.0.0.1", (*first)->port(), pages());

  REQUIRE(!second);
  CHECK(second.error().message.find("127.0.0.1:" + std::to_string((*first)->port())) != std::string::npos);
}
