#pragma once
// A string that is never printed: formatting, streaming and logging it give "***". Its memory is
// wiped when it ends.

#include <fmt/format.h>

#include <ostream>
#include <string>
#include <string_view>

namespace ff::core {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept;
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  bool empty() const noexcept { return text_.empty(); }
  // The secret itself, for the one call that needs it; never for a message, a log field or a
  // metric.
  const std::string& reveal() const noexcept { return text_; }
  // Compares in a time that depends on the lengths only.
  bool equals(std::string_view other) const noexcept;

 private:
  void wipe() noexcept;
  std::string text_;
};

inline constexpr std::string_view kSecretShown = "***";
inline std::ostream& operator<<(std::ostream& out, const Secret&) {
  return out << kSecretShown;
}

}  // namespace ff::core

template <>
struct fmt::formatter<ff::core::Secret> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const ff::core::Secret&, Context& context) const {
    return fmt::formatter<std::string_view>::format(ff::core::kSecretShown, context);
  }
};
