// Client: submit and submit_many.
#include <vector>

#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/sdk/client.hpp"
#include "submission.hpp"

namespace ff::sdk {
namespace {

using Answers = std::vector<core::Result<Submitted>>;

// Sends the items of a batch; those that were sent come back in `items`.
Awaitable<script::Submit::Ok> send_batch(Caller caller, core::Partition partition,
                                         std::vector<script::Submit::Item>& items, bool repeatable) {
  const std::size_t count = items.size();
  script::Submit::Args args, sent;
  args.ns = caller.ns;
  args.items = std::move(items);
  auto answer = co_await call_verb<script::Submit>(caller, partition, std::move(args), caller.deadline(), repeatable,
                                                   nullptr, &sent);
  items = std::move(sent.items);
  if (answer && answer->rows.size() != count) {
    co_return corrupt_reply("the number of answers", std::to_string(answer->rows.size()));
  }
  co_return answer;
}

Awaitable<Submitted> submit_one(Caller caller, Submission submission) {
  const auto partitions = caller.deployment->keys().partitions();
  FF_CO_TRY(planned, plan_submit(std::move(submission), caller.deployment->keys(), caller.ns, caller.call_timeout));
  auto partition = planned.id.partition();
  std::vector<script::Submit::Item> items;
  items.push_back(std::move(planned.item));
  FF_CO_TRY(answer, co_await send_batch(caller, partition, items, planned.repeatable));
  const auto home = elsewhere(answer.rows.front(), partitions);
  if (!home || !planned.movable) co_return answer_of(partition, answer.rows.front());
  FF_CO_TRY(moved, co_await send_batch(caller, *home, items, planned.repeatable));
  co_return answer_of(*home, moved.rows.front());
}

// What the steps of one submit_many share.
struct Many {
  Many(Caller c, std::size_t count)
      : caller(std::move(c)),
        answers(count, core::Error(core::Code::internal, "unanswered", "no batch answered this submission")) {}
  Caller caller;
  std::vector<SubmitBatch> batches;
  std::vector<std::pair<std::size_t, PlannedSubmit>> moved;  // To be sent next: at first all.
  Answers answers;
};

void take_answer(Many& many, SubmitBatch& batch, std::size_t i, const script::Submit::Row& row) {
  const auto home = elsewhere(row, many.caller.deployment->keys().partitions());
  const auto ulid = home && batch.movable[i] ? core::Ulid::parse(batch.items[i].id) : core::Error();
  if (!ulid) {
    many.answers[batch.places[i]] = answer_of(batch.partition, row);
    return;
  }
  PlannedSubmit submit(core::ExecutionId(*home, *ulid), std::move(batch.items[i]), batch.repeatable, false);
  many.moved.emplace_back(batch.places[i], std::move(submit));
}

boost::asio::awaitable<void> submit_batch(std::shared_ptr<Many> many, std::size_t index) {
  SubmitBatch& batch = many->batches[index];
  auto answer = co_await send_batch(many->caller, batch.partition, batch.items, batch.repeatable);
  for (std::size_t i = 0; i < batch.places.size(); ++i) {
    if (answer) take_answer(*many, batch, i, answer->rows[i]);
    else many->answers[batch.places[i]] = answer.error();
  }
}

Awaitable<Answers> submit_all(Caller caller, std::vector<Submission> submissions) {
  auto many = std::make_shared<Many>(caller, submissions.size());
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    auto plan = plan_submit(std::move(submissions[i]), caller.deployment->keys(), caller.ns, caller.call_timeout);
    if (plan) many->moved.emplace_back(i, std::move(*plan));
    else many->answers[i] = std::move(plan).error();
  }
  std::function<boost::asio::awaitable<void>(std::size_t)> step = [many](std::size_t index) {
    return submit_batch(many, index);
  };
  while (!many->moved.empty()) {  // Twice at the most: what was moved is not movable.
    many->batches = into_batches(std::exchange(many->moved, {}));
    co_await for_each_index(caller.executor(), many->batches.size(), core::limits::kClientCallsInFlight, step);
  }
  co_return std::move(many->answers);
}

}  // namespace

Awaitable<Submitted> Client::submit(Submission submission) {
  return submit_one(Caller(deployment_, ns_, call_timeout_), std::move(submission));
}

Awaitable<std::vector<core::Result<Submitted>>> Client::submit_many(std::vector<Submission> submissions) {
  return submit_all(Caller(deployment_, ns_, call_timeout_), std::move(submissions));
}

}  // namespace ff::sdk
