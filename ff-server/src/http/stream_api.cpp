// ExecutionApi: frames, stream and events. The answers in pieces; what is new is waited for, never asked for in turns.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "ff/core/limits.hpp"
#include "ff/core/text.hpp"
#include "ff/core/base64.hpp"
#include "http/error_map.hpp"
#include "http/execution_api.hpp"
#include "http/json.hpp"
#include "http/request_body.hpp"
#include "http/sse.hpp"

namespace ff::server::http {
namespace {

namespace asio = boost::asio;
using core::Code;
using core::Error;
using core::Millis;
using core::Result;

constexpr Millis kHeartBeat(15000), kStoreAway(1000);

// The client's last id when it resumes by itself, else the query's cursor.
const std::string* resume_from(const Request& request) {
  const std::string* last = request.header("last-event-id");
  return last != nullptr && !last->empty() ? last : request.query("cursor");
}

Result<sdk::FramePlace> place_of(const std::string* cursor) {
  return cursor == nullptr ? Result<sdk::FramePlace>(sdk::FramePlace()) : sdk::FramePlace::parse(*cursor);
}

Result<engine::EventFilter> filter_of(const Request& request) {
  engine::EventFilter filter;
  FF_TRY(ns, namespace_of(request));
  filter.ns = std::move(ns);
  if (const std::string* lane = request.query("lane"); lane != nullptr) {
    if (auto good = core::validate_lane(*lane); !good) return std::move(good).error();
    filter.lane = *lane;
  }
  if (const std::string* state = request.query("state"); state != nullptr) {
    FF_TRY(parsed, core::parse_state(*state));
    filter.state = parsed;
  }
  if (const std::string* id = request.query("id"); id != nullptr) {
    FF_TRY(parsed, core::ExecutionId::parse(*id));
    filter.id = std::move(parsed);
  }
  return filter;
}

Result<std::optional<engine::EventCursor>> event_cursor_of(const std::string* text, std::size_t partitions) {
  if (text == nullptr) return std::optional<engine::EventCursor>();
  const auto bytes = core::base64url_decode(*text);
  auto cursor = bytes ? engine::EventCursor::decode(*bytes, partitions) : std::nullopt;
  if (!cursor) {
    return Error(Code::invalid_argument, "bad_cursor",
                 "cursor is " + core::shown(*text) + ", must be the id of an event of this deployment");
  }
  return cursor;
}

// A sign of life after a while of nothing else; an error that passes is told the client as one and tried again.
asio::awaitable<std::optional<std::string>> after_error(Error error) {
  if (error.code == Code::cancelled) co_return std::nullopt;
  if (error.code == Code::not_found) co_return sse_event("gone", "", "{}");
  asio::steady_timer pause(co_await asio::this_coro::executor, kStoreAway);
  co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return std::string(": the store is away\n\n");
}

class TailSource final : public BodySource {
 public:
  explicit TailSource(sdk::Tail tail) : tail_(std::move(tail)) {}

  asio::awaitable<std::optional<std::string>> next() override {
    if (over_) co_return std::nullopt;
    if (!std::exchange(begun_, true)) co_return std::string(kSseHeartBeat);  // Proxies pass the head on with it.
    auto news = co_await tail_.next(core::Deadline::in(kHeartBeat));
    if (!news) {
      over_ = news.error().code == Code::not_found;
      co_return co_await after_error(std::move(news).error());
    }
    over_ = news->ended;
    std::string text = sse_of(*news);
    if (text.empty()) text = kSseHeartBeat;
    co_return text;
  }

 private:
  sdk::Tail tail_;
  bool begun_ = false, over_ = false;
};

class EventSource final : public BodySource {
 public:
  explicit EventSource(engine::EventFeed::Reader reader) : reader_(std::move(reader)) {}

  asio::awaitable<std::optional<std::string>> next() override {
    if (!begun_) {
      begun_ = co_await reader_.ready(core::Deadline::in(kHeartBeat));
      std::string first(kSseHeartBeat);  // And from where: a client that is cut before the first event resumes there.
      if (begun_) first += sse_id(cursor_text(reader_.cursor()));
      co_return first;
    }
    auto news = co_await reader_.next(core::Deadline::in(kHeartBeat));
    if (!news) co_return co_await after_error(std::move(news).error());
    engine::EventCursor shown = news->before;
    std::string text = sse_of(*news, shown);
    // Events that were left out move the place, too.
    text += sse_id(cursor_text(reader_.cursor()));
    co_return text;
  }

 private:
  engine::EventFeed::Reader reader_;
  bool begun_ = false;
};

Response event_stream(std::shared_ptr<BodySource> source) {
  Response response(200, "");
  response.content_type = "text/event-stream";
  response.headers.emplace_back("X-Accel-Buffering", "no");  // nginx would keep events back.
  response.stream = std::move(source);
  return response;
}

}  // namespace

asio::awaitable<Response> ExecutionApi::frames(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = core::ExecutionId::parse(request.captures.at(0));
  if (!id) co_return refuse(id.error(), request.request_id);
  auto place = place_of(request.query("cursor"));
  if (!place) co_return refuse(place.error(), request.request_id);
  auto limit = integer_query(request, "limit", 100, 1, static_cast<std::int64_t>(core::limits::kFramesPage));
  if (!limit) co_return refuse(limit.error(), request.request_id);
  auto page = co_await client->read_frames(*id, *place, static_cast<std::size_t>(*limit));
  if (!page) co_return refuse(page.error(), request.request_id);
  co_return Response(200, frame_page_json(*page));
}

asio::awaitable<Response> ExecutionApi::stream(Request request) {
  auto client = client_for(request);
  if (!client) co_return refuse(client.error(), request.request_id);
  auto id = core::ExecutionId::parse(request.captures.at(0));
  if (!id) co_return refuse(id.error(), request.request_id);
  auto place = place_of(resume_from(request));
  if (!place) co_return refuse(place.error(), request.request_id);
  auto there = co_await client->read_frames(*id, *place, 1);
  if (!there) co_return refuse(there.error(), request.request_id);
  // It has ended, and the client has read its closing marker: 204 keeps an EventSource from asking again.
  const bool over = core::is_terminal(there->state) && there->frames.empty() && !there->more;
  if (over) co_return Response(204, "");
  co_return event_stream(std::make_shared<TailSource>(client->tail(*id, *place)));
}

asio::awaitable<Response> ExecutionApi::events(Request request) {
  auto filter = filter_of(request);
  if (!filter) co_return refuse(filter.error(), request.request_id);
  auto cursor = event_cursor_of(resume_from(request), deployment_->keys().partitions());
  if (!cursor) co_return refuse(cursor.error(), request.request_id);
  auto reader = events_.reader(std::move(*filter), std::move(*cursor));
  co_return event_stream(std::make_shared<EventSource>(std::move(reader)));
}

}  // namespace ff::server::http
