// Streams and events over HTTP: server-sent events from a real ff-server over raw sockets.
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <csignal>
#include <set>
#include <thread>

#include "ff/script/connect.hpp"
#include "ff/sdk/worker.hpp"
#include "server_process.hpp"
#include "support/run.hpp"
#include "support/wait.hpp"

namespace asio = boost::asio;
using namespace ff;
using namespace ff::test;
using namespace std::chrono_literals;

namespace {

// Handlers that append as many frames as the payload says: "talk" small ones, "shout" ones of 64 KiB.
class TalkingWorker {
 public:
  explicit TalkingWorker(const ValkeyServer& valkey) {
    script::ConnectionOptions options;
    options.unix_socket = valkey.unix_socket();
    connection_ = script::make_connection(context_.get_executor(), options);
    auto opening = script::Deployment::open(connection_, script::DeploymentOptions(), core::Deadline::in(10s));
    worker_.emplace(run(context_, std::move(opening)).value(), sdk::WorkerOptions());
    worker_->handle_async("talk", [](sdk::Task& task) { return talk(task, 5); });
    worker_->handle_async("shout", [](sdk::Task& task) { return talk(task, 65'536); });
    thread_ = std::thread([this] { ended_ = run(context_, worker_->run(), 120s).has_value(); });
  }
  ~TalkingWorker() {
    worker_->stop();
    thread_.join();
    connection_->close();
    context_.restart();
    context_.run_for(1s);
  }

 private:
  static asio::awaitable<sdk::HandlerResult> talk(sdk::Task& task, std::size_t bytes) {
    const int count = std::stoi(task.payload().bytes);
    for (int i = 0; i < count; ++i) {
      std::string text = std::to_string(i);
      text.resize(std::max(bytes, text.size()), ' ');
      core::Payload data(std::move(text), "text/plain");
      auto added = co_await task.stream().async_append(sdk::FrameMode::durable, "line", std::move(data));
      if (!added) co_return sdk::Failure("internal", added.error().to_string());
    }
    co_return core::Payload("done");
  }

  asio::io_context context_{1};
  std::shared_ptr<script::Connection> connection_;
  std::optional<sdk::Worker> worker_;
  std::thread thread_;
  bool ended_ = false;
};

struct SseEvent {
  std::string name, id, data;
};

// Reads events from a chunked answer as they come.
class SseClient {
 public:
  SseClient(std::uint16_t port, const std::string& path, const std::string& fields = {}) : raw_(port) {
    raw_.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
  }
  // The next event; nullopt: the answer has ended, or nothing came in time.
  std::optional<SseEvent> next(std::chrono::milliseconds limit = 10s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (true) {
      if (auto event = take()) return event;
      if (ended_ || !receive(end)) return std::nullopt;
    }
  }
  // The status line and header fields, once they have come.
  const std::string& head() {
    next(200ms);
    return head_;
  }
  bool ended() const { return ended_; }  // Whole: with the last chunk.
  void vanish() { raw_.reset(); }

 private:
  bool receive(std::chrono::steady_clock::time_point end) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd waiting{raw_.fd(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) return false;
    char bytes[65536];
    const auto count = ::recv(raw_.fd(), bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(count));
    unchunk();
    return true;
  }
  void unchunk() {
    if (head_.empty()) {
      const auto end = received_.find("\r\n\r\n");
      if (end == std::string::npos) return;
      head_ = received_.substr(0, end + 2);
      received_.erase(0, end + 4);
    }
    while (!ended_) {
      const auto line = received_.find("\r\n");
      if (line == std::string::npos) return;
      const auto size = std::stoul(received_.substr(0, line), nullptr, 16);
      if (received_.size() < line + 2 + size + 2) return;
      text_ += received_.substr(line + 2, size);
      received_.erase(0, line + 2 + size + 2);
      ended_ = size == 0;
    }
  }
  // What is only an id, or a comment, is no event; the id counts all the same.
  std::optional<SseEvent> take() {
    for (auto end = text_.find("\n\n"); end != std::string::npos; end = text_.find("\n\n")) {
      std::string block = text_.substr(0, end + 1);
      text_.erase(0, end + 2);
      SseEvent event;
      for (auto line = block.find('\n'); line != std::string::npos; line = block.find('\n')) {
        const std::string field = block.substr(0, line);
        block.erase(0, line + 1);
        if (field.starts_with("event: ")) event.name = field.substr(7);
        if (field.starts_with("id: ")) event.id = last_id = field.substr(4);
        if (field.starts_with("data: ")) event.data += field.substr(6);
      }
      if (!event.name.empty()) return event;
    }
    return std::nullopt;
  }

  RawHttp raw_;
  std::string received_, head_, text_;
  bool ended_ = false;

 public:
  std::string last_id;
};

struct Lab {
  explicit Lab(std::vector<std::string> flags = {}) : server(with(valkey, std::move(flags))), http(server.port) {}
  static std::vector<std::string> with(const ValkeyServer& valkey, std::vector<std::string> flags) {
    flags.push_back("--socket=" + valkey.unix_socket());
    return flags;
  }
  std::string submit(const std::string& kind, int count, const std::string& lane = "default") {
    return http.submit(R"({"kind":")" + kind + R"(","lane":")" + lane + R"(","payload":)" + std::to_string(count) +
                       "}");
  }
  std::string metrics() const {
    RawHttp ops(server.ops_port);
    ops.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const auto answer = ops.receive();
    return answer ? answer->body : std::string();
  }
  bool streams_become(int count) const {
    const std::string line = "ff_http_streams " + std::to_string(count) + "\n";
    return wait_until([&] { return metrics().find(line) != std::string::npos; }, 20s);
  }

  ValkeyServer valkey;
  ServerProcess server;
  HttpClient http;
};

std::string stream_of(const std::string& id) { return "/v1/executions/" + id + "/stream"; }

}  // namespace

TEST_CASE("a stream comes as server-sent events, ends behind its closing marker, and is resumed by the last id") {
  Lab lab;
  const auto id = lab.submit("talk", 100);
  SseClient client(lab.server.port, stream_of(id));
  CHECK(client.head().find("HTTP/1.1 200") == 0);
  CHECK(client.head().find("Content-Type: text/event-stream\r\n") != std::string::npos);
  TalkingWorker worker(lab.valkey);

  for (int i = 0; i < 100; ++i) {
    const auto event = client.next();
    REQUIRE(event);
    CHECK(event->name == "frame");
    CHECK(event->id == "0-" + std::to_string(i + 1));
    CHECK(event->data.find("\"text\":\"" + std::to_string(i)) != std::string::npos);
  }
  const auto end = client.next();
  REQUIRE(end);
  CHECK(end->name == "end");
  CHECK(end->data.find(R"("state":"completed")") != std::string::npos);
  CHECK_FALSE(client.next());
  CHECK(client.ended());

  for (const std::string& fields : {std::string("Last-Event-ID: 0-98\r\n"), std::string()}) {
    SseClient resumed(lab.server.port, stream_of(id) + (fields.empty() ? "?cursor=0-98" : "?cursor=0-1"), fields);
    CHECK(resumed.next()->id == "0-99");
    CHECK(resumed.next()->id == "0-100");
    CHECK(resumed.next()->name == "end");
  }
  CHECK(lab.http.get(stream_of(id) + "?cursor=0-101").status == 204);  // Read to its end.
}

TEST_CASE("frames are read in pages, and refusals come as answers") {
  Lab lab;
  TalkingWorker worker(lab.valkey);
  const auto id = lab.submit("talk", 3);
  lab.http.get("/v1/executions/" + id + "/result?wait_ms=20000");

  const auto page = lab.http.get("/v1/executions/" + id + "/frames?limit=2");
  CHECK(page.json.at("frames").as_array().size() == 2);
  CHECK(page.text("cursor") == "0-2");
  CHECK(page.json.at("more") == true);
  const auto rest = lab.http.get("/v1/executions/" + id + "/frames?cursor=0-2");
  CHECK(rest.json.at("frames").at(1).at("mode") == "end");
  CHECK(rest.json.at("frames").at(1).at("state") == "completed");

  CHECK(lab.http.get("/v1/executions/" + id + "/frames?limit=0").reason() == "bad_limit");
  CHECK(lab.http.get("/v1/executions/" + id + "/frames?cursor=x").reason() == "bad_cursor");
  CHECK(lab.http.get(stream_of(id) + "?cursor=1").reason() == "bad_cursor");
  CHECK(lab.http.get(stream_of(id) + "?namespace=other").status == 404);
  CHECK(lab.http.get("/v1/events?cursor=abc").reason() == "bad_cursor");
  CHECK(lab.http.get("/v1/events?state=none").status == 400);
  CHECK(lab.http.get("/v1/events?kind=talk").reason() == "unknown_parameter");
  CHECK(lab.http.ask("HEAD", stream_of(id)).status == 200);
}

TEST_CASE("a vanished reader is let go, and a slow one holds up nobody") {
  Lab lab;
  const auto id = lab.submit("shout", 100);
  SseClient slow(lab.server.port, stream_of(id));
  CHECK(slow.head().find("200") != std::string::npos);
  SseClient vanishing(lab.server.port, stream_of(id)), reader(lab.server.port, stream_of(id));
  CHECK(vanishing.head().find("200") != std::string::npos);
  CHECK(lab.streams_become(3));
  vanishing.vanish();
  CHECK(lab.streams_become(2));

  TalkingWorker worker(lab.valkey);
  int frames = 0;
  for (auto event = reader.next(); event && event->name == "frame"; event = reader.next()) ++frames;

  CHECK(frames == 100);
  CHECK(lab.http.get("/healthz").status == 200);
  frames = 0;
  for (auto event = slow.next(); event && event->name == "frame"; event = slow.next()) ++frames;
  CHECK(frames == 100);  // Late, but whole: they waited in Valkey.
}

TEST_CASE("streams beyond the limit are refused") {
  Lab lab({"--max-streams=2"});
  const auto id = lab.submit("talk", 1);
  SseClient first(lab.server.port, stream_of(id)), second(lab.server.port, "/v1/events");
  CHECK(first.head().find("200") != std::string::npos);
  CHECK(second.head().find("200") != std::string::npos);
  const auto third = lab.http.get(stream_of(id));
  CHECK(third.status == 429);
  CHECK(third.reason() == "too_many_streams");
  first.vanish();
  CHECK(lab.streams_become(1));
  SseClient again(lab.server.port, stream_of(id));
  CHECK(again.head().find("200") != std::string::npos);
}

TEST_CASE("a server that stops ends its streams whole, and at once") {
  Lab lab;
  const auto id = lab.submit("talk", 1);
  SseClient stream(lab.server.port, stream_of(id)), events(lab.server.port, "/v1/events");
  CHECK(stream.head().find("200") != std::string::npos);
  CHECK(events.head().find("200") != std::string::npos);

  lab.server.process.signal(SIGTERM);

  CHECK_FALSE(stream.next());
  CHECK(stream.ended());
  CHECK_FALSE(events.next());
  CHECK(events.ended());
  CHECK(lab.server.process.wait(20s).has_value());
}

TEST_CASE("events of a namespace are told by lane and state, and resumed without loss or repeat") {
  Lab lab;
  SseClient all(lab.server.port, "/v1/events"), fast(lab.server.port, "/v1/events?lane=fast&state=cancelled"),
      other(lab.server.port, "/v1/events?namespace=other");
  CHECK(all.head().find("200") != std::string::npos);
  CHECK(fast.head().find("200") != std::string::npos);
  CHECK(other.head().find("200") != std::string::npos);
  const auto id = lab.submit("talk", 1, "fast");
  const auto first = all.next();
  REQUIRE(first);
  CHECK(first->name == "transition");
  CHECK(first->data.find(R"("id":")" + id + R"(","state":"ready","lane":"fast")") != std::string::npos);
  CHECK(lab.http.post("/v1/executions/" + id + "/cancel", "{}").status == 200);
  CHECK(fast.next()->data.find(R"("state":"cancelled","lane":"fast")") != std::string::npos);
  all.vanish();
  const auto later = lab.submit("talk", 1);

  SseClient resumed(lab.server.port, "/v1/events", "Last-Event-ID: " + first->id + "\r\n");

  std::set<std::string> told;
  for (int i = 0; i < 2; ++i) {
    const auto event = resumed.next();
    REQUIRE(event);
    told.insert(event->data.substr(0, event->data.find(",\"at\"")));
  }
  CHECK(told.count(R"({"id":")" + id + R"(","state":"cancelled","lane":"fast")") == 1);
  CHECK(told.count(R"({"id":")" + later + R"(","state":"ready","lane":"default")") == 1);
  CHECK_FALSE(resumed.next(500ms));
  CHECK_FALSE(other.next(100ms));
}
