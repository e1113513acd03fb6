#include "ff/script/deployment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>

#include "ff/core/limits.hpp"
#include "library_plan.hpp"
#include "library_source.hpp"

namespace ff::script {
namespace {

namespace asio = boost::asio;
using core::Code;
using core::Error;

constexpr std::array<std::pair<std::string_view, Code>, 37> kRefusals{{
    {"not_found", Code::not_found},
    {"no_such_generation", Code::not_found},
    {"stale_lease", Code::stale_lease},
    {"already_finished", Code::conflict},
    {"not_finished", Code::conflict},
    {"other_generation", Code::conflict},
    {"other_version", Code::conflict},
    {"bad_state", Code::invalid_argument},
    {"bad_policy", Code::invalid_argument},
    {"lane_needed", Code::invalid_argument},
    {"bad_cursor", Code::invalid_argument},
    {"bad_waitpoint", Code::invalid_argument},
    {"too_many_waitpoints", Code::invalid_argument},
    {"bad_condition", Code::invalid_argument},
    {"unknown_waitpoint", Code::invalid_argument},
    {"bad_timeout", Code::invalid_argument},
    {"kept_too_large", Code::invalid_argument},
    {"no_such_waitpoint", Code::not_found},
    {"waitpoint_closed", Code::conflict},
    {"waitpoint_expired", Code::conflict},
    {"name_not_allowed", Code::permission_denied},
    {"payload_too_large", Code::invalid_argument},
    {"too_many_signals", Code::conflict},
    {"other_step", Code::conflict},
    {"not_suspended", Code::conflict},
    {"no_such_step", Code::not_found},
    {"too_many_events", Code::conflict},
    {"too_many_waiters", Code::conflict},
    {"sequence_gap", Code::conflict},
    {"frame_too_large", Code::invalid_argument},
    {"call_too_large", Code::invalid_argument},
    {"bad_patch", Code::invalid_argument},
    {"document_too_large", Code::invalid_argument},
    {"bad_rate", Code::invalid_argument},
    {"bad_dimension", Code::invalid_argument},
    {"unknown_dimension", Code::invalid_argument},
    {"other_period", Code::conflict},
}};

// For people; a word without a sentence speaks for itself.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kSentences{{
    {"not_found", "there is no such execution in this namespace"},
    {"no_such_generation", "the execution has no such generation, or its result is gone"},
    {"stale_lease", "the lease is over: the execution has ended, was taken back, or has another holder"},
    {"already_finished", "the execution has ended already"},
    {"not_finished", "the execution has not ended yet"},
    {"other_generation", "the execution was replayed meanwhile"},
}};

std::string refusal_sentence(const std::string& word) {
  for (const auto& [known, sentence] : kSentences) {
    if (known == word) return std::string(sentence);
  }
  return "refused: " + word;
}

// Error words of the server and of the library's own calling convention: what they mean for the caller.
struct AnswerWord {
  std::string_view prefix;
  Code code;
  std::string_view reason;
};
constexpr std::array<AnswerWord, 9> kAnswerWords{{
    {"OOM ", Code::exhausted, "oom"},
    {"MISCONF ", Code::unavailable, "misconf"},
    {"NOREPLICAS ", Code::unavailable, "noreplicas"},
    {"NOPERM ", Code::permission_denied, "noperm"},
    {"ERR ACL failure in script", Code::permission_denied, "noperm"},  // Of a command within a verb.
    {"FF_CORRUPT ", Code::corrupt, "corrupt"},
    {"FF_BAD_CALL ", Code::internal, "bad_call"},
    {"NOAUTH ", Code::unauthenticated, "noauth"},
    {"MOVED ", Code::incompatible, "not_cluster"},  // A connection that knows of clusters follows it instead.
}};

const AnswerWord* find_word(const std::string& text) {
  for (const auto& word : kAnswerWords) {
    if (text.starts_with(word.prefix)) return &word;
  }
  return nullptr;
}

