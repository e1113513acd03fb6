#include "ff/core/crypto.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <memory>
#include <stdexcept>

namespace ff::core {
namespace {

constexpr std::size_t kNonceBytes = 12, kTagBytes = 16, kMacBytes = 32;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* octets(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* octets(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

void need(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("OpenSSL cannot do ") + what);
}

}  // namespace

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  need(RAND_bytes(octets(bytes), static_cast<int>(count)) == 1, "random bytes");
  return bytes;
}

Secret hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string mac(kMacBytes, '\0');
  unsigned size = 0;
  const auto* done =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), octets(bytes), bytes.size(), octets(mac), &size);
  need(done != nullptr && size == kMacBytes, "HMAC-SHA256");
  return Secret(std::move(mac));
}

Secret derive_key(const Secret& secret, std::string_view purpose) {
  const Secret extracted = hmac_sha256(std::string(kMacBytes, '\0'), secret.reveal());
  return hmac_sha256(extracted.reveal(), std::string(purpose) + '\x01');
}

std::string seal(const Secret& key, std::string_view text, std::string_view bound) {
  const std::string nonce = random_bytes(kNonceBytes);
  std::string cipher(text.size(), '\0'), tag(kTagBytes, '\0');
  const Cipher context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* const c = context.get();
  int size = 0;
  const bool good = c != nullptr && key.reveal().size() == 32 &&
                    EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), nullptr, octets(key.reveal()), octets(nonce)) == 1 &&
                    EVP_EncryptUpdate(c, nullptr, &size, octets(bound), static_cast<int>(bound.size())) == 1 &&
                    EVP_EncryptUpdate(c, octets(cipher), &size, octets(text), static_cast<int>(text.size())) == 1 &&
                    EVP_EncryptFinal_ex(c, nullptr, &size) == 1 &&
                    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1;
  need(good, "AES-256-GCM");
  return nonce + cipher + tag;
}

std::optional<Secret> unseal(const Secret& key, std::string_view sealed, std::string_view bound) {
  if (sealed.size() < kNonceBytes + kTagBytes) return std::nullopt;
  const std::string_view nonce = sealed.substr(0, kNonceBytes);
  const std::string_view cipher = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string text(cipher.size(), '\0');
  const Cipher context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* const c = context.get();
  int size = 0;
  const bool set_up = c != nullptr && key.reveal().size() == 32 &&
                      EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), nullptr, octets(key.reveal()), octets(nonce)) == 1;
  need(set_up, "AES-256-GCM");
  const bool good = EVP_DecryptUpdate(c, nullptr, &size, octets(bound), static_cast<int>(bound.size())) == 1 &&
                    EVP_DecryptUpdate(c, octets(text), &size, octets(cipher), static_cast<int>(cipher.size())) == 1 &&
                    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
                    EVP_DecryptFinal_ex(c, nullptr, &size) == 1;
  Secret opened(std::move(text));  // Wiped on both ways.
  if (!good) return std::nullopt;
  return opened;
}

}  // namespace ff::core
