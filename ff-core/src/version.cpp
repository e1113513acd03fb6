#include "ff/core/version.hpp"

namespace ff::core {

std::string_view version() noexcept {
  return FF_VERSION;
}

}  // namespace ff::core
