ff.verb({
  name = "lane_status", kind = "read",
  doc = "How a lane stands in one partition: a row for each of its lines that has something waiting, its own first.",
  args = { { "queue", "bytes", "namespace/lane" } },
  ok = {
    { "state", "bytes", "running, paused or draining" }, { "version", "int", "of its record here, 0: none" },
    { "waiting", "int", "ready executions" }, { "idle", "int", "idle workers, as far as known" },
    { "started", "int", "executions per 1000 s lately, -1: unknown" },
  },
  rows = {
    { "requirements", "bytes", "empty: none" },
    { "keys", "int", "fairness keys (and priorities) that wait or were served lately, -1: the line has none" },
    { "waiting", "int", "ready executions" },
    { "served", "bool", "1: a worker was seen lately that can take it" },
  },
  refusals = {},
}, function(at, a)
  local lane = ff.lane(at, a.queue)
  local idle = redis.call("ZCARD", at.tag .. ":idle:" .. a.queue)
  for i = 1, #lane.sets do
    local suffix = lane.sets[i].suffix
    if suffix ~= "" then idle = idle + redis.call("ZCARD", at.tag .. ":idle:" .. a.queue .. suffix) end
  end
  local reply = { "ok", lane.state, lane.version or 0, ff.waiting(at, a.queue, lane), idle, ff.start_rate(at, lane) }
  local function append(requirements, keys, waiting, required)
    if waiting == 0 then return end
    local n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3] = requirements, keys, waiting
    reply[n + 4] = ff.is_served(at, a.queue, lane, required) and 1 or 0
  end
  append("", -1, redis.call("ZCARD", at.tag .. ":q:" .. a.queue), nil)
  local names = {}
  for name in pairs(lane.lines) do names[#names + 1] = name end
  table.sort(names)
  for i = 1, #names do
    local required, keys, waiting = lane.lines[names[i]], -1, ff.line_length(at, a.queue, names[i])
    if string.sub(names[i], -1) == "|" then
      keys = redis.call("ZCARD", at.tag .. ":fair:" .. a.queue .. "|" .. names[i])
    end
    append(required.text, keys, waiting, required)
  end
  return reply
end)
