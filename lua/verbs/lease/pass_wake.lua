ff.verb({
  name = "pass_wake", kind = "free",
  doc = "A worker that was woken but has no room passes the wake on to another idle one, if work still waits.",
  args = { { "queue", "bytes", "namespace/lane of the wake" } },
  ok = { { "woken", "bool", "1: another worker was told" } },
  refusals = {},
}, function(at, a)
  ff.offer_all(at, a.queue)
  local offers, woken = at.ready, false
  at.ready = nil
  for i = 1, offers and #offers.order or 0 do woken = ff.wake(at, offers[offers.order[i]]) or woken end
  ff.commit(at)
  return { "ok", woken and 1 or 0 }
end)
