#include "ff/core/names.hpp"

#include "ascii.hpp"
#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"
#include "refusal.hpp"

namespace ff::core {
namespace {

bool is_lower_alnum(char c) {
  return is_lower(c) || is_digit(c);
}

struct Rule {
  bool (*first)(char);
  bool (*others)(char);
  std::string_view punctuation;  // allowed besides `others`, not at the front
  std::size_t chars_max;
};

bool fits(std::string_view value, const Rule& rule) {
  if (value.empty() || value.size() > rule.chars_max || !rule.first(value[0])) return false;
  for (const char c : value.substr(1)) {
    if (!rule.others(c) && rule.punctuation.find(c) == std::string_view::npos) return false;
  }
  return true;
}

constexpr Rule kLowerName(std::size_t chars_max) {
  return Rule{is_lower_alnum, is_lower_alnum, "._-", chars_max};
}

bool is_token_char(char c) {
  return is_alnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  for (const char c : text) {
    if (!is_token_char(c)) return false;
  }
  return !text.empty();
}

bool is_content_type(std::string_view value) {
  if (value.size() > limits::kContentTypeChars) return false;
  for (const char c : value) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  const std::size_t slash = value.find('/');
  if (slash == std::string_view::npos) return false;
  const std::size_t end = value.find_first_of("; ", slash);
  const std::string_view subtype =
      value.substr(slash + 1, end == std::string_view::npos ? end : end - slash - 1);
  if (!is_token(value.substr(0, slash)) || !is_token(subtype)) return false;
  if (end == std::string_view::npos) return true;
  const std::size_t parameters = value.find_first_not_of(' ', end);
  return parameters != std::string_view::npos && value[parameters] == ';';
}

constexpr Rule kTagKey{is_alnum, is_alnum, "._:/-", limits::kTagKeyChars};

Error refused_tags(std::string message) {
  return Error(Code::invalid_argument, "bad_tags", std::move(message));
}

}  // namespace

Result<void> validate_namespace(std::string_view value, std::string_view field) {
  if (fits(value, kLowerName(limits::kNamespaceChars))) return {};
  return refusal("bad_namespace", field, shown(value),
                 "1 to 24 characters of a-z, 0-9, '.', '_' and '-', the first a letter or digit");
}

Result<void> validate_lane(std::string_view value, std::string_view field) {
  if (fits(value, kLowerName(limits::kLaneChars))) return {};
  return refusal("bad_lane", field, shown(value),
                 "1 to 39 characters of a-z, 0-9, '.', '_' and '-', the first a letter or digit");
}

Result<void> validate_kind(std::string_view value, std::string_view field) {
  if (fits(value, Rule{is_alnum, is_alnum, "._:/-", limits::kKindChars})) return {};
  return refusal(
      "bad_kind", field, shown(value),
      "1 to 64 letters, digits, '.', '_', ':', '/' and '-', the first a letter or digit");
}

Result<void> validate_worker(std::string_view value, std::string_view field) {
  if (fits(value, Rule{is_alnum, is_alnum, "._:@-", limits::kWorkerChars})) return {};
  return refusal(
      "bad_worker", field, shown(value),
      "1 to 64 letters, digits, '.', '_', ':', '@' and '-', the first a letter or digit");
}

Result<void> validate_content_type(std::string_view value, std::string_view field) {
  if (is_content_type(value)) return {};
  return refusal("bad_content_type", field, shown(value),
                 "at most 64 printable ASCII characters, such as application/json or text/plain; "
                 "charset=utf-8");
}

Result<void> validate_failure_class(std::string_view value, std::string_view field) {
  if (fits(value, Rule{is_lower, is_lower_alnum, "_", limits::kFailureClassChars})) return {};
  return refusal("bad_failure_class", field, shown(value),
                 "1 to 32 characters of a-z, 0-9 and '_', the first a letter");
}

Result<void> validate_idempotency_key(std::string_view value, std::string_view field) {
  if (!value.empty() && value.size() <= limits::kIdempotencyKeyBytes && is_plain_text(value))
    return {};
  return refusal("bad_idempotency_key", field, shown(value),
                 "1 to 256 bytes of UTF-8 without control characters");
}

namespace {

constexpr Rule kSignalName{is_alnum, is_alnum, "._:-", limits::kSignalNameChars};
constexpr std::string_view kSignalNameRule =
    "1 to 64 letters, digits, '.', '_', ':' and '-', the first a letter or digit";

Result<void> check_text(std::string_view reason, std::string_view field, std::string_view value,
                        std::size_t least) {
  if (value.size() >= least && value.size() <= limits::kSignalIdBytes && is_plain_text(value))
    return {};
  return refusal(reason, field, shown(value),
                 least == 0 ? "at most 128 bytes of UTF-8 without control characters"
                            : "1 to 128 bytes of UTF-8 without control characters");
}

}  // namespace

Result<void> validate_signal_name(std::string_view value, std::string_view field) {
  if (fits(value, kSignalName)) return {};
  return refusal("bad_signal_name", field, shown(value), kSignalNameRule);
}

Result<void> validate_waitpoint_label(std::string_view value, std::string_view field) {
  if (fits(value, kSignalName)) return {};
  return refusal("bad_label", field, shown(value), kSignalNameRule);
}

Result<void> validate_signal_id(std::string_view value, std::string_view field) {
  return check_text("bad_signal_id", field, value, 1);
}
Result<void> validate_source(std::string_view value, std::string_view field) {
  return check_text("bad_source", field, value, 0);
}
Result<void> validate_event_key(std::string_view value, std::string_view field) {
  return check_text("bad_key", field, value, 0);
}

Result<void> validate_tags(const Tags& tags, std::string_view field) {
  const std::string name(field);
  if (tags.size() > limits::kTagsMax) {
    return refused_tags(name + " has " + std::to_string(tags.size()) +
                        " entries, must have at most 16");
  }
  for (const auto& [key, value] : tags) {
    if (!fits(key, kTagKey)) {
      return refused_tags(name + " has the key " + shown(key) +
                          ", must be 1 to 64 letters, digits, '.', '_', ':', '/' and '-', the "
                          "first a letter or digit");
    }
    if (value.size() > limits::kTagValueBytes || !is_plain_text(value)) {
      return refused_tags(name + "." + key + " is " + shown(value) +
                          ", must be at most 256 bytes of UTF-8 without control characters");
    }
  }
  return {};
}

Result<Queue> Queue::make(std::string_view ns, std::string_view lane) {
  if (auto good = validate_namespace(ns); !good) return std::move(good).error();
  if (auto good = validate_lane(lane); !good) return std::move(good).error();
  std::string text(ns);
  text.append("/").append(lane);
  return Queue(std::move(text), ns.size());
}

Result<Queue> Queue::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos)
    return refusal("bad_queue", "queue", shown(text), "<namespace>/<lane>");
  return make(text.substr(0, slash), text.substr(slash + 1));
}

}  // namespace ff::core
