#pragma once
// LuaFixture: a partition of a fresh deployment on a real Valkey, and verbs called one after the other, without the
// product's client. With FLOWFABRIC_TEST_CLUSTER=1 the Valkey is a cluster of three primaries.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/keys.hpp"
#include "ff/core/policy.hpp"
#include "ff/script/verbs.gen.hpp"
#include "support/valkey_cluster.hpp"
#include "support/valkey_server.hpp"

namespace ff::test {

// What stands under one tag: the content of each key, by the name behind the tag. Content is text, made to be read.
using Contents = std::map<std::string, std::string>;

// A lease as a worker holds it.
struct Held {
  std::string id, lease, epoch;
  Held() = default;
};

class LuaFixture {
 public:
  // Shares one Valkey with all fixtures of the process, emptied, and the library loaded afresh: it remembers nothing.
  // `library` other than the product's is for tests that change it.
  LuaFixture();
  explicit LuaFixture(const std::string& library);

  static bool on_cluster();
  static const std::string& product_library();
  // Throws away what the library remembers between calls, as a failover does.
  void reload(const std::string& library = product_library());
  // The library with a function of the tests' own that forgets, at a hundredth of what loading it costs, which a
  // fixture made with such a library then calls instead.
  static std::string forgetful(std::string library);
  void forget();

  // The partition all calls go to.
  core::Partition home() const noexcept { return home_; }
  void go_to(core::Partition partition) { home_ = partition; }
  const core::Keyspace& keys() const noexcept { return keys_; }
  const std::string& tag() const { return keys_.tag(home_); }

  // An answer of a verb: the fields, or the refusal's word as reason, or the first word of an error reply (FF_CORRUPT,
  // ERR, OOM) as reason and the whole as message.
  template <class Verb>
  core::Result<typename Verb::Ok> call(const typename Verb::Args& args) {
    return decode<Verb>(command(words<Verb>(args)));
  }
  // The same of a verb that must answer ok: throws what it answered else.
  template <class Verb>
  typename Verb::Ok ok(const typename Verb::Args& args) {
    auto answer = call<Verb>(args);
    if (!answer) fail(Verb::kFunction, answer.error());
    return std::move(answer).value();
  }
  // The word of a refusal or of an error reply; "ok" when there is none.
  template <class Verb>
  std::string word(const typename Verb::Args& args) {
    auto answer = call<Verb>(args);
    return answer ? "ok" : answer.error().reason;
  }
  // The command that calls the verb: FCALL, function, 1, tag, arguments.
  template <class Verb>
  std::vector<std::string> words(const typename Verb::Args& args) const {
    script::Command encoded(Verb::kReadOnly ? "FCALL_RO" : "FCALL");
    encoded.arg(Verb::kFunction).arg("1").arg(tag());
    Verb::encode(args, encoded);
    return split(encoded.encode());
  }
  template <class Verb>
  core::Result<typename Verb::Ok> decode(const RespValue& reply) const {
    auto fields = fields_of(reply);
    if (!fields) return std::move(fields).error();
    return Verb::decode(*fields);
  }

  // Any command, on the node that serves the partition. An error reply is a value.
  RespValue command(const std::vector<std::string>& words);
  // The text of a reply that must be no error: `valkey-cli --raw`.
  std::string text(const std::vector<std::string>& words);
  ValkeyServer& node();                        // Of the partition.
  std::vector<ValkeyServer*> nodes();          // All of them.
  static ValkeyCluster& cluster();             // Precondition: on_cluster().
  // Forgets which node serves what, after a slot moved.
  void forget_owners() { owners_.clear(); }

  // Sets fields of a core behind the library's back: field, value, …; an empty value removes the field.
  void change(const std::string& id, const std::vector<std::string>& fields);

