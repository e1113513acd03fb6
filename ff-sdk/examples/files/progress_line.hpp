#pragma once
// ProgressLine: how far the job is. One line that changes on a terminal, a line a second elsewhere.

#include <chrono>
#include <cstddef>
#include <string>

namespace files {

class ProgressLine {
 public:
  explicit ProgressLine(std::size_t total);
  // Shows the state of things if it is time to. `submitted`, `ended` and `again` (attempts after a first) so far.
  void show(std::size_t submitted, std::size_t ended, std::size_t again, bool now = false);
  // Leaves the line as it is; what is printed next begins a new one.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  std::size_t total_;
  bool terminal_;
  Clock::time_point begun_, next_{}, rate_at_;
  std::size_t rate_from_ = 0;
  double rate_ = 0;
};

// 1234567 as "1,234,567".
std::string with_commas(std::size_t number);

}  // namespace files
