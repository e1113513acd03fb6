#pragma once
// RespReader: RESP2 bytes in, replies out. hiredis parses; the replies it builds are ours from the start.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "ff/script/reply.hpp"

struct redisReader;

namespace ff::script {

class RespReader {
 public:
  RespReader();
  ~RespReader();
  RespReader(const RespReader&) = delete;
  RespReader& operator=(const RespReader&) = delete;

  // Gives every complete reply to `on_reply(Reply&&)` until it answers false. False: it did, or the bytes are
  // not RESP2, see error(); the reader is of no use then.
  template <class OnReply>
  bool consume(std::string_view bytes, OnReply&& on_reply) {
    while (!bytes.empty()) {
      // The parser moves the rest of its buffer after each large reply, so small pieces are much cheaper.
      const std::string_view piece = bytes.substr(0, kPieceBytes);
      bytes.remove_prefix(piece.size());
      if (!feed(piece)) return false;
      while (next()) {
        if (!on_reply(std::move(root_))) return false;
      }
      if (!error_.empty()) return false;
    }
    return true;
  }

  const std::string& error() const noexcept { return error_; }

 private:
  static constexpr std::size_t kPieceBytes = 16 * 1024;

  bool feed(std::string_view piece);
  bool next();

  redisReader* reader_;
  Reply root_;
  std::string error_;
};

}  // namespace ff::script
