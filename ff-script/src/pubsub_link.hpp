#pragma once
// PubSubLink: the sharded channels of one node, on a socket of their own.

#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "link.hpp"

namespace ff::script {

class PubSubLink;

class PubSubLinkOwner {
 public:
  virtual ~PubSubLinkOwner() = default;
  virtual void on_subscribed(PubSubLink& link, const std::string& channel) = 0;
  virtual void on_message(const std::string& channel, const std::string& payload) = 0;
  // The node does not serve this channel, or no longer; `error` is what it said, empty if it just dropped it.
  // The link has forgotten the channel.
  virtual void on_refused(PubSubLink& link, const std::string& channel, const std::string& error) = 0;
  // No socket: every channel is deaf until it is subscribed again, which the link does by itself.
  virtual void on_deaf(PubSubLink& link) = 0;
};

class PubSubLink final : public Link {
 public:
  PubSubLink(std::shared_ptr<Transport> transport, Address address, PubSubLinkOwner& owner);

  void add(const std::string& channel);
  void remove(const std::string& channel);
  bool has_work() const override { return !channels_.empty(); }

 private:
  enum class Ask : std::uint8_t { subscribe, unsubscribe, ping };
  struct Expected {
    Ask ask;
    std::string channel;
  };
  struct Event {
    enum class Kind : std::uint8_t { subscribed, message, refused } kind;
    std::string channel, text;
  };

  void on_open() override;
  void on_unreachable(const core::Error& error) override;
  void on_lost() override;
  void fill(std::string& out) override;
  void on_wrote(std::size_t) override {}
  bool on_reply(Reply&& reply) override;
  void on_batch() override;
  int silence_borne() const override { return 2; }  // Of a fleet that idles, pings are most of what Valkey hears.
  void on_probe() override;

  void ask(Ask what, const std::string& channel);
  bool on_answer(Ask what, const std::string& channel);
  bool on_error(std::string text);
  bool on_push(Reply&& reply);

  PubSubLinkOwner& owner_;  // Closes this link before it dies.
  std::unordered_set<std::string> channels_;
  std::deque<Expected> expected_;
  std::string outbox_;
  std::vector<Event> events_;
};

}  // namespace ff::script
