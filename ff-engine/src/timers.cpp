#include "ff/engine/timers.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <optional>
#include <set>

#include "ff/core/limits.hpp"
#include "ff/core/outage.hpp"
#include "ff/script/relay.hpp"

namespace ff::engine {
namespace {

namespace asio = boost::asio;
using core::SteadyTime;
using std::chrono::steady_clock;

constexpr core::Millis kRetryPause{200};
constexpr std::int64_t kRelaysPerCall = 64;

}  // namespace

const std::string& owner_of(core::Partition partition, const std::vector<std::string>& servers) {
  const std::string* best = nullptr;
  std::uint64_t best_weight = 0;
  for (const auto& server : servers) {
    const auto weight = core::stable_hash(std::to_string(partition) + "/" + server);
    if (!best || weight > best_weight) {
      best = &server;
      best_weight = weight;
    }
  }
  return *best;
}

// Two loops and the calls they start, all on one executor. `work_` counts what must end before run() does.
class Timers::Impl : public std::enable_shared_from_this<Timers::Impl> {
 public:
  Impl(std::shared_ptr<script::Deployment> deployment, TimersOptions options)
      : deployment_(std::move(deployment)), options_(std::move(options)), owned_(deployment_->keys().partitions()),
        alarm_(deployment_->connection()->executor()), pulse_(deployment_->connection()->executor()),
        ended_(deployment_->connection()->executor(), SteadyTime::max()) {}

  static asio::awaitable<void> run(std::shared_ptr<Impl> self) {
    self->spawn(keep_membership(self));
    self->spawn(fire(self));
    boost::system::error_code ignored;
    while (self->work_ > 0) co_await self->ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    for (auto& partition : self->owned_) partition = Owned();
    script::Quit::Args args;
    args.server = self->options_.server;
    auto quit = co_await self->deployment_->call_root<script::Quit>(args, self->deadline());
    if (!quit) self->log(core::LogLevel::warn, "could not leave the live servers", quit.error());
  }

  void stop() {
    asio::post(deployment_->connection()->executor(), [self = shared_from_this()] {
      self->stopping_ = true;
      self->alarm_.cancel();
      self->pulse_.cancel();
    });
  }

  TimersStats stats_;

 private:
  struct Owned {
    bool suspect = false;  // The last call failed, and nothing was heard from its channel since.
    std::unique_ptr<script::Connection::Subscription> subscription;  // Set: the partition is ours.
    SteadyTime look_at{};
    bool calling = false, telling = false;
  };

  core::Deadline deadline() const { return core::Deadline::in(options_.call_timeout); }

  void log(core::LogLevel level, std::string_view message, const core::Error& error) {
    if (options_.logger) options_.logger->log(level, message, {{"error", error.to_string()}});
  }

  // Calls that are made again and again: said once a minute, and when it is over.
  void call_failed(std::string_view message, const core::Error& error) {
    const auto failures = outage_.failed(steady_clock::now());
    if (!failures || !options_.logger) return;
    options_.logger->warn(message, {{"failures", *failures}, {"error", error.to_string()}});
  }
  void call_succeeded() {
    const auto failures = outage_.succeeded(steady_clock::now());
    if (failures && options_.logger) options_.logger->info("calls succeed again", {{"failures", *failures}});
  }

  // Counts an operation that run() waits for.
  void spawn(asio::awaitable<void> operation) {
    ++work_;
    asio::co_spawn(deployment_->connection()->executor(), std::move(operation),
                   [self = shared_from_this()](std::exception_ptr thrown) {
                     if (thrown) std::rethrow_exception(thrown);  // A broken invariant; nothing of ours throws.
                     --self->work_;
                     self->ended_.cancel();
                   });
  }

