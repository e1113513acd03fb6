#include "ff/script/deployment.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "ff/core/limits.hpp"
#include "library_plan.hpp"
#include "library_source.hpp"

namespace ff::script {
namespace {

namespace asio = boost::asio;
using core::Code;
using core::Error;

constexpr std::array<std::pair<std::string_view, Code>, 10> kRefusals{{
    {"not_found", Code::not_found},
    {"no_such_generation", Code::not_found},
    {"stale_lease", Code::stale_lease},
    {"already_finished", Code::conflict},
    {"not_finished", Code::conflict},
    {"other_generation", Code::conflict},
    {"idempotency_mismatch", Code::conflict},
    {"bad_state", Code::invalid_argument},
    {"lane_needed", Code::invalid_argument},
    {"bad_cursor", Code::invalid_argument},
}};

// Error words of the server and of the library's own calling convention: what they mean for the caller.
struct AnswerWord {
  std::string_view prefix;
  Code code;
  std::string_view reason;
};
constexpr std::array<AnswerWord, 7> kAnswerWords{{
    {"OOM ", Code::exhausted, "oom"},
    {"MISCONF ", Code::unavailable, "misconf"},
    {"NOREPLICAS ", Code::unavailable, "noreplicas"},
    {"NOPERM ", Code::permission_denied, "noperm"},
    {"FF_CORRUPT ", Code::corrupt, "corrupt"},
    {"FF_BAD_CALL ", Code::internal, "bad_call"},
    {"NOAUTH ", Code::unauthenticated, "noauth"},
}};

Error answer_error(const std::string& text) {
  for (const auto& word : kAnswerWords) {
    if (text.starts_with(word.prefix)) return Error(word.code, std::string(word.reason), text);
  }
  // Raised inside a function by something the verb could not check: it may have run in part.
  return Error(Code::corrupt, "script_error", text);
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

constexpr core::Millis kSlotMovingPause{20};

}  // namespace

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
  auto server = co_await deployment->check_server(deadline);
  if (!server) co_return std::move(server).error();
  auto library = co_await deployment->ensure_library(deadline);
  if (!library) co_return std::move(library).error();
  auto partitions = co_await deployment->open_partitions(wanted, deadline);
  if (!partitions) co_return std::move(partitions).error();
  co_return deployment;
}

asio::awaitable<core::Result<void>> Deployment::check_server(core::Deadline deadline) {
  Command command("INFO");
  command.arg("server");
  auto info = co_await connection_->send(keys_.root_slot(), std::move(command), deadline);
  if (!info) co_return std::move(info).error();
  if (info->is_error()) co_return answer_error(info->text);
  auto version = check_server_info(info->text);
  if (!version) co_return std::move(version).error();
  server_version_ = std::move(version).value();
  co_return core::Result<void>();
}

asio::awaitable<core::Result<void>> Deployment::ensure_library(core::Deadline deadline) {
  // Another server may load at the same time; then the second look finds the library.
  for (int round = 0; round < 3; ++round) {
    Command list("FUNCTION");
    list.arg("LIST").arg("LIBRARYNAME").arg("ff1").arg("WITHCODE");
    auto replies = co_await connection_->send_to_primaries(std::move(list), deadline);
    if (!replies) co_return std::move(replies).error();
    bool load = false, replace = false;
    for (const auto& reply : *replies) {
      auto stored = parse_library_list(reply);
      if (!stored) co_return std::move(stored).error();
      const auto state = compare_library(*stored, kLibrarySource);
      if (state == LibraryState::differs) {
        co_return Error(Code::incompatible, "library_differs",
                        fmt::format("library ff1 version {} is loaded with other code than this program carries under "
                                    "the same version; it was not replaced",
                                    library_version(stored->code)));
      }
      load = load || state == LibraryState::missing || state == LibraryState::older;
      replace = replace || state == LibraryState::older;
      if (state == LibraryState::newer || state == LibraryState::current) {
        auto fits = check_signatures(*stored);
        if (!fits) co_return std::move(fits).error();
      }
    }
    if (!load) co_return core::Result<void>();
    if (!options_.load_library) {
      co_return Error(Code::not_found, "library_missing",
                      "library ff1 is not loaded, and this program may not load it");
    }
    Command command("FUNCTION");
    command.arg("LOAD");
    if (replace) command.arg("REPLACE");
    command.arg(kLibrarySource);
    auto loaded = co_await connection_->send_to_primaries(std::move(command), deadline);
    if (!loaded) co_return std::move(loaded).error();
    for (const auto& reply : *loaded) {
      // "already exists": that node had it, or somebody was faster; the next round looks again.
      const bool failed = reply.is_error() && reply.text.find("already exists") == std::string::npos;
      if (failed) co_return answer_error(reply.text);
    }
  }
  co_return Error(Code::unavailable, "library", "library ff1 could not be loaded on every primary; try again");
}

asio::awaitable<core::Result<void>> Deployment::reload_library(core::Deadline deadline) {
  if (loading_) {
    auto others = loading_;
    boost::system::error_code ignored;
    co_await others->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_return core::Result<void>();  // Loaded, or not: the repeated call finds out.
  }
  loading_ = std::make_shared<asio::steady_timer>(connection_->executor(), asio::steady_timer::time_point::max());
  auto loaded = co_await ensure_library(deadline);
  loading_->cancel();
  loading_.reset();
  co_return loaded;
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
  bool healed = false;
  while (true) {
    auto reply = co_await connection_->send(slot, command, deadline);
    if (!reply) co_return std::move(reply).error();
    if (function_missing(*reply) && !healed) {
      healed = true;
      auto loaded = co_await reload_library(deadline);
      if (!loaded) co_return std::move(loaded).error();
      continue;
    }
    if (slot_moving(*reply) && std::chrono::steady_clock::now() + kSlotMovingPause < deadline.at) {
      asio::steady_timer pause(co_await asio::this_coro::executor, kSlotMovingPause);
      boost::system::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      continue;
    }
    if (slot_moving(*reply)) co_return Error(Code::unavailable, "slot_moving", reply->text, kSlotMovingPause.count());
    if (reply->is_error()) co_return answer_error(reply->text);
    auto& fields = reply->elements;
    if (reply->kind != Reply::Kind::array || fields.empty() || fields[0].text.empty()) {
      co_return Error(Code::corrupt, "bad_reply", "a function answered without ok or refused");
    }
    if (fields[0].text == "refused" && fields.size() >= 2) {
      const auto& word = fields[1].text;
      co_return Error(refusal_code(word), word, "refused: " + word);
    }
    if (fields[0].text != "ok") co_return Error(Code::corrupt, "bad_reply", "a function answered " + fields[0].text);
    fields.erase(fields.begin());
    co_return std::move(fields);
  }
}

}  // namespace ff::script
