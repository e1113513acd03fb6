-- Entering a partition: probe, clock, and the once-a-second check. Time is Valkey's TIME made monotonic: when the clock
-- steps back, the partition's own clock goes on from the largest value it has seen (`hi`).

-- What this node remembers of each partition between calls. Hints only: every entry is either monotonic, rechecked
-- within a second (what lines require: when their number changes, and every 30 s), or healed by the next check, so a
-- failover or a reload may lose or resurrect any of it.
local memory = {}

-- Index keys a verb may write without having read them: [key, type]. Checked once a second, so that a key damaged from
-- outside is refused by name before the first write. Keys of a lane are checked where they are
-- written (ff.lane).
local guarded = {
  { ":delayed", "zset" }, { ":active", "zset" }, { ":suspended", "zset" }, { ":blocked", "zset" },
  { ":completed", "zset" }, { ":failed", "zset" }, { ":cancelled", "zset" }, { ":expired", "zset" },
  { ":skipped", "zset" }, { ":timeouts", "zset" }, { ":deadlines", "zset" }, { ":handoffs", "zset" },
  { ":waitpoints", "zset" }, { ":awaits", "zset" }, { ":deliveries", "zset" },
  { ":lanes", "set" }, { ":ev", "stream" },
}
local check_every_ms = 1000

local function check_types(tag)
  for i = 1, #guarded do
    local key, want = tag .. guarded[i][1], guarded[i][2]
    local found = redis.call("TYPE", key).ok
    if found ~= want and found ~= "none" then
      ff.corrupt(key .. " is a " .. found .. ", not a " .. want)
    end
  end
end

local function stored_clock(tag)
  local hi = tonumber(redis.call("HGET", tag, "hi") or 0)
  if not hi then ff.corrupt(tag .. " has no clock") end
  return hi
end

local function new_memory(tag)
  if string.sub(tag, 1, 1) ~= "{" or string.sub(tag, -1) ~= "}" then ff.bad_call("the key is not a partition's tag") end
  return { hi = stored_clock(tag), skew = 0, clock_ms = 0, checked = 0, saved = 0, queues = {}, queue_count = 0,
           lanes = {}, duty = {}, next_due = 0, looked = 0, engine_wakes = false, engine_seen = 0 }
end

-- The partition's time, which never goes back. When the clock steps back, time goes on from where it was, at nine
-- tenths of the clock's pace until the clock has caught up: leases last at most a ninth longer meanwhile, none ends
-- early.
local function tell_time(m, clock_ms)
  if m.skew > 0 and clock_ms > m.clock_ms then
    m.skew = math.max(0, m.skew - (clock_ms - m.clock_ms) / 10) -- Not rounded: calls may be a millisecond apart.
  end
  m.clock_ms = clock_ms
  if clock_ms + m.skew < m.hi then m.skew = m.hi - clock_ms end
  m.hi = math.floor(clock_ms + m.skew)
  return m.hi
end

-- The number of the partition.
function ff.partition(at)
  return tonumber(string.match(at.tag, ":(%d+)%."))
end

-- Returns the partition as a verb sees it: tag, now (ms), now_us, memory, and the plan of writes.
function ff.enter(tag, reads)
  -- A slot on its way to another node must refuse, before anything is written or half of it is taken for the whole.
  -- Its old node raises at an absent key, its new one only where a command names several: so two keys that never exist.
  redis.call("EXISTS", tag .. ":absent", tag .. ":gone")
  local time = redis.call("TIME")
  local us = time[1] * 1000000 + time[2]
  local clock_ms = math.floor(us / 1000)

  local m = memory[tag]
  if not m then
    m = new_memory(tag)
    memory[tag] = m
  end
  local checks = not reads and (clock_ms - m.checked >= check_every_ms or clock_ms < m.checked)
  if checks then
    check_types(tag)
    -- This node may have been a replica meanwhile, and what it remembers be old.
    m.hi = math.max(m.hi, stored_clock(tag))
  end
  local ms = tell_time(m, clock_ms)
  -- After a step back the partition's time runs ahead of the clock: what is stored must not fall behind it.
  local saves = checks or (not reads and ms - m.saved >= check_every_ms)
  us = us + (ms - clock_ms) * 1000
  ff.clear_plan() -- An earlier call may have raised.
  -- With room for what most plans add.
  return { tag = tag, now = ms, now_us = us, clock_ms = clock_ms, memory = m, save_clock = saves,
           strings = nil, heads = nil, ready = nil, earliest = nil, queue = nil, lane = nil }
end
