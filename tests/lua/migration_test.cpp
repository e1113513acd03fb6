// A slot on its way to another node: a call either runs on the whole of a partition or is refused before its first
// write, in words that the client knows as "try again".
#include <catch2/catch_test_macros.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>

#include "ff/script/connect.hpp"
#include "ff/script/deployment.hpp"
#include "lua/fixture.hpp"
#include "lua/scenarios.hpp"
#include "support/run.hpp"
#include "support/wait.hpp"

namespace ff::test {
namespace {

using Words = std::vector<std::string>;

// What ff-script's Deployment repeats after a pause.
bool says_try_again(const std::string& text) {
  return text.find("non local key") != std::string::npos ||
         text.find("during rehashing of the slot") != std::string::npos;
}

// A slot that is moved to and fro in milliseconds confuses the cluster's gossip, so each test takes another one and
// leaves it where it is.
void go_to_next_partition(LuaFixture& lua) {
  static core::Partition next = 0;
  lua.go_to(static_cast<core::Partition>(next++ % lua.keys().partitions()));
}

// The partition's slot on its way from its owner to the next node.
class Migration {
 public:
  explicit Migration(LuaFixture& lua)
      : lua_(lua), slot_(lua.keys().slot(lua.home())), from_(cluster().owner_of(slot_)), to_((from_ + 1) % 3) {
    cluster().begin_migration(slot_, to_);
  }
  // Ends it in any case, so that the next test finds a whole cluster.
  ~Migration() {
    if (moving_ && std::uncaught_exceptions() == 0) cluster().finish_migration(slot_);
  }
  Migration(const Migration&) = delete;
  Migration& operator=(const Migration&) = delete;

  void move(const Words& keys) {
    Words words = {"MIGRATE", "127.0.0.1", std::to_string(target().port()), "", "0", "10000", "KEYS"};
    words.insert(words.end(), keys.begin(), keys.end());
    REQUIRE_FALSE(source().command(words).is_error());
  }
  void finish() {
    cluster().finish_migration(slot_);
    moving_ = false;
    lua_.forget_owners();
  }

  ValkeyServer& source() { return cluster().node(from_); }
  ValkeyServer& target() { return cluster().node(to_); }
  RespValue on_source(const Words& words) { return source().command(words); }
  // As a client does that was sent there by ASK.
  RespValue on_target(const Words& words) {
    auto client = target().client();
    client.command({"ASKING"});
    return client.command(words);
  }
  // Everything of the partition on either node.
  std::map<std::string, std::string> everything() {
    std::map<std::string, std::string> found;
    for (auto* node : {&source(), &target()}) {
      for (const auto& element : node->command({"CLUSTER", "GETKEYSINSLOT", std::to_string(slot_), "10000"}).elements) {
        auto client = node->client();
        client.command({"ASKING"});
        found[std::to_string(node->port()) + " " + element.text] = client.command({"DUMP", element.text}).text;
      }
    }
    return found;
  }

 private:
  static ValkeyCluster& cluster() { return LuaFixture::cluster(); }

