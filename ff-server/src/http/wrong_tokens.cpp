#include "http/wrong_tokens.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <utility>

namespace ff::server::http {
namespace {

constexpr core::SteadyTime::duration kWindow = std::chrono::minutes(1);
constexpr std::size_t kAddressesMax = 8192;

// Who has one address of a /64 has them all.
std::string client_of(std::string_view peer) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(peer, error);
  if (error || !address.is_v6()) return std::string(peer);
  const auto bytes = address.to_v6().to_bytes();
  if (address.to_v6().is_v4_mapped()) return make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).to_string();
  return std::string(bytes.begin(), bytes.begin() + 8);
}

}  // namespace

WrongTokens::WrongTokens(std::uint32_t per_minute, Refused refused)
    : price_(per_minute == 0 ? core::SteadyTime::duration(0) : kWindow / per_minute), refused_(std::move(refused)) {}

std::optional<core::Error> WrongTokens::refusal(std::string_view peer, core::SteadyTime now) {
  if (clients_.empty()) return std::nullopt;
  const auto found = clients_.find(client_of(peer));
  if (found == clients_.end()) return std::nullopt;
  Client& client = found->second;
  const auto wait = client.full_at + price_ - now - kWindow;
  if (wait.count() <= 0) return std::nullopt;
  const bool first = !std::exchange(client.told, true);
  if (refused_) refused_(peer, first);
  return core::Error(core::Code::exhausted, "too_many_wrong_tokens",
                     "this address has brought too many wrong tokens; its tokens are not looked at for a while",
                     std::chrono::ceil<core::Millis>(wait).count());
}

void WrongTokens::count(std::string_view peer, core::SteadyTime now) {
  if (price_.count() == 0) return;
  std::string name = client_of(peer);
  if (clients_.size() >= kAddressesMax && !clients_.contains(name)) make_room(now);
  Client& client = clients_[std::move(name)];
  client.full_at = std::max(client.full_at, now) + price_;
  client.told = false;
}

void WrongTokens::make_room(core::SteadyTime now) {
  std::erase_if(clients_, [now](const auto& one) { return one.second.full_at <= now; });
  if (clients_.size() < kAddressesMax) return;
  const auto sooner = [](const auto& a, const auto& b) { return a.second.full_at < b.second.full_at; };
  clients_.erase(std::min_element(clients_.begin(), clients_.end(), sooner));
}

}  // namespace ff::server::http
