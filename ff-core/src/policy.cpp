#include "ff/core/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ff/core/limits.hpp"
#include "ff/core/names.hpp"
#include "ff/core/text.hpp"

namespace ff::core {
namespace {

namespace defaults = policy_default;
using Classes = std::vector<std::string>;

Error bad_policy(std::string message) {
  return Error(Code::invalid_argument, "bad_policy", std::move(message));
}

Result<void> check_ms(std::string_view field, Millis value, std::int64_t least) {
  if (value.count() >= least && value.count() <= limits::kDurationMsMax) return {};
  return bad_policy(fmt::format("{} is {}, must be {} to {}", field, value.count(), least,
                             limits::kDurationMsMax));
}

Result<void> check_ms(std::string_view field, const std::optional<Millis>& value,
                      std::int64_t least) {
  if (!value) return {};
  return check_ms(field, *value, least);
}

Result<void> check_count(std::string_view field, const std::optional<std::int64_t>& value,
                         std::int64_t least, std::int64_t most) {
  if (!value || (*value >= least && *value <= most)) return {};
  return bad_policy(fmt::format("{} is {}, must be {} to {}", field, *value, least, most));
}

// Written so that NaN is refused.
Result<void> check_number(std::string_view field, const std::optional<double>& value, double least,
                          double most) {
  if (!value || (*value >= least && *value <= most)) return {};
  return bad_policy(fmt::format("{} is {}, must be {} to {}", field, *value, least, most));
}

Result<void> check_classes(std::string_view field, const std::optional<Classes>& classes) {
  if (!classes) return {};
  if (classes->size() > limits::kFailureClassesMax) {
    return bad_policy(fmt::format("{} has {} entries, must have at most {}", field, classes->size(),
                               limits::kFailureClassesMax));
  }
  for (std::size_t i = 0; i < classes->size(); ++i) {
    const std::string entry = fmt::format("{}[{}]", field, i);
    if (auto good = validate_failure_class((*classes)[i], entry); !good)
      return bad_policy(good.error().message);
    const auto here = classes->begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(classes->begin(), here, *here) != here) {
      return bad_policy(fmt::format("{} is \"{}\", which {} names already", entry, *here, field));
    }
  }
  return {};
}

RetryStrategy strategy_of(const RetryPolicy& retry) {
  return retry.strategy.value_or(defaults::kRetryStrategy);
}

// "strategy is fixed", or, so that nobody looks for what was never written, "strategy is
// exponential (the default)".
std::string strategy_shown(const RetryPolicy& retry) {
  return fmt::format("retry.strategy is {}{}", to_string(strategy_of(retry)),
                     retry.strategy ? "" : " (the default)");
}

// A field that the strategy would not look at would not be honoured.
Result<void> check_strategy(const RetryPolicy& retry) {
  const RetryStrategy strategy = strategy_of(retry);
  const auto foreign = [&retry](std::string_view field, std::string value, std::string_view owner) {
    return bad_policy(fmt::format("{} is {}, must be unset: {}, it belongs to {}", field, value,
                               strategy_shown(retry), owner));
  };
  if (retry.delay && strategy == RetryStrategy::explicit_delays) {
    return foreign("retry.delay_ms", fmt::format("{}", retry.delay->count()),
                   "fixed, linear and exponential");
  }
  if (retry.factor && strategy != RetryStrategy::exponential) {
    return foreign("retry.factor", fmt::format("{}", *retry.factor), "exponential");
  }
  if (retry.delays && strategy != RetryStrategy::explicit_delays) {
    return foreign("retry.delays_ms", fmt::format("a list of {}", retry.delays->size()),
                   "explicit");
  }
  if (!retry.delays && strategy == RetryStrategy::explicit_delays) {
    return bad_policy(fmt::format(
        "retry.delays_ms is unset, must have 1 to {} entries: retry.strategy is explicit",
        limits::kRetryDelaysMax));
  }
  return {};
}

Result<void> check_delays(const std::optional<std::vector<Millis>>& delays) {
  if (!delays) return {};
  if (delays->empty() || delays->size() > limits::kRetryDelaysMax) {
    return bad_policy(fmt::format("retry.delays_ms has {} entries, must have 1 to {}", delays->size(),
                               limits::kRetryDelaysMax));
  }
  for (std::size_t i = 0; i < delays->size(); ++i) {
    if (auto good = check_ms(fmt::format("retry.delays_ms[{}]", i), (*delays)[i], 0); !good)
      return good;
  }
  return {};
}

// A cap below a delay would shorten it unseen, above all the default cap.
Result<void> check_cap(std::string_view field, Millis delay, std::string_view cap_field,
                       const std::optional<Millis>& cap, Millis cap_default) {
  const Millis most = cap.value_or(cap_default);
  if (delay <= most) return {};
  return bad_policy(fmt::format("{} is {}, must be at most {}, which is {}{}", field, delay.count(),
                             cap_field, most.count(), cap ? "" : " by default: raise it"));
}

Result<void> check_caps(const RetryPolicy& retry) {
  const auto check = [&retry](std::string_view field, Millis delay) {
    return check_cap(field, delay, "retry.max_delay_ms", retry.max_delay, defaults::kRetryMaxDelay);
  };
  if (retry.delays) {
    for (std::size_t i = 0; i < retry.delays->size(); ++i) {
      if (auto good = check(fmt::format("retry.delays_ms[{}]", i), (*retry.delays)[i]); !good)
        return good;
    }
    return {};
  }
  return check("retry.delay_ms", retry.delay.value_or(defaults::kRetryDelay));
}

Result<void> check_only_never(const RetryPolicy& retry) {
  if (retry.only && retry.only->empty()) {
    return bad_policy(
        "retry.only is empty, must have 1 to 32 entries: to retry nothing, set retry.max_attempts "
        "to 1");
  }
  if (!retry.only || !retry.never) return {};
  for (const std::string& word : *retry.only) {
    if (std::find(retry.never->begin(), retry.never->end(), word) != retry.never->end()) {
      return bad_policy(fmt::format("retry.only and retry.never both name \"{}\", must not", word));
    }
  }
  return {};
}

Result<void> validate(const RetryPolicy& retry) {
  if (auto good = check_ms("retry.delay_ms", retry.delay, 0); !good) return good;
  if (auto good = check_number("retry.factor", retry.factor, 1, limits::kRetryFactorMax); !good)
    return good;
  if (auto good = check_ms("retry.max_delay_ms", retry.max_delay, 1); !good) return good;
  if (auto good = check_delays(retry.delays); !good) return good;
  if (auto good = check_number("retry.jitter", retry.jitter, 0, 1); !good) return good;
  if (auto good = check_count("retry.max_attempts", retry.max_attempts, 1, limits::kAttemptsMax);
      !good)
    return good;
  if (auto good = check_classes("retry.only", retry.only); !good) return good;
  if (auto good = check_classes("retry.never", retry.never); !good) return good;
  if (auto good = check_strategy(retry); !good) return good;
  if (auto good = check_caps(retry); !good) return good;
  return check_only_never(retry);
}

Result<void> validate(const CrashPolicy& crash) {
  if (auto good = check_count("crash.max", crash.max, 0, limits::kCrashesMax); !good) return good;
  if (auto good = check_ms("crash.delay_ms", crash.delay, 0); !good) return good;
  if (auto good = check_ms("crash.max_delay_ms", crash.max_delay, 1); !good) return good;
  return check_cap("crash.delay_ms", crash.delay.value_or(defaults::kCrashDelay),
                   "crash.max_delay_ms", crash.max_delay, defaults::kCrashMaxDelay);
}

// One JSON object in the making; fields appear in the order of the calls, unset ones not at all. No
// value needs escaping: words are ours or failure classes, which the precondition of to_wire has
// checked.
class Object {
 public:
  void raw(std::string_view name, std::string_view json) {
    text_ += text_.empty() ? "{" : ",";
    text_.append("\"").append(name).append("\":").append(json);
  }
  void word(std::string_view name, std::string_view value) {
    raw(name, fmt::format("\"{}\"", value));
  }
  void set(std::string_view name, const std::optional<Millis>& value) {
    if (value) raw(name, fmt::format("{}", value->count()));
  }
  void set(std::string_view name, const std::optional<std::int64_t>& value) {
    if (value) raw(name, fmt::format("{}", *value));
  }
  void set(std::string_view name, const std::optional<double>& value) {
    if (value) raw(name, fmt::format("{}", *value + 0.0));  // -0 equals 0 and is written as 0
  }
  void set(std::string_view name, const std::optional<std::vector<Millis>>& values) {
    if (!values) return;
    std::string list;
    for (const Millis value : *values)
      list += fmt::format("{}{}", list.empty() ? "" : ",", value.count());
    raw(name, "[" + list + "]");
  }
  void set(std::string_view name, const std::optional<Classes>& values) {
    if (!values) return;
    std::string list;
    for (const std::string& value : *values)
      list += fmt::format("{}\"{}\"", list.empty() ? "" : ",", value);
    raw(name, "[" + list + "]");
  }
  void nest(std::string_view name, const Object& inner) {
    if (const std::string json = inner.close(); !json.empty()) raw(name, json);
  }
  // "" when no field was set.
  std::string close() const { return text_.empty() ? "" : text_ + "}"; }

