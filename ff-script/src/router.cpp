#include "router.hpp"

#include <boost/asio/query.hpp>
#include <boost/asio/this_coro.hpp>
#include <cassert>

#include "subscriptions.hpp"

namespace ff::script {

namespace asio = boost::asio;
using core::Code;
using core::Error;
using core::Result;
using std::chrono::steady_clock;

namespace {

Address seed_address(const ConnectionOptions& options) {
  if (!options.unix_socket.empty()) return Address(options.unix_socket);
  return Address(options.host, options.port);
}

Error closed_error() { return Error(Code::cancelled, "closed", "the connection was closed"); }

}  // namespace

Router::Router(asio::any_io_executor executor, ConnectionOptions options)
    : transport_(std::make_shared<Transport>(std::move(executor), std::move(options))),
      seed_(seed_address(transport_->options)),
      cluster_(transport_->options.cluster),
      shutdown_service_(&asio::use_service<ShutdownService>(
          asio::query(transport_->executor, asio::execution::context))),
      subscriptions_(std::make_unique<Subscriptions>(*this)),
      deadline_timer_(transport_->executor),
      repeat_timer_(transport_->executor),
      refresh_timer_(transport_->executor) {
  shutdown_service_->add(*this);
  if (!cluster_) seed_link_ = link_to(seed_);
}

Router::~Router() { assert(closed_ && deadlines_.empty()); }

// A call from here to its one completion.

asio::awaitable<Result<Reply>> Router::send(std::shared_ptr<Router> self, Slot slot, Command command,
                                            core::Deadline deadline) {
  if (self->closed_) co_return closed_error();
  if (deadline.at <= steady_clock::now()) {
    co_return Error(Code::unavailable, "deadline", "the deadline had passed before the command was sent");
  }
  if (self->deadlines_.size() >= self->transport_->options.in_flight_max) {
    co_return Error(Code::unavailable, "overload", "as many commands as allowed wait for their replies");
  }
  auto call = std::make_unique<Call>(slot, std::move(command), deadline);
  call->inline_handler = (co_await asio::this_coro::executor) == self->transport_->executor;
  auto reply = async_call(std::move(self), std::move(call));
  co_return co_await std::move(reply);
}

void Router::start(CallPtr owned, Call::Handler handler) {
  Call& call = *owned;
  call.handler = std::move(handler);
  auto cancellation = asio::get_associated_cancellation_slot(call.handler);
  if (cancellation.is_connected()) {
    cancellation.assign([this, &call](asio::cancellation_type) { cancel(call); });
  }
  deadlines_.push(*owned.release());
  route(call);
  watch_deadlines();
  deliver_later();
}

void Router::route(Call& call) {
  call.asking = false;
  if (call.pinned) {
    if (!call.pinned->closed()) return push(call, *call.pinned);
    const std::string name = call.pinned->address().str();
    return finish(call, Error(Code::unavailable, "connect", name + ": has left the cluster"));
  }
  if (call.wants_map && !map_.empty()) return finish(call, Reply{});
  CommandLink* link = call.wants_map ? nullptr : link_of(call.slot);
  if (link != nullptr) return push(call, *link);
  call.at = Call::At::unrouted;
  unrouted_.push_back(call);
  request_refresh();
}

void Router::push(Call& call, CommandLink& link) {
  // Gaps that a frozen server leaves in the pipeline count, too.
  if (!call.pinned && link.size() >= transport_->options.in_flight_max) {
    return finish(call, Error(Code::unavailable, "overload",
                              link.address().str() + " owes as many replies as allowed"));
  }
  call.link = &link;
  call.at = Call::At::link;
  link.push(call);
}

void Router::repeat_later(Call& call, ServerAnswer cause) {
  const ConnectionOptions& options = transport_->options;
  if (cause != ServerAnswer::other) call.cause = cause;
  ++transport_->stats.retries;
  const auto wait =
      full_jitter(options.backoff_min, options.backoff_max, call.attempts++, transport_->random);
  call.at = Call::At::backoff;
  call.repeat = repeats_.emplace(steady_clock::now() + wait, &call);
  if (call.repeat == repeats_.begin()) watch_repeats();
}

void Router::take_out(Call& call) {
  switch (std::exchange(call.at, Call::At::nowhere)) {
    case Call::At::nowhere: break;
    case Call::At::unrouted: unrouted_.erase(unrouted_.iterator_to(call)); break;
    case Call::At::link: call.link->drop(call); break;
    case Call::At::backoff: repeats_.erase(call.repeat); break;
  }
}

void Router::finish(Call& call, Result<Reply> result) {
  take_out(call);
  deadlines_.erase(call);
  const CallPtr owned(&call);
  // Runs inside the slot's own handler when the call is cancelled: that handler touches nothing afterwards.
  auto cancellation = asio::get_associated_cancellation_slot(call.handler);
  if (cancellation.is_connected()) cancellation.clear();
  completions_.emplace_back(std::move(call.handler), std::move(result), call.inline_handler);
}

void Router::cancel(Call& call) {
  finish(call, Error(Code::cancelled, "cancelled", "the caller gave up"));
  deliver_later();
}

void Router::finish_late(Call& call) {
  if (call.place != Request::Place::sent) return finish(call, not_run(call));
  CommandLink* link = call.link;
  ++transport_->stats.unknown;
  finish(call, Error(Code::unknown_outcome, "deadline", link->address().str() + " did not reply in time"));
  link->probe();
  request_refresh();
}

// Why a call that certainly did not run has come to nothing.
Error Router::not_run(const Call& call) const {
  if (call.at == Call::At::unrouted) {
    if (map_error_) return *map_error_;
    if (map_.empty()) return Error(Code::unavailable, "connect", "the cluster map could not be read in time");
    return Error(Code::unavailable, "clusterdown", "no node owns slot " + std::to_string(call.slot));
  }
  const bool refused = call.cause != ServerAnswer::other;
  if (call.at == Call::At::link && !call.link->connected() && !(refused && call.link->left_on_purpose())) {
    return call.link->last_error();
  }
  if (refused) {
    return Error(Code::unavailable, std::string(to_string(call.cause)),
                 "the server has refused the command until the deadline");
  }
  return Error(Code::unavailable, "deadline", "the command was not sent in time");
}

// What the links report.

void Router::on_reply(CommandLink& link, Request& request, Reply&& reply) {
  Call& call = static_cast<Call&>(request);
  call.at = Call::At::nowhere;
  const ServerAnswer answer = reply.is_error() ? classify(reply.text) : ServerAnswer::other;
  if (answer != ServerAnswer::other) return on_answer(link, call, answer, std::move(reply));
  link.on_useful();
  finish(call, std::move(reply));
}

void Router::on_answer(CommandLink& link, Call& call, ServerAnswer answer, Reply&& reply) {
  switch (answer) {
    case ServerAnswer::moved:
    case ServerAnswer::ask: return on_redirect(link, call, answer, std::move(reply));
    case ServerAnswer::noauth:
      return finish(call, Error(Code::unauthenticated, "auth", link.address().str() + ": " + reply.text));
    case ServerAnswer::readonly:
    case ServerAnswer::masterdown:
      if (!cluster_) link.reconnect();
      request_refresh();
      return repeat_later(call, answer);
    case ServerAnswer::clusterdown: request_refresh(); [[fallthrough]];
    case ServerAnswer::tryagain:
    case ServerAnswer::loading:
    case ServerAnswer::busy:
    case ServerAnswer::maxclients: return repeat_later(call, answer);
    case ServerAnswer::other: return finish(call, std::move(reply));
  }
}

void Router::on_redirect(CommandLink& link, Call& call, ServerAnswer answer, Reply&& reply) {
  link.on_useful();
  const auto& asked_host = link.address().host.empty() ? transport_->options.host : link.address().host;
  const auto redirect = parse_redirect(reply.text, asked_host);
  if (!cluster_ || call.pinned || !redirect) return finish(call, std::move(reply));
  ++transport_->stats.redirects;
  call.cause = answer;
  if (answer == ServerAnswer::moved) on_moved(redirect->slot, redirect->target);
  if (++call.redirects > kRedirectsAtOnce) return repeat_later(call, answer);
  call.asking = answer == ServerAnswer::ask;
  push(call, *link_to(redirect->target));
}

void Router::on_unreachable(CommandLink& link, const Error& error) {
  const bool refused = error.code == Code::unauthenticated;
  const auto leaving = link.take_queued([&](const Request& request) {
    const Call& call = static_cast<const Call&>(request);
    return refused || call.fail_fast || call.asking;
  });
  for (Request* request : leaving) {
    Call& call = static_cast<Call&>(*request);
    call.at = Call::At::nowhere;
    if (refused || call.fail_fast) finish(call, error);
    else repeat_later(call, ServerAnswer::other);  // The slot's owner knows best whether ASK still holds.
  }
  request_refresh();
  deliver();
}

void Router::on_lost(CommandLink& link, std::vector<Request*> lost) {
  for (Request* request : lost) {
    Call& call = static_cast<Call&>(*request);
    call.at = Call::At::nowhere;
    ++transport_->stats.unknown;
    finish(call, Error(Code::unknown_outcome, "connection_lost", link.last_error().message));
  }
  request_refresh();
  deliver();
}

// Completions. Handlers run when all state is in order; they may send, cancel and close.

void Router::deliver() {
  const auto self = shared_from_this();
  std::vector<Completion> batch;
  batch.swap(completions_);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    try {
      batch[i].run(transport_->executor);
    } catch (...) {
      // Somebody's handler has thrown through us: the others must still end.
      const auto rest = std::make_move_iterator(batch.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      completions_.insert(completions_.begin(), rest, std::make_move_iterator(batch.end()));
      deliver_later();
      throw;
    }
  }
  batch.clear();
  if (completions_.empty()) completions_.swap(batch);  // Keeps its memory for the next time.
}

void Router::deliver_later() {
  if (completions_.empty() || delivery_posted_) return;
  delivery_posted_ = true;
  asio::post(transport_->executor, [self = shared_from_this()] {
    self->delivery_posted_ = false;
    self->deliver();
  });
}

// Timers.

void Router::watch_deadlines() {
  // Most calls end long before, so a timer set for one of them serves the next ones.
  if (deadlines_.empty() || deadline_timer_at_ <= deadlines_.top().at) return;
  deadline_timer_at_ = deadlines_.top().at;
  deadline_timer_.expires_at(deadline_timer_at_);
  deadline_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error && !self->closed_) self->expire();
  });
}

