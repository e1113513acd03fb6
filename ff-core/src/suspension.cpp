#include "ff/core/suspension.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "ff/core/limits.hpp"
#include "ff/core/names.hpp"
#include "ff/core/text.hpp"

namespace ff::core {
namespace {

constexpr std::array<std::string_view, 4> kPolicies{"fail", "expire", "resume", "retry"};

Error refusal(std::string_view reason, std::string message) {
  return Error(Code::invalid_argument, std::string(reason), std::move(message));
}

// The refusal of a name, under the word of what it belongs to.
Error refusal(std::string_view reason, const Result<void>& bad) {
  return refusal(reason, bad.error().message);
}

Result<void> check_payload(const Payload& payload) {
  if (payload.bytes.size() > limits::kSignalBytes) {
    return refusal("payload_too_large", fmt::format("payload has {} bytes, must have at most {}", payload.bytes.size(),
                                                    limits::kSignalBytes));
  }
  return payload.content_type.empty() ? Result<void>() : validate(payload);
}

Error bad_resumption() {
  return Error(Code::corrupt, "bad_reply", "the resumption in a claim is none");
}

// Reads netstrings one after the other.
class Netstrings {
 public:
  explicit Netstrings(std::string_view text) : rest_(text) {}
  bool more() const noexcept { return good_ && !rest_.empty(); }
  bool good() const noexcept { return good_; }
  std::string text() {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), length);
    const auto head = static_cast<std::size_t>(end - rest_.data());
    good_ = good_ && error == std::errc() && head < rest_.size() && *end == ':' && length < rest_.size() - head;
    if (!good_) return {};
    std::string value(rest_.substr(head + 1, length));
    rest_.remove_prefix(head + 1 + length);
    return value;
  }
  std::int64_t number() {
    const std::string digits = text();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    good_ = good_ && error == std::errc() && end == digits.data() + digits.size();
    return value;
  }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::string_view to_string(OnTimeout policy) noexcept {
  return kPolicies.at(static_cast<std::size_t>(policy));
}

Result<OnTimeout> parse_on_timeout(std::string_view text) {
  for (std::size_t i = 0; i < kPolicies.size(); ++i) {
    if (kPolicies[i] == text) return static_cast<OnTimeout>(i);
  }
  return refusal("bad_timeout", "on_timeout is " + shown(text) + ", must be fail, expire, resume or retry");
}

Result<void> validate(const Waitpoint& w) {
  constexpr std::string_view kReason = "bad_waitpoint";
  if (auto good = validate_waitpoint_label(w.label); !good) return refusal(kReason, good);
  if (w.names.size() > limits::kConditionWords) {
    return refusal(kReason, fmt::format("names has {} entries, must have at most {}", w.names.size(),
                                        limits::kConditionWords));
  }
  for (const auto& name : w.names) {
    if (auto good = validate_signal_name(name); !good) return refusal(kReason, good);
  }
  if (w.max_signals < 0 || w.max_signals > limits::kSignalsMax) {
    return refusal(kReason, fmt::format("max_signals is {}, must be 0 to {}", w.max_signals, limits::kSignalsMax));
  }
  if (w.max_bytes < 0 || w.max_bytes > static_cast<std::int64_t>(limits::kSignalBytes)) {
    return refusal(kReason, fmt::format("max_bytes is {}, must be 0 to {}", w.max_bytes, limits::kSignalBytes));
  }
  if (w.expires_in.count() < 0 || w.expires_in.count() > limits::kDurationMsMax) {
    return refusal(kReason, fmt::format("expires_in is {} ms, must be 0 to ten years", w.expires_in.count()));
  }
  if (w.event.empty()) {
    return w.key.empty() ? Result<void>() : refusal(kReason, "key is set, but no event");
  }
  if (auto good = validate_signal_name(w.event, "event"); !good) return refusal(kReason, good);
  if (auto good = validate_event_key(w.key); !good) return refusal(kReason, good);
  return {};
}

Result<WaitpointName> WaitpointName::parse(std::string_view text) {
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  const auto digits = static_cast<std::size_t>(end - text.data());
  const bool numbered = error == std::errc() && step > 0 && text[0] != '0' && digits < 16 && digits < text.size();
  if (!numbered || text[digits] != '.' || !validate_waitpoint_label(text.substr(digits + 1))) {
    return refusal("bad_waitpoint", "waitpoint is " + shown(text) + ", must be <step>.<label>, such as 1.approval");
  }
  return WaitpointName(step, std::string(text.substr(digits + 1)));
}

Result<void> validate(const Signal& signal) {
  if (auto good = validate_signal_name(signal.name); !good) return refusal("bad_signal", good);
  if (auto good = validate_source(signal.source); !good) return refusal("bad_signal", good);
  if (!signal.id.empty()) {
    if (auto good = validate_signal_id(signal.id); !good) return refusal("bad_signal", good);
  }
  return check_payload(signal.payload);
}

Result<void> validate(const Event& event) {
  if (auto good = validate_signal_name(event.name); !good) return refusal("bad_event", good);
  if (auto good = validate_event_key(event.key); !good) return refusal("bad_event", good);
  if (auto good = validate_source(event.source); !good) return refusal("bad_event", good);
  if (!event.id.empty()) {
    if (auto good = validate_signal_id(event.id); !good) return refusal("bad_event", good);
  }
  if (event.keep.count() < 0 || event.keep.count() > limits::kDurationMsMax) {
    return refusal("bad_event", fmt::format("keep is {} ms, must be 0 to ten years", event.keep.count()));
  }
  return check_payload(event.payload);
}

Result<Resumption> parse_resumption(std::string_view text) {
  Netstrings fields(text);
  Resumption resumption;
  resumption.step = fields.number();
  const std::string by = fields.text();
  resumption.suspended_at = fields.number();
  resumption.resumed_at = fields.number();
  resumption.kept = fields.text();
  resumption.more_from = fields.number();
  while (fields.more()) {
    auto& signal = resumption.signals.emplace_back();
    signal.waitpoint = fields.text();
    signal.id = fields.text();
    signal.name = fields.text();
    signal.source = fields.text();
    signal.accepted_at = fields.number();
    std::string type = fields.text();
    if (!type.empty()) signal.payload.content_type = std::move(type);
    signal.payload.bytes = fields.text();
  }
  if (!fields.good()) return bad_resumption();
  if (by == "timeout") resumption.by = Resumption::By::timeout;
  else if (by == "operator") resumption.by = Resumption::By::by_operator;
  else if (by != "signals") return bad_resumption();
  return resumption;
}

}  // namespace ff::core
