ff.verb({
  name = "pass_wake", kind = "free",
  doc = "A worker that was woken but has no room passes the wake on to another idle one, if work still waits.",
  args = { { "queue", "bytes", "namespace/lane of the wake" } },
  ok = { { "woken", "bool", "1: another worker was told" } },
  refusals = {},
}, function(at, a)
  ff.offer_all(at, a.queue)
  local woken = ff.wake_at_once(at)
  ff.commit(at)
  return { "ok", woken and 1 or 0 }
end)
