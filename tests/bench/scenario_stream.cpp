// Streams: frames appended in batches, and how soon an appended frame reaches a client of server-sent events.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "bench/api_server.hpp"
#include "bench/fleet.hpp"
#include "bench/scenarios.hpp"
#include "ff/core/ids.hpp"

namespace ff::bench {
namespace {

namespace asio = boost::asio;
using Steady = std::chrono::steady_clock;

// One claimed execution, whose frames are appended in order.
struct Speaker {
  core::ExecutionId id;
  std::string lease, epoch;
  std::int64_t sequence = 1;
  Speaker(core::ExecutionId i, std::string l) : id(std::move(i)), lease(std::move(l)) {}
};

script::AppendFrames::Args next_frames(Speaker& speaker, int frames) {
  script::AppendFrames::Args args;
  args.id = speaker.id.ulid().str();
  args.lease = speaker.lease;
  args.epoch = speaker.epoch;
  args.sequence = speaker.sequence;
  for (int i = 0; i < frames; ++i) {
    auto& item = args.items.emplace_back();
    item.mode = "durable";
    item.type = "line";
    item.data.assign(100, 'x');
  }
  speaker.sequence += frames;
  return args;
}

asio::awaitable<void> begin(Session* session, std::vector<Speaker>* speakers) {
  sdk::Submission submission(kKind);
  submission.lane = kLane;
  const auto submitted = insist(co_await session->client().submit(submission), "submit");
  Speaker speaker(submitted.id, core::Ulid::make().str());
  script::Claim::Args claim;
  claim.worker = "bench";
  claim.lease = speaker.lease;
  claim.lease_ms = 600'000;
  claim.want = 1;
  claim.queues.push_back(fmt::format("{}/{}", kNamespace, kLane));
  const core::Deadline deadline = core::Deadline::in(core::Millis(10'000));
  auto claimed = insist(co_await session->deployment().call<script::Claim>(submitted.id.partition(), claim, deadline),
                        "claim");
  speaker.epoch = std::to_string(claimed.rows.at(0).epoch);
  speakers->push_back(std::move(speaker));
}

asio::awaitable<void> append(Session* session, Speaker* speaker, int frames) {
  auto args = next_frames(*speaker, frames);
  const core::Deadline deadline = core::Deadline::in(core::Millis(10'000));
  insist(co_await session->deployment().call<script::AppendFrames>(speaker->id.partition(), std::move(args), deadline),
         "append_frames");
}

struct StreamLoad {
  Session* session;
  std::vector<Speaker>* speakers;
  std::size_t next_speaker = 0;
  long calls_left;
  int batch;
  StreamLoad(Session* s, std::vector<Speaker>* all, long calls, int b)
      : session(s), speakers(all), calls_left(calls), batch(b) {}
};

asio::awaitable<void> speak(StreamLoad* load) {
  Speaker& speaker = load->speakers->at(load->next_speaker++);
  while (load->calls_left-- > 0) co_await append(load->session, &speaker, load->batch);
}

void measure_append(Report& report, BenchServer& server, int batch, long frames) {
  server.fresh();
  Session session(over_unix(server));
  std::vector<Speaker> speakers;
  constexpr int kSpeakers = 8;
  for (int i = 0; i < kSpeakers; ++i) session.run(1, [&] { return begin(&session, &speakers); });
  StreamLoad load(&session, &speakers, frames / batch, batch);
  const Meter meter(server);
  session.run(kSpeakers, [&load] { return speak(&load); });
  sample_cost(report, fmt::format("stream.append.{}", batch), meter.stop(static_cast<double>(frames / batch * batch)));
}

asio::awaitable<void> listen_and_append(Session* session, Speaker* speaker, std::uint16_t port, int frames,
                                        std::vector<double>* times) {
  ApiClient client(co_await asio::this_coro::executor, port);
  co_await client.get(fmt::format("/v1/executions/{}/stream?namespace={}", speaker->id.str(), kNamespace));
  for (int i = 0; i < frames; ++i) {
    const auto start = Steady::now();
    const auto number = speaker->sequence;
    co_await append(session, speaker, 1);
    co_await client.read_to(fmt::format("id: 0-{}\n", number));
    times->push_back(std::chrono::duration<double, std::milli>(Steady::now() - start).count());
  }
}

void measure_sse(Report& report, BenchServer& server, int frames) {
  server.fresh();
  Session session(over_unix(server));
  std::vector<Speaker> speakers;
  session.run(1, [&] { return begin(&session, &speakers); });
  const ApiServer api(server);
  std::vector<double> times;
  session.run(1, [&] { return listen_and_append(&session, &speakers[0], api.port(), frames, &times); });
  std::sort(times.begin(), times.end());
  report.sample("stream.sse.p50", quantile(times, 0.5));
  report.sample("stream.sse.p99", quantile(times, 0.99));
}

}  // namespace

void run_stream(const Settings& settings, Report& report, BenchServer& server) {
  report.note("frames of 100 bytes; 8 streams side by side, one call of each in flight; beyond 10000 frames the oldest "
              "are trimmed");
  report.note("append to SSE: from the call to the event at a client of ff-server, one at a time");
  for (int run = 0; run < settings.runs; ++run) {
    measure_append(report, server, 256, settings.amount(1'000'000));
    measure_append(report, server, 16, settings.amount(200'000));
    if constexpr (kApiServerThere) measure_sse(report, server, settings.quick ? 300 : 2'000);
  }
}

}  // namespace ff::bench
