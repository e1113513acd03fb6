#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <deque>
#include <set>

#include "ff/engine/events.hpp"

namespace ff::engine {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::int64_t kEntries = 256;           // Of one read.
constexpr core::Millis kReadAgainIn{200};
constexpr std::size_t kNewsEvents = 1024;        // About as many as one next() gives.

// A broken invariant; nothing of ours throws.
void rethrow(std::exception_ptr thrown) {
  if (thrown) std::rethrow_exception(thrown);
}

struct Batch {
  std::vector<Event> events;  // A gap first, if there is one.
  EntryId cursor;
  bool more = false;
  Batch() = default;
};

core::Result<Batch> batch_of(core::Partition partition, script::ReadEvents::Ok reply) {
  const auto corrupt = [](const std::string& what) {
    return core::Error(core::Code::corrupt, "bad_reply", what + " in a reply of read_events");
  };
  Batch batch;
  const auto cursor = EntryId::parse(reply.cursor);
  if (!cursor) return corrupt("the cursor " + reply.cursor);
  batch.cursor = *cursor;
  batch.more = reply.more;
  if (reply.lost) batch.events.emplace_back().partition = partition;
  for (auto& row : reply.rows) {
    const auto entry = EntryId::parse(row.entry);
    const auto state = core::parse_state(row.state);
    if (!entry || !state) return corrupt("the entry " + row.entry + " " + row.state);
    if (!batch.events.empty()) batch.events.back().last = batch.events.back().entry != *entry;
    Event& event = batch.events.emplace_back();
    event.partition = partition;
    event.entry = *entry;
    event.state = *state;
    event.ulid = std::move(row.id);
    event.queue = std::move(row.queue);
  }
  return batch;
}

}  // namespace

class EventFeed::Impl : public std::enable_shared_from_this<EventFeed::Impl> {
 public:
  Impl(std::shared_ptr<script::Deployment> deployment, EventFeedOptions options)
      : deployment_(std::move(deployment)), options_(std::move(options)),
        executor_(deployment_->connection()->executor()), partitions_(deployment_->keys().partitions()),
        places_(partitions_.size()), alarm_(executor_) {}

  void join(asio::steady_timer* wake) {
    wakes_.insert(wake);
    stats_.readers = wakes_.size();
    if (wakes_.size() == 1) begin();
  }
  void leave(asio::steady_timer* wake) {
    wakes_.erase(wake);
    stats_.readers = wakes_.size();
    if (wakes_.empty()) end();
  }
  void close() {
    wakes_.clear();
    end();
  }

  asio::any_io_executor executor() const { return executor_; }
  std::size_t partitions() const noexcept { return partitions_.size(); }
  // Whether the fan-in knows where each partition stands.
  bool ready() const noexcept { return missing_ == 0; }
  const EventCursor& places() const noexcept { return places_; }
  std::uint64_t head() const noexcept { return first_ + ring_.size(); }
  // nullptr: no longer kept.
  const Event* event(std::uint64_t number) const {
    return number < first_ ? nullptr : &ring_[static_cast<std::size_t>(number - first_)];
  }

  static asio::awaitable<core::Result<Batch>> read(std::shared_ptr<Impl> self, core::Partition partition,
                                                   std::string cursor, bool listen) {
    script::ReadEvents::Args args;
    args.cursor = std::move(cursor);
    args.limit = kEntries;
    args.listen_ms = listen ? 3 * self->options_.look_every.count() : 0;
    ++self->stats_.reads;
    auto reply = co_await self->deployment_->call<script::ReadEvents>(
        partition, std::move(args), core::Deadline::in(self->options_.call_timeout));
    if (!reply) co_return std::move(reply).error();
    co_return batch_of(partition, std::move(*reply));
  }

  EventFeedStats stats_;

 private:
  struct Fan {
    std::unique_ptr<script::Connection::Subscription> subscription;
    bool known = false, reading = false, again = false;
    core::SteadyTime read_at{};
  };

