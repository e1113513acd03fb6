-- Quotas: how many executions may run at once (`slots`), and how many may start in a time (rate). The rate is GCRA:
-- `t`, in microseconds, is when all that was granted so far will have been earned; n starts are earned in w ms, b of
-- them can be saved up. Within any time L no more than b + L * n / w are granted.
--   n w b   rate: starts, ms, burst; absent: none
--   t       see above
--   e       when the rate was set, microseconds
--   q       when the last one that was refused a start may ask again, microseconds
--   p       paused until, ms
--   k       there: it is not roomy

-- Defines how many slots it has, -1: any number. Who holds or waits asks again.
function ff.set_slots(at, l, slots)
  ff.list_limit(at, l)
  ff.put(l, "h.slots", slots >= 0 and slots or nil)
  ff.tell_holders(at, l)
  l.freed = true
end

-- Microseconds in which `count` starts are earned.
local function earning(at, l, count)
  return count * ff.limit_number(at, l, "w") * 1000 / ff.limit_number(at, l, "n")
end

function ff.paused_ms(at, l)
  return math.max(0, ff.limit_number(at, l, "p") - at.now)
end

-- How many starts can be granted now, `count` at the most.
local function starts_now(at, l, count)
  local ahead = math.max(0, ff.limit_number(at, l, "t") - at.now_us)
  local per = ff.limit_number(at, l, "w") * 1000
  local missing = math.ceil(ahead * ff.limit_number(at, l, "n") / per)
  return math.max(0, math.min(count, ff.limit_number(at, l, "b") - missing))
end

-- Grants up to `count` starts. -1: the quota has no rate.
function ff.take_starts(at, l, count)
  if not l.f.n then return -1 end
  if count == 0 or ff.paused_ms(at, l) > 0 then return 0 end
  count = starts_now(at, l, count)
  if count > 0 then
    local earned = math.max(ff.limit_number(at, l, "t"), at.now_us) + math.ceil(earning(at, l, count))
    ff.put(l, "t", string.format("%d", earned))
  end
  return count
end

-- Takes back `count` of the starts granted at `granted_us`. They are worth what they cost less the time since: what has
-- been earned meanwhile may have been granted again, so the rate is never exceeded. What was granted under an earlier
-- rate cost something else, and is worth nothing.
function ff.return_starts(at, l, count, granted_us)
  if count <= 0 or not l.f.n or granted_us <= ff.limit_number(at, l, "e") then return end
  local worth = math.floor(earning(at, l, count)) - (at.now_us - granted_us)
  if worth > 0 then ff.put(l, "t", string.format("%d", ff.limit_number(at, l, "t") - worth)) end
end

-- When one who was granted no start should ask again: each is given a time of its own, one start apart.
function ff.next_start_ms(at, l)
  local first = ff.limit_number(at, l, "t") - earning(at, l, ff.limit_number(at, l, "b") - 1)
  local ask = math.ceil(math.max(first, at.now_us, ff.limit_number(at, l, "q") + earning(at, l, 1)))
  ff.put(l, "q", string.format("%d", ask))
  return math.max(1, math.ceil((ask - at.now_us) / 1000))
end

-- The others who hold some may have to return what is idle.
local function tell_others(at, l, caller)
  for field in pairs(l.f) do
    local name = string.sub(field, 1, 1) == "@" and string.sub(field, 2)
    local h = name and name ~= caller and ff.holder(at, l, name)
    if h and next(h.amounts) then ff.tell(at, ":w:" .. name, "limit " .. l.id) end
  end
end

-- Whether holders may keep what is idle: until more than half of the slots are taken, and again when no more than a
-- quarter is. The others who hold some are told when that ends.
function ff.note_roomy(at, l, caller)
  local hard, reserved = l.f["h.slots"], ff.limit_number(at, l, "r.slots")
  if not hard or reserved <= ff.limit_number(at, l, "h.slots") / (l.f.k and 4 or 2) then
    ff.put(l, "k", nil)
    return true
  end
  if l.f.k then return false end
  ff.put(l, "k", 1)
  tell_others(at, l, caller)
  return false
end

-- The share of a holder while others have nothing at all.
local function fair_share(at, l, mine, hard)
  if l.waiters == 0 then return -1 end
  local waiting = redis.call("ZRANGE", at.tag .. ":" .. l.id .. ":w", 0, 63)
  local starving = 0
  for i = 1, #waiting do
    local h = ff.holder(at, l, waiting[i])
    if h and not next(h.amounts) then starving = starving + 1 end
  end
  if starving == 0 then return -1 end
  local share = math.floor(hard / (ff.count_holders(at, l) + starving))
  return share < mine and share or -1
end

-- How many slots a holder should keep of the `mine` it has; -1: as it likes. Of a limit that was lowered so many that,
-- with what the others have now, it is not exceeded: so nobody begins anything before enough has ended.
function ff.slots_to_keep(at, l, mine)
  if mine == 0 then return -1 end
  if ff.paused_ms(at, l) > 0 then return 0 end
  if not l.f["h.slots"] then return -1 end
  local hard, reserved = ff.limit_number(at, l, "h.slots"), ff.limit_number(at, l, "r.slots")
  if reserved > hard then return math.max(0, mine - (reserved - hard)) end
  return fair_share(at, l, mine, hard)
end
