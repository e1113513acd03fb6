#include "http/message.hpp"

namespace ff::server::http {
namespace {

const std::string* find(const Fields& fields, std::string_view name) noexcept {
  for (const auto& [key, value] : fields) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace

std::string_view to_string(Method method) noexcept {
  switch (method) {
    case Method::get: return "GET";
    case Method::head: return "HEAD";
    case Method::post: return "POST";
    case Method::put: return "PUT";
    case Method::patch: return "PATCH";
    case Method::delete_: return "DELETE";
    case Method::options: return "OPTIONS";
    case Method::other: return "other";
  }
  return "other";
}

const std::string* Request::header(std::string_view name) const noexcept { return find(headers, name); }
const std::string* Request::query(std::string_view name) const noexcept { return find(target.query, name); }

}  // namespace ff::server::http
