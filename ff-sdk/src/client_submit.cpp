// Client: submit and submit_many.
#include <vector>

#include "client_call.hpp"
#include "ff/core/limits.hpp"
#include "ff/sdk/client.hpp"
#include "submission.hpp"

namespace ff::sdk {
namespace {

using Answers = std::vector<core::Result<Submitted>>;

Awaitable<script::Submit::Ok> send_batch(Caller caller, core::Partition partition,
                                         std::vector<script::Submit::Item> items, bool repeatable) {
  const std::size_t count = items.size();
  script::Submit::Args args;
  args.ns = caller.ns;
  args.items = std::move(items);
  auto answer = co_await call_verb<script::Submit>(caller, partition, std::move(args), caller.deadline(), repeatable);
  if (answer && answer->rows.size() != count) {
    co_return corrupt_reply("the number of answers", std::to_string(answer->rows.size()));
  }
  co_return answer;
}

Awaitable<Submitted> submit_one(Caller caller, Submission submission) {
  FF_CO_TRY(planned, plan_submit(std::move(submission), caller.deployment->keys(), caller.ns, caller.call_timeout));
  const core::Partition partition = planned.id.partition();
  std::vector<script::Submit::Item> items;
  items.push_back(std::move(planned.item));
  FF_CO_TRY(answer, co_await send_batch(caller, partition, std::move(items), planned.repeatable));
  co_return answer_of(partition, answer.rows.front());
}

// What the steps of one submit_many share.
struct Many {
  Many(Caller c, std::size_t count)
      : caller(std::move(c)),
        answers(count, core::Error(core::Code::internal, "unanswered", "no batch answered this submission")) {}
  Caller caller;
  std::vector<SubmitBatch> batches;
  Answers answers;
};

boost::asio::awaitable<void> submit_batch(std::shared_ptr<Many> many, std::size_t index) {
  SubmitBatch& batch = many->batches[index];
  auto answer = co_await send_batch(many->caller, batch.partition, std::move(batch.items), batch.repeatable);
  for (std::size_t i = 0; i < batch.places.size(); ++i) {
    core::Result<Submitted>& slot = many->answers[batch.places[i]];
    if (answer) slot = answer_of(batch.partition, answer->rows[i]);
    else slot = answer.error();
  }
}

Awaitable<Answers> submit_all(Caller caller, std::vector<Submission> submissions) {
  auto many = std::make_shared<Many>(caller, submissions.size());
  std::vector<std::pair<std::size_t, PlannedSubmit>> planned;
  planned.reserve(submissions.size());
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    auto plan = plan_submit(std::move(submissions[i]), caller.deployment->keys(), caller.ns, caller.call_timeout);
    if (plan) planned.emplace_back(i, std::move(*plan));
    else many->answers[i] = std::move(plan).error();
  }
  many->batches = into_batches(std::move(planned));
  std::function<boost::asio::awaitable<void>(std::size_t)> step = [many](std::size_t index) {
    return submit_batch(many, index);
  };
  co_await for_each_index(caller.executor(), many->batches.size(), core::limits::kClientCallsInFlight, std::move(step));
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
