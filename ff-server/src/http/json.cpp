#include "http/json.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value_stack.hpp>
#include <cmath>

#include "ff/core/text.hpp"

namespace ff::server::http {
namespace {

namespace json = boost::json;
using boost::system::error_code;
using core::Code;
using core::Error;

Error bad_json(std::string what) { return Error(Code::invalid_argument, "bad_json", std::move(what)); }

// Builds the document and sees what the library's own builder forgets: keys that come twice.
class Builder {
 public:
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  Builder() { stack_.reset(); }
  json::value release() { return stack_.release(); }
  const std::optional<Error>& problem() const { return problem_; }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    levels_.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t count, error_code& error) {
    std::vector<std::string>& keys = levels_.back().keys;
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) {
      const std::string where = path(levels_.size() - 1);
      problem_ = Error(Code::invalid_argument, "duplicate_key",
                       (where.empty() ? "the document" : where) + " has the key " + core::shown(*twice) + " twice");
      error = json::error::syntax;
      return false;
    }
    levels_.pop_back();
    stack_.push_object(count);
    return value_done();
  }
  bool on_array_begin(error_code&) {
    levels_.emplace_back().is_array = true;
    return true;
  }
  bool on_array_end(std::size_t count, error_code&) {
    levels_.pop_back();
    stack_.push_array(count);
    return value_done();
  }
  bool on_key_part(json::string_view part, std::size_t, error_code&) {
    key_ += part;
    return true;
  }
  bool on_key(json::string_view part, std::size_t, error_code&) {
    key_ += part;
    stack_.push_key(key_);
    levels_.back().keys.push_back(key_);
    levels_.back().current = std::move(key_);
    key_.clear();
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, error_code&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, error_code&) {
    stack_.push_string(part);
    return value_done();
  }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t number, json::string_view, error_code&) {
    stack_.push_int64(number);
    return value_done();
  }
  bool on_uint64(std::uint64_t number, json::string_view, error_code&) {
    stack_.push_uint64(number);
    return value_done();
  }
  bool on_double(double number, json::string_view, error_code&) {
    stack_.push_double(number);
    return value_done();
  }
  bool on_bool(bool value, error_code&) {
    stack_.push_bool(value);
    return value_done();
  }
  bool on_null(error_code&) {
    stack_.push_null();
    return value_done();
  }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

 private:
  struct Level {
    bool is_array = false;
    std::size_t index = 0;
    std::string current;
    std::vector<std::string> keys;
  };

  bool value_done() {
    if (!levels_.empty() && levels_.back().is_array) ++levels_.back().index;
    return true;
  }
  std::string path(std::size_t depth) const {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) {
      const Level& level = levels_[i];
      if (level.is_array) text += "[" + std::to_string(level.index) + "]";
      else text += (text.empty() ? "" : ".") + core::escaped(level.current, 48);
    }
    return text;
  }

  json::value_stack stack_;
  std::vector<Level> levels_;
  std::string key_;
  std::optional<Error> problem_;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks over a document that is known to be right.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  bool enter(char bracket) {
    spaces();
    if (at_ >= text_.size() || text_[at_] != bracket) return false;
    ++at_;
    return true;
  }
  // True when there is another element; stands on it then.
  bool next() {
    spaces();
    if (at_ < text_.size() && text_[at_] == ',') {
      ++at_;
      spaces();
    }
    return at_ < text_.size() && text_[at_] != ']' && text_[at_] != '}';
  }
  std::string_view value() {
    spaces();
    const std::size_t begin = at_;
    std::size_t depth = 0;
    do {
      const char c = text_[at_];
      if (c == '"') {
        string();
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at_;
      if (depth == 0 && c != '}' && c != ']') scalar();
    } while (depth > 0 && at_ < text_.size());
    return text_.substr(begin, at_ - begin);
  }
  void colon() {
    spaces();
    ++at_;
  }

 private:
  void spaces() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  void string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }
  void scalar() {
    const auto ends = [](char c) { return is_space(c) || c == ',' || c == ']' || c == '}'; };
    while (at_ < text_.size() && !ends(text_[at_])) ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

core::Result<json::value> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::basic_parser<Builder> parser(options);
  error_code error;
  const std::size_t count = parser.write_some(false, text.data(), text.size(), error);
  if (parser.handler().problem()) return *parser.handler().problem();
  if (!error && count < text.size()) error = json::error::extra_data;
  if (error == json::error::too_deep)
    return bad_json("the JSON is nested deeper than " + std::to_string(kJsonDepthMax));
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return bad_json("the body is empty, JSON is expected");
  if (error) return bad_json("the JSON is wrong at byte " + std::to_string(count) + ": " + error.message());
  return parser.handler().release();
}

