-- A claim from a lane that has several lines: the best of those the worker can take, whichever line it waits in.

local page, spare, further, fits_max = 64, 4, 8, 1024
local takes, leaves_to_others = { patient = false }, { patient = true }

-- Whether a worker with these capabilities may take from a line, and whether it must leave what prefers another.
-- Remembered with the lane: matching costs nothing for a set that was seen before.
local function fit(lane, set, name, required)
  if not required.needs[1] and not required.prefers[1] then return takes end
  local fits = lane.fits[set.text]
  if not fits then
    if lane.fit_count >= fits_max then lane.fits, lane.fit_count = {}, 0 end
    fits, lane.fit_count = {}, lane.fit_count + 1
    lane.fits[set.text] = fits
  end
  local found = fits[name]
  if found == nil then
    found = ff.satisfies_all(set.has, required.needs)
    if found then found = ff.satisfies_all(set.has, required.prefers) and takes or leaves_to_others end
    fits[name] = found
  end
  return found
end

-- The caller knows now that there is work, and comes back with an allowance: nobody else need be woken for it.
function ff.meet_lacking(at, c, queue, name, rank)
  c.lacking_head = math.min(c.lacking_head or rank, rank)
  if not c.handoffs then c.handoffs = redis.call("ZCARD", at.tag .. ":handoffs") end
  if c.handoffs > 0 then ff.remove(at, ":handoffs", ff.handoff(queue, name)) end
end

