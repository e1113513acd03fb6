#include "support/resp_frames.hpp"

#include <charconv>
#include <utility>

namespace ff::test {
namespace {

constexpr std::size_t kHeadBytesMax = 64 * 1024;  // Longest inline line the server takes.
constexpr std::string_view kLineTypes = "+-:_,#(";
constexpr std::string_view kBulkTypes = "$=!";
constexpr std::string_view kAggregateTypes = "*~>%|";

}  // namespace

std::vector<std::string> RespFrames::feed(std::string_view bytes) {
  std::vector<std::string> values;
  buffer_.append(bytes);
  while (!opaque_ && !buffer_.empty()) {
    auto step = scan();
    if (step == Step::more) return values;
    if (step == Step::not_resp) {
      opaque_ = true;
      break;
    }
    values.push_back(buffer_.substr(0, position_));
    buffer_.erase(0, position_);
    position_ = 0;
  }
  if (opaque_ && !buffer_.empty()) values.push_back(take_rest());
  return values;
}

std::string RespFrames::take_rest() {
  position_ = 0;
  missing_.clear();
  return std::exchange(buffer_, {});
}

// Walks over whole elements from position_ on; every element is scanned once, however the bytes are cut.
RespFrames::Step RespFrames::scan() {
  for (;;) {
    if (position_ == buffer_.size()) return Step::more;
    char type = buffer_[position_];
    bool line = kLineTypes.find(type) != std::string_view::npos;
    bool bulk = kBulkTypes.find(type) != std::string_view::npos;
    bool aggregate = kAggregateTypes.find(type) != std::string_view::npos;
    if (!line && !bulk && !aggregate) return Step::not_resp;
    auto end = buffer_.find("\r\n", position_);
    if (end == std::string::npos) return buffer_.size() - position_ > kHeadBytesMax ? Step::not_resp : Step::more;

    long long count = 0;
    if (!line) {
      auto parsed = std::from_chars(buffer_.data() + position_ + 1, buffer_.data() + end, count);
      if (parsed.ec != std::errc() || parsed.ptr != buffer_.data() + end || count < -1) return Step::not_resp;
    }
    auto next = end + 2;
    if (bulk && count >= 0) {
      next += static_cast<std::size_t>(count) + 2;
      if (buffer_.size() < next) return Step::more;
    }
    position_ = next;
    bool attributes = type == '|';  // Come in front of a value and are not one themselves.
    if (!missing_.empty() && !attributes) --missing_.back();
    if (attributes && missing_.empty()) missing_.push_back(1);
    if (aggregate && count > 0) missing_.push_back(type == '%' || attributes ? count * 2 : count);
    while (!missing_.empty() && missing_.back() == 0) missing_.pop_back();
    if (missing_.empty()) return Step::complete;
  }
}

}  // namespace ff::test
