#include "chaos/chaos_fixture.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "support/checker.hpp"

namespace ff::test {
namespace {

SetupOptions setup_options(const script::ConnectionOptions& connection, std::size_t partitions) {
  SetupOptions options;
  options.connection = connection;
  options.partitions = partitions;
  options.call_timeout = core::Millis(20'000);
  return options;
}

}  // namespace

std::size_t chaos_scale() {
  const char* text = std::getenv("FLOWFABRIC_CHAOS_SCALE");
  return text ? std::max<std::size_t>(1, std::strtoul(text, nullptr, 10)) : 1;
}

ChaosSetup::ChaosSetup(ServerOptions options, std::size_t partitions)
    : server_(std::make_unique<ValkeyServer>(std::move(options))) {
  setup_ = std::make_unique<WorkerSetup>(setup_options(connect_to_port(server_->port()), partitions), *server_);
}

ChaosSetup::ChaosSetup(ClusterOptions options, std::size_t partitions)
    : cluster_(std::make_unique<ValkeyCluster>(std::move(options))) {
  auto connection = connect_to_port(cluster_->node(0).port());
  connection.cluster = true;
  setup_ = std::make_unique<WorkerSetup>(setup_options(connection, partitions), *cluster_);
}

std::string ChaosSetup::address() const {
  return server_ ? server_->unix_socket() : "cluster:" + std::to_string(cluster_->node(0).port());
}

Process ChaosSetup::worker(const LedgerWorkerOptions& options) {
  Process process({FF_LEDGER_WORKER, options.address.empty() ? address() : options.address, setup_->options.prefix,
                   scratch_.file("ledger"), std::to_string(options.concurrency), std::to_string(options.prefetch),
                   std::to_string(options.lease.count()), std::to_string(options.work_ms)});
  const bool works = process.wait_for_output("working\n", 20s);
  INFO(process.output());
  REQUIRE(works);
  return process;
}

Ledger ChaosSetup::ledger() const {
  Ledger ledger;
  std::ifstream file(scratch_.file("ledger"));
  std::string what, id;
  std::int64_t epoch = 0, pid = 0;
  while (file >> what >> id >> epoch >> pid) {
    const bool begins = what == "begin";
    (begins ? ledger.begun : ledger.ended)[id].push_back(epoch);
    ++(begins ? ledger.begins : ledger.ends);
    if (begins) ++ledger.begun_by[pid];
  }
  return ledger;
}

void ChaosSetup::require_completed(std::size_t count, std::chrono::milliseconds limit) {
  const auto all = static_cast<std::int64_t>(count);
  const bool done = until([&] { return setup_->in_state(core::State::completed) == all; }, limit);
  std::string counts;
  for (const auto& [index, number] : setup_->good(setup_->client->count())) {
    if (number > 0) counts += index + "=" + std::to_string(number) + " ";
  }
  INFO(counts);
  REQUIRE(done);
}

void ChaosSetup::replicate() {
  const auto number_in = [](const std::string& text, const std::string& name) {
    return std::stoll(text.substr(text.find(name) + name.size()));
  };
  for (auto* primary : setup_->primaries()) {
    const auto offset = number_in(primary->info("master_repl_offset"), "");
    REQUIRE(until([&] { return number_in(primary->info("slave0"), "offset=") >= offset; }, 10s));
  }
}

void ChaosSetup::judge(const std::vector<core::ExecutionId>& ids, bool ends_may_repeat) {
  const auto ledger = this->ledger();
  const auto published = setup_->events("completed");
  for (const auto& id : ids) {
    INFO(id.str());
    const auto now = setup_->look(id);
    REQUIRE(now.state == "completed");
    REQUIRE(now.generation == 0);
    REQUIRE(setup_->result_of(id) == std::to_string(now.epoch));
    REQUIRE(published.at(id.ulid().str()) == 1);
    const auto& begun = ledger.begun.at(id.str());
    const std::set<std::int64_t> epochs(begun.begin(), begun.end());
    REQUIRE(epochs.size() == begun.size());
    REQUIRE(*epochs.rbegin() == now.epoch);
    const auto& ended = ledger.ended.at(id.str());
    REQUIRE(std::count(ended.begin(), ended.end(), now.epoch) == 1);
    for (const auto epoch : ended) REQUIRE(epochs.contains(epoch));
    REQUIRE((ends_may_repeat || now.attempt >= static_cast<std::int64_t>(begun.size())));
  }
}

void ChaosSetup::check_stored() {
  std::size_t executions = 0;
  for (auto* node : setup_->primaries()) {
    auto inspector = node->client();
    const auto report = check_deployment(inspector, setup_->options.prefix);
    INFO(report.text());
    CHECK(report.violations.empty());
    executions += report.executions;
  }
  CHECK(executions > 0);
}

Load::Load(WorkerSetup& setup) : setup_(setup) {
  boost::asio::co_spawn(setup.context, run(*this), [this](std::exception_ptr failure) {
    failed_ = failure != nullptr;
    ended_ = true;
  });
}

Load::~Load() {
  stopping_ = true;
  setup_.until([this] { return ended_; }, 60s);
}

std::vector<core::ExecutionId> Load::finish() {
  stopping_ = true;
  REQUIRE(setup_.until([this] { return ended_; }, 60s));
  REQUIRE_FALSE(failed_);
  return ids_;
}

std::vector<sdk::Submission> Load::next_batch() {
  std::vector<sdk::Submission> batch(10, sdk::Submission("work"));
  for (auto& job : batch) {
    job.policy.crash.max = 1000;
    auto ulid = core::Ulid::make();
    const auto home = setup_.client->deployment()->keys().home_for_new(ulid);
    job.id = core::ExecutionId(home, std::move(ulid));
  }
  return batch;
}

boost::asio::awaitable<void> Load::submit(Load& load, std::vector<sdk::Submission> batch) {
  while (true) {
    auto answers = co_await load.setup_.client->submit_many(batch);
    bool all = answers.has_value();
    if (all) {
      for (const auto& answer : *answers) all = all && answer.has_value();
    }
    if (all) break;
    ++load.repeated_;
  }
  for (const auto& job : batch) load.ids_.push_back(*job.id);
}

boost::asio::awaitable<void> Load::run(Load& load) {
  boost::asio::steady_timer pause(load.setup_.context);
  boost::system::error_code ignored;
  while (!load.stopping_) {
    co_await submit(load, load.next_batch());
    pause.expires_after(5ms);
    co_await pause.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
}

std::uint64_t figure(const Process& drained, const std::string& name) {
  const auto output = drained.output();
  const auto at = output.rfind(name + "=");
  INFO(output);
  REQUIRE(at != std::string::npos);
  return std::strtoull(output.c_str() + at + name.size() + 1, nullptr, 10);
}

}  // namespace ff::test
