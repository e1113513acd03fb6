#include "resp_reader.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <new>

namespace ff::script {
namespace {

constexpr std::size_t kBufferKeptBytes = 256 * 1024;  // Larger ones are given back once they are empty.
// A length on the wire is only a claim: no memory before the elements are here.
constexpr std::size_t kReserveMax = 1024;

#if HIREDIS_MAJOR >= 1
using ArrayLength = std::size_t;
#else
using ArrayLength = int;
#endif

// The parser is C: nothing may be thrown through it. A null object makes it stop with "out of memory".
template <class Fill>
void* build(const redisReadTask* task, Fill&& fill) noexcept {
  try {
    auto* reply = static_cast<Reply*>(task->privdata);
    if (task->parent == nullptr) {
      *reply = Reply{};
    } else {
      // Growth moves earlier siblings only, and the parser is done with those.
      reply = &static_cast<Reply*>(task->parent->obj)->elements.emplace_back();
    }
    fill(*reply);
    return reply;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void* create_string(const redisReadTask* task, char* bytes, std::size_t length) {
  Reply::Kind kind = Reply::Kind::bulk;
  if (task->type == REDIS_REPLY_STATUS) kind = Reply::Kind::status;
  else if (task->type == REDIS_REPLY_ERROR) kind = Reply::Kind::error;
  else if (task->type != REDIS_REPLY_STRING) return nullptr;
  return build(task, [&](Reply& reply) {
    reply.kind = kind;
    reply.text.assign(bytes, length);
  });
}

void* create_array(const redisReadTask* task, ArrayLength length) {
  if (task->type != REDIS_REPLY_ARRAY) return nullptr;
  return build(task, [&](Reply& reply) {
    reply.kind = Reply::Kind::array;
    reply.elements.reserve(std::min(static_cast<std::size_t>(std::max<ArrayLength>(length, 0)), kReserveMax));
  });
}

void* create_integer(const redisReadTask* task, long long value) {
  return build(task, [&](Reply& reply) {
    reply.kind = Reply::Kind::integer;
    reply.integer = value;
  });
}

void* create_nil(const redisReadTask* task) {
  return build(task, [](Reply&) {});
}

void free_object(void*) {}  // The root belongs to the RespReader, everything else to the root.

redisReplyObjectFunctions make_functions() {
  redisReplyObjectFunctions functions{};
  functions.createString = create_string;
  functions.createArray = create_array;
  functions.createInteger = create_integer;
  functions.createNil = create_nil;
  functions.freeObject = free_object;
#if HIREDIS_MAJOR >= 1
  // RESP3 kinds: refused, since nobody asked for them.
  functions.createDouble = [](const redisReadTask*, double, char*, std::size_t) -> void* { return nullptr; };
  functions.createBool = [](const redisReadTask*, int) -> void* { return nullptr; };
#endif
  return functions;
}

}  // namespace

RespReader::RespReader() {
  static redisReplyObjectFunctions functions = make_functions();
  reader_ = redisReaderCreateWithFunctions(&functions);
  if (reader_ == nullptr) throw std::bad_alloc();
  reader_->privdata = &root_;
  reader_->maxbuf = kBufferKeptBytes;
}

RespReader::~RespReader() { redisReaderFree(reader_); }

bool RespReader::feed(std::string_view piece) {
  if (!error_.empty()) return false;
  if (redisReaderFeed(reader_, piece.data(), piece.size()) == REDIS_OK) return true;
  error_ = reader_->errstr;
  return false;
}

bool RespReader::next() {
  void* object = nullptr;
  if (redisReaderGetReply(reader_, &object) != REDIS_OK) {
    error_ = reader_->errstr;
    return false;
  }
  return object != nullptr;
}

}  // namespace ff::script
