#pragma once
// RespFrames: finds where RESP2 and RESP3 values end in a stream of bytes; keeps nothing but what is not complete yet.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ff::test {

class RespFrames {
 public:
  // Takes bytes in; returns the values that are now complete, as they came. After bytes that are not RESP, `opaque()`
  // is true and everything is returned as it comes.
  std::vector<std::string> feed(std::string_view bytes);
  bool opaque() const noexcept { return opaque_; }
  // What has come of an incomplete value.
  std::string take_rest();

 private:
  enum class Step { complete, more, not_resp };
  Step scan();

  std::string buffer_;
  std::size_t position_ = 0;         // Scanned so far, within the value at the front of the buffer.
  std::vector<long long> missing_;   // Elements still to come of every open aggregate.
  bool opaque_ = false;
};

}  // namespace ff::test
