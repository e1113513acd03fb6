// Streams: frames appended in batches, and how soon an appended frame reaches a client of server-sent events.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>

#include "bench/scenarios.hpp"
#include "ff/core/ids.hpp"
#include "support/process.hpp"

namespace ff::bench {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
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

struct Load {
  Session* session;
  std::vector<Speaker>* speakers;
  std::size_t next_speaker = 0;
  long calls_left;
  int batch;
  Load(Session* s, std::vector<Speaker>* all, long calls, int b)
      : session(s), speakers(all), calls_left(calls), batch(b) {}
};

asio::awaitable<void> speak(Load* load) {
  Speaker& speaker = load->speakers->at(load->next_speaker++);
  while (load->calls_left-- > 0) co_await append(load->session, &speaker, load->batch);
}

void measure_append(Report& report, BenchServer& server, int batch, long frames) {
  server.fresh();
  Session session(over_unix(server));
  std::vector<Speaker> speakers;
  constexpr int kSpeakers = 8;
  for (int i = 0; i < kSpeakers; ++i) session.run(1, [&] { return begin(&session, &speakers); });
  Load load(&session, &speakers, frames / batch, batch);
  const Meter meter(server);
  session.run(kSpeakers, [&load] { return speak(&load); });
  sample_cost(report, fmt::format("stream.append.{}", batch), meter.stop(static_cast<double>(frames / batch * batch)));
}

// Reads on until `text` has come.
asio::awaitable<void> read_to(tcp::socket* socket, std::string* buffer, std::string text) {
  const auto count = co_await asio::async_read_until(*socket, asio::dynamic_buffer(*buffer), text, asio::use_awaitable);
  buffer->erase(0, count);
}

asio::awaitable<void> listen_and_append(Session* session, Speaker* speaker, std::uint16_t port, int frames,
                                        std::vector<double>* times) {
  tcp::socket socket(co_await asio::this_coro::executor);
  const tcp::endpoint server(asio::ip::address_v4::loopback(), port);
  co_await socket.async_connect(server, asio::use_awaitable);
  const std::string path = fmt::format("/v1/executions/{}/stream?namespace={}", speaker->id.str(), kNamespace);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
  std::string buffer;
  for (int i = 0; i < frames; ++i) {
    const auto start = Steady::now();
    const auto number = speaker->sequence;
    co_await append(session, speaker, 1);
    co_await read_to(&socket, &buffer, fmt::format("id: 0-{}\n", number));
    times->push_back(std::chrono::duration<double, std::milli>(Steady::now() - start).count());
  }
}

void measure_sse(Report& report, BenchServer& server, int frames) {
  server.fresh();
  Session session(over_unix(server));
  std::vector<Speaker> speakers;
  session.run(1, [&] { return begin(&session, &speakers); });
  test::Process program({FF_SERVER_PROGRAM, "--socket=" + server.unix_socket(), "--listen=127.0.0.1:0",
                         "--ops=127.0.0.1:0"});
  if (!program.wait_for_output("\nready\n", test::Process::Duration(30'000))) {
    throw std::runtime_error("ff-server is not ready: " + program.output());
  }
  const std::string output = program.output(), lead = "public listener: 127.0.0.1:";
  const auto port = static_cast<std::uint16_t>(std::stoi(output.substr(output.find(lead) + lead.size())));
  std::vector<double> times;
  session.run(1, [&] { return listen_and_append(&session, &speakers[0], port, frames, &times); });
  std::sort(times.begin(), times.end());
  report.sample("stream.sse.p50", times[times.size() / 2]);
  report.sample("stream.sse.p99", times[times.size() * 99 / 100]);
}

}  // namespace

void run_stream(const Settings& settings, Report& report, BenchServer& server) {
  report.note("frames of 100 bytes; 8 streams side by side, one call of each in flight; beyond 10000 frames the oldest "
              "are trimmed");
  report.note("append to SSE: from the call to the event at a client of ff-server, one at a time");
  for (int run = 0; run < settings.runs; ++run) {
    measure_append(report, server, 256, settings.amount(1'000'000));
    measure_append(report, server, 16, settings.amount(200'000));
    if constexpr (!std::string_view(FF_SERVER_PROGRAM).empty()) {
      measure_sse(report, server, settings.quick ? 300 : 2'000);
    }
  }
}

}  // namespace ff::bench
