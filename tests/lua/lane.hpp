#pragma once
// Changes of the fixture's lane, at the root and told to its partition.

#include <stdexcept>
#include <string>

#include "ff/core/lane_policy.hpp"
#include "lua/fixture.hpp"

namespace ff::test {

class Lane {
 public:
  explicit Lane(LuaFixture& lua) : lua_(lua) {
    script::Open::Args args;
    args.partitions = static_cast<std::int64_t>(lua_.keys().partitions());
    args.history = LuaFixture::new_id();
    at_root<script::Open>(args);
  }

  script::ChangeLane::Ok change(const script::ChangeLane::Args& args) { return at_root<script::ChangeLane>(args); }

  void policy(const core::LanePolicy& policy, std::int64_t home = -1) {
    tell(change_policy(policy, home, lua_.home()));
  }

  // Without telling a partition.
  script::ChangeLane::Ok change_policy(const core::LanePolicy& policy, std::int64_t home, std::int64_t cap_home) {
    script::ChangeLane::Args args;
    args.queue = "ns/lane";
    args.policy_given = true;
    args.policy = core::to_wire(policy);
    args.home = home < 0 ? lua_.home() : home;
    args.cap_home = cap_home;
    return change(args);
  }

  // A cap that this partition counts; less than 0: none.
  void cap(std::int64_t concurrency) {
    core::LanePolicy wanted;
    if (concurrency >= 0) wanted.concurrency = concurrency;
    policy(wanted);
  }

  void state(const std::string& word) {
    script::ChangeLane::Args args;
    args.queue = "ns/lane";
    args.state = word;
    args.by = "ops";
    args.why = "because";
    tell(change(args));
  }

  std::int64_t tell(const script::ChangeLane::Ok& record, std::int64_t all_to = 0) {
    script::SetLanes::Args args;
    args.all_to = all_to;
    auto& item = args.items.emplace_back();
    item.queue = "ns/lane";
    item.version = record.version;
    item.record = record.record;
    return lua_.ok<script::SetLanes>(args).version;
  }

  template <class Verb>
  typename Verb::Ok at_root(const typename Verb::Args& args) {
    auto words = lua_.words<Verb>(args);
    words[3] = lua_.keys().root();
    auto nodes = lua_.nodes();
    const auto node = LuaFixture::on_cluster() ? LuaFixture::cluster().owner_of(lua_.keys().root_slot()) : 0;
    const auto reply = nodes.at(node)->client().command(words);
    auto answer = lua_.decode<Verb>(reply);
    if (!answer) throw std::runtime_error(answer.error().to_string());
    return std::move(answer).value();
  }

 private:
  LuaFixture& lua_;
};

}  // namespace ff::test
