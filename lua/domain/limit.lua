-- Limits: quotas ("u:<namespace>/<name>") and budgets ("b:…"), each on its home, a partition chosen by a hash of its id
-- (Keyspace::home_of_limit), where several live together and are asked for by one call. What a limit allows is reserved
-- by holders (worker instances) before it is used. Everything of a limit is in one hash, so that one HSET changes what
-- is held together with who holds it:
--   d                defined at, ms; absent: nobody did, so it limits nothing and only counts
--   h. s. u. r. o.   of each dimension: hard and soft limit, used, reserved, reported beyond the hard limit
--   @<holder>        seq, what the call with that seq was granted, and the holder's amounts
-- A quota's only dimension is `slots`. A limit is loaded once in a call; ff.save_limits plans what has changed.

local kinds, amount_max = { quota = "u:", budget = "b:" }, 9007199254740991 -- 2^53 - 1

-- "tokens=100,usd=5" as a table; nil when it is malformed.
local function parse_amounts(text)
  local all = {}
  for piece in string.gmatch(text, "[^,]+") do
    local dimension, amount = string.match(piece, "^(%l[%l%d_]*)=(%d+)$")
    amount = tonumber(amount)
    if not amount or amount > amount_max or all[dimension] then return nil end
    all[dimension] = amount
  end
  return all
end

function ff.amounts(text, name)
  return parse_amounts(text) or ff.bad_call(name .. " is not <dimension>=<amount>,…")
end

