#include "ff/core/secret.hpp"

#include <openssl/crypto.h>

#include <utility>

namespace ff::core {

// A moved-from string may keep its bytes (short ones always do), so the source is wiped too.
Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) {
  other.wipe();
}

Secret& Secret::operator=(const Secret& other) {
  if (this == &other) return *this;
  wipe();
  text_ = other.text_;
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe();
  text_ = std::move(other.text_);
  other.wipe();
  return *this;
}

Secret::~Secret() {
  wipe();
}

bool Secret::equals(std::string_view other) const noexcept {
  return text_.size() == other.size() &&
         CRYPTO_memcmp(text_.data(), other.data(), other.size()) == 0;
}

void Secret::wipe() noexcept {
  text_.resize(text_.capacity());  // within the capacity: neither allocates nor throws
  OPENSSL_cleanse(text_.data(), text_.size());
  text_.clear();
}

}  // namespace ff::core
