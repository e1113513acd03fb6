#include "app.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>

#include "dev_valkey.hpp"
#include "ff/core/crypto.hpp"
#include "ff/core/ids.hpp"
#include "ff/core/sha256.hpp"
#include "ff/core/text.hpp"
#include "ff/core/version.hpp"
#include "ff/engine/events.hpp"
#include "ff/engine/timers.hpp"
#include "ff/script/connect.hpp"
#include "ff/script/deployment.hpp"
#include "ff/sdk/client.hpp"
#include "ff/sdk/token_keys.hpp"
#include "health.hpp"
#include "http/execution_api.hpp"
#include "http/ops_listener.hpp"
#include "http/public_listener.hpp"
#include "http/routes.hpp"
#include "metrics/registry.hpp"
#include "settings.hpp"

namespace ff::server {
namespace {

namespace asio = boost::asio;
using core::Code;
using core::Error;
using core::Millis;
using core::Result;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr Millis kPulse(1000), kPulseTimeout(1000), kCountEvery(5000), kCountTimeout(4000);
constexpr Millis kBootTryMin(1000), kBootTryMax(10000), kBootPauseMin(100), kBootPauseMax(2000),
    kSettingsTimeout(10000);
constexpr Millis kStopTimers(3000), kStopValkey(10000);
constexpr std::size_t kDescriptorsSpare = 256;  // For Valkey, the operations listener, logs.

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void say_config(const Config& config) {
  std::istringstream lines(describe(config));
  for (std::string line; std::getline(lines, line);) say("config: " + line);
}

std::string made_up_name() {
  char host[65] = {};
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  std::string name(host);
  std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.'; });
  if (name.empty() || std::isalnum(static_cast<unsigned char>(name[0])) == 0) name = "server";
  return fmt::format("{}:{}:{}", name.substr(0, 32), ::getpid(), core::Ulid::make().str().substr(18));
}

script::ConnectionOptions connection_options(const Config& config, const std::string& socket) {
  script::ConnectionOptions options;
  options.host = config.host;
  options.port = config.port;
  options.unix_socket = socket;
  options.cluster = config.cluster;
  options.user = config.user;
  options.password = config.password.reveal();
  options.tls.enabled = config.tls;
  options.tls.ca_file = config.tls_ca;
  options.tls.certificate_file = config.tls_cert;
  options.tls.key_file = config.tls_key;
  options.client_name = "ff-server";
  return options;
}

Callers callers_of(const Config& config) {
  Callers callers = config.callers;
  if (!config.api_token.empty()) callers.add(Caller("admin"), core::sha256(config.api_token.reveal()));
  return callers;
}

// As many connections as descriptors are for.
std::size_t connections_within_limits(std::size_t wanted, core::Logger& logger) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const std::size_t room =
      limit.rlim_cur > 2 * kDescriptorsSpare ? limit.rlim_cur - kDescriptorsSpare : limit.rlim_cur / 2;
  if (wanted <= room) return wanted;
  logger.warn(
      "fewer connections than FF_MAX_CONNECTIONS: the limit of open files is too low",
      {{"wanted", wanted}, {"connections", room}, {"open_files_max", static_cast<std::uint64_t>(limit.rlim_cur)}});
  return room;
}

}  // namespace

class App {
 public:
  explicit App(const Config& config)
      : config_(config),
        logger_(std::make_shared<core::StderrLogger>(config.log_level)),
        stop_(context_, kNever),
        timers_done_(context_, kNever),
        pulse_done_(context_, kNever),
        signals_(context_, SIGTERM, SIGINT) {}

  int run() {
    std::signal(SIGPIPE, SIG_IGN);
    signals_.async_wait([this](const boost::system::error_code& error, int number) { on_signal(error, number); });
    auto finish = [this](std::exception_ptr error) { on_end(error); };
    asio::co_spawn(context_, live(), std::move(finish));
    context_.run();
    return exit_code_;
  }

