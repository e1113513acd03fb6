#include "http/sse.hpp"

#include "http/base64.hpp"
#include "http/execution_json.hpp"

namespace ff::server::http {

std::string sse_event(std::string_view name, std::string_view id, std::string_view json) {
  std::string text = "event: " + std::string(name) + "\n";
  if (!id.empty()) text += "id: " + std::string(id) + "\n";
  text += "data: ";
  for (const char c : json) {
    if (c == '\n' || c == '\r') text += "\ndata: ";
    else text += c;
  }
  return text += "\n\n";
}

std::string sse_id(std::string_view id) { return "id: " + std::string(id) + "\n\n"; }

void write_frame(JsonWriter& writer, const sdk::Frame& frame) {
  writer.begin_object();
  if (frame.mode != sdk::FrameMode::best_effort) {
    writer.field("generation", frame.place.generation).field("number", frame.place.number);
  }
  writer.field("attempt", frame.attempt).field("at", frame.at).field("mode", sdk::to_string(frame.mode));
  if (frame.mode == sdk::FrameMode::end) {
    writer.field("state", frame.type).field("failure_class", frame.data.bytes);
  } else {
    writer.field("type", frame.type).key("data");
    write_payload(writer, frame.data);
  }
  writer.end_object();
}

std::string frame_page_json(const sdk::FramePage& page) {
  JsonWriter writer;
  writer.begin_object().key("frames").begin_array();
  for (const sdk::Frame& frame : page.frames) write_frame(writer, frame);
  writer.end_array().field("cursor", page.next.str()).flag("more", page.more).flag("lost", page.lost);
  return writer.field("state", core::to_string(page.state)).end_object().take();
}

std::string sse_of(const sdk::TailNews& news) {
  std::string text;
  if (news.lost) text += sse_event("gap", "", "{}");
  for (const sdk::Frame& frame : news.frames) {
    const bool placed = frame.mode != sdk::FrameMode::best_effort;
    JsonWriter writer;
    write_frame(writer, frame);
    text += sse_event(frame.mode == sdk::FrameMode::end ? "end" : "frame", placed ? frame.place.str() : "",
                      writer.take());
  }
  if (news.dropped > 0) {
    JsonWriter writer;
    writer.begin_object().field("frames", static_cast<std::int64_t>(news.dropped)).end_object();
    text += sse_event("dropped", "", writer.take());
  }
  if (news.progress) {
    JsonWriter writer;
    writer.begin_object().field("percent", news.progress->first);
    write_text(writer, "message", news.progress->second);
    text += sse_event("progress", "", writer.end_object().take());
  }
  return text;
}

std::string sse_of(const engine::EventFeed::News& news, engine::EventCursor& shown) {
  std::string text;
  for (const engine::Event& event : news.events) {
    JsonWriter writer;
    if (!event.state) {
      writer.begin_object().field("partition", event.partition).end_object();
      text += sse_event("gap", "", writer.take());
      continue;
    }
    if (event.last) shown.at(event.partition) = event.entry;
    const std::size_t slash = event.queue.find('/');
    writer.begin_object().field("id", std::to_string(event.partition) + "-" + event.ulid);
    writer.field("state", core::to_string(*event.state));
    writer.field("lane", slash == std::string::npos ? "" : event.queue.substr(slash + 1));
    writer.field("at", static_cast<std::int64_t>(event.entry.ms)).end_object();
    text += sse_event("transition", event.last ? cursor_text(shown) : "", writer.take());
  }
  return text;
}

std::string cursor_text(const engine::EventCursor& cursor) { return base64url_encode(cursor.encode()); }

}  // namespace ff::server::http
