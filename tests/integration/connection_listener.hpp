#pragma once
// Listener: one subscription and what it has heard.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "integration/connection_client.hpp"

namespace ff::test {

struct Listener {
  int gaps = 0;
  std::vector<std::string> messages;
  std::function<void()> then;  // After each message.
  std::unique_ptr<script::Connection::Subscription> handle;

  Listener(Client& client, script::Slot slot, const std::string& channel) {
    handle = client.connection().subscribe(
        slot, channel,
        [this](std::string_view, std::string_view payload) {
          messages.emplace_back(payload);
          if (then) then();
        },
        [this](std::string_view) { ++gaps; });
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
};

}  // namespace ff::test