 private:
  static constexpr core::SteadyTime kNever = core::SteadyTime::max();

  asio::awaitable<void> live();
  asio::awaitable<Result<void>> boot();
  Result<void> start_ops();
  asio::awaitable<Result<void>> start_dev();
  asio::awaitable<Result<void>> open_deployment();
  Result<core::Secret> hmac_secret() const;
  asio::awaitable<Result<void>> open_keys();
  asio::awaitable<Result<void>> check_settings();
  Result<void> start_serving();
  asio::awaitable<void> until_stopped();
  asio::awaitable<void> shut_down();
  asio::awaitable<void> run_timers();
  asio::awaitable<void> pulse();
  asio::awaitable<void> ask_valkey();
  asio::awaitable<void> count_executions();

  void on_signal(const boost::system::error_code& error, int number) {
    if (error) return;
    if (stopping_) {
      fail("a second signal came, the drain is cut short");
      std::_Exit(exit_code_);
    }
    logger_->info("draining", {{"signal", number}});
    stopping_ = true;
    stop_.cancel();
    signals_.async_wait([this](const boost::system::error_code& e, int n) { on_signal(e, n); });
  }
  void on_end(std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const std::exception& thrown) {
      fail(std::string("an error of ours ended the server: ") + thrown.what());
    }
    signals_.cancel();
    context_.stop();
  }
  void hear_of_keys(const script::Join::Ok& live) {
    auto done = [logger = logger_, keys = keys_.get()](const Result<void>& read) {
      if (read) logger->info("read the keys of waitpoint tokens", {{"version", keys->version()}});
      else logger->error("the keys of waitpoint tokens cannot be read", {{"error", read.error().to_string()}});
    };
    keys_->heard(live.ring_version, live.now, kSettingsTimeout, std::move(done));
  }
  void fail(const std::string& sentence) {
    fmt::print(stderr, "ff-server: {}\n", sentence);
    exit_code_ = 1;
  }

  const Config& config_;
  std::shared_ptr<core::Logger> logger_;
  Health health_;
  metrics::Registry metrics_;
  metrics::Snapshot snapshot_;
  asio::io_context context_{1};
  asio::steady_timer stop_;         // Cancelled by the first signal, and when the private Valkey ends.
  asio::steady_timer timers_done_;  // Cancelled when Timers::run has returned.
  asio::steady_timer pulse_done_;
  asio::signal_set signals_;
  bool stopping_ = false, timers_running_ = false, pulse_running_ = false;
  int exit_code_ = 0;

  std::unique_ptr<DevValkey> dev_;
  std::shared_ptr<script::Connection> connection_;
  std::shared_ptr<script::Deployment> deployment_;
  std::shared_ptr<sdk::TokenKeys> keys_;
  std::optional<engine::EventFeed> events_;
  std::optional<http::ExecutionApi> api_;
  std::optional<http::Router> router_;
  std::optional<http::PublicListener> listener_;
  std::optional<engine::Timers> timers_;
  std::unique_ptr<http::OpsListener> ops_;  // Last: its thread reads what stands above.
};

asio::awaitable<void> App::live() {
  say_config(config_);
  auto booted = co_await boot();
  if (!booted && !stopping_) fail(booted.error().message.empty() ? booted.error().to_string() : booted.error().message);
  if (booted && !stopping_) co_await until_stopped();
  co_await shut_down();
}

asio::awaitable<Result<void>> App::boot() {
  using namespace asio::experimental::awaitable_operators;
  if (auto started = co_await start_dev(); !started) co_return started;
  if (auto started = start_ops(); !started) co_return started;
  const std::string socket = dev_ ? dev_->socket() : config_.socket;
  auto options = connection_options(config_, socket);
  options.logger = logger_;
  connection_ = script::make_connection(context_.get_executor(), std::move(options));
  auto opening = open_deployment();
  auto stopped = stop_.async_wait(kToken);
  auto first = co_await (std::move(opening) || std::move(stopped));
  if (first.index() == 1) co_return Result<void>();
  auto opened = std::get<0>(std::move(first));
  if (!opened) co_return opened;
  health_.answered();
  if (auto checked = co_await check_settings(); !checked) co_return checked;
  if (auto opened_keys = co_await open_keys(); !opened_keys) co_return opened_keys;
  co_return start_serving();
}

