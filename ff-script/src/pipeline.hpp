#pragma once
// Pipeline: what one node still owes us. Requests wait in a queue, leave in order and are matched to replies
// by position. It outlives sockets: what had not left entirely when a socket broke is first in line on the
// next one.

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "ff/script/connection.hpp"

namespace ff::script {

// One command under way. Belongs to whoever made it; must not move or die while it is in a pipeline.
struct Request : boost::intrusive::list_base_hook<> {
  enum class Place : std::uint8_t {
    none,
    queued,  // Not sent: withdrawing it leaves no trace.
    sent,    // Given to a socket, perhaps in part: it may run.
  };
  Command command;
  bool asking = false;  // ASKING goes right before it.
  Place place = Place::none;
  std::uint64_t position = 0;  // While sent: counted from the pipeline's first request.
  explicit Request(Command c) : command(std::move(c)) {}
};

class Pipeline {
 public:
  struct Match {
    enum class Kind : std::uint8_t { unexpected, ignored, request };
    Kind kind = Kind::unexpected;
    Request* request = nullptr;
  };

  Pipeline() = default;
  ~Pipeline();

  void push(Request& request);
  // A PING whose reply is ignored. No second one while the first is under way.
  void push_ping();

  // Moves requests from the queue to the socket: appends them to `out` until it holds `bytes_max` or more.
  // Returns how many commands of callers these are.
  std::size_t fill(std::string& out, std::size_t bytes_max);
  // So many of the bytes from fill() have been taken by the socket.
  void wrote(std::size_t bytes) noexcept { bytes_written_ += bytes; }

  // Whose reply the next one is; that request has left the pipeline.
  Match match();
  // Takes a request out. One that was sent leaves a gap, at which the reply will be ignored.
  void drop(Request& request);
  // Takes out every queued request for which `leaves` says so, in order.
  template <class Leaves>
  std::vector<Request*> take_queued(Leaves&& leaves) {
    std::vector<Request*> taken;
    for (auto it = queued_.begin(); it != queued_.end();) {
      Request& request = *it;
      if (&request == ping_.get() || !leaves(request)) {
        ++it;
        continue;
      }
      it = queued_.erase(it);
      request.place = Request::Place::none;
      taken.push_back(&request);
    }
    return taken;
  }

  // The socket is gone. Requests that had left it entirely are returned: they may have run. All others are
  // queued again, in their order.
  std::vector<Request*> disconnect();

  std::size_t queued() const noexcept { return queued_.size(); }
  // Replies that are still owed, gaps and pings included.
  std::size_t sent() const noexcept { return sent_.size(); }
  std::size_t size() const noexcept { return queued() + sent(); }

 private:
  struct Sent {
    Request* request;         // Null: the reply is ignored.
    std::uint64_t bytes_end;  // Bytes of this socket up to the end of this command.
  };

  boost::intrusive::list<Request> queued_;
  std::deque<Sent> sent_;
  std::uint64_t front_position_ = 0;  // Of sent_.front().
  std::uint64_t bytes_filled_ = 0, bytes_written_ = 0;
  std::unique_ptr<Request> ping_;
};

}  // namespace ff::script
