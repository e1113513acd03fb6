#pragma once
// Call: one command on its way through the router, from the caller's await to its one completion.

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <map>
#include <memory>
#include <utility>

#include "command_link.hpp"
#include "deadline_heap.hpp"
#include "server_answer.hpp"

namespace ff::script {

struct Call;
using Repeats = std::multimap<core::SteadyTime, Call*>;

struct Call : Request, Timed {
  using Handler = boost::asio::any_completion_handler<void(core::Result<Reply>)>;
  enum class At : std::uint8_t {
    nowhere,
    unrouted,  // No node is known for the slot.
    link,      // In the pipeline of `link`.
    backoff,   // Certainly not run; waits for `repeat`.
  };

  Call(Slot s, Command c, core::Deadline deadline) : Request(std::move(c)), Timed(deadline.at), slot(s) {}

  Handler handler;
  bool inline_handler = false;  // The handler's executor is ours: it may run where the reply is read.
  bool wants_map = false;       // Not a command: ends with nil as soon as the cluster map is known.
  bool fail_fast = false;       // Ends when its node cannot be reached, not only at the deadline.
  At at = At::nowhere;
  ServerAnswer cause = ServerAnswer::other;  // The last answer that said "not run".
  unsigned redirects = 0;
  unsigned attempts = 0;  // Waits so far.
  Slot slot;
  std::shared_ptr<CommandLink> pinned;  // Not to be routed: this node or none.
  CommandLink* link = nullptr;
  Repeats::iterator repeat;
};

// A call's end, apart from the call: handlers run other people's code, which must find everything in order.
struct Completion {
  Call::Handler handler;
  core::Result<Reply> result;
  bool inline_handler;

  Completion(Call::Handler h, core::Result<Reply> r, bool i)
      : handler(std::move(h)), result(std::move(r)), inline_handler(i) {}

  void run(const boost::asio::any_io_executor& fallback) {
    if (inline_handler) return std::move(handler)(std::move(result));
    auto executor = boost::asio::get_associated_executor(handler, fallback);
    boost::asio::dispatch(executor, [h = std::move(handler), r = std::move(result)]() mutable {
      std::move(h)(std::move(r));
    });
  }
};

}  // namespace ff::script
