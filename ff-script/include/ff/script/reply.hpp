#pragma once
// One RESP2 reply, built by the connection's parser. Bytes are kept as they came.

#include <cstdint>
#include <string>
#include <vector>

namespace ff::script {

struct Reply {
  enum class Kind : std::uint8_t { nil, status, error, integer, bulk, array };
  Kind kind = Kind::nil;
  std::int64_t integer = 0;     // kind integer
  std::string text;             // kinds status, error, bulk
  std::vector<Reply> elements;  // kind array

  bool is_error() const noexcept { return kind == Kind::error; }
};

}  // namespace ff::script
