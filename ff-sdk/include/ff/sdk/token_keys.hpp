#pragma once
// TokenKeys: mints and verifies waitpoint tokens with the key ring that all servers of a deployment share, sealed, in
// Valkey. For servers, and for workers that are trusted with the servers' secret.
//
//   auto keys = co_await sdk::TokenKeys::open(deployment, core::Secret(secret), core::Deadline::in(5s));
//   core::TokenClaims claims(id, "1.approval", "default");
//   claims.expires_at = (*keys)->now() + 3'600'000;
//   auto token = (*keys)->mint(claims);

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ff/core/key_ring.hpp"
#include "ff/core/result.hpp"
#include "ff/core/secret.hpp"
#include "ff/core/time.hpp"
#include "ff/core/token.hpp"
#include "ff/script/deployment.hpp"

namespace ff::sdk {

// Thread safety: none; use it on the connection's executor. Lifetime: shared; a call goes on when its owner lets go.
class TokenKeys : public std::enable_shared_from_this<TokenKeys> {
 public:
  using Shared = std::shared_ptr<TokenKeys>;
  template <class T>
  using Awaitable = boost::asio::awaitable<core::Result<T>>;

  // Reads the ring; the first one who opens makes it. The secret (FF_WAITPOINT_HMAC_SECRET) is the same everywhere.
  // Errors: those of Deployment::call; permission_denied/other_secret, corrupt/bad_key_ring.
  static Awaitable<Shared> open(std::shared_ptr<script::Deployment> deployment, core::Secret secret,
                                core::Deadline deadline);

  // Errors: invalid_argument/bad_token_claims, bad_namespace.
  core::Result<std::string> mint(core::TokenClaims claims) const {
    return mint_token(std::move(claims), ring_.active());
  }
  core::TokenVerdict verify(std::string_view token) const { return verify_token(token, ring_, now()); }
  // Valkey's clock, as it goes on here since it was last heard of: what tokens are judged by.
  core::TimestampMs now() const noexcept;

  const core::KeyRing& ring() const noexcept { return ring_; }
  std::int64_t version() const noexcept { return version_; }

  // Told at each Join: another version is read in the background, within `limit`. `done` may be empty; it is told how
  // that went. Should Valkey have lost the newest ring in a failover, it is given back.
  void heard(std::int64_t version, core::TimestampMs now, core::Millis limit,
             std::function<void(const core::Result<void>&)> done);
  // Reads the ring if it is another one.
  Awaitable<void> refresh(core::Deadline deadline);
  // A new key signs; the one that did verifies for `grace` longer. Errors: those of KeyRing::rotated, Deployment::call.
  Awaitable<void> rotate(core::Millis grace, core::Deadline deadline);
  // Errors: those of KeyRing::revoked and Deployment::call.
  Awaitable<void> revoke(std::string kid, core::Deadline deadline);

 private:
  TokenKeys(std::shared_ptr<script::Deployment> deployment, core::Secret secret)
      : deployment_(std::move(deployment)), secret_(std::move(secret)) {}

  using Change = std::function<core::Result<core::KeyRing>(const core::KeyRing&)>;
  static Awaitable<void> apply(Shared self, Change change, core::Deadline deadline);
  static Awaitable<void> read(Shared self, core::Deadline deadline);
  // Whether it was stored; not so when somebody else was faster.
  static Awaitable<bool> store(Shared self, std::int64_t expected, std::int64_t version, core::KeyRing ring,
                               core::Deadline deadline);
  std::string bound(std::int64_t version) const;
  void set_clock(core::TimestampMs now) noexcept;

  std::shared_ptr<script::Deployment> deployment_;
  core::Secret secret_;
  core::KeyRing ring_;
  std::int64_t version_ = 0;
  core::TimestampMs heard_ms_ = 0;
  core::SteadyTime heard_at_{};
  bool refreshing_ = false;
};

}  // namespace ff::sdk