function ff.print_amounts(amounts)
  local names, pieces = {}, {}
  for dimension, amount in pairs(amounts) do
    if amount > 0 then names[#names + 1] = dimension end
  end
  table.sort(names)
  for i = 1, #names do pieces[i] = string.format("%s=%d", names[i], amounts[names[i]]) end
  return table.concat(pieces, ",")
end

function ff.limit_id(kind, namespace, name)
  local letter = kinds[kind]
  if not letter then ff.bad_call("a limit is a quota or a budget") end
  return letter .. namespace .. "/" .. name
end

-- The limit as the call sees it, also when there is no record of it. A budget whose period is over begins the next.
function ff.limit(at, id)
  local loaded = at.limits or { order = {}, armed = {} }
  at.limits = loaded
  if loaded[id] then return loaded[id] end
  local flat = redis.call("HGETALL", at.tag .. ":" .. id)
  -- How many wait; raises now, not half-way, if their index is no sorted set.
  local waiters = redis.call("ZCARD", at.tag .. ":" .. id .. ":w")
  local l = { id = id, f = {}, changed = {}, gone = {}, waiters = waiters }
  for i = 1, #flat, 2 do l.f[flat[i]] = flat[i + 1] end
  loaded[id] = l
  loaded.order[#loaded.order + 1] = l
  if l.f.z and ff.limit_number(at, l, "z") <= at.now then ff.reset_budget(at, l) end
  return l
end

function ff.limit_number(at, l, field)
  local number = tonumber(l.f[field] or 0)
  if not number then ff.corrupt(at.tag .. ":" .. l.id .. " " .. field) end
  return number
end

function ff.put(l, field, value)
  if value == nil then
    if l.f[field] ~= nil then l.gone[field] = true end
    l.changed[field] = nil
  else
    l.changed[field], l.gone[field] = value, nil
  end
  l.f[field] = value
end

-- Arms a timer of a limit: "h <id> <holder>" a reservation ends, "w <id>" the next waiter is told, "r <id>" a period
-- ends.
function ff.arm_limit(at, timer, ms)
  at.limits.armed[timer] = true
  ff.add(at, ":limits_due", timer, ms)
  ff.arm(at, ms)
end

-- Its dimensions, in the order of their names.
function ff.dimensions(l)
  local names, seen = {}, {}
  for field in pairs(l.f) do
    local dimension = string.match(field, "^[hsuro]%.(.+)$")
    if dimension and not seen[dimension] then
      seen[dimension] = true
      names[#names + 1] = dimension
    end
  end
  table.sort(names)
  return names
end

-- What a holder has: seq, granted, starts, asked_us, amounts, want (what it waits for one of); nil: nothing is known.
function ff.holder(at, l, name)
  local text = l.f["@" .. name]
  if not text or text == "" then return nil end
  local seq, granted, starts, asked_us, amounts, want =
    string.match(text, "^(%d+) (%d+) (%d+) (%d+) ([^ ]*) ([^ ]*)$")
  local h = seq and { seq = tonumber(seq), granted = tonumber(granted), starts = tonumber(starts),
                      asked_us = tonumber(asked_us), amounts = parse_amounts(amounts), want = parse_amounts(want) }
  if not h or not h.amounts or not h.want then ff.corrupt(at.tag .. ":" .. l.id .. " holder " .. name) end
  return h
end

-- Sets what a holder has, and with it what is reserved. h == nil: the holder is gone.
function ff.set_holder(at, l, name, h)
  local before = ff.holder(at, l, name)
  local difference = {}
  for dimension, amount in pairs(before and before.amounts or {}) do difference[dimension] = -amount end
  for dimension, amount in pairs(h and h.amounts or {}) do
    difference[dimension] = (difference[dimension] or 0) + amount
  end
  for dimension, change in pairs(difference) do
    if change ~= 0 then ff.put(l, "r." .. dimension, ff.limit_number(at, l, "r." .. dimension) + change) end
    if change < 0 then l.freed = true end
  end
  local text = ""
  if h then
    text = string.format("%d %d %d %d %s %s", h.seq, h.granted, h.starts, h.asked_us, ff.print_amounts(h.amounts),
      ff.print_amounts(h.want))
  end
  ff.put(l, "@" .. name, text) -- An empty text, in the same HSET as the rest, counts as none; it is deleted after that.
end

function ff.count_holders(at, l)
  local count = 0
  for field in pairs(l.f) do
    local h = string.sub(field, 1, 1) == "@" and ff.holder(at, l, string.sub(field, 2))
    if h and next(h.amounts) then count = count + 1 end
  end
  return count
end

-- How many times `unit` there is room for, `count` at the most, beside what is reserved and was used, also beyond the
-- limit (that not for what was reserved before: promised). What is not limited has room for what Lua counts exactly.
function ff.room(at, l, unit, count, promised)
  for dimension, amount in pairs(unit) do
    if amount > 0 then
      local hard, free = l.f["h." .. dimension], amount_max - ff.limit_number(at, l, "r." .. dimension)
      if hard then
        local over = promised and 0 or ff.limit_number(at, l, "o." .. dimension)
        free = math.min(free, ff.limit_number(at, l, "h." .. dimension) - ff.limit_number(at, l, "u." .. dimension)
          - over - ff.limit_number(at, l, "r." .. dimension))
      end
      count = math.min(count, math.floor(free / amount))
    end
  end
  return math.max(0, count)
end

local told_at_once, unblock_ms = 16, 1000

-- Tells those who wait longest that there is room for what they want. One that is told waits no more; should it not
-- come, a timer tells the next.
local function unblock(at, l)
  if l.waiters == 0 then return end
  local index = ":" .. l.id .. ":w"
  local waiting = redis.call("ZRANGE", at.tag .. index, 0, 63)
  local told, promised = 0, {}
  for i = 1, #waiting do
    local h = ff.holder(at, l, waiting[i])
    local need = {}
    for dimension, amount in pairs(h and h.want or {}) do
      promised[dimension] = (promised[dimension] or 0) + amount
      need[dimension] = promised[dimension]
    end
    if not h or ff.room(at, l, need, 1) == 1 then
      ff.remove(at, index, waiting[i])
      ff.tell(at, ":w:" .. waiting[i], "limit " .. l.id)
      told = told + 1
    else
      for dimension, amount in pairs(h.want) do promised[dimension] = promised[dimension] - amount end
    end
    if told == told_at_once then break end
  end
  if told > 0 and told < #waiting then
    ff.arm_limit(at, "w " .. l.id, at.now + unblock_ms)
  end
end

-- The definition has changed: all who hold or wait ask again.
function ff.tell_holders(at, l)
  for field, text in pairs(l.f) do
    if string.sub(field, 1, 1) == "@" and text ~= "" then
      ff.tell(at, ":w:" .. string.sub(field, 2), "limit " .. l.id)
    end
  end
end

local function check_list(at)
  redis.call("ZCARD", at.tag .. ":limits") -- Raises if it is no sorted set: it is written without being read.
end

-- The limit is defined from now on.
function ff.list_limit(at, l)
  check_list(at)
  if not l.f.d then ff.put(l, "d", at.now) end
  ff.add(at, ":limits", l.id, 0)
end

-- What is reserved still counts, should it be defined again.
function ff.drop_limit(at, l)
  for field in pairs(l.f) do
    local first = string.sub(field, 1, 1)
    if first ~= "@" and first ~= "r" then ff.put(l, field, nil) end
  end
  ff.unlink(at, at.tag .. ":" .. l.id .. ":z")
  check_list(at)
  ff.remove(at, ":limits", l.id)
  ff.remove(at, ":limits_due", "r " .. l.id)
  ff.tell_holders(at, l)
  l.freed = true
end

local function known_to_anybody(l)
  for field, text in pairs(l.f) do
    if string.sub(field, 1, 1) == "@" and text ~= "" then return true end
  end
  return l.f.d ~= nil
end

local function save(at, l)
  local key, set, gone = at.tag .. ":" .. l.id, {}, {}
  if not known_to_anybody(l) then
    ff.unlink(at, key)
    ff.unlink(at, key .. ":w")
    return
  end
  for field, value in pairs(l.changed) do
    set[#set + 1], set[#set + 2] = field, value
    if value == "" and string.sub(field, 1, 1) == "@" then gone[#gone + 1] = field end
  end
  for field in pairs(l.gone) do gone[#gone + 1] = field end
  if l.later == "" then ff.unlink(at, key .. ":z") end
  if l.later and l.later ~= "" then ff.write(at, { "SET", key .. ":z", l.later }) end
  if #set > 0 then ff.set_fields(at, key, set) end
  if #gone > 0 then ff.write_last(at, { "HDEL", key, unpack(gone) }) end
  if l.freed then unblock(at, l) end
end

-- Plans the changes of all limits of the call.
function ff.save_limits(at)
  local loaded = at.limits
  if not loaded then return end
  redis.call("ZCARD", at.tag .. ":limits_due") -- Raises now, not half-way, if it is no sorted set.
  for i = 1, #loaded.order do
    local l = loaded.order[i]
    if next(l.changed) or next(l.gone) or l.freed then save(at, l) end
  end
  at.limits = nil
end

local function grant(at, l, name, h, item)
  local left, spare = h and h.starts or 0, math.min(item.spare, h and h.starts or 0)
  if spare > 0 then
    ff.return_starts(at, l, spare, h.asked_us)
    left = 0 -- The others of that grant were used.
  end
  local amounts, unit = ff.amounts(item.hold, "hold"), ff.amounts(item.unit, "unit")
  h = { seq = item.seq, granted = 0, starts = left, asked_us = h and h.asked_us or at.now_us,
        amounts = amounts, want = {} }
  ff.set_holder(at, l, name, h)
  local paused = ff.paused_ms(at, l) > 0
  if not paused then h.granted = ff.room(at, l, unit, item.count) end
  if item.starts > 0 then h.starts, h.asked_us = math.max(0, ff.take_starts(at, l, item.starts)), at.now_us end
  for dimension, amount in pairs(unit) do amounts[dimension] = (amounts[dimension] or 0) + amount * h.granted end
  local waits = h.granted < item.count and not paused
  if waits then
    h.want = unit
    ff.write(at, { "ZADD", at.tag .. ":" .. l.id .. ":w", "NX", at.now, name })
    l.waiters = l.waiters + 1 -- Or it was one of them.
  elseif l.waiters > 0 then
    ff.remove(at, ":" .. l.id .. ":w", name)
  end
  ff.set_holder(at, l, name, h)
  return h
end

-- When to ask again: 0: no need, -1: there is no time for it, the holder is told. While there is a pause, its end.
local function retry_in_ms(at, l, h, item)
  local paused = ff.paused_ms(at, l)
  if paused > 0 then return paused end
  local refused = (item.count > 0 and h.granted == 0) or (l.f.n and h.starts < item.starts)
  if not refused then return 0 end
  if item.count > 0 and h.granted == 0 then return ff.resets_in_ms(at, l) end
  return ff.next_start_ms(at, l)
end

local function outcome_of(at, l, h, item)
  if h.granted > 0 or item.count == 0 then return "held" end
  for dimension, amount in pairs(ff.amounts(item.unit, "unit")) do
    local hard = l.f["h." .. dimension]
    if hard and amount > ff.limit_number(at, l, "h." .. dimension) then return "too_large" end
  end
  return "held"
end

-- Sets what a holder has to `item.hold`, which is at least what it uses, and grants up to item.count times item.unit
-- more, and up to item.starts starts. The same seq again gets the first answer, an older one nothing. Appends the row.
function ff.reserve(at, a, item, reply)
  local l = ff.limit(at, ff.limit_id(item.kind, a.namespace, item.name))
  local h, n = ff.holder(at, l, a.holder), #reply
  if h and item.seq < h.seq then
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = "old", 0, 0, -1
    reply[n + 5], reply[n + 6], reply[n + 7], reply[n + 8] = 0, "", -1, 0
    return
  end
  if not h or item.seq > h.seq then h = grant(at, l, a.holder, h, item) end
  ff.arm_limit(at, "h " .. l.id .. " " .. a.holder, at.now + a.ttl_ms)
  local starts = item.starts > 0 and h.starts or 0
  reply[n + 1], reply[n + 2], reply[n + 3] = outcome_of(at, l, h, item), h.granted, l.f.n and starts or -1
  reply[n + 4], reply[n + 5] = ff.slots_to_keep(at, l, h.amounts.slots or 0), retry_in_ms(at, l, h, item)
  reply[n + 6], reply[n + 7] = l.f.a or "", l.f.c and ff.limit_number(at, l, "f") or -1
  reply[n + 8] = kinds.quota == string.sub(l.id, 1, 2) and ff.note_roomy(at, l, a.holder) and 1 or 0
end

local function fire(at, what, id, holder)
  local l = ff.limit(at, id)
  if what == "w" then
    l.freed = true
    return "unblock"
  elseif what == "r" then
    return "budget_reset" -- Loading it did that.
  end
  ff.remove(at, ":" .. id .. ":w", holder)
  if l.f["@" .. holder] then ff.set_holder(at, l, holder, nil) end
  return string.sub(id, 1, 1) == "u" and "quota_reconciler" or "budget_reconciler"
end

-- Plans what is due of limits. nil, the timer and why, when one of them met damage.
local function plan_due(at, due)
  local counts = {}
  at.limits = { order = {}, armed = {} }
  for i = 1, #due do
    local what, id, holder = string.match(due[i], "^(%l) ([^ ]+) ?(.*)$")
    if id then
      local readable, scanner = pcall(fire, at, what, id, holder)
      if not readable then return nil, due[i], scanner end
      counts[scanner] = (counts[scanner] or 0) + 1
    end
  end
  local armed = at.limits.armed
  local saved, why = pcall(ff.save_limits, at)
  if not saved then return nil, due[1], why end
  for i = 1, #due do
    if not armed[due[i]] then ff.remove(at, ":limits_due", due[i]) end
  end
  return counts
end

-- The timers that are due, `limit` at the most.
function ff.due_limits(at, limit)
  return redis.call("ZRANGE", at.tag .. ":limits_due", "-inf", at.now, "BYSCORE", "LIMIT", 0, limit)
end

-- Does up to `limit` of them in a commit of their own. Returns how many.
function ff.run_due_limits(at, due, limit, counts)
  while #due > math.max(0, limit) do due[#due] = nil end
  if #due == 0 then return 0 end
  local done, timer, why = plan_due(at, due)
  if done then
    for scanner, items in pairs(done) do counts[scanner] = (counts[scanner] or 0) + items end
  else
    ff.discard(at)
    local text = type(why) == "table" and why.err or tostring(why)
    redis.log(redis.LOG_WARNING, "FlowFabric put off " .. at.tag .. ":limits_due " .. timer .. ": " .. text)
    ff.add(at, ":limits_due", timer, at.now + 60000)
  end
  ff.commit(at)
  at.limits = nil
  return #due
end