Error answer_error(const std::string& text) {
  if (const auto* word = find_word(text)) {
    const bool moved = word->code == Code::incompatible;
    return Error(word->code, std::string(word->reason),
                 moved ? "Valkey is a cluster, and this connection was not told so: " + text : text);
  }
  // Raised inside a function by something the verb could not check: it may have run in part.
  return Error(Code::corrupt, "script_error", text);
}

// What a node answered instead of doing an administrative command of ours: no function ran.
Error admin_error(std::string_view what, const std::string& text) {
  const auto* word = find_word(text);
  if (!word) return Error(Code::incompatible, "library_refused", fmt::format("{}: {}", what, text));
  const bool right = word->code == Code::permission_denied;
  return Error(word->code, std::string(word->reason),
               fmt::format("{}: {}{}", what, text,
                           right ? "; the user needs +info, +function|list, +fcall, +fcall_ro and, to load the "
                                   "library itself, +function|load"
                                 : ""));
}

// Causes that pass by themselves: worth another look while the deadline lasts.
bool passing(const Error& error) { return error.code == Code::unavailable || error.code == Code::unknown_outcome; }

Error library_missing(const std::string& why) {
  return Error(Code::unavailable, "library_missing", "library ff1 is not loaded: " + why);
}

bool function_missing(const Reply& reply) {
  return reply.is_error() && reply.text.starts_with("ERR Function not found");
}

// A slot on its way to another node: the verb's probe of absent keys raised before anything was written. The first
// text is the old node's, the second the new one's after ASK.
bool slot_moving(const Reply& reply) {
  if (!reply.is_error()) return false;
  return reply.text.find("non local key") != std::string::npos ||
         reply.text.find("during rehashing of the slot") != std::string::npos;
}

constexpr core::Millis kSlotMovingPause{20}, kOpenPause{20};
constexpr core::Millis kReloadPauseMin{20}, kReloadPauseMax{320};  // Between looks at a node that loses it again.
constexpr core::Millis kReloadTime{5000};                          // Of one reload, whoever waits for it.

Error cancelled() { return Error(Code::cancelled, "cancelled", "the caller gave up"); }

// False when the deadline would come first, or the caller has given up.
asio::awaitable<bool> pause_for(core::Millis duration, core::Deadline deadline) {
  if (std::chrono::steady_clock::now() + duration >= deadline.at) co_return false;
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  boost::system::error_code woken;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  co_return !woken;
}

// The fields behind "ok", of a function's own answer.
core::Result<std::vector<Reply>> settle(Reply reply) {
  if (reply.is_error()) return answer_error(reply.text);
  auto& fields = reply.elements;
  if (reply.kind != Reply::Kind::array || fields.empty() || fields[0].text.empty()) {
    return Error(Code::corrupt, "bad_reply", "a function answered without ok or refused");
  }
  if (fields[0].text == "refused" && fields.size() >= 2) {
    const auto& word = fields[1].text;
    return Error(refusal_code(word), word, refusal_sentence(word));
  }
  if (fields[0].text != "ok") return Error(Code::corrupt, "bad_reply", "a function answered " + fields[0].text);
  fields.erase(fields.begin());
  return std::move(fields);
}

}  // namespace

// One look at every primary and what it took to repair them, for all calls that found the library missing meanwhile.
struct Deployment::Reload {
  std::optional<core::Result<void>> result;
  std::vector<std::weak_ptr<asio::steady_timer>> waiting;  // One of each caller, which expires at its deadline.
};

Code refusal_code(std::string_view word) noexcept {
  for (const auto& [known, code] : kRefusals) {
    if (known == word) return code;
  }
  return Code::internal;
}

Deployment::Deployment(std::shared_ptr<Connection> connection, core::Keyspace keys, DeploymentOptions options)
    : connection_(std::move(connection)), keys_(std::move(keys)), options_(std::move(options)) {}

