#pragma once
// Replies of a Valkey, made by hand.

#include <string>
#include <utility>
#include <vector>

#include "ff/script/reply.hpp"

namespace ff::test {

inline script::Reply text_reply(script::Reply::Kind kind, std::string text) {
  script::Reply reply;
  reply.kind = kind;
  reply.text = std::move(text);
  return reply;
}
inline script::Reply bulk(std::string text) { return text_reply(script::Reply::Kind::bulk, std::move(text)); }

inline script::Reply list(std::vector<script::Reply> elements) {
  script::Reply reply;
  reply.kind = script::Reply::Kind::array;
  reply.elements = std::move(elements);
  return reply;
}

}  // namespace ff::test
