#include "support/snapshot.hpp"

#include <charconv>
#include <map>
#include <stdexcept>
#include <utility>

#include "support/stored_core.hpp"

namespace ff::test {
namespace {

// A strict reader of the part of MessagePack that Valkey's cmsgpack writes for strings, whole numbers and arrays.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : bytes_(bytes) {}

  bool done() const noexcept { return position_ == bytes_.size(); }

  std::size_t array() {
    unsigned head = take();
    if ((head & 0xf0u) == 0x90u) return head & 0x0fu;
    if (head == 0x80u) return 0;  // An empty table may be packed as an empty map.
    if (head == 0xdcu) return big_endian(2);
    if (head == 0xddu) return big_endian(4);
    fail("an array");
  }

  std::string_view string() {
    unsigned head = take();
    if ((head & 0xe0u) == 0xa0u) return bytes(head & 0x1fu);
    if (head == 0xd9u || head == 0xc4u) return bytes(big_endian(1));
    if (head == 0xdau || head == 0xc5u) return bytes(big_endian(2));
    if (head == 0xdbu || head == 0xc6u) return bytes(big_endian(4));
    fail("a string");
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw std::runtime_error("snapshot: no " + std::string(what) + " at byte " + std::to_string(position_));
  }
  unsigned take() { return static_cast<unsigned char>(bytes(1)[0]); }
  std::string_view bytes(std::size_t count) {
    if (bytes_.size() - position_ < count) fail("bytes");
    auto part = bytes_.substr(position_, count);
    position_ += count;
    return part;
  }
  std::size_t big_endian(std::size_t count) {
    std::size_t value = 0;
    for (char byte : bytes(count)) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  }

  std::string_view bytes_;
  std::size_t position_ = 0;
};

std::string eval_reply(RespValue reply) {
  if (reply.is_error()) throw std::runtime_error("snapshot: " + reply.text);
  return std::move(reply.text);
}

// The hash tag at the front of a key, braces included; empty when there is none.
std::string tag_of(const std::string& key) {
  auto end = key.find('}');
  return key.empty() || key[0] != '{' || end == std::string::npos ? std::string() : key.substr(0, end + 1);
}

constexpr std::size_t kKeysAtOnce = 256;   // Of one EVAL: well below a millisecond of the server's time.
constexpr std::size_t kCallsInFlight = 8;

// Sends the dump of every tag's keys in pieces and keeps a few on the way.
class Reader {
 public:
  Reader(RespClient& client, const SnapshotScope& scope) : client_(client), scope_(scope) {}

  Snapshot& of(const std::string& tag) {
    auto found = tags_.find(tag);
    if (found == tags_.end()) found = tags_.try_emplace(tag, Snapshot(tag), std::vector<std::string>()).first;
    return found->second.first;
  }
  void add(const std::string& tag, std::string key) {
    of(tag);
    auto& keys = tags_.at(tag).second;
    keys.push_back(std::move(key));
    if (keys.size() == kKeysAtOnce) send(tag);
  }
  std::vector<Snapshot> finish() {
    for (auto& [tag, _] : tags_) send(tag);
    while (!sent_.empty()) receive();
    std::vector<Snapshot> all;
    for (auto& [_, state] : tags_) all.push_back(std::move(state.first));
    return all;
  }

 private:
  void send(const std::string& tag) {
    auto& keys = tags_.at(tag).second;
    if (keys.empty()) return;
    std::vector<std::string> command;
    command.push_back("EVAL");
    command.emplace_back(kDumpScript);
    command.push_back(std::to_string(keys.size()));
    command.insert(command.end(), keys.begin(), keys.end());
    auto arguments = dump_arguments(tag, scope_);
    command.insert(command.end(), arguments.begin(), arguments.end());
    keys.clear();
    client_.send(command);
    sent_.push_back(tag);
    if (sent_.size() == kCallsInFlight) receive();
  }
  void receive() {
    of(sent_.front()).add(eval_reply(client_.receive()));
    sent_.pop_front();
  }

  RespClient& client_;
  SnapshotScope scope_;
  std::map<std::string, std::pair<Snapshot, std::vector<std::string>>> tags_;
  std::deque<std::string> sent_;
};

// All keys that match; a key that SCAN shows twice comes once.
std::vector<std::string> scan(RespClient& client, const std::string& pattern) {
  std::map<std::string, bool> seen;
  std::vector<std::string> keys;
  std::string cursor = "0";
  do {
    auto reply = client.command({"SCAN", cursor, "MATCH", pattern, "COUNT", "2000"});
    if (reply.is_error()) throw std::runtime_error("snapshot: " + reply.text);
    cursor = reply.elements.at(0).text;
    for (auto& key : reply.elements.at(1).elements) {
      if (seen.emplace(key.text, true).second) keys.push_back(std::move(key.text));
    }
  } while (cursor != "0");
  return keys;
}

}  // namespace

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

