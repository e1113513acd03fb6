#include "metrics/registry.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>

#include "ff/core/version.hpp"
#include "metrics/catalogue.hpp"

namespace ff::server::metrics {
namespace {

constexpr std::size_t kLanesMax = 200;
constexpr std::int64_t kScrapeLatelyMs = 60'000;
using Families = std::vector<prometheus::MetricFamily>;

std::int64_t steady_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<core::Millis>(now).count();
}

double in_seconds(core::Millis duration) { return static_cast<double>(duration.count()) / 1000; }

template <class Builder>
auto& family(Builder builder, const Info& info, prometheus::Registry& registry) {
  return builder.Name(std::string(info.name)).Help(std::string(info.help)).Register(registry);
}

// One family of the snapshot, with its values.
class Writer {
 public:
  Writer(Families& families, const Info& info) : counter_(info.type == Type::counter) {
    prometheus::MetricFamily& family = families.emplace_back();
    family.name = std::string(info.name);
    family.help = std::string(info.help);
    family.type = counter_ ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
    metrics_ = &family.metric;
  }
  void add(double value, std::vector<prometheus::ClientMetric::Label> labels = {}) {
    prometheus::ClientMetric& metric = metrics_->emplace_back();
    metric.label = std::move(labels);
    (counter_ ? metric.counter.value : metric.gauge.value) = value;
  }

 private:
  bool counter_;
  std::vector<prometheus::ClientMetric>* metrics_;
};

std::vector<prometheus::ClientMetric::Label> place(std::string state, std::string ns, std::string lane) {
  return {{"state", std::move(state)}, {"namespace", std::move(ns)}, {"lane", std::move(lane)}};
}

void write_executions(Families& families, const Snapshot& snapshot) {
  static constexpr std::string_view kReady = "ready:", kUnserved = "unserved:";
  Writer executions(families, kExecutions);
  std::size_t lanes = 0;
  double others = 0;
  for (const auto& [index, count] : snapshot.counts) {
    const auto value = static_cast<double>(count);
    if (index.starts_with(kUnserved)) continue;
    if (!index.starts_with(kReady)) {
      if (index != "ready") executions.add(value, place(index, "", ""));
      continue;
    }
    const std::string queue = index.substr(kReady.size());
    const std::size_t slash = std::min(queue.find('/'), queue.size());
    if (++lanes > kLanesMax) others += value;
    else executions.add(value, place("ready", queue.substr(0, slash), queue.substr(std::min(slash + 1, queue.size()))));
  }
  if (lanes > kLanesMax) executions.add(others, place("ready", "(other)", "(other)"));
  const auto age = [&snapshot] { return std::chrono::steady_clock::now() - *snapshot.counted_at; };
  Writer(families, kExecutionsAge)
      .add(snapshot.counted_at ? in_seconds(std::chrono::duration_cast<core::Millis>(age())) : -1);
}

void write_unserved(Families& families, const Snapshot& snapshot) {
  static constexpr std::string_view kUnserved = "unserved:";
  Writer unserved(families, metrics::kUnserved);
  std::size_t lanes = 0;
  for (const auto& [index, count] : snapshot.counts) {
    if (!index.starts_with(kUnserved) || ++lanes > kLanesMax) continue;
    const std::string queue = index.substr(kUnserved.size());
    const std::size_t slash = std::min(queue.find('/'), queue.size());
    unserved.add(static_cast<double>(count), {{"namespace", queue.substr(0, slash)},
                                              {"lane", queue.substr(std::min(slash + 1, queue.size()))}});
  }
}

void write_timers(Families& families, const engine::TimersStats& timers) {
  Writer(families, kTimersRuns).add(static_cast<double>(timers.runs));
  Writer(families, kTimersFailures).add(static_cast<double>(timers.failures));
  Writer items(families, kTimersItems);
  for (const auto& [scanner, count] : timers.items) items.add(static_cast<double>(count), {{"scanner", scanner}});
  Writer(families, kTimersLag).add(in_seconds(timers.lag));
  Writer(families, kTimersLagMax).add(in_seconds(timers.lag_max));
  Writer(families, kTimersPartitions).add(static_cast<double>(timers.partitions));
  Writer(families, kServers).add(static_cast<double>(timers.servers.size()));
}

void write_valkey(Families& families, const Snapshot& snapshot) {
  const script::ConnectionStats& stats = snapshot.connection;
  Writer(families, kValkeyUp).add(snapshot.valkey_up ? 1 : 0);
  Writer(families, kValkeyCommands).add(static_cast<double>(stats.commands));
  Writer(families, kValkeyReconnects).add(static_cast<double>(stats.reconnects));
  Writer(families, kValkeyRedirects).add(static_cast<double>(stats.redirects));
  Writer(families, kValkeyRetries).add(static_cast<double>(stats.retries));
  Writer(families, kValkeyUnknown).add(static_cast<double>(stats.unknown));
  Writer(families, kBuildInfo)
      .add(1, {{"version", std::string(core::version())}, {"valkey_version", snapshot.valkey_version}});
}

}  // namespace