asio::awaitable<core::Result<std::shared_ptr<Deployment>>> Deployment::open(std::shared_ptr<Connection> connection,
                                                                            DeploymentOptions options,
                                                                            core::Deadline deadline) {
  const std::size_t wanted = options.partitions;
  auto keys = core::Keyspace::make(options.prefix, wanted == 0 ? core::limits::kPartitionsDefault : wanted);
  if (!keys) co_return std::move(keys).error();
  std::shared_ptr<Deployment> deployment(
      new Deployment(std::move(connection), std::move(keys).value(), std::move(options)));
  while (true) {
    auto done = co_await deployment->check_server(deadline);
    if (done) done = co_await deployment->ensure_library(deadline);
    if (done) done = co_await deployment->open_partitions(wanted, deadline);
    if (done) co_return deployment;
    // A lost reply is no answer; all of this may be done twice.
    const bool lost = done.error().code == Code::unknown_outcome;
    if (!lost || std::chrono::steady_clock::now() + kOpenPause >= deadline.at) co_return std::move(done).error();
    asio::steady_timer pause(co_await asio::this_coro::executor, kOpenPause);
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<core::Result<void>> Deployment::check_server(core::Deadline deadline) {
  Command command("INFO");
  command.arg("server");
  auto infos = co_await connection_->send_to_primaries(std::move(command), deadline);
  if (!infos) co_return std::move(infos).error();
  for (const auto& info : *infos) {
    if (info.is_error()) co_return admin_error("INFO", info.text);
    auto version = check_server_info(info.text);
    if (!version) co_return std::move(version).error();
    server_version_ = std::move(version).value();
  }
  co_return core::Result<void>();
}

asio::awaitable<core::Result<std::vector<Library>>> Deployment::stored_libraries(core::Deadline deadline) {
  Command list("FUNCTION");
  list.arg("LIST").arg("LIBRARYNAME").arg("ff1").arg("WITHCODE");
  auto replies = co_await connection_->send_to_primaries(std::move(list), deadline);
  if (!replies) co_return std::move(replies).error();
  std::vector<Library> libraries;
  for (const auto& reply : *replies) {
    if (reply.is_error()) co_return admin_error("FUNCTION LIST", reply.text);
    auto library = parse_library_list(reply);
    if (!library) co_return std::move(library).error();
    libraries.push_back(std::move(library).value());
  }
  co_return libraries;
}

asio::awaitable<core::Result<void>> Deployment::ensure_library(core::Deadline deadline) {
  // Another program may load at the same time; then the second look finds the library.
  for (int round = 0; round < 3; ++round) {
    auto stored = co_await stored_libraries(deadline);
    if (!stored) co_return std::move(stored).error();
    auto plan = plan_library(*stored, kLibrarySource);
    if (!plan) co_return std::move(plan).error();
    if (!plan->load) co_return core::Result<void>();
    if (!options_.load_library) {
      co_return library_missing(std::string(plan->replace ? "some node has an older one" : "some node has none") +
                                ", and this program may not load it");
    }
    Command command("FUNCTION");
    command.arg("LOAD");
    if (plan->replace) command.arg("REPLACE");
    command.arg(plan->code);
    auto loaded = co_await connection_->send_to_primaries(std::move(command), deadline);
    if (!loaded) co_return std::move(loaded).error();
    for (const auto& reply : *loaded) {
      // That node had it, or somebody was faster: the next round looks again.
      if (reply.is_error() && !reply.text.starts_with("ERR Library 'ff1' already exists")) {
        co_return admin_error("FUNCTION LOAD of ff1", reply.text);
      }
    }
  }
  co_return library_missing("it could not be loaded on every primary");
}

asio::awaitable<void> Deployment::run_reload(std::shared_ptr<Deployment> self, std::shared_ptr<Reload> reload) {
  auto ensured = co_await self->ensure_library(core::Deadline::in(kReloadTime));
  reload->result.emplace(std::move(ensured));
}

void Deployment::start_reload() {
  auto reload = std::make_shared<Reload>();
  auto ended = [self = shared_from_this(), reload](std::exception_ptr error) {
    if (!reload->result) {
      std::string what = "unknown";
      try {
        if (error) std::rethrow_exception(error);
      } catch (const std::exception& thrown) {
        what = thrown.what();
      }
      reload->result.emplace(Error(Code::internal, "exception", "loading library ff1 threw: " + what));
    }
    self->loading_.reset();
    for (const auto& caller : reload->waiting) {
      if (auto timer = caller.lock()) timer->cancel();
    }
  };
  asio::co_spawn(connection_->executor(), run_reload(shared_from_this(), reload), std::move(ended));
  if (!reload->result) loading_ = std::move(reload);
}

asio::awaitable<core::Result<void>> Deployment::reload_library(core::Deadline deadline) {
  if (!loading_) start_reload();
  const auto reload = loading_;
  if (!reload) co_return core::Result<void>();  // Loaded, or not: the repeated call finds out.
  const auto timer = std::make_shared<asio::steady_timer>(connection_->executor(), deadline.at);
  reload->waiting.push_back(timer);
  boost::system::error_code ignored;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (reload->result) co_return *reload->result;
  if (std::chrono::steady_clock::now() < deadline.at) co_return cancelled();
  co_return library_missing("it is being loaded, and the call's time is over");
}

asio::awaitable<core::Result<void>> Deployment::open_partitions(std::size_t wanted, core::Deadline deadline) {
  Open::Args args;
  args.partitions = static_cast<std::int64_t>(keys_.partitions());
  args.history = core::Ulid::make().str();
  auto stored = co_await call_root<Open>(std::move(args), deadline);
  if (!stored) co_return std::move(stored).error();
  history_ = stored->history;
  const auto partitions = static_cast<std::size_t>(stored->partitions);
  if (partitions == keys_.partitions()) co_return core::Result<void>();
  if (wanted != 0) {
    co_return Error(Code::incompatible, "partitions",
                    fmt::format("this deployment was first used with {} partitions, {} are configured; "
                                "the count is fixed",
                                partitions, wanted));
  }
  auto keys = core::Keyspace::make(keys_.prefix(), partitions);
  if (!keys) co_return std::move(keys).error();
  keys_ = std::move(keys).value();
  co_return core::Result<void>();
}

Command Deployment::begin(std::string_view function, bool read_only, const std::string& tag) {
  Command command(read_only ? std::string_view("FCALL_RO") : std::string_view("FCALL"));
  command.arg(function).arg("1").arg(tag);
  return command;
}

asio::awaitable<core::Result<std::vector<Reply>>> Deployment::perform(Slot slot, Command command,
                                                                      core::Deadline deadline) {
  core::Millis reload_pause{0};  // The first repeat follows at once.
  while (true) {
    auto reply = co_await connection_->send(slot, command, deadline);
    if (!reply) co_return std::move(reply).error();
    core::Millis pause = kSlotMovingPause;
    Error why;
    if (function_missing(*reply)) {
      why = library_missing(reply->text);
      if (options_.load_library) {
        auto loaded = co_await reload_library(deadline);
        if (!loaded && !passing(loaded.error())) co_return std::move(loaded).error();
        if (!loaded) why = library_missing(loaded.error().message);
        if (loaded && reload_pause.count() == 0) {
          reload_pause = kReloadPauseMin;
          continue;
        }
      }
      pause = std::clamp(reload_pause, kReloadPauseMin, kReloadPauseMax);
      reload_pause = pause * 2;
    } else if (slot_moving(*reply)) {
      why = Error(Code::unavailable, "slot_moving", reply->text, kSlotMovingPause.count());
    } else {
      co_return settle(std::move(*reply));
    }
    const bool time_left = co_await pause_for(pause, deadline);
    if (!time_left) {
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) co_return cancelled();
      co_return why;
    }
  }
}

}  // namespace ff::script
