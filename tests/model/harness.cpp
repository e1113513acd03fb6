#include "model/harness.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>
#include <utility>

#include "model/generator.hpp"
#include "support/checker.hpp"
#include "support/snapshot.hpp"

namespace ff::model {
namespace {

using ff::test::RespClient;
using ff::test::RespValue;
using ff::test::Snapshot;
using ff::test::SnapshotScope;

using Words = std::vector<std::string>;

constexpr std::size_t kAhead = 12;          // Steps on their way to the server.
constexpr std::size_t kFullLookEvery = 64;  // Steps between two looks at whole histories and expiries.
constexpr std::size_t kNewestEntries = 4;   // A step adds fewer to any history, and fewer event entries.

SnapshotScope scope_of(std::size_t step) {
  SnapshotScope scope;
  bool full = step % kFullLookEvery == kFullLookEvery - 1;
  scope.history_entries = full ? 1000 : std::int64_t(kNewestEntries);
  scope.events = std::int64_t(kNewestEntries);
  scope.all_strings = true;
  scope.quick = !full;
  return scope;
}

RespValue ask(RespClient& client, const Words& words) {
  auto reply = client.command(words);
  if (reply.is_error()) throw std::runtime_error(words[0] + ": " + reply.text);
  return reply;
}

// Holders are told of a limit in any order.
void limit_told_in_order(std::vector<Message>& messages) {
  auto told = [](const Message& message) { return message.text.compare(0, 6, "limit ") == 0; };
  auto first = std::stable_partition(messages.begin(), messages.end(), [&](const auto& one) { return !told(one); });
  std::sort(first, messages.end(), [](const Message& a, const Message& b) {
    return a.channel != b.channel ? a.channel < b.channel : a.text < b.text;
  });
}

bool one_item(const Op& submit) {
  return submit.args.size() == 7 + std::size_t(std::popcount(std::stoull(submit.args[2])));
}

bool same_call(const Op& a, const Op& b) { return a.verb == b.verb && a.args == b.args; }

}  // namespace

std::string with_test_clock(std::string_view library) {
  std::string text(library);
  const std::string clock = R"(redis.call("TIME"))";
  auto at = text.find(clock);
  if (at == std::string::npos) throw std::runtime_error("the library does not read the clock where it did");
  if (text.find(clock, at + 1) != std::string::npos) throw std::runtime_error("the library reads the clock twice");
  return text.replace(at, clock.size(), R"(redis.call("MGET", "test:seconds", "test:microseconds"))");
}

// One run. The calls are drawn from a model that is ahead of the server, so that server and checks work at the same
// time; a second model follows the answers.
struct Harness::Run {
  struct Sent {
    Op op;
    bool full = false;
    std::size_t step = 0, commands = 0;  // Commands before the call itself.
  };

  Harness& harness;
  const Source& next;
  std::string tag;
  Model ahead{Generator::listened()}, model{Generator::listened()};
  StateCompare compare;
  RunResult result;
  std::deque<Sent> sent;
  std::int64_t clock_us = -1;
  Snapshot before, after;
  std::string last_dump;
  std::optional<Op> last_op;
  RespValue last_reply;
  // What an engine that sleeps until its next timer believes; none: there is no engine.
  std::optional<std::int64_t> engine_wakes;

  Run(Harness& h, const Source& n, std::string t) : harness(h), next(n), tag(std::move(t)), before(tag), after(tag) {}

  bool send_one() {
    auto op = next(ahead);
    if (!op) return false;
    ahead.apply(*op);
    Sent one;
    std::string out;
    if (op->reload) {
      ++one.commands;
      RespClient::encode({"FUNCTION", "LOAD", "REPLACE", harness.library_}, out);
    }
    if (op->clock_us != clock_us) {
      ++one.commands;
      clock_us = op->clock_us;
      RespClient::encode({"MSET", "test:seconds", std::to_string(clock_us / 1000000), "test:microseconds",
                          std::to_string(clock_us % 1000000)}, out);
    }
    Words call = {"FCALL", "ff1_" + op->verb, "1", tag};
    call.insert(call.end(), op->args.begin(), op->args.end());
    RespClient::encode(call, out);
    one.step = result.ops.size();
    Words dump = {"EVALSHA", harness.dump_sha_, "0"};
    auto scope = scope_of(one.step);
    one.full = !scope.quick;
    auto arguments = ff::test::dump_arguments(tag, scope);
    dump.insert(dump.end(), arguments.begin(), arguments.end());
    RespClient::encode(dump, out);
    RespClient::encode({"SPUBLISH", tag + ":marker", std::to_string(one.step)}, out);
    harness.commands_->send_encoded(out);
    result.ops.push_back(*op);
    one.op = std::move(*op);
    sent.push_back(std::move(one));
    return true;
  }

