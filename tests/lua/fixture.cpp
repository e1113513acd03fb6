#include "lua/fixture.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "ff/core/ids.hpp"
#include "library_source.hpp"
#include "support/limit_checker.hpp"
#include "support/stored_core.hpp"

namespace ff::test {
namespace {

constexpr std::size_t kPartitions = 8;
constexpr std::size_t kIdChars = 26;
constexpr const char* kForgets = "ff1_forget";

// One Valkey for the process, with a connection to each node.
struct Shared {
  std::unique_ptr<ValkeyServer> server;
  std::unique_ptr<ValkeyCluster> cluster;
  std::vector<ValkeyServer*> nodes;
  std::vector<RespClient> clients;
  std::string loaded;  // The library.

  Shared() {
    if (LuaFixture::on_cluster()) {
      cluster = std::make_unique<ValkeyCluster>();
      for (const auto& node : cluster->nodes()) nodes.push_back(node.get());
    } else {
      server = std::make_unique<ValkeyServer>();
      nodes.push_back(server.get());
    }
    for (auto* node : nodes) clients.push_back(node->client());
  }
};

Shared& shared() {
  static Shared instance;
  return instance;
}

RespValue must(RespValue reply) {
  if (reply.is_error()) throw std::runtime_error("valkey: " + reply.text);
  return reply;
}

script::Reply to_reply(const RespValue& value) {
  using Kind = script::Reply::Kind;
  script::Reply reply;
  reply.text = value.text;
  switch (value.type) {
    case '+': reply.kind = Kind::status; break;
    case '-': reply.kind = Kind::error; break;
    case '$': reply.kind = Kind::bulk; break;
    case '*': reply.kind = Kind::array; break;
    case ':':
      reply.kind = Kind::integer;
      reply.integer = value.integer();
      break;
    default: break;
  }
  for (const auto& element : value.elements) reply.elements.push_back(to_reply(element));
  return reply;
}

// By its name behind the tag.
bool is_core(const std::string& name) { return name.starts_with(":e:") && name.size() == 3 + kIdChars; }

std::string joined(const RespValue& list, std::size_t width, bool sorted) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < list.elements.size(); i += width) {
    std::string part = list.elements[i].str();
    for (std::size_t j = 1; j < width; ++j) part += "=" + list.elements.at(i + j).str();
    parts.push_back(part);
  }
  if (sorted) std::sort(parts.begin(), parts.end());
  std::string text;
  for (const auto& part : parts) text += part + "\n";
  return text;
}

}  // namespace

bool LuaFixture::on_cluster() {
  const char* wanted = std::getenv("FLOWFABRIC_TEST_CLUSTER");
  return wanted != nullptr && std::string_view(wanted) == "1";
}

const std::string& LuaFixture::product_library() {
  static const std::string source(script::kLibrarySource);
  return source;
}

LuaFixture::LuaFixture() : LuaFixture(product_library()) {}

LuaFixture::LuaFixture(const std::string& library) : keys_("ff", kPartitions) {
  for (auto& client : shared().clients) must(client.command({"FLUSHALL", "SYNC"}));
  if (library == shared().loaded && library.find(kForgets) != std::string::npos) {
    forget();
    return;
  }
  for (auto& client : shared().clients) must(client.command({"FUNCTION", "FLUSH", "SYNC"}));
  reload(library);
}

std::string LuaFixture::forgetful(std::string library) {
  const std::string memory = "\nlocal memory = {}\n";
  const auto at = library.find(memory);
  if (at == std::string::npos) throw std::runtime_error("the library does not remember where it did");
  library.insert(at + memory.size(), std::string("redis.register_function(\"") + kForgets +
                                         "\", function() memory = {} end)\n");
  return library;
}

void LuaFixture::forget() {
  for (auto& client : shared().clients) must(client.command({"FCALL", kForgets, "0"}));
}

void LuaFixture::reload(const std::string& library) {
  for (auto& client : shared().clients) must(client.command({"FUNCTION", "LOAD", "REPLACE", library}));
  shared().loaded = library;
}

std::size_t LuaFixture::owner(core::Partition partition) {
  if (!shared().cluster) return 0;
  const auto known = owners_.find(partition);
  if (known != owners_.end()) return known->second;
  return owners_[partition] = shared().cluster->owner_of(keys_.slot(partition));
}

RespValue LuaFixture::command(const std::vector<std::string>& words) {
  return shared().clients.at(owner(home_)).command(words);
}

