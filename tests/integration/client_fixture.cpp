#include "client_fixture.hpp"

#include <atomic>

#include "ff/script/connect.hpp"

namespace ff::test {

ValkeyServer& the_server() {
  static ValkeyServer server;
  return server;
}

ValkeyCluster& the_cluster() {
  static ValkeyCluster cluster;
  return cluster;
}

script::ConnectionOptions connect_to_port(std::uint16_t port) {
  script::ConnectionOptions options;
  options.host = "127.0.0.1";
  options.port = port;
  return options;
}

script::ConnectionOptions connect_to(Store store) {
  if (store == Store::standalone) return connect_to_port(the_server().port());
  script::ConnectionOptions options = connect_to_port(the_cluster().node(0).port());
  options.cluster = true;
  return options;
}

std::string fresh_prefix() {
  static std::atomic<int> number{0};
  return "t" + std::to_string(++number);
}

namespace {

sdk::ClientOptions client_options(const SetupOptions& setup) {
  sdk::ClientOptions options;
  options.connection = setup.connection ? *setup.connection : connect_to(setup.store);
  options.deployment.prefix = setup.prefix;
  options.deployment.partitions = setup.partitions;
  options.ns = setup.ns;
  options.call_timeout = setup.call_timeout;
  return options;
}

}  // namespace

Setup::Setup(SetupOptions o) : options(std::move(o)) {
  client.emplace(good(sdk::Client::open(context.get_executor(), client_options(options))));
}

sdk::Client Setup::another(const std::string& ns) {
  SetupOptions direct = options;
  direct.connection.reset();
  direct.ns = ns;
  return good(sdk::Client::open(context.get_executor(), client_options(direct)));
}

core::ExecutionId Setup::submit(sdk::Submission submission) { return good(client->submit(std::move(submission))).id; }

core::ExecutionId Setup::submit(const std::string& lane, core::Payload payload) {
  sdk::Submission submission("work", std::move(payload));
  submission.lane = lane;
  return submit(std::move(submission));
}

Held Setup::claim(const core::ExecutionId& id, const std::string& lane, std::int64_t lease_ms) {
  script::Claim::Args args;
  args.worker = "tester";
  args.lease = core::Ulid::make().str();
  args.lease_ms = lease_ms;
  args.want = 1;
  args.queues.push_back(client->ns() + "/" + lane);
  const std::string lease = args.lease;
  auto claimed = good(client->deployment()->call<script::Claim>(id.partition(), args, core::Deadline::in(5s)));
  REQUIRE(claimed.rows.size() == 1);
  REQUIRE(claimed.rows[0].id == id.ulid().str());
  return Held(id, lease, std::move(claimed.rows[0]));
}

std::string Setup::complete(const Held& held, core::Payload result) {
  script::Complete::Item item;
  item.id = held.id.ulid().str();
  item.lease = held.lease;
  item.epoch = std::to_string(held.row.epoch);
  item.content_type = result.content_type == core::kContentTypeDefault ? "" : result.content_type;
  item.result = std::move(result.bytes);
  script::Complete::Args args;
  args.worker = "tester";
  args.next_lease = core::Ulid::make().str();
  args.lease_ms = 60'000;
  args.items.push_back(std::move(item));
  auto done = good(client->deployment()->call<script::Complete>(held.id.partition(), args, core::Deadline::in(5s)));
  REQUIRE(done.outcomes.size() == 1);
  return done.outcomes[0];
}

std::string Setup::fail(const Held& held, const std::string& failure_class, const std::string& why) {
  script::Fail::Args args;
  args.id = held.id.ulid().str();
  args.lease = held.lease;
  args.epoch = std::to_string(held.row.epoch);
  args.failure_class = failure_class;
  args.text = why;
  args.retry_after_ms = -1;
  return good(client->deployment()->call<script::Fail>(held.id.partition(), args, core::Deadline::in(5s))).outcome;
}

core::TimestampMs Setup::valkey_now() {
  auto reply = good(client->deployment()->connection()->send(client->deployment()->keys().slot(0),
                                                             script::Command("TIME"), core::Deadline::in(5s)));
  return std::stoll(reply.elements.at(0).text) * 1000 + std::stoll(reply.elements.at(1).text) / 1000;
}

std::int64_t Setup::counted(const std::string& index) {
  auto counts = good(client->count());
  auto found = counts.find(index);
  return found == counts.end() ? 0 : found->second;
}

bool Setup::watched(const core::ExecutionId& id) {
  const std::string channel = client->deployment()->keys().watch_channel(id.partition(), id.ulid());
  const auto heard = [&channel](const ValkeyServer& server) {
    return server.command({"PUBSUB", "SHARDNUMSUB", channel}).elements.at(1).integer() > 0;
  };
  if (options.store == Store::standalone) return heard(the_server());
  for (const auto& node : the_cluster().nodes()) {
    if (heard(*node)) return true;
  }
  return false;
}

bool Setup::becomes_unwatched(const core::ExecutionId& id) {
  return wait_until([&] {
    context.restart();
    context.poll();
    return !watched(id);
  });
}

boost::asio::awaitable<core::Result<script::Reply>> FaultyConnection::send(script::Slot slot, script::Command command,
                                                                           core::Deadline deadline) {
  ++sent_;
  if (faults_.empty() || command.encode().find(faults_.front().text) == std::string::npos) {
    auto reply = co_await inner_->send(slot, std::move(command), deadline);
    ++answered_;
    co_return reply;
  }
  Fault fault = std::move(faults_.front());
  faults_.erase(faults_.begin());
  if (fault.kind == Kind::refuse) co_return core::Error(Code::unavailable, "connect", "refused by the test");
  if (fault.kind == Kind::before) co_await fault.action();
  auto reply = co_await inner_->send(slot, std::move(command), deadline);
  ++answered_;
  if (fault.kind == Kind::before) co_return reply;
  co_return core::Error(Code::unknown_outcome, "connection_lost", "reply lost by the test");
}

boost::asio::awaitable<void> replay(sdk::Client client, core::ExecutionId id) {
  auto done = co_await client.replay(id);
  CHECK(done.has_value());
}

FaultyClient::FaultyClient(Setup& setup) {
  auto inner = script::make_connection(setup.context.get_executor(), connect_to(setup.options.store));
  faults = std::make_shared<FaultyConnection>(std::move(inner));
  script::DeploymentOptions options;
  options.prefix = setup.options.prefix;
  auto deployment = setup.good(script::Deployment::open(faults, options, core::Deadline::in(5s)));
  client.emplace(std::move(deployment), setup.options.ns, setup.options.call_timeout);
}

}  // namespace ff::test
