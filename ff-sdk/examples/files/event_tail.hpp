#pragma once
// EventTail: follows the event streams of all partitions from where they stand now, and misses nothing or says so.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <ff/script/deployment.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace files {

class EventTail {
 public:
  template <class T>
  using Awaitable = boost::asio::awaitable<ff::core::Result<T>>;
  // ULID, and the state it entered.
  using OnEvent = std::function<void(std::string_view, std::string_view)>;

  explicit EventTail(std::shared_ptr<ff::script::Deployment> deployment);
  // Notes where the streams end now.
  Awaitable<void> begin();
  // Hands over what was published since; `on_event` is called before it returns.
  Awaitable<void> read(OnEvent on_event);
  // Entries that the streams have lost before they were read: the streams are capped.
  Awaitable<std::uint64_t> missed();

 private:
  struct Position {
    std::string last_id = "0-0";
    std::uint64_t added = 0;  // Entries ever added to the stream: at begin(), then as read.
  };
  Awaitable<void> look_up(std::size_t partition, Position* position);
  Awaitable<void> read_partition(std::size_t partition, const OnEvent& on_event);
  boost::asio::awaitable<void> read_one(std::size_t partition, const OnEvent& on_event, ff::core::Result<void>& first);
  Awaitable<ff::script::Reply> ask(std::size_t partition, ff::script::Command command);

  std::shared_ptr<ff::script::Deployment> deployment_;
  std::vector<Position> positions_;
};

}  // namespace files
