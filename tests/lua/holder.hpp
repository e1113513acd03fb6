#pragma once
// A worker instance as quotas and budgets see it: it counts its calls, and remembers what it was granted.

#include <map>
#include <string>
#include <utility>

#include "lua/fixture.hpp"

namespace ff::test {

class Holder {
 public:
  Holder(LuaFixture& lua, std::string name) : lua_(lua), name_(std::move(name)) {}

  script::Reserve::Row reserve(const std::string& kind, const std::string& name, const std::string& hold,
                               const std::string& unit, std::int64_t count, std::int64_t starts = 0,
                               std::int64_t spare = 0) {
    script::Reserve::Args args;
    args.ns = "ns";
    args.holder = name_;
    args.ttl_ms = ttl_ms;
    auto& item = args.items.emplace_back();
    item.kind = kind;
    item.name = name;
    item.seq = ++seq;
    item.hold = hold;
    item.unit = unit;
    item.count = count;
    item.starts = starts;
    item.spare = spare;
    last = args;
    return lua_.ok<script::Reserve>(args).rows.at(0);
  }
  // Of the quota "q".
  script::Reserve::Row slots(std::int64_t hold, std::int64_t count, std::int64_t starts = 0, std::int64_t spare = 0) {
    return reserve("quota", "q", hold > 0 ? "slots=" + std::to_string(hold) : "", "slots=1", count, starts, spare);
  }
  script::Reserve::Row keep(const std::string& kind, const std::string& name, const std::string& hold,
                            std::int64_t spare = 0) {
    script::Keep::Args args;
    args.ns = "ns";
    args.holder = name_;
    args.ttl_ms = ttl_ms;
    auto& item = args.items.emplace_back();
    item.kind = kind;
    item.name = name;
    item.seq = ++seq;
    item.hold = hold;
    item.spare = spare;
    return lua_.ok<script::Keep>(args).rows.at(0);
  }
  script::Reserve::Row keep_slots(std::int64_t hold, std::int64_t spare = 0) {
    return keep("quota", "q", hold > 0 ? "slots=" + std::to_string(hold) : "", spare);
  }
  script::Reserve::Row again() { return lua_.ok<script::Reserve>(last).rows.at(0); }
  const std::string& name() const { return name_; }

  std::int64_t seq = 0, ttl_ms = 60'000;
  script::Reserve::Args last;

 private:
  LuaFixture& lua_;
  std::string name_;
};

inline void set_quota(LuaFixture& lua, std::int64_t slots, std::int64_t rate = 0, std::int64_t period_ms = 1000,
                      std::int64_t burst = 1) {
  script::SetQuota::Args args;
  args.ns = "ns";
  args.name = "q";
  args.slots = slots;
  args.rate = rate;
  args.period_ms = period_ms;
  args.burst = burst;
  lua.ok<script::SetQuota>(args);
}

// A budget "b" of tokens and usd.
inline script::SetBudget::Args budget_args(std::int64_t soft, std::int64_t hard) {
  script::SetBudget::Args args;
  args.ns = "ns";
  args.name = "b";
  args.on_breach = "fail";
  for (const char* dimension : {"tokens", "usd"}) {
    auto& item = args.items.emplace_back();
    item.dimension = dimension;
    item.soft = soft;
    item.hard = hard;
  }
  return args;
}

struct Dimension {
  std::int64_t soft = -1, hard = -1, used = 0, reserved = 0, over = 0;
};

inline script::DescribeLimit::Ok describe_limit(LuaFixture& lua, const std::string& kind, const std::string& name) {
  script::DescribeLimit::Args args;
  args.ns = "ns";
  args.kind = kind;
  args.name = name;
  return lua.ok<script::DescribeLimit>(args);
}

inline Dimension dimension(LuaFixture& lua, const std::string& kind, const std::string& name, const std::string& of) {
  for (const auto& row : describe_limit(lua, kind, name).rows) {
    if (row.dimension == of) return {row.soft, row.hard, row.used, row.reserved, row.over};
  }
  return {};
}

}  // namespace ff::test
