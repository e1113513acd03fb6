-- Lines: where ready executions wait that require something or have a fairness key. Executions with the same
-- requirements wait in one line, so a claim never looks at one it cannot take. A line's name is the digest of its
-- requirements (its class), followed by | if its executions have fairness keys.
--
-- What needs nothing but allowances waits in the common line, whatever they are: a line for each of a thousand tenants
-- would cost a claim five commands for each execution. A claim that meets there what its caller can get no allowance
-- for sorts it out into the line of its class, where it is in nobody's way (ff.take_common). Keys:
--   q:<queue>            the lane's own line, of plain executions
--   q:<queue>|*          the common line; its entries are <ulid><requirements>
--   q:<queue>|<name>     any other one, by rank; with fairness keys in the order in which they are served
--   fair:<queue>|<name>  where the next execution of each fairness key and priority will stand in that order
--   open:<queue>         lines that have something waiting, by the rank of their first (or a lower one)
--   routes:<queue>       what each line requires
--   waiting:<queue>      all that wait in the other ones, by rank
local known, known_count = {}, 0

local in_core_max = 64 -- Bytes; longer ones are a satellite.
ff.common_line, ff.common_text = "*", "#*" -- Its name, and what it has for requirements: some allowance.

function ff.common_index(queue)
  return ff.queue_index(queue) .. "|" .. ff.common_line
end

-- "+cuda>=12 ~ssd #tenant:acme", ready to be asked, with what the core has of it (field). Kept in memory: a lane has
-- few different ones.
function ff.requirements(text)
  local found = known[text]
  if found then return found end
  if known_count >= 4096 then known, known_count = {}, 0 end
  found = { text = text, needs = {}, prefers = {}, limited = false,
            class = text ~= "" and string.sub(redis.sha1hex(text), 1, 16) or "" }
  for term in string.gmatch(text, "%S+") do
    local kind, rest = string.sub(term, 1, 1), string.sub(term, 2)
    if kind == "+" then
      table.insert(found.needs, rest)
    elseif kind == "~" then
      table.insert(found.prefers, rest)
    else
      found.limited = true
    end
  end
  if text ~= "" then found.field = #text <= in_core_max and text or "@" .. found.class end
  found.common = found.limited and not found.needs[1] and not found.prefers[1] and #text <= in_core_max
  known[text], known_count = found, known_count + 1
  return found
end

-- What an execution requires: in the core when it is short, else in a satellite and its class in the core.
function ff.requirements_of(at, ulid, core)
  if at.required and at.required[ulid] then return at.required[ulid] end -- A submit: its satellite is only planned.
  local text = core.rq or ""
  if string.sub(text, 1, 1) == "@" then
    text = redis.call("GET", ff.key(at, ulid, "n"))
    if not text then ff.corrupt(ff.key(at, ulid, "n")) end
  end
  return ff.requirements(text)
end

-- What a claim needs an allowance for, and hands over as the requirements: those of the execution and, where its lane
-- has a concurrency cap, the cap's quota before them. It is no part of the execution: a cap holds for all that waits.
function ff.charged(lane, text)
  if not lane.cap then return text end
  return text == "" and lane.cap or lane.cap .. " " .. text
end

-- What a core requires, nil when that is not in the core.
local function in_core(core)
  local text = core.rq or ""
  return string.byte(text) ~= 64 and ff.requirements(text) or nil
end

-- Index in which an execution waits when it is ready, unless it was sorted out of the common line.
function ff.line_index(core)
  local index = ff.queue_index(core.q)
  if not core.rq and not core.fk then return index end
  local required = in_core(core)
  if required and required.common and not core.fk then return ff.common_index(core.q) end
  return index .. "|" .. (required and required.class or string.sub(core.rq, 2)) .. (core.fk and "|" or "")
end

-- Index in which it waits when it was; nil: it never is.
function ff.sorted_index(core)
  local required = core.rq and not core.fk and in_core(core)
  return required and required.common and ff.queue_index(core.q) .. "|" .. required.class or nil
end

-- Its entry in ff.line_index.
function ff.line_entry(ulid, core)
  return core.rq and ff.sorted_index(core) and ulid .. core.rq or ulid
end

-- Plans that it leaves ff.sorted_index, and what else it may be in when it was sorted out. Whether it can have been.
local function leave_sorted(at, ulid, core)
  local index = ff.sorted_index(core)
  if not index then return false end
  redis.call("ZCARD", at.tag .. index) -- Raises if it is no sorted set: it is written without being read.
  ff.remove(at, ":waiting:" .. core.q, ulid)
  ff.remove(at, index, ulid)
  return true
end

-- How many are before it in its line, nil when it is in none.
function ff.place_in_line(at, ulid, core)
  local place = redis.call("ZRANK", at.tag .. ff.line_index(core), ff.line_entry(ulid, core))
  local sorted = ff.sorted_index(core)
  return place or sorted and redis.call("ZRANK", at.tag .. sorted, ulid) or nil
end

-- The rank of a ready execution, nil when it stands nowhere.
function ff.stored_rank(at, ulid, core)
  local plain, common = not core.rq and not core.fk, ff.sorted_index(core)
  local rank = (plain or common) and redis.call("ZSCORE", at.tag .. ff.line_index(core), ff.line_entry(ulid, core))
  return tonumber(rank or not plain and redis.call("ZSCORE", at.tag .. ":waiting:" .. core.q, ulid) or nil)
end

-- Start-time fair queueing: an execution with a fairness key gets a start tag when it begins to wait: where the one
-- before it with the same key and priority ends, but not before what is served now. It ends a second / weight after
-- its tag, and the lowest tag is served first. A step of priority is worth lane.step of it, so the wait of lower ones
-- is bounded as it is among plain executions, but counted in services. The score is the sum of the priority's base
-- (ff.base_of) and the tag.
function ff.tag_of(lane, priority, score)
  return math.max(0, score - ff.base_of(lane, priority))