Result<void> App::start_ops() {
  http::OpsPages pages;
  pages.ready = [this] {
    const auto health = health_.health();
    if (health) return http::OpsAnswer(200, "ready\n");
    const auto cause = health_.cause();
    return http::OpsAnswer(503, health.error().message + (cause.empty() ? "" : ": " + cause) + "\n");
  };
  pages.metrics = [this] { return metrics_.page(); };
  pages.version = [] { return std::string(core::version()) + "\n"; };
  if (!config_.ops.address().is_loopback())
    logger_->warn("metrics are open to the network", {{"address", to_string(config_.ops)}});
  auto started = http::OpsListener::start(config_.ops.address().to_string(), config_.ops.port(), std::move(pages));
  if (!started) return std::move(started).error();
  ops_ = std::move(*started);
  say("ops listener: " + to_string(boost::asio::ip::tcp::endpoint(config_.ops.address(), ops_->port())));
  return {};
}

asio::awaitable<Result<void>> App::start_dev() {
  if (!config_.dev) co_return Result<void>();
  auto started = co_await DevValkey::start(context_.get_executor(), config_.dev_data);
  if (!started) co_return std::move(started).error();
  dev_ = std::move(*started);
  say("dev valkey: unix socket " + dev_->socket());
  co_return Result<void>();
}

// Repeated while Valkey is unreachable and the boot time lasts; what cannot be cured by waiting ends it at once.
asio::awaitable<Result<void>> App::open_deployment() {
  script::DeploymentOptions options;
  options.prefix = config_.prefix;
  options.partitions = config_.partitions;
  // A first try in any case: with a boot time of 0 it is the only one.
  const auto end = std::chrono::steady_clock::now() + std::max(config_.boot_timeout, kBootTryMin);
  Millis pause = kBootPauseMin,
         attempt = kBootTryMin;  // Both grow: a slow Valkey gets its time, a log line comes soon.
  asio::steady_timer timer(context_);
  while (true) {
    const core::Deadline deadline(std::min(end, core::Deadline::in(attempt).at));
    auto opened = co_await script::Deployment::open(connection_, options, deadline);
    if (opened) {
      deployment_ = std::move(*opened);
      co_return Result<void>();
    }
    const Error error = opened.error();
    const bool may_pass = error.code == Code::unavailable || error.code == Code::unknown_outcome;
    if (!may_pass) co_return Error(error.code, error.reason, "Valkey is refused: " + error.to_string());
    if (std::chrono::steady_clock::now() + pause >= end) {
      co_return Error(
          error.code, error.reason,
          fmt::format("Valkey was not reachable for {} ms: {}", config_.boot_timeout.count(), error.to_string()));
    }
    health_.phase(Health::Phase::booting, "Valkey is not reachable: " + error.to_string());
    logger_->warn("Valkey is not reachable yet", {{"error", error.to_string()}});
    timer.expires_after(pause);
    co_await timer.async_wait(kToken);
    pause = std::min(2 * pause, kBootPauseMax);
    attempt = std::min(2 * attempt, kBootTryMax);
  }
}

// Without one, --dev makes one; with a data folder it is kept there, beside the keys it seals.
Result<core::Secret> App::hmac_secret() const {
  if (!config_.hmac_secret.empty()) return config_.hmac_secret;
  const core::Secret made(core::hex(core::random_bytes(32)));
  if (config_.dev_data.empty()) return made;
  const std::string path = config_.dev_data + "/waitpoint-hmac-secret";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    const auto written = ::write(fd, made.reveal().data(), made.reveal().size());
    ::close(fd);
    if (written == static_cast<ssize_t>(made.reveal().size())) return made;
    ::unlink(path.c_str());
  } else if (errno == EEXIST) {
    std::ifstream in(path);
    std::string kept;
    if (in >> kept && kept.size() == made.reveal().size()) return core::Secret(std::move(kept));
  }
  return Error(Code::incompatible, "waitpoint_secret", "the secret of waitpoint tokens cannot be kept in " + path);
}

