#pragma once
// WrongTokens: how many wrong tokens each client address may bring, and what is said beyond that.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ff/core/error.hpp"
#include "ff/core/time.hpp"

namespace ff::server::http {

// As many at once as in a minute; one more for each share of a minute that passes. An address beyond that is refused
// before its token is looked at, right or wrong: else the limit would slow nobody down who guesses. An IPv6 client is
// its /64. Remembers a bounded number of addresses; of more, those that may bring most are forgotten.
// Thread safety: none.
class WrongTokens {
 public:
  // Told of each refusal: the address, and whether it is the first since its last wrong token.
  using Refused = std::function<void(std::string_view peer, bool first)>;
  // `per_minute` 0: no limit. `refused` may be empty.
  explicit WrongTokens(std::uint32_t per_minute = 0, Refused refused = {});

  // To be asked before a token is looked at. Set: exhausted/too_many_wrong_tokens with when to come again.
  std::optional<core::Error> refusal(std::string_view peer, core::SteadyTime now = std::chrono::steady_clock::now());
  // The token was wrong.
  void count(std::string_view peer, core::SteadyTime now = std::chrono::steady_clock::now());

  std::size_t addresses() const noexcept { return clients_.size(); }

 private:
  struct Client {
    core::SteadyTime full_at{};  // When it may bring as many as ever again.
    bool told = false;
  };
  void make_room(core::SteadyTime now);

  core::SteadyTime::duration price_{0};  // Of one wrong token.
  Refused refused_;
  std::unordered_map<std::string, Client> clients_;
};

}  // namespace ff::server::http