end

-- The tag that a line serves now. It is remembered and not stored: a node that does not know it takes that of the first
-- one that waits.
function ff.service(at, lane, index)
  local service = lane.services[index]
  if service and at.now - service.at < 60000 then return service.tag end
  local first, tag = redis.call("ZRANGE", at.tag .. index, 0, 0, "WITHSCORES"), 0
  if first[1] then
    local readable, core = pcall(ff.load, at, first[1])
    tag = ff.tag_of(lane, readable and core and core.p or 0, tonumber(first[2]))
  end
  lane.services[index] = { tag = tag, at = at.now }
  return tag
end

-- Executions of a line with fairness keys are served now, `tag` is the highest of theirs.
function ff.note_service(at, line, tag)
  local services, index = line.lane.services, line.index
  local service = services[index]
  if not service then
    services[index] = { tag = tag, at = at.now }
  else
    service.tag, service.at = math.max(service.tag, tag), at.now
  end
end

local tag_max = 549755813887 -- 2^39 - 1: what one step of priority has room for where priority always wins.

-- The score of an execution in a line with fairness keys. `front`: before those of its priority that wait.
local function fair_score(at, lane, core, index, line, front)
  local priority = core.p or 0
  local base, now = ff.base_of(lane, priority), ff.service(at, lane, index)
  if front then return base + now end
  local member = core.fk .. "/" .. string.format("%d", priority)
  local ends = at.ends or {}
  at.ends = ends
  local stands = ends[line .. member] or tonumber(redis.call("ZSCORE", at.tag .. ":fair:" .. line, member) or 0)
  local tag = math.max(stands, now)
  ends[line .. member] = math.min(tag_max, tag + math.max(1, math.floor(1000 / (core.fw or 1))))
  ff.add(at, ":fair:" .. line, member, ends[line .. member])
  return base + tag
end

-- Notes what a line requires, and that it has something waiting from `rank` on. Once for all of a call.
function ff.open_line(at, queue, name, required, rank)
  local opened = at.opened or {}
  at.opened = opened
  local line = queue .. "|" .. name
  local command = opened[line]
  if command then
    command[4] = math.min(command[4], rank)
    return
  end
  opened[line] = { "ZADD", at.tag .. ":open:" .. queue, "LT", rank, name }
  ff.write(at, { "HSET", at.tag .. ":routes:" .. queue, name, required.text })
  ff.write(at, opened[line])
end

-- Of a call, most become ready at one time with one priority.
local function rank_of(lane, core, ms)
  local priority = core.p or 0
  if not ms then return ff.rank(lane, priority, nil, core.c) end
  if lane.ranked_ms ~= ms or lane.ranked_priority ~= priority then
    lane.ranked_ms, lane.ranked_priority, lane.last_rank = ms, priority, ff.rank(lane, priority, ms, core.c)
  end
  return lane.last_rank
end

-- The name of the line and what it requires.
local function line_of(at, ulid, core)
  local required = ff.requirements_of(at, ulid, core)
  if required.common and not core.fk then return ff.common_line, ff.requirements(ff.common_text) end
  return required.class .. (core.fk and "|" or ""), required
end

local function enter_line(at, lane, ulid, core, ms)
  local index, rank, name, required = ff.line_index(core), rank_of(lane, core, ms), line_of(at, ulid, core)
  if lane.line_count == 0 then ff.check_lines(at, core.q) end
  if not (at.opened and at.opened[core.q .. "|" .. name]) then
    redis.call("ZCARD", at.tag .. index) -- Raises if it is no sorted set: it is written without being read.
  end
  local score = core.fk and fair_score(at, lane, core, index, core.q .. "|" .. name, not ms) or rank
  ff.add(at, index, ff.line_entry(ulid, core), score)
  if name ~= ff.common_line then ff.add(at, ":waiting:" .. core.q, ulid, rank) end
  ff.open_line(at, core.q, name, required, rank)
  if not lane.lines[name] then
    lane.lines_read = 0
    ff.forget_lane(at, core.q)
  end
  return name, required
end

local function place_in_own(at, lane, ulid, core, ms)
  lane.own.empty = false
  ff.add(at, lane.own.index, ulid, rank_of(lane, core, ms))
end

-- Moves a ready execution to where it stands by `ms` (nil: at the front of its priority).
function ff.place(at, ulid, core, ms)
  local lane = ff.lane(at, core.q)
  if not core.rq and not core.fk then return place_in_own(at, lane, ulid, core, ms) end
  leave_sorted(at, ulid, core)
  enter_line(at, lane, ulid, core, ms)
end

-- Puts an execution that becomes ready into its line, and wakes a worker for it.
function ff.enqueue(at, ulid, core, ms)
  local lane, last = ff.lane(at, core.q), core.l and ff.last_worker(at, ulid, core)
  if not core.rq and not core.fk then
    place_in_own(at, lane, ulid, core, ms)
    return ff.offer(at, core.q, "", 1, last)
  end
  local name, required = enter_line(at, lane, ulid, core, ms)
  ff.offer(at, core.q, name, 1, last, required)
end

-- Plans that a ready execution leaves its line. What becomes empty is found so by a claim.
function ff.dequeue(at, ulid, core)
  ff.lane(at, core.q)
  local index = ff.line_index(core)
  if core.rq or core.fk then
    redis.call("ZCARD", at.tag .. index)
    -- First: a claim that meets an entry too many in the line drops both.
    if not leave_sorted(at, ulid, core) then ff.remove(at, ":waiting:" .. core.q, ulid) end
  end
  ff.remove(at, index, ff.line_entry(ulid, core))
end
