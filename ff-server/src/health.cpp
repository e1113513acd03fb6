#include "health.hpp"

namespace ff::server {

using core::Code;
using core::Error;

void Health::phase(Phase phase, std::string why) {
  const std::lock_guard lock(mutex_);
  phase_ = phase;
  why_ = std::move(why);
}

void Health::answered() {
  const std::lock_guard lock(mutex_);
  answered_at_ = std::chrono::steady_clock::now();
}

void Health::silent(std::string why) {
  const std::lock_guard lock(mutex_);
  silence_ = std::move(why);
}

bool Health::valkey_up() const {
  const std::lock_guard lock(mutex_);
  return up();
}

core::Result<void> Health::health() const {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::booting) return Error(Code::unavailable, "booting", "the server is starting", 1000);
  if (phase_ == Phase::draining) return Error(Code::unavailable, "draining", "the server is shutting down", 1000);
  if (!up()) return Error(Code::unavailable, "valkey", "Valkey has not answered lately", 1000);
  return {};
}

std::string Health::cause() const {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::booting) return why_;
  return phase_ == Phase::draining || up() ? "" : silence_;
}

}  // namespace ff::server
