-- What is to be carried to another partition. Three verbs answer with such rows.
ff.relay_rows = {
  { "what", "bytes", "deliver: a signal to the waitpoint, then settle_event; await: await_event, then awaited" },
  { "namespace", "bytes", "" }, { "name", "bytes", "of the event" }, { "key", "bytes", "" },
  { "execution", "bytes", "deliver: its id; await: its ULID, in this partition" },
  { "waitpoint", "bytes", "<step>.<label>" },
  { "event", "bytes", "its id, the signal's too" }, { "source", "bytes", "" },
  { "content_type", "bytes", "empty: application/octet-stream" }, { "payload", "bytes", "opaque" },
}

ff.verb({
  name = "publish_event", kind = "write",
  doc = "Publishes an event to all who wait for its name and key. When nobody takes it, it is kept for the first who "
    .. "comes to wait. On the partition of the hash of namespace, name and key. The rows are the deliveries that "
    .. "follow: the caller makes them at once, else the engine does.",
  args = {
    { "namespace", "bytes", "tenant" }, { "name", "bytes", "no /" }, { "key", "bytes", "correlation key" },
    { "event", "bytes", "its id: one message has one, however often it is sent; known while it is kept" },
    { "source", "bytes", "who sends it, as the caller knows from a credential" },
    { "keep_ms", "int", "how long it is kept" },
    { "content_type", "bytes", "empty: application/octet-stream" }, { "payload", "bytes", "opaque" },
  },
  ok = { { "outcome", "bytes", "published, or duplicate" } },
  rows = ff.relay_rows,
  refusals = { "too_many_events" },
}, function(at, a)
  local known = ff.load_event(at, ff.event_name(a.namespace, a.name, a.key))
  ff.expire_event(at, known)
  local record = ff.pack_fields({ a.source, a.content_type, a.payload })
  local outcome = ff.add_event(known, { id = a.event, expires = at.now + math.max(0, a.keep_ms), record = record })
  if outcome == "too_many_events" then return ff.refused(outcome) end
  local reply = { "ok", outcome }
  ff.append_deliveries(reply, known, a.event, 256)
  ff.save_event(at, known)
  ff.commit(at)
  return reply
end)
