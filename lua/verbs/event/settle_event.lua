ff.verb({
  name = "settle_event", kind = "free",
  doc = "Notes what became of a delivery: taken by its waitpoint, so that nobody who comes later gets the event, or "
    .. "gone, because the waitpoint takes no more.",
  args = {
    { "namespace", "bytes", "tenant" }, { "name", "bytes", "of the event" }, { "key", "bytes", "" },
    { "event", "bytes", "its id" }, { "execution", "bytes", "its whole id" },
    { "waitpoint", "bytes", "<step>.<label>" },
    { "taken", "bool", "1: accepted, or a duplicate" }, { "gone", "bool", "1: the waitpoint is no longer registered" },
  },
  refusals = {},
}, function(at, a)
  local known = ff.load_event(at, ff.event_name(a.namespace, a.name, a.key))
  ff.expire_event(at, known)
  ff.settle_event(known, a.event, a.execution .. " " .. a.waitpoint, a.taken, a.gone)
  ff.save_event(at, known)
  ff.commit(at)
  return { "ok" }
end)
