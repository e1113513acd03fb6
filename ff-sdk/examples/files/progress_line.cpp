#include "progress_line.hpp"

#include <unistd.h>

#include <cstdio>

namespace files {

std::string with_commas(std::size_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

ProgressLine::ProgressLine(std::size_t total)
    : total_(total), terminal_(::isatty(STDOUT_FILENO) == 1), begun_(Clock::now()), rate_at_(begun_) {}

void ProgressLine::show(std::size_t submitted, std::size_t ended, std::size_t again, bool now) {
  const auto time = Clock::now();
  if (time < next_ && !now) return;
  next_ = time + std::chrono::milliseconds(terminal_ ? 100 : 1000);
  const double since = std::chrono::duration<double>(time - rate_at_).count();
  if (since > 0.5 || now) {
    rate_ = since > 0 ? static_cast<double>(ended - rate_from_) / since : 0;
    rate_at_ = time;
    rate_from_ = ended;
  }
  const auto percent = total_ == 0 ? 100 : 100 * ended / total_;
  std::printf("%s%5.1f s  %s of %s files done (%zu %%)  %s/s  submitted %s  begun again %s%s", terminal_ ? "\r" : "",
              std::chrono::duration<double>(time - begun_).count(), with_commas(ended).c_str(),
              with_commas(total_).c_str(), percent, with_commas(static_cast<std::size_t>(rate_)).c_str(),
              with_commas(submitted).c_str(), with_commas(again).c_str(), terminal_ ? "\033[K" : "\n");
  std::fflush(stdout);
}

void ProgressLine::finish() {
  if (terminal_) std::printf("\n");
}

}  // namespace files
