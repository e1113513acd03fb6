// The policies of a run, and flat JSON.
#include <charconv>
#include <stdexcept>

#include "model/model.hpp"

namespace ff::model {
namespace {

using ff::core::Millis;
using ff::core::Policy;
using ff::core::RetryStrategy;

Policy retrying(RetryStrategy strategy, std::int64_t delay_ms, std::int64_t attempts, double jitter) {
  Policy policy;
  policy.retry.strategy = strategy;
  policy.retry.delay = Millis(delay_ms);
  policy.retry.max_attempts = attempts;
  policy.retry.jitter = jitter;
  return policy;
}

Policy crashing(std::int64_t max, std::int64_t delay_ms, std::int64_t max_delay_ms) {
  Policy policy;
  policy.crash.max = max;
  policy.crash.delay = Millis(delay_ms);
  policy.crash.max_delay = Millis(max_delay_ms);
  return policy;
}

Policy with_limits(Policy policy, std::int64_t timeout_ms, std::int64_t retention_ms) {
  if (timeout_ms > 0) policy.attempt_timeout = Millis(timeout_ms);
  if (retention_ms >= 0) policy.retention = Millis(retention_ms);
  return policy;
}

Policy lean(Policy policy) {
  policy.mode = ff::core::Mode::lean;
  return policy;
}

std::vector<PaletteEntry> make_palette() {
  std::vector<Policy> good;
  good.push_back(Policy());
  good.push_back(retrying(RetryStrategy::fixed, 0, 2, 0));
  good.push_back(retrying(RetryStrategy::fixed, 100, 3, 0));
  good.back().retry.never = std::vector<std::string>();
  good.push_back(retrying(RetryStrategy::exponential, 50, 5, 0.5));
  good.back().retry.factor = 2.5;
  good.back().retry.max_delay = Millis(150);
  good.push_back(retrying(RetryStrategy::linear, 20, 4, 0));
  good.push_back(Policy());
  good.back().retry.strategy = RetryStrategy::explicit_delays;
  good.back().retry.delays = std::vector<Millis>({Millis(0), Millis(10), Millis(1000)});
  good.back().retry.max_attempts = 5;
  good.back().retry.jitter = 0;
  good.back().retry.only = std::vector<std::string>({"unavailable", "not_found", "timeout"});
  good.push_back(retrying(RetryStrategy::fixed, 5, 1, 0));
  good.push_back(crashing(0, 10, 10));
  good.push_back(crashing(1, 0, 1));
  good.push_back(crashing(5, 10, 25));
  good.push_back(with_limits(Policy(), 50, 0));
  good.push_back(with_limits(retrying(RetryStrategy::fixed, 30, 3, 0), 500, 1000));
  good.push_back(with_limits(crashing(2, 5, 5), 20, 5000));
  good.push_back(lean(Policy()));
  good.push_back(lean(retrying(RetryStrategy::fixed, 10, 2, 0)));
  good.push_back(lean(with_limits(crashing(0, 1, 1), 40, -1)));
  std::vector<PaletteEntry> entries;
  for (auto& policy : good) entries.push_back({ff::core::to_wire(policy), policy});
  for (const char* bad : {"{", "5", R"({"retry":{"strategy":"odd"}})", R"({"retry":{"strategy":"explicit"}})",
                          R"({"crash":{"max":"x"}})", R"({"retention_ms":-1})", R"({"retry":null})"}) {
    entries.push_back({bad, std::nullopt});
  }
  return entries;
}

// A strict reader of what cjson writes for an object of strings and numbers.
class FlatJson {
 public:
  explicit FlatJson(std::string_view text) : text_(text) {}

  Entry object() {
    Entry entry;
    expect('{');
    if (peek() != '}') {
      do {
        auto name = string();
        expect(':');
        entry[name] = peek() == '"' ? std::string("\"").append(string()) : number();
      } while (take() == ',');
      --at_;
    }
    expect('}');
    if (at_ != text_.size()) fail();
    return entry;
  }

 private:
  [[noreturn]] void fail() const { throw std::invalid_argument("not a flat JSON object: " + std::string(text_)); }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char take() {
    if (at_ == text_.size()) fail();
    return text_[at_++];
  }
  void expect(char wanted) {
    if (take() != wanted) fail();
  }
  std::string number() {
    auto from = at_;
    while ((peek() >= '0' && peek() <= '9') || peek() == '-' || peek() == '.') ++at_;
    if (at_ == from) fail();
    return std::string(text_.substr(from, at_ - from));
  }
  std::string string() {
    std::string value;
    expect('"');
    for (char next = take(); next != '"'; next = take()) value += next == '\\' ? escaped() : next;
    return value;
  }
  char escaped() {
    switch (char next = take()) {
      case 'n': return '\n';
      case 't': return '\t';
      case 'r': return '\r';
      case 'b': return '\b';
      case 'f': return '\f';
      case 'u': return control();
      case '"': case '\\': case '/': return next;
      default: fail();
    }
  }
  char control() {
    int code = 0;
    auto digits = text_.substr(at_, 4);
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (error != std::errc() || end != digits.data() + 4 || code > 127) fail();
    at_ += 4;
    return static_cast<char>(code);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

const std::vector<ff::core::LanePolicy>& lane_policies() {
  static const std::vector<ff::core::LanePolicy> all = [] {
    std::vector<ff::core::LanePolicy> good(6);
    good[1].depth = 3;
    good[1].execution = retrying(RetryStrategy::fixed, 20, 2, 0);
    good[2].strict = true;
    good[2].execution = with_limits(crashing(1, 40, 80), 60, 30);
    good[3].aging = Millis(0);
    good[3].execution.retry.never = std::vector<std::string>({"internal"});
    good[4].aging = Millis(500);
    good[4].execution = with_limits(Policy(), 0, 2000);
    good[4].weight = 7;
    good[5] = good[2];
    good[5].depth = 4;
    good[5].aging = Millis(3000);
    good[5].execution.mode = ff::core::Mode::lean;
    return good;
  }();
  return all;
}

// Plain words, key=value, versions; preferred ones; limits. One is too long for the core.
const std::vector<std::string>& requirement_texts() {
  static const std::vector<std::string> all = {
      "+gpu", "+cuda>=12.2", "+cuda<12.10 +gpu", "+region=eu", "~ssd", "+gpu ~cuda>12 ~ssd", "#mail", "$team?tokens=3",
      "#calls", "#calls #mail", "#calls +gpu ~ssd",
      "+a-capability-with-a-long-name +another-one>=2.10 +cuda>=12 +region=eu ~ssd"};
  return all;
}

const std::vector<std::string>& capability_texts() {
  static const std::vector<std::string> all = {
      "", "gpu", "ssd", "cuda=12.2,gpu", "cuda=12.10,gpu,ssd", "cuda=11,cuda=12.2,region=eu,region=us",
      "a-capability-with-a-long-name,another-one=2.10,cuda=12.10,gpu,region=eu,ssd"};
  return all;
}

const std::vector<PaletteEntry>& palette() {
  static const std::vector<PaletteEntry> entries = make_palette();
  return entries;
}

Entry canonical(std::string_view json) { return FlatJson(json).object(); }

}  // namespace ff::model
