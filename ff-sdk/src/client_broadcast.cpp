// Client: broadcast. Lists suspended executions, looks which have the tag and the waitpoint, and signals each.
#include <vector>

#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/sdk/client.hpp"
#include "submission.hpp"

namespace ff::sdk {
namespace {

// Whether canonical tags have this one: quotes inside a value are escaped, so nothing else looks like it.
bool has_tag(const std::string& tags, const std::string& key, const std::string& value) {
  core::Tags one;
  one.emplace(key, value);
  std::string wanted = tags_to_wire(one);
  wanted.pop_back();
  const auto follows = [&tags](std::size_t at) { return at < tags.size() && (tags[at] == ',' || tags[at] == '}'); };
  if (tags.starts_with(wanted) && follows(wanted.size())) return true;
  wanted.front() = ',';
  const std::size_t at = tags.find(wanted);
  return at != std::string::npos && follows(at + wanted.size());
}

// What the steps of one page share.
struct Spreading {
  Spreading(Client c, Broadcast w, std::vector<Listed> l)
      : client(std::move(c)), wanted(std::move(w)), listed(std::move(l)) {}
  Client client;
  Broadcast wanted;
  std::vector<Listed> listed;
  std::vector<Reached> reached;
};

Awaitable<SignalAnswer> signal_open(Client client, core::ExecutionId id, std::string label, core::Signal signal) {
  auto waiting = co_await client.waitpoints(id);
  if (!waiting) co_return std::move(waiting).error();
  core::WaitpointName name(waiting->step, std::move(label));
  co_return co_await client.signal(std::move(id), name.str(), std::move(signal));
}

boost::asio::awaitable<void> reach(std::shared_ptr<Spreading> spreading, std::size_t index) {
  const core::ExecutionId id = spreading->listed[index].id;
  auto found = co_await spreading->client.describe(id);
  if (!found) {
    spreading->reached.emplace_back(id, std::move(found).error());
    co_return;
  }
  const Broadcast& wanted = spreading->wanted;
  if (!has_tag(found->fields.tags, wanted.tag, wanted.value)) co_return;
  auto answer = co_await signal_open(spreading->client, id, wanted.label, wanted.signal);
  // It waits for something else.
  if (!answer && answer.error().reason == "no_such_waitpoint") co_return;
  spreading->reached.emplace_back(id, std::move(answer));
}

core::Result<void> check(const Broadcast& wanted) {
  core::Tags tags;
  tags.emplace(wanted.tag, wanted.value);
  if (auto good = core::validate_tags(tags); !good) return good;
  if (auto good = core::validate_waitpoint_label(wanted.label); !good) return good;
  if (auto good = core::validate(wanted.signal); !good) return good;
  if (wanted.signal.id.empty()) {
    return refused_argument("bad_signal", "id is empty, a broadcast needs one: its pages may be asked for again");
  }
  return {};
}

Awaitable<BroadcastPage> spread(Client client, boost::asio::any_io_executor executor, Broadcast wanted) {
  if (auto good = check(wanted); !good) co_return std::move(good).error();
  ListQuery query;
  query.state = core::State::suspended;
  query.lane = wanted.lane;
  query.cursor = wanted.cursor;
  query.limit = wanted.limit;
  auto listed = co_await client.list(std::move(query));
  if (!listed) co_return std::move(listed).error();
  BroadcastPage page;
  page.cursor = std::move(listed->cursor);
  auto spreading = std::make_shared<Spreading>(client, std::move(wanted), std::move(listed->executions));
  std::function<boost::asio::awaitable<void>(std::size_t)> step = [spreading](std::size_t index) {
    return reach(spreading, index);
  };
  co_await for_each_index(executor, spreading->listed.size(), core::limits::kClientCallsInFlight, std::move(step));
  page.reached = std::move(spreading->reached);
  co_return page;
}

}  // namespace

Awaitable<BroadcastPage> Client::broadcast(Broadcast broadcast) {
  return spread(*this, deployment_->connection()->executor(), std::move(broadcast));
}

}  // namespace ff::sdk
