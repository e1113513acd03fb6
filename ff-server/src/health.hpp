#pragma once
// Health: where the server is in its life, and when Valkey answered last. Thread-safe.

#include <mutex>
#include <string>

#include "ff/core/result.hpp"
#include "ff/core/time.hpp"
#include "http/execution_api.hpp"

namespace ff::server {

class Health final : public http::HealthSource {
 public:
  enum class Phase : std::uint8_t { booting, serving, draining };
  static constexpr core::Millis kLately{5000};

  void phase(Phase phase, std::string why = {});
  void answered();  // Valkey did, now.
  void silent(std::string why);

  bool valkey_up() const;
  // Errors: unavailable/booting, draining, valkey.
  core::Result<void> health() const override;
  std::string cause() const;  // Of an error, with addresses: for operators. Empty: there is none.

 private:
  bool up() const { return answered_at_ + kLately > std::chrono::steady_clock::now(); }

  mutable std::mutex mutex_;
  Phase phase_ = Phase::booting;
  std::string why_ = "starting";
  std::string silence_ = "not asked yet";
  core::SteadyTime answered_at_{};
};

}  // namespace ff::server
