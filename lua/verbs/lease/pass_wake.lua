ff.verb({
  name = "pass_wake", kind = "free",
  doc = "A worker that was woken but has no room passes the wake on to another idle one, if work still waits.",
  args = { { "queue", "bytes", "namespace/lane of the wake" } },
  ok = { { "woken", "bool", "1: another worker was told" } },
  refusals = {},
}, function(at, a)
  local waiting = redis.call("ZCARD", at.tag .. ff.queue_index(a.queue))
  local woken = waiting > 0 and ff.wake(at, a.queue, waiting)
  ff.commit(at)
  return { "ok", woken and 1 or 0 }
end)
