// The main job: every regular file under a folder becomes one execution, which computes its SHA-256, size, number of
// lines and compressed size. Shows how far it is, and at the end proves that nothing was lost and nothing ran to
// completion twice.
//
//   file_submit ADDRESS FOLDER [HALFWAY]
//
// ADDRESS: /path/of/valkey.sock or HOST:PORT. The file HALFWAY is made when half of the files are done.
// Exit code: 0 all is well, 1 something is wrong, 2 wrong arguments.

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <ff/sdk/client.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "address.hpp"
#include "audit.hpp"
#include "event_tail.hpp"
#include "facts.hpp"
#include "progress_line.hpp"
#include "report.hpp"

namespace asio = boost::asio;
namespace core = ff::core;
namespace sdk = ff::sdk;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kBatch = 4096;
constexpr auto kLookEvery = std::chrono::milliseconds(100);
constexpr auto kStalled = std::chrono::seconds(120);  // Without a single end: the job has failed.

// Symbolic links are neither followed nor counted; folders that cannot be read are left out.
std::vector<std::string> regular_files(const fs::path& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    std::error_code unknown;
    if (entry->symlink_status(unknown).type() == fs::file_type::regular) paths.push_back(entry->path().native());
  }
  if (error) std::fprintf(stderr, "file_submit: the walk ended early: %s\n", error.message().c_str());
  std::sort(paths.begin(), paths.end());
  return paths;
}

double seconds_since(Clock::time_point begun) { return std::chrono::duration<double>(Clock::now() - begun).count(); }

// What the coroutines of this program share; they run on one thread.
struct Job {
  std::vector<std::string> paths;
  std::string halfway;
  std::string run = core::Ulid::make().str();
  std::vector<files::Audited> all;                       // Submitted so far.
  std::map<std::string, std::string, std::less<>> ours;  // ULID to id.
  std::map<std::string, int, std::less<>> begun, ended;  // By ULID; all that is published.
  std::size_t begun_again = 0;
  std::optional<core::Result<void>> submitted;  // Set when the submit has ended.
  files::Evidence evidence;
  Clock::time_point begun_at = Clock::now(), last_end = Clock::now();
};

void note_event(Job& job, std::string_view ulid, std::string_view state) {
  const auto parsed = core::parse_state(state);
  if (!parsed) return;
  if (*parsed == core::State::active && ++job.begun[std::string(ulid)] > 1) ++job.begun_again;
  if (core::is_terminal(*parsed)) {
    ++job.ended[std::string(ulid)];
    job.last_end = Clock::now();
  }
}

sdk::Submission submission_of(const Job& job, const std::string& path) {
  sdk::Submission submission("examine_file", core::Payload(path, "application/x-path"));
  submission.lane = "files";
  // A path may be longer than a key, and need not be UTF-8: its digest stands for it.
  submission.idempotency_key = job.run + "/" + files::sha256_of(path);
  return submission;
}

asio::awaitable<core::Result<void>> submit_all(sdk::Client client, Job& job) {
  for (std::size_t from = 0; from < job.paths.size(); from += kBatch) {
    const auto to = std::min(job.paths.size(), from + kBatch);
    std::vector<sdk::Submission> batch;
    for (std::size_t i = from; i < to; ++i) batch.push_back(submission_of(job, job.paths[i]));
    auto answers = co_await client.submit_many(std::move(batch));
    if (!answers) co_return std::move(answers).error();
    for (std::size_t i = 0; i < answers->size(); ++i) {
      auto& answer = (*answers)[i];
      if (!answer) co_return std::move(answer).error();
      job.ours[answer->id.ulid().str()] = answer->id.str();
      job.all.emplace_back(job.paths[from + i], answer->id);
    }
  }
  job.evidence.submit_seconds = seconds_since(job.begun_at);
  co_return core::Result<void>();
}

std::size_t ended_of_ours(const Job& job) {
  std::size_t count = 0;
  for (const auto& [ulid, times] : job.ended) count += job.ours.contains(ulid) ? 1 : 0;
  return count;
}

void tell_halfway(Job& job, std::size_t ended) {
  if (job.halfway.empty() || 2 * ended < job.paths.size()) return;
  std::ofstream(job.halfway) << ended << "\n";
  job.halfway.clear();
}