  void begin() {
    ++era_;
    first_ = head();
    ring_.clear();
    missing_ = partitions_.size();
    std::weak_ptr<Impl> weak = shared_from_this();
    for (std::size_t p = 0; p < partitions_.size(); ++p) {
      partitions_[p] = Fan();
      const auto partition = static_cast<core::Partition>(p);
      const auto look = [weak, partition, era = era_] {
        auto self = weak.lock();
        if (self && self->era_ == era) self->look(partition);
      };
      partitions_[p].subscription = deployment_->connection()->subscribe(
          deployment_->keys().slot(partition), deployment_->keys().events_channel(partition),
          [look](std::string_view, std::string_view) { look(); }, [look](std::string_view) { look(); });
    }
    asio::co_spawn(executor_, keep_looking(shared_from_this(), era_), rethrow);
  }
  void end() {
    ++era_;
    for (Fan& fan : partitions_) fan.subscription.reset();
    alarm_.cancel();
  }

  void look(core::Partition partition) {
    Fan& fan = partitions_[partition];
    fan.again = true;
    if (fan.reading) return;
    fan.reading = true;
    asio::co_spawn(executor_, fan_in(shared_from_this(), partition, era_), rethrow);
  }

  // A message may be lost with its connection, and what the library remembers with its node: so silence is not trusted.
  static asio::awaitable<void> keep_looking(std::shared_ptr<Impl> self, std::uint64_t era) {
    while (self->era_ == era) {
      const auto old = steady_clock::now() - self->options_.look_every;
      for (std::size_t p = 0; p < self->partitions_.size(); ++p) {
        if (self->partitions_[p].read_at <= old) self->look(static_cast<core::Partition>(p));
      }
      self->alarm_.expires_after(self->options_.look_every / 4);
      boost::system::error_code ignored;
      co_await self->alarm_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  static asio::awaitable<void> fan_in(std::shared_ptr<Impl> self, core::Partition partition, std::uint64_t era) {
    while (self->era_ == era && self->partitions_[partition].again) {
      Fan& fan = self->partitions_[partition];
      fan.again = false;
      std::string cursor = fan.known ? self->places_.at(partition).str() : std::string("$");
      auto batch = co_await read(self, partition, std::move(cursor), true);
      if (self->era_ != era) co_return;
      if (batch) {
        fan.read_at = steady_clock::now();
        fan.again = fan.again || batch->more;
        self->take(partition, std::move(*batch));
        continue;
      }
      if (self->options_.logger) {
        self->options_.logger->warn("events not read; tried again", {{"error", batch.error().to_string()}});
      }
      fan.again = true;
      asio::steady_timer pause(self->executor_, kReadAgainIn);
      boost::system::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (self->era_ == era) self->partitions_[partition].reading = false;
  }

  void take(core::Partition partition, Batch batch) {
    Fan& fan = partitions_[partition];
    const bool first_known = !std::exchange(fan.known, true);
    if (first_known) --missing_;
    places_.at(partition) = batch.cursor;
    stats_.events += batch.events.size();
    for (Event& event : batch.events) ring_.push_back(std::move(event));
    while (ring_.size() > options_.kept) {
      ring_.pop_front();
      ++first_;
    }
    if (batch.events.empty() && !(first_known && ready())) return;
    for (asio::steady_timer* wake : wakes_) wake->cancel();
  }

  std::shared_ptr<script::Deployment> deployment_;
  EventFeedOptions options_;
  asio::any_io_executor executor_;
  std::vector<Fan> partitions_;
  EventCursor places_;             // Up to where the fan-in has read.
  asio::steady_timer alarm_;
  std::set<asio::steady_timer*> wakes_;  // One of each reader.
  std::deque<Event> ring_;
  std::uint64_t first_ = 0;        // Number of the oldest event in it.
  std::uint64_t era_ = 0;          // Counts begin() and end(): what an earlier one started stops.
  std::size_t missing_ = 0;        // Partitions whose place is not known yet.
};

struct EventFeed::Reader::State {
  State(std::shared_ptr<Impl> f, EventFilter fl, std::optional<EventCursor> from)
      : feed(std::move(f)), filter(std::move(fl)), wake(feed->executor()), resumed(from.has_value()),
        cursor(from ? std::move(*from) : EventCursor(feed->partitions())) {
    feed->join(&wake);
  }
  ~State() { feed->leave(&wake); }

  void give(Event event, News& news) {
    if (event.state && event.last) cursor.at(event.partition) = event.entry;
    if (filter.takes(event)) news.events.push_back(std::move(event));
  }
  // The next partition that lies behind the fan-in; none: from here on the kept events go on where the reader is.
  std::optional<core::Partition> behind() const {
    for (std::size_t p = 0; p < cursor.partitions(); ++p) {
      const auto partition = static_cast<core::Partition>(p);
      if (cursor.at(partition) < feed->places().at(partition)) return partition;
    }
    return std::nullopt;
  }
  void take_kept(News& news);

  std::shared_ptr<Impl> feed;
  EventFilter filter;
  asio::steady_timer wake;
  bool resumed;            // It is known where it reads on from.
  bool live = false;       // It goes on with what is kept.
  std::uint64_t next = 0;  // Number of the kept event to go on with, when live.
  EventCursor cursor;
};

void EventFeed::Reader::State::take_kept(News& news) {
  while (next < feed->head() && news.events.size() < kNewsEvents) {
    const Event* event = feed->event(next);
    if (event == nullptr) {
      live = false;  // It was too slow, and reads for itself.
      return;
    }
    ++next;
    // A reader that caught up may have read this before the fan-in did.
    if (event->state && event->entry <= cursor.at(event->partition)) continue;
    give(*event, news);
  }
}

namespace {

// Until the timer is cancelled, or the deadline; false: the caller gave up.
asio::awaitable<bool> sleep(asio::steady_timer& timer, core::Deadline deadline) {
  timer.expires_at(deadline.at);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  co_return cancellation.cancelled() == asio::cancellation_type::none;
}

}  // namespace

asio::awaitable<core::Result<EventFeed::News>> EventFeed::Reader::next_of(State& state, core::Deadline deadline) {
  const bool known = co_await ready_of(state, deadline);
  News news(state.cursor);
  while (known && news.events.empty()) {
    if (state.live) state.take_kept(news);
    if (!news.events.empty()) break;
    if (!state.live) {
      const auto partition = state.behind();
      if (partition) {
        auto batch = co_await Impl::read(state.feed, *partition, state.cursor.at(*partition).str(), false);
        if (!batch) co_return std::move(batch).error();
        const bool found = !batch->events.empty() && batch->events.back().state;
        EntryId& place = state.cursor.at(*partition);
        for (Event& event : batch->events) state.give(std::move(event), news);
        place = std::max(batch->cursor, place);
        if (!found) place = std::max(state.feed->places().at(*partition), place);
        continue;
      }
      state.live = true;
      state.next = state.feed->head();
      continue;
    }
    if (steady_clock::now() >= deadline.at) break;
    const bool woken = co_await sleep(state.wake, deadline);
    if (!woken) co_return core::Error(core::Code::cancelled, "cancelled", "the caller gave up following events");
  }
  co_return news;
}

asio::awaitable<bool> EventFeed::Reader::ready_of(State& state, core::Deadline deadline) {
  while (!state.feed->ready()) {
    if (steady_clock::now() >= deadline.at) co_return false;
    const bool woken = co_await sleep(state.wake, deadline);
    if (!woken) co_return false;
  }
  if (!state.resumed) {
    state.cursor = state.feed->places();
    state.next = state.feed->head();
    state.resumed = state.live = true;
  }
  co_return true;
}

EventFeed::Reader::Reader(std::unique_ptr<State> state) : state_(std::move(state)) {}
EventFeed::Reader::~Reader() = default;
EventFeed::Reader::Reader(Reader&&) noexcept = default;
const EventCursor& EventFeed::Reader::cursor() const noexcept { return state_->cursor; }
asio::awaitable<core::Result<EventFeed::News>> EventFeed::Reader::next(core::Deadline deadline) {
  return next_of(*state_, deadline);
}
asio::awaitable<bool> EventFeed::Reader::ready(core::Deadline deadline) { return ready_of(*state_, deadline); }

EventFeed::EventFeed(std::shared_ptr<script::Deployment> deployment, EventFeedOptions options)
    : impl_(std::make_shared<Impl>(std::move(deployment), std::move(options))) {}
EventFeed::~EventFeed() { impl_->close(); }

EventFeed::Reader EventFeed::reader(EventFilter filter, std::optional<EventCursor> from) {
  return Reader(std::make_unique<Reader::State>(impl_, std::move(filter), std::move(from)));
}

EventFeedStats EventFeed::stats() const noexcept { return impl_->stats_; }

}  // namespace ff::engine
