#include "reset_schedule.hpp"

#include <date/tz.h>

#include <stdexcept>

#include "ff/core/text.hpp"

namespace ff::sdk {
namespace {

using core::ResetEvery;
using SysMillis = date::sys_time<core::Millis>;

// The n-th beginning of a day, week or month after the one that `day` lies in.
date::local_days beginning(ResetEvery every, date::local_days day, int n) {
  if (every == ResetEvery::day) return day + date::days(n);
  if (every == ResetEvery::week) {
    return day - (date::weekday(day) - date::Monday) + date::weeks(n);
  }
  const date::year_month_day date(day);
  return date::local_days((date.year() / date.month() + date::months(n)) / 1);
}

std::vector<core::TimestampMs> hours(const date::time_zone& zone, SysMillis after, std::size_t count) {
  // Offsets are whole quarters of an hour nowadays.
  using Quarters = std::chrono::duration<std::int64_t, std::ratio<900>>;
  std::vector<core::TimestampMs> found;
  for (auto at = date::floor<Quarters>(after) + Quarters(1); found.size() < count; at += Quarters(1)) {
    const auto local = zone.to_local(at);
    if (local == date::floor<std::chrono::hours>(local)) found.push_back(SysMillis(at).time_since_epoch().count());
  }
  return found;
}

}  // namespace

core::Result<std::vector<core::TimestampMs>> next_resets(ResetEvery every, const std::string& name,
                                                         core::TimestampMs after, std::size_t count) {
  const date::time_zone* zone = nullptr;
  try {
    zone = date::locate_zone(name);
  } catch (const std::runtime_error&) {
    return core::Error(core::Code::invalid_argument, "bad_zone",
                       "zone is " + core::shown(name) + ", must be one of the IANA time zone database");
  }
  const SysMillis now{core::Millis(after)};
  std::vector<core::TimestampMs> found;
  if (every == ResetEvery::never) return found;
  if (every == ResetEvery::hour) return hours(*zone, now, count);
  const auto day = date::floor<date::days>(zone->to_local(now));
  for (int n = 0; found.size() < count; ++n) {
    const SysMillis at = zone->to_sys(beginning(every, day, n) + core::Millis(0), date::choose::earliest);
    if (at > now) found.push_back(at.time_since_epoch().count());
  }
  return found;
}

std::string period_text(ResetEvery every, const std::string& zone) {
  if (every == ResetEvery::never) return "";
  return std::string(core::to_string(every)) + " " + zone;
}

core::Result<void> read_period(const std::string& text, core::Budget& budget) {
  if (text.empty()) return {};
  const auto space = text.find(' ');
  auto every = core::reset_every_from(text.substr(0, space));
  if (!every || space == std::string::npos) {
    return core::Error(core::Code::corrupt, "bad_reply", "the period of a budget is " + core::shown(text));
  }
  budget.reset = *every;
  budget.zone = text.substr(space + 1);
  return {};
}

}  // namespace ff::sdk
