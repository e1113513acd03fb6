// Streams of frames: append under the fence, read by place, trim, and the closing marker of every end.
#include <catch2/catch_test_macros.hpp>

#include "lua/fixture.hpp"

namespace ff::test {
namespace {

using Words = std::vector<std::string>;

script::AppendFrames::Args append_args(const Held& lease, std::int64_t sequence, const Words& data) {
  script::AppendFrames::Args args;
  args.id = lease.id;
  args.lease = lease.lease;
  args.epoch = lease.epoch;
  args.sequence = sequence;
  for (const auto& text : data) {
    auto& item = args.items.emplace_back();
    item.mode = "durable";
    item.type = "line";
    item.content_type = "text/plain";
    item.data = text;
  }
  return args;
}

// The number of the last of them.
std::int64_t append(LuaFixture& lua, const Held& lease, std::int64_t sequence, const Words& data) {
  return lua.ok<script::AppendFrames>(append_args(lease, sequence, data)).number;
}

script::ReadFrames::Ok read_frames(LuaFixture& lua, const std::string& id, std::int64_t generation = 0,
                            std::int64_t number = 0, std::int64_t limit = 1000) {
  script::ReadFrames::Args args;
  args.ns = "ns";
  args.id = id;
  args.generation = generation;
  args.number = number;
  args.limit = limit;
  return lua.ok<script::ReadFrames>(args);
}

// "0-1 durable a", …
Words told(const script::ReadFrames::Ok& page) {
  Words all;
  for (const auto& row : page.rows) {
    all.push_back(std::to_string(row.generation) + "-" + std::to_string(row.number) + " " + row.mode + " " +
                  (row.mode == "end" ? row.type + row.data : row.data));
  }
  return all;
}

void replay(LuaFixture& lua, const std::string& id, std::int64_t generation) {
  script::Replay::Args args;
  args.ns = "ns";
  args.id = id;
  args.generation = generation;
  lua.ok<script::Replay>(args);
}

void tail(LuaFixture& lua, const std::string& id) {
  script::TailFrames::Args args;
  args.ns = "ns";
  args.id = id;
  lua.ok<script::TailFrames>(args);
}

TEST_CASE("frames are read in order, with all they were given, from behind any place") {
  LuaFixture lua;
  const auto lease = lua.held();
  CHECK(append(lua, lease, 1, {"a", std::string("\0\xff\r\n", 4)}) == 2);
  CHECK(append(lua, lease, 3, {"c"}) == 3);

  const auto page = read_frames(lua, lease.id);

  CHECK(told(page) == Words{"0-1 durable a", "0-2 durable " + std::string("\0\xff\r\n", 4), "0-3 durable c"});
  CHECK(page.rows[0].type == "line");
  CHECK(page.rows[0].content_type == "text/plain");
  CHECK(page.rows[0].attempt == 1);
  CHECK(page.state == "active");
  CHECK(told(read_frames(lua, lease.id, 0, 2)) == Words{"0-3 durable c"});
  const auto first = read_frames(lua, lease.id, 0, 0, 1);
  CHECK(first.more);
  CHECK(first.number == 1);
  CHECK(read_frames(lua, lease.id, 0, 3).rows.empty());
}

TEST_CASE("a repeated append has no second effect and gets the first answer, also after the end") {
  LuaFixture lua;
  const auto lease = lua.held();
  append(lua, lease, 1, {"a", "b"});
  const auto before = lua.contents();

  CHECK(append(lua, lease, 1, {"a", "b"}) == 2);
  CHECK(lua.changes(before) == "");
  CHECK(append(lua, lease, 2, {"b", "c"}) == 3);  // A call that holds what is known and what is new.
  lua.complete(lease);
  CHECK(append(lua, lease, 1, {"a", "b"}) == 2);
  CHECK(told(read_frames(lua, lease.id)) ==
        Words{"0-1 durable a", "0-2 durable b", "0-3 durable c", "0-4 end completed"});
}

TEST_CASE("a gap in the sequence is refused") {
  LuaFixture lua;
  const auto lease = lua.held();
  for (const std::int64_t sequence : {0, 2, -1}) {
    CHECK(lua.word<script::AppendFrames>(append_args(lease, sequence, {"a"})) == "sequence_gap");
  }
}

TEST_CASE("a stale lease appends and publishes nothing") {
  LuaFixture lua;
  const auto lease = lua.held();
  append(lua, lease, 1, {"a"});
  lua.make_due("active", lease.id);
  lua.run_due();
  const auto next = lua.held_again(lease.id);
  auto other_epoch = next, other_lease = next;
  other_epoch.epoch = lease.epoch;
  other_lease.lease = LuaFixture::new_id();
  const auto before = lua.contents();

  for (const auto& stale : {lease, other_epoch, other_lease}) {
    CHECK(lua.word<script::AppendFrames>(append_args(stale, 2, {"b"})) == "stale_lease");
    script::PublishFrames::Args publish;
    publish.id = stale.id;
    publish.lease = stale.lease;
    publish.epoch = stale.epoch;
    CHECK(lua.word<script::PublishFrames>(publish) == "stale_lease");
  }
  CHECK(lua.changes(before) == "");
}

TEST_CASE("the next attempt goes on behind, and its frames say which it was") {
  LuaFixture lua;
  const auto lease = lua.held();
  append(lua, lease, 1, {"a"});
  lua.make_due("active", lease.id);
  lua.run_due();
  const auto next = lua.held_again(lease.id);

  CHECK(append(lua, next, 1, {"b"}) == 2);

  const auto page = read_frames(lua, lease.id);
  CHECK(told(page) == Words{"0-1 durable a", "0-2 durable b"});
  CHECK(page.rows[0].attempt == 1);
  CHECK(page.rows[1].attempt == 2);
}

TEST_CASE("a replay numbers anew and leaves the earlier frames and how they ended") {
  LuaFixture lua;
  const auto lease = lua.held();
  append(lua, lease, 1, {"a"});
  lua.complete(lease);
  CHECK(told(read_frames(lua, lease.id, 0, 1)) == Words{"0-2 end completed"});
  replay(lua, lease.id, 0);
  CHECK(told(read_frames(lua, lease.id, 0, 1)) == Words{"0-2 end completed"});
  const auto next = lua.held_again(lease.id);
  append(lua, next, 1, {"b"});
  lua.ok<script::Fail>(lua.fail_args(next, "not_found"));

  CHECK(told(read_frames(lua, lease.id)) ==
        Words{"0-1 durable a", "0-2 end completed", "1-1 durable b", "1-2 end failednot_found"});
  CHECK(told(read_frames(lua, lease.id, 0, 2)) == Words{"1-1 durable b", "1-2 end failednot_found"});
}

TEST_CASE("the summary is one document in the place of its last patch") {
  LuaFixture lua;
  const auto lease = lua.held();
  auto args = append_args(lease, 1, {"a", R"({"n":1})", "b", R"({"m":2})", "c"});
  args.items[1].mode = args.items[3].mode = "summary";
  lua.ok<script::AppendFrames>(args);

  CHECK(told(read_frames(lua, lease.id)) ==
        Words{"0-1 durable a", "0-3 durable b", R"(0-4 summary {"n":1,"m":2})", "0-5 durable c"});
  CHECK(told(read_frames(lua, lease.id, 0, 4)) == Words{"0-5 durable c"});
  CHECK(told(read_frames(lua, lease.id, 0, 0, 2)) == Words{"0-1 durable a", "0-3 durable b"});
}

TEST_CASE("the oldest frames beyond 10000 are trimmed, and a reader is told of the gap") {
  LuaFixture lua;
  const auto lease = lua.held();
  const Words batch(250, "x");
  for (std::int64_t sequence = 1; sequence <= 10'001; sequence += 250) append(lua, lease, sequence, batch);

  CHECK(lua.text({"XLEN", lua.key("e:" + lease.id + ":f")}) == "10000");
  const auto page = read_frames(lua, lease.id);
  CHECK(page.lost);
  CHECK(page.rows.at(0).number == 251);
  CHECK(read_frames(lua, lease.id, 0, 249).lost);
  CHECK_FALSE(read_frames(lua, lease.id, 0, 250).lost);
}

TEST_CASE("the oldest frames beyond 8 MiB are trimmed") {
  LuaFixture lua;
  const auto lease = lua.held();
  const Words batch(16, std::string(65'536 - 14, 'x'));  // With type and content type 64 KiB each.
  for (std::int64_t sequence = 1; sequence <= 8 * 16 + 1; sequence += 16) append(lua, lease, sequence, batch);

  CHECK(lua.text({"XLEN", lua.key("e:" + lease.id + ":f")}) == "128");
  CHECK(lua.text({"HGET", lua.key("e:" + lease.id + ":s"), "z"}) == "8388608");
  CHECK(read_frames(lua, lease.id).lost);
  CHECK(read_frames(lua, lease.id, 0, 16).rows.at(0).number == 17);
}

TEST_CASE("frames and calls have a bound in bytes") {
  LuaFixture lua;
  const auto lease = lua.held();
  CHECK(lua.word<script::AppendFrames>(append_args(lease, 1, {std::string(65'537, 'x')})) == "frame_too_large");
  CHECK(lua.word<script::AppendFrames>(append_args(lease, 1, Words(17, std::string(65'536, 'x')))) == "call_too_large");
  CHECK(lua.word<script::AppendFrames>(append_args(lease, 1, Words(16, std::string(65'536, 'x')))) == "ok");
}

// Ends the execution in some way; the marker that must follow.
struct End {
  const char* name;
  std::function<void(LuaFixture&, const Held&)> end;
  const char* marker;
};

void run_when_due(LuaFixture& lua, const char* index, const Held& lease) {
  lua.make_due(index, lease.id);
  lua.run_due();
}

void cancel(LuaFixture& lua, const Held& lease, std::int64_t grace_ms) {
  script::Cancel::Args args;
  args.ns = "ns";
  args.id = lease.id;
  args.grace_ms = grace_ms;
  lua.ok<script::Cancel>(args);
}

std::vector<End> ends() {
  std::vector<End> all;
  all.push_back({"completed", [](LuaFixture& lua, const Held& lease) { lua.complete(lease); }, "completed"});
  all.push_back({"failed", [](LuaFixture& lua, const Held& lease) {
    lua.ok<script::Fail>(lua.fail_args(lease, "not_found"));
  }, "failednot_found"});
  all.push_back({"cancelled", [](LuaFixture& lua, const Held& lease) { cancel(lua, lease, 0); }, "cancelled"});
  all.push_back({"grace over", [](LuaFixture& lua, const Held& lease) {
    cancel(lua, lease, 5'000);
    run_when_due(lua, "deadlines", lease);
  }, "cancelled"});
  all.push_back({"deadline", [](LuaFixture& lua, const Held& lease) {
    lua.change(lease.id, {"d", "1"});
    lua.text({"ZADD", lua.key("deadlines"), "1", lease.id});
    lua.run_due();
  }, "expired"});
  all.push_back({"crash cap", [](LuaFixture& lua, const Held& lease) { run_when_due(lua, "active", lease); },
                 "failedcrash"});
  all.push_back({"attempt timeout", [](LuaFixture& lua, const Held& lease) { run_when_due(lua, "timeouts", lease); },
                 "failedtimeout"});
  return all;
}

TEST_CASE("every end of an execution closes its stream, and is told to who tails") {
  for (const auto& end : ends()) {
    INFO(end.name);
    LuaFixture lua;
    auto item = LuaFixture::item();
    item.policy = R"({"retry":{"max_attempts":1},"crash":{"max":0},"attempt_timeout_ms":60000})";
    const auto lease = lua.held(item);
    append(lua, lease, 1, {"a"});
    tail(lua, lease.id);
    Listener listener(lua, {"f:" + lease.id});

    end.end(lua, lease);

    CHECK(told(read_frames(lua, lease.id)) == Words{"0-1 durable a", std::string("0-2 end ") + end.marker});
    const auto page = read_frames(lua, lease.id, 0, 1);
    CHECK(page.rows.at(0).at > 0);
    CHECK(listener.heard() == Words{"f:" + lease.id + " ended " + page.state});
    CHECK(read_frames(lua, lease.id, 0, 2).rows.empty());
  }
}

TEST_CASE("an execution that appended nothing has a closing marker, too") {
  LuaFixture lua;
  const auto lease = lua.held();
  lua.complete(lease);
  CHECK(told(read_frames(lua, lease.id)) == Words{"0-1 end completed"});
}

TEST_CASE("a place beyond the end is told as a loss, as after a failover") {
  LuaFixture lua;
  const auto lease = lua.held();
  append(lua, lease, 1, {"a"});
  const auto page = read_frames(lua, lease.id, 0, 7);
  CHECK(page.lost);
  CHECK(page.number == 1);
}

TEST_CASE("only who asked is told, of frames, of progress, and of what is never stored") {
  LuaFixture lua;
  const auto lease = lua.held();
  Listener listener(lua, {"f:" + lease.id});
  script::PublishFrames::Args publish;
  publish.id = lease.id;
  publish.lease = lease.lease;
  publish.epoch = lease.epoch;
  publish.items.emplace_back().type = "token";
  publish.items.back().data = "some words";
  append(lua, lease, 1, {"a"});
  CHECK_FALSE(lua.ok<script::PublishFrames>(publish).tailed);
  CHECK(listener.heard() == Words());
  tail(lua, lease.id);
  const auto before = lua.contents();

  CHECK(lua.ok<script::PublishFrames>(publish).tailed);

  CHECK(lua.changes(before) == "");
  const auto heard = listener.heard();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].starts_with("f:" + lease.id + " frame 0 1 "));
  CHECK(heard[0].ends_with(" 5 0 tokensome words"));
  append(lua, lease, 2, {"b"});
  CHECK(listener.heard() == Words{"f:" + lease.id + " frames"});
}

TEST_CASE("a lean execution has a stream while it runs") {
  LuaFixture lua;
  auto item = LuaFixture::item();
  item.policy = R"({"mode":"lean"})";
  const auto lease = lua.held(item);
  append(lua, lease, 1, {"a"});
  tail(lua, lease.id);
  CHECK(told(read_frames(lua, lease.id)) == Words{"0-1 durable a"});
  Listener listener(lua, {"f:" + lease.id});

  lua.complete(lease);

  CHECK(listener.heard() == Words{"f:" + lease.id + " ended completed"});
  for (const auto& [name, content] : lua.contents()) CHECK(name.find(lease.id) == std::string::npos);
}

TEST_CASE("purge and retention free the stream") {
  LuaFixture lua;
  const auto lease = lua.held();
  append(lua, lease, 1, {"a"});
  lua.complete(lease);
  lua.make_due("completed", lease.id);
  lua.run_due();
  for (const auto& [name, content] : lua.contents()) {
    if (name != ":ev") CHECK(name.find(lease.id) == std::string::npos);
  }
}

TEST_CASE("another namespace sees no stream") {
  LuaFixture lua;
  const auto lease = lua.held();
  script::ReadFrames::Args args;
  args.ns = "other";
  args.id = lease.id;
  CHECK(lua.word<script::ReadFrames>(args) == "not_found");
  script::TailFrames::Args tail_args;
  tail_args.ns = "other";
  tail_args.id = lease.id;
  CHECK(lua.word<script::TailFrames>(tail_args) == "not_found");
}

}  // namespace
}  // namespace ff::test
