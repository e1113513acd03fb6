// The router's view of a cluster: who owns which slot, read again whenever a node says that it has changed.
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "router.hpp"
#include "subscriptions.hpp"

namespace ff::script {

namespace asio = boost::asio;
using core::Code;
using core::Error;
using core::Millis;
using core::Result;
using std::chrono::steady_clock;

namespace {

constexpr Millis kRefreshGap{100};         // Between two readings of the map.
constexpr Millis kRefreshWhileStuck{250};  // ... while a node that has work is away: a failover is likely.
constexpr Millis kAskLimit{1000};          // Of one node; then the next one is asked.

}  // namespace

std::optional<Address> Router::address_of(Slot slot) const {
  if (!cluster_) return seed_;
  const auto owner = map_.owner(slot);
  if (owner == ClusterMap::kNobody) return std::nullopt;
  return map_.nodes()[owner];
}

CommandLink* Router::link_of(Slot slot) {
  if (!cluster_) return seed_link_.get();
  const auto owner = map_.owner(slot);
  return owner == ClusterMap::kNobody ? nullptr : map_links_[owner].get();
}

Router::LinkPtr Router::link_to(const Address& address) {
  LinkPtr& link = links_[address];
  if (!link) link = std::make_shared<CommandLink>(transport_, address, *this);
  return link;
}

void Router::on_moved(Slot slot, const Address& target) {
  map_.set_owner(slot, target);
  while (map_links_.size() < map_.nodes().size()) {
    map_links_.push_back(link_to(map_.nodes()[map_links_.size()]));
  }
  request_refresh();
}

void Router::request_refresh() {
  if (!cluster_ || closed_) return;
  refresh_wanted_ = true;
  if (refreshing_) return;
  refreshing_ = true;
  asio::co_spawn(transport_->executor, refresh_loop(shared_from_this()), asio::detached);
}

// One at a time; ends when nobody wants the map any more.
asio::awaitable<void> Router::refresh_loop(std::shared_ptr<Router> self) {
  while (!self->closed_ && self->refresh_wanted_) {
    const auto earliest = self->last_refresh_ + kRefreshGap;
    const auto now = steady_clock::now();
    if (earliest > now) co_await self->pause_refresh(std::chrono::ceil<Millis>(earliest - now));
    if (self->closed_) break;
    self->refresh_wanted_ = false;
    const bool read = co_await refresh_once(self);
    self->last_refresh_ = steady_clock::now();
    if (self->closed_ || !self->needs_map()) continue;
    self->refresh_wanted_ = true;
    if (read) co_await self->pause_refresh(kRefreshWhileStuck);
  }
  self->refreshing_ = false;
}

asio::awaitable<void> Router::pause_refresh(Millis duration) {
  refresh_timer_.expires_after(duration);
  co_await refresh_timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<bool> Router::refresh_once(std::shared_ptr<Router> self) {
  Error error(Code::unavailable, "connect", "no node to ask for the cluster map");
  const auto candidates = self->refresh_candidates();
  for (const LinkPtr& link : candidates) {
    Command command("CLUSTER");
    command.arg("SLOTS");
    const auto& options = self->transport_->options;
    const auto limit = link->connected() ? kAskLimit : std::max(kAskLimit, options.connect_timeout);
    Result<Reply> reply = co_await ask(self, link, std::move(command), core::Deadline::in(limit));
    if (self->closed_) co_return false;
    if (!reply) {
      error = std::move(reply).error();
      continue;
    }
    if (reply->is_error()) {
      error = Error(Code::unavailable, "clusterdown", link->address().str() + ": " + reply->text);
      continue;
    }
    const std::string asked_host = link->address().host.empty() ? options.host : link->address().host;
    Result<ClusterMap> map = ClusterMap::parse(*reply, asked_host);
    if (map && !map->empty()) {
      self->apply_map(std::move(map).value());
      co_return true;
    }
    error = Error(Code::unavailable, "clusterdown", link->address().str() + " knows no owner of any slot");
    if (!map) error.message = map.error().message;
  }
  // What waits for the map learns at its deadline why there is none; a refused login will not get better
  // until then.
  if (error.code == Code::unauthenticated) self->end_unrouted(error);
  if (error.code == Code::unknown_outcome) error = Error(Code::unavailable, "connect", error.message);
  self->map_error_ = error;
  co_return false;
}

asio::awaitable<Result<Reply>> Router::ask(std::shared_ptr<Router> self, LinkPtr link, Command command,
                                           core::Deadline deadline) {
  auto call = std::make_unique<Call>(Slot{0}, std::move(command), deadline);
  call->pinned = std::move(link);
  call->fail_fast = true;
  call->inline_handler = true;
  auto reply = async_call(std::move(self), std::move(call));
  co_return co_await std::move(reply);
}

// Nodes we have a socket to first, in random order; the seed last: it may be long gone.
std::vector<Router::LinkPtr> Router::refresh_candidates() {
  std::vector<LinkPtr> candidates;
  for (const auto& [address, link] : links_) {
    if (address != seed_) candidates.push_back(link);
  }
  std::shuffle(candidates.begin(), candidates.end(), transport_->random);
  candidates.push_back(link_to(seed_));
  std::stable_partition(candidates.begin(), candidates.end(),
                        [](const LinkPtr& link) { return link->connected(); });
  return candidates;
}

void Router::apply_map(ClusterMap map) {
  map_ = std::move(map);
  map_error_.reset();
  map_links_.clear();
  for (const Address& address : map_.nodes()) map_links_.push_back(link_to(address));
  std::vector<Request*> moving;
  for (const auto& [address, link] : links_) {
    const auto taken = link->take_queued([&, here = link.get()](const Request& request) {
      const Call& call = static_cast<const Call&>(request);
      return !call.pinned && !call.asking && link_of(call.slot) != here;
    });
    moving.insert(moving.end(), taken.begin(), taken.end());
  }
  while (!unrouted_.empty()) {
    moving.push_back(&unrouted_.front());
    unrouted_.pop_front();
  }
  for (Request* request : moving) {
    Call& call = static_cast<Call&>(*request);
    call.at = Call::At::nowhere;
    route(call);
  }
  subscriptions_->replace();
  drop_unused_links();
  deliver_later();
}

void Router::drop_unused_links() {
  for (auto it = links_.begin(); it != links_.end();) {
    const auto& [address, link] = *it;
    if (map_.contains(address) || link->size() > 0) {
      ++it;
      continue;
    }
    link->close();
    it = links_.erase(it);
  }
}

bool Router::needs_map() const {
  if (!unrouted_.empty() || subscriptions_->stuck()) return true;
  return std::any_of(map_links_.begin(), map_links_.end(),
                     [](const LinkPtr& link) { return !link->connected() && link->has_work(); });
}

void Router::end_unrouted(const Error& error) {
  while (!unrouted_.empty()) finish(static_cast<Call&>(unrouted_.front()), error);
  deliver_later();
}

// Everything at every primary.

// The awaiting coroutine is owned by `done`, which only the calls own: if they are abandoned, all of it goes.
struct Router::Gather {
  std::vector<std::optional<Result<Reply>>> results;
  std::vector<Call*> calls;  // Null once ended.
  std::size_t left = 0;
};

void Router::start_gather(const std::shared_ptr<Gather>& gather, const Command& command,
                          core::Deadline deadline, Done done) {
  const auto owners = map_.owners();
  gather->left = owners.size();
  gather->results.resize(owners.size());
  gather->calls.resize(owners.size());
  auto slot = asio::get_associated_cancellation_slot(done);
  if (slot.is_connected()) {
    slot.assign([this, weak = std::weak_ptr<Gather>(gather)](asio::cancellation_type) {
      const auto self = weak.lock();
      if (!self) return;
      for (Call*& call : self->calls) {
        if (call != nullptr) cancel(*std::exchange(call, nullptr));
      }
    });
  }
  const auto shared_done = std::make_shared<Done>(std::move(done));
  for (std::size_t i = 0; i < owners.size(); ++i) {
    auto call = std::make_unique<Call>(Slot{0}, command, deadline);
    call->pinned = map_links_[owners[i]];
    call->inline_handler = true;
    gather->calls[i] = call.get();
    start(std::move(call), [gather, shared_done, i](Result<Reply> result) {
      gather->calls[i] = nullptr;
      gather->results[i].emplace(std::move(result));
      if (--gather->left > 0) return;
      auto cancellation = asio::get_associated_cancellation_slot(*shared_done);
      if (cancellation.is_connected()) cancellation.clear();
      asio::dispatch(std::move(*shared_done));
    });
  }
}

Router::Awaitable<Result<Router::Replies>> Router::send_to_primaries(std::shared_ptr<Router> self,
                                                                     Command command,
                                                                     core::Deadline deadline) {
  Replies replies;
  if (!self->cluster_) {
    Result<Reply> reply = co_await send(self, 0, std::move(command), deadline);
    if (!reply) co_return std::move(reply).error();
    replies.push_back(std::move(reply).value());
    co_return replies;
  }
  if (self->closed_) co_return Error(Code::cancelled, "closed", "the connection was closed");
  auto map_call = std::make_unique<Call>(Slot{0}, Command("PING"), deadline);
  map_call->wants_map = true;
  auto map_known = async_call(self, std::move(map_call));
  Result<Reply> known = co_await std::move(map_known);
  if (!known) co_return std::move(known).error();

  const auto gather = std::make_shared<Gather>();
  auto all = asio::async_initiate<const asio::deferred_t&, void()>(
      [self = self.get(), gather, &command, deadline](auto handler) {
        self->start_gather(gather, command, deadline, Done(std::move(handler)));
      },
      asio::deferred);
  co_await std::move(all);
  for (auto& result : gather->results) {
    if (!*result) co_return std::move(*result).error();
    replies.push_back(std::move(*result).value());
  }
  co_return replies;
}

}  // namespace ff::script
