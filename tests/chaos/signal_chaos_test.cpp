// Signals raced against everything that can end a suspension, while workers are killed and a primary dies.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <sstream>

#include "chaos/chaos_fixture.hpp"
#include "support/seed.hpp"

using namespace ff;
using namespace ff::test;

namespace {

enum class Act { signal, cancel, resume };

// One thing that somebody does to an execution, and what he was told.
struct Deed {
  core::ExecutionId id;
  Act act;
  std::string signal;  // Its id.
  core::Millis after;
  bool done = false, good = false, duplicate = false, resumed = false;
  std::int64_t number = 0;
  std::string reason;  // Of a refusal.
  Deed(core::ExecutionId i, Act a, std::string s, core::Millis when)
      : id(std::move(i)), act(a), signal(std::move(s)), after(when) {}
};

boost::asio::awaitable<void> pause(core::Millis time) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, time);
  boost::system::error_code ignored;
  co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
}

boost::asio::awaitable<void> send(sdk::Client* client, Deed* deed) {
  core::Signal signal("go");
  signal.id = deed->signal;
  auto answer = co_await client->signal(deed->id, "1.default", signal);
  deed->good = answer.has_value();
  deed->reason = answer ? "" : answer.error().reason;
  if (!answer) co_return;
  deed->duplicate = answer->duplicate;
  deed->resumed = answer->resumed;
  deed->number = answer->number;
}

// Repeats a signal while its waitpoint is not there yet.
boost::asio::awaitable<void> perform(sdk::Client* client, Deed* deed) {
  co_await pause(deed->after);
  if (deed->act == Act::signal) {
    do {
      co_await send(client, deed);
      if (deed->reason == "no_such_waitpoint") co_await pause(core::Millis(20));
    } while (deed->reason == "no_such_waitpoint");
  } else if (deed->act == Act::cancel) {
    auto answer = co_await client->cancel(deed->id, core::Millis(0), "raced");
    deed->good = answer.has_value();
  } else {
    auto answer = co_await client->resume(deed->id, 1);
    deed->good = answer.has_value();
  }
  deed->done = true;
}

// Four signals, each sent up to three times; sometimes a cancel or an operator; all within two seconds, so that some
// come to executions that wait already, also on a busy machine.
std::vector<Deed> deeds_for(const std::vector<core::ExecutionId>& ids, Rng& rng) {
  std::vector<Deed> deeds;
  const auto soon = [&rng] { return core::Millis(rng.between(0, 2000)); };
  for (const auto& id : ids) {
    for (const char* signal : {"a", "b", "c", "d"}) {
      for (std::uint64_t sends = rng.below(4); sends > 0; --sends) deeds.emplace_back(id, Act::signal, signal, soon());
    }
    if (rng.chance(0.2)) deeds.emplace_back(id, Act::cancel, "", soon());
    if (rng.chance(0.2)) deeds.emplace_back(id, Act::resume, "", soon());
  }
  return deeds;
}

struct Tally {
  std::set<std::string> accepted;  // Signals.
  std::map<std::string, std::int64_t> numbers;
  std::size_t firsts = 0, duplicates = 0, resumes = 0, operators = 0, cancels = 0;
};

Tally tally_of(const std::vector<Deed>& deeds, const core::ExecutionId& id) {
  Tally tally;
  for (const Deed& deed : deeds) {
    if (deed.id != id || !deed.good) continue;
    if (deed.act == Act::cancel) ++tally.cancels;
    if (deed.act == Act::resume) ++tally.operators;
    if (deed.act != Act::signal) continue;
    const auto [known, is_new] = tally.numbers.emplace(deed.signal, deed.number);
    CHECK(known->second == deed.number);  // Everybody hears the first answer.
    ++(deed.duplicate ? tally.duplicates : tally.firsts);
    if (!deed.duplicate) tally.accepted.insert(deed.signal);
    if (!deed.duplicate && deed.resumed) ++tally.resumes;
  }
  CHECK(tally.firsts == tally.numbers.size());  // Each accepted once.
  return tally;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

core::ExecutionId submit_approval(ChaosSetup& chaos, const std::string& limit_ms) {
  sdk::Submission job("approval", core::Payload(limit_ms));
  job.policy.crash.max = 1000;
  job.policy.crash.delay = core::Millis(10);
  return chaos->submit(job);
}

// What ended it is what exactly one of all was told that it did.
std::string judge(ChaosSetup& chaos, const core::ExecutionId& id, const Tally& tally) {
  const auto state = chaos->look(id).state;
  if (state == "cancelled") {
    CHECK(tally.cancels > 0);
    return "cancel";
  }
  REQUIRE(state == "completed");
  const auto words = words_of(chaos->result_of(id));
  const std::string& by = words.at(0);
  CHECK(tally.resumes == (by == "signals" ? 1 : 0));
  CHECK(tally.operators == (by == "operator" ? 1 : 0));
  const std::set<std::string> given(words.begin() + 1, words.end());
  CHECK(given.size() == words.size() - 1);  // None twice.
  for (const auto& signal : given) CHECK(tally.accepted.contains(signal));
  if (by == "signals") CHECK(given.size() == 2);
  return by;
}

}  // namespace