  // Renews the membership and takes over or gives up partitions as servers come and go.
  static asio::awaitable<void> keep_membership(std::shared_ptr<Impl> self) {
    while (!self->stopping_) {
      script::Join::Args args;
      args.server = self->options_.server;
      args.ttl_ms = self->options_.membership.count();
      auto live = co_await self->deployment_->call_root<script::Join>(args, self->deadline());
      if (live) {
        if (self->options_.joined) self->options_.joined(*live);
        std::vector<std::string> servers;
        for (auto& row : live->rows) servers.push_back(std::move(row.server));
        self->share(servers);
        if (live->lanes_version > self->lanes_version_) co_await learn_lanes(self);
      } else {
        self->call_failed("membership not renewed", live.error());
      }
      if (self->stopping_) break;
      self->pulse_.expires_after(self->options_.membership / 3);
      boost::system::error_code ignored;
      co_await self->pulse_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  // The records of all lanes, for the partitions whose copies are older: whoever changed a lane may have died halfway.
  static asio::awaitable<void> learn_lanes(std::shared_ptr<Impl> self) {
    auto found = co_await self->deployment_->call_root<script::Lanes>(script::Lanes::Args(), self->deadline());
    if (!found) co_return;  // Tried again with the next membership.
    self->lanes_version_ = found->version;
    self->lanes_.clear();
    for (auto& row : found->rows) {
      auto& item = self->lanes_.emplace_back();
      item.queue = std::move(row.queue);
      item.version = row.version;
      item.record = std::move(row.record);
    }
    for (std::size_t p = 0; p < self->owned_.size(); ++p) self->heal_lanes(static_cast<core::Partition>(p), 0);
  }

  void heal_lanes(core::Partition partition, std::int64_t version) {
    auto& owned = owned_[partition];
    if (!owned.subscription || owned.telling || version >= lanes_version_) return;
    owned.telling = true;
    spawn(tell_lanes(shared_from_this(), partition));
  }

  // What fails is seen again by the next look at the partition.
  static asio::awaitable<void> tell_lanes(std::shared_ptr<Impl> self, core::Partition partition) {
    const auto items = self->lanes_;
    const auto version = self->lanes_version_;
    for (std::size_t first = 0; first < items.size(); first += core::limits::kBatchItems) {
      const auto last = std::min(items.size(), first + core::limits::kBatchItems);
      script::SetLanes::Args args;
      args.items.assign(items.begin() + static_cast<std::ptrdiff_t>(first),
                        items.begin() + static_cast<std::ptrdiff_t>(last));
      if (last == items.size()) args.all_to = version;
      auto told = co_await self->deployment_->call<script::SetLanes>(partition, std::move(args), self->deadline());
      if (told) continue;
      self->call_failed("lane records not brought to a partition; tried again", told.error());
      break;
    }
    self->owned_[partition].telling = false;
  }

  void share(const std::vector<std::string>& servers) {
    if (servers.empty() || servers == stats_.servers) return;
    stats_.servers = servers;
    stats_.partitions = 0;
    for (std::size_t p = 0; p < owned_.size(); ++p) {
      const auto partition = static_cast<core::Partition>(p);
      const bool ours = owner_of(partition, servers) == options_.server;
      if (ours) ++stats_.partitions;
      if (ours && !owned_[p].subscription) take_over(partition);
      if (!ours) owned_[p].subscription.reset();
    }
    alarm_.cancel();
  }

  void take_over(core::Partition partition) {
    auto& owned = owned_[partition];
    owned.look_at = steady_clock::now();
    std::weak_ptr<Impl> weak = shared_from_this();
    owned.subscription = deployment_->connection()->subscribe(
        deployment_->keys().slot(partition), deployment_->keys().engine_channel(partition),
        [weak, partition](std::string_view, std::string_view payload) {
          std::int64_t ms = 0;
          std::from_chars(payload.data(), payload.data() + payload.size(), ms);
          if (auto self = weak.lock()) self->look_by(partition, steady_clock::now() + core::Millis(ms));
        },
        [weak, partition](std::string_view) {
          if (auto self = weak.lock()) self->look_by(partition, steady_clock::now());
        });
  }

  void look_by(core::Partition partition, SteadyTime at) {
    auto& owned = owned_[partition];
    owned.suspect = false;
    if (at >= owned.look_at) return;
    owned.look_at = at;
    if (at < alarm_.expiry()) alarm_.cancel();
  }

  // Starts the calls that are due and sleeps until the next is.
  static asio::awaitable<void> fire(std::shared_ptr<Impl> self) {
    while (!self->stopping_) {
      const auto now = steady_clock::now();
      auto next = SteadyTime::max();
      for (std::size_t p = 0; p < self->owned_.size(); ++p) {
        auto& owned = self->owned_[p];
        if (!owned.subscription || owned.calling) continue;
        if (owned.look_at <= now && self->calling_ < self->calls_for(owned)) {
          self->begin_call(static_cast<core::Partition>(p), now);
        } else if (owned.look_at > now) {
          next = std::min(next, owned.look_at);
        }
      }
      self->alarm_.expires_at(next);
      boost::system::error_code ignored;
      co_await self->alarm_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  // Calls to a shard that is away last for all their time: those must not take the places of the others.
  std::size_t calls_for(const Owned& owned) const {
    return owned.suspect ? std::max<std::size_t>(1, options_.calls_at_once / 4) : options_.calls_at_once;
  }

  void begin_call(core::Partition partition, SteadyTime now) {
    auto& owned = owned_[partition];
    stats_.lag = std::chrono::duration_cast<core::Millis>(now - owned.look_at);
    stats_.lag_max = std::max(stats_.lag_max, stats_.lag);
    owned.calling = true;
    owned.look_at = SteadyTime::max();
    ++calling_;
    spawn(run_due(shared_from_this(), partition));
  }

  static asio::awaitable<void> run_due(std::shared_ptr<Impl> self, core::Partition partition) {
    script::RunDue::Args args;
    args.limit = self->options_.items_per_call;
    args.engine = true;
    auto answer = co_await self->deployment_->call<script::RunDue>(partition, args, self->deadline());
    const auto now = steady_clock::now();
    ++self->stats_.runs;
    auto look_at = now + self->options_.look_every;
    if (answer) {
      self->call_succeeded();
      for (const auto& row : answer->rows) self->stats_.items[row.scanner] += static_cast<std::uint64_t>(row.items);
      self->heal_lanes(partition, answer->lanes_version);
      if (answer->next_in_ms >= 0) look_at = std::min(look_at, now + core::Millis(answer->next_in_ms));
      auto relay_in_ms = answer->relay_in_ms;
      if (relay_in_ms == 0) relay_in_ms = co_await carry(self, partition);
      if (relay_in_ms >= 0) look_at = std::min(look_at, now + core::Millis(relay_in_ms));
    } else {
      ++self->stats_.failures;
      self->call_failed("run_due failed", answer.error());
      look_at = now + kRetryPause;
    }
    auto& owned = self->owned_[partition];
    owned.calling = false;
    owned.suspect = !answer;
    owned.look_at = std::min(owned.look_at, look_at);
    --self->calling_;
    self->alarm_.cancel();
  }

  // Named events that somebody has left on their way. Answers in how many ms there is more, -1: none.
  static asio::awaitable<std::int64_t> carry(std::shared_ptr<Impl> self, core::Partition partition) {
    auto carried = co_await script::carry_due(self->deployment_, partition, kRelaysPerCall, self->deadline());
    if (!carried) {
      ++self->stats_.failures;
      self->call_failed("take_relays failed", carried.error());
      co_return kRetryPause.count();
    }
    if (carried->done > 0) self->stats_.items["event_relay"] += carried->done;
    self->stats_.failures += carried->failed;
    co_return carried->next_in_ms;
  }

  std::shared_ptr<script::Deployment> deployment_;
  TimersOptions options_;
  std::vector<Owned> owned_;
  std::vector<script::SetLanes::Item> lanes_;
  std::int64_t lanes_version_ = 0;  // Of lanes_.
  asio::steady_timer alarm_, pulse_, ended_;
  core::Outage outage_;
  std::size_t calling_ = 0, work_ = 0;
  bool stopping_ = false;
};

Timers::Timers(std::shared_ptr<script::Deployment> deployment, TimersOptions options)
    : impl_(std::make_shared<Impl>(std::move(deployment), std::move(options))) {}
Timers::~Timers() = default;
asio::awaitable<void> Timers::run() { return Impl::run(impl_); }
void Timers::stop() { impl_->stop(); }
const TimersStats& Timers::stats() const noexcept { return impl_->stats_; }

}  // namespace ff::engine
