#pragma once
// What names may look like. Every refusal is invalid_argument/bad_<what> and its message names the
// field, the value (shortened and made printable) and the rule. `field` is how the caller's
// document calls the value. Thread safety: pure functions.

#include <compare>
#include <map>
#include <string>
#include <string_view>

#include "ff/core/result.hpp"

namespace ff::core {

// 1 to 24 characters: a-z, 0-9, '.', '_', '-', the first a letter or digit. Error: bad_namespace.
Result<void> validate_namespace(std::string_view value, std::string_view field = "namespace");
// 1 to 39 characters: a-z, 0-9, '.', '_', '-', the first a letter or digit. Error: bad_lane.
Result<void> validate_lane(std::string_view value, std::string_view field = "lane");
// 1 to 64 characters: letters, digits, '.', '_', ':', '/', '-', the first a letter or digit. Error:
// bad_kind.
Result<void> validate_kind(std::string_view value, std::string_view field = "kind");
// 1 to 64 characters: letters, digits, '.', '_', ':', '@', '-', the first a letter or digit. Error:
// bad_worker.
Result<void> validate_worker(std::string_view value, std::string_view field = "worker");
// 3 to 64 characters: type/subtype in the characters of RFC 9110 tokens, then nothing or ';' and
// printable ASCII, such as "application/json; charset=utf-8". Error: bad_content_type.
Result<void> validate_content_type(std::string_view value, std::string_view field = "content_type");
// 1 to 32 characters: a-z, 0-9, '_', the first a letter. Error: bad_failure_class.
Result<void> validate_failure_class(std::string_view value,
                                    std::string_view field = "failure_class");
// 1 to 256 bytes of UTF-8 without control characters. Error: bad_idempotency_key.
Result<void> validate_idempotency_key(std::string_view value,
                                      std::string_view field = "idempotency_key");

// Of a signal or an event: 1 to 64 characters: letters, digits, '.', '_', ':', '-', the first a
// letter or digit. Error: bad_signal_name.
Result<void> validate_signal_name(std::string_view value, std::string_view field = "name");
// The same characters. Error: bad_label.
Result<void> validate_waitpoint_label(std::string_view value, std::string_view field = "label");
// 1 to 128 bytes of UTF-8 without control characters. Error: bad_signal_id.
Result<void> validate_signal_id(std::string_view value, std::string_view field = "id");
// 0 to 128 bytes of UTF-8 without control characters. Errors: bad_source, bad_key.
Result<void> validate_source(std::string_view value, std::string_view field = "source");
Result<void> validate_event_key(std::string_view value, std::string_view field = "key");

using Tags = std::map<std::string, std::string>;
// At most 16. A key is 1 to 64 characters: letters, digits, '.', '_', ':', '/', '-', the first a
// letter or digit. A value is 0 to 256 bytes of UTF-8 without control characters. Error: bad_tags.
Result<void> validate_tags(const Tags& tags, std::string_view field = "tags");

// "<namespace>/<lane>": the name under which the executions of a lane wait in a partition. At most
// 64 bytes.
class Queue {
 public:
  // Errors: invalid_argument/bad_namespace, invalid_argument/bad_lane.
  static Result<Queue> make(std::string_view ns, std::string_view lane);
  // Errors: those of make(), and invalid_argument/bad_queue without a '/'.
  static Result<Queue> parse(std::string_view text);

  const std::string& str() const noexcept { return text_; }
  std::string_view ns() const noexcept { return std::string_view(text_).substr(0, slash_); }
  std::string_view lane() const noexcept { return std::string_view(text_).substr(slash_ + 1); }
  friend bool operator==(const Queue& a, const Queue& b) noexcept { return a.text_ == b.text_; }
  friend auto operator<=>(const Queue& a, const Queue& b) noexcept { return a.text_ <=> b.text_; }

 private:
  Queue(std::string text, std::size_t slash) : text_(std::move(text)), slash_(slash) {}
  std::string text_;
  std::size_t slash_;
};

}  // namespace ff::core

template <>
struct std::hash<ff::core::Queue> {
  std::size_t operator()(const ff::core::Queue& queue) const noexcept {
    return std::hash<std::string>{}(queue.str());
  }
};