  // Receives what came of the oldest step on its way. Empty: all is as the model says.
  std::string check_one() {
    try {
      return check_oldest();
    } catch (const std::exception& error) {  // A broken library answers or stores anything.
      return std::string("what came of it cannot be read: ") + error.what();
    }
  }

  std::string check_oldest() {
    Sent one = std::move(sent.front());
    sent.pop_front();
    auto& client = *harness.commands_;
    for (std::size_t i = 0; i < one.commands; ++i) expect_good(client.receive());
    RespValue reply = client.receive();
    RespValue dump = client.receive();
    expect_good(client.receive());

    Reply expected = model.apply(one.op);
    count(one.op, expected);
    auto problem = model.broken();
    if (problem.empty()) problem = difference(expected, reply);
    if (problem.empty()) problem = check_repeat(one.op, reply);
    if (problem.empty()) problem = check_messages();
    if (problem.empty()) problem = check_engine(one.op, reply);
    if (problem.empty() && dump.is_error()) problem = "the state cannot be read: " + dump.text;
    if (problem.empty()) problem = check_state(one, std::move(dump.text));
    last_op = std::move(one.op);
    last_reply = std::move(reply);
    return problem;
  }

  RespValue expect_good(RespValue reply) {
    if (reply.is_error()) throw std::runtime_error("model test: " + reply.text);
    return reply;
  }

  void count(const Op& op, const Reply& expected) {
    auto& counters = model.counters();
    counters.count("verb " + op.verb);
    if (!expected.fields.empty() && expected.fields[0] == "refused") counters.count("refused " + expected.fields[1]);
    if (op.reload) counters.count("library loaded anew");
  }

  // Whoever sends the same call again at once gets the same outcome, whatever the model thinks of it.
  std::string check_repeat(const Op& op, const RespValue& reply) {
    if (!last_op || !same_call(op, *last_op) || reply.is_error() || last_reply.is_error()) return {};
    bool repeats = op.verb == "fail" || op.verb == "release" || op.verb == "replay" || op.verb == "purge";
    repeats = repeats || (op.verb == "complete" && op.args[3] == "0") || (op.verb == "cancel" && op.args[2] == "0");
    repeats = repeats || (op.verb == "submit" && one_item(op) && op.clock_us == last_op->clock_us);
    for (const auto& word : op.args) repeats = repeats && !gone_or_lean(word);
    if (!repeats || reply.elements.size() < 2) return {};
    model.counters().count("same call again at once");
    if (reply.elements[1].text == last_reply.elements.at(1).text) return {};
    return "the repeated call answers " + reply.str() + ", its first answer was " + last_reply.str();
  }

  bool gone_or_lean(const std::string& word) const {
    if (word.size() != 26 || word.compare(0, 7, "01JEXEC") != 0) return false;
    auto found = model.executions().find(word);
    return found == model.executions().end() || found->second.lean;
  }

  // Everything that was published during the step.
  std::string check_messages() {
    std::vector<Message> got;
    for (;;) {
      auto message = harness.listener_->receive();
      if (message.elements.size() != 3 || message.elements[0].text != "smessage")
        return "not a message: " + message.str();
      auto channel = message.elements[1].text.substr(tag.size() + 1);
      if (channel == "marker") break;
      if (channel == "engine") {
        std::int64_t at = model.now() + std::stoll(message.elements[2].text);
        if (engine_wakes) engine_wakes = std::min(*engine_wakes, at);
        model.counters().count("engine told of a timer");
        continue;
      }
      got.emplace_back(channel, message.elements[2].text);
    }
    auto expected = model.messages();
    limit_told_in_order(got);
    limit_told_in_order(expected);
    if (got == expected) return {};
    std::string text = "other messages\n  expected:";
    for (const auto& message : expected) text += " [" + message.channel + ": " + message.text + "]";
    text += "\n  received:";
    for (const auto& message : got) text += " [" + message.channel + ": " + message.text + "]";
    return text;
  }

