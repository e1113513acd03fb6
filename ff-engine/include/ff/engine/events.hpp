#pragma once
// EventFeed: the events of all partitions for any number of readers. One fan-in reads each partition once, when it is
// told that there is something, and keeps the latest in memory; a reader that resumes from further back reads for
// itself until it has caught up. Without readers nothing is read and nothing is asked for.

#include <boost/asio/awaitable.hpp>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ff/core/ids.hpp"
#include "ff/core/log.hpp"
#include "ff/core/state.hpp"
#include "ff/core/time.hpp"
#include "ff/script/deployment.hpp"

namespace ff::engine {

// Where an event stands in its partition: the id of an entry of the Valkey stream.
struct EntryId {
  std::uint64_t ms = 0, sequence = 0;
  EntryId() = default;
  EntryId(std::uint64_t m, std::uint64_t s) : ms(m), sequence(s) {}
  std::string str() const;
  static std::optional<EntryId> parse(std::string_view text);
  friend auto operator<=>(const EntryId&, const EntryId&) = default;
};

// A place in the events of all partitions.
class EventCursor {
 public:
  explicit EventCursor(std::size_t partitions) : places_(partitions) {}
  EntryId& at(core::Partition partition) { return places_.at(partition); }
  const EntryId& at(core::Partition partition) const { return places_.at(partition); }
  std::size_t partitions() const noexcept { return places_.size(); }
  // Bytes, a few for each partition.
  std::string encode() const;
  // nullopt: not encoded by us, or for another number of partitions.
  static std::optional<EventCursor> decode(std::string_view bytes, std::size_t partitions);

 private:
  std::vector<EntryId> places_;
};

// An execution came into a state. Or, without one, a gap: events of this partition were trimmed before they were read.
struct Event {
  core::Partition partition = 0;
  EntryId entry;
  bool last = true;  // Of its entry, which holds the events of one call.
  std::optional<core::State> state;
  std::string ulid, queue;
  Event() = default;
};

struct EventFilter {
  std::string ns;                         // Always: nobody sees another tenant's.
  std::string lane;                       // Empty: all.
  std::optional<core::State> state;       // Unset: all.
  std::optional<core::ExecutionId> id;    // Unset: all.
  EventFilter() = default;
  bool takes(const Event& event) const;
};

struct EventFeedOptions {
  std::size_t kept = 16384;              // Latest events in memory; a reader further behind reads for itself.
  core::Millis look_every{5000};         // While somebody reads, a partition that told nothing is looked at this often.
  core::Millis call_timeout{5000};
  std::shared_ptr<core::Logger> logger;  // Unset: silent.
  EventFeedOptions() = default;
};

struct EventFeedStats {
  std::size_t readers = 0;
  std::uint64_t reads = 0;   // Calls of the fan-in, and of readers that caught up.
  std::uint64_t events = 0;  // That the fan-in has read.
};

// Thread safety: none; on the connection's executor. Lifetime: readers may outlive the feed.
class EventFeed {
 public:
  class Impl;

  struct News {
    std::vector<Event> events;  // Those the filter takes, and gaps. Empty: nothing by the deadline.
    EventCursor before;         // The place behind which they lie.
    explicit News(EventCursor b) : before(std::move(b)) {}
  };
  // One at a time may call next(). Dying tells the feed.
  class Reader {
   public:
    // What is new, as soon as there is something. Events of one partition come in order, each once; those of different
    // partitions in any. Errors: those of Deployment::call while it catches up; it may be called again.
    // Cancellation: at any time.
    boost::asio::awaitable<core::Result<News>> next(core::Deadline deadline);
    // Until it is known where "now" is, from which a reader without a cursor reads; false: not by the deadline.
    boost::asio::awaitable<bool> ready(core::Deadline deadline);
    // Behind all that next() has given or left out.
    const EventCursor& cursor() const noexcept;
    ~Reader();
    Reader(Reader&&) noexcept;

   private:
    friend class EventFeed;
    struct State;
    explicit Reader(std::unique_ptr<State> state);
    static boost::asio::awaitable<core::Result<News>> next_of(State& state, core::Deadline deadline);
    static boost::asio::awaitable<bool> ready_of(State& state, core::Deadline deadline);
    std::unique_ptr<State> state_;
  };

  EventFeed(std::shared_ptr<script::Deployment> deployment, EventFeedOptions options);
  ~EventFeed();
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  // `from` unset: what comes from now on.
  Reader reader(EventFilter filter, std::optional<EventCursor> from);
  EventFeedStats stats() const noexcept;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace ff::engine