TEST_CASE("signals sent again and again race timeouts, cancels and operators, while workers are killed") {
  ChaosSetup chaos;
  Rng rng(seed());
  LedgerWorkerOptions options;
  options.lease = core::Millis(300);
  std::vector<Process> workers;
  workers.push_back(chaos.worker(options));
  workers.push_back(chaos.worker(options));
  engine::TimersOptions timers;
  timers.server = "engine";
  auto engine = chaos->engine(timers);
  std::vector<core::ExecutionId> ids;
  for (std::size_t i = 0; i < 300 * chaos_scale(); ++i) {
    ids.push_back(submit_approval(chaos, std::to_string(rng.between(50, 3000))));
  }
  auto deeds = deeds_for(ids, rng);
  sdk::Client other = chaos->another();
  for (Deed& deed : deeds) {
    auto* client = rng.chance(0.5) ? &other : &*chaos->client;
    boost::asio::co_spawn(chaos->context, perform(client, &deed), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }
  std::size_t kills = 0;
  const auto over = [&] {
    const auto ended = chaos->in_state(core::State::completed) + chaos->in_state(core::State::cancelled);
    return ended == static_cast<std::int64_t>(ids.size());
  };
  for (; kills < 8 * chaos_scale(); ++kills) {
    chaos->let_pass(std::chrono::milliseconds(rng.between(30, 120)));
    workers.at(kills % 2).kill9();
    workers.at(kills % 2) = chaos.worker(options);
  }
  REQUIRE(chaos.until(over));
  const auto all_done = [&] { return std::all_of(deeds.begin(), deeds.end(), [](const Deed& d) { return d.done; }); };
  REQUIRE(chaos.until(all_done));

  std::map<std::string, std::size_t> ends;
  std::size_t duplicates = 0;
  for (const auto& id : ids) {
    INFO(id.str());
    const Tally tally = tally_of(deeds, id);
    duplicates += tally.duplicates;
    ++ends[judge(chaos, id, tally)];
  }
  std::printf("%zu kills, %zu deeds, %zu duplicates; ended by signals %zu, timeout %zu, operator %zu, cancel %zu\n",
              kills, deeds.size(), duplicates, ends["signals"], ends["timeout"], ends["operator"], ends["cancel"]);
  CHECK(duplicates > 0);
  for (const char* by : {"signals", "timeout", "operator", "cancel"}) CHECK(ends[by] > 0);
  chaos.check_stored();
}

TEST_CASE("a primary dies among its suspended executions: signals sent again reach each of them, once") {
  ClusterOptions cluster;
  cluster.replicas = 1;
  ChaosSetup chaos(cluster);
  auto worker = chaos.worker(LedgerWorkerOptions());
  std::vector<core::ExecutionId> ids;
  for (std::size_t i = 0; i < 100 * chaos_scale(); ++i) ids.push_back(submit_approval(chaos, "0"));
  const auto all = static_cast<std::int64_t>(ids.size());
  REQUIRE(chaos.until([&] { return chaos->in_state(core::State::suspended) == all; }));
  chaos.replicate();
  const auto slot = chaos->client->deployment()->keys().slot(0);
  const auto dead = chaos.cluster().kill_primary_of(slot);

  // As a sender does who was not answered: again, until he knows.
  std::size_t rounds = 0, unanswered = 0;
  const auto send_all = [&] {
    ++rounds;
    std::vector<Deed> deeds;
    for (const auto& id : ids) {
      for (const char* signal : {"a", "b"}) deeds.emplace_back(id, Act::signal, signal, core::Millis(0));
    }
    for (Deed& deed : deeds) {
      boost::asio::co_spawn(chaos->context, perform(&*chaos->client, &deed), [](std::exception_ptr thrown) {
        if (thrown) std::rethrow_exception(thrown);
      });
    }
    const auto done = [&] { return std::all_of(deeds.begin(), deeds.end(), [](const Deed& d) { return d.done; }); };
    REQUIRE(chaos.until(done));
    for (const Deed& deed : deeds) {
      const bool answered = deed.good || deed.reason == "already_finished" || deed.reason == "waitpoint_closed";
      unanswered += answered ? 0 : 1;
    }
  };
  send_all();
  const auto heir = chaos.cluster().wait_failover(slot, dead);
  send_all();
  chaos.require_completed(ids.size());

  CHECK(heir != dead);
  std::printf("failover; %zu rounds, %zu signals without an answer\n", rounds, unanswered);
  for (const auto& id : ids) {
    INFO(id.str());
    const auto words = words_of(chaos->result_of(id));
    CHECK(words.at(0) == "signals");
    CHECK(std::set<std::string>(words.begin() + 1, words.end()) == std::set<std::string>{"a", "b"});
    CHECK(words.size() == 3);
  }
  chaos.check_stored();
}
