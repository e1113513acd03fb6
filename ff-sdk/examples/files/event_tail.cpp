#include "event_tail.hpp"

#include "parallel.hpp"

namespace files {

namespace core = ff::core;
namespace script = ff::script;

namespace {

constexpr core::Millis kCallTimeout{10'000};
constexpr std::size_t kPage = 1000;

core::Error error_of(const script::Reply& reply) {
  return core::Error(core::Code::internal, "event_stream", "the event stream cannot be read: " + reply.text);
}

}  // namespace

EventTail::EventTail(std::shared_ptr<script::Deployment> deployment)
    : deployment_(std::move(deployment)), positions_(deployment_->keys().partitions()) {}

EventTail::Awaitable<script::Reply> EventTail::ask(std::size_t partition, script::Command command) {
  const auto slot = deployment_->keys().slot(static_cast<core::Partition>(partition));
  return deployment_->connection()->send(slot, std::move(command), core::Deadline::in(kCallTimeout));
}

// XINFO STREAM answers names and values in turn. No such stream: nothing was ever added.
EventTail::Awaitable<void> EventTail::look_up(std::size_t partition, Position* position) {
  script::Command command("XINFO");
  command.arg("STREAM").arg(deployment_->keys().events(static_cast<core::Partition>(partition)));
  auto reply = co_await ask(partition, std::move(command));
  if (!reply) co_return std::move(reply).error();
  if (reply->is_error() && reply->text.find("no such key") == std::string::npos) co_return error_of(*reply);
  for (std::size_t i = 0; i + 1 < reply->elements.size(); i += 2) {
    const auto& value = reply->elements[i + 1];
    if (reply->elements[i].text == "last-generated-id") position->last_id = value.text;
    if (reply->elements[i].text == "entries-added") position->added = static_cast<std::uint64_t>(value.integer);
  }
  co_return core::Result<void>();
}

EventTail::Awaitable<void> EventTail::begin() {
  for (std::size_t p = 0; p < positions_.size(); ++p) {
    auto looked = co_await look_up(p, &positions_[p]);
    if (!looked) co_return looked;
  }
  co_return core::Result<void>();
}

EventTail::Awaitable<void> EventTail::read_partition(std::size_t partition, const OnEvent& on_event) {
  auto& position = positions_[partition];
  const auto key = deployment_->keys().events(static_cast<core::Partition>(partition));
  while (true) {
    script::Command command("XRANGE");
    command.arg(key).arg("(" + position.last_id).arg("+").arg("COUNT").arg(static_cast<std::int64_t>(kPage));
    auto reply = co_await ask(partition, std::move(command));
    if (!reply) co_return std::move(reply).error();
    if (reply->is_error()) co_return error_of(*reply);
    for (const auto& entry : reply->elements) {
      position.last_id = entry.elements.at(0).text;
      ++position.added;
      const auto& fields = entry.elements.at(1).elements;
      for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
        const std::string_view what = fields[i + 1].text;
        on_event(fields[i].text, what.substr(0, what.find(' ')));
      }
    }
    if (reply->elements.size() < kPage) co_return core::Result<void>();
  }
}

boost::asio::awaitable<void> EventTail::read_one(std::size_t partition, const OnEvent& on_event,
                                                 core::Result<void>& first) {
  auto read = co_await read_partition(partition, on_event);
  if (!read && first) first = std::move(read);
}

// All partitions at once: one round trip, however many there are.
EventTail::Awaitable<void> EventTail::read(OnEvent on_event) {
  auto first_error = core::Result<void>();
  std::vector<boost::asio::awaitable<void>> readers;
  for (std::size_t p = 0; p < positions_.size(); ++p) readers.push_back(read_one(p, on_event, first_error));
  co_await run_all(std::move(readers));
  co_return first_error;
}

EventTail::Awaitable<std::uint64_t> EventTail::missed() {
  std::uint64_t missed = 0;
  for (std::size_t p = 0; p < positions_.size(); ++p) {
    Position now;
    auto looked = co_await look_up(p, &now);
    if (!looked) co_return std::move(looked).error();
    missed += now.added - positions_[p].added;
  }
  co_return missed;
}

}  // namespace files
