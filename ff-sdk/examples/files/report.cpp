#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "progress_line.hpp"

namespace files {

namespace core = ff::core;

namespace {

// Names of files are bytes of anybody's choice; on a terminal they must do no harm.
std::string printable(const std::string& path) {
  std::string text;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
    text += byte < 0x20 || byte >= 0x7f ? std::string(escaped) : std::string(1, c);
  }
  return text;
}

std::int64_t percentile(std::vector<std::int64_t> values, double share) {
  if (values.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

void row(const char* name, const std::string& value) { std::printf("  %-16s %s\n", name, value.c_str()); }

template <class... Args>
std::string text(const char* format, Args... args) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, format, args...);
  return buffer;
}

// What is wrong, with the first few cases of it.
class Complaints {
 public:
  void add(const std::string& what, const Audited& one) {
    if (counts_[what]++ >= 3) return;
    std::printf("  WRONG: %s: %s (%s)\n", what.c_str(), printable(one.path).c_str(), one.id.str().c_str());
  }
  void add(const std::string& what) {
    ++counts_[what];
    std::printf("  WRONG: %s\n", what.c_str());
  }
  bool none() const { return counts_.empty(); }
  std::string summary() const {
    std::string all;
    for (const auto& [what, count] : counts_) all += (all.empty() ? "" : ", ") + std::to_string(count) + " " + what;
    return all.empty() ? "nothing" : all;
  }

 private:
  std::map<std::string, std::size_t> counts_;
};

int times(const std::map<std::string, int>& published, const Audited& one) {
  const auto found = published.find(one.id.str());
  return found == published.end() ? 0 : found->second;
}

struct Sums {
  std::size_t completed = 0, unreadable = 0, equal = 0, recovered = 0;
  std::uint64_t bytes = 0, lines = 0, compressed = 0;
};

void judge(const Audited& one, const Evidence& evidence, Sums& sums, Complaints& complaints) {
  if (!core::is_terminal(one.state)) complaints.add("not ended", one);
  if (one.generation != 0) complaints.add("run again after its end", one);
  if (times(evidence.ended, one) != 1) complaints.add("not published as ended exactly once", one);
  if (one.attempt > 1) ++sums.recovered;
  const auto digest = evidence.digests.find(one.path);
  const bool readable = digest != evidence.digests.end();
  if (one.state != core::State::completed) {
    if (readable) complaints.add("not completed, though sha256sum can read it: " + one.failure_class, one);
    ++sums.unreadable;
    return;
  }
  ++sums.completed;
  if (!one.facts) return complaints.add("completed without a result", one);
  sums.bytes += one.facts->bytes;
  sums.lines += one.facts->lines;
  sums.compressed += one.facts->compressed;
  if (!readable || digest->second != one.facts->sha256) return complaints.add("another digest than sha256sum's", one);
  ++sums.equal;
}

long took(const Audited& one) { return static_cast<long>(one.ended_at - one.began_at); }

void print_slowest(const std::vector<Audited>& all) {
  std::vector<const Audited*> by_time;
  for (const auto& one : all) by_time.push_back(&one);
  const auto slower = [](const Audited* a, const Audited* b) { return took(*a) > took(*b); };
  const auto shown = std::min<std::size_t>(5, by_time.size());
  std::partial_sort(by_time.begin(), by_time.begin() + static_cast<std::ptrdiff_t>(shown), by_time.end(), slower);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& one = *by_time[i];
    const auto bytes = with_commas(one.facts ? one.facts->bytes : 0);
    row(i == 0 ? "slowest files" : "", text("%ld ms, %s bytes: ", took(one), bytes.c_str()) + printable(one.path));
  }
}

}  // namespace

bool report(const std::vector<Audited>& all, const Evidence& evidence) {
  Sums sums;
  Complaints complaints;
  std::vector<std::int64_t> waited;
  std::printf("\n");
  for (const auto& one : all) {
    judge(one, evidence, sums, complaints);
    if (one.attempt == 1) waited.push_back(one.began_at - one.created_at);
  }
  if (evidence.events_missed > 0) complaints.add("events were lost before they could be read; nothing is proved");

  const double mebibytes = static_cast<double>(sums.bytes) / (1024 * 1024), seconds = std::max(evidence.seconds, 0.001);
  const double share = static_cast<double>(sums.compressed) / std::max(static_cast<double>(sums.bytes), 1.0) * 100;
  row("files", with_commas(all.size()) + text(" (%.1f MiB, ", mebibytes) + with_commas(sums.lines) +
                   text(" lines, zlib makes %.0f %% of it)", share));
  row("unreadable", with_commas(sums.unreadable));
  row("submitted in", text("%.2f s, %s/s", evidence.submit_seconds,
                           with_commas(static_cast<std::size_t>(static_cast<double>(all.size()) /
                                                                std::max(evidence.submit_seconds, 0.001))).c_str()));
  row("done in", text("%.2f s", evidence.seconds));
  row("throughput", with_commas(static_cast<std::size_t>(static_cast<double>(all.size()) / seconds)) +
                        text(" files/s, %.1f MiB/s", mebibytes / seconds));
  row("start latency", text("p50 %ld ms, p99 %ld ms (from ready to begun, the queue included)",
                            static_cast<long>(percentile(waited, 0.5)), static_cast<long>(percentile(waited, 0.99))));
  row("recovered", with_commas(sums.recovered) + " executions ran again after their worker was gone (attempt > 1)");
  print_slowest(all);
  row("digests", with_commas(sums.equal) + " of " + with_commas(sums.completed) + " equal to sha256sum's");
  row("ended once", with_commas(all.size()) + " executions, each published as ended exactly once: " +
                        (complaints.none() ? "yes" : "NO"));
  row("wrong", complaints.summary());
  return complaints.none();
}

}  // namespace files