const std::string kDumpScript = std::string(kLeaseOfCore) + R"(
local call = redis.call
local tag, histories, events = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local strings, quick = ARGV[4] == '1', ARGV[5] == '1'
local keys, out, from = KEYS, {}, #tag + 2
if #keys == 0 then keys = call('KEYS', tag .. '*') end
local read = {}
function read.hash(key) return quick and '' or call('OBJECT', 'ENCODING', key), call('HGETALL', key) end
function read.zset(key) return '', call('ZRANGE', key, 0, -1, 'WITHSCORES') end
function read.set(key) return '', call('SMEMBERS', key) end
function read.list(key)
  return tostring(call('LLEN', key)), histories > 0 and call('LRANGE', key, -histories, -1) or {}
end
function read.core(key)
  local okay, core = pcall(cmsgpack.unpack, call('GET', key))
  if not okay or type(core) ~= 'table' then return '', {} end
  open_lease(core)
  local values = {}
  for field, value in pairs(core) do
    values[#values + 1] = tostring(field)
    values[#values + 1] = type(value) == 'number' and string.format('%.17g', value) or tostring(value)
  end
  return '', values
end
function read.string(key)
  local wanted = strings or string.sub(key, -2) == ':y' or string.sub(key, from, from + 1) == 'i:'
    or string.sub(key, from, from + 4) == 'lane:' or string.find(key, ':s%d+$')
  if not wanted then return tostring(call('STRLEN', key)), {} end
  local bytes = call('GET', key)
  return tostring(#bytes), { bytes }
end
function read.stream(key)
  local values, newest = {}, events > 0 and call('XREVRANGE', key, '+', '-', 'COUNT', events) or {}
  for _, entry in ipairs(newest) do
    values[#values + 1] = tostring(#entry[2])
    for _, value in ipairs(entry[2]) do values[#values + 1] = value end
  end
  return tostring(call('XLEN', key)), values
end
local satellite = { o = 'hash', h = 'list', p = 'string', r = 'string', x = 'string', y = 'string', t = 'string',
                    f = 'stream', s = 'hash', n = 'string' }
-- What the type must be by the key's name; nil (old results, steps): look.
local function by_name(key)
  local rest = string.sub(key, from)
  local kind = string.sub(rest, 1, 2)
  if kind == 'e:' then return #rest == 28 and 'core' or satellite[string.sub(rest, 30)] end
  if kind == 'i:' then return 'string' end
  if kind == 'q:' then return 'zset' end
  if string.sub(rest, 1, 5) == 'lane:' then return 'string' end
end
for i = 1, #keys do
  local key = keys[i]
  local kind = quick and by_name(key) or call('TYPE', key).ok
  if kind == 'string' and #key == from + 27 and string.sub(key, from, from + 1) == 'e:' then kind = 'core' end
  local note, values = '', {}
  if read[kind] then note, values = read[kind](key) end
  if kind ~= 'none' then out[#out + 1] = { key, kind, note, quick and '-2' or tostring(call('PTTL', key)),
      values } end
end
return cmsgpack.pack(out)
)";

std::vector<std::string> dump_arguments(const std::string& tag, const SnapshotScope& scope) {
  std::vector<std::string> arguments;
  arguments.push_back(tag);
  arguments.push_back(std::to_string(scope.history_entries));
  arguments.push_back(std::to_string(scope.events));
  arguments.push_back(scope.all_strings ? "1" : "0");
  arguments.push_back(scope.quick ? "1" : "0");
  return arguments;
}

void Snapshot::add(std::string packed) {
  replies_.push_back(std::move(packed));
  Unpacker unpacker(replies_.back());
  std::size_t rows = unpacker.array();
  keys_.reserve(keys_.size() + rows);
  values_.reserve(values_.size() + rows * 12);
  for (std::size_t row = 0; row < rows; ++row) {
    if (unpacker.array() != 5) throw std::runtime_error("snapshot: not a row of the dump");
    StoredKey key;
    auto name = unpacker.string();
    if (name.substr(0, tag_.size()) != tag_) throw std::runtime_error("snapshot: a key of another tag");
    key.rest = name.substr(tag_.size());
    if (!key.rest.empty() && key.rest[0] == ':') key.rest.remove_prefix(1);
    key.type = unpacker.string();
    key.note = unpacker.string();
    key.ttl_ms = std::stoll(std::string(unpacker.string()));
    key.count = unpacker.array();
    key.first = values_.size();
    for (std::size_t i = 0; i < key.count; ++i) values_.push_back(unpacker.string());
    keys_.push_back(key);
  }
  if (!unpacker.done()) throw std::runtime_error("snapshot: more than the dump");
}

Snapshot read_snapshot(RespClient& client, const std::string& tag, const SnapshotScope& scope) {
  Reader reader(client, scope);
  reader.of(tag);
  for (auto& key : scan(client, tag + "*")) reader.add(tag, std::move(key));
  auto all = reader.finish();
  return std::move(all.front());
}

std::vector<Snapshot> read_deployment(RespClient& client, const std::string& prefix, const SnapshotScope& scope) {
  Reader reader(client, scope);
  for (auto& key : scan(client, "{" + prefix + "*")) {
    auto tag = tag_of(key);
    bool ours = tag == "{" + prefix + "}" || tag.compare(0, prefix.size() + 2, "{" + prefix + ":") == 0;
    if (ours) reader.add(tag, std::move(key));
  }
  return reader.finish();
}

}  // namespace ff::test
