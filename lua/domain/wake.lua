-- Waking idle workers. Workers with the same capabilities wait in one index, so that what becomes ready wakes one that
-- can take it: idle:<queue> for those without, idle:<queue>|<digest> for the others; sets:<queue> has the capabilities.

local sets, set_count = {}, 0

-- Capabilities joined by commas, in order, ready to be asked.
function ff.capability_set(text)
  local set = sets[text]
  if set then return set end
  if set_count >= 4096 then sets, set_count = {}, 0 end
  local list = {}
  for word in string.gmatch(text, "[^,]+") do list[#list + 1] = word end
  set = { text = text, has = ff.capabilities(list),
          suffix = text ~= "" and "|" .. string.sub(redis.sha1hex(text), 1, 16) or "" }
  sets[text], set_count = set, set_count + 1
  return set
end

-- The set of a worker that listed these, nil: none.
function ff.set_of(list)
  return ff.capability_set(list and table.concat(list, ",") or "")
end

local offers = { count = 0 } -- Of the plan; tables are used again, see plan.lua.

function ff.clear_offers()
  offers.count = 0
end

-- Plans that idle workers are woken for `count` executions more of a line. `last`: the worker that ran it before is
-- asked first.
function ff.offer(at, queue, name, count, last, required)
  for i = 1, offers.count do
    local offer = offers[i]
    if offer.queue == queue and offer.name == name then
      offer.count, offer.last = offer.count + count, offer.last or last
      return offer
    end
  end
  local n = offers.count + 1
  local offer = offers[n] or {}
  offers[n], offers.count, at.ready = offer, n, true
  offer.queue, offer.name, offer.count, offer.last = queue, name, count, last
  offer.required, offer.handed_off = required, false
  return offer
end

-- Suffixes of the idle indexes whose workers can take the line, preferred ones first. `patient`: those only.
local function idle_suffixes(lane, required, patient)
  local preferred, others = {}, {}
  local choosy = required and #required.prefers > 0
  if not required or #required.needs == 0 then (choosy and others or preferred)[1] = "" end
  for i = 1, lane and #lane.sets or 0 do
    local set = lane.sets[i]
    if set.suffix ~= "" and (not required or ff.satisfies_all(set.has, required.needs)) then
      local list = choosy and not ff.satisfies_all(set.has, required.prefers) and others or preferred
      list[#list + 1] = set.suffix
    end
  end
  if choosy and patient then return preferred end
  for i = 1, #others do preferred[#preferred + 1] = others[i] end
  return preferred
end

local function tell(at, worker, queue)
  return redis.pcall("SPUBLISH", at.tag .. ":w:" .. worker, "ready " .. queue) ~= 0
end

-- The worker that ran it last, if it is idle: what it has warm is used again.
local function wake_last(at, offer, index)
  if redis.pcall("ZREM", index, offer.last) ~= 1 then return false end
  local heard = tell(at, offer.last, offer.queue)
  if heard then offer.count = offer.count - 1 end
  return heard
end

local tries_max = 8

-- Wakes those of one idle index with most room first. A worker that nobody hears is dead: its entry is dropped and the
-- next one is tried. Returns whether somebody was woken, whether somebody may still be idle, and the tries so far.
local function wake_from(at, offer, index, tries)
  local woken = offer.last and wake_last(at, offer, index) or false
  while offer.count > 0 do
    if tries == tries_max then return woken, true, tries end
    local idle = redis.pcall("ZPOPMAX", index)
    if idle.err or not idle[1] then return woken, false, tries end
    tries = tries + 1
    if tell(at, idle[1], offer.queue) then
      woken = true
      offer.count = offer.count - tonumber(idle[2])
    end
  end
  return woken, true, tries
end

-- Wakes idle workers for an offer, at most 8 tries in one call. Returns whether somebody was woken, and whether
-- somebody may still be idle. Never raises.
function ff.wake(at, offer, patient)
  local lane = at.memory.queues[offer.queue]
  if lane and lane.paused then return false, false end
  local base = at.tag .. ff.idle_index(offer.queue, "")
  if not offer.required and (not lane or not lane.sets[1]) then return wake_from(at, offer, base, 0) end
  local suffixes = idle_suffixes(lane, offer.required, patient)
  local woken, more, tries = false, false, 0
  for i = 1, #suffixes do
    local some
    some, more, tries = wake_from(at, offer, base .. suffixes[i], tries)
    woken = woken or some
    if more then break end
  end
  return woken, more
end

-- The member of `handoffs` for a line.
function ff.handoff(queue, name)
  return name == "" and queue or queue .. "|" .. name
end

local handoff_ms = 1000
ff.patience_ms = 5000 -- How long work waits for a worker that it prefers.

-- A woken worker may die before it claims, or never have got the message: the handoff looks again in a second. Where
-- nobody is idle there is none: whoever gets free claims by itself. Work that only waits for a worker it prefers is
-- looked at again when it has waited for long enough.
function ff.wake_workers(at)
  for i = 1, offers.count do
    local offer = offers[i]
    local choosy = offer.required and #offer.required.prefers > 0
    local woken, more = ff.wake(at, offer, not offer.handed_off)
    if woken or more or offer.handed_off or choosy then
      local ms = at.now + (choosy and not woken and ff.patience_ms or handoff_ms)
      local route = ff.handoff(offer.queue, offer.name)
      redis.pcall("ZADD", at.tag .. ":handoffs", ms, route)
      ff.arm(at, ms)
    end
  end
end

-- Wakes whom the plan wakes, now and without a handoff. Returns whether somebody was.
function ff.wake_at_once(at)
  local woken = false
  for i = 1, offers.count do woken = ff.wake(at, offers[i]) or woken end
  ff.clear_offers()
  return woken
end

-- How many wait in a line.
function ff.line_length(at, queue, name)
  if name == "" then return redis.call("ZCARD", at.tag .. ff.queue_index(queue)) end
  return redis.call("ZCARD", at.tag .. ff.queue_index(queue) .. "|" .. name)
end

-- Lines whose woken worker has not come: another one is woken while work still waits. The handoff stays until the
-- line is empty, whether or not anybody is idle now: the one that was woken may be back by then.
function ff.renew_handoffs(at, limit)
  local routes = redis.call("ZRANGE", at.tag .. ":handoffs", "-inf", at.now, "BYSCORE", "LIMIT", 0, limit)
  for i = 1, #routes do
    ff.remove(at, ":handoffs", routes[i])
    local queue, name = string.match(routes[i], "^([^|]*)|?(.*)$")
    local lane = ff.lane(at, queue)
    local waiting = not lane.paused and (name == "" or lane.lines[name]) and ff.line_length(at, queue, name) or 0
    if waiting > 0 then
      ff.offer(at, queue, name, waiting, nil, lane.lines[name]).handed_off = true
    end
  end
end

-- Plans that idle workers are woken for all that waits in a lane: its own line first, then the one whose first is best.
function ff.offer_all(at, queue)
  local lane = ff.lane(at, queue)
  local waiting = lane.paused and 0 or ff.line_length(at, queue, "")
  if waiting > 0 then ff.offer(at, queue, "", waiting) end
  if lane.paused then return end
  local open = lane.line_count > 0 and redis.call("ZRANGE", at.tag .. ":open:" .. queue, 0, -1) or {}
  for i = 1, #open do
    local name = open[i]
    waiting = lane.lines[name] and ff.line_length(at, queue, name) or 0
    if waiting > 0 then ff.offer(at, queue, name, waiting, nil, lane.lines[name]) end
  end
end

local live_ms = 120000

-- Whether a worker that can take the line was seen in the last two minutes or is idle. required == nil: the lane's own.
function ff.is_served(at, queue, lane, required)
  local own = at.tag .. ff.idle_index(queue, "")
  local anybody = not required or #required.needs == 0
  if anybody and (redis.call("ZCARD", own) > 0 or at.now - lane.counted_since < live_ms and lane.started > 0) then
    return true
  end
  for i = 1, #lane.sets do
    local set = lane.sets[i]
    if not required or ff.satisfies_all(set.has, required.needs) then
      local seen = tonumber(redis.call("ZSCORE", at.tag .. ":sets:" .. queue, set.text) or 0)
      if at.now - seen < live_ms or redis.call("ZCARD", own .. set.suffix) > 0 then return true end
    end
  end
  return false
end

-- How many wait in lines beside the lane's own that nobody serves.
function ff.unserved(at, queue)
  local lane, count = ff.lane(at, queue), 0
  for name, required in pairs(lane.lines) do
    local waiting = ff.line_length(at, queue, name)
    if waiting > 0 and not ff.is_served(at, queue, lane, required) then count = count + waiting end
  end
  return count
end