std::string LuaFixture::text(const std::vector<std::string>& words) { return must(command(words)).str(); }

ValkeyServer& LuaFixture::node() { return *shared().nodes.at(owner(home_)); }
std::vector<ValkeyServer*> LuaFixture::nodes() { return shared().nodes; }
ValkeyCluster& LuaFixture::cluster() { return *shared().cluster; }

void LuaFixture::change(const std::string& id, const std::vector<std::string>& fields) {
  text(change_core(key("e:" + id), fields));
}

std::int64_t LuaFixture::now() {
  const auto time = must(command({"TIME"}));
  return std::stoll(time.elements.at(0).text) * 1000 + std::stoll(time.elements.at(1).text) / 1000;
}

std::map<std::string, std::string> LuaFixture::core(const std::string& id) {
  std::map<std::string, std::string> fields;
  const auto reply = command(read_core(key("e:" + id)));
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    fields[reply.elements[i].text] = reply.elements[i + 1].text;
  }
  return fields;
}

std::string LuaFixture::field(const std::string& id, const std::string& name) {
  const auto fields = core(id);
  const auto found = fields.find(name);
  return found == fields.end() ? "" : found->second;
}

std::map<std::string, double> LuaFixture::scores(const std::string& index) {
  std::map<std::string, double> found;
  const auto reply = command({"ZRANGE", key(index), "0", "-1", "WITHSCORES"});
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    found[reply.elements[i].text] = std::stod(reply.elements[i + 1].text);
  }
  return found;
}

std::vector<std::string> LuaFixture::members(const std::string& index) {
  std::vector<std::string> found;
  for (const auto& element : command({"ZRANGE", key(index), "0", "-1"}).elements) found.push_back(element.text);
  return found;
}

std::int64_t LuaFixture::score(const std::string& index, const std::string& id) {
  const auto found = command({"ZSCORE", key(index), id});
  return found.type == '$' ? static_cast<std::int64_t>(std::stod(found.text)) : -1;
}

void LuaFixture::make_due(const std::string& index, const std::string& id) {
  text({"ZADD", key(index), "XX", std::to_string(now() - 1000), id});
}

std::vector<RespValue> LuaFixture::pipeline(const std::vector<std::vector<std::string>>& commands) {
  auto& client = shared().clients.at(owner(home_));
  for (const auto& words : commands) client.send(words);
  std::vector<RespValue> replies;
  for (std::size_t i = 0; i < commands.size(); ++i) replies.push_back(must(client.receive()));
  return replies;
}

LuaFixture::Keys LuaFixture::read_all() {
  std::vector<std::string> names;
  for (const auto& element : must(command({"KEYS", "*"})).elements) {
    if (element.text.starts_with(tag())) names.push_back(element.text);
  }
  std::vector<std::vector<std::string>> commands;
  for (const auto& name : names) commands.push_back({"TYPE", name});
  auto types = pipeline(commands);
  static const std::map<std::string, std::vector<std::string>> readers = {
      {"string", {"GET"}},   {"hash", {"HGETALL"}},
      {"set", {"SMEMBERS"}}, {"list", {"LRANGE", "0", "-1"}},
      {"stream", {"XRANGE", "-", "+"}}, {"zset", {"ZRANGE", "0", "-1", "WITHSCORES"}}};
  for (std::size_t i = 0; i < names.size(); ++i) {
    commands[i] = readers.at(types[i].text);
    commands[i].insert(commands[i].begin() + 1, names[i]);
    if (types[i].text == "string" && is_core(names[i].substr(tag().size()))) {
      types[i].text = "core";
      commands[i] = read_core(names[i]);
    }
  }
  auto values = pipeline(commands);
  Keys found;
  for (std::size_t i = 0; i < names.size(); ++i) {
    found[names[i].substr(tag().size())] = Key{types[i].text, std::move(values[i])};
  }
  return found;
}

Contents LuaFixture::contents() { return contents_of(read_all()); }

Contents LuaFixture::contents_of(const Keys& keys) {
  Contents found;
  for (const auto& [name, key] : keys) {
    const std::size_t width = key.type == "hash" || key.type == "core" || key.type == "zset" ? 2 : 1;
    const bool in_order = key.type != "hash" && key.type != "core" && key.type != "set";
    found[name] = key.type + " " + (key.type == "string" ? key.value.text : joined(key.value, width, !in_order));
  }
  return found;
}

