#pragma once
// Report: the figures of one scenario, over all runs; a table for people and JSON for tests/bench/report.py.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/valkey_server.hpp"

namespace ff::bench {

struct Settings {
  bool quick = false;                       // Fewer runs, fewer executions: shows that all works, not how fast.
  int runs = 5;
  test::Aof aof = test::Aof::everysec;
  int server_core = 0, client_core = 1;     // -1: not pinned.
  std::string out = "build/bench";          // Folder of the JSON files.
  std::string peer = "tests/bench/peer";    // The npm project of the peer.
  Settings() = default;

  // `full` executions, or the quick run's share of them.
  long amount(long full) const { return quick ? std::max(full / 8, 1000L) : full; }
};

std::string to_string(test::Aof aof);

enum class Better { lower, higher, neither };

// What a figure means and what design and issue ask of it.
struct Figure {
  std::string text, unit;
  Better better = Better::neither;
  std::optional<double> bar, stretch;
  std::string axis;  // Of a curve: what x is. Empty: one point.
  Figure() = default;
};

// The one table of all figures; throws std::logic_error for an id that is not in it.
const Figure& figure(const std::string& id);

class Report {
 public:
  Report(std::string scenario, Settings settings);

  // One value of one run. Order of first mention is the order of the table.
  void sample(const std::string& id, double value) { sample(id, 0, value); }
  void sample(const std::string& id, double x, double value);
  // A line below the table: circumstances the reader needs.
  void note(std::string text);
  // Where Valkey's time went, in the order given: microseconds and calls of one command for each execution.
  void command(const std::string& group, const std::string& name, double calls, double us);
  // An audit: what must hold when the load is over. A failed one fails the program.
  void audit(const std::string& what, bool held, const std::string& found);

  bool sound() const noexcept { return failed_audits_ == 0; }
  double median(const std::string& id, double x = 0) const;
  void print() const;
  // Writes <out>/<scenario>.json.
  void save(const std::string& server_version) const;

 private:
  struct Audit {
    std::string what, found;
    bool held;
    Audit(std::string w, std::string f, bool h) : what(std::move(w)), found(std::move(f)), held(h) {}
  };
  struct CommandCost {
    std::string group, name;
    double calls, us;
    CommandCost(std::string g, std::string n, double c, double u)
        : group(std::move(g)), name(std::move(n)), calls(c), us(u) {}
  };
  using Points = std::map<double, std::vector<double>>;  // By x.
  std::string scenario_;
  Settings settings_;
  std::vector<std::string> order_;
  std::map<std::string, Points> values_;
  std::vector<std::string> notes_;
  std::vector<Audit> audits_;
  std::vector<CommandCost> commands_;
  int failed_audits_ = 0;
};

}  // namespace ff::bench