  // An engine that sleeps until what it was told last oversleeps no timer.
  std::string check_engine(const Op& op, const RespValue& reply) {
    if (op.verb == "run_due" && op.args[1] == "1") {
      auto next_in = std::stoll(reply.elements.at(2).text);
      engine_wakes = next_in < 0 ? std::numeric_limits<std::int64_t>::max() : model.now() + next_in;
    }
    auto earliest = model.earliest();
    if (!engine_wakes || !earliest || *engine_wakes <= std::max(*earliest, model.now())) return {};
    return "an engine sleeps until " + std::to_string(*engine_wakes) + ", a timer is due at " +
        std::to_string(*earliest);
  }

  std::string check_state(const Sent& one, std::string dump) {
    // Reads and refusals: bytes that were right before are right.
    if (!one.full && !model.committed() && dump == last_dump) return {};
    after = Snapshot(tag);
    last_dump = one.full ? std::string() : dump;
    after.add(std::move(dump));
    auto problem = compare.difference(model, after);
    if (!problem.empty()) return "the state differs\n" + problem;
    auto report = ff::test::check_snapshot(after);
    if (!report.violations.empty()) return "an invariant is broken\n" + report.text();
    for (const auto& violation : ff::test::check_step(before, after)) problem += violation.text() + "\n";
    if (!problem.empty()) return "a step that must not be\n" + problem;
    std::swap(before, after);
    return {};
  }

  void all() {
    bool more = true;
    while (more || !sent.empty()) {
      while (more && sent.size() < kAhead) more = send_one();
      if (sent.empty()) break;
      auto problem = check_one();
      if (!problem.empty()) {
        Failure failure;
        failure.step = result.steps;
        failure.what = std::move(problem);
        result.failure = std::move(failure);
        ++result.steps;
        break;
      }
      ++result.steps;
    }
    // What is still on its way must not reach into the next run.
    for (; !sent.empty(); sent.pop_front()) {
      for (std::size_t i = 0; i < sent.front().commands + 3; ++i) harness.commands_->receive();
    }
    result.counters = model.counters();
  }
};

Harness::Harness() { connect(); }

void Harness::connect() {
  commands_ = std::make_unique<RespClient>(server_.client());
  listener_ = std::make_unique<RespClient>(server_.client());
  dump_sha_ = ask(*commands_, {"SCRIPT", "LOAD", ff::test::kDumpScript}).text;
}

void Harness::load(const std::string& library) {
  library_ = with_test_clock(library);
  ask(*commands_, {"FUNCTION", "LOAD", "REPLACE", library_});
}

RunResult Harness::run(const Source& next) {
  std::string tag = "{ff:0." + std::to_string(runs_++) + "}";
  ask(*commands_, {"FLUSHALL", "SYNC"});
  Words channels = {tag + ":marker", tag + ":engine"};
  for (const auto& worker : Generator::listened()) channels.push_back(tag + ":w:" + worker);
  for (const auto& id : Generator::all_ids()) {
    channels.push_back(tag + ":v:" + id);
    channels.push_back(tag + ":f:" + id);
  }
  channels.insert(channels.begin(), "SSUBSCRIBE");
  listener_->send(channels);
  for (std::size_t i = 1; i < channels.size(); ++i) listener_->receive();

  Run run(*this, next, tag);
  try {
    run.all();
  } catch (const std::exception& error) {
    auto last = run.result.steps < run.result.ops.size() ? run.result.ops[run.result.steps].text() : std::string();
    throw std::runtime_error("step " + std::to_string(run.result.steps) + ", " + last + ": " + error.what());
  }
  connect();  // Replies and messages of what was not looked at go with the old connections.
  return std::move(run.result);
}

RunResult Harness::run(const std::vector<Op>& ops) {
  std::size_t at = 0;
  return run([&](const Model&) -> std::optional<Op> {
    if (at == ops.size()) return std::nullopt;
    return ops[at++];
  });
}

RunResult Harness::shrink(RunResult failed, std::size_t tries) {
  auto cut = [](RunResult& result) { result.ops.resize(result.steps); };
  cut(failed);
  std::size_t piece = failed.ops.size() / 2;
  while (piece > 0 && tries > 0) {
    bool smaller = false;
    for (std::size_t at = 0; at < failed.ops.size() && tries > 0; --tries) {
      auto ops = failed.ops;
      ops.erase(ops.begin() + long(at), ops.begin() + long(std::min(at + piece, ops.size())));
      auto again = run(ops);
      if (again.failure) {
        failed = std::move(again);
        cut(failed);
        smaller = true;
      } else {
        at += piece;
      }
    }
    if (!smaller || piece > failed.ops.size()) piece = std::min(piece / 2, failed.ops.size() / 2);
  }
  return failed;
}

}  // namespace ff::model