  // Valkey's clock in ms.
  std::int64_t now();
  // The core of an execution; empty when there is none.
  std::map<std::string, std::string> core(const std::string& id);
  std::string field(const std::string& id, const std::string& name);
  // `index` as behind the tag: "active", "q:ns/lane".
  std::map<std::string, double> scores(const std::string& index);
  std::vector<std::string> members(const std::string& index);
  std::int64_t score(const std::string& index, const std::string& id);  // -1: not there.
  // Makes a timer due: sets the member's score to a second ago.
  void make_due(const std::string& index, const std::string& id);
  std::string key(const std::string& rest) const { return tag() + ":" + rest; }

  // All of the partition at one moment. `lost` and `stray`: what is wrong between cores and indexes. Lost: an
  // execution that is missing where its state belongs. Stray: an entry or a satellite too many, as "<index> has <id>,
  // …". Executions that cannot be read, or were set aside for that, are left out of both.
  struct Snapshot {
    Contents contents;
    std::vector<std::string> lost, stray;
  };
  Snapshot look();
  // All keys of the tag.
  Contents contents();
  // What has been written since: the keys that are not as in `before`, with what they were and are. Empty: nothing.
  std::string changes(const Contents& before) { return changes(before, contents()); }
  static std::string changes(const Contents& before, const Contents& after);
  std::vector<std::string> lost() { return look().lost; }
  std::vector<std::string> stray() { return look().stray; }

  // Short cuts, all in namespace "ns" and lane "lane".
  static std::string new_id();
  static script::Submit::Item item(std::string id = new_id());
  // An idempotency key that is known for a minute.
  static void give_key(script::Submit::Item& item, std::string key);
  static script::Submit::Item item_with(const core::Policy& policy);
  // Submits the items in batches, which must all be created; returns the id of the first.
  std::string submit(const std::vector<script::Submit::Item>& items, const std::string& ns = "ns");
  std::string submit(script::Submit::Item item);
  std::string submit() { return submit(item()); }
  static script::Claim::Args claim_args(std::int64_t want = 1, std::string worker = "worker");
  std::vector<script::Claim::Row> claim(std::int64_t want = 1, std::string worker = "worker");
  // Submits `item` and claims it.
  Held held(script::Submit::Item item);
  Held held() { return held(item()); }
  // Claims what must be the execution `id`.
  Held held_again(const std::string& id);
  std::string state(const std::string& id) { return field(id, "s"); }
  script::Describe::Ok describe(const std::string& id);
  std::string payload(const std::string& id);
  script::Result::Ok result(const std::string& id, std::int64_t generation = -1);
  // The history, each entry as JSON.
  std::vector<std::string> history(const std::string& id);
  std::string complete(const Held& lease, std::string result = "done");  // Its outcome.
  script::Fail::Args fail_args(const Held& lease, std::string failure_class = "internal") const;
  std::string release(const Held& lease, bool started, std::int64_t delay_ms = 0);  // Its outcome.
  std::int64_t run_due(std::int64_t limit = 1000);                                 // Items done.
  std::string violations();  // What the checker finds on the partition.

 private:
  static std::vector<std::string> split(const std::string& encoded);
  static core::Result<std::vector<script::Reply>> fields_of(const RespValue& reply);
  [[noreturn]] static void fail(std::string_view function, const core::Error& error);
  // A key as it stands, and all of the tag by the name behind it.
  struct Key {
    std::string type;
    RespValue value;
  };
  using Keys = std::map<std::string, Key>;
  Keys read_all();
  static Contents contents_of(const Keys& keys);
  std::vector<std::string> lost_of_limits();
  std::vector<RespValue> pipeline(const std::vector<std::vector<std::string>>& commands);
  std::size_t owner(core::Partition partition);

  core::Keyspace keys_;
  core::Partition home_ = 5;
  std::map<core::Partition, std::size_t> owners_;
};

// Sharded channels of the fixture's partition, as a worker or an engine hears them.
class Listener {
 public:
  Listener(LuaFixture& lua, const std::vector<std::string>& channels);
  // What has been published since the last call, as "<channel behind the tag> <message>".
  std::vector<std::string> heard();

 private:
  std::string tag_;
  RespClient client_;
};

}  // namespace ff::test
