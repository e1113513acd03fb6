// Claims, wake-ups, and what a lost reply had given.

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

#include "ff/core/limits.hpp"
#include "worker_impl.hpp"

namespace ff::sdk {

using core::SteadyTime;
using std::chrono::steady_clock;

namespace {
constexpr core::Millis kWeightsEvery{10'000};
constexpr core::Millis kLookAgain{500};  // After a failed claim; the connection has backed off before that.
}  // namespace

// A partition's first turn is when its channel is heard: workers that begin with different ones do not walk in step, so
// that what each shares out (fairness keys, lanes) is not left to the last of them.
void Worker::Impl::subscribe() {
  const auto& keys = deployment_->keys();
  std::weak_ptr<Impl> weak = shared_from_this();
  const auto first = core::stable_hash(options_.name);
  for (std::size_t i = 0; i < keys.partitions(); ++i) {
    const auto partition = static_cast<core::Partition>((first + i) % keys.partitions());
    subscriptions_.push_back(deployment_->connection()->subscribe(
        keys.slot(partition), keys.worker_channel(partition, options_.name),
        [weak, partition](std::string_view, std::string_view message) {
          if (auto self = weak.lock()) self->on_message(partition, message);
        },
        [weak, partition](std::string_view) {
          if (auto self = weak.lock()) self->on_gap(partition);
        }));
  }
}

// From now on nothing is missed; what was, a claim finds.
void Worker::Impl::on_gap(core::Partition partition) {
  planner_.opened(partition);
  schedule_pump();
}

// "ready <queue>", "limit <id>", "lost <ulid> <epoch>", "over <ulid> <epoch>" (its end was reported elsewhere),
// "cancelled <ulid> <epoch>", "cancelling <ulid> <epoch> <grace ms>".
void Worker::Impl::on_message(core::Partition partition, std::string_view message) {
  const auto word_end = message.find(' ');
  if (word_end == std::string_view::npos || over_) return;
  const auto word = message.substr(0, word_end);
  message.remove_prefix(word_end + 1);
  if (word == "ready") {
    ++stats_.wakes;
    woken_.emplace(partition, message);
    planner_.opened(partition);
    schedule_pump();
    return;
  }
  if (word == "limit") return on_limit(message);
  const auto ulid = message.substr(0, message.find(' '));
  message.remove_prefix(std::min(ulid.size() + 1, message.size()));
  auto attempt = find(ulid, message.substr(0, message.find(' ')));
  if (!attempt) return;
  if (word == "cancelling") {
    attempt->request_stop();
  } else {
    lose(std::move(attempt), word != "over");
  }
}

asio::awaitable<void> Worker::Impl::pass_wake(Self self, core::Partition partition, std::string queue) {
  script::PassWake::Args args;
  args.queue = std::move(queue);
  auto passed = co_await self->deployment_->call<script::PassWake>(partition, args, self->deadline());
  // Not passed: a handoff timer wakes another within a second.
  if (!passed) self->log(core::LogLevel::debug, "wake not passed on", passed.error());
}

// A wake is answered when its partition was found empty, and a claim registered us as idle there. Until then there may
// be work left: it is ours as long as we have room, else another idle worker's.
void Worker::Impl::pass_wakes_on() {
  for (auto it = woken_.begin(); it != woken_.end();) {
    const auto& [partition, queue] = *it;
    const bool answered = planner_.waiting_at(partition);
    if (!answered && !stopping_ && (planner_.calling_at(partition) || room() > 0)) {
      ++it;
      continue;
    }
    if (!answered) spawn(pass_wake(shared_from_this(), partition, queue));
    it = woken_.erase(it);
  }
}

void Worker::Impl::make_claims() {
  while (auto plan = planner_.next(steady_clock::now(), room())) {
    reserved_ += plan->want;
    spawn(claim(shared_from_this(), plan->partition, plan->want, core::Ulid::make().str(),
                offer(plan->partition, plan->want), steady_clock::now(), false));
  }
  arm_look();
}

// Wakes pump() when the next partition is to be looked at.
void Worker::Impl::arm_look() {
  auto at = planner_.next_look();
  if (const auto look = allowances_.next_look(); look && (!at || *look < *at)) at = look;
  if (!at || *at == look_.expiry()) return;
  look_.expires_at(*at);
  std::weak_ptr<Impl> weak = shared_from_this();
  look_.async_wait([weak](boost::system::error_code error) {
    if (error) return;
    if (auto self = weak.lock()) self->schedule_pump();
  });
}

std::vector<std::string> Worker::Impl::queues_in(const std::vector<std::size_t>& order) const {
  std::vector<std::string> queues;
  for (const auto lane : order) queues.push_back(queues_[lane]);
  return queues;
}

void Worker::Impl::count_lanes(const std::vector<std::size_t>& order, const std::vector<script::Claim::Row>& rows) {
  if (queues_.size() == 1 || rows.empty()) return;
  std::vector<std::size_t> counts(queues_.size());
  for (const auto& row : rows) {
    const auto lane = std::find(queues_.begin(), queues_.end(), row.queue);
    if (lane != queues_.end()) ++counts[static_cast<std::size_t>(lane - queues_.begin())];
  }
  lanes_.taken(order, counts);
  refresh_weights();
}

// A worker of one lane has nothing to share, and an idle one does not ask.
void Worker::Impl::refresh_weights() {
  const auto now = steady_clock::now();
  if (weights_asked_ != SteadyTime{} && now - weights_asked_ < kWeightsEvery) return;
  weights_asked_ = now;
  spawn(ask_weights(shared_from_this()));
}

asio::awaitable<void> Worker::Impl::ask_weights(Self self) {
  script::Lanes::Args args;
  args.ns = self->options_.ns;
  auto found = co_await self->deployment_->call_root<script::Lanes>(std::move(args), self->deadline());
  if (!found) co_return;  // The weights stay; the next look comes.
  for (std::size_t i = 0; i < self->queues_.size(); ++i) {
    if (self->options_.weights.contains(self->options_.lanes[i])) continue;
    std::int64_t weight = 1;
    for (const auto& row : found->rows) {
      if (row.queue == self->queues_[i]) weight = std::clamp<std::int64_t>(row.weight, 1, core::limits::kWeightMax);
    }
    self->lanes_.set_weight(i, weight);
  }
}

script::Claim::Args Worker::Impl::claim_args(std::size_t want, std::string lease) const {
  script::Claim::Args args;
  args.worker = options_.name;
  args.lease = std::move(lease);
  args.lease_ms = options_.lease.count();
  args.want = static_cast<std::int64_t>(want);
  args.capabilities = capabilities_;
  return args;
}

// One claim. When its reply is lost, what it had given is asked for by the lease id, so that it need not expire.
asio::awaitable<void> Worker::Impl::claim(Self self, core::Partition partition, std::size_t want, std::string lease,
                                          Offer offer, SteadyTime sent_at, bool again) {
  auto args = self->claim_args(want, lease);
  args.allowances = offer.words();
  const auto order = self->lanes_.order();
  args.queues = self->queues_in(order);
  args.again = again;
  int round = 0;
  while (true) {
    ++self->stats_.claims;
    auto answer = co_await self->deployment_->call<script::Claim>(partition, args, self->deadline());
    if (answer) {
      self->call_succeeded();
      self->count_lanes(order, answer->rows);
      self->take_over(partition, want, lease, offer, sent_at, *answer);
      co_return;
    }
    auto error = std::move(answer).error();
    if (error.code == core::Code::unknown_outcome) args.again = true;
    const bool repeat =
        args.again && co_await pause_before_repeat(self, error, round++, sent_at + self->options_.lease);
    if (repeat) continue;
    self->call_failed("claim failed", error);
    if (args.again) self->allowances_.abandoned(offer.allowances, sent_at + 2 * self->options_.lease);
    else self->withdraw(offer);
    self->reserved_ -= want;
    self->planner_.unanswered(partition, steady_clock::now() + kLookAgain);
    co_return;
  }
}

// Takes what a claim, or the claim that went along with a complete, has given.
template <class Answer>
void Worker::Impl::take_over(core::Partition partition, std::size_t wanted, const std::string& lease,
                             const Offer& offer, SteadyTime sent_at, Answer& answer) {
  scheduler::ClaimAnswer told;
  told.wanted = wanted;
  told.taken = answer.rows.size();
  told.left = answer.left;
  told.head = answer.head;
  told.check_in = core::Millis(answer.check_in_ms);
  std::vector<std::string> given;
  for (const auto& row : answer.rows) given.push_back(row.requirements);
  settle_offer(partition, offer, given, answer.lacking, answer.rows.size() >= wanted && answer.left > 0);
  for (std::size_t i = 0; i < given.size(); ++i) {
    const bool accepted = accept(partition, std::move(answer.rows[i]), lease, sent_at);
    if (!accepted && core::limited(given[i])) allowances_.ended(given[i]);
  }
  reserved_ -= wanted;
  planner_.answered(partition, told, steady_clock::now());
  schedule_pump();
}
template void Worker::Impl::take_over(core::Partition, std::size_t, const std::string&, const Offer&, SteadyTime,
                                      script::Claim::Ok&);
template void Worker::Impl::take_over(core::Partition, std::size_t, const std::string&, const Offer&, SteadyTime,
                                      script::Complete::Ok&);

// Whether it is ours to run: damaged rows are not, nor what a repeated answer gives again.
bool Worker::Impl::accept(core::Partition partition, script::Claim::Row row, const std::string& lease,
                          SteadyTime sent_at) {
  auto ulid = core::Ulid::parse(row.id);
  if (!ulid) return false;  // Damaged: its lease expires.
  if (const auto held = held_.find(row.id); held != held_.end()) {
    auto older = held->second;
    if (older->epoch() >= row.epoch) return false;  // Given again after a lost reply.
    lose(std::move(older));
  }
  std::optional<core::Resumption> resumption;
  if (!row.resumption.empty()) {
    auto parsed = core::parse_resumption(row.resumption);
    if (!parsed) {
      log(core::LogLevel::error, "resumption not readable; its lease expires", parsed.error());
      return false;
    }
    resumption = std::move(*parsed);
  }
  core::ExecutionId id(partition, std::move(ulid).value());
  auto attempt = std::make_shared<Attempt>(weak_from_this(), std::move(id), std::move(row), lease);
  if (resumption) attempt->go_on_from(std::move(*resumption));
  // From when the call left: the lease cannot have begun earlier.
  attempt->held_until = sent_at + options_.lease - margin();
  if (attempt->timeout_ms() > 0) attempt->times_out_at = sent_at + core::Millis(attempt->timeout_ms());
  if (std::min(attempt->held_until, attempt->times_out_at) < lease_alarm_.expiry()) lease_alarm_.cancel();
  held_.insert_or_assign(attempt->id().ulid().str(), attempt);
  queued_.push_back(std::move(attempt));
  ++stats_.claimed;
  return true;
}

}  // namespace ff::sdk
