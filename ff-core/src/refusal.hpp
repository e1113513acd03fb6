#pragma once
// How a value is refused that breaks a rule: "<field> is <value>, must be <rule>".

#include <string>
#include <string_view>

#include "ff/core/error.hpp"

namespace ff::core {

// `value` as people may see it.
inline Error refusal(std::string_view reason, std::string_view field, std::string_view value, std::string_view rule) {
  std::string message(field);
  message.append(" is ").append(value).append(", must be ").append(rule);
  return Error(Code::invalid_argument, std::string(reason), std::move(message));
}

}  // namespace ff::core
