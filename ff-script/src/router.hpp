#pragma once
// Router: gets every call to the node that serves its slot and to its end. Here, and only here, calls are
// repeated; and only calls that certainly did not run.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "call.hpp"
#include "cluster_map.hpp"
#include "command_link.hpp"
#include "shutdown_service.hpp"
#include "transport.hpp"

namespace ff::script {

class Subscriptions;

// Nodes that point at each other disagree: then we wait.
inline constexpr unsigned kRedirectsAtOnce = 5;

class Router final : public CommandLinkOwner,
                     public Abandonable,
                     public std::enable_shared_from_this<Router> {
 public:
  using Replies = std::vector<Reply>;

  Router(boost::asio::any_io_executor executor, ConnectionOptions options);
  ~Router() override;

  template <class T>
  using Awaitable = boost::asio::awaitable<T>;

  static Awaitable<core::Result<Reply>> send(std::shared_ptr<Router> self, Slot slot, Command command,
                                             core::Deadline deadline);
  static Awaitable<core::Result<Replies>> send_to_primaries(std::shared_ptr<Router> self, Command command,
                                                            core::Deadline deadline);
  void close();
  Subscriptions& subscriptions() noexcept { return *subscriptions_; }
  Transport& transport() noexcept { return *transport_; }
  const std::shared_ptr<Transport>& shared_transport() const noexcept { return transport_; }

  // The node that serves the slot, as far as is known.
  std::optional<Address> address_of(Slot slot) const;
  // A node said so. The whole map is read again soon.
  void on_moved(Slot slot, const Address& target);
  // The map may be out of date.
  void request_refresh();
  void cancel(Call& call);

 private:
  struct Gather;
  using CallPtr = std::unique_ptr<Call>;

  // Life of a call.
  void start(CallPtr call, Call::Handler handler);
  // An operation to be awaited by name: g++ 12 must not see it made inside a co_await expression.
  static auto async_call(std::shared_ptr<Router> self, CallPtr call) {
    return boost::asio::async_initiate<const boost::asio::deferred_t&, void(core::Result<Reply>)>(
        [self = std::move(self), call = std::move(call)](auto handler) mutable {
          self->start(std::move(call), Call::Handler(std::move(handler)));
        },
        boost::asio::deferred);
  }
  void route(Call& call);
  void push(Call& call, CommandLink& link);
  void repeat_later(Call& call, ServerAnswer cause);
  void take_out(Call& call);
  void finish(Call& call, core::Result<Reply> result);
  void finish_late(Call& call);
  core::Error not_run(const Call& call) const;

  // From the links.
  void on_reply(CommandLink& link, Request& request, Reply&& reply) override;
  void on_answer(CommandLink& link, Call& call, ServerAnswer answer, Reply&& reply);
  void on_redirect(CommandLink& link, Call& call, ServerAnswer answer, Reply&& reply);
  void on_batch() override { deliver(); }
  void on_unreachable(CommandLink& link, const core::Error& error) override;
  void on_lost(CommandLink& link, std::vector<Request*> lost) override;

  // Completions.
  void deliver();
  void deliver_later();

  // Timers.
  void watch_deadlines();
  void expire();
  void watch_repeats();
  void repeat_due();

  // The cluster map.
  using LinkPtr = std::shared_ptr<CommandLink>;
  LinkPtr link_to(const Address& address);
  CommandLink* link_of(Slot slot);
  static Awaitable<void> refresh_loop(std::shared_ptr<Router> self);
  static Awaitable<bool> refresh_once(std::shared_ptr<Router> self);
  static Awaitable<core::Result<Reply>> ask(std::shared_ptr<Router> self, LinkPtr link, Command command,
                                            core::Deadline deadline);
  Awaitable<void> pause_refresh(core::Millis duration);
  std::vector<LinkPtr> refresh_candidates();
  void apply_map(ClusterMap map);
  void drop_unused_links();
  bool needs_map() const;
  void end_unrouted(const core::Error& error);

  // Everything at every primary.
  using Done = boost::asio::any_completion_handler<void()>;
  void start_gather(const std::shared_ptr<Gather>& gather, const Command& command, core::Deadline deadline,
                    Done done);

  void abandon() override;
  void stop();

  const std::shared_ptr<Transport> transport_;
  const Address seed_;
  const bool cluster_;
  ShutdownService* shutdown_service_;
  std::unique_ptr<Subscriptions> subscriptions_;

  DeadlineHeap deadlines_;  // Owns every call that has not ended.
  Repeats repeats_;
  boost::intrusive::list<Request> unrouted_;
  std::vector<Completion> completions_;
  bool delivery_posted_ = false;
  boost::asio::steady_timer deadline_timer_, repeat_timer_, refresh_timer_;
  core::SteadyTime deadline_timer_at_ = core::SteadyTime::max();

  std::map<Address, LinkPtr> links_;
  ClusterMap map_;
  std::vector<LinkPtr> map_links_;  // Parallel to map_.nodes().
  LinkPtr seed_link_;               // Not in a cluster: the only one.
  std::optional<core::Error> map_error_;  // Of the last refresh, if it failed.
  core::SteadyTime last_refresh_{};
  bool refreshing_ = false;
  bool refresh_wanted_ = false;
  bool closed_ = false;
};

}  // namespace ff::script
