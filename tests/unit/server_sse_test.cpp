// Server-sent events as text.
#include "http/sse.hpp"

#include <catch2/catch_test_macros.hpp>

#include "http/base64.hpp"
#include "http/wire.hpp"

using namespace ff;
using namespace ff::server::http;

TEST_CASE("pieces are chunks") {
  CHECK(chunk("abc") == "3\r\nabc\r\n");
  CHECK(chunk(std::string(26, 'x')) == "1a\r\n" + std::string(26, 'x') + "\r\n");
  CHECK(chunk("") == "0\r\n\r\n");
}

TEST_CASE("the head of an answer in pieces says how it ends") {
  class Nothing final : public BodySource {
    boost::asio::awaitable<std::optional<std::string>> next() override { co_return std::nullopt; }
  };
  Response response(200, "");
  response.content_type = "text/event-stream";
  response.stream = std::make_shared<Nothing>();
  HeadOptions options;
  CHECK(response_head(response, options, 0).find("Transfer-Encoding: chunked\r\n") != std::string::npos);
  CHECK(response_head(response, options, 0).find("Content-Length") == std::string::npos);
  options.http10 = true;
  options.keep_alive = false;
  CHECK(response_head(response, options, 0).find("Transfer-Encoding") == std::string::npos);
  CHECK(response_head(response, options, 0).find("Connection: close\r\n") != std::string::npos);
}

TEST_CASE("an event is one block, whatever lines its JSON spans") {
  CHECK(sse_event("frame", "0-1", "{}") == "event: frame\nid: 0-1\ndata: {}\n\n");
  CHECK(sse_event("gap", "", "{}") == "event: gap\ndata: {}\n\n");
  CHECK(sse_event("frame", "", "{\"a\":\r\n1}") == "event: frame\ndata: {\"a\":\ndata: \ndata: 1}\n\n");
}

TEST_CASE("frames have their places as ids, and what is never stored has none") {
  sdk::TailNews news;
  news.lost = true;
  auto& kept = news.frames.emplace_back();
  kept.place = sdk::FramePlace(1, 7);
  kept.type = "line";
  kept.data = core::Payload("text", "text/plain");
  news.frames.emplace_back().mode = sdk::FrameMode::best_effort;
  auto& end = news.frames.emplace_back();
  end.place = sdk::FramePlace(1, 8);
  end.mode = sdk::FrameMode::end;
  end.type = "failed";
  end.data.bytes = "timeout";
  news.dropped = 3;
  news.progress.emplace(40, "half");

  const std::string text = sse_of(news);

  CHECK(text.starts_with("event: gap\n"));
  CHECK(text.find("event: frame\nid: 1-7\ndata: {\"generation\":1,\"number\":7,") != std::string::npos);
  CHECK(text.find("\"mode\":\"best_effort\"") != std::string::npos);
  CHECK(text.find("event: end\nid: 1-8\n") != std::string::npos);
  CHECK(text.find("\"state\":\"failed\",\"failure_class\":\"timeout\"") != std::string::npos);
  CHECK(text.find("event: dropped\ndata: {\"frames\":3}") != std::string::npos);
  CHECK(text.ends_with("event: progress\ndata: {\"percent\":40,\"message\":\"half\"}\n\n"));
}

TEST_CASE("an id of an event stands for all that was told before it, call by call") {
  engine::EventFeed::News news{engine::EventCursor(2)};
  for (const bool last : {false, true}) {
    auto& event = news.events.emplace_back();
    event.partition = 1;
    event.entry = engine::EntryId(1000, 2);
    event.last = last;
    event.state = core::State::ready;
    event.ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    event.queue = "ns/lane";
  }
  news.events.emplace_back().partition = 1;  // A gap.
  engine::EventCursor shown = news.before;

  const std::string text = sse_of(news, shown);

  CHECK(shown.at(1) == engine::EntryId(1000, 2));
  const std::string data = R"(data: {"id":"1-01ARZ3NDEKTSV4RRFFQ69G5FAV","state":"ready","lane":"lane","at":1000})";
  CHECK(text == "event: transition\n" + data + "\n\nevent: transition\nid: " + cursor_text(shown) + "\n" + data +
                    "\n\nevent: gap\ndata: {\"partition\":1}\n\n");
}
