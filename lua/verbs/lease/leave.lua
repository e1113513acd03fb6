ff.verb({
  name = "leave", kind = "free",
  doc = "A worker that stops is no longer woken.",
  args = {
    { "worker", "bytes", "worker instance" }, { "queues", "names", "it was idle for" },
    { "capabilities", "some", "as in claim" },
  },
  refusals = {},
}, function(at, a)
  local set = ff.set_of(a.capabilities)
  for i = 1, #a.queues do
    local index = ff.idle_index(a.queues[i], set.suffix)
    redis.call("ZCARD", at.tag .. index)
    ff.remove(at, index, a.worker)
  end
  ff.commit(at)
  return { "ok" }
end)
