#include "http/error_map.hpp"

namespace ff::server::http {
namespace {

constexpr bool in_order() {
  for (std::size_t i = 0; i < kStatusOfCode.size(); ++i) {
    if (static_cast<std::size_t>(kStatusOfCode[i].code) != i) return false;
  }
  return true;
}
static_assert(in_order(), "one line for each code, in the order of the enumerators");
static_assert(kStatusOfCode.size() == static_cast<std::size_t>(core::Code::internal) + 1, "a code has no status");

}  // namespace

int status_of(const core::Error& error) noexcept {
  if (error.code == core::Code::exhausted && error.reason == "oom") return 507;
  const auto index = static_cast<std::size_t>(error.code);
  return index < kStatusOfCode.size() ? kStatusOfCode[index].status : 500;
}

core::Error bad(std::string reason, std::string message) {
  return core::Error(core::Code::invalid_argument, std::move(reason), std::move(message));
}

void write_error(JsonWriter& writer, const core::Error& error, std::string_view request_id) {
  writer.begin_object().field("code", core::to_string(error.code)).field("reason", error.reason);
  writer.field("message", error.message);
  if (!request_id.empty()) writer.field("request_id", request_id);
  if (error.retry_after_ms > 0) writer.field("retry_after_ms", error.retry_after_ms);
  writer.end_object();
}

Response refuse(const core::Error& error, std::string_view request_id) {
  return refuse(status_of(error), error, request_id);
}

Response refuse(int status, const core::Error& error, std::string_view request_id) {
  JsonWriter writer;
  writer.begin_object().key("error");
  write_error(writer, error, request_id);
  Response response(status, writer.end_object().take());
  if (status == 429 || status == 503 || status == 507) {
    const std::int64_t seconds = (error.retry_after_ms + 999) / 1000;
    response.headers.emplace_back("Retry-After", std::to_string(seconds < 1 ? 1 : seconds));
  }
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

}  // namespace ff::server::http