// Until everything has ended. The events say it: nothing asks for single executions.
asio::awaitable<core::Result<void>> follow(files::EventTail& tail, Job& job) {
  files::ProgressLine line(job.paths.size());
  asio::steady_timer pause(co_await asio::this_coro::executor);
  files::EventTail::OnEvent note = [&job](std::string_view ulid, std::string_view state) {
    note_event(job, ulid, state);
  };
  while (true) {
    auto read = co_await tail.read(note);
    if (!read) co_return read;
    // Before a submit's answer is here its events may be; what is not ours is sorted out at the end.
    const bool all_submitted = job.all.size() == job.paths.size();
    const auto ended = all_submitted ? ended_of_ours(job) : std::min(job.ended.size(), job.paths.size());
    const bool done = all_submitted && ended == job.paths.size();
    line.show(job.all.size(), ended, job.begun_again, done);
    tell_halfway(job, ended);
    if (done) break;
    if (job.submitted && !*job.submitted) co_return *job.submitted;
    if (Clock::now() - job.last_end > kStalled) {
      line.finish();
      co_return core::Error(core::Code::unavailable, "stalled", "nothing has ended for two minutes; do workers run?");
    }
    pause.expires_after(kLookEvery);
    co_await pause.async_wait(asio::use_awaitable);
  }
  line.finish();
  job.evidence.seconds = std::chrono::duration<double>(job.last_end - job.begun_at).count();
  co_return core::Result<void>();
}

asio::awaitable<core::Result<void>> audit(sdk::Client client, files::EventTail& tail, Job& job) {
  auto looked = co_await files::look_at_all(client, job.all, core::Deadline::in(std::chrono::minutes(2)));
  if (!looked) co_return looked;
  // Once more, after everything: an end that came twice would stand there.
  files::EventTail::OnEvent note = [&job](std::string_view ulid, std::string_view state) {
    note_event(job, ulid, state);
  };
  auto read = co_await tail.read(note);
  if (!read) co_return read;
  auto missed = co_await tail.missed();
  if (!missed) co_return std::move(missed).error();
  job.evidence.events_missed = *missed;
  for (const auto& [ulid, id] : job.ours) job.evidence.ended[id] = job.ended[ulid];
  co_return core::Result<void>();
}

asio::awaitable<core::Result<void>> perform(sdk::ClientOptions options, Job& job) {
  const auto executor = co_await asio::this_coro::executor;
  auto client = co_await sdk::Client::open(executor, std::move(options));
  if (!client) co_return std::move(client).error();
  files::EventTail tail(client->deployment());
  auto tailing = co_await tail.begin();
  if (!tailing) co_return tailing;

  job.begun_at = job.last_end = Clock::now();
  auto on_submitted = [&job](std::exception_ptr failure, core::Result<void> result) {
    if (failure) result = core::Error(core::Code::internal, "exception", "the submit ended by an exception");
    job.submitted = std::move(result);
  };
  asio::co_spawn(executor, submit_all(*client, job), std::move(on_submitted));
  auto followed = co_await follow(tail, job);
  if (!followed) co_return followed;
  auto audited = co_await audit(*client, tail, job);
  client->deployment()->connection()->close();
  co_return audited;
}

}  // namespace

int main(int argc, char** argv) {
  const auto address = argc >= 3 && argc <= 4 ? files::parse_address(argv[1]) : std::nullopt;
  if (!address || !fs::is_directory(argv[2])) {
    std::fprintf(stderr, "usage: file_submit ADDRESS FOLDER [HALFWAY]   (/path/of/valkey.sock or HOST:PORT)\n");
    return 2;
  }
  Job job;
  job.paths = regular_files(fs::absolute(argv[2]));
  if (argc == 4) job.halfway = argv[3];
  std::printf("%s files under %s\n", files::with_commas(job.paths.size()).c_str(), argv[2]);

  sdk::ClientOptions options;
  options.connection = *address;
  options.call_timeout = core::Millis(30'000);
  asio::io_context context(1);
  auto performed = core::Result<void>(core::Error(core::Code::internal, "exception", "the job ended by an exception"));
  asio::co_spawn(context, perform(std::move(options), job), [&](std::exception_ptr failure, core::Result<void> result) {
    if (!failure) performed = std::move(result);
    context.stop();
  });
  context.run();
  if (!performed) {
    std::fprintf(stderr, "file_submit: %s\n", performed.error().to_string().c_str());
    return 1;
  }
  job.evidence.digests = files::sha256sum(job.all);
  return files::report(job.all, job.evidence) ? 0 : 1;
}
