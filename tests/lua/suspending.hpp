#pragma once
// Calls about suspensions, with what most tests do not care about filled in.

#include <string>
#include <utility>
#include <vector>

#include "ff/core/suspension.hpp"
#include "lua/fixture.hpp"

namespace ff::test {

inline script::Suspend::Item waitpoint(std::string label = "w") {
  script::Suspend::Item item;
  item.label = std::move(label);
  return item;
}

// Waits at the waitpoint "w" for ever.
inline script::Suspend::Args suspend_args(const Held& lease, std::string condition = "{}") {
  script::Suspend::Args args;
  args.id = lease.id;
  args.lease = lease.lease;
  args.epoch = lease.epoch;
  args.condition = std::move(condition);
  args.on_timeout = "fail";
  args.items.push_back(waitpoint());
  return args;
}

inline script::OpenWaitpoints::Args open_args(const Held& lease, std::string label = "w") {
  script::OpenWaitpoints::Args args;
  args.id = lease.id;
  args.lease = lease.lease;
  args.epoch = lease.epoch;
  auto& item = args.items.emplace_back();
  item.label = std::move(label);
  return args;
}

inline script::Signal::Args signal_args(const std::string& id, std::string signal = "s1", std::string name = "go",
                                        std::string source = "") {
  script::Signal::Args args;
  args.ns = "ns";
  args.id = id;
  args.waitpoint = "1.w";
  args.signal = std::move(signal);
  args.name = std::move(name);
  args.source = std::move(source);
  return args;
}

inline Held suspended(LuaFixture& lua, std::string condition = "{}", script::Submit::Item item = LuaFixture::item()) {
  const auto lease = lua.held(std::move(item));
  lua.ok<script::Suspend>(suspend_args(lease, std::move(condition)));
  return lease;
}

// The outcome of a signal, or the word of its refusal.
inline std::string outcome(LuaFixture& lua, const script::Signal::Args& args) {
  auto answer = lua.call<script::Signal>(args);
  return answer ? answer->outcome : answer.error().reason;
}

struct Resumed {
  Held lease;
  std::int64_t attempt = 0;
  core::Resumption resumption;
  bool any = false;  // Whether there was a resumption.
};

// Claims the execution, which must be the best, and reads what it is handed over.
inline Resumed claim_resumed(LuaFixture& lua, const std::string& id) {
  const auto args = LuaFixture::claim_args();
  const auto answer = lua.ok<script::Claim>(args);
  if (answer.rows.size() != 1 || answer.rows[0].id != id) throw std::runtime_error("claim did not get " + id);
  const auto& row = answer.rows[0];
  Resumed resumed;
  resumed.lease.id = id;
  resumed.lease.lease = args.lease;
  resumed.lease.epoch = std::to_string(row.epoch);
  resumed.attempt = row.attempt;
  resumed.any = !row.resumption.empty();
  if (resumed.any) resumed.resumption = core::parse_resumption(row.resumption).value();
  return resumed;
}

inline script::Waitpoints::Ok waitpoints(LuaFixture& lua, const std::string& id) {
  script::Waitpoints::Args args;
  args.ns = "ns";
  args.id = id;
  return lua.ok<script::Waitpoints>(args);
}

}  // namespace ff::test