 private:
  std::string text_;
};

Millis whole_ms(double ms) {
  return Millis(static_cast<std::int64_t>(std::floor(std::max(ms, 0.0))));
}

}  // namespace

std::string_view to_string(RetryStrategy strategy) noexcept {
  switch (strategy) {
    case RetryStrategy::fixed:
      return "fixed";
    case RetryStrategy::linear:
      return "linear";
    case RetryStrategy::exponential:
      return "exponential";
    case RetryStrategy::explicit_delays:
      return "explicit";
  }
  return "unknown";
}

Result<RetryStrategy> parse_retry_strategy(std::string_view text, std::string_view field) {
  for (const RetryStrategy strategy :
       {RetryStrategy::fixed, RetryStrategy::linear, RetryStrategy::exponential,
        RetryStrategy::explicit_delays}) {
    if (to_string(strategy) == text) return strategy;
  }
  return bad_policy(std::string(field) + " is " + shown(text) +
                    ", must be fixed, linear, exponential or explicit");
}

std::string_view to_string(Mode mode) noexcept {
  return mode == Mode::lean ? "lean" : "record";
}

Result<Mode> parse_mode(std::string_view text, std::string_view field) {
  for (const Mode mode : {Mode::record, Mode::lean}) {
    if (to_string(mode) == text) return mode;
  }
  return bad_policy(std::string(field) + " is " + shown(text) + ", must be record or lean");
}

