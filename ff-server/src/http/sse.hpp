#pragma once
// Server-sent events (text/event-stream), and what streams and events look like in them. Pure functions.

#include <string>
#include <string_view>

#include "ff/engine/events.hpp"
#include "ff/sdk/stream.hpp"
#include "http/json_writer.hpp"

namespace ff::server::http {

// One event; an empty id leaves the client's last one as it is. `json` may span lines where JSON allows white space.
std::string sse_event(std::string_view name, std::string_view id, std::string_view json);
// Only moves the client's last id.
std::string sse_id(std::string_view id);
// Nothing but a sign of life.
inline constexpr std::string_view kSseHeartBeat = ": \n\n";

// {"generation","number","attempt","at","mode","type","data":{…}}; of the closing marker "state" and "failure_class"
// instead of type and data.
void write_frame(JsonWriter& writer, const sdk::Frame& frame);
// {"frames":[…],"cursor","more","lost","state"}
std::string frame_page_json(const sdk::FramePage& page);
// What a tail gave: events frame, end, gap, dropped, progress; ids are places.
std::string sse_of(const sdk::TailNews& news);
// What a feed gave: events transition and gap. Moves `shown` along; the last id stands for all of it.
std::string sse_of(const engine::EventFeed::News& news, engine::EventCursor& shown);
// A cursor as ids and queries carry it.
std::string cursor_text(const engine::EventCursor& cursor);

}  // namespace ff::server::http
