#include "link.hpp"

namespace ff::script {

using std::chrono::steady_clock;

Link::Link(std::shared_ptr<Transport> transport, Address address)
    : transport_(std::move(transport)),
      address_(std::move(address)),
      timer_(transport_->executor),
      backoff_(transport_->options.backoff_min, transport_->options.backoff_max),
      last_error_(core::Code::unavailable, "connect", address_.str() + ": not connected yet") {}

void Link::wake() {
  if (closed_ || session_ || dial_ || waiting_ || !has_work()) return;
  if (steady_clock::now() >= not_before_) return dial();
  waiting_ = true;
  timer_.expires_at(not_before_);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    self->waiting_ = false;
    if (!error) self->wake();
  });
}

void Link::dial() {
  dial_ = std::make_shared<Dial>(transport_, address_);
  dial_->start([self = shared_from_this(), dial = std::weak_ptr<Dial>(dial_)](Dial::Outcome outcome) {
    self->on_dialed(dial.lock(), std::move(outcome));
  });
}

void Link::on_dialed(const std::shared_ptr<Dial>& dial, Dial::Outcome outcome) {
  if (closed_ || dial != dial_) return;
  dial_.reset();
  if (!outcome) {
    last_error_ = std::move(outcome).error();
    wait_before_next();
    on_unreachable(last_error_);
    wake();
    return;
  }
  if (opened_before_) ++transport_->stats.reconnects;
  opened_before_ = true;
  session_ = std::make_shared<Session>(transport_, std::move(outcome).value(), shared_from_this());
  session_->start();
  on_open();
  if (session_) session_->kick();
}

void Link::on_closed(const std::string& why) {
  session_.reset();
  last_error_ = core::Error(core::Code::unavailable, "connect", address_.str() + ": " + why);
  wait_before_next();
  on_lost();
  wake();
}

void Link::wait_before_next() { not_before_ = steady_clock::now() + backoff_.next(transport_->random); }

void Link::close() {
  closed_ = true;
  timer_.cancel();
  if (auto dial = std::exchange(dial_, nullptr)) dial->cancel();
  if (auto session = std::exchange(session_, nullptr)) session->close();
}

}  // namespace ff::script
