#include "codec.hpp"

#include <fmt/format.h>

#include <charconv>

namespace ff::script::codec {

void put(Command& command, const std::vector<std::string>& names) {
  std::string joined;
  for (const auto& name : names) {
    if (!joined.empty()) joined += ',';
    joined += name;
  }
  command.arg(joined);
}

std::int64_t Reader::columns(std::int64_t rare) {
  std::int64_t value = 0;
  get(value, "columns");
  if ((value & ~rare) != 0) fail("columns", "tells of fields that are not declared");
  return value & rare;
}

std::size_t Reader::rows(std::size_t width) {
  const std::size_t left = fields_.size() - next_;
  if (left % width != 0) fail(fmt::format("{} fields", fields_.size()), "do not fit the declaration");
  return ok_ ? left / width : 0;
}

Reply* Reader::next(std::string_view name) {
  if (!ok_) return nullptr;
  if (next_ == fields_.size()) {
    fail(name, "is missing");
    return nullptr;
  }
  return &fields_[next_++];
}

void Reader::fail(std::string_view name, std::string_view what) {
  if (!ok_) return;
  ok_ = false;
  error_ = core::Error(core::Code::corrupt, "bad_reply", fmt::format("{} answered: {} {}", function_, name, what));
}

void Reader::get(std::string& value, std::string_view name) {
  Reply* reply = next(name);
  if (!reply) return;
  switch (reply->kind) {
    case Reply::Kind::bulk:
    case Reply::Kind::status: value = std::move(reply->text); return;
    case Reply::Kind::integer: value = std::to_string(reply->integer); return;
    default: fail(name, "is not a string");
  }
}

void Reader::get(std::int64_t& value, std::string_view name) {
  Reply* reply = next(name);
  if (!reply) return;
  if (reply->kind == Reply::Kind::integer) {
    value = reply->integer;
    return;
  }
  const auto& text = reply->text;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (reply->kind != Reply::Kind::bulk || error != std::errc() || end != text.data() + text.size()) {
    fail(name, "is not an integer");
  }
}

void Reader::get(bool& value, std::string_view name) {
  std::int64_t number = 0;
  get(number, name);
  if (number != 0 && number != 1) fail(name, "is not 0 or 1");
  value = number == 1;
}

void Reader::get(std::vector<std::string>& value, std::string_view name) {
  std::string joined;
  get(joined, name);
  std::size_t begin = 0;
  while (begin < joined.size()) {
    const auto comma = std::min(joined.find(',', begin), joined.size());
    value.push_back(joined.substr(begin, comma - begin));
    begin = comma + 1;
  }
}

}  // namespace ff::script::codec
