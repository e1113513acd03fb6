ff.verb({
  name = "await_event", kind = "write",
  doc = "Registers a waitpoint with the partition of an event, for a day; again prolongs that. The rows are the "
    .. "deliveries of events that came early.",
  args = {
    { "namespace", "bytes", "tenant" }, { "name", "bytes", "of the event" }, { "key", "bytes", "" },
    { "execution", "bytes", "its whole id" }, { "waitpoint", "bytes", "<step>.<label>" },
  },
  rows = ff.relay_rows,
  refusals = { "too_many_waiters" },
}, function(at, a)
  local known = ff.load_event(at, ff.event_name(a.namespace, a.name, a.key))
  ff.expire_event(at, known)
  local refusal = ff.add_waiter(at, known, a.execution .. " " .. a.waitpoint)
  if refusal then return ff.refused(refusal) end
  local reply = { "ok" }
  ff.append_deliveries(reply, known, nil, 256)
  ff.save_event(at, known)
  ff.commit(at)
  return reply
end)
