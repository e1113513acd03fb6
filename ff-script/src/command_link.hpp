#pragma once
// CommandLink: the commands of one node, pipelined on one socket.

#include "link.hpp"
#include "pipeline.hpp"

namespace ff::script {

class CommandLink;

// Who decides what replies and failures mean.
class CommandLinkOwner {
 public:
  virtual ~CommandLinkOwner() = default;
  virtual void on_reply(CommandLink& link, Request& request, Reply&& reply) = 0;
  // After all replies that came together.
  virtual void on_batch() = 0;
  // The dial failed; queued requests stay queued until the owner takes them.
  virtual void on_unreachable(CommandLink& link, const core::Error& error) = 0;
  // These had been sent when the socket broke. All others are still queued.
  virtual void on_lost(CommandLink& link, std::vector<Request*> lost) = 0;
};

class CommandLink final : public Link {
 public:
  CommandLink(std::shared_ptr<Transport> transport, Address address, CommandLinkOwner& owner);

  void push(Request& request);
  void drop(Request& request) { pipeline_.drop(request); }
  template <class Leaves>
  std::vector<Request*> take_queued(Leaves&& leaves) {
    return pipeline_.take_queued(std::forward<Leaves>(leaves));
  }
  std::size_t size() const noexcept { return pipeline_.size(); }
  // Asks for a sign of life, since a command got no reply in time.
  void probe();
  // Sends nothing more, and opens another socket when the replies under way have come. For a node that
  // answers, but is no longer the one we want: its address may lead elsewhere by now.
  void reconnect();
  // The last socket was closed for that reason, and nothing has failed since.
  bool left_on_purpose() const noexcept { return left_on_purpose_; }
  // A reply that was of use: the node is well.
  using Link::on_useful;
  bool has_work() const override { return pipeline_.queued() > 0; }
  void close() override;

 private:
  void on_open() override {}
  void on_unreachable(const core::Error& error) override;
  void on_lost() override;
  void fill(std::string& out) override;
  void on_wrote(std::size_t bytes) override { pipeline_.wrote(bytes); }
  bool on_reply(Reply&& reply) override;
  void on_batch() override;
  int silence_borne() const override { return pipeline_.size() > 0 ? 1 : 0; }
  void on_probe() override { pipeline_.push_ping(); }
  void finish_reconnect();

  CommandLinkOwner& owner_;  // Closes this link before it dies.
  Pipeline pipeline_;
  bool reconnecting_ = false;
  bool left_on_purpose_ = false;
};

}  // namespace ff::script
