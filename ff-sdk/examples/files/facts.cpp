#include "facts.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <stdexcept>
#include <vector>

namespace files {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) throw std::runtime_error("SHA-256");
  }
  void add(std::string_view bytes) {
    if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) throw std::runtime_error("SHA-256");
  }
  std::string hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (EVP_DigestFinal_ex(context_.get(), digest, &size) != 1) throw std::runtime_error("SHA-256");
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (unsigned int i = 0; i < size; ++i) {
      text += kDigits[digest[i] >> 4];
      text += kDigits[digest[i] & 15];
    }
    return text;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

// Compresses and throws away: only the size counts.
class CompressedSize {
 public:
  CompressedSize() {
    if (deflateInit(&stream_, Z_DEFAULT_COMPRESSION) != Z_OK) throw std::runtime_error("zlib");
  }
  ~CompressedSize() { deflateEnd(&stream_); }
  CompressedSize(const CompressedSize&) = delete;
  CompressedSize& operator=(const CompressedSize&) = delete;

  void add(std::string_view bytes, bool last) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      stream_.next_out = out_;
      stream_.avail_out = sizeof out_;
      if (deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR) throw std::runtime_error("zlib");
      size_ += sizeof out_ - stream_.avail_out;
    } while (stream_.avail_out == 0);
  }
  std::uint64_t size() const { return size_; }

 private:
  z_stream stream_{};
  Bytef out_[16384];
  std::uint64_t size_ = 0;
};

class File {
 public:
  explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  // Bytes read, 0 at the end, -1 with errno.
  ssize_t read(std::vector<char>& buffer) {
    if (fd_ < 0) return -1;
    ssize_t count;
    do count = ::read(fd_, buffer.data(), buffer.size());
    while (count < 0 && errno == EINTR);
    return count;
  }

 private:
  int fd_;
};

}  // namespace

Examined examine(const std::string& path, std::stop_token stop) {
  Examined found;
  File file(path);
  Sha256 sha256;
  CompressedSize compressed;
  std::vector<char> buffer(256 * 1024);
  while (true) {
    found.stopped = stop.stop_requested();
    if (found.stopped) return found;
    const auto count = file.read(buffer);
    if (count < 0) {
      found.error = errno;
      return found;
    }
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    sha256.add(bytes);
    compressed.add(bytes, count == 0);
    found.facts.bytes += bytes.size();
    found.facts.lines += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
    if (count == 0) break;
  }
  found.facts.sha256 = sha256.hex();
  found.facts.compressed = compressed.size();
  return found;
}

std::string sha256_of(std::string_view text) {
  Sha256 sha256;
  sha256.add(text);
  return sha256.hex();
}

std::string Facts::text() const {
  return sha256 + " " + std::to_string(bytes) + " " + std::to_string(lines) + " " + std::to_string(compressed);
}

std::optional<Facts> Facts::parse(std::string_view text) {
  Facts facts;
  facts.sha256 = text.substr(0, 64);
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (facts.sha256.size() != 64 || !std::all_of(facts.sha256.begin(), facts.sha256.end(), is_hex)) return std::nullopt;
  const char* at = text.data() + 64;
  const char* end = text.data() + text.size();
  for (auto* number : {&facts.bytes, &facts.lines, &facts.compressed}) {
    if (at == end || *at != ' ') return std::nullopt;
    const auto [stop, error] = std::from_chars(at + 1, end, *number);
    if (error != std::errc()) return std::nullopt;
    at = stop;
  }
  if (at != end) return std::nullopt;
  return facts;
}

}  // namespace files
