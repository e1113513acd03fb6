-- The plan of writes. Verbs read and check, and only add to the plan; ff.commit performs it in one go, where nothing can
-- refuse any more. So a verb that raises has written nothing. Entries of one index are written by one command.

local function bucket(at, kind, key)
  local all = at[kind]
  if not all then
    all = { order = {} }
    at[kind] = all
  end
  local list = all[key]
  if not list then
    list = {}
    all[key] = list
    all.order[#all.order + 1] = key
  end
  return list
end

-- Adds to (or moves within) an index.
function ff.add(at, index, member, score)
  local list = bucket(at, "zadd", at.tag .. index)
  list[#list + 1] = score
  list[#list + 1] = member
end

function ff.remove(at, index, member)
  local list = bucket(at, "zrem", at.tag .. index)
  list[#list + 1] = member
end

-- Sets fields of a hash: `fields` is { field, value, … }.
function ff.set_fields(at, key, fields)
  local list = at.hset
  if not list then
    list = {}
    at.hset = list
  end
  list[#list + 1] = { key, fields }
end

function ff.clear_fields(at, key, names)
  local list = at.hdel
  if not list then
    list = {}
    at.hdel = list
  end
  list[#list + 1] = { key, names }
end

-- Any other command that can't fail on what the verb has checked: { "SET", key, value }.
function ff.write(at, command)
  local list = at.writes
  if not list then
    list = {}
    at.writes = list
  end
  list[#list + 1] = command
end

function ff.unlink(at, key)
  local list = at.gone
  if not list then
    list = {}
    at.gone = list
  end
  list[#list + 1] = key
end

function ff.event(at, ulid, text)
  local list = at.events
  if not list then
    list = { "XADD", at.tag .. ":ev", "MAXLEN", "~", 4096, "*" }
    at.events = list
  end
  list[#list + 1] = ulid
  list[#list + 1] = text
end

-- A message that is only a hint: whoever misses it finds out by its next look.
function ff.tell(at, channel, message)
  local list = at.messages
  if not list then
    list = {}
    at.messages = list
  end
  list[#list + 1] = at.tag .. channel
  list[#list + 1] = message
end

-- A timer was armed at `ms`: claims look from then on, and an engine that meant to sleep longer is told how long is left.
function ff.arm(at, ms)
  if not at.earliest or ms < at.earliest then at.earliest = ms end
end

local function write_hashes(at)
  local hset, hdel = at.hset, at.hdel
  if hset then
    for i = 1, #hset do redis.call("HSET", hset[i][1], unpack(hset[i][2])) end
  end
  if hdel then
    for i = 1, #hdel do redis.call("HDEL", hdel[i][1], unpack(hdel[i][2])) end
  end
end

local function write_indexes(at)
  local zrem, zadd = at.zrem, at.zadd
  if zrem then
    for i = 1, #zrem.order do redis.call("ZREM", zrem.order[i], unpack(zrem[zrem.order[i]])) end
  end
  if zadd then
    for i = 1, #zadd.order do redis.call("ZADD", zadd.order[i], unpack(zadd[zadd.order[i]])) end
  end
end

-- Wakes idle workers for `count` executions that became ready in `queue`, the ones with most room first. A worker that
-- nobody hears is dead: its entry is dropped and the next one is tried, at most 8 times.
-- Returns whether somebody was woken.
function ff.wake(at, queue, count)
  local woken = false
  for _ = 1, 8 do
    local idle = redis.pcall("ZPOPMAX", at.tag .. ":idle:" .. queue)
    if idle.err or not idle[1] then break end
    if redis.pcall("SPUBLISH", at.tag .. ":w:" .. idle[1], "ready " .. queue) ~= 0 then
      woken = true
      count = count - tonumber(idle[2])
      if count <= 0 then break end
    end
  end
  return woken
end

local handoff_ms = 1000

local function wake_workers(at)
  local ready = at.ready
  if not ready then return end
  for i = 1, #ready.order do
    local queue = ready.order[i]
    if ff.wake(at, queue, ready[queue]) then
      -- The woken one may die before it claims: look again in a second.
      redis.call("ZADD", at.tag .. ":handoffs", at.now + handoff_ms, queue)
      ff.arm(at, at.now + handoff_ms)
    end
  end
end

local function announce_timer(at)
  local m, ms = at.memory, at.earliest
  if not ms then return end
  if ms < m.next_due then m.next_due = ms end
  if not m.engine_wakes or ms < m.engine_wakes then
    m.engine_wakes = ms
    redis.pcall("SPUBLISH", at.tag .. ":engine", string.format("%d", math.max(0, ms - at.now)))
  end
end

-- Performs the plan. Order: cores first (the truth), then what can be rebuilt from them, then hints.
function ff.commit(at)
  write_hashes(at)
  local writes = at.writes
  if writes then
    for i = 1, #writes do redis.call(unpack(writes[i])) end
  end
  write_indexes(at)
  if at.gone then redis.call("UNLINK", unpack(at.gone)) end
  if at.events then redis.call(unpack(at.events)) end
  if at.save_clock then
    redis.call("HSET", at.tag, "hi", at.now, "skew", at.memory.skew)
    at.memory.saved = at.now
  end
  wake_workers(at)
  announce_timer(at)
  local messages = at.messages
  if messages then
    for i = 1, #messages, 2 do redis.pcall("SPUBLISH", messages[i], messages[i + 1]) end
  end
  at.hset, at.hdel, at.writes, at.zrem, at.zadd, at.gone, at.events, at.ready, at.messages, at.earliest, at.save_clock =
    nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil
end