// What is counted as it happens. Calls of one listener come one at a time; the registry is read by other threads.
class Registry::Http {
 public:
  Http()
      : requests_(family(prometheus::BuildCounter(), kHttpRequests, registry)),
        durations_(family(prometheus::BuildHistogram(), kHttpDuration, registry)),
        connections(family(prometheus::BuildGauge(), kHttpConnections, registry).Add({})),
        refused(family(prometheus::BuildCounter(), kHttpRefused, registry).Add({})),
        tokens_unread(family(prometheus::BuildCounter(), kTokensUnread, registry).Add({})),
        streams(family(prometheus::BuildGauge(), kHttpStreams, registry).Add({})) {
    auto& faults = family(prometheus::BuildCounter(), kTokensRefused, registry);
    for (std::size_t i = 1; i < core::kTokenFaults; ++i)
      tokens_refused.push_back(&faults.Add({{"fault", std::string(to_string(static_cast<core::TokenFault>(i)))}}));
  }

  prometheus::Registry registry;

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& durations_;
  std::map<std::pair<std::string, int>, prometheus::Counter*> counters_;
  std::map<std::string, prometheus::Histogram*> histograms_;

 public:
  prometheus::Gauge& connections;
  prometheus::Counter& refused;
  std::vector<prometheus::Counter*> tokens_refused;  // From the first real fault on.
  prometheus::Counter& tokens_unread;
  prometheus::Gauge& streams;

  void answered(std::string_view route, int status, double took) {
    const std::string name(route);
    auto& counter = counters_[{name, status}];
    if (counter == nullptr) counter = &requests_.Add({{"route", name}, {"status", std::to_string(status)}});
    counter->Increment();
    auto& histogram = histograms_[name];
    if (histogram == nullptr) {
      histogram = &durations_.Add(
          {{"route", name}}, prometheus::Histogram::BucketBoundaries{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                                     0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60});
    }
    histogram->Observe(took);
  }
};

Registry::Registry()
    : http_(std::make_unique<Http>()),
      started_at_(std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count()) {}
Registry::~Registry() = default;

void Registry::connection_opened() { http_->connections.Increment(); }
void Registry::connection_closed() { http_->connections.Decrement(); }
void Registry::connection_refused() { http_->refused.Increment(); }
void Registry::stream_opened() { http_->streams.Increment(); }
void Registry::stream_closed() { http_->streams.Decrement(); }
void Registry::answered(std::string_view route, http::Method, int status, double seconds) {
  http_->answered(route, status, seconds);
}

void Registry::token_refused(core::TokenFault fault) {
  if (fault != core::TokenFault::none) http_->tokens_refused.at(static_cast<std::size_t>(fault) - 1)->Increment();
}

void Registry::token_unread() { http_->tokens_unread.Increment(); }

void Registry::set(Snapshot snapshot) {
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(snapshot);
}

bool Registry::scraped_lately() const { return steady_ms() - last_scrape_ms_.load() < kScrapeLatelyMs; }

std::string Registry::page() {
  last_scrape_ms_ = steady_ms();
  Families families = http_->registry.Collect();
  {
    const std::lock_guard lock(mutex_);
    write_executions(families, snapshot_);
    write_unserved(families, snapshot_);
    write_timers(families, snapshot_.timers);
    write_valkey(families, snapshot_);
  }
  Writer(families, kStartTime).add(started_at_);
  std::erase_if(families, [](const prometheus::MetricFamily& one) { return one.metric.empty(); });
  const auto by_name = [](const prometheus::MetricFamily& a, const prometheus::MetricFamily& b) {
    return a.name < b.name;
  };
  std::sort(families.begin(), families.end(), by_name);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace ff::server::metrics
