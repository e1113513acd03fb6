#include "pubsub_link.hpp"

#include <utility>

namespace ff::script {

using Kind = Reply::Kind;

PubSubLink::PubSubLink(std::shared_ptr<Transport> transport, Address address, PubSubLinkOwner& owner)
    : Link(std::move(transport), std::move(address)), owner_(owner) {}

void PubSubLink::add(const std::string& channel) {
  if (!channels_.insert(channel).second) return;
  if (connected()) ask(Ask::subscribe, channel);
  else wake();
}

void PubSubLink::remove(const std::string& channel) {
  if (channels_.erase(channel) > 0 && connected()) ask(Ask::unsubscribe, channel);
}

// One command per channel: all of them leave in one write anyway, and a refusal then names its channel by its
// position.
void PubSubLink::ask(Ask what, const std::string& channel) {
  Command command(what == Ask::subscribe ? "SSUBSCRIBE" : what == Ask::unsubscribe ? "SUNSUBSCRIBE" : "PING");
  if (what != Ask::ping) command.arg(channel);
  command.append_to(outbox_);
  expected_.push_back(Expected{what, channel});
  ++transport().stats.commands;
  session()->kick();
}

void PubSubLink::on_open() {
  expected_.clear();
  outbox_.clear();
  for (const std::string& channel : channels_) ask(Ask::subscribe, channel);
}

void PubSubLink::on_unreachable(const core::Error&) {
  const auto self = shared_from_this();
  owner_.on_deaf(*this);
}

void PubSubLink::on_lost() {
  const auto self = shared_from_this();
  owner_.on_deaf(*this);
}

void PubSubLink::fill(std::string& out) {
  out.append(outbox_);
  outbox_.clear();
}

void PubSubLink::on_probe() { ask(Ask::ping, std::string()); }

bool PubSubLink::on_reply(Reply&& reply) {
  if (reply.kind == Kind::error) return on_error(std::move(reply.text));
  if (reply.kind == Kind::array) return on_push(std::move(reply));
  return on_answer(Ask::ping, std::string());  // +PONG, as long as no channel is subscribed.
}

bool PubSubLink::on_error(std::string text) {
  if (expected_.empty()) return false;
  Expected expected = std::move(expected_.front());
  expected_.pop_front();
  if (expected.ask != Ask::subscribe || channels_.erase(expected.channel) == 0) return true;
  events_.push_back(Event{Event::Kind::refused, std::move(expected.channel), std::move(text)});
  return true;
}

bool PubSubLink::on_answer(Ask what, const std::string& channel) {
  if (expected_.empty()) return false;
  if (expected_.front().ask != what || expected_.front().channel != channel) return false;
  expected_.pop_front();
  return true;
}

bool PubSubLink::on_push(Reply&& reply) {
  auto& parts = reply.elements;
  if (parts.size() < 2 || parts[0].kind != Kind::bulk) return false;
  const std::string& kind = parts[0].text;
  std::string& channel = parts[1].text;
  if (kind == "smessage") {
    if (parts.size() != 3) return false;
    events_.push_back(Event{Event::Kind::message, std::move(channel), std::move(parts[2].text)});
    return true;
  }
  if (kind == "ssubscribe") {
    if (!on_answer(Ask::subscribe, channel)) return false;
    on_useful();
    events_.push_back(Event{Event::Kind::subscribed, std::move(channel), std::string()});
    return true;
  }
  if (kind == "sunsubscribe") {
    // The answer to ours, or the slot has left this node.
    if (!on_answer(Ask::unsubscribe, channel) && channels_.erase(channel) > 0) {
      events_.push_back(Event{Event::Kind::refused, std::move(channel), std::string()});
    }
    return true;
  }
  return kind == "pong" && on_answer(Ask::ping, std::string());
}

void PubSubLink::on_batch() {
  const auto self = shared_from_this();
  const auto events = std::exchange(events_, {});
  for (const Event& event : events) {
    if (closed()) return;  // By what ran for an earlier one.
    switch (event.kind) {
      case Event::Kind::subscribed: owner_.on_subscribed(*this, event.channel); break;
      case Event::Kind::message: owner_.on_message(event.channel, event.text); break;
      case Event::Kind::refused: owner_.on_refused(*this, event.channel, event.text); break;
    }
  }
}

}  // namespace ff::script
