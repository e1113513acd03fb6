#pragma once
// Subscriptions: which sharded channels are listened to, by whom, and on which node. Channels follow their
// slots.

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "backoff.hpp"
#include "pubsub_link.hpp"

namespace ff::script {

class Router;

class Subscriptions final : public PubSubLinkOwner {
 public:
  using OnMessage = Connection::OnMessage;
  using OnGap = Connection::OnGap;

  explicit Subscriptions(Router& router);
  ~Subscriptions() override;

  static std::unique_ptr<Connection::Subscription> add(const std::shared_ptr<Router>& router, Slot slot,
                                                       std::string channel, OnMessage on_message,
                                                       OnGap on_gap);
  // The cluster map has changed.
  void replace();
  // Some channel is not listened to now.
  bool stuck() const;
  // Nothing will be heard any more: every subscriber gets a last on_gap, so that it looks and finds out.
  void announce_close();
  void close();

 private:
  struct Subscriber {
    OnMessage on_message;
    OnGap on_gap;
    bool alive = true;
    Subscriber(OnMessage m, OnGap g) : on_message(std::move(m)), on_gap(std::move(g)) {}
  };
  using SubscriberPtr = std::shared_ptr<Subscriber>;
  struct Channel {
    Slot slot = 0;
    std::vector<SubscriberPtr> subscribers;
    std::shared_ptr<PubSubLink> link;  // Null: no node is known or has taken it.
    bool live = false;                 // The node has confirmed.
    unsigned redirects = 0;            // Since it was live.
  };
  class Handle;

  void on_subscribed(PubSubLink& link, const std::string& channel) override;
  void on_message(const std::string& channel, const std::string& payload) override;
  void on_refused(PubSubLink& link, const std::string& channel, const std::string& error) override;
  void on_deaf(PubSubLink& link) override;

  void insert(const SubscriberPtr& subscriber, Slot slot, const std::string& channel);
  // Later, not from within the caller's own call.
  void tell_gap(const SubscriberPtr& subscriber, const std::string& channel);
  void remove(const std::string& channel, const SubscriberPtr& subscriber);
  void tell_right(const std::string& name, const std::string& error);
  void place(const std::string& name, Channel& channel);
  void place_later();
  std::shared_ptr<PubSubLink> link_to(const Address& address);
  // A copy, since what the subscribers do may change the list.
  std::vector<SubscriberPtr> subscribers_of(const std::string& channel) const;

  Router& router_;  // Owns this.
  std::unordered_map<std::string, Channel> channels_;
  std::map<Address, std::shared_ptr<PubSubLink>> links_;
  boost::asio::steady_timer timer_;
  Backoff backoff_;
  bool told_ = false;  // That the user lacks a right.
  bool waiting_ = false;
  bool closed_ = false;
};

}  // namespace ff::script