std::string LuaFixture::changes(const Contents& before, const Contents& after) {
  std::string found;
  for (const auto& [name, content] : after) {
    const auto was = before.find(name);
    if (was == before.end()) found += "new " + name + ": " + content + "\n";
    else if (was->second != content) found += "changed " + name + ": " + was->second + " -> " + content + "\n";
  }
  for (const auto& [name, content] : before) {
    if (!after.count(name)) found += "gone " + name + ": " + content + "\n";
  }
  return found;
}

std::vector<std::string> LuaFixture::split(const std::string& encoded) {
  std::vector<std::string> words;
  std::size_t at = encoded.find('\n') + 1;
  while (at < encoded.size()) {
    std::size_t length = 0;
    const auto end = encoded.find('\r', at);
    std::from_chars(encoded.data() + at + 1, encoded.data() + end, length);
    words.push_back(encoded.substr(end + 2, length));
    at = end + 2 + length + 2;
  }
  return words;
}

core::Result<std::vector<script::Reply>> LuaFixture::fields_of(const RespValue& reply) {
  if (reply.is_error()) {
    return core::Error(core::Code::internal, reply.text.substr(0, reply.text.find(' ')), reply.text);
  }
  if (reply.type != '*' || reply.elements.empty()) {
    return core::Error(core::Code::corrupt, "bad_reply", "no array: " + reply.str());
  }
  if (reply.elements[0].text == "refused") {
    const auto word = reply.elements.size() == 2 ? reply.elements[1].text : "a refusal is two words";
    return core::Error(core::Code::conflict, word, word);
  }
  if (reply.elements[0].text != "ok") return core::Error(core::Code::corrupt, "bad_reply", reply.str());
  std::vector<script::Reply> fields;
  for (std::size_t i = 1; i < reply.elements.size(); ++i) fields.push_back(to_reply(reply.elements[i]));
  return fields;
}

void LuaFixture::fail(std::string_view function, const core::Error& error) {
  throw std::runtime_error(std::string(function) + " answered " + error.reason + ": " + error.message);
}

// ---- consistency
// -------------------------------------------------------------------------------------------------------

namespace {

const std::vector<std::string> kStateIndexes = {"delayed",   "active", "suspended", "blocked", "completed",
                                                "failed",    "cancelled", "expired", "skipped"};

bool is_terminal(const std::string& state) {
  return state == "completed" || state == "failed" || state == "cancelled" || state == "expired" || state == "skipped";
}

// The indexes an execution belongs to, as its core says.
std::set<std::string> belongs_to(const std::map<std::string, std::string>& core) {
  std::set<std::string> indexes;
  const auto state = core.count("s") ? core.at("s") : "";
  const bool routed = core.count("rq") || core.count("fk");
  indexes.insert(state != "ready" ? state : (routed ? "waiting:" : "q:") + core.at("q"));
  if (state == "active" && (core.count("t") || core.count("tl"))) indexes.insert("timeouts");
  if (!is_terminal(state) && (core.count("d") || core.count("u"))) indexes.insert("deadlines");
  // May be in these, by what its step says.
  if (!is_terminal(state) && core.count("h")) indexes.insert({"waitpoints", "awaits"});
  return indexes;
}

}  // namespace

namespace {

using Fields = std::map<std::string, std::string>;

Fields pairs(const RespValue& list) {
  Fields found;
  for (std::size_t i = 0; i + 1 < list.elements.size(); i += 2)
    found[list.elements[i].text] = list.elements[i + 1].text;
  return found;
}

// All cores that can be read, and all entries of all indexes with their scores.
template <class Keys>
struct Model {
  std::map<std::string, Fields> cores, indexes;
  std::set<std::string> aside;  // Put off by a minute, because they could not be read.

