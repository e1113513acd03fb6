-- A claim from a lane that has several lines: the best of those the worker can take, whichever line it waits in.

local short_max, page = 16, 64

-- Whether a worker with these capabilities may take from a line, and whether it must leave what prefers another.
-- Remembered until the lines change: matching costs nothing for a set that was seen before.
local function fit(lane, set, name)
  local fits = lane.fits[set.text]
  if not fits then
    fits = {}
    lane.fits[set.text] = fits
  end
  local found = fits[name]
  if found == nil then
    local required = lane.lines[name]
    found = ff.satisfies_all(set.has, required.needs)
      and { patient = not ff.satisfies_all(set.has, required.prefers) }
    fits[name] = found
  end
  return found
end

-- The caller knows now that there is work, and comes back with an allowance: nobody else need be woken for it.
local function note_short(at, c, queue, name, required)
  if #c.short == short_max then return end
  ff.remove(at, ":handoffs", queue .. "|" .. name)
  c.short[#c.short + 1] = string.format("%d ", ff.line_length(at, queue, name)) .. required.text
end

-- How many of the line the caller may take; notes what it has no allowance for.
local function allowed(at, c, queue, name, required)
  if not required.limited then return math.huge end
  if not c.allowed then
    c.allowed = {}
    for i = 1, #c.allowances do
      local count, text = string.match(c.allowances[i], "^(%d+) (.*)$")
      if count then c.allowed[text] = (c.allowed[text] or 0) + tonumber(count) end
    end
  end
  local count = c.allowed[required.text] or 0
  if count == 0 then note_short(at, c, queue, name, required) end
  return count
end

-- The open lines the caller may take from, best first: as many as can matter for `room`.
local function open_lines(at, own, c, room)
  local lane, queue, lines, from = own.lane, own.queue, {}, 0
  repeat
    local open = redis.call("ZRANGE", at.tag .. ":open:" .. queue, from, from + page - 1, "WITHSCORES")
    for i = 1, #open, 2 do
      local name = open[i]
      local required = lane.lines[name]
      local fits = required and fit(lane, c.set, name)
      local count = fits and allowed(at, c, queue, name, required) or 0
      if count > 0 then
        local fair = string.sub(name, -1) == "|"
        lines[#lines + 1] = {
          queue = queue, lane = lane, name = name, rank = tonumber(open[i + 1]), opened = tonumber(open[i + 1]), gone = 0,
          room = count, patient = fits.patient, fair = fair, line = queue .. "|" .. required.class,
          index = ":q:" .. queue .. "|" .. required.class,
        }
      end
    end
    from = from + page
  until #lines > room or #open < 2 * page
  return lines
end

-- The keys of a line with fairness keys in the order they are served: no more of them can matter for `room`. Those that
-- were served go from `fresh` on to `again`.
local function load_keys(at, line, room)
  local flat = redis.call("ZRANGE", at.tag .. ":fair:" .. line.line, 0, room, "WITHSCORES")
  line.keys, line.again, line.fresh, line.all_known = {}, {}, 1, #flat <= 2 * room
  for i = 1, #flat, 2 do
    line.keys[#line.keys + 1] = { key = flat[i], score = tonumber(flat[i + 1]), skip = 0 }
  end
end

local function lowest(line)
  local best = line.keys[line.fresh]
  for i = 1, #line.again do
    local entry = line.again[i]
    if not entry.empty and (not best or entry.score < best.score) then best = entry end
  end
  return best
end

-- The key that is served next, with its first two executions and their ranks in entry.heads.
local function next_key(at, line)
  local best = lowest(line)
  while best and not best.heads do
    best.heads = redis.call("ZRANGE", at.tag .. line.index .. "|" .. best.key, best.skip, best.skip + 1, "WITHSCORES")
    if best.heads[1] then break end
    best.empty = true -- An entry too many.
    if best == line.keys[line.fresh] then line.fresh = line.fresh + 1 end
    best = lowest(line)
  end
  line.stuck = not best and not line.all_known -- Only keys without anything behind them: the next call goes on.
  return best
end

-- The priority of what is next for a key. It can be another one only if a step of priority lies between the two.
local function base_of_next(at, lane, core, heads)
  if heads[4] - heads[2] < lane.step then return ff.split_score(lane, core, 0) end
  local priority = tonumber(redis.call("HGET", at.tag .. ":e:" .. heads[3], "p") or 0) or 0
  return ff.split_score(lane, { p = priority }, 0)
end

-- Takes the first execution of a key. Returns whether there was one.
local function serve(at, line, c, entry, rows)
  local index, heads = line.index, entry.heads
  line.index = index .. "|" .. entry.key
  local core = ff.take_one(at, line, c, heads[1], tonumber(heads[2]), rows)
  line.index = index
  if line.waits then return false end
  entry.skip, entry.heads, entry.empty, entry.touched = entry.skip + 1, nil, not heads[3], true
  if entry == line.keys[line.fresh] then
    line.fresh = line.fresh + 1
    if not entry.empty then line.again[#line.again + 1] = entry end
  end
  if not core then return false end
  local base, tag = ff.split_score(line.lane, core, entry.score)
  ff.note_service(at, line.lane, line.line, tag)
  entry.ends = tag + math.max(1, math.floor(1000 / tonumber(core.fw or 1)))
  if heads[3] then base = base_of_next(at, line.lane, core, heads) end
  entry.score = base + entry.ends
  return true
end

local function take_fair(at, line, c, room, limit, rows)
  if not line.keys then load_keys(at, line, room) end
  local taken = 0
  while true do
    local entry = next_key(at, line)
    if line.stuck then return taken end
    line.rank = entry and tonumber(entry.heads[2])
    if not entry or line.rank > limit or taken == room or ff.answer_full(c) then return taken end
    if serve(at, line, c, entry, rows) then taken = taken + 1 end
    if line.waits then return taken end
  end
end

-- Plans where the keys of a line stand now.
local function settle_keys(at, line)
  local fair, served = ":fair:" .. line.line, ":served:" .. line.line
  local left, idle = not line.all_known, false
  for i = 1, #line.keys do
    local entry = line.keys[i]
    if entry.skip > 0 then ff.remove_first(at, line.index .. "|" .. entry.key, entry.skip) end
    left = left or not entry.empty
    if entry.empty then
      ff.remove(at, fair, entry.key)
      if entry.ends then ff.add(at, served, entry.key, entry.ends) end
      idle = true
    elseif entry.touched then
      ff.add(at, fair, entry.key, entry.score)
    end
  end
  if not left then
    ff.unlink(at, at.tag .. served) -- Nobody waits: everybody begins anew.
    ff.forget_service(line.lane, line.line)
  elseif idle then
    local now = ff.service(at, line.lane, line.line)
    ff.write_last(at, { "ZREMRANGEBYSCORE", at.tag .. served, "-inf", string.format("(%d", now) })
  end
end

-- The rank in `open` must not be above the true one. Where no other line is compared with it, it may be below.
local function settle(at, line)
  if line.keys then settle_keys(at, line) end
  if line.gone > 0 then ff.remove_first(at, line.index, line.gone) end
  if not line.rank then
    ff.remove(at, ":open:" .. line.queue, line.name)
  elseif line.lane.line_count > 1 or line.rank < line.opened then
    ff.add(at, ":open:" .. line.queue, line.name, line.rank)
  end
end

local sweep_every_ms, forget_ms = 60000, 600000

-- What a line requires is forgotten when it has been empty for ten minutes; its next execution brings it again.
local function sweep(at, own)
  local lane = own.lane
  if at.now - (lane.swept or 0) < sweep_every_ms then return end
  lane.swept = at.now
  for name in pairs(lane.lines) do
    local open = redis.call("ZSCORE", at.tag .. ":open:" .. own.queue, name)
    local since = not open and (lane.idle_since[name] or at.now) or nil
    lane.idle_since[name] = since
    if since and at.now - since >= forget_ms then
      ff.write_last(at, { "HDEL", at.tag .. ":routes:" .. own.queue, name })
      lane.idle_since[name] = nil
      ff.forget_lane(at, own.queue)
    end
  end
end

-- The line whose first execution is best, and the rank up to which it stays so.
local function best_of(lines)
  local best, limit = nil, math.huge
  for i = 1, #lines do
    local line = lines[i]
    if line.rank and not line.waits and not line.stuck and line.room > 0 then
      if not best or line.rank < best.rank then
        if best then limit = math.min(limit, best.rank) end
        best = line
      else
        limit = math.min(limit, line.rank)
      end
    end
  end
  return best, limit
end

-- Claims up to `room` from all lines of own.lane that the caller may take from. Returns how many, and in how many lines
-- beside its own there is more; own.best is the rank of the best of all that is left.
function ff.take_lines(at, own, c, room, rows)
  sweep(at, own)
  local lines = open_lines(at, own, c, room)
  local head = redis.call("ZRANGE", at.tag .. own.index, 0, 0, "WITHSCORES")
  own.rank, own.room = tonumber(head[2]), math.huge
  lines[#lines + 1] = own
  local taken = 0
  while taken < room do
    local line, limit = best_of(lines)
    if not line then break end
    local take = line.fair and take_fair or ff.take_queue
    local got = take(at, line, c, math.min(room - taken, line.room), limit, rows)
    line.room, line.touched, taken = line.room - got, true, taken + got
    if ff.answer_full(c) then break end
  end
  local more, best = 0, best_of(lines)
  own.best = best and best.rank
  for i = 1, #lines - 1 do
    if lines[i].touched then settle(at, lines[i]) end
    local line = lines[i]
    if line.rank and not line.waits then
      if line.room > 0 then more = more + 1 else note_short(at, c, own.queue, line.name, own.lane.lines[line.name]) end
    end
  end
  return taken, more
end
