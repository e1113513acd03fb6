// Client: read_frames and tail. A tail is a subscription to the execution's frames channel and one read for each time
// that it was told of something or may have missed it.
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/sdk/client.hpp"
#include "frame_codec.hpp"

namespace ff::sdk {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kFramesPage = 256, kBestEffortMax = 256;

// Sets a flag again unless done: a call that was cancelled, or threw, is still to be made.
class Pending {
 public:
  explicit Pending(bool& flag) : flag_(flag) { flag_ = false; }
  ~Pending() { flag_ = flag_ || !done_; }
  void done() { done_ = true; }

 private:
  bool& flag_;
  bool done_ = false;
};

Awaitable<FramePage> read_page(Caller caller, core::ExecutionId id, FramePlace behind, std::size_t limit,
                               core::Deadline deadline) {
  script::ReadFrames::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  args.generation = behind.generation;
  args.number = behind.number;
  args.limit = static_cast<std::int64_t>(limit);
  FF_CO_TRY(reply, co_await call_verb<script::ReadFrames>(caller, id.partition(), std::move(args), deadline));
  co_return page_of_reply(std::move(reply));
}

Awaitable<FramePage> read_checked(Caller caller, core::ExecutionId id, FramePlace behind, std::size_t limit) {
  if (limit < 1 || limit > core::limits::kFramesPage) {
    co_return refused_argument("bad_limit", "limit is " + std::to_string(limit) + ", allowed are 1 to 1000");
  }
  if (behind.generation < 0 || behind.number < 0) {
    co_return refused_argument("bad_cursor", "a place has no negative numbers, " + behind.str() + " has");
  }
  if (!caller.knows(id)) co_return not_found(id);
  co_return co_await read_page(caller, id, behind, limit, caller.deadline());
}

}  // namespace

// Shared with the subscription's callbacks; everything runs on the connection's executor.
struct Tail::State : std::enable_shared_from_this<Tail::State> {
  State(Caller c, core::ExecutionId i, FramePlace behind)
      : caller(std::move(c)), id(std::move(i)), place(behind), signal(caller.executor()) {}

  void subscribe();
  void on_message(std::string_view message);
  Awaitable<void> mark(core::Deadline deadline);
  Awaitable<void> read(core::Deadline deadline);
  void take_end(core::State state);

  Caller caller;
  core::ExecutionId id;
  FramePlace place;
  asio::steady_timer signal;          // Cancelled when something was told.
  std::unique_ptr<script::Connection::Subscription> subscription;
  bool unmarked = false;              // Nobody may have told us: ask to be told, then read.
  bool unread = false;                // Something was told.
  std::optional<core::State> ended;   // Told on the channel.
  bool over = false;                  // The closing marker was given.
  TailNews news;                      // To be given next, but for best-effort frames.
  std::deque<Frame> best_effort;
};

void Tail::State::subscribe() {
  std::weak_ptr<State> weak = shared_from_this();
  const core::Keyspace& keys = caller.deployment->keys();
  subscription = caller.deployment->connection()->subscribe(
      keys.slot(id.partition()), keys.frames_channel(id.partition(), id.ulid()),
      [weak](std::string_view, std::string_view message) {
        if (auto self = weak.lock()) self->on_message(message);
      },
      [weak](std::string_view) {
        auto self = weak.lock();
        if (!self) return;
        self->unmarked = true;
        self->signal.cancel();
      });
}

void Tail::State::on_message(std::string_view message) {
  auto parsed = parse_frames_message(message);
  if (auto* frame = std::get_if<Frame>(&parsed)) {
    if (best_effort.size() == kBestEffortMax) {
      best_effort.pop_front();
      ++news.dropped;
    }
    best_effort.push_back(std::move(*frame));
  } else if (auto* told = std::get_if<ProgressTold>(&parsed)) {
    news.progress.emplace(told->percent, std::move(told->text));
  } else {
    if (auto* end = std::get_if<StreamEnded>(&parsed)) ended = end->state;
    unread = true;
  }
  signal.cancel();
}