asio::awaitable<Result<void>> App::open_keys() {
  auto secret = hmac_secret();
  if (!secret) co_return std::move(secret).error();
  auto opened = co_await sdk::TokenKeys::open(deployment_, std::move(*secret), core::Deadline::in(kSettingsTimeout));
  if (!opened) {
    const Error& error = opened.error();
    co_return Error(error.code, error.reason, "the keys of waitpoint tokens cannot be used: " + error.to_string());
  }
  keys_ = std::move(*opened);
  co_return Result<void>();
}

asio::awaitable<Result<void>> App::check_settings() {
  script::Command command("CONFIG");
  command.arg("GET").arg("maxmemory-policy").arg("appendonly").arg("appendfsync");
  auto replies = co_await connection_->send_to_primaries(std::move(command), core::Deadline::in(kSettingsTimeout));
  std::vector<std::string> broken;
  if (!replies) {
    broken.push_back("the settings of Valkey cannot be read: " + replies.error().to_string());
  } else {
    for (const script::Reply& reply : *replies) {
      if (reply.is_error()) broken.push_back("the settings of Valkey cannot be read: " + reply.text);
      for (std::string& sentence : broken_promises(settings_of(reply))) broken.push_back(std::move(sentence));
    }
  }
  for (const std::string& sentence : broken)
    logger_->warn("a setting of Valkey breaks a promise", {{"setting", sentence}});
  if (config_.strict && !broken.empty()) {
    co_return Error(Code::incompatible, "settings", "--strict refuses this Valkey: " + broken.front());
  }
  co_return Result<void>();
}

Result<void> App::start_serving() {
  engine::EventFeedOptions feed_options;
  feed_options.logger = logger_;
  events_.emplace(deployment_, std::move(feed_options));
  auto unread = [this](std::string_view peer, bool first) {
    metrics_.token_unread();
    if (first) logger_->warn("an address has brought too many wrong tokens", {{"peer", peer}});
  };
  auto wrong_tokens = std::make_shared<http::WrongTokens>(config_.wrong_tokens_per_minute, std::move(unread));
  http::ApiOptions api_options;
  api_options.wrong_tokens = wrong_tokens;
  api_options.rotation_grace = config_.hmac_grace;
  api_options.token_refused = [this](core::TokenFault fault) { metrics_.token_refused(fault); };
  api_options.logger = logger_;
  api_.emplace(deployment_, keys_, health_, *events_, std::move(api_options));
  http::RouterOptions router_options;
  router_options.callers = callers_of(config_);
  router_options.wrong_tokens = std::move(wrong_tokens);
  router_options.logger = logger_;
  router_options.body_bytes_max = config_.max_body_bytes;
  router_options.request_timeout = config_.request_timeout;
  router_.emplace(*api_, std::move(router_options));
  http::PublicListenerOptions options;
  options.address = config_.listen;
  options.connections_max = connections_within_limits(config_.max_connections, *logger_);
  options.streams_max = config_.max_streams;
  auto admit = [this](const http::Request& head) { return router_->admit(head); };
  listener_.emplace(context_.get_executor(), options, std::move(admit), metrics_, logger_);
  engine::TimersOptions timers_options;
  timers_options.server = config_.server_name.empty() ? made_up_name() : config_.server_name;
  timers_options.logger = logger_;
  timers_options.joined = [this](const script::Join::Ok& live) { hear_of_keys(live); };
  timers_.emplace(deployment_, timers_options);
  auto listening = listener_->start();
  if (!listening) return std::move(listening).error();
  snapshot_.valkey_version = deployment_->server_version();
  timers_running_ = pulse_running_ = true;
  asio::co_spawn(context_, run_timers(), asio::detached);
  asio::co_spawn(context_, pulse(), asio::detached);
  health_.phase(Health::Phase::serving);
  if (callers_of(config_).empty()) logger_->warn("no FF_API_TOKEN: every user of this machine may do everything");
  logger_->info("serving", {{"server", timers_options.server},
                            {"valkey", deployment_->server_version()},
                            {"partitions", deployment_->keys().partitions()},
                            {"version", core::version()}});
  say("public listener: " + to_string(*listening));
  say("ready");
  return {};
}

