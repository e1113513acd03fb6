#include <catch2/catch_test_macros.hpp>

#include "server_answer.hpp"

using ff::script::Address;
using ff::script::classify;
using ff::script::parse_redirect;
using ff::script::ServerAnswer;

TEST_CASE("answers that mean 'not run' are told apart by their first word") {
  CHECK(classify("MOVED 3999 127.0.0.1:6381") == ServerAnswer::moved);
  CHECK(classify("ASK 3999 127.0.0.1:6381") == ServerAnswer::ask);
  CHECK(classify("TRYAGAIN Multiple keys request during rehashing of slot") == ServerAnswer::tryagain);
  CHECK(classify("CLUSTERDOWN Hash slot not served") == ServerAnswer::clusterdown);
  CHECK(classify("LOADING Valkey is loading the dataset in memory") == ServerAnswer::loading);
  CHECK(classify("READONLY You can't write against a read only replica.") == ServerAnswer::readonly);
  CHECK(classify("MASTERDOWN Link with MASTER is down") == ServerAnswer::masterdown);
  CHECK(classify("BUSY Valkey is busy running a script.") == ServerAnswer::busy);
  CHECK(classify("ERR max number of clients reached") == ServerAnswer::maxclients);
  CHECK(classify("NOAUTH Authentication required.") == ServerAnswer::noauth);
}

TEST_CASE("everything else is the caller's business") {
  CHECK(classify("BUSYGROUP Consumer Group name already exists") == ServerAnswer::other);
  CHECK(classify("ERR unknown command 'X'") == ServerAnswer::other);
  CHECK(classify("OOM command not allowed when used memory > 'maxmemory'.") == ServerAnswer::other);
  CHECK(classify("NOPERM User x has no permissions") == ServerAnswer::other);
  CHECK(classify("") == ServerAnswer::other);
  CHECK(classify("MOVEDX") == ServerAnswer::other);
}

TEST_CASE("what a running script raised is never 'not run'") {
  CHECK(classify("READONLY You can't write. script: f, on @user_function:12.") == ServerAnswer::other);
}

TEST_CASE("redirects name a slot and a node") {
  const auto redirect = parse_redirect("MOVED 3999 10.0.0.1:6381", "asked");

  REQUIRE(redirect);
  CHECK(redirect->slot == 3999);
  CHECK(redirect->target == Address("10.0.0.1", 6381));
}

TEST_CASE("a redirect without a host stays on the host that was asked") {
  CHECK(parse_redirect("ASK 1 :6381", "asked")->target == Address("asked", 6381));
  CHECK(parse_redirect("ASK 1 ?:6381", "asked")->target == Address("asked", 6381));
}

TEST_CASE("the last colon of a redirect ends an IPv6 address") {
  CHECK(parse_redirect("MOVED 16383 fe80::1:7000", "asked")->target == Address("fe80::1", 7000));
}

TEST_CASE("a redirect of another form is none") {
  CHECK_FALSE(parse_redirect("MOVED", ""));
  CHECK_FALSE(parse_redirect("MOVED 1", ""));
  CHECK_FALSE(parse_redirect("MOVED 16384 a:1", ""));
  CHECK_FALSE(parse_redirect("MOVED -1 a:1", ""));
  CHECK_FALSE(parse_redirect("MOVED x a:1", ""));
  CHECK_FALSE(parse_redirect("MOVED 1 a:0", ""));
  CHECK_FALSE(parse_redirect("MOVED 1 a:65536", ""));
  CHECK_FALSE(parse_redirect("MOVED 1 a:", ""));
  CHECK_FALSE(parse_redirect("MOVED 1 a", ""));
}
