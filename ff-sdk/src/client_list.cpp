// Client: list. Partition after partition; empty ones are skipped in chunks that grow, so that a sparse deployment
// answers after a few round trips and a full one is asked for no more than the page holds.
#include <algorithm>
#include <vector>

#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/sdk/client.hpp"
#include "list_cursor.hpp"

namespace ff::sdk {
namespace {

namespace limits = core::limits;

core::Result<void> check_query(const ListQuery& query) {
  if (query.limit < 1 || query.limit > limits::kListPage) {
    return refused_argument("bad_limit", "limit is " + std::to_string(query.limit) + ", allowed are 1 to 1000");
  }
  if (!query.lane.empty()) return core::validate_lane(query.lane);
  if (query.state == core::State::ready) {
    return refused_argument("lane_needed", "ready executions are listed for one lane, name it");
  }
  return {};
}

core::Result<Listed> listed(core::Partition partition, script::List::Row row) {
  auto ulid = core::Ulid::parse(row.id);
  if (!ulid) return corrupt_reply("an id", row.id);
  const std::size_t slash = row.queue.find('/');
  if (slash == std::string::npos) return corrupt_reply("a queue", row.queue);
  Listed entry(core::ExecutionId(partition, std::move(*ulid)));
  entry.lane = row.queue.substr(slash + 1);
  entry.kind = std::move(row.kind);
  entry.priority = row.priority;
  entry.attempt = row.attempt;
  entry.created_at = row.created_at;
  entry.timer_at = row.timer_at;
  return entry;
}

core::Result<void> append(std::vector<Listed>& out, core::Partition partition, std::vector<script::List::Row> rows) {
  for (script::List::Row& row : rows) {
    FF_TRY(entry, listed(partition, std::move(row)));
    out.push_back(std::move(entry));
  }
  return {};
}

// One chunk of neighbouring partitions, asked at the same time.
struct Chunk {
  Chunk(Caller c, script::List::Args a, core::Partition from, std::size_t count, core::Deadline d)
      : caller(std::move(c)), args(std::move(a)), first(from), deadline(d), looks(count) {}
  Caller caller;
  script::List::Args args;  // The cursor counts for the first partition only.
  core::Partition first;
  core::Deadline deadline;
  std::vector<std::optional<core::Result<script::List::Ok>>> looks;
};

boost::asio::awaitable<void> look_at(std::shared_ptr<Chunk> chunk, std::size_t index) {
  script::List::Args args = chunk->args;
  if (index > 0) args.cursor.clear();
  const auto partition = static_cast<core::Partition>(chunk->first + index);
  auto look = co_await call_verb<script::List>(chunk->caller, partition, std::move(args), chunk->deadline);
  chunk->looks[index].emplace(std::move(look));
}

// Where the page stands. take() says whether the chunk was of use to its end.
struct PageBuilder {
  PageBuilder(ListCursor from, std::size_t l) : next(std::move(from)), limit(l) {}
  ListCursor next;
  std::size_t limit;
  Page page;
  bool done = false;  // The page ends at `next`, inside a partition.

  std::size_t room() const { return limit - page.executions.size(); }
  core::Result<bool> take(Chunk& chunk) {
    for (auto& answer : chunk.looks) {
      if (!*answer) return std::move(*answer).error();
      script::List::Ok& look = **answer;
      if (look.rows.size() > room()) return false;  // Asked for more than there is room for by now: ask again.
      const core::Partition partition = next.partition;
      if (auto good = append(page.executions, partition, std::move(look.rows)); !good) return std::move(good).error();
      next.inner = std::move(look.cursor);
      done = !next.inner.empty();
      if (done) return true;
      ++next.partition;
    }
    return true;
  }
};

Awaitable<Page> list_page(Caller caller, ListQuery query) {
  if (auto good = check_query(query); !good) co_return std::move(good).error();
  const std::size_t partitions = caller.deployment->keys().partitions();
  FF_CO_TRY(from, ListCursor::parse(query.cursor, partitions));
  const core::Deadline deadline = caller.deadline();
  script::List::Args args;
  args.ns = caller.ns;
  args.state = core::to_string(query.state);
  args.lane = query.lane;

  PageBuilder builder(std::move(from), query.limit);
  std::size_t width = 1;
  while (!builder.done && builder.room() > 0 && builder.next.partition < partitions) {
    args.cursor = builder.next.inner;
    args.limit = static_cast<std::int64_t>(builder.room());
    const std::size_t count = std::min(width, partitions - builder.next.partition);
    auto chunk = std::make_shared<Chunk>(caller, args, builder.next.partition, count, deadline);
    std::function<boost::asio::awaitable<void>(std::size_t)> step = [chunk](std::size_t index) {
      return look_at(chunk, index);
    };
    co_await for_each_index(caller.executor(), count, count, std::move(step));
    FF_CO_TRY(useful, builder.take(*chunk));
    width = useful ? std::min(width * 2, limits::kClientCallsInFlight) : 1;
  }
  if (builder.next.partition < partitions) builder.page.cursor = builder.next.str();
  co_return std::move(builder.page);
}

}  // namespace

Awaitable<Page> Client::list(ListQuery query) {
  return list_page(Caller(deployment_, ns_, call_timeout_), std::move(query));
}

}  // namespace ff::sdk