Awaitable<void> Tail::State::mark(core::Deadline deadline) {
  Pending pending(unmarked);
  script::TailFrames::Args args;
  args.ns = caller.ns;
  args.id = id.ulid().str();
  auto marked = co_await call_verb<script::TailFrames>(caller, id.partition(), std::move(args), deadline);
  const bool gone = !marked && ended && marked.error().code == core::Code::not_found;  // read() says how it ended.
  if (!marked && !gone) co_return std::move(marked).error();
  pending.done();
  unread = true;
  co_return core::Result<void>();
}

// What is gone with its end, a lean execution, has a closing marker all the same.
void Tail::State::take_end(core::State state) {
  Frame& frame = news.frames.emplace_back();
  frame.mode = FrameMode::end;
  frame.place = FramePlace(place.generation, place.number + 1);
  frame.type = core::to_string(state);
  news.ended = true;
}

Awaitable<void> Tail::State::read(core::Deadline deadline) {
  Pending pending(unread);
  auto page = co_await read_page(caller, id, place, kFramesPage, deadline);
  if (!page) {
    if (ended && page.error().code == core::Code::not_found) {
      take_end(*ended);
      pending.done();
      co_return core::Result<void>();
    }
    co_return std::move(page).error();
  }
  pending.done();
  unread = unread || page->more;
  news.lost = page->lost;
  place = page->next;
  news.frames = std::move(page->frames);
  // A marker of a generation that was replayed since is not the end; one that was read before is.
  news.ended = core::is_terminal(page->state) && !page->more &&
               (news.frames.empty() || news.frames.back().mode == FrameMode::end);
  co_return core::Result<void>();
}

namespace {

TailNews take_news(Tail::State& state) {
  std::move(state.best_effort.begin(), state.best_effort.end(), std::back_inserter(state.news.frames));
  state.best_effort.clear();
  state.over = state.news.ended;
  return std::exchange(state.news, TailNews());
}

Awaitable<TailNews> next_news(std::shared_ptr<Tail::State> state, core::Deadline deadline) {
  if (!state->caller.knows(state->id)) co_return not_found(state->id);
  if (!state->subscription && !state->over) state->subscribe();
  while (!state->over) {
    const core::Deadline call(std::min(deadline.at, state->caller.deadline().at));
    core::Result<void> done;
    if (state->unmarked) done = co_await state->mark(call);
    if (done && state->unread && !state->unmarked) done = co_await state->read(call);
    if (!done) co_return std::move(done).error();
    if (!state->news.empty() || !state->best_effort.empty()) co_return take_news(*state);
    if (state->unread || state->unmarked) continue;
    state->signal.expires_at(deadline.at);
    const auto [error] = co_await state->signal.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return core::Error(core::Code::cancelled, "cancelled", "the caller gave up following " + state->id.str());
    }
    const bool told = state->unread || state->unmarked || !state->news.empty() || !state->best_effort.empty();
    if (!error && !told) break;
  }
  TailNews nothing;
  nothing.ended = state->over;
  co_return nothing;
}

}  // namespace

Tail::Tail(std::shared_ptr<State> state) : state_(std::move(state)) {}
FramePlace Tail::place() const noexcept { return state_->place; }
Awaitable<TailNews> Tail::next(core::Deadline deadline) { return next_news(state_, deadline); }

Awaitable<FramePage> Client::read_frames(core::ExecutionId id, FramePlace behind, std::size_t limit) {
  return read_checked(Caller(deployment_, ns_, call_timeout_), std::move(id), behind, limit);
}

Tail Client::tail(core::ExecutionId id, FramePlace behind) {
  return Tail(std::make_shared<Tail::State>(Caller(deployment_, ns_, call_timeout_), std::move(id), behind));
}

}  // namespace ff::sdk
