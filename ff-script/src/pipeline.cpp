#include "pipeline.hpp"

#include <cassert>

namespace ff::script {

Pipeline::~Pipeline() {
  for (Request& request : queued_) request.place = Request::Place::none;
  queued_.clear();
}

void Pipeline::push(Request& request) {
  assert(request.place == Request::Place::none);
  request.place = Request::Place::queued;
  queued_.push_back(request);
}

void Pipeline::push_ping() {
  if (ping_) return;
  ping_ = std::make_unique<Request>(Command("PING"));
  push(*ping_);
}

std::size_t Pipeline::fill(std::string& out, std::size_t bytes_max) {
  static const std::string asking = Command("ASKING").encode();
  std::size_t commands = 0;
  while (!queued_.empty() && out.size() < bytes_max) {
    Request& request = queued_.front();
    queued_.pop_front();
    const std::size_t before = out.size();
    if (request.asking) {
      out.append(asking);
      sent_.push_back(Sent{nullptr, bytes_filled_ + asking.size()});
    }
    request.command.append_to(out);
    bytes_filled_ += out.size() - before;
    request.place = Request::Place::sent;
    request.position = front_position_ + sent_.size();
    sent_.push_back(Sent{&request, bytes_filled_});
    if (&request != ping_.get()) ++commands;
  }
  return commands;
}

Pipeline::Match Pipeline::match() {
  Match match;
  if (sent_.empty()) return match;
  Request* request = sent_.front().request;
  sent_.pop_front();
  ++front_position_;
  match.kind = Match::Kind::ignored;
  if (request == nullptr) return match;
  request->place = Request::Place::none;
  if (request == ping_.get()) {
    ping_.reset();
    return match;
  }
  match.kind = Match::Kind::request;
  match.request = request;
  return match;
}

void Pipeline::drop(Request& request) {
  if (request.place == Request::Place::queued) {
    queued_.erase(queued_.iterator_to(request));
  } else if (request.place == Request::Place::sent) {
    Sent& sent = sent_[request.position - front_position_];
    assert(sent.request == &request);
    sent.request = nullptr;
  }
  request.place = Request::Place::none;
}

std::vector<Request*> Pipeline::disconnect() {
  if (ping_) {
    drop(*ping_);
    ping_.reset();
  }
  std::vector<Request*> lost;
  auto first_unwritten = sent_.begin();
  for (; first_unwritten != sent_.end() && first_unwritten->bytes_end <= bytes_written_; ++first_unwritten) {
    if (first_unwritten->request == nullptr) continue;
    first_unwritten->request->place = Request::Place::none;
    lost.push_back(first_unwritten->request);
  }
  for (auto it = sent_.end(); it != first_unwritten;) {
    --it;
    if (it->request == nullptr) continue;
    it->request->place = Request::Place::queued;
    queued_.push_front(*it->request);
  }
  front_position_ += sent_.size();
  sent_.clear();
  bytes_filled_ = bytes_written_ = 0;
  return lost;
}

}  // namespace ff::script
