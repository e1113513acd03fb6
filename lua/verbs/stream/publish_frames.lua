ff.verb({
  name = "publish_frames", kind = "free",
  doc = "Tells best-effort frames of the holder of a lease to those who tail its execution now. They are not stored "
    .. "and have no place in the stream; a repeated call tells them again.",
  args = { { "id", "ulid", "the execution" }, { "lease", "ulid", "as claimed" }, { "epoch", "bytes", "as claimed" } },
  items = {
    { "type", "bytes", "of the caller's choice" }, { "content_type", "bytes", "empty: application/octet-stream" },
    { "data", "bytes", "opaque; at most 64 KiB" },
  },
  ok = { { "tailed", "bool", "0: nobody has asked for this execution's frames; nothing was sent" } },
  refusals = { "stale_lease", "frame_too_large" },
}, function(at, a)
  local core = ff.load(at, a.id)
  if ff.fence(at, a.id, core, a.lease, a.epoch) ~= "held" then return ff.refused("stale_lease") end
  for i = 1, #a.items do
    local frame = a.items[i]
    if #frame.data > ff.stream.frame_bytes_max or #frame.type > 64 or #frame.content_type > 64 then
      return ff.refused("frame_too_large")
    end
    -- frame <generation> <attempt> <ms> <bytes of the type> <bytes of the content type>, then type, content type, data.
    local head = string.format("frame %s %s %d %d %d ", core.g or 0, core.a, at.now, #frame.type, #frame.content_type)
    if core.i then ff.tell(at, ":f:" .. a.id, head .. frame.type .. frame.content_type .. frame.data) end
  end
  ff.commit(at)
  return { "ok", core.i and 1 or 0 }
end)
