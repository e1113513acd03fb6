#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <vector>

#include "pipeline.hpp"

using ff::script::Command;
using ff::script::Pipeline;
using ff::script::Request;
using Kind = Pipeline::Match::Kind;
using Place = Request::Place;

namespace {

constexpr std::size_t kAll = 1'000'000;

std::string encoded(const std::string& name) { return Command(name).encode(); }

struct Requests {
  Request a{Command("A")}, b{Command("B")}, c{Command("C")};
  Pipeline pipeline;  // Dies first.

  Requests() {
    pipeline.push(a);
    pipeline.push(b);
    pipeline.push(c);
  }
  std::string fill(std::size_t max = kAll) {
    std::string out;
    pipeline.fill(out, max);
    return out;
  }
};

}  // namespace

TEST_CASE("replies belong to requests in the order of sending") {
  Requests r;

  CHECK(r.fill() == encoded("A") + encoded("B") + encoded("C"));

  CHECK(r.pipeline.match().request == &r.a);
  CHECK(r.pipeline.match().request == &r.b);
  CHECK(r.pipeline.match().request == &r.c);
  CHECK(r.a.place == Place::none);
  CHECK(r.pipeline.size() == 0);
}

TEST_CASE("a reply that nobody waits for is unexpected") {
  Requests r;

  CHECK(r.pipeline.match().kind == Kind::unexpected);
}

TEST_CASE("one write is bounded, the rest can still be withdrawn") {
  Requests r;

  CHECK(r.fill(1) == encoded("A"));

  CHECK(r.pipeline.sent() == 1);
  CHECK(r.pipeline.queued() == 2);
  CHECK(r.b.place == Place::queued);
}

TEST_CASE("a withdrawn request leaves no trace") {
  Requests r;

  r.pipeline.drop(r.b);

  CHECK(r.fill() == encoded("A") + encoded("C"));
  CHECK(r.pipeline.match().request == &r.a);
  CHECK(r.pipeline.match().request == &r.c);
}

TEST_CASE("the reply to a dropped request is ignored, the others keep theirs") {
  Requests r;
  r.fill();

  r.pipeline.drop(r.b);

  CHECK(r.pipeline.match().request == &r.a);
  CHECK(r.pipeline.match().kind == Kind::ignored);
  CHECK(r.pipeline.match().request == &r.c);
}

TEST_CASE("dropping works after earlier replies have come") {
  Requests r;
  r.fill();
  r.pipeline.match();

  r.pipeline.drop(r.c);

  CHECK(r.pipeline.match().request == &r.b);
  CHECK(r.pipeline.match().kind == Kind::ignored);
}

TEST_CASE("ASKING goes right before its command, and its reply is ignored") {
  Requests r;
  r.b.asking = true;

  CHECK(r.fill() == encoded("A") + encoded("ASKING") + encoded("B") + encoded("C"));

  CHECK(r.pipeline.match().request == &r.a);
  CHECK(r.pipeline.match().kind == Kind::ignored);
  CHECK(r.pipeline.match().request == &r.b);
  CHECK(r.pipeline.match().request == &r.c);
}

TEST_CASE("only callers' commands are counted") {
  Requests r;
  r.b.asking = true;
  r.pipeline.push_ping();
  std::string out;

  CHECK(r.pipeline.fill(out, kAll) == 3);
}

TEST_CASE("there is one ping at a time, and its reply is ignored") {
  Pipeline pipeline;
  std::string out;
  pipeline.push_ping();
  pipeline.push_ping();
  pipeline.fill(out, kAll);
  CHECK(out == encoded("PING"));

  pipeline.push_ping();
  out.clear();
  pipeline.fill(out, kAll);
  CHECK(out.empty());

  CHECK(pipeline.match().kind == Kind::ignored);
  pipeline.push_ping();
  pipeline.fill(out, kAll);
  CHECK(out == encoded("PING"));
}

TEST_CASE("a broken socket loses what had left it entirely, and nothing else") {
  Requests r;
  r.fill();
  r.pipeline.wrote(encoded("A").size() + 3);

  const auto lost = r.pipeline.disconnect();

  CHECK(lost == std::vector<Request*>{&r.a});
  CHECK(r.a.place == Place::none);
  CHECK(r.fill() == encoded("B") + encoded("C"));
  CHECK(r.pipeline.match().request == &r.b);
}

TEST_CASE("what comes back is sent before what had not been tried") {
  Requests r;
  r.fill(1);

  CHECK(r.pipeline.disconnect().empty());

  CHECK(r.fill() == encoded("A") + encoded("B") + encoded("C"));
}

TEST_CASE("a command cut off behind its ASKING is sent again with it") {
  Requests r;
  r.a.asking = true;
  r.fill();
  r.pipeline.wrote(encoded("ASKING").size() + 1);

  CHECK(r.pipeline.disconnect().empty());

  CHECK(r.fill() == encoded("ASKING") + encoded("A") + encoded("B") + encoded("C"));
}

TEST_CASE("bytes are counted for each socket anew") {
  Requests r;
  r.fill(1);
  r.pipeline.wrote(encoded("A").size());
  r.pipeline.disconnect();

  r.fill();

  CHECK(r.pipeline.disconnect().empty());
  CHECK(r.pipeline.queued() == 2);
}

TEST_CASE("pings and dropped requests end with their socket") {
  Requests r;
  r.pipeline.push_ping();
  r.fill();
  r.pipeline.drop(r.a);

  CHECK(r.pipeline.disconnect().empty());

  CHECK(r.fill() == encoded("B") + encoded("C"));
}

TEST_CASE("queued requests can be taken out by choice, in order, pings stay") {
  Requests r;
  r.pipeline.push_ping();

  const auto taken = r.pipeline.take_queued([&](const Request& request) { return &request != &r.b; });

  CHECK(taken == std::vector<Request*>{&r.a, &r.c});
  CHECK(r.a.place == Place::none);
  CHECK(r.fill() == encoded("B") + encoded("PING"));
}
