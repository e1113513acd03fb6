#include "ff/sdk/worker.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "ff/core/limits.hpp"
#include "worker_impl.hpp"

namespace ff::sdk {
namespace {

using core::Code;
using core::Error;
using core::SteadyTime;
using std::chrono::steady_clock;

// With this late a first look a partition whose channel cannot be heard is served all the same.
constexpr core::Millis kFirstLook{1000};
constexpr std::size_t kPlacesMax = 4096;

std::string instance_name(std::string name) {
  if (!name.empty()) return name;
  char host[64] = {};
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  std::string safe;
  for (const char* c = host; *c && safe.size() < 24; ++c) {
    safe += std::isalnum(static_cast<unsigned char>(*c)) ? *c : '-';
  }
  const std::string_view lead = safe.empty() || safe.front() == '-' ? "w" : "";
  return fmt::format("{}{}-{}-{}", lead, safe, ::getpid(), core::Ulid::make().str().substr(16));
}

// Calls of an instance are numbered from its start on, so that an earlier one of the same name lies behind.
std::int64_t first_seq() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::microseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

Worker::Impl::Impl(std::shared_ptr<script::Deployment> deployment, WorkerOptions options)
    : options_(std::move(options)), deployment_(std::move(deployment)),
      executor_(deployment_->connection()->executor()),
      lanes_(std::vector<std::int64_t>(std::max<std::size_t>(1, options_.lanes.size()), 1)),
      planner_(deployment_->keys().partitions(), steady_clock::now() + kFirstLook),
      allowances_([this](const core::LimitName& l) { return deployment_->keys().home_of_limit(options_.ns, l); },
                  allowance_ttl(), options_.lease / 3, first_seq()),
      places_(options_.concurrency), look_(executor_, SteadyTime::max()), lease_alarm_(executor_),
      handlers_done_(executor_), ended_(executor_, SteadyTime::max()) {
  options_.name = instance_name(std::move(options_.name));
  for (const auto& lane : options_.lanes) queues_.push_back(options_.ns + "/" + lane);
  capabilities_.assign(options_.capabilities.begin(), options_.capabilities.end());
  if (!options_.handler_executor) options_.handler_executor = executor_;
}

core::Result<void> Worker::Impl::check_options() const {
  for (const auto& lane : options_.lanes) {
    auto queue = core::Queue::make(options_.ns, lane);
    if (!queue) return std::move(queue).error();
  }
  for (const auto& capability : options_.capabilities) {
    if (auto good = core::validate_capability(capability, "capabilities"); !good) return good;
  }
  auto name = core::validate_worker(options_.name, "name");
  if (!name) return name;
  const auto refuse = [](std::string_view field, auto value, std::string_view allowed) {
    return Error(Code::invalid_argument, "bad_option", fmt::format("{} is {}, allowed are {}", field, value, allowed));
  };
  if (options_.lanes.empty()) return refuse("lanes", "empty", "one or more lanes");
  for (const auto& [lane, weight] : options_.weights) {
    if (weight < 1 || weight > core::limits::kWeightMax) return refuse("weights." + lane, weight, "1 to 1000");
  }
  if (options_.capabilities.size() > core::limits::kCapabilitiesMax) {
    return refuse("capabilities", options_.capabilities.size(), "at most 64 of them");
  }
  if (options_.concurrency < 1 || options_.concurrency > kPlacesMax) {
    return refuse("concurrency", options_.concurrency, "1 to 4096");
  }
  if (options_.prefetch > kPlacesMax) return refuse("prefetch", options_.prefetch, "0 to 4096");
  const auto lease = options_.lease.count();
  if (lease < core::limits::kLeaseMsMin || lease > core::limits::kLeaseMsMax) {
    return refuse("lease", lease, "100 to 86400000 ms");
  }
  if (options_.call_timeout.count() <= 0) return refuse("call_timeout", options_.call_timeout.count(), "1 ms or more");
  if (handlers_.empty()) return refuse("handlers", "none", "one or more, see Worker::handle");
  return {};
}

void Worker::Impl::log(core::LogLevel level, std::string_view message, const Error& error) const {
  if (options_.logger) options_.logger->log(level, message, {{"worker", options_.name}, {"error", error.to_string()}});
}

void Worker::Impl::call_failed(std::string_view message, const Error& error) {
  const auto failures = outage_.failed(steady_clock::now());
  if (!failures || !options_.logger) return;
  options_.logger->warn(message,
                        {{"worker", options_.name}, {"failures", *failures}, {"error", error.to_string()}});
}

void Worker::Impl::call_succeeded() {
  const auto failures = outage_.succeeded(steady_clock::now());
  if (!failures || !options_.logger) return;
  options_.logger->info("calls succeed again", {{"worker", options_.name}, {"failures", *failures}});
}

void Worker::Impl::spawn(asio::awaitable<void> operation) {
  ++operations_;
  asio::co_spawn(executor_, std::move(operation), [self = shared_from_this()](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);  // A broken invariant; nothing of ours throws.
    --self->operations_;
    self->schedule_pump();
  });
}

asio::awaitable<core::Result<void>> Worker::Impl::run(Self self) {
  auto good = self->check_options();
  if (!good) co_return good;
  for (std::size_t i = 0; i < self->options_.lanes.size(); ++i) {
    const auto given = self->options_.weights.find(self->options_.lanes[i]);
    if (given != self->options_.weights.end()) self->lanes_.set_weight(i, given->second);
  }
  self->subscribe();
  asio::co_spawn(self->executor_, keep_leases(self), [self](std::exception_ptr) { self->schedule_pump(); });
  self->schedule_pump();
  boost::system::error_code ignored;
  while (!self->drained()) co_await self->ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  self->over_ = true;
  self->subscriptions_.clear();
  self->lease_alarm_.cancel();
  self->look_.cancel();
  co_return core::Result<void>();
}

void Worker::Impl::stop() {
  asio::post(executor_, [self = shared_from_this()] {
    if (self->stopping_) return;
    self->stopping_ = true;
    self->allowances_.drain();
    self->spawn(drain(self));
  });
}

void Worker::Impl::set_concurrency(std::size_t places) {
  places_ = std::min(places, kPlacesMax);
  schedule_pump();
}

std::size_t Worker::Impl::room() const {
  const auto places = places_ + options_.prefetch;
  const auto taken = queued_.size() + running_ + reserved_;
  return places > taken ? places - taken : 0;
}

bool Worker::Impl::drained() const {
  return over_ || (stopping_ && operations_ == 0 && running_ == 0 && queued_.empty() && finished_.empty());
}

void Worker::Impl::schedule_pump() {
  if (pump_posted_ || over_) return;
  pump_posted_ = true;
  asio::post(executor_, [self = shared_from_this()] { self->pump(); });
}

void Worker::Impl::pump() {
  pump_posted_ = false;
  if (over_) return;
  if (!stopping_) start_handlers();
  give_back_unstarted(stopping_ ? 0 : places_ + options_.prefetch - std::min(places_, running_));
  send_completions();
  keep_allowances();
  if (!stopping_) make_claims();
  pass_wakes_on();
  stats_.running = running_;
  stats_.prefetched = queued_.size();
  if (drained()) ended_.cancel();
}

Worker::Worker(std::shared_ptr<script::Deployment> deployment, WorkerOptions options)
    : impl_(std::make_shared<Impl>(std::move(deployment), std::move(options))) {}
Worker::~Worker() = default;

void Worker::handle(std::string kind, Function function) {
  impl_->handlers_[std::move(kind)] = Impl::Handler(std::move(function), nullptr);
}
void Worker::handle_async(std::string kind, Coroutine coroutine) {
  impl_->handlers_[std::move(kind)] = Impl::Handler(nullptr, std::move(coroutine));
}
void Worker::handle_any(Coroutine coroutine) { handle_async("", std::move(coroutine)); }
void Worker::set_concurrency(std::size_t places) { impl_->set_concurrency(places); }
asio::awaitable<core::Result<void>> Worker::run() { return Impl::run(impl_); }
void Worker::stop() { impl_->stop(); }
const WorkerStats& Worker::stats() const noexcept { return impl_->stats_; }
const std::string& Worker::name() const noexcept { return impl_->options_.name; }

}  // namespace ff::sdk
