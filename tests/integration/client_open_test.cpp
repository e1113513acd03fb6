// Client: opening, namespaces, lifetimes.
#include "client_fixture.hpp"
#include "ff/script/connect.hpp"

using namespace ff;
using namespace ff::test;

namespace {

std::string opened(const sdk::ClientOptions& options) {
  boost::asio::io_context context(1);
  return Setup::text(run(context, sdk::Client::open(context.get_executor(), options)));
}

}  // namespace

TEST_CASE("open refuses a bad namespace and a timeout that is none, and names what is unreachable") {
  sdk::ClientOptions options;
  options.connection = connect_to(Store::standalone);
  options.deployment.prefix = fresh_prefix();

  auto bad_namespace = options;
  bad_namespace.ns = "Not/One";
  CHECK(opened(bad_namespace) == "invalid_argument/bad_namespace");

  auto bad_timeout = options;
  bad_timeout.call_timeout = core::Millis(0);
  CHECK(opened(bad_timeout) == "invalid_argument/bad_call_timeout");

  PortLease nobody;
  auto unreachable = options;
  unreachable.connection.port = nobody.number();
  unreachable.call_timeout = core::Millis(200);
  CHECK(opened(unreachable).starts_with("unavailable/"));

  CHECK(opened(options) == "ok");
  auto other_count = options;
  other_count.deployment.partitions = 7;
  CHECK(opened(other_count) == "incompatible/partitions");
}

TEST_CASE("a call goes on when its client has died, and a temporary client is good for a call") {
  Setup setup;
  const auto id = setup.submit();

  auto described = setup.client->in_namespace("default").describe(id);
  auto foreign = setup.client->in_namespace("other").describe(id);
  setup.client.reset();

  CHECK(setup.refusal(std::move(described)) == "ok");
  CHECK(setup.refusal(std::move(foreign)) == "not_found/not_found");
}

TEST_CASE("after close every call answers cancelled, and a wait ends") {
  Setup setup;
  const auto id = setup.submit();
  Background<core::Result<sdk::Outcome>> waiting(setup.context, setup.client->wait(id, core::Deadline::in(1h)));
  REQUIRE(waiting.until([&] { return setup.watched(id); }));

  setup.client->deployment()->connection()->close();

  CHECK(Setup::text(waiting.get()).starts_with("cancelled/"));
  CHECK(setup.refusal(setup.client->wait(id, core::Deadline::in(1h))).starts_with("cancelled/"));
  CHECK(setup.refusal(setup.client->describe(id)).starts_with("cancelled/"));
  CHECK(setup.refusal(setup.client->submit(sdk::Submission("work"))).starts_with("cancelled/"));
  CHECK(setup.refusal(setup.client->count()).starts_with("cancelled/"));
}
