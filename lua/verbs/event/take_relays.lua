local append_await, take_awaits, take_deliveries

ff.verb({
  name = "take_relays", kind = "free",
  doc = "What is due to be carried to other partitions, and was not: a caller that died left it. Each is given again "
    .. "in two seconds, until it is settled. Forgets events and waiters that have expired.",
  args = { { "limit", "int", "of each kind, 1 to 256" } },
  ok = { { "next_in_ms", "int", "until the next is due, 0: now, -1: none waits" } },
  rows = ff.relay_rows,
  refusals = {},
}, function(at, a)
  local reply, limit = { "ok", 0 }, math.max(1, math.min(a.limit, 256))
  take_awaits(at, limit, reply)
  take_deliveries(at, limit, reply)
  ff.commit(at)
  local next_ms = ff.next_relay(at)
  reply[2] = next_ms and math.max(0, next_ms - at.now) or -1
  return reply
end)

local function due(at, index, limit)
  return redis.call("ZRANGE", at.tag .. ":" .. index, "-inf", at.now, "BYSCORE", "LIMIT", 0, limit)
end

take_awaits = function(at, limit, reply)
  for _, ulid in ipairs(due(at, "awaits", limit)) do
    local before = #reply
    local readable, why = pcall(append_await, at, ulid, reply)
    if not readable then
      for i = #reply, before + 1, -1 do reply[i] = nil end
      ff.set_aside(at, ":awaits", ulid, why)
    elseif #reply > before then
      ff.arm_await(at, ulid, 0)
    else
      ff.remove(at, ":awaits", ulid)
    end
  end
end

append_await = function(at, ulid, reply)
  local core = ff.load(at, ulid)
  if not core or not core.h or ff.terminal[core.s] then return end
  local step = ff.open_step(core)
  local doc = ff.load_step(at, ulid, step)
  if not doc then return end
  local namespace = string.match(core.q, "^[^/]*")
  for _, waitpoint in ipairs(doc.w) do
    if waitpoint.v and not (waitpoint.x and waitpoint.x <= at.now) then
      local name = string.format("%d", step) .. "." .. waitpoint.l
      for _, field in ipairs({ "await", namespace, waitpoint.v, waitpoint.k, ulid, name, "", "", "", "" }) do
        reply[#reply + 1] = field
      end
    end
  end
end

take_deliveries = function(at, limit, reply)
  local left = limit
  for _, name in ipairs(due(at, "deliveries", limit)) do
    local readable, known = pcall(ff.load_event, at, name)
    if not readable then
      ff.set_aside(at, ":deliveries", name, known)
    elseif left > 0 then
      ff.expire_event(at, known)
      left = left - ff.append_deliveries(reply, known, nil, left)
      ff.save_event(at, known)
    end
  end
end
