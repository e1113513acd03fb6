#include "ff/core/sha256.hpp"

#include <openssl/evp.h>

#include <initializer_list>
#include <memory>
#include <stdexcept>

#include "ff/core/text.hpp"

namespace ff::core {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

Sha256 digest(std::initializer_list<std::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  bool good = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  for (const std::string_view part : parts) {
    good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  Sha256 out{};
  unsigned size = 0;
  good = good && EVP_DigestFinal_ex(context.get(), out.data(), &size) == 1 && size == out.size();
  if (!good) throw std::runtime_error("OpenSSL cannot compute SHA-256");
  return out;
}

std::string_view bytes_of(const Sha256& sum) {
  return std::string_view(reinterpret_cast<const char*>(sum.data()), sum.size());
}

std::string length_of(std::string_view part) {
  std::string text(8, '\0');
  std::uint64_t size = part.size();
  for (char& c : text) {
    c = static_cast<char>(size & 0xff);
    size >>= 8;
  }
  return text;
}

}  // namespace

Sha256 sha256(std::string_view bytes) {
  return digest({bytes});
}

std::string sha256_hex(std::string_view bytes) {
  const Sha256 sum = sha256(bytes);
  return hex(bytes_of(sum));
}

std::optional<Sha256> parse_sha256(std::string_view hex) noexcept {
  constexpr std::string_view kHex = "0123456789abcdef";
  Sha256 sum{};
  if (hex.size() != 2 * sum.size()) return std::nullopt;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const std::size_t value = kHex.find(hex[i]);
    if (value == std::string_view::npos) return std::nullopt;
    sum[i / 2] = static_cast<std::uint8_t>(sum[i / 2] << 4 | value);
  }
  return sum;
}

std::string fingerprint(std::string_view kind, std::string_view lane, const Payload& payload) {
  const std::string kind_length = length_of(kind);
  const std::string lane_length = length_of(lane);
  const std::string bytes_length = length_of(payload.bytes);
  const std::string type_length = length_of(payload.content_type);
  const Sha256 sum = digest({kind_length, kind, lane_length, lane, bytes_length, payload.bytes,
                             type_length, payload.content_type});
  return hex(bytes_of(sum).substr(0, 16));
}

}  // namespace ff::core
