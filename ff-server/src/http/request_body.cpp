#include "http/request_body.hpp"

#include <algorithm>

#include "http/json.hpp"

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

core::Result<boost::json::value> small_object(const Request& request) {
  if (request.body.empty()) return boost::json::value(boost::json::object());
  if (body_kind(request) != BodyKind::json) {
    return Error(Code::invalid_argument, "bad_content_type", "the body must be application/json");
  }
  FF_TRY(root, parse_json(request.body));
  if (root.is_object()) return root;
  return Error(Code::invalid_argument, "wrong_type",
               "the document is " + std::string(kind_name(root)) + ", must be an object");
}

core::Result<core::ExecutionId> id_of(const Request& request) {
  return core::ExecutionId::parse(request.captures.at(0));
}

}  // namespace ff::server::http
