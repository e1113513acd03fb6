#include "ff/core/log.hpp"

#include <fmt/chrono.h>
#include <unistd.h>

#include <cerrno>

#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"

namespace ff::core {
namespace {

bool is_bare(std::string_view value) {
  if (value.empty() || value.size() > limits::kLogValueBytes) return false;
  for (const char c : value) {
    if (c <= 0x20 || c >= 0x7f || c == '=' || c == '"' || c == '\\') return false;
  }
  return true;
}

void append_value(std::string& line, std::string_view value) {
  if (is_bare(value)) {
    line += value;
  } else {
    line.append("\"").append(escaped(value, limits::kLogValueBytes)).append("\"");
  }
}

void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

Result<LogLevel> parse_log_level(std::string_view text) {
  for (const LogLevel level : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
    if (to_string(level) == text) return level;
  }
  return Error(Code::invalid_argument, "bad_log_level",
               "log level is " + shown(text) + ", must be debug, info, warn or error");
}

std::string logfmt(std::chrono::system_clock::time_point at, LogLevel level,
                   std::string_view message, std::span<const LogField> fields) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(at);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(ms);
  std::string line = fmt::format("ts={:%Y-%m-%dT%H:%M:%S}.{:03}Z level={} msg=",
                                 fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                                 (ms - seconds).count(), to_string(level));
  append_value(line, message);
  for (const LogField& field : fields) {
    line.append(" ").append(field.key).append("=");
    append_value(line, field.value);
  }
  return line;
}

void StderrLogger::write(LogLevel level, std::string_view message,
                         std::span<const LogField> fields) noexcept {
  try {
    write_all(logfmt(std::chrono::system_clock::now(), level, message, fields).append("\n"));
  } catch (...) {
    // Out of memory: the line is dropped, as the header says.
  }
}

}  // namespace ff::core
