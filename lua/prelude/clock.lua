-- Entering a partition: probe, clock, and the once-a-second check. Time is Valkey's TIME made monotonic: when the clock
-- steps back, the partition's own clock goes on from the largest value it has seen (`hi`), as fast as TIME does.

-- What this node remembers of each partition between calls. Hints only: every entry is either monotonic, rechecked within
-- a second, or healed by the next check, so a failover or a reload may lose or resurrect any of it.
local memory = {}

-- Index keys a verb may write without having read them: [key, type]. Checked once a second, so that a key damaged from
-- outside is refused by name before the first write.
local guarded = {
  { ":delayed", "zset" }, { ":active", "zset" }, { ":suspended", "zset" }, { ":blocked", "zset" },
  { ":completed", "zset" }, { ":failed", "zset" }, { ":cancelled", "zset" }, { ":expired", "zset" },
  { ":skipped", "zset" }, { ":timeouts", "zset" }, { ":deadlines", "zset" }, { ":handoffs", "zset" },
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

-- Returns the partition as a verb sees it: tag, now (ms), now_us, memory, and the plan of writes.
function ff.enter(tag, reads)
  -- A slot on its way to another node refuses absent keys: touch one that is always absent before anything is written.
  if not reads then redis.call("EXISTS", tag .. ":absent") end
  local time = redis.call("TIME")
  local us = time[1] * 1000000 + time[2]
  local ms = math.floor(us / 1000)

  local m = memory[tag]
  if not m then
    local stored = redis.call("HMGET", tag, "hi", "skew")
    m = { hi = tonumber(stored[1] or 0), skew = tonumber(stored[2] or 0), saved = 0, queues = {},
          next_due = 0, looked = 0, engine_wakes = false, engine_seen = 0 }
    memory[tag] = m
  end
  if ms >= m.hi then
    m.skew = 0
  else
    -- The clock stepped back: keep the distance, so that time goes on from where it was.
    if ms + m.skew < m.hi then m.skew = m.hi - ms end
    us = us + m.skew * 1000
    ms = ms + m.skew
  end
  m.hi = ms

  local at = { tag = tag, now = ms, now_us = us, memory = m }
  if not reads and (ms - m.saved >= check_every_ms or ms < m.saved) then
    check_types(tag)
    at.save_clock = true
  end
  return at
end
