#include "subscriptions.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "router.hpp"
#include "server_answer.hpp"

namespace ff::script {

namespace asio = boost::asio;

// Ends its subscription with its own life, if the router is still there.
class Subscriptions::Handle final : public Connection::Subscription {
 public:
  Handle(std::weak_ptr<Router> router, std::string channel, SubscriberPtr subscriber)
      : router_(std::move(router)), channel_(std::move(channel)), subscriber_(std::move(subscriber)) {}
  ~Handle() override {
    subscriber_->alive = false;
    if (const auto router = router_.lock()) router->subscriptions().remove(channel_, subscriber_);
  }

 private:
  std::weak_ptr<Router> router_;
  std::string channel_;
  SubscriberPtr subscriber_;
};

Subscriptions::Subscriptions(Router& router)
    : router_(router),
      timer_(router.transport().executor),
      backoff_(router.transport().options.backoff_min, router.transport().options.backoff_max) {}

Subscriptions::~Subscriptions() = default;

std::unique_ptr<Connection::Subscription> Subscriptions::add(const std::shared_ptr<Router>& router,
                                                             Slot slot, std::string channel,
                                                             OnMessage on_message, OnGap on_gap) {
  auto subscriber = std::make_shared<Subscriber>(std::move(on_message), std::move(on_gap));
  router->subscriptions().insert(subscriber, slot, channel);
  return std::make_unique<Handle>(router, std::move(channel), std::move(subscriber));
}

void Subscriptions::insert(const SubscriberPtr& subscriber, Slot slot, const std::string& name) {
  if (closed_) return tell_gap(subscriber, name);
  Channel& channel = channels_[name];
  const bool first = channel.subscribers.empty();
  channel.subscribers.push_back(subscriber);
  if (first) {
    channel.slot = slot;
    place(name, channel);
  } else if (channel.live) {
    tell_gap(subscriber, name);
  }
}

void Subscriptions::tell_gap(const SubscriberPtr& subscriber, const std::string& name) {
  asio::post(router_.transport().executor, [subscriber, name] {
    if (subscriber->alive) subscriber->on_gap(name);
  });
}

void Subscriptions::remove(const std::string& name, const SubscriberPtr& subscriber) {
  const auto found = channels_.find(name);
  if (found == channels_.end()) return;
  auto& subscribers = found->second.subscribers;
  std::erase(subscribers, subscriber);
  if (!subscribers.empty()) return;
  if (found->second.link) found->second.link->remove(name);
  channels_.erase(found);
}

void Subscriptions::place(const std::string& name, Channel& channel) {
  channel.live = false;
  const auto address = router_.address_of(channel.slot);
  if (!address) {
    channel.link.reset();
    return router_.request_refresh();
  }
  channel.link = link_to(*address);
  channel.link->add(name);
}

void Subscriptions::place_later() {
  if (waiting_ || closed_) return;
  waiting_ = true;
  timer_.expires_after(backoff_.next(router_.transport().random));
  timer_.async_wait([this, router = router_.weak_from_this()](boost::system::error_code error) {
    const auto keep = router.lock();
    if (error || !keep || closed_) return;
    waiting_ = false;
    for (auto& [name, channel] : channels_) {
      if (!channel.link) place(name, channel);
    }
  });
}

std::shared_ptr<PubSubLink> Subscriptions::link_to(const Address& address) {
  auto& link = links_[address];
  if (!link) link = std::make_shared<PubSubLink>(router_.shared_transport(), address, *this);
  return link;
}

void Subscriptions::replace() {
  for (auto& [name, channel] : channels_) {
    const auto address = router_.address_of(channel.slot);
    if (channel.link && address && channel.link->address() == *address) continue;
    if (channel.link) channel.link->remove(name);
    place(name, channel);
  }
  for (auto it = links_.begin(); it != links_.end();) {
    if (it->second->has_work()) {
      ++it;
      continue;
    }
    it->second->close();
    it = links_.erase(it);
  }
}

bool Subscriptions::stuck() const {
  return std::any_of(channels_.begin(), channels_.end(), [](const auto& entry) {
    return !entry.second.link || !entry.second.link->connected();
  });
}

void Subscriptions::announce_close() {
  for (const auto& [name, channel] : channels_) {
    for (const SubscriberPtr& subscriber : channel.subscribers) tell_gap(subscriber, name);
  }
}

void Subscriptions::close() {
  closed_ = true;
  timer_.cancel();
  channels_.clear();
  for (const auto& [address, link] : links_) link->close();
  links_.clear();
}

std::vector<Subscriptions::SubscriberPtr> Subscriptions::subscribers_of(const std::string& channel) const {
  const auto found = channels_.find(channel);
  return found == channels_.end() ? std::vector<SubscriberPtr>() : found->second.subscribers;
}

void Subscriptions::on_subscribed(PubSubLink& link, const std::string& name) {
  const auto found = channels_.find(name);
  if (found == channels_.end() || found->second.link.get() != &link) return;
  found->second.live = true;
  found->second.redirects = 0;
  backoff_.reset();
  for (const auto& subscriber : subscribers_of(name)) {
    if (subscriber->alive) subscriber->on_gap(name);
  }
}

void Subscriptions::on_message(const std::string& name, const std::string& payload) {
  for (const auto& subscriber : subscribers_of(name)) {
    if (subscriber->alive) subscriber->on_message(name, payload);
  }
}

// A worker that hears nothing claims late, and nothing else would say why.
void Subscriptions::tell_right(const std::string& name, const std::string& error) {
  const auto& logger = router_.transport().options.logger;
  if (told_ || !logger || !error.starts_with("NOPERM")) return;
  told_ = true;
  const auto prefix = name.substr(0, name.find(':') + 1);
  logger->error("Valkey's user lacks the right to subscribe: no wake-up, cancel or news arrives",
                {{"right", "+ssubscribe +sunsubscribe &" + prefix + "*"}, {"channel", name}, {"error", error}});
}

void Subscriptions::on_refused(PubSubLink& link, const std::string& name, const std::string& error) {
  const auto found = channels_.find(name);
  if (found == channels_.end() || found->second.link.get() != &link) return;
  Channel& channel = found->second;
  channel.link.reset();
  channel.live = false;
  if (classify(error) == ServerAnswer::moved) {
    const auto& host = link.address().host.empty() ? router_.transport().options.host : link.address().host;
    if (const auto redirect = parse_redirect(error, host)) {
      ++router_.transport().stats.redirects;
      router_.on_moved(redirect->slot, redirect->target);
      if (++channel.redirects <= kRedirectsAtOnce) return place(name, channel);
    }
  }
  tell_right(name, error);
  router_.request_refresh();
  place_later();
}

void Subscriptions::on_deaf(PubSubLink& link) {
  for (auto& [name, channel] : channels_) {
    if (channel.link.get() == &link) channel.live = false;
  }
  router_.request_refresh();
}

}  // namespace ff::script
