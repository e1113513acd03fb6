#pragma once
// Link: the way to one node over many sockets, one at a time. It dials when there is work, backs off after
// failures, and tells its kind (commands or pub/sub) what happened.

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "address.hpp"
#include "backoff.hpp"
#include "dial.hpp"
#include "session.hpp"

namespace ff::script {

class Link : public SessionEvents, public std::enable_shared_from_this<Link> {
 public:
  Link(std::shared_ptr<Transport> transport, Address address);

  // There may be work: dials unless that is under way or must wait.
  void wake();
  // No event follows. Idempotent.
  virtual void close();

  const Address& address() const noexcept { return address_; }
  bool connected() const noexcept { return session_ != nullptr; }
  bool closed() const noexcept { return closed_; }
  virtual bool has_work() const = 0;
  // Why there is no socket; of the last failed dial or lost socket.
  const core::Error& last_error() const noexcept { return last_error_; }

 protected:
  virtual void on_open() = 0;
  virtual void on_unreachable(const core::Error& error) = 0;
  virtual void on_lost() = 0;

  // The node does its work again: the next failure is the first one.
  void on_useful() noexcept { backoff_.reset(); }
  Session* session() const noexcept { return session_.get(); }
  Transport& transport() const noexcept { return *transport_; }

 private:
  void dial();
  void on_dialed(const std::shared_ptr<Dial>& dial, Dial::Outcome outcome);
  void on_closed(const std::string& why) final;
  void wait_before_next();

  const std::shared_ptr<Transport> transport_;
  const Address address_;
  std::shared_ptr<Session> session_;
  std::shared_ptr<Dial> dial_;
  boost::asio::steady_timer timer_;
  Backoff backoff_;
  core::SteadyTime not_before_{};
  core::Error last_error_;
  bool waiting_ = false;
  bool opened_before_ = false;
  bool closed_ = false;
};

}  // namespace ff::script
