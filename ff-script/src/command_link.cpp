#include "command_link.hpp"

#include <utility>

namespace ff::script {

namespace {

constexpr std::size_t kWriteBytes = 256 * 1024;  // What waits behind one write can still be withdrawn.

}  // namespace

CommandLink::CommandLink(std::shared_ptr<Transport> transport, Address address, CommandLinkOwner& owner)
    : Link(std::move(transport), std::move(address)), owner_(owner) {}

void CommandLink::push(Request& request) {
  pipeline_.push(request);
  if (session() != nullptr) session()->kick();
  else wake();
}

void CommandLink::probe() {
  if (session() != nullptr) session()->probe();
}

void CommandLink::reconnect() {
  if (session() != nullptr) reconnecting_ = true;
}

void CommandLink::close() {
  Link::close();
  // Whoever owns the requests has ended them; gaps are all that can be left.
  pipeline_.disconnect();
}

void CommandLink::on_unreachable(const core::Error& error) {
  // The owner may drop this link while it decides.
  const auto self = shared_from_this();
  left_on_purpose_ = false;
  owner_.on_unreachable(*this, error);
}

void CommandLink::on_lost() {
  const auto self = shared_from_this();
  left_on_purpose_ = std::exchange(reconnecting_, false);
  owner_.on_lost(*this, pipeline_.disconnect());
}

void CommandLink::fill(std::string& out) {
  if (reconnecting_) return;
  transport().stats.commands += pipeline_.fill(out, kWriteBytes);
}

bool CommandLink::on_reply(Reply&& reply) {
  const Pipeline::Match match = pipeline_.match();
  if (match.kind == Pipeline::Match::Kind::unexpected) return false;
  if (match.kind == Pipeline::Match::Kind::request) owner_.on_reply(*this, *match.request, std::move(reply));
  return true;
}

void CommandLink::on_batch() {
  finish_reconnect();
  owner_.on_batch();
}

void CommandLink::finish_reconnect() {
  if (reconnecting_ && pipeline_.sent() == 0 && session() != nullptr) session()->fail("reconnecting");
}

}  // namespace ff::script
