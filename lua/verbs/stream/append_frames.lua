local check

ff.verb({
  name = "append_frames", kind = "write",
  doc = "Appends frames of the holder of a lease to its execution's stream. Frames count from 1 within a lease, so "
    .. "what was appended already is recognised: a repeated call has no second effect and gets the first answer. The "
    .. "oldest are trimmed beyond 10000 frames or 8 MiB.",
  args = {
    { "id", "ulid", "the execution" }, { "lease", "ulid", "as claimed" }, { "epoch", "bytes", "as claimed" },
    { "sequence", "int", "count of the first frame within this lease, from 1" },
  },
  items = {
    { "mode", "bytes", "durable: kept; summary: a JSON merge patch (RFC 7396), applied to the one document kept; "
      .. "patches of a call have 32 KiB at most, and so has the document" },
    { "type", "bytes", "of the caller's choice" }, { "content_type", "bytes", "empty: application/octet-stream" },
    { "data", "bytes", "opaque; at most 64 KiB, and 1 MiB in one call" },
  },
  ok = { { "generation", "int", "of the last of these frames" }, { "number", "int", "of the last of these frames" } },
  refusals = {
    "stale_lease", "sequence_gap", "frame_too_large", "call_too_large", "bad_patch", "document_too_large",
  },
}, function(at, a)
  local core = ff.load(at, a.id)
  if not core then return ff.refused("stale_lease") end
  local stream, held = ff.open_stream(at, a.id, core), ff.fence(at, a.id, core, a.lease, a.epoch) == "held"
  local count = #a.items
  local function answer() return { "ok", stream.generation, stream.base + a.sequence + count - 1 } end
  if stream.lease == a.lease and stream.base + a.sequence + count - 1 <= stream.last then return answer() end
  if not held then return ff.refused("stale_lease") end

  local there = ff.take_stream(stream, a.lease)
  local known = stream.last - (stream.base + a.sequence - 1) -- Of these frames, how many were appended before.
  if known < 0 or a.sequence < 1 then return ff.refused("sequence_gap") end
  local frames = {}
  for i = known + 1, count do frames[#frames + 1] = a.items[i] end
  local refusal = check(frames)
  if refusal then return ff.refused(refusal) end
  local document, bad = ff.patched_summary(stream, frames)
  if bad then return ff.refused(bad) end
  ff.plan_frames(at, a.id, core, stream, frames, there, document)
  ff.commit(at)
  return answer()
end)

check = function(frames)
  local bytes = 0
  for i = 1, #frames do
    local frame = frames[i]
    if frame.mode ~= "durable" and frame.mode ~= "summary" then ff.bad_call("mode is not durable or summary") end
    if #frame.data > ff.stream.frame_bytes_max or #frame.type > 64 or #frame.content_type > 64 then
      return "frame_too_large"
    end
    bytes = bytes + #frame.data
  end
  return bytes > ff.stream.call_bytes_max and "call_too_large" or nil
end
