// ff_bench: measures FlowFabric on a Valkey of its own. See tests/bench/README.md.
//
//   ff_bench [--quick] [--runs N] [--aof off|everysec|always] [--only a,b] [--skip a,b] [--out DIR] [--peer DIR]
//            [--unpinned]
//   ff_bench --list
//   ff_bench --script SOCKET N BATCH record|lean [HOOK]    a fixed load, step by step; for instruction counts
//
// Exit code: 0 all measured and every audit held, 1 an audit failed or a call did, 2 the words were wrong.

#include <signal.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/scenarios.hpp"
#include "bench/script.hpp"

namespace ff::bench {
namespace {

constexpr std::array kScenarios{
    Scenario{"floor", "a function with two commands", run_floor},
    Scenario{"connection", "what a command costs the client", run_connection},
    Scenario{"lifecycle", "submit, claim, complete: Valkey CPU", run_lifecycle},
    Scenario{"submit", "submits of the SDK", run_submit},
    Scenario{"drain", "a backlog run by workers, and BullMQ", run_drain},
    Scenario{"limits", "drains under quotas", run_limits},
    Scenario{"start", "submit to handler start", run_start},
    Scenario{"delayed", "how late a delayed execution starts", run_delayed},
    Scenario{"suspend", "suspended, signalled, running again; 100 thousand suspended", run_suspend},
    Scenario{"stream", "frames appended, and to a client of server-sent events", run_stream},
    Scenario{"memory", "bytes per execution", run_memory},
    Scenario{"idle", "an idle fleet", run_idle},
    Scenario{"backlog", "1 thousand to 1 million queued", run_backlog},
    Scenario{"partitions", "1 to 256 partitions", run_partitions},
    Scenario{"aof", "AOF off, everysec, always", run_aof},
    Scenario{"transport", "unix socket, TCP, 1 ms more", run_transport},
    Scenario{"routes", "routes and fairness keys", run_routes},
    Scenario{"million", "one million submitted, drained, purged", run_million},
};

struct BadWords : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Words {
  Settings settings;
  std::set<std::string> only, skip;
  bool list = false;
};

int positive(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || value < 1) throw BadWords("not a number above 0: " + text);
  return value;
}

test::Aof aof_of(const std::string& text) {
  for (const auto aof : {test::Aof::off, test::Aof::everysec, test::Aof::always}) {
    if (to_string(aof) == text) return aof;
  }
  throw BadWords("--aof is off, everysec or always");
}

std::set<std::string> names_of(const std::string& text) {
  std::set<std::string> names;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(',', at), text.size());
    const auto name = text.substr(at, end - at);
    bool known = false;
    for (const auto& scenario : kScenarios) known = known || scenario.name == name;
    if (!known) throw BadWords("no scenario is called " + name);
    names.insert(name);
    at = end + 1;
  }
  return names;
}

Words parse(const std::vector<std::string>& words) {
  Words result;
  std::optional<int> runs;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    const auto value = [&]() -> const std::string& {
      if (++i == words.size()) throw BadWords(word + " needs a value");
      return words[i];
    };
    if (word == "--quick") result.settings.quick = true;
    else if (word == "--list") result.list = true;
    else if (word == "--unpinned") result.settings.server_core = result.settings.client_core = -1;
    else if (word == "--runs") runs = positive(value());
    else if (word == "--aof") result.settings.aof = aof_of(value());
    else if (word == "--only") result.only = names_of(value());
    else if (word == "--skip") result.skip = names_of(value());
    else if (word == "--out") result.settings.out = value();
    else if (word == "--peer") result.settings.peer = value();
    else throw BadWords("unknown word " + word);
  }
  result.settings.runs = runs ? *runs : result.settings.quick ? 1 : 5;
  if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) result.settings.server_core = result.settings.client_core = -1;
  return result;
}

bool run_scenario(const Scenario& scenario, const Settings& settings) {
  const auto start = std::chrono::steady_clock::now();
  Report report(std::string(scenario.name), settings);
  BenchServer server(settings, settings.aof);
  scenario.run(settings, report, server);
  report.print();
  report.save(server.version());
  std::printf("  took %.1f s\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return report.sound();
}

int run_all(const Words& words) {
  // The server takes its core from its own pinning, everything forked here from this process.
  pin_self(words.settings.client_core);
  bool sound = true;
  for (const auto& scenario : kScenarios) {
    const std::string name(scenario.name);
    if (!words.only.empty() && !words.only.contains(name)) continue;
    if (words.skip.contains(name)) continue;
    sound = run_scenario(scenario, words.settings) && sound;
  }
  return sound ? 0 : 1;
}

int run_words(const std::vector<std::string>& words) {
  if (!words.empty() && words.front() == "--script") {
    if (words.size() < 5) throw BadWords("--script SOCKET N BATCH record|lean [HOOK]");
    const auto mode = core::parse_mode(words[4]);
    if (!mode) throw BadWords("record or lean");
    run_script(words[1], positive(words[2]), positive(words[3]), *mode, words.size() > 5 ? words[5] : "");
    return 0;
  }
  const auto parsed = parse(words);
  if (!parsed.list) return run_all(parsed);
  for (const auto& scenario : kScenarios) {
    std::printf("%-12s %s\n", std::string(scenario.name).c_str(), std::string(scenario.what).c_str());
  }
  return 0;
}

}  // namespace

std::span<const Scenario> scenarios() { return kScenarios; }

}  // namespace ff::bench

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  try {
    return ff::bench::run_words(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const ff::bench::BadWords& error) {
    std::fprintf(stderr, "ff_bench: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ff_bench: %s\n", error.what());
    return 1;
  }
}
