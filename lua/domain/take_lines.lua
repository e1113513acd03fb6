-- A claim from a lane that has several lines: the best of those the worker can take, whichever line it waits in.

local page, fits_max = 64, 1024

-- Whether a worker with these capabilities may take from a line, and whether it must leave what prefers another.
-- Remembered until the lines change: matching costs nothing for a set that was seen before.
local function fit(lane, set, name)
  local fits = lane.fits[set.text]
  if not fits then
    if lane.fit_count >= fits_max then lane.fits, lane.fit_count = {}, 0 end
    fits, lane.fit_count = {}, lane.fit_count + 1
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

-- How many lines a claim tells of that it has no allowance for.
local function lacking_max(c)
  return math.max(16, math.min(c.want, 64))
end

-- The caller knows now that there is work, and comes back with an allowance: nobody else need be woken for it.
local function tell_lacking(at, c, queue, name, waiting, requirements)
  ff.remove(at, ":handoffs", ff.handoff(queue, name))
  c.lacking[#c.lacking + 1] = string.format("%d ", waiting) .. requirements
end

local function note_lacking(at, c, queue, name, requirements, gone)
  local waiting = #c.lacking < lacking_max(c) and ff.line_length(at, queue, name) or 0
  if waiting > 0 then tell_lacking(at, c, queue, name, math.max(1, waiting - gone), requirements) end
end

-- The allowances of a claim, by their requirements.
local function read_allowances(c)
  if c.allowed then return end
  c.allowed, c.lacking = {}, {}
  for i = 1, c.allowances and #c.allowances or 0 do
    local count, text = string.match(c.allowances[i], "^(%d+) (.*)$")
    if count then c.allowed[text] = (c.allowed[text] or 0) + tonumber(count) end
  end
end

-- How many of the line the caller may take; notes what it has no allowance for.
local function allowed(at, c, own, name, required)
  if not required.limited and not own.lane.cap then return math.huge end
  local text = ff.charged(own.lane, required.text)
  local count = c.allowed[text] or 0
  if count == 0 then note_lacking(at, c, own.queue, name, text, 0) end
  return count
end

-- A line as this call sees it. What never changes of it is kept in memory.
local function view(own, name, rank, fits)
  local line = own.lane.views[name]
  if not line then
    local required = own.lane.lines[name]
    local text = ff.charged(own.lane, required.text)
    line = {
      queue = own.queue, lane = own.lane, name = name, requires = text, rq = required.field,
      limited = (required.limited or own.lane.cap) and text, fair = string.sub(name, -1) == "|",
      index = ff.queue_index(own.queue) .. "|" .. name, waiting = ":waiting:" .. own.queue,
      rank = rank, opened = rank, gone = 0, patient = fits.patient, waits = false, touched = false,
    }
    own.lane.views[name] = line
  end
  line.rank, line.opened, line.gone, line.patient, line.waits, line.touched = rank, rank, 0, fits.patient, false, false
  return line
end

-- Adds a line if the caller may take from it.
local function add_line(at, own, c, lines, name, rank)
  local required = own.lane.lines[name]
  local fits = required and fit(own.lane, own.set, name)
  local room = fits and allowed(at, c, own, name, required) or 0
  if room > 0 then lines[#lines + 1] = view(own, name, rank, fits) end
end

-- Adds the next open lines that the caller may take from, best first. lines.seen: how many were looked at; lines.all:
-- there are no more. Where there is only one, it is looked at itself.
local function add_lines(at, own, c, lines)
  if own.lane.line_count == 1 then
    add_line(at, own, c, lines, next(own.lane.lines), 0)
    lines.all = true
    return
  end
  local open = redis.call("ZRANGE", at.tag .. ":open:" .. own.queue, lines.seen, lines.seen + page - 1, "WITHSCORES")
  for i = 1, #open, 2 do add_line(at, own, c, lines, open[i], tonumber(open[i + 1])) end
  lines.seen, lines.all = lines.seen + page, #open < 2 * page
end

-- The class of lines that an allowance is for; nil: it is for another lane.
local function class_of(lane, text)
  if not lane.cap then return ff.requirements(text).class end
  if text == lane.cap then return "" end
  if string.sub(text, 1, #lane.cap + 1) ~= lane.cap .. " " then return nil end
  return ff.requirements(string.sub(text, #lane.cap + 2)).class
end

-- Where all lines are limited and there are many, those that the caller has allowances for are found by their names,
-- whatever stands before them.
local function add_allowed(at, own, c, lines)
  local lane, names = own.lane, {}
  for text, count in pairs(c.allowed) do
    local class = count > 0 and class_of(lane, text)
    if class and lane.lines[class] then names[#names + 1] = class end
    if class and lane.lines[class .. "|"] then names[#names + 1] = class .. "|" end
  end
  if #names == 0 then return end
  local ranks = redis.call("ZMSCORE", at.tag .. ":open:" .. own.queue, unpack(names))
  for i = 1, #names do
    local fits = ranks[i] and fit(lane, own.set, names[i])
    if fits then lines[#lines + 1] = view(own, names[i], tonumber(ranks[i]), fits) end
  end
end

-- Then the best of the others are only looked at for what the caller lacks: some of them, or, when it has room for
-- more, as many as can be told. How many wait there is not counted, one at least: a caller with one allowance hears of
-- the others when it has used that.
local function look_for_lacking(at, own, c, lines, more)
  local known, seen = {}, 0
  for i = 1, #lines do known[lines[i].name or ""] = true end
  repeat
    local open = redis.call("ZRANGE", at.tag .. ":open:" .. own.queue, seen, seen + page - 1)
    for i = 1, #open do
      local required = own.lane.lines[open[i]]
      local lacks = required and not known[open[i]] and #c.lacking < lacking_max(c)
      if lacks and fit(own.lane, own.set, open[i]) then
        tell_lacking(at, c, own.queue, open[i], 1, ff.charged(own.lane, required.text))
      end
    end
    seen = seen + page
  until #open < page or not more or #c.lacking >= lacking_max(c)
end

-- Where the next executions of fairness keys will stand: forgotten when that is not before what is served now.
local function settle_keys(at, line)
  local key = at.tag .. ":fair:" .. line.queue .. "|" .. line.name
  if not line.rank then
    line.lane.services[line.index] = nil
    return ff.unlink(at, key) -- Nobody waits: everybody begins anew.
  end
  local service = line.lane.services[line.index]
  if not service or at.now - (service.pruned or 0) < 1000 then return end
  service.pruned = at.now
  redis.call("ZCARD", key) -- Raises if it is no sorted set: it is written without being read.
  ff.write_last(at, { "ZREMRANGEBYSCORE", key, "-inf", string.format("%d", service.tag) })
end

-- The rank in `open` orders lines; where there is only one, it need not follow.
local function settle(at, line)
  if line.gone > 0 then ff.remove_first(at, line.index, line.gone) end
  if line.fair then settle_keys(at, line) end
  if not line.rank then
    ff.remove_last(at, ":open:" .. line.queue, line.name)
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

-- How many of a line the allowances are still for: lines that differ in fairness only share them.
local function room_of(c, line)
  return line.limited and (c.allowed[line.limited] or 0) or math.huge
end

-- The line whose first execution is best, and the rank up to which it stays so.
local function best_of(c, lines)
  local best, limit = nil, math.huge
  for i = 1, #lines do
    local line = lines[i]
    if line.rank and not line.waits and room_of(c, line) > 0 then
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

-- The first of the lane's own line. Where the lane has a cap, it is one of the lines that need an allowance.
local function open_own(at, c, own)
  if own.empty then return end
  own.rank = tonumber(redis.call("ZRANGE", at.tag .. own.index, 0, 0, "WITHSCORES")[2])
  if own.rank and room_of(c, own) == 0 then
    note_lacking(at, c, own.queue, "", own.limited, 0)
    own.rank = nil
  end
end

-- In how many lines there is more that the caller may take; notes what it has used up its allowances for.
local function settle_lines(at, own, c, lines)
  local more = 0
  for i = 1, #lines do
    local line = lines[i]
    if line ~= own and line.touched then settle(at, line) end
    if (line ~= own or own.limited) and line.rank and not line.waits then
      if room_of(c, line) > 0 then
        more = more + 1
      else
        note_lacking(at, c, own.queue, line.name or "", line.limited, line.gone)
      end
    end
  end
  if own.limited then own.rank = nil end -- It is counted.
  return more
end

-- Claims up to `room` from all lines of own.lane that the caller may take from. Returns how many, and in how many lines
-- there is more, its own left out where that is not limited; own.best is the rank of the best of all that is left.
function ff.take_lines(at, own, c, room, rows)
  sweep(at, own)
  read_allowances(c)
  open_own(at, c, own)
  local all_limited = own.limited or own.lane.all_limited
  local lines, by_name = { seen = 0 }, all_limited and own.lane.line_count > page
  if by_name then add_allowed(at, own, c, lines) end
  lines.all = by_name or own.lane.line_count == 0
  while not lines.all and #lines <= room do add_lines(at, own, c, lines) end
  if own.rank then table.insert(lines, 1, own) end
  local taken = 0
  while taken < room and not ff.answer_full(c) do
    local line, limit = best_of(c, lines)
    if line then
      local got = ff.take_queue(at, line, c, math.min(room - taken, room_of(c, line)), limit, rows)
      line.touched, taken = true, taken + got
      if line.limited then c.allowed[line.limited] = c.allowed[line.limited] - got end
    elseif lines.all then
      break
    else
      add_lines(at, own, c, lines) -- Those that were best had nothing behind them.
    end
  end
  if by_name then look_for_lacking(at, own, c, lines, taken < room) end
  local best = best_of(c, lines)
  own.best = best and best.rank
  return taken, settle_lines(at, own, c, lines)
end
