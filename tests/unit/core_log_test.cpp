#include "ff/core/log.hpp"

#include <catch2/catch_test_macros.hpp>

#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

using namespace ff::core;

namespace {

using Clock = std::chrono::system_clock;

std::string line(std::string_view message, const std::vector<LogField>& fields) {
  // 2026-11-21T10:38:29.007Z
  const Clock::time_point at = Clock::from_time_t(1795257509) + std::chrono::milliseconds(7);
  return logfmt(at, LogLevel::info, message, fields);
}

// What `write` leaves on standard error.
template <class Write>
std::string on_stderr(Write write) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const int kept = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  write();
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  ::close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  return text;
}

}  // namespace

TEST_CASE("a log line is logfmt with UTC time, level, message and fields in order") {
  CHECK(line("started", {}) == "ts=2026-11-21T10:38:29.007Z level=info msg=started");
  CHECK(line("lease lost", {LogField("execution", "3-01J"), LogField("epoch", 42)}) ==
        "ts=2026-11-21T10:38:29.007Z level=info msg=\"lease lost\" execution=3-01J epoch=42");
}

TEST_CASE("times before 1970 and whole seconds print with their milliseconds") {
  const auto at = [](std::int64_t ms) {
    return logfmt(Clock::time_point(std::chrono::milliseconds(ms)), LogLevel::debug, "m", {})
        .substr(0, 27);
  };
  CHECK(at(0) == "ts=1970-01-01T00:00:00.000Z");
  CHECK(at(-1) == "ts=1969-12-31T23:59:59.999Z");
}

TEST_CASE("values that could break a line are quoted and escaped") {
  CHECK(line("", {}).find(" msg=\"\"") != std::string::npos);
  CHECK(line("m", {LogField("a", "x=y")}).find(" a=\"x=y\"") != std::string::npos);
  CHECK(line("m", {LogField("a", "x\ny")}).find(" a=\"x\\ny\"") != std::string::npos);
  CHECK(line("m", {LogField("a", "say \"hi\"")}).find(" a=\"say \\\"hi\\\"\"") !=
        std::string::npos);
  CHECK(line("m", {LogField("a", "\x1b[31m")}).find(" a=\"\\x1b[31m\"") != std::string::npos);
  CHECK(line("m", {LogField("a", "\xc3\xa4")}).find(" a=\"\xc3\xa4\"") != std::string::npos);
  CHECK(line("forged\nts=1970 level=error", {}).find('\n') == std::string::npos);
}

TEST_CASE("long values are cut") {
  const std::string text = line(std::string(5'000, 'm'), {LogField("a", std::string(5'000, 'v'))});

  CHECK(text.size() < 4'300);
  CHECK(text.find("mmm...\" a=\"vvv") != std::string::npos);
  CHECK(text.substr(text.size() - 7) == "vvv...\"");
}

TEST_CASE("a secret in a field shows as stars") {
  CHECK(line("m", {LogField("password", Secret("hunter2"))}).find("hunter2") == std::string::npos);
  CHECK(LogField("password", Secret("hunter2")).value == "***");
}

TEST_CASE("fields take strings, numbers and truth values") {
  CHECK(LogField("a", std::string("s")).value == "s");
  CHECK(LogField("a", std::string_view("v")).value == "v");
  CHECK(LogField("a", -7).value == "-7");
  CHECK(LogField("a", std::uint64_t{18446744073709551615U}).value == "18446744073709551615");
  CHECK(LogField("a", 0.5).value == "0.5");
  CHECK(LogField("a", true).value == "true");
}

TEST_CASE("levels read back as they print, in order of weight") {
  for (const LogLevel level : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
    CHECK(*parse_log_level(to_string(level)) == level);
  }
  CHECK(LogLevel::debug < LogLevel::error);
  const Result<LogLevel> bad = parse_log_level("loud");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().reason == "bad_log_level");
  CHECK(bad.error().message == "log level is \"loud\", must be debug, info, warn or error");
}

TEST_CASE("the standard logger writes whole lines of its level and above to standard error") {
  const std::string text = on_stderr([] {
    StderrLogger logger(LogLevel::warn);
    logger.info("unheard");
    logger.warn("heard", {LogField("a", 1)});
    logger.error("loud");
  });

  // Each line begins "ts=" and 24 characters of time, checked above.
  const std::size_t second = text.find("\nts=") + 1;
  REQUIRE(second > 1);
  CHECK(text.substr(27, second - 27) == " level=warn msg=heard a=1\n");
  CHECK(text.substr(second + 27) == " level=error msg=loud\n");
}

TEST_CASE("the null logger is silent") {
  const std::string text = on_stderr([] {
    NullLogger logger;
    logger.error("unheard");
    CHECK_FALSE(logger.enabled(LogLevel::error));
  });
  CHECK(text.empty());
}
