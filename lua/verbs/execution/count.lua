ff.verb({
  name = "count", kind = "read",
  doc = "How many executions are in each state of the partition, ready ones by queue. Unserved ones are those of "
    .. "them that wait in routes which no worker seen lately can take.",
  rows = {
    { "index", "bytes", "a state, ready:<namespace>/<lane> or unserved:<namespace>/<lane>" },
    { "executions", "int", "" },
  },
  refusals = {},
}, function(at, _)
  local reply = { "ok" }
  for _, state in ipairs({ "delayed", "active", "suspended", "blocked", "completed", "failed", "cancelled", "expired",
                           "skipped" }) do
    reply[#reply + 1] = state
    reply[#reply + 1] = redis.call("ZCARD", at.tag .. ":" .. state)
  end
  local queues = redis.call("SMEMBERS", at.tag .. ":lanes")
  for i = 1, #queues do
    reply[#reply + 1] = "ready:" .. queues[i]
    reply[#reply + 1] = ff.waiting(at, queues[i], ff.lane(at, queues[i]))
    local unserved = ff.unserved(at, queues[i])
    if unserved > 0 then
      reply[#reply + 1] = "unserved:" .. queues[i]
      reply[#reply + 1] = unserved
    end
  end
  return reply
end)
