#pragma once
// Logs: one line per decision, ids as fields, no payloads and no secrets (a Secret shows as ***).

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "ff/core/result.hpp"
#include "ff/core/secret.hpp"

namespace ff::core {

enum class LogLevel : std::uint8_t {
  debug,  // For who looks into one case.
  info,   // A decision of normal operation.
  warn,   // Something to look at; service goes on.
  error,  // Something is lost or broken: a person must act.
};
std::string_view to_string(LogLevel level) noexcept;
// Error: invalid_argument/bad_log_level.
Result<LogLevel> parse_log_level(std::string_view text);

// Lifetime: `key` is a literal; `value` is owned.
struct LogField {
  std::string_view key;  // snake_case
  std::string value;

  LogField(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const Secret&) : key(k), value(kSecretShown) {}
  template <class Number>
  requires std::is_arithmetic_v<Number> LogField(std::string_view k, Number v)
      : key(k), value(fmt::format("{}", v)) {}
};

// Where lines go. Implementations are thread-safe, do not throw, and do not block for long.
class Logger {
 public:
  virtual ~Logger() = default;
  // Whether a line of this level would be kept; ask before building costly fields.
  virtual bool enabled(LogLevel level) const noexcept = 0;
  virtual void write(LogLevel level, std::string_view message,
                     std::span<const LogField> fields) noexcept = 0;

  // With g++ 12, not inside an expression that awaits (it has an initializer list).
  void log(LogLevel level, std::string_view message,
           std::initializer_list<LogField> fields = {}) noexcept {
    if (enabled(level))
      write(level, message, std::span<const LogField>(fields.begin(), fields.size()));
  }
  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept {
    log(LogLevel::debug, message, fields);
  }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept {
    log(LogLevel::info, message, fields);
  }
  void warn(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept {
    log(LogLevel::warn, message, fields);
  }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept {
    log(LogLevel::error, message, fields);
  }
};

// Keeps nothing: what a library uses until it is given a logger.
class NullLogger final : public Logger {
 public:
  bool enabled(LogLevel) const noexcept override { return false; }
  void write(LogLevel, std::string_view, std::span<const LogField>) noexcept override {}
};

// One logfmt line per call on standard error, each in one write. A line that cannot be written is
// dropped.
class StderrLogger final : public Logger {
 public:
  explicit StderrLogger(LogLevel least = LogLevel::info) noexcept : least_(least) {}
  bool enabled(LogLevel level) const noexcept override { return level >= least_; }
  void write(LogLevel level, std::string_view message,
             std::span<const LogField> fields) noexcept override;

 private:
  LogLevel least_;
};

// The line without its newline: `ts=2026-11-21T10:38:29.123Z level=info msg="lease lost"
// execution=3-01J...`. A value is quoted when it is empty or holds anything but printable ASCII
// without space, '=', '"' and '\'; see escaped() for what is inside the quotes. The message and
// each value are cut to 2048 bytes.
std::string logfmt(std::chrono::system_clock::time_point at, LogLevel level,
                   std::string_view message, std::span<const LogField> fields);

}  // namespace ff::core
