ff.verb({
  name = "leave", kind = "free",
  doc = "A worker that stops is no longer woken.",
  args = { { "worker", "bytes", "worker instance" }, { "queues", "names", "it was idle for" } },
  refusals = {},
}, function(at, a)
  for i = 1, #a.queues do
    redis.call("ZCARD", at.tag .. ff.idle_index(a.queues[i]))
    ff.remove(at, ff.idle_index(a.queues[i]), a.worker)
  end
  ff.commit(at)
  return { "ok" }
end)
