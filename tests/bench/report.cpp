#include "bench/report.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace ff::bench {
namespace {

namespace json = boost::json;

double middle(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Three digits where they mean something, none behind the point of large figures.
std::string number(double value) {
  const double size = std::abs(value);
  if (size == 0 || size >= 100) return fmt::format("{:.0f}", value);
  if (size >= 10) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

bool meets(const Figure& figure, double goal, double value) {
  return figure.better == Better::lower ? value <= goal : value >= goal;
}

std::string verdict(const Figure& figure, double value) {
  if (!figure.bar) return "";
  if (figure.stretch && meets(figure, *figure.stretch, value)) return "stretch";
  return meets(figure, *figure.bar, value) ? "bar" : "MISSED";
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

json::object machine() {
  utsname name{};
  ::uname(&name);
  json::object result;
  result["cpu"] = cpu_name();
  result["cores"] = ::sysconf(_SC_NPROCESSORS_ONLN);
  result["memory_mb"] = ::sysconf(_SC_PHYS_PAGES) / 1024 * ::sysconf(_SC_PAGESIZE) / 1024;
  result["kernel"] = std::string(name.sysname) + " " + name.release;
  result["compiler"] = "g++ " __VERSION__;
#ifdef __OPTIMIZE__
  result["optimized"] = true;
#else
  result["optimized"] = false;
#endif
  return result;
}

json::value optional_number(const std::optional<double>& value) {
  if (value) return json::value(*value);
  return json::value(nullptr);
}

const char* word(Better better) {
  if (better == Better::neither) return "neither";
  return better == Better::lower ? "lower" : "higher";
}

}  // namespace

std::string to_string(test::Aof aof) {
  if (aof == test::Aof::off) return "off";
  return aof == test::Aof::always ? "always" : "everysec";
}

Report::Report(std::string scenario, Settings settings)
    : scenario_(std::move(scenario)), settings_(std::move(settings)) {}

void Report::sample(const std::string& id, double x, double value) {
  figure(id);  // Throws for an unknown one.
  auto& points = values_[id];
  if (points.empty()) order_.push_back(id);
  points[x].push_back(value);
}

void Report::note(std::string text) {
  if (std::find(notes_.begin(), notes_.end(), text) == notes_.end()) notes_.push_back(std::move(text));
}

void Report::command(const std::string& group, const std::string& name, double calls, double us) {
  commands_.emplace_back(group, name, calls, us);
}

void Report::audit(const std::string& what, bool held, const std::string& found) {
  audits_.emplace_back(what, found, held);
  if (held) return;
  ++failed_audits_;
  std::fprintf(stderr, "AUDIT FAILED in %s: %s: %s\n", scenario_.c_str(), what.c_str(), found.c_str());
}

double Report::median(const std::string& id, double x) const { return middle(values_.at(id).at(x)); }

void Report::print() const {
  std::printf("\n%s (AOF %s, %d runs%s)\n", scenario_.c_str(), to_string(settings_.aof).c_str(), settings_.runs,
              settings_.quick ? ", QUICK: not a measurement" : "");
  std::printf("  %-72s %9s %-12s %18s %7s %7s\n", "", "median", "", "min .. max", "bar", "stretch");
  for (const auto& id : order_) {
    const Figure& f = figure(id);
    const bool curve = !f.axis.empty();
    if (curve) std::printf("  %s\n", f.text.c_str());
    for (const auto& [x, values] : values_.at(id)) {
      const double value = middle(values);
      const auto [least, most] = std::minmax_element(values.begin(), values.end());
      const auto text = curve ? fmt::format("    {:.0f} {}", x, f.axis) : f.text;
      std::printf("  %-72s %9s %-12s %7s .. %7s %7s %7s %s\n", text.c_str(), number(value).c_str(), f.unit.c_str(),
                  number(*least).c_str(), number(*most).c_str(), f.bar ? number(*f.bar).c_str() : "",
                  f.stretch ? number(*f.stretch).c_str() : "", verdict(f, value).c_str());
    }
  }
  for (const auto& text : notes_) std::printf("  note: %s\n", text.c_str());
  std::printf("  audits: %zu, failed %d\n", audits_.size(), failed_audits_);
  std::fflush(stdout);
}

void Report::save(const std::string& server_version) const {
  json::object document;
  document["scenario"] = scenario_;
  document["aof"] = to_string(settings_.aof);
  document["runs"] = settings_.runs;
  document["quick"] = settings_.quick;
  document["pinned"] = settings_.server_core >= 0;
  document["valkey"] = server_version;
  document["machine"] = machine();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  document["at"] = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  json::array figures;
  for (const auto& id : order_) {
    const Figure& f = figure(id);
    json::object entry;
    entry["id"] = id;
    entry["text"] = f.text;
    entry["unit"] = f.unit;
    entry["better"] = word(f.better);
    entry["bar"] = optional_number(f.bar);
    entry["stretch"] = optional_number(f.stretch);
    entry["axis"] = f.axis;
    json::array points;
    for (const auto& [x, values] : values_.at(id)) {
      json::object point;
      point["x"] = x;
      point["median"] = middle(values);
      point["values"] = json::array(values.begin(), values.end());
      points.push_back(std::move(point));
    }
    entry["points"] = std::move(points);
    figures.push_back(std::move(entry));
  }
  document["figures"] = std::move(figures);
  document["notes"] = json::array(notes_.begin(), notes_.end());
  json::array audits;
  for (const auto& audit : audits_) {
    json::object entry;
    entry["what"] = audit.what;
    entry["held"] = audit.held;
    entry["found"] = audit.found;
    audits.push_back(std::move(entry));
  }
  document["audits"] = std::move(audits);
  json::array commands;
  for (const auto& cost : commands_) {
    json::object entry;
    entry["group"] = cost.group;
    entry["name"] = cost.name;
    entry["calls"] = cost.calls;
    entry["us"] = cost.us;
    commands.push_back(std::move(entry));
  }
  document["commands"] = std::move(commands);
  std::filesystem::create_directories(settings_.out);
  const auto path = std::filesystem::path(settings_.out) / (scenario_ + ".json");
  std::ofstream out(path);
  out << json::serialize(document) << '\n';
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace ff::bench
