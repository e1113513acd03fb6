#pragma once
// The cryptography behind waitpoint tokens and their key ring, over OpenSSL. Thread safety: pure functions. They throw
// std::runtime_error only when OpenSSL lacks the algorithm or has no randomness.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ff/core/secret.hpp"
#include "ff/core/sha256.hpp"

namespace ff::core {

std::string random_bytes(std::size_t count);

// HMAC-SHA256, 32 bytes.
Secret hmac_sha256(std::string_view key, std::string_view bytes);

// A key of 32 bytes for one purpose, which tells nothing about `secret` or keys for others: HKDF-SHA256 (RFC 5869) with
// `purpose` as info and no salt.
Secret derive_key(const Secret& secret, std::string_view purpose);

// AES-256-GCM under a random nonce: nonce, ciphertext, tag. `bound` is not stored, but must be the same for unseal.
// Precondition: the key has 32 bytes.
std::string seal(const Secret& key, std::string_view text, std::string_view bound);
// nullopt: another key, other bounds, or not a byte as it was.
std::optional<Secret> unseal(const Secret& key, std::string_view sealed, std::string_view bound);

}  // namespace ff::core
