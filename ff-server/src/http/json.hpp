#pragma once
// JSON that comes in: strict documents, exact text, and objects read field by field with every mistake named by its
// path.

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/error.hpp"
#include "ff/core/result.hpp"

namespace ff::server::http {

inline constexpr std::size_t kJsonDepthMax = 32;

// One document of RFC 8259 in UTF-8, at most 32 deep, no byte order mark, no key twice in an object, no lone
// surrogates. Errors: invalid_argument/bad_json with the place, invalid_argument/duplicate_key with the path.
core::Result<boost::json::value> parse_json(std::string_view text);

// Exact text of what parse_json has accepted; numbers and strings stay as they were written.
// The value of a key in an object; empty: it is not there. The key may have been written with escapes.
std::string_view raw_member(std::string_view object, std::string_view key);
std::vector<std::string_view> raw_elements(std::string_view array);

std::string_view kind_name(const boost::json::value& value) noexcept;

// Reads an object's fields. The first mistake is kept; later reads go on with defaults, so that a caller checks once.
// Lifetime: the object and the error outlive the reader.
class ObjectReader {
 public:
  // `path` names the object in messages: "" for the document, "executions[3]".
  ObjectReader(const boost::json::object& object, std::string path, std::optional<core::Error>& error);

  // Null when absent. A field that is there but null is of the wrong type.
  const boost::json::value* take(std::string_view name);
  void text(std::string_view name, std::string& value);
  void integer(std::string_view name, std::int64_t& value);
  void real(std::string_view name, double& value);
  // The nested object or array, null when absent or not one.
  const boost::json::object* object(std::string_view name);
  const boost::json::array* array(std::string_view name);
  void require(std::string_view name);
  // Names the first field that nobody took.
  void finish();

  std::string path_of(std::string_view name) const;
  void wrong_type(std::string_view name, std::string_view wanted, const boost::json::value& value);
  void complain(core::Error error);
  bool has(std::string_view name) const { return object_.contains(name); }

 private:
  const boost::json::object& object_;
  std::string path_;
  std::optional<core::Error>& error_;
  std::vector<std::string_view> taken_;
};

// A word of an enumeration: parse(word, field) knows which there are, and names the field.
template <class T, class Value>
void read_word(ObjectReader& reader, std::string_view name,
               core::Result<T> (*parse)(std::string_view, std::string_view), Value& value) {
  if (!reader.has(name)) return;
  std::string word;
  reader.text(name, word);
  auto parsed = parse(word, reader.path_of(name));
  if (parsed) value = *parsed;
  else reader.complain(std::move(parsed).error());
}

}  // namespace ff::server::http
