-- Handing ready executions to a worker.

-- Policy, tags, and what a suspension hands over.
local function satellites(at, ulid, core)
  if not core.j then return "", "", "" end
  local found = redis.call("MGET", ff.key(at, ulid, "y"), ff.key(at, ulid, "t"))
  return found[1] or "", found[2] or "", core.h and ff.resumption(at, ulid, core) or ""
end

local read_at_once = 64

-- The cores of up to `count` entries of `heads` from the i-th value on, by one command, as ff.read_cores.
local function read_heads(at, heads, i, count)
  local keys, base = {}, at.tag .. ":e:"
  for k = 1, math.min(count, read_at_once, (#heads - i + 1) / 2) do keys[k] = base .. heads[i + 2 * k - 2] end
  return redis.call("MGET", unpack(keys))
end

-- Whether the core has a field that most rows do without.
local function has_rare(core)
  return core.j or core.g or core.f or core.t or core.tl or core.d or core.ct
end

local numbers = { "t", "tl", "g", "f", "d" }

-- Whether these are of the types that rows have.
local function fits_row(core)
  local fits = type(core.ct or "") == "string"
  for i = 1, #numbers do fits = fits and type(core[numbers[i]] or 0) == "number" end
  return fits
end

-- Reads the rest of a ready execution that the claim needs, counts its attempt and gives it the claim's lease. Returns
-- payload, policy, tags, resumption; raises when it cannot, or when a field can't be what a row has.
function ff.prepare(at, ulid, core, c)
  local payload = core.pl or ff.payload_of(at, ulid, core)
  local attempt, rare = (core.a or 0) + 1, has_rare(core)
  -- For another type these raise, and cost less than asking for the type of what every execution has.
  if payload < "" or core.k < "" or attempt + core.c + (core.p or 0) < 0 or rare and not fits_row(core) then
    ff.corrupt("core " .. at.tag .. ":e:" .. ulid)
  end
  core.a, c.rare = attempt, rare
  ff.grant_lease(at, ulid, core, c)
  if not core.j then return payload, "", "", "" end
  return payload, satellites(at, ulid, core)
end

-- The same for one that waits in this line, behind its core; nil when it does not.
local function fetch(at, ulid, line, c, text)
  if c.taken and c.taken[ulid] then return nil end
  local core = ff.load(at, ulid, text)
  if not core or core.s ~= "ready" or core.q ~= line.queue then return nil end
  if core.rq ~= line.rq or (core.fk ~= nil) ~= (line.fair == true) then return nil end
  return core, ff.prepare(at, ulid, core, c)
end

-- Rows have nine fields, with requirements only ten, with all rare ones eighteen.
local no_columns, required_column, all_columns = 0, 16, 511
local widths = { [0] = 9, [16] = 10, [511] = 18 }
local nothing_rare = { 0, 0, 0, 0, "", "", "", "", "" }

-- Gives the rows of the call so far the fields of `columns`.
local function widen(c, rows, columns)
  local old, new = widths[c.columns], widths[columns]
  local head, place = #rows - c.rows * old, columns == required_column and 10 or 14
  for row = c.rows - 1, 0, -1 do
    local from, to = head + row * old, head + row * new
    local required = c.columns == required_column and rows[from + 10] or ""
    for k = 9, 1, -1 do rows[to + k] = rows[from + k] end
    for k = 10, new do rows[to + k] = nothing_rare[k - 9] end
    rows[to + place] = required
  end
  c.columns = columns
end

-- All a handler needs, in the order of the declared rows; the rare fields from the first row on that needs one.
local function append_row(c, rows, ulid, core, ready_at, required, payload, policy, tags, resumption)
  if c.rare and c.columns ~= all_columns then
    widen(c, rows, all_columns)
  elseif required ~= "" and c.columns == no_columns then
    widen(c, rows, required_column)
  end
  local n = #rows
  c.rows = c.rows + 1
  rows[n + 1], rows[n + 2], rows[n + 3], rows[n + 4] = ulid, core.q, core.k, core.p or 0
  rows[n + 5], rows[n + 6], rows[n + 7], rows[n + 8], rows[n + 9] = core.a, c.epoch, core.c, ready_at, payload
  if c.columns == no_columns then return end
  if c.columns == required_column then
    rows[n + 10] = required
    return
  end
  rows[n + 10], rows[n + 11], rows[n + 12], rows[n + 13] = core.g or 0, core.f or 0, core.t or core.tl or 0, core.d or 0
  rows[n + 14], rows[n + 15], rows[n + 16], rows[n + 17] = required, policy, tags, core.ct or ""
  rows[n + 18] = resumption
end

-- The attempt timeout in force: the execution's own, or the lane's of now (which the core keeps for this attempt).
local function attempt_timeout(core, lane)
  if core.t then return core.t end
  local ms = lane.policy.attempt_timeout_ms
  core.tl = ms and ms > 0 and ms or nil
  return core.tl
end

-- The caller gets the execution, which leaves its line: `required` is what there is an allowance for, the rest is what
-- ff.prepare has read.
function ff.hand_over(at, ulid, core, c, lane, rank, required, rows, payload, policy, tags, resumption)
  if core.o then core.o = nil end -- It was the holder's before.
  local timeout
  if core.t or core.tl or lane.policy.attempt_timeout_ms then
    timeout = attempt_timeout(core, lane)
    c.rare = has_rare(core) -- The lane's may have come or gone.
  end
  ff.move(at, ulid, core, "active", at.now + c.lease_ms, true)
  if timeout then
    ff.add(at, ":timeouts", ulid, at.now + timeout)
    ff.arm(at, at.now + timeout)
  end
  append_row(c, rows, ulid, core, ff.ready_at(lane, core.p or 0, rank), required, payload, policy, tags, resumption)
  c.bytes = c.bytes + #payload + #resumption
end

-- What is limited may be in two lines, after a commit that failed halfway (ff.take_common): it is given once.
function ff.note_taken(c, ulid)
  local taken = c.taken
  if not taken then
    taken = {}
    c.taken = taken
  end
  taken[ulid] = true
end

-- One answer carries about this much payload at the most; what is left waits for the next call.
ff.answer_bytes_max = 4194304
local claim_max = 256

-- Whether an entry of a line that prefers others has waited for long enough.
local function may_go(at, line, core, rank)
  line.waits = ff.ready_at(line.lane, core.p or 0, rank) + ff.patience_ms > at.now
  return not line.waits
end

-- The ranks of the entries of a line with fairness keys, whose scores are none.
local function ranks_of(at, line, heads)
  local ulids = {}
  for i = 1, #heads, 2 do ulids[(i + 1) / 2] = heads[i] end
  if #ulids == 0 then return ulids end
  return redis.call("ZMSCORE", at.tag .. line.waiting, unpack(ulids))
end

-- Plans the claim of up to `room` from a line, as far as `limit` (a rank). Returns how many; line.rank is then that of
-- the first one left behind, line.gone how many entries leave in all. line.waits: that one may not be taken yet.
function ff.take_queue(at, line, c, room, limit, rows)
  local first, taken, i, lane = line.gone, 0, 1, line.lane
  local heads = redis.call("ZRANGE", at.tag .. line.index, first, first + room, "WITHSCORES")
  local ranks = line.fair and ranks_of(at, line, heads)
  local texts, next_text, served = nil, read_at_once + 1, -1
  local rank = tonumber(ranks and ranks[1] or heads[2])
  while rank and taken < room and rank <= limit and c.bytes < ff.answer_bytes_max do
    local ulid = heads[i]
    if next_text > read_at_once then texts, next_text = read_heads(at, heads, i, room - taken), 1 end
    local readable, core, payload, policy, tags, resumption = pcall(fetch, at, ulid, line, c, texts[next_text])
    if readable and core then
      if line.patient and not may_go(at, line, core, rank) then break end
      if line.fair then served = math.max(served, ff.tag_of(lane, core.p or 0, tonumber(heads[i + 1]))) end
      ff.hand_over(at, ulid, core, c, lane, rank, line.requires or "", rows, payload, policy, tags, resumption)
      if line.limited then ff.note_taken(c, ulid) end
      taken = taken + 1
    elseif not readable then
      ff.set_aside(at, ":delayed", ulid, core)
    end -- Else an entry without a ready execution behind it: it goes like the others.
    next_text, i, line.gone = next_text + 1, i + 2, line.gone + 1
    rank = tonumber(ranks and ranks[(i + 1) / 2] or heads[i + 1])
  end
  if line.waiting and i > 1 then ff.remove_scored(at, line.waiting, heads, (i - 1) / 2) end
  if served >= 0 then ff.note_service(at, line, served) end
  -- Entries without anything behind them may have hidden others.
  if not rank and taken < room and #heads > 2 * room then rank = 0 end
  line.rank = rank
  return taken
end

-- The execution and its epoch, if it is held under the caller's lease.
local function held_by(at, ulid, c)
  local core = ff.load(at, ulid)
  if not core or core.s ~= "active" then return nil end
  local id, epoch = ff.last_lease(at, ulid, core)
  if id == c.lease then return core, epoch end
  return nil
end

-- What an earlier call with the same lease id was given, when its reply was lost: looked for among the newest leases.
local function given_before(at, c, rows)
  local held = redis.call("ZRANGE", at.tag .. ":active", "+inf", "-inf", "BYSCORE", "REV", "LIMIT", 0, 4096)
  local found = 0
  for i = 1, #held do
    local readable, core, epoch = pcall(held_by, at, held[i], c)
    if readable and core then
      c.epoch, c.rare = epoch, has_rare(core)
      local required = ff.charged(ff.lane(at, core.q), ff.requirements_of(at, held[i], core).text)
      append_row(c, rows, held[i], core, 0, required, ff.payload_of(at, held[i], core), satellites(at, held[i], core))
      found = found + 1
    end
  end
  return found
end

local engine_silent_ms, look_ms, engine_look_ms, off_duty = 30000, 1000, 60000, 20

-- When the caller should look again without being woken. While an engine runs the timers, one idle worker of an index
-- is on duty: it looks once a minute, the others a twentieth as often, so that a large fleet is as quiet as a small
-- one. Without an engine, whoever is idle looks at the next timer, or shares a look a second with the others.
local function next_look(at, index, worker)
  local m, idle = at.memory, redis.call("ZCARD", at.tag .. index)
  if at.now - m.engine_seen >= engine_silent_ms then
    return math.max(5, math.min(m.next_due - at.now, look_ms * math.max(1, idle)))
  end
  local duty = m.duty[index]
  if duty and duty.worker ~= worker and at.now < duty.ends then return engine_look_ms * off_duty end
  m.duty[index] = { worker = worker, ends = at.now + 2 * engine_look_ms }
  return engine_look_ms
end

-- Registers the caller as idle, and says when it should look again.
local function register_idle(at, c, room)
  local look = engine_look_ms * off_duty
  for i = 1, #c.queues do
    local index = ff.idle_index(c.queues[i], ff.set_of(c.capabilities).suffix)
    look = math.min(look, next_look(at, index, c.worker))
    ff.add(at, index, c.worker, room)
  end
  return look
end

local sets_kept_ms = 3600000 -- Idle workers look at least every twenty minutes.

-- Notes that a worker with these capabilities lives, at most once in ten seconds.
local function note_set(at, lane, queue, set)
  local seen = lane.seen[set.text]
  if seen and at.now - seen < 10000 then return end
  lane.seen[set.text] = at.now
  ff.add(at, ":sets:" .. queue, set.text, at.now)
  ff.write(at, { "ZREMRANGEBYSCORE", at.tag .. ":sets:" .. queue, "-inf", at.now - sets_kept_ms })
  ff.forget_lane(at, queue)
end

-- Claims up to `room` from one lane. Returns how many, how many it could still take, and the rank of the first of them.
local function take(at, queue, c, room, rows)
  local lane = ff.lane(at, queue)
  if lane.paused then return 0, 0, nil end
  local own = lane.own
  own.gone, own.rank, own.best = 0, nil, nil
  local taken, left
  if lane.line_count > 0 or c.capabilities then
    own.set = ff.set_of(c.capabilities)
    note_set(at, lane, queue, own.set)
  end
  if lane.line_count == 0 and not lane.cap then
    taken, left = ff.take_queue(at, own, c, room, math.huge, rows), 0
  else
    taken, left = ff.take_lines(at, own, c, room, rows)
  end
  if own.gone > 0 then ff.remove_first(at, own.index, own.gone) end
  if taken > 0 then ff.note_starts(at, lane, taken) end
  if own.rank then left = left + redis.call("ZCARD", at.tag .. own.index) - own.gone end
  return taken, left, own.best or own.rank
end

-- A lease that something is claimed under is a word of its core.
function ff.check_lease(id)
  if string.find(id, " ", 1, true) then ff.bad_call("lease is not a ULID") end
end

-- Claims up to c.want for c.worker under c.lease from c.queues, in their order, and commits. Appends the rows and
-- returns left (how many stay ready that it could take), head (rank of the first of them; where it could take nothing
-- more, of what it has no allowance for; -1: none), check_in_ms (0: do not wait, there is more), lacking (what it has
-- no allowance for) and columns (the rare fields of the rows).
function ff.claim(at, c, rows)
  ff.run_due_first(at)
  c.bytes, c.rows, c.columns = 0, 0, 0
  if c.again and given_before(at, c, rows) > 0 then return 0, -1, 0, "", c.columns end
  local taken, left, head, want = 0, 0, -1, math.max(0, math.min(c.want, claim_max))
  for i = 1, #c.queues do
    local got, more, rank = take(at, c.queues[i], c, want - taken, rows)
    taken, left = taken + got, left + more
    if rank and (head < 0 or rank < head) then head = rank end
  end
  local check_in_ms = 0
  if taken < want and head < 0 and not c.go_on then check_in_ms = register_idle(at, c, want - taken) end
  ff.commit(at)
  if head < 0 then head = c.lacking_head or head end
  return left, head, check_in_ms, c.lacking and table.concat(c.lacking, ",") or "", c.columns
end
