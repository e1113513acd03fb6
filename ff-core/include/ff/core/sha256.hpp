#pragma once
// SHA-256 over OpenSSL, and the fingerprint that tells a repeated submit from a different one under
// the same key. Thread safety: pure functions. They throw std::runtime_error only when OpenSSL has
// no SHA-256.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ff/core/payload.hpp"

namespace ff::core {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view bytes);
// 64 lower case hex digits.
std::string sha256_hex(std::string_view bytes);

// nullopt: not 64 lower case hex digits.
std::optional<Sha256> parse_sha256(std::string_view hex) noexcept;

// What an idempotency record remembers of a submit: the first 128 bits of SHA-256, as 32 lower case
// hex digits, over kind, lane, payload bytes and content type, each preceded by its length as 8
// bytes, least significant first. Stored: never changes.
std::string fingerprint(std::string_view kind, std::string_view lane, const Payload& payload);

}  // namespace ff::core
