#pragma once
// Every metric of the server, as data: it exists here before it exists in code. tests/golden/metrics.txt is the same
// list for whoever depends on it. Labels are bounded sets; no help text has a newline (the exposition does not escape
// it).

#include <array>
#include <cstdint>
#include <string_view>

namespace ff::server::metrics {

enum class Type : std::uint8_t { counter, gauge, histogram };

struct Info {
  std::string_view name;
  Type type;
  std::string_view unit;    // Empty: a plain number.
  std::string_view labels;  // Separated by spaces.
  std::string_view help;
};

inline constexpr Info kHttpRequests{
    "ff_http_requests_total", Type::counter, "", "route status",
    "Answers of the public API, by route pattern and status; route unparsed never became a request."};
inline constexpr Info kHttpDuration{"ff_http_request_duration_seconds", Type::histogram, "seconds", "route",
                                    "From the end of a request's head to the end of its answer, or to the head of one "
                                    "in pieces."};
inline constexpr Info kHttpConnections{"ff_http_connections", Type::gauge, "", "",
                                       "Open connections of the public API."};
inline constexpr Info kHttpRefused{"ff_http_connections_refused_total", Type::counter, "", "",
                                   "Connections over FF_MAX_CONNECTIONS."};
inline constexpr Info kTokensRefused{"ff_waitpoint_tokens_refused_total", Type::counter, "", "fault",
                                     "Waitpoint tokens refused, by what was wrong; their senders are not told."};
inline constexpr Info kTokensUnread{"ff_tokens_unread_total", Type::counter, "", "",
                                    "Tokens of addresses over FF_WRONG_TOKENS_PER_MINUTE, refused without a look."};
inline constexpr Info kHttpStreams{"ff_http_streams", Type::gauge, "", "", "Answers in pieces under way."};
inline constexpr Info kExecutions{
    "ff_executions", Type::gauge, "", "state namespace lane",
    "Executions by state, ready ones by namespace and lane too; beyond 200 lanes the rest is (other)."};
inline constexpr Info kUnserved{
    "ff_executions_unserved", Type::gauge, "", "namespace lane",
    "Ready executions whose requirements no worker seen lately fulfils."};
inline constexpr Info kExecutionsAge{"ff_executions_age_seconds", Type::gauge, "seconds", "",
                                     "How old the counts in ff_executions are; -1 before the first."};
inline constexpr Info kTimersRuns{"ff_timers_runs_total", Type::counter, "", "", "Looks at a partition for due work."};
inline constexpr Info kTimersFailures{"ff_timers_failures_total", Type::counter, "", "",
                                      "Looks that failed; they are repeated."};
inline constexpr Info kTimersItems{"ff_timers_items_total", Type::counter, "", "scanner", "Due items done."};
inline constexpr Info kTimersLag{"ff_timers_lag_seconds", Type::gauge, "seconds", "",
                                 "How late the latest due look went out."};
inline constexpr Info kTimersLagMax{"ff_timers_lag_max_seconds", Type::gauge, "seconds", "",
                                    "The largest of these so far."};
inline constexpr Info kTimersPartitions{"ff_timers_partitions", Type::gauge, "", "",
                                        "Partitions whose timers this server runs."};
inline constexpr Info kServers{"ff_servers", Type::gauge, "", "", "Live servers, as this one saw them last."};
inline constexpr Info kValkeyUp{"ff_valkey_up", Type::gauge, "", "", "1 when Valkey answered lately."};
inline constexpr Info kValkeyCommands{"ff_valkey_commands_total", Type::counter, "", "",
                                      "Commands sent, repeats included."};
inline constexpr Info kValkeyReconnects{"ff_valkey_reconnects_total", Type::counter, "", "",
                                        "Sockets opened after the first of each node."};
inline constexpr Info kValkeyRedirects{"ff_valkey_redirects_total", Type::counter, "", "", "MOVED and ASK followed."};
inline constexpr Info kValkeyRetries{"ff_valkey_retries_total", Type::counter, "", "",
                                     "Repeats of calls that certainly did not run."};
inline constexpr Info kValkeyUnknown{"ff_valkey_unknown_outcomes_total", Type::counter, "", "",
                                     "Calls that were sent and never answered."};
inline constexpr Info kBuildInfo{"ff_build_info", Type::gauge, "", "version valkey_version", "1; what is running."};
inline constexpr Info kStartTime{"ff_start_time_seconds", Type::gauge, "seconds", "",
                                 "When this process started, since 1970."};

inline constexpr std::array kCatalogue = {
    kHttpRequests, kHttpDuration, kHttpConnections, kHttpRefused, kTokensRefused, kTokensUnread, kHttpStreams,
    kExecutions, kExecutionsAge, kUnserved, kTimersRuns, kTimersFailures, kTimersItems, kTimersLag, kTimersLagMax,
    kTimersPartitions, kServers, kValkeyUp, kValkeyCommands, kValkeyReconnects, kValkeyRedirects, kValkeyRetries,
    kValkeyUnknown, kBuildInfo, kStartTime};

}  // namespace ff::server::metrics
