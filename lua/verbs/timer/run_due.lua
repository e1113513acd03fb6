ff.verb({
  name = "run_due", kind = "free",
  doc = "Does what is due: expired leases, delayed and timed-out executions, deadlines, retention, and wakes "
    .. "that nobody "
    .. "answered. Safe to repeat and to run on two servers at once.",
  args = {
    { "limit", "int", "items at the most" },
    { "engine", "bool", "1: the caller keeps running timers, and listens to the engine channel" },
  },
  ok = {
    { "done", "int", "items done; as many as limit: there may be more" },
    { "next_in_ms", "int", "until the next timer is due, 0: now, -1: nothing waits for a time" },
    { "lanes_version", "int", "up to which the partition has all lane records" },
    { "relay_in_ms", "int", "until take_relays has something, 0: now, -1: nothing waits; only told to an engine" },
  },
  rows = { { "scanner", "bytes", "name" }, { "items", "int", "it did" } },
  refusals = {},
}, function(at, a)
  local m = at.memory
  if a.engine then m.engine_seen = at.now end
  local counts, done, next_ms = ff.run_due(at, a.limit)
  local relay_ms = a.engine and ff.next_relay(at) or nil
  if a.engine then m.engine_wakes = math.min(next_ms or math.huge, relay_ms or math.huge) end
  local lanes_version = tonumber(redis.call("HGET", at.tag, "lv") or 0)
  local reply = { "ok", done, next_ms and math.max(0, next_ms - at.now) or -1, lanes_version,
                  relay_ms and math.max(0, relay_ms - at.now) or -1 }
  for scanner, items in pairs(counts) do
    reply[#reply + 1] = scanner
    reply[#reply + 1] = items
  end
  return reply
end)