  LuaFixture& lua_;
  std::uint16_t slot_;
  std::size_t from_, to_;
  bool moving_ = true;
};

// Calls go where the server sends them: to the owner, and on to the other node if it answers ASK.
RespValue follow(Migration& migration, const Words& words) {
  auto reply = migration.on_source(words);
  if (reply.is_error() && reply.text.starts_with("ASK ")) return migration.on_target(words);
  return reply;
}

TEST_CASE("while nothing has moved yet every call is refused before anything is written") {
  for (const auto& scenario : scenarios()) {
    LuaFixture lua;
    go_to_next_partition(lua);
    const auto words = scenario.prepare(lua);
    Migration migration(lua);
    const auto before = migration.everything();

    const auto reply = follow(migration, words);

    INFO(scenario.name << ": " << reply.str());
    REQUIRE(reply.is_error());
    CHECK(says_try_again(reply.text));
    CHECK(migration.everything() == before);

    migration.finish();
    CHECK(lua.command(words).elements.at(0).text == "ok");
    CHECK(lua.lost() == Words());
  }
}

TEST_CASE("when the partition's own key has moved ahead, the new node does not take its half for the whole") {
  for (const auto& scenario : scenarios()) {
    LuaFixture lua;
    go_to_next_partition(lua);
    const auto words = scenario.prepare(lua);
    Migration migration(lua);
    migration.move({lua.tag()});
    const auto before = migration.everything();

    const auto at_old = migration.on_source(words), reply = follow(migration, words);

    INFO(scenario.name << ": " << reply.str());
    CHECK(at_old.text.starts_with("ASK "));
    REQUIRE(reply.is_error());
    CHECK(says_try_again(reply.text));
    CHECK(migration.everything() == before);

    migration.finish();
    CHECK(lua.command(words).elements.at(0).text == "ok");
    CHECK(lua.lost() == Words());
    CHECK(lua.stray() == Words());
  }
}

TEST_CASE("with any half of the keys moved, a call is refused and nothing is written") {
  for (const bool tag_moves : {false, true}) {
    LuaFixture lua;
    go_to_next_partition(lua);
    const auto& scenario = scenarios().front();
    const auto words = scenario.prepare(lua);
    Migration migration(lua);
    Words moving;
    bool next = false;
    for (const auto& [name, content] : lua.contents()) {
      if (name.empty() ? tag_moves : (next = !next)) moving.push_back(lua.tag() + name);
    }
    migration.move(moving);
    const auto before = migration.everything();

    const auto reply = follow(migration, words);

    INFO(reply.str());
    REQUIRE(reply.is_error());
    CHECK(says_try_again(reply.text));
    CHECK(migration.everything() == before);
    migration.finish();
    CHECK(lua.command(words).elements.at(0).text == "ok");
    CHECK(lua.lost() == Words());
    CHECK(lua.stray() == Words());
  }
}

TEST_CASE("a partition that has never been used is not begun on both nodes") {
  LuaFixture lua;
  go_to_next_partition(lua);
  script::Submit::Args args;
  args.ns = "ns";
  args.items = {LuaFixture::item()};
  Migration migration(lua);

  const auto reply = follow(migration, lua.words<script::Submit>(args));

  CHECK(reply.is_error());
  CHECK(says_try_again(reply.text));
  CHECK(migration.everything().empty());
}

boost::asio::awaitable<void> submit_into(std::shared_ptr<script::Deployment> deployment, core::Partition partition,
                                         script::Submit::Args args, std::optional<std::string>* outcome) {
  const auto deadline = core::Deadline::in(core::Millis(20'000));
  auto answer = co_await deployment->call<script::Submit>(partition, std::move(args), deadline);
  *outcome = answer ? answer->rows.at(0).outcome : answer.error().to_string();
}

TEST_CASE("a call through the client waits for the slot to arrive and then runs once") {
  LuaFixture lua;
  go_to_next_partition(lua);
  boost::asio::io_context context(1);
  script::ConnectionOptions options;
  options.host = "127.0.0.1";
  options.port = LuaFixture::cluster().node(0).port();
  options.cluster = true;
  auto connection = script::make_connection(context.get_executor(), options);
  script::DeploymentOptions of_eight;
  of_eight.partitions = lua.keys().partitions();
  const auto soon = core::Deadline::in(core::Millis(20'000));
  auto deployment = run(context, script::Deployment::open(connection, of_eight, soon)).value();
  script::Submit::Args args;
  args.ns = "ns";
  args.items = {LuaFixture::item()};
  Migration migration(lua);

  std::optional<std::string> outcome;
  auto submitted = submit_into(deployment, lua.home(), args, &outcome);
  boost::asio::co_spawn(context, std::move(submitted), boost::asio::detached);
  context.restart();
  context.run_for(std::chrono::milliseconds(100));
  CHECK_FALSE(outcome);
  migration.finish();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!outcome && std::chrono::steady_clock::now() < end) context.run_one_until(end);

  CHECK(outcome == "created");
  CHECK(lua.members("q:ns/lane") == Words{args.items[0].id});
  connection->close();
  context.restart();
  context.run_for(std::chrono::milliseconds(10));
}

}  // namespace
}  // namespace ff::test
