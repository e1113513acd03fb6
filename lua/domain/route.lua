-- Lines: where ready executions wait that require something or have a fairness key. Executions with the same
-- requirements wait in one line, so a claim never looks at one it cannot take. Names of a line's keys:
--   q:<queue>                       the lane's own line, of plain executions
--   q:<queue>|<class>               a line of one class: the digest of its requirements
--   q:<queue>|<class>|<key>         a line with fairness keys (its name ends in |) has one queue for each key
--   fair:<queue>|<class>            its keys that have something waiting, in the order they are served
--   served:<queue>|<class>          where keys stand in that order that had something waiting until lately
--   open:<queue>                    lines that have something waiting, by the rank of their first (or a lower one)
--   routes:<queue>                  what each line requires
--   waiting:<queue>                 all that wait in these lines, by rank

local known, known_count = {}, 0

-- "+cuda>=12 ~ssd #tenant:acme", ready to be asked. Kept in memory: a lane has few different ones.
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
  known[text], known_count = found, known_count + 1
  return found
end

-- What an execution requires: in the core when it is short, else in a satellite and its class in the core.
function ff.requirements_of(at, ulid, core)
  if core.required then return core.required end -- A submit: its satellite is only planned.
  local text = core.rq or ""
  if string.sub(text, 1, 1) == "@" then
    text = redis.call("GET", ff.key(at, ulid, "n"))
    if not text then ff.corrupt(ff.key(at, ulid, "n")) end
  end
  return ff.requirements(text)
end

-- Index in which an execution waits when it is ready.
function ff.line_index(core)
  if not core.rq and not core.fk then return ff.queue_index(core.q) end
  local class = core.rq or ""
  class = string.sub(class, 1, 1) == "@" and string.sub(class, 2) or ff.requirements(class).class
  return ":q:" .. core.q .. "|" .. class .. (core.fk and "|" .. core.fk or "")
end

-- A fairness key gets a start tag when something begins to wait for it: where its last service ended, but not before
-- what is served now. Each service moves it on by a second / weight, and who has the lowest tag is next (start-time
-- fair queueing). A step of priority is worth lane.step of it, so the wait of lower ones is bounded as it is among plain
-- executions, but counted in services. Returns the base of the priority and the tag of an entry's score.
function ff.split_score(lane, core, score)
  local base = (9000 - tonumber(core.p or 0)) * lane.step
  return base, math.max(0, score - base)
end

-- The tag of a key that waits, whose first execution is `head`.
local function stored_tag(at, lane, line, key, head)
  local score = tonumber(redis.call("ZSCORE", at.tag .. ":fair:" .. line, key) or 0)
  local priority = redis.call("HGET", at.tag .. ":e:" .. head, "p")
  local _, tag = ff.split_score(lane, { p = tonumber(priority or 0) or 0 }, score)
  return tag
end

-- The tag that a line serves now. It is remembered and not stored: a node that does not know it takes that of the key
-- which comes next.
function ff.service(at, lane, line)
  local service = lane.services[line]
  if service and at.now - service.at < 60000 then return service.tag end
  local first, tag = redis.call("ZRANGE", at.tag .. ":fair:" .. line, 0, 0)[1], 0
  local head = first and redis.call("ZRANGE", at.tag .. ":q:" .. line .. "|" .. first, 0, 0)[1]
  if head then tag = stored_tag(at, lane, line, first, head) end
  lane.services[line] = { tag = tag, at = at.now }
  return tag
end

function ff.note_service(at, lane, line, tag)
  local service = lane.services[line]
  if not service then
    lane.services[line] = { tag = tag, at = at.now }
  else
    service.tag, service.at = math.max(service.tag, tag), at.now
  end
end

function ff.forget_service(lane, line)
  lane.services[line] = nil
end

-- Where a key begins to wait, or waits.
local function tag_of(at, lane, line, key, head)
  if head then return stored_tag(at, lane, line, key, head) end
  local ended = tonumber(redis.call("ZSCORE", at.tag .. ":served:" .. line, key) or 0)
  return math.max(ended, ff.service(at, lane, line))
end

-- The execution begins to wait for its key: nothing changes unless it is the key's first now.
local function enter_key(at, lane, core, index, line, rank)
  local keys = at.keys or {}
  at.keys = keys
  local first = keys[index]
  if not first then
    local head = redis.call("ZRANGE", at.tag .. index, 0, 0, "WITHSCORES")
    first = { ulid = head[1], rank = tonumber(head[2]) }
    keys[index] = first
  end
  if first.rank and rank >= first.rank then return end
  first.tag = first.tag or tag_of(at, lane, line, core.fk, first.ulid)
  first.rank = rank
  local base = ff.split_score(lane, core, 0)
  ff.add(at, ":fair:" .. line, core.fk, base + first.tag)
end

-- Notes what a line requires, and that it has something waiting from `rank` on. Once for all of a call.
local function open_line(at, queue, name, required, rank)
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

-- Puts a ready execution into its line, ranked by `ms` (nil: at the front of its priority).
function ff.enqueue(at, ulid, core, ms)
  local lane = ff.lane(at, core.q)
  local rank = ff.rank(lane, tonumber(core.p or 0), ms, tonumber(core.c))
  if not core.rq and not core.fk then
    ff.add(at, ff.queue_index(core.q), ulid, rank)
    return ff.offer(at, core.q, "", 1, core.w)
  end
  local required = ff.requirements_of(at, ulid, core)
  local index, line = ff.line_index(core), core.q .. "|" .. required.class
  local name = required.class .. (core.fk and "|" or "")
  if core.fk then enter_key(at, lane, core, index, line, rank) end
  ff.add(at, index, ulid, rank)
  ff.add(at, ":waiting:" .. core.q, ulid, rank)
  open_line(at, core.q, name, required, rank)
  if not lane.lines[name] then ff.forget_lane(at, core.q) end
  ff.offer(at, core.q, name, 1, core.w).required = required
end

-- Plans that a ready execution leaves its line. What becomes empty is found so by a claim.
function ff.dequeue(at, ulid, core)
  ff.lane(at, core.q)
  ff.remove(at, ff.line_index(core), ulid)
  if core.rq or core.fk then ff.remove(at, ":waiting:" .. core.q, ulid) end
end
