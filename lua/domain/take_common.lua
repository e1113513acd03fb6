-- A claim from the common line: what waits there needs nothing but allowances, these or those, and its entry says
-- which. Many are looked at by one command; those that the caller has an allowance for are read by another one and
-- taken, of the others it is told.

local spare, page, passed_max, sorted_max = 4, 64, 256, 64
local told_at_least = 8 -- Whatever lines before it have told.

-- What an entry needs an allowance for: its requirements stand behind the ULID.
local function charged_by(lane, text)
  return lane.cap and ff.charged(lane, text) or text
end

-- Notes one that the caller has no allowance for: the first of its kind is told, and how many were seen at the end.
local function lacks(at, line, c, charged, rank)
  local slot = line.slots[charged]
  if slot then
    line.seen[charged] = (line.seen[charged] or 1) + 1
    return
  end
  if line.told >= told_at_least and not ff.has_place(c, charged) then return end
  slot = #c.lacking + 1
  if line.told == 0 then ff.meet_lacking(at, c, line.queue, ff.common_line, rank) end
  c.lacking[slot], line.slots[charged], line.told = "1 " .. charged, slot, line.told + 1
end

local function tell_counts(line, c)
  for charged, count in pairs(line.seen) do c.lacking[line.slots[charged]] = count .. " " .. charged end
end

-- Plans that the entry at `place` of the line leaves it: those at its beginning go by one short command.
local function leave(at, line, place, ulid, text)
  if line.gone == place - 1 then line.gone = place else ff.remove(at, line.index, ulid .. text) end
end

-- What the caller can get no allowance for goes where it is in nobody's way.
local function sort_out(at, line, place, ulid, text, rank)
  local class = ff.requirements(text)
  local index = ff.queue_index(line.queue) .. "|" .. class.class
  redis.call("ZCARD", at.tag .. index) -- Raises if it is no sorted set: it is written without being read.
  line.sorted = line.sorted + 1
  leave(at, line, place, ulid, text)
  ff.add(at, index, ulid, rank)
  ff.add(at, line.waiting, ulid, rank)
  ff.open_line(at, line.queue, class.class, class, rank)
  if not line.lane.lines[class.class] then
    line.lane.lines_read = 0
    ff.forget_lane(at, line.queue)
  end
end

local function stays(line, rank)
  line.stays = math.min(line.stays or rank, rank)
end

-- What was chosen of a page: made once, see plan.lua.
local ulids, keys, places, ranks, texts = {}, {}, {}, {}, {}

-- Chooses up to `room` of a page of the line, as far as `limit` (a rank). Returns how many, and whether it stopped
-- before the end of the page. line.next: rank of the first entry not looked at, or a lower one; line.more: whether some
-- were seen that could be taken if there were room.
local function choose(at, line, c, heads, room, limit)
  local allowed, lane, base, count, looked = c.allowed, line.lane, at.tag .. ":e:", 0, line.looked
  local full = line.passed >= passed_max or line.sorted >= sorted_max
  for i = 1, #heads, 2 do
    local entry, rank = heads[i], tonumber(heads[i + 1])
    line.next = rank
    if rank > limit or full then return count, true end
    local text = string.sub(entry, 27)
    local charged = charged_by(lane, text)
    local left = allowed[charged] or 0
    looked = looked + 1
    line.looked = looked
    if left > 0 and count < room then
      local ulid = string.sub(entry, 1, 26)
      allowed[charged], count = left - 1, count + 1
      ulids[count], keys[count], places[count], ranks[count], texts[count] = ulid, base .. ulid, looked, rank, text
    elseif left > 0 then
      line.more = true
      stays(line, rank)
    else
      line.passed = line.passed + 1
      if c.refused[charged] then
        sort_out(at, line, looked, string.sub(entry, 1, 26), text, rank)
      else
        stays(line, rank)
        lacks(at, line, c, charged, rank)
      end
      full = line.passed >= passed_max or line.sorted >= sorted_max
    end
  end
  return count, false
end

-- One that was chosen is not taken.
local function give_back(c, charged)
  c.allowed[charged] = c.allowed[charged] + 1
end

-- Reads a ready execution behind its entry, and what ff.prepare makes ready; nil: there is none.
local function fetch(at, line, c, text, ulid, stored)
  if c.taken and c.taken[ulid] then return nil end
  local core = ff.load(at, ulid, stored)
  if not core or core.s ~= "ready" or core.q ~= line.queue or core.rq ~= text or core.fk then return nil end
  return core, ff.prepare(at, ulid, core, c)
