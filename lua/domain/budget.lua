-- Budgets: ceilings on what executions consume, in dimensions of the user's own.
--   a   parent budget        y   what happens to a running execution that meets the hard limit: fail, suspend
--   c   reset period, as its owner wrote it          z   next reset, ms          i   when the period began, ms
--   f   how many resets after `z` are known; they are in <id>:z, "ms,ms,…", and the caller makes them: time zones are
--       not for Lua

-- Sets the instants of the next resets. Returns whether one of them has passed.
local function schedule(at, l, instants)
  local rest, passed = {}, false
  ff.put(l, "z", nil)
  for i = 1, #instants do
    local instant = tonumber(instants[i])
    if instant <= at.now then
      passed = passed or instant > ff.limit_number(at, l, "i")
      if passed then ff.put(l, "i", instant) end
    elseif not l.f.z then
      ff.put(l, "z", instant)
    else
      rest[#rest + 1] = instants[i]
    end
  end
  ff.put(l, "f", #rest)
  l.later = table.concat(rest, ",") -- Planned by ff.save_limits: a call may get here twice.
  if l.f.z then
    ff.arm_limit(at, "r " .. l.id, l.f.z)
  end
  return passed
end

local function begin_period(l)
  for _, dimension in ipairs(ff.dimensions(l)) do
    if l.f["u." .. dimension] then ff.put(l, "u." .. dimension, 0) end
    if l.f["o." .. dimension] then ff.put(l, "o." .. dimension, 0) end
  end
  l.freed = true
end

-- The next reset is due: what was used is forgotten, what is reserved stays so.
function ff.reset_budget(at, l)
  local instants = { l.f.z }
  local rest = redis.call("GET", at.tag .. ":" .. l.id .. ":z") or ""
  for instant in string.gmatch(rest, "%d+") do instants[#instants + 1] = instant end
  schedule(at, l, instants)
  begin_period(l)
end

function ff.schedule_resets(at, l, instants)
  if schedule(at, l, instants) then begin_period(l) end
end

function ff.resets_in_ms(at, l)
  return l.f.z and math.max(0, ff.limit_number(at, l, "z") - at.now) or -1
end

-- Counts what was used: first what the holder has reserved of it (`covered`), then what the hard limits have room for.
-- What does not fit is written down beside it, and takes the room of what is reserved next. Returns hard when something
-- did not fit, soft from a soft limit on, else ok; and what came out of the reservation.
function ff.count_usage(at, l, holder, used, covered)
  local h, verdict, taken = ff.holder(at, l, holder), "ok", {}
  if h then
    for dimension, amount in pairs(used) do
      local mine = h.amounts[dimension] or 0
      taken[dimension] = math.min(amount, covered[dimension] or 0, mine)
      h.amounts[dimension] = mine - taken[dimension]
    end
    local freed = l.freed
    ff.set_holder(at, l, holder, h)
    l.freed = freed -- It is used now: there is no more room than before.
  end
  for dimension, amount in pairs(used) do
    local unit = { [dimension] = 1 }
    local fits = math.max(ff.room(at, l, unit, taken[dimension] or 0, true), ff.room(at, l, unit, amount))
    local total = ff.limit_number(at, l, "u." .. dimension) + fits
    ff.put(l, "u." .. dimension, total)
    if fits < amount then
      ff.put(l, "o." .. dimension, ff.limit_number(at, l, "o." .. dimension) + amount - fits)
      verdict = "hard"
    elseif verdict == "ok" and l.f["s." .. dimension] and total >= ff.limit_number(at, l, "s." .. dimension) then
      verdict = "soft"
    end
  end
  return verdict, ff.print_amounts(taken)
end
