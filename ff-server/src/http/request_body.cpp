#include "http/request_body.hpp"

#include <algorithm>

#include "http/json.hpp"
#include "http/submission_json.hpp"

namespace ff::server::http {

using core::Code;
using core::Error;

BodyKind body_kind(const Request& request) {
  const std::string* type = request.header("content-type");
  if (type == nullptr) return BodyKind::bytes;
  std::string essence = type->substr(0, type->find(';'));
  while (essence.ends_with(' ')) essence.pop_back();
  std::transform(essence.begin(), essence.end(), essence.begin(), [](unsigned char c) { return std::tolower(c); });
  return essence == "application/json" ? BodyKind::json : BodyKind::bytes;
}

std::optional<std::string_view> bearer_token(const Request& request) {
  constexpr std::string_view kScheme = "bearer";
  const std::string* header = request.header("authorization");
  if (header == nullptr) return std::nullopt;
  std::string_view text = *header;
  const auto end = text.find(' ');
  if (end != kScheme.size()) return std::nullopt;
  const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); };
  if (!std::equal(kScheme.begin(), kScheme.end(), text.begin(), same)) return std::nullopt;
  text.remove_prefix(std::min(text.find_first_not_of(' ', end), text.size()));
  return text;
}

core::Result<boost::json::value> json_object(const Request& request) {
  if (!request.body.empty() && body_kind(request) != BodyKind::json) {
    return Error(Code::invalid_argument, "bad_content_type", "the body must be application/json");
  }
  FF_TRY(root, parse_json(request.body));
  if (root.is_object()) return root;
  return Error(Code::invalid_argument, "wrong_type",
               "the document is " + std::string(kind_name(root)) + ", must be an object");
}

core::Result<boost::json::value> small_object(const Request& request) {
  if (request.body.empty()) return boost::json::value(boost::json::object());
  return json_object(request);
}

core::Result<std::int64_t> integer_query(const Request& request, std::string_view name, std::int64_t fallback,
                                         std::int64_t min, std::int64_t max) {
  const std::string* text = request.query(name);
  if (text == nullptr) return fallback;
  FF_TRY(number, integer_of_text(name, *text));
  if (number >= min && number <= max) return number;
  return Error(Code::invalid_argument, "bad_" + std::string(name),
               std::string(name) + " is " + *text + ", allowed are " + std::to_string(min) + " to " +
                   std::to_string(max));
}

core::Result<core::ExecutionId> id_of(const Request& request) {
  return core::ExecutionId::parse(request.captures.at(0));
}

}  // namespace ff::server::http