end

-- Plans the claim of the `count` that were chosen. An entry without anything behind it goes, what can't be read is put
-- off. Returns how many it took.
local function take_chosen(at, line, c, count, rows)
  local cores, lane, taken = redis.call("MGET", unpack(keys, 1, count)), line.lane, 0
  for k = 1, count do
    local ulid, rank, text = ulids[k], ranks[k], texts[k]
    local charged = charged_by(lane, text)
    if c.bytes >= ff.answer_bytes_max then
      give_back(c, charged)
      line.more = true
      stays(line, rank)
    else
      local readable, core, payload, policy, tags, resumption = pcall(fetch, at, line, c, text, ulid, cores[k])
      leave(at, line, places[k], ulid, text)
      if readable and core then
        ff.hand_over(at, ulid, core, c, lane, rank, charged, rows, payload, policy, tags, resumption)
        if lane.line_count > 1 then ff.note_taken(c, ulid) end
        taken = taken + 1
      else
        give_back(c, charged)
        if not readable then ff.set_aside(at, ":delayed", ulid, core) end
      end
    end
  end
  return taken
end

-- Tells of what comes next, so that the caller can bring allowances for that.
local function look_ahead(at, line, c, count)
  local entries = redis.call("ZRANGE", at.tag .. line.index, line.looked, line.looked + count - 1)
  for i = 1, #entries do
    local charged = charged_by(line.lane, string.sub(entries[i], 27))
    if (c.allowed[charged] or 0) > 0 then
      line.more = true
    elseif not c.refused[charged] then
      lacks(at, line, c, charged, line.next)
    end
  end
end

local in_vain_max, in_vain_ms = 32, 1000

-- Whether another claim may sort out what is in the way: when the caller has more refusals than it brought. Not for
-- ever: what it lacks need not be refused, it may be asked for; and what a cap refuses is never sorted out.
local function may_sort_next(at, line, c)
  local lane = line.lane
  if not c.more_refused or lane.cap then return false end
  if at.now - lane.vain_since >= in_vain_ms then lane.vain_since, lane.in_vain = at.now, 0 end
  lane.in_vain = lane.in_vain + 1
  return lane.in_vain <= in_vain_max
end

-- Claims up to `room` from the line, as far as `limit` (a rank). Returns how many; line.rank: of the first that was not
-- looked at or a lower one, nil: all were, or as many as one claim passes over.
function ff.take_common(at, line, c, room, limit, rows)
  local taken, begun = 0, line.looked
  local stopped, useless
  repeat
    -- A search goes in growing steps.
    local count = math.min(math.max(room - taken + spare, line.looked - begun), page)
    local told, sorted, first = #c.lacking, line.sorted, line.looked
    local heads = redis.call("ZRANGE", at.tag .. line.index, first, first + count - 1, "WITHSCORES")
    local some
    some, stopped = choose(at, line, c, heads, room - taken, limit)
    if some > 0 then taken = taken + take_chosen(at, line, c, some, rows) end
    if not stopped and #heads < 2 * count then line.next = nil end
    -- Most likely, all that follows is the same.
    useless = some == 0 and #c.lacking == told and line.sorted == sorted and not ff.may_meet(c)
  until stopped or useless or not line.next or taken == room or c.bytes >= ff.answer_bytes_max
  if line.next and not stopped and taken == room and #c.lacking < c.lacking_max then
    look_ahead(at, line, c, math.min(room, page))
  end
  tell_counts(line, c)
  if line.next and taken < room and (line.sorted > 0 or may_sort_next(at, line, c)) then c.go_on = true end
  local ended = line.passed >= passed_max or line.sorted >= sorted_max
  line.rank = (taken == room or stopped and not ended) and line.next or nil
  return taken
end

-- What a claim leaves of the line. Returns in how many lines there is more for the caller: here, 1 or 0.
function ff.settle_common(at, line)
  if line.gone > 0 then ff.remove_first(at, line.index, line.gone) end
  local first = line.stays or line.next
  if not first then
    ff.remove_last(at, ":open:" .. line.queue, line.name)
  elseif line.lane.line_count > 1 and first ~= line.opened then
    ff.add(at, ":open:" .. line.queue, line.name, first)
  end
  return line.more and 1 or 0
end