  Model(const Keys& keys, std::int64_t now) {
    for (const auto& [name, key] : keys) {
      if (key.type == "core" && !key.value.elements.empty()) cores[name.substr(3)] = pairs(key.value);
      if (!is_core(name) && !name.empty() && key.type == "zset") indexes[name.substr(1)] = pairs(key.value);
    }
    for (const auto& [id, score] : indexes["delayed"]) {
      const auto core = cores.find(id);
      if (core != cores.end() && core->second["s"] == "ready" && std::stod(score) > static_cast<double>(now + 50'000)) {
        aside.insert(id);
      }
    }
  }
};

}  // namespace

namespace {

template <class Keys>
std::vector<std::string> lost_of(const Keys& all, Model<Keys>& model) {
  std::vector<std::string> found;
  for (const auto& [id, fields] : model.cores) {
    if (model.aside.count(id)) continue;
    for (const auto& index : belongs_to(fields)) {
      if (index == "waitpoints" || index == "awaits") continue;
      const bool waits = index.starts_with("waiting:") && fields.count("rq");
      if (waits && model.indexes["q:" + fields.at("q") + "|*"].count(id + fields.at("rq"))) continue;
      if (!model.indexes[index].count(id)) found.push_back(id + " is not in " + index);
    }
    for (const char* satellite : {":x", ":y", ":t", ":o", ":h", ":n", ":f", ":s"}) {
      const bool there = all.count(":e:" + id + satellite) != 0;
      if (there && !fields.count("j")) found.push_back(id + " does not know its " + satellite);
    }
  }
  return found;
}

template <class Keys>
std::vector<std::string> stray_of(const Keys& all, Model<Keys>& model) {
  std::vector<std::string> found;
  for (const auto& [name, key] : all) {
    if (name.starts_with(":e:") && name.size() > 3 + kIdChars && !all.count(name.substr(0, 3 + kIdChars))) {
      found.push_back(name + " has no core");
    }
  }
  for (const auto& [index, entries] : model.indexes) {
    const bool of_state = std::find(kStateIndexes.begin(), kStateIndexes.end(), index) != kStateIndexes.end();
    const bool line = index.starts_with("q:") && index.find('|') != std::string::npos;
    const bool ready = (index.starts_with("q:") && !line) || index.starts_with("waiting:");
    const bool beside = index == "timeouts" || index == "deadlines" || index == "waitpoints" || index == "awaits";
    if (!of_state && !beside && !ready && !line) continue;
    for (const auto& [entry, score] : entries) {
      const auto id = line ? entry.substr(0, kIdChars) : entry;  // Of the common line, more follows.
      const auto core = model.cores.find(id);
      if (core == model.cores.end()) {
        if (!all.count(":e:" + id)) found.push_back(index + " has " + id + ", which has no core");
      } else if (line) {
        if (core->second["s"] != "ready") found.push_back(index + " has " + id + ", which is " + core->second["s"]);
      } else if (!model.aside.count(id) && !belongs_to(core->second).count(index)) {
        found.push_back(index + " has " + id + ", which is " + core->second["s"]);
      }
    }
  }
  return found;
}

}  // namespace

// What is reserved and not held, or held without an end.
std::vector<std::string> LuaFixture::lost_of_limits() {
  auto& client = shared().clients.at(owner(home_));
  std::vector<Violation> violations;
  check_limits(read_snapshot(client, tag(), SnapshotScope()), violations);
  std::vector<std::string> found;
  for (const auto& violation : violations) {
    const bool lost = violation.expected.find(" reserved: ") != std::string::npos ||
                      violation.expected.starts_with("the end of ");
    if (lost) found.push_back(violation.text());
  }
  return found;
}

LuaFixture::Snapshot LuaFixture::look() {
  const auto all = read_all();
  Model<Keys> model(all, now());
  Snapshot snapshot;
  snapshot.contents = contents_of(all);
  snapshot.lost = lost_of(all, model);
  snapshot.stray = stray_of(all, model);
  for (auto& line : lost_of_limits()) snapshot.lost.push_back(std::move(line));
  return snapshot;
}

// ---- short cuts
// --------------------------------------------------------------------------------------------------------

std::string LuaFixture::new_id() { return core::Ulid::make().str(); }

script::Submit::Item LuaFixture::item(std::string id) {
  script::Submit::Item item;
  item.id = std::move(id);
  item.lane = "lane";
  item.kind = "kind";
  item.payload = "payload";
  return item;
}

void LuaFixture::give_key(script::Submit::Item& item, std::string key) {
  item.idempotency_key = std::move(key);
  item.idempotency_ttl_ms = 60'000;
}

script::Submit::Item LuaFixture::item_with(const core::Policy& policy) {
  auto made = item();
  made.policy = core::to_wire(policy);
  return made;
}

std::string LuaFixture::submit(const std::vector<script::Submit::Item>& items, const std::string& ns) {
  constexpr std::size_t kBatch = 256;
  for (std::size_t begin = 0; begin < items.size(); begin += kBatch) {
    script::Submit::Args args;
    args.ns = ns;
    const auto end = std::min(items.size(), begin + kBatch);
    args.items.assign(items.begin() + static_cast<std::ptrdiff_t>(begin),
                      items.begin() + static_cast<std::ptrdiff_t>(end));
    for (const auto& row : ok<script::Submit>(args).rows) {
      if (row.outcome != "created") throw std::runtime_error("submit: " + row.outcome);
    }
  }
  return items.at(0).id;
}

std::string LuaFixture::submit(script::Submit::Item item) {
  std::vector<script::Submit::Item> items;
  items.push_back(std::move(item));
  return submit(items);
}

script::Claim::Args LuaFixture::claim_args(std::int64_t want, std::string worker) {
  script::Claim::Args args;
  args.worker = std::move(worker);
  args.lease = new_id();
  args.lease_ms = 60'000;
  args.want = want;
  args.queues = {"ns/lane"};
  return args;
}

std::vector<script::Claim::Row> LuaFixture::claim(std::int64_t want, std::string worker) {
  return ok<script::Claim>(claim_args(want, std::move(worker))).rows;
}

Held LuaFixture::held(script::Submit::Item item) { return held_again(submit(std::move(item))); }

Held LuaFixture::held_again(const std::string& id) {
  const auto args = claim_args();
  const auto answer = ok<script::Claim>(args);
  if (answer.rows.size() != 1 || answer.rows[0].id != id) throw std::runtime_error("claim did not get " + id);
  Held lease;
  lease.id = id;
  lease.lease = args.lease;
  lease.epoch = std::to_string(answer.rows[0].epoch);
  return lease;
}

script::Describe::Ok LuaFixture::describe(const std::string& id) {
  script::Describe::Args args;
  args.ns = "ns";
  args.id = id;
  return ok<script::Describe>(args);
}

std::string LuaFixture::payload(const std::string& id) {
  script::Payload::Args args;
  args.ns = "ns";
  args.id = id;
  return ok<script::Payload>(args).payload;
}

script::Result::Ok LuaFixture::result(const std::string& id, std::int64_t generation) {
  script::Result::Args args;
  args.ns = "ns";
  args.id = id;
  args.generation = generation;
  return ok<script::Result>(args);
}

std::vector<std::string> LuaFixture::history(const std::string& id) {
  std::vector<std::string> entries;
  for (const auto& row : describe(id).rows) entries.push_back(row.entry);
  return entries;
}

std::string LuaFixture::complete(const Held& lease, std::string result) {
  script::Complete::Args args;
  args.worker = "worker";
  args.next_lease = new_id();
  args.lease_ms = 60'000;
  auto& item = args.items.emplace_back();
  item.id = lease.id;
  item.lease = lease.lease;
  item.epoch = lease.epoch;
  item.result = std::move(result);
  return ok<script::Complete>(args).outcomes.at(0);
}

script::Fail::Args LuaFixture::fail_args(const Held& lease, std::string failure_class) const {
  script::Fail::Args args;
  args.id = lease.id;
  args.lease = lease.lease;
  args.epoch = lease.epoch;
  args.failure_class = std::move(failure_class);
  args.text = "it broke";
  args.retry_after_ms = -1;
  return args;
}

std::string LuaFixture::release(const Held& lease, bool started, std::int64_t delay_ms) {
  script::Release::Args args;
  args.started = started;
  args.delay_ms = delay_ms;
  args.reason = "drained";
  auto& item = args.items.emplace_back();
  item.id = lease.id;
  item.lease = lease.lease;
  item.epoch = lease.epoch;
  return ok<script::Release>(args).outcomes.at(0);
}

std::int64_t LuaFixture::run_due(std::int64_t limit) {
  script::RunDue::Args args;
  args.limit = limit;
  return ok<script::RunDue>(args).done;
}

std::string LuaFixture::violations() {
  auto asking = node().client();
  return check_snapshot(read_snapshot(asking, tag(), SnapshotScope())).text();
}

Listener::Listener(LuaFixture& lua, const std::vector<std::string>& channels)
    : tag_(lua.tag()), client_(lua.node().client()) {
  for (const auto& channel : channels) must(client_.command({"SSUBSCRIBE", lua.key(channel)}));
}

std::vector<std::string> Listener::heard() {
  // What was published before the ping comes before its answer.
  client_.send({"PING"});
  std::vector<std::string> found;
  while (true) {
    const auto reply = client_.receive();
    if (reply.elements.empty() || reply.elements[0].text != "smessage") return found;
    found.push_back(reply.elements.at(1).text.substr(tag_.size() + 1) + " " + reply.elements.at(2).text);
  }
}

}  // namespace ff::test
