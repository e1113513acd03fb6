#pragma once
// Facts: what the job finds out about one file.

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace files {

struct Facts {
  std::string sha256;            // 64 hexadecimal digits
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;       // Newlines, as wc -l counts them.
  std::uint64_t compressed = 0;  // Bytes after zlib at its default level.

  // How they travel as a result: "<sha256> <bytes> <lines> <compressed>".
  std::string text() const;
  static std::optional<Facts> parse(std::string_view text);
};

struct Examined {
  Facts facts;
  int error = 0;         // errno of open or read, 0: none.
  bool stopped = false;  // The token fired.
};

// Reads the file once. `path` is bytes, as the file system has them.
Examined examine(const std::string& path, std::stop_token stop);

// SHA-256 of a text, in hexadecimal.
std::string sha256_of(std::string_view text);

}  // namespace files