local function tell_lacking(at, c, queue, name, waiting, requirements, rank)
  ff.meet_lacking(at, c, queue, name, rank)
  c.lacking[#c.lacking + 1] = waiting .. " " .. requirements
end

-- Whether a caller is told that it has no allowance for something: while there are places, and always when it has used
-- up what it had for it, or it would take that for all there is.
function ff.has_place(c, requirements)
  return #c.lacking < c.lacking_most or c.allowed[requirements]
end

-- rank: of the first that is left in the line; nil: not known.
local function note_lacking(at, c, queue, name, requirements, gone, rank)
  if c.refused[requirements] then return end -- It knows.
  local waiting = ff.has_place(c, requirements) and ff.line_length(at, queue, name) or 0
  if waiting == 0 then return end
  rank = rank or tonumber(redis.call("ZRANGE", at.tag .. ":waiting:" .. queue, 0, 0, "WITHSCORES")[2]) or 0
  tell_lacking(at, c, queue, name, math.max(1, waiting - gone), requirements, rank)
end

local allowance = "(%d+) ([^,]*)" -- An entry of the common line without a text is no execution: it goes when taken.

-- Allowances::kRefusalsPerClaim in ff-scheduler: who brings as many has others, which another claim brings.
local refusals_max = 64

-- The allowances of a claim, by their requirements; what it can get none for (refused, and whether there may be more of
-- it), how many they are (offered), and of how many lines it is told that it has none for (lacking_max).
local function read_allowances(c)
  if c.allowed then return end
  local allowed = {}
  c.allowed, c.refused, c.lacking, c.offered = allowed, {}, {}, 0
  c.lacking_max = math.max(4, math.min(2 * c.want, c.want + 8, 64))
  local refusals = 0
  for count, text in string.gmatch(c.allowances, allowance) do
    c.offered = c.offered + 1
    if count == "0" then c.refused[text], refusals = true, refusals + 1 end
    allowed[text] = (allowed[text] or 0) + count -- A text of digits: Lua adds it.
  end
  c.more_refused = refusals >= refusals_max
  for text in pairs(c.refused) do
    if allowed[text] > 0 then c.refused[text] = nil end
  end
end

-- Whether there is an allowance for what waits in common lines of which nothing was taken yet.
function ff.may_meet(c)
  for count, text in string.gmatch(c.allowances, allowance) do
    count = tonumber(count)
    if count > 0 and c.allowed[text] == count and ff.requirements(text).common then return true end
  end
  return false
end

-- How many of the line the caller may take; notes what it has no allowance for.
local function allowed(at, c, own, name, required, rank)
  if not required.limited and not own.lane.cap then return math.huge end
  local text = ff.charged(own.lane, required.text)
  local count = c.allowed[text] or 0
  if count == 0 then note_lacking(at, c, own.queue, name, text, 0, rank) end
  return count
end

-- How many of a line the allowances are still for: lines that differ in fairness only share them.
local function room_of(c, line)
  return line.limited and (c.allowed[line.limited] or 0) or math.huge
end

-- Whether the caller may take from a line, as far as is known.
local function usable(c, line)
  return line.rank and not line.waits and room_of(c, line) > 0
end

-- The lines of the claim under way: lines[1] … lines[lines.count] are all that were found, order[lines.first] …
-- order[lines.last] those of them with something for the caller, best first, earlier found ones before others that are
-- as good. lines.seen: how many of the open ones were looked at; lines.all: there are no more. The tables are made
-- once, those of the lines (views) too: a claim from thousands of lines would else pay most for tables.
local lines, order, views = {}, {}, {}

local function put_in_order(line)
  local first, i, rank = lines.first, lines.last, line.rank
  while i >= first and (order[i].rank > rank or order[i].rank == rank and order[i].found > line.found) do
    order[i + 1], i = order[i], i - 1
  end
  order[i + 1], lines.last = line, lines.last + 1
end

local function add(line)
  local count = lines.count + 1
  lines[count], lines.count, line.found = line, count, count
  put_in_order(line)
end

-- One of the others as this call sees it.
local function add_view(own, name, rank, patient)
  local lane, i = own.lane, lines.count + 1
  local line, required = views[i], lane.lines[name]
  if not line then
    line = {}
    views[i] = line
  end
  local text = ff.charged(lane, required.text)
  line.queue, line.lane, line.name, line.requires, line.rq = own.queue, lane, name, text, required.field
  line.limited, line.fair = (required.limited or lane.cap) and text, string.sub(name, -1) == "|"
  line.index, line.waiting = own.index .. "|" .. name, ":waiting:" .. own.queue
  line.rank, line.opened, line.gone, line.patient, line.waits, line.touched = rank, rank, 0, patient, false, false
  line.common = name == ff.common_line
  if line.common then
    line.limited, line.looked, line.passed, line.more, line.stays, line.next = nil, 0, 0, false, nil, rank
    line.sorted, line.told, line.slots, line.seen = 0, 0, {}, {}
  end
  add(line)
end

-- The usable line whose first execution is best, and the rank up to which it stays so.
local function best_of(c)
  local first, last = lines.first, lines.last
  while first <= last and not usable(c, order[first]) do first = first + 1 end
  lines.first = first
  if first > last then return nil end
  return order[first], first < last and order[first + 1].rank or math.huge
end

-- What a line requires; nil: that is not stored, also when it is read again, which a claim does once.
local function required_by(at, own, c, name)
  local known = own.lane.lines[name]
  if known or c.read_anew then return known end
  c.read_anew = true
  return ff.lines_anew(at, own)[name]
end

-- Adds a line if the caller may take from it.
local function add_line(at, own, c, name, rank)
  local required = required_by(at, own, c, name)
  if required and name == ff.common_line then return add_view(own, name, rank or 0, false) end
  local fits = required and fit(own.lane, own.set, name, required)
  local room = fits and allowed(at, c, own, name, required, rank) or 0
  if room > 0 then add_view(own, name, rank or 0, fits.patient) end
end

-- Adds the next open lines that the caller may take from, best first. Where there is only one, it is looked at itself.
local function add_lines(at, own, c)
  if own.lane.line_count == 1 then
    add_line(at, own, c, (next(own.lane.lines)))
    lines.all = true
    return
  end
  local open = redis.call("ZRANGE", at.tag .. ":open:" .. own.queue, lines.seen, lines.seen + page - 1, "WITHSCORES")
  for i = 1, #open, 2 do add_line(at, own, c, open[i], tonumber(open[i + 1])) end
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
local function add_allowed(at, own, c)
  local lane, names = own.lane, {}
  if lane.lines[ff.common_line] then names[1] = ff.common_line end
  for text, count in pairs(c.allowed) do
    local class = count > 0 and class_of(lane, text)
    if class and lane.lines[class] then names[#names + 1] = class end
    if class and lane.lines[class .. "|"] then names[#names + 1] = class .. "|" end
  end
  if #names == 0 then return end
  local ranks = redis.call("ZMSCORE", at.tag .. ":open:" .. own.queue, unpack(names))
  for i = 1, #names do
    local fits = ranks[i] and fit(lane, own.set, names[i], lane.lines[names[i]])
    if fits then add_view(own, names[i], tonumber(ranks[i]), fits.patient) end
  end
end

-- What the caller lacks for a line; nil: nothing, or it may not take from it.
local function lacked(at, own, c, name)
  local lane, required = own.lane, name ~= ff.common_line and required_by(at, own, c, name)
  local text = required and (required.limited or lane.cap) and ff.charged(lane, required.text)
  return text and not c.allowed[text] and fit(lane, own.set, name, required) and text or nil
end

-- Then the best of the others are only looked at for what the caller lacks: some of them, or, when it has room for
-- more, as many as can be told. How many wait there is not counted, one is told: a caller with one allowance hears of
-- the others when it has used that, or that there was none.
local function look_for_lacking(at, own, c, more)
  local index, seen, most = at.tag .. ":open:" .. own.queue, 0, c.lacking_most
  local count, first = most + spare + c.offered, nil
  while #c.lacking < most do
    local open = redis.call("ZRANGE", index, seen, seen + count - 1)
    for i = 1, #open do
      local text = lacked(at, own, c, open[i])
      if text then
        if #c.lacking >= most then return end
        first = first or tonumber(redis.call("ZSCORE", index, open[i]))
        tell_lacking(at, c, own.queue, open[i], 1, text, first)
      end
    end
    seen = seen + count
    if #open < count or not more then return end
  end
end

-- Where the places ran out, a few of the lines behind are told of too, others from claim to claim: what a caller cannot
-- get allowances for must not hide for good what it could.
local function look_further(at, own, c)
  local lane, index, told = own.lane, at.tag .. ":open:" .. own.queue, 0
  local first, count = math.max(lane.look_turn, #c.lacking - c.lacking_began), c.offered + further
  local open = redis.call("ZRANGE", index, first, first + count - 1, "WITHSCORES")
  local i = 1
  while i <= #open and told < further do
    local text = lacked(at, own, c, open[i])
    if text then
      tell_lacking(at, c, own.queue, open[i], 1, text, tonumber(open[i + 1]))
      told = told + 1
    end
    i = i + 2
  end
  local ended = i > #open and #open < 2 * count
  lane.look_turn = ended and 0 or first + (i - 1) / 2
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
  if not lane.swept then lane.swept = at.now end
  if at.now - lane.swept < sweep_every_ms then return end
  local names = {}
  lane.swept = at.now
  for name in pairs(lane.lines) do names[#names + 1] = name end
  for first = 1, #names, 1000 do
    local last = math.min(first + 999, #names)
    local open = redis.call("ZMSCORE", at.tag .. ":open:" .. own.queue, unpack(names, first, last))
    for i = 1, #open do
      local name = names[first + i - 1]
      local since = not open[i] and (lane.idle_since[name] or at.now) or nil
      lane.idle_since[name] = since
      if since and at.now - since >= forget_ms then
        local opened = at.opened and at.opened[own.queue .. "|" .. name] -- By this very claim.
        if not opened then ff.write_last(at, { "HDEL", at.tag .. ":routes:" .. own.queue, name }) end
        lane.idle_since[name] = nil
        ff.forget_lane(at, own.queue)
      end
    end
  end
end

-- The first of the lane's own line. Where the lane has a cap, it is one of the lines that need an allowance.
local function open_own(at, c, own)
  if own.empty then return end
  own.rank = tonumber(redis.call("ZRANGE", at.tag .. own.index, 0, 0, "WITHSCORES")[2])
  if own.rank and room_of(c, own) == 0 then
    note_lacking(at, c, own.queue, "", own.limited, 0, own.rank)
    own.rank = nil
  end
end

-- In how many lines there is more that the caller may take; notes what it has used up its allowances for.
local function settle_lines(at, own, c)
  local more = 0
  for i = 1, lines.count do
    local line = lines[i]
    if line.common then
      if line.touched then more = more + ff.settle_common(at, line) end
    elseif line ~= own and line.touched then
      settle(at, line)
    end
    if not line.common and (line ~= own or own.limited) and line.rank and not line.waits then
      if room_of(c, line) > 0 then
        more = more + 1
      else
        note_lacking(at, c, own.queue, line.name or "", line.limited, line.gone, line.rank)
      end
    end
  end
  if own.limited then own.rank = nil end -- It is counted.
  return more
end

-- Claims up to `room` from all lines of own.lane that the caller may take from. Returns how many, and in how many lines
-- there is more, its own left out where that is not limited; own.best is the rank of the best of all that is left.
function ff.take_lines(at, own, c, room, rows)
  read_allowances(c)
  -- What one lane tells leaves some places to the next one.
  c.lacking_began, c.lacking_most = #c.lacking, math.max(c.lacking_max, #c.lacking + spare)
  open_own(at, c, own)
  local all_limited = own.limited or own.lane.all_limited
  local by_name = all_limited and own.lane.line_count > page
  local taken = 0
  lines.count, lines.first, lines.last, lines.seen = 0, 1, 0, 0
  if own.rank then add(own) end
  local enough = lines.count + room
  if by_name then add_allowed(at, own, c) end
  lines.all = by_name or own.lane.line_count == 0
  while not lines.all and lines.count <= enough do add_lines(at, own, c) end
  while taken < room and c.bytes < ff.answer_bytes_max do
    local line, limit = best_of(c)
    if line then
      local take = line.common and ff.take_common or ff.take_queue
      local got = take(at, line, c, math.min(room - taken, room_of(c, line)), limit, rows)
      line.touched, taken, lines.first = true, taken + got, lines.first + 1
      if line.limited then c.allowed[line.limited] = c.allowed[line.limited] - got end
      if usable(c, line) then put_in_order(line) end
    elseif lines.all then
      break
    else
      add_lines(at, own, c) -- Those that were best had nothing behind them.
    end
  end
  if by_name then look_for_lacking(at, own, c, taken < room) end
  if own.lane.line_count > page and #c.lacking >= c.lacking_most then look_further(at, own, c) end
  local best = best_of(c)
  own.best = best and best.rank
  sweep(at, own)
  return taken, settle_lines(at, own, c)
end
