#include "bench/scenarios.hpp"

namespace ff::bench {
namespace {

std::string text_of(const std::map<std::string, std::int64_t>& counts) {
  std::string text;
  for (const auto& [index, executions] : counts) {
    if (executions == 0) continue;
    if (!text.empty()) text += ", ";
    text += std::to_string(executions) + " " + index;
  }
  return text.empty() ? "nothing" : text;
}

bool exactly(const std::map<std::string, std::int64_t>& counts, const std::string& index, long wanted) {
  for (const auto& [name, executions] : counts) {
    if (name != index && executions != 0) return false;
  }
  const auto found = counts.find(index);
  return (found == counts.end() ? 0 : found->second) == wanted;
}

}  // namespace

void audit_ended(Report& report, Session& session, core::Mode mode, long ended, const std::string& what) {
  const auto counts = session.count();
  // Lean ones are deleted as they end.
  const long wanted = mode == core::Mode::lean ? 0 : ended;
  report.audit(what + ": " + std::to_string(wanted) + " completed, none elsewhere",
               exactly(counts, "completed", wanted), text_of(counts));
}

void audit_queued(Report& report, Session& session, long ready, const std::string& what) {
  const auto counts = session.count();
  const std::string index = std::string("ready:") + kNamespace + "/" + kLane;
  report.audit(what + ": " + std::to_string(ready) + " ready, none elsewhere", exactly(counts, index, ready),
               text_of(counts));
}

}  // namespace ff::bench