void Router::expire() {
  deadline_timer_at_ = core::SteadyTime::max();
  const auto now = steady_clock::now();
  while (!deadlines_.empty() && deadlines_.top().at <= now) finish_late(static_cast<Call&>(deadlines_.top()));
  watch_deadlines();
  deliver();
}

void Router::watch_repeats() {
  repeat_timer_.expires_at(repeats_.begin()->first);
  repeat_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error && !self->closed_) self->repeat_due();
  });
}

void Router::repeat_due() {
  const auto now = steady_clock::now();
  while (!repeats_.empty() && repeats_.begin()->first <= now) {
    Call& call = *repeats_.begin()->second;
    take_out(call);
    route(call);
  }
  if (!repeats_.empty()) watch_repeats();
  deliver();
}

// The end.

void Router::close() {
  if (closed_) return;
  shutdown_service_->remove(*this);
  subscriptions_->announce_close();
  stop();
  deliver_later();
}

void Router::abandon() {
  const auto self = weak_from_this().lock();
  if (!self || closed_) return;
  stop();
  // Handlers die here without running, and whatever they own with them.
  const auto handlers = std::exchange(completions_, {});
}

void Router::stop() {
  closed_ = true;
  deadline_timer_.cancel();
  repeat_timer_.cancel();
  refresh_timer_.cancel();
  while (!deadlines_.empty()) finish(static_cast<Call&>(deadlines_.top()), closed_error());
  subscriptions_->close();
  for (const auto& [address, link] : links_) link->close();
}

}  // namespace ff::script