asio::awaitable<void> App::until_stopped() {
  using namespace asio::experimental::awaitable_operators;
  auto stopped = stop_.async_wait(kToken);
  if (!dev_) {
    co_await std::move(stopped);
    co_return;
  }
  auto ended = dev_->ended();
  auto first = co_await (std::move(stopped) || std::move(ended));
  if (first.index() == 1 && !stopping_) fail("the private Valkey has ended by itself");
}

asio::awaitable<void> App::shut_down() {
  stopping_ = true;
  stop_.cancel();
  health_.phase(Health::Phase::draining);
  if (listener_) co_await listener_->stop(core::Deadline::in(config_.drain_timeout));
  if (api_) co_await api_->stop_workers();
  if (timers_running_) {
    timers_->stop();
    timers_done_.expires_after(kStopTimers);
    while (timers_running_ && timers_done_.expiry() > std::chrono::steady_clock::now())
      co_await timers_done_.async_wait(kToken);
  }
  while (pulse_running_) co_await pulse_done_.async_wait(kToken);
  if (connection_) connection_->close();
  ops_.reset();
  if (dev_) co_await dev_->stop(kStopValkey);
  if (exit_code_ == 0) logger_->info("stopped");
}

asio::awaitable<void> App::run_timers() {
  co_await timers_->run();
  timers_running_ = false;
  timers_done_.cancel();
}

// What is true each second: whether Valkey answers, and what the metrics page says.
asio::awaitable<void> App::pulse() {
  asio::steady_timer timer(context_);
  while (!stopping_) {
    co_await ask_valkey();
    const bool old = !snapshot_.counted_at || *snapshot_.counted_at + kCountEvery < std::chrono::steady_clock::now();
    if (old && !stopping_ && (!snapshot_.counted_at || metrics_.scraped_lately())) co_await count_executions();
    snapshot_.timers = timers_->stats();
    snapshot_.connection = connection_->stats();
    snapshot_.valkey_up = health_.valkey_up();
    metrics_.set(snapshot_);
    using namespace asio::experimental::awaitable_operators;
    timer.expires_after(kPulse);
    auto beat = timer.async_wait(kToken);
    auto stopped = stop_.async_wait(kToken);
    if (!stopping_) co_await (std::move(beat) || std::move(stopped));
  }
  pulse_running_ = false;
  pulse_done_.cancel();
}

// Each primary has partitions that nobody else serves.
asio::awaitable<void> App::ask_valkey() {
  script::Command ping("PING");
  auto replies = co_await connection_->send_to_primaries(std::move(ping), core::Deadline::in(kPulseTimeout));
  if (!replies) co_return health_.silent(replies.error().to_string());
  for (const auto& reply : *replies) {
    if (reply.is_error()) co_return health_.silent(reply.text);
  }
  health_.answered();
}

asio::awaitable<void> App::count_executions() {
  sdk::Client client(deployment_, "default", kCountTimeout);
  auto counts = co_await client.count();
  if (!counts) co_return;
  snapshot_.counts = std::move(*counts);
  snapshot_.counted_at = std::chrono::steady_clock::now();
}

int run_app(const Config& config) { return App(config).run(); }

}  // namespace ff::server
