#include "ff/sdk/token_keys.hpp"

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>

#include "client_call.hpp"

namespace ff::sdk {
namespace {

using core::Error;
using core::KeyRing;
using core::Result;

}  // namespace

// The version is part of what is sealed: an old ring cannot be passed off as a new one.
std::string TokenKeys::bound(std::int64_t version) const {
  return deployment_->keys().root() + "/" + std::to_string(version);
}

core::TimestampMs TokenKeys::now() const noexcept {
  const auto since = std::chrono::steady_clock::now() - heard_at_;
  return heard_ms_ + std::chrono::duration_cast<core::Millis>(since).count();
}

void TokenKeys::set_clock(core::TimestampMs now) noexcept {
  heard_ms_ = now;
  heard_at_ = std::chrono::steady_clock::now();
}

TokenKeys::Awaitable<TokenKeys::Shared> TokenKeys::open(std::shared_ptr<script::Deployment> deployment,
                                                        core::Secret secret, core::Deadline deadline) {
  Shared self(new TokenKeys(std::move(deployment), std::move(secret)));
  while (self->version_ == 0) {
    FF_CO_TRY(stored, co_await self->deployment_->call_root<script::KeyRing>(script::KeyRing::Args(), deadline));
    self->set_clock(stored.now);
    if (stored.version > 0) {
      FF_CO_TRY(ring, KeyRing::unsealed(self->secret_, stored.sealed, self->bound(stored.version)));
      self->ring_ = std::move(ring);
      self->version_ = stored.version;
    } else if (auto made = co_await store(self, 0, 1, KeyRing::make(stored.now), deadline); !made) {
      co_return std::move(made).error();
    }
  }
  co_return self;
}

TokenKeys::Awaitable<void> TokenKeys::read(Shared self, core::Deadline deadline) {
  FF_CO_TRY(stored, co_await self->deployment_->call_root<script::KeyRing>(script::KeyRing::Args(), deadline));
  self->set_clock(stored.now);
  if (stored.version < self->version_) {
    // A failover lost what had been acknowledged, a revocation perhaps.
    auto given_back = co_await store(self, stored.version, self->version_, self->ring_, deadline);
    if (!given_back) co_return std::move(given_back).error();
  } else if (stored.version > self->version_) {
    FF_CO_TRY(ring, KeyRing::unsealed(self->secret_, stored.sealed, self->bound(stored.version)));
    if (stored.version > self->version_) {
      self->ring_ = std::move(ring);
      self->version_ = stored.version;
    }
  }
  co_return Result<void>();
}

TokenKeys::Awaitable<bool> TokenKeys::store(Shared self, std::int64_t expected, std::int64_t version, KeyRing ring,
                                            core::Deadline deadline) {
  script::SetKeyRing::Args args;
  args.expected = expected;
  args.version = version;
  args.sealed = ring.sealed(self->secret_, self->bound(version));
  Backoff backoff;
  for (;;) {
    auto stored = co_await self->deployment_->call_root<script::SetKeyRing>(args, deadline);
    if (stored) {
      if (version > self->version_) {
        self->ring_ = std::move(ring);
        self->version_ = version;
      }
      co_return true;
    }
    if (stored.error().reason == "other_version") co_return false;
    const core::Millis delay = backoff.next();
    const bool unknown = stored.error().code == core::Code::unknown_outcome;  // The same call again is harmless.
    if (!unknown || std::chrono::steady_clock::now() + delay >= deadline.at) co_return std::move(stored).error();
    co_await pause(self->deployment_->connection()->executor(), delay);
  }
}

TokenKeys::Awaitable<void> TokenKeys::apply(Shared self, Change change, core::Deadline deadline) {
  for (;;) {
    FF_CO_TRY(changed, change(self->ring_));
    const std::int64_t version = self->version_;
    FF_CO_TRY(done, co_await store(self, version, version + 1, std::move(changed), deadline));
    if (done) co_return Result<void>();
    if (auto now = co_await read(self, deadline); !now) co_return now;
  }
}

TokenKeys::Awaitable<void> TokenKeys::refresh(core::Deadline deadline) { return read(shared_from_this(), deadline); }

TokenKeys::Awaitable<void> TokenKeys::rotate(core::Millis grace, core::Deadline deadline) {
  auto self = shared_from_this();
  Change change = [self, grace](const KeyRing& ring) { return ring.rotated(self->now(), grace); };
  return apply(self, std::move(change), deadline);
}

TokenKeys::Awaitable<void> TokenKeys::revoke(std::string kid, core::Deadline deadline) {
  Change change = [kid = std::move(kid)](const KeyRing& ring) { return ring.revoked(kid); };
  return apply(shared_from_this(), std::move(change), deadline);
}

void TokenKeys::heard(std::int64_t version, core::TimestampMs now, core::Millis limit,
                      std::function<void(const Result<void>&)> done) {
  set_clock(now);
  if (version == version_ || refreshing_) return;
  refreshing_ = true;
  auto ended = [self = shared_from_this(), done = std::move(done)](std::exception_ptr thrown, Result<void> result) {
    self->refreshing_ = false;
    if (thrown) result = Error(core::Code::internal, "exception", "reading the key ring threw");
    if (done) done(result);
  };
  boost::asio::co_spawn(deployment_->connection()->executor(), refresh(core::Deadline::in(limit)), std::move(ended));
}

}  // namespace ff::sdk