std::string_view raw_member(std::string_view object, std::string_view key) {
  Walker walker(object);
  if (!walker.enter('{')) return {};
  while (walker.next()) {
    const std::string_view name = walker.value();
    walker.colon();
    const std::string_view value = walker.value();
    if (json::parse(name).as_string() == key) return value;
  }
  return {};
}

std::vector<std::string_view> raw_elements(std::string_view array) {
  std::vector<std::string_view> elements;
  Walker walker(array);
  if (!walker.enter('[')) return elements;
  while (walker.next()) elements.push_back(walker.value());
  return elements;
}

std::string_view kind_name(const json::value& value) noexcept {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "a boolean";
    case json::kind::int64:
    case json::kind::uint64: return "an integer";
    case json::kind::double_: return "a number that is no 64-bit integer";
    case json::kind::string: return "a string";
    case json::kind::array: return "an array";
    case json::kind::object: return "an object";
  }
  return "unknown";
}

ObjectReader::ObjectReader(const json::object& object, std::string path, std::optional<Error>& error)
    : object_(object), path_(std::move(path)), error_(error) {}

const json::value* ObjectReader::take(std::string_view name) {
  taken_.push_back(name);
  return object_.if_contains(name);
}

void ObjectReader::text(std::string_view name, std::string& value) {
  const json::value* found = take(name);
  if (found == nullptr) return;
  if (found->is_string()) value = std::string(found->get_string());
  else wrong_type(name, "a string", *found);
}

void ObjectReader::integer(std::string_view name, std::int64_t& value) {
  const json::value* found = take(name);
  if (found == nullptr) return;
  if (found->is_int64()) value = found->get_int64();
  else wrong_type(name, "an integer", *found);
}

void ObjectReader::real(std::string_view name, double& value) {
  const json::value* found = take(name);
  if (found == nullptr) return;
  if (found->is_int64()) value = static_cast<double>(found->get_int64());
  else if (found->is_double() && std::isfinite(found->get_double())) value = found->get_double();
  else wrong_type(name, "a number", *found);
}

const json::object* ObjectReader::object(std::string_view name) {
  const json::value* found = take(name);
  if (found == nullptr) return nullptr;
  if (!found->is_object()) wrong_type(name, "an object", *found);
  return found->if_object();
}

const json::array* ObjectReader::array(std::string_view name) {
  const json::value* found = take(name);
  if (found == nullptr) return nullptr;
  if (!found->is_array()) wrong_type(name, "an array", *found);
  return found->if_array();
}

void ObjectReader::require(std::string_view name) {
  if (!object_.contains(name)) complain(Error(Code::invalid_argument, "missing_field", path_of(name) + " is missing"));
}

void ObjectReader::finish() {
  for (const auto& member : object_) {
    const std::string_view name = member.key();
    if (std::find(taken_.begin(), taken_.end(), name) != taken_.end()) continue;
    complain(Error(Code::invalid_argument, "unknown_field", path_of(core::escaped(name, 48)) + " is not a field here"));
  }
}

std::string ObjectReader::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void ObjectReader::wrong_type(std::string_view name, std::string_view wanted, const json::value& value) {
  complain(Error(Code::invalid_argument, "wrong_type",
                 path_of(name) + " is " + std::string(kind_name(value)) + ", must be " + std::string(wanted)));
}

void ObjectReader::complain(Error error) {
  if (!error_) error_ = std::move(error);
}

}  // namespace ff::server::http
