// Streams: what is appended, and what is read from any place.
#include <algorithm>

#include "model/model_parts.hpp"

namespace ff::model {
namespace {

using Place = Execution::Place;
using Frame = Execution::Frame;

// As the current generation sees it: an earlier one's numbers and lease do not count.
Execution::Stream view(const Execution& execution) {
  Execution::Stream stream = execution.stream.value_or(Execution::Stream());
  if (stream.generation == execution.generation) return stream;
  stream.generation = execution.generation;
  stream.last = stream.base = 0;
  stream.lease.clear();
  return stream;
}

void add_row(Reply& reply, const Place& place, const Frame& frame) {
  for (const auto& field : {text(place.first), text(place.second), frame.attempt, text(frame.at), frame.mode,
                            frame.type, frame.content_type, frame.data}) {
    reply.fields.push_back(field);
  }
}

// The closing marker that follows from how it ended.
Frame marker(const Execution& execution) {
  Frame frame;
  frame.attempt = text(execution.attempts);
  frame.at = execution.ended.value_or(0);
  frame.mode = "end";
  frame.type = std::string(ff::core::to_string(execution.state));
  frame.data = execution.failure_class.value_or("");
  return frame;
}

}  // namespace

Reply Model::append_frames(Args& args) {
  Lease lease(args);
  const auto sequence = args.integer();
  std::vector<Frame> frames;
  while (args.more()) {
    Frame& frame = frames.emplace_back();
    frame.mode = args.bytes();
    frame.type = args.bytes();
    frame.content_type = args.bytes();
    frame.data = args.bytes();
  }
  Execution* execution = nullptr;
  std::string outcome;
  const bool held = fence(lease, execution, outcome) == Standing::held;
  Execution::Stream stream = execution == nullptr ? Execution::Stream() : view(*execution);
  const auto end = [&] { return stream.base + sequence + static_cast<std::int64_t>(frames.size()) - 1; };
  Reply reply;
  if (execution != nullptr && stream.lease == lease.lease && end() <= stream.last) {
    counters_.count("append repeated");
    reply.fields = {"ok", text(stream.generation), text(end())};
    return reply;
  }
  if (!held) {
    counters_.count("append refused");
    return refused("stale_lease");
  }
  if (stream.lease != lease.lease) {
    if (stream.last > 0) counters_.count("append after another holder");
    stream.base = stream.last;
    stream.lease = lease.lease;
  }
  const auto known = stream.last - (stream.base + sequence - 1);
  if (known < 0 || sequence < 1) {
    counters_.count("refused sequence_gap");
    return refused("sequence_gap");
  }
  frames.erase(frames.begin(), frames.begin() + known);
  const auto broken = [](const Frame& frame) { return frame.mode == "summary" && frame.data == "{"; };
  if (std::any_of(frames.begin(), frames.end(), broken)) {
    counters_.count("refused bad_patch");
    return refused("bad_patch");
  }
  for (Frame& frame : frames) {
    const Place place(stream.generation, ++stream.last);
    frame.attempt = text(execution->attempts);
    frame.at = now_;
    if (frame.mode == "summary") {
      frame.type.clear();
      frame.content_type = "application/json";
      stream.summary.emplace(place, frame);
    } else {
      stream.bytes += static_cast<std::int64_t>(frame.type.size() + frame.content_type.size() + frame.data.size());
      stream.frames.emplace(place, frame);
    }
  }
  execution->stream = stream;
  if (execution->tailed) tells_.emplace_back("f:" + execution->id, "frames");
  commit();
  reply.fields = {"ok", text(stream.generation), text(stream.last)};
  return reply;
}

// A replay writes down how the generation ended, if anybody ever appended.
void Model::close_stream(Execution& execution) {
  if (!execution.stream) return;
  counters_.count("closing marker written");
  const auto stream = view(execution);
  execution.stream->frames.emplace(Place(stream.generation, stream.last + 1), marker(execution));
}

Reply Model::read_frames(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  Place place;
  place.first = std::max<std::int64_t>(0, args.integer());
  place.second = std::max<std::int64_t>(0, args.integer());
  const auto limit = args.integer();
  const auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  const auto stream = view(*execution);
  const Place last(stream.generation, stream.last);
  const Place end(stream.generation, stream.last + (execution->ended_already() ? 1 : 0));
  bool lost = place > end, more = false;
  if (lost) {
    counters_.count("place beyond the end");
    place = last;
  }
  Reply reply;
  reply.fields = {"ok", "", "", "", lost ? "1" : "0", std::string(ff::core::to_string(execution->state))};
  auto add = [&](const Place& of, const Frame& frame) {
    add_row(reply, of, frame);
    place = of;
  };
  auto summary = [&](const Place& before) {
    if (stream.summary && stream.summary->first > place && stream.summary->first <= before) {
      add(stream.summary->first, stream.summary->second);
    }
  };
  for (auto it = stream.frames.upper_bound(place); it != stream.frames.end() && it->first <= last && !more; ++it) {
    summary(it->first);
    add(it->first, it->second);
    more = limit == 1;
  }
  if (!more) {
    summary(last);
    if (execution->ended_already() && place < end) add(end, marker(*execution));
  }
  reply.fields[1] = text(place.first);
  reply.fields[2] = text(place.second);
  reply.fields[3] = more ? "1" : "0";
  return reply;
}

Reply Model::tail_frames(Args& args) {
  std::string ns = args.bytes(), id = args.bytes();
  auto* execution = find(ns, id);
  if (execution == nullptr) return refused("not_found");
  if (!execution->tailed) {
    execution->tailed = true;
    commit();
  }
  Reply reply;
  reply.fields = {"ok", std::string(ff::core::to_string(execution->state))};
  return reply;
}

}  // namespace ff::model
