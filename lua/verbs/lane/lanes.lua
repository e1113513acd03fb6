ff.verb({
  name = "lanes", kind = "read",
  doc = "The lanes that were set up, in order of name: those of a namespace, or one of them. Root tag only.",
  args = {
    { "namespace", "bytes", "tenant, empty: all" }, { "lane", "bytes", "empty: all" },
  },
  ok = { { "version", "int", "of the last change of any lane, 0: never" } },
  rows = {
    { "queue", "bytes", "namespace/lane" }, { "version", "int", "" },
    { "state", "bytes", "running, paused or draining" }, { "by", "bytes", "who set the state" }, { "why", "bytes", "" },
    { "since", "int", "ms, 0: always" }, { "weight", "int", "among the lanes of a worker" },
    { "concurrency", "int", "its cap, -1: none" },
    { "policy", "bytes", "canonical JSON, empty: all defaults" },
    { "record", "bytes", "for set_lanes" },
  },
  refusals = {},
}, function(at, a)
  local flat = redis.call("HGETALL", at.tag .. ":records")
  local records, queues = {}, {}
  for i = 1, #flat, 2 do
    local queue = flat[i]
    local namespace, lane = string.match(queue, "^([^/]*)/(.*)$")
    if (a.namespace == "" or namespace == a.namespace) and (a.lane == "" or lane == a.lane) then
      records[queue] = flat[i + 1]
      queues[#queues + 1] = queue
    end
  end
  table.sort(queues)
  local reply = { "ok", tonumber(redis.call("HGET", at.tag, "lanes_version") or 0) }
  for i = 1, #queues do
    local text = records[queues[i]]
    local record = cjson.decode(text)
    local policy = record.policy ~= "" and cjson.decode(record.policy) or {}
    local n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = queues[i], record.version, record.state, record.by
    reply[n + 5], reply[n + 6], reply[n + 7] = record.why, record.since, policy.weight or 1
    reply[n + 8], reply[n + 9], reply[n + 10] = policy.concurrency or -1, record.policy, text
  end
  return reply
end)