Result<void> validate(const Policy& policy) {
  if (auto good = validate(policy.retry); !good) return good;
  if (auto good = validate(policy.crash); !good) return good;
  if (auto good = check_ms("attempt_timeout_ms", policy.attempt_timeout, 0); !good) return good;
  return check_ms("retention_ms", policy.retention, 0);
}

std::string to_wire(const Policy& policy) {
  Object retry;
  if (policy.retry.strategy) retry.word("strategy", to_string(*policy.retry.strategy));
  retry.set("delay_ms", policy.retry.delay);
  retry.set("factor", policy.retry.factor);
  retry.set("max_delay_ms", policy.retry.max_delay);
  retry.set("delays_ms", policy.retry.delays);
  retry.set("jitter", policy.retry.jitter);
  retry.set("max_attempts", policy.retry.max_attempts);
  retry.set("only", policy.retry.only);
  retry.set("never", policy.retry.never);
  Object crash;
  crash.set("max", policy.crash.max);
  crash.set("delay_ms", policy.crash.delay);
  crash.set("max_delay_ms", policy.crash.max_delay);
  Object whole;
  whole.nest("retry", retry);
  whole.nest("crash", crash);
  whole.set("attempt_timeout_ms", policy.attempt_timeout);
  whole.set("retention_ms", policy.retention);
  if (policy.mode) whole.word("mode", to_string(*policy.mode));
  return whole.close();
}

Millis retry_delay(const RetryPolicy& policy, std::int64_t failures_so_far, double random01) {
  const std::int64_t failures = std::max<std::int64_t>(failures_so_far, 1);
  const auto n = static_cast<double>(failures);
  const auto base = static_cast<double>(policy.delay.value_or(defaults::kRetryDelay).count());
  double d = base;
  switch (strategy_of(policy)) {
    case RetryStrategy::fixed:
      break;
    case RetryStrategy::linear:
      d = base * n;
      break;
    case RetryStrategy::exponential:
      // 0 apart, because 0 * infinity is no number.
      d = base == 0 ? 0 : base * std::pow(policy.factor.value_or(defaults::kRetryFactor), n - 1);
      break;
    case RetryStrategy::explicit_delays: {
      const auto last = static_cast<std::int64_t>(policy.delays->size());
      d = static_cast<double>(
          (*policy.delays)[static_cast<std::size_t>(std::min(failures, last) - 1)].count());
      break;
    }
  }
  d = std::min(d, static_cast<double>(policy.max_delay.value_or(defaults::kRetryMaxDelay).count()));
  return whole_ms(d * (1 + policy.jitter.value_or(defaults::kRetryJitter) * (2 * random01 - 1)));
}

bool may_retry(const RetryPolicy& policy, std::string_view failure_class,
               std::int64_t failures_so_far) {
  if (failures_so_far >= policy.max_attempts.value_or(defaults::kRetryMaxAttempts)) return false;
  const auto names = [failure_class](const auto& list) {
    return std::find(list.begin(), list.end(), failure_class) != list.end();
  };
  if (policy.only && !names(*policy.only)) return false;
  if (policy.never) return !names(*policy.never);
  return policy.only.has_value() || !names(defaults::kRetryNever);
}

Millis crash_delay(const CrashPolicy& policy, std::int64_t crashes_so_far) {
  if (crashes_so_far <= 1) return Millis(0);
  const Millis cap = policy.max_delay.value_or(defaults::kCrashMaxDelay);
  Millis d = policy.delay.value_or(defaults::kCrashDelay);
  for (std::int64_t crash = 2; crash < crashes_so_far && d.count() > 0 && d < cap; ++crash) d *= 2;
  return std::min(d, cap);
}

}  // namespace ff::core
