-- Handing ready executions to a worker.

-- Policy, tags, and what a suspension hands over.
local function satellites(at, ulid, core)
  if not core.j then return "", "", "" end
  local found = redis.call("MGET", ff.key(at, ulid, "y"), ff.key(at, ulid, "t"))
  return found[1] or "", found[2] or "", core.h and ff.resumption(at, ulid, core) or ""
end

local payloads_at_once = 16

-- The payloads of up to `count` entries of `heads` from the i-th value on, by one command. It reads a key of another
-- type as absent: fetch asks once more for what is absent.
local function read_payloads(at, heads, i, count)
  local keys, base = {}, at.tag .. ":e:"
  for k = 1, math.min(count, payloads_at_once, (#heads - i + 1) / 2) do
    keys[k] = base .. heads[i + 2 * k - 2] .. ":p"
  end
  return redis.call("MGET", unpack(keys))
end

-- Reads all of a ready execution that a claim needs, and counts its attempt and its epoch on; raises when it cannot.
-- nil when it is none of this queue.
local function fetch(at, ulid, queue, payload)
  local core = ff.load(at, ulid)
  if not core or core.s ~= "ready" or core.q ~= queue then return nil end
  local attempts, epoch = tonumber(core.a or 0), tonumber(core.e or 0)
  if not attempts or not epoch or (core.t and not tonumber(core.t)) then
    ff.corrupt("core " .. at.tag .. ":e:" .. ulid)
  end
  core.a, core.e = attempts + 1, epoch < at.now_us and at.now_us or epoch + 1
  if not payload then payload = redis.call("GET", ff.key(at, ulid, "p")) end
  if not core.j then return core, payload, "", "", "" end
  return core, payload, satellites(at, ulid, core)
end

-- All a handler needs, in the order of the declared rows.
local function append_row(rows, ulid, core, ready_at, payload, policy, tags, resumption)
  local n = #rows
  rows[n + 1], rows[n + 2], rows[n + 3], rows[n + 4] = ulid, core.q, core.k, core.p or "0"
  rows[n + 5], rows[n + 6], rows[n + 7] = core.g or "0", core.a, core.e
  rows[n + 8], rows[n + 9], rows[n + 10] = core.c, ready_at, core.f or "0"
  rows[n + 11], rows[n + 12] = core.t or "0", core.d or "0"
  rows[n + 13], rows[n + 14] = policy, tags
  rows[n + 15], rows[n + 16], rows[n + 17] = core.ct or "", payload or "", resumption
end

-- The caller takes the execution out of its queue.
local function begin_attempt(at, ulid, core, c)
  ff.move(at, ulid, core, "active", at.now + c.lease_ms,
    { "a", core.a, "e", core.e, "l", c.lease, "w", c.worker, "b", at.now, nil, nil }, true)
  if core.o then ff.clear_fields(at, at.tag .. ":e:" .. ulid, { "o" }) end -- It was the holder's before.
  if core.t then
    local ends = at.now + tonumber(core.t)
    ff.add(at, ":timeouts", ulid, ends)
    ff.arm(at, ends)
  end
end

-- One answer carries about this much payload at the most; what is left waits for the next call.
local answer_bytes_max, claim_max = 4194304, 256

-- Plans the claim of up to `room` from one queue. Returns how many, how many entries that takes from the queue, and the
-- rank of the first one left behind.
local function take(at, queue, c, room, rows)
  local index = ff.queue_index(queue)
  local heads = redis.call("ZRANGE", at.tag .. index, 0, room, "WITHSCORES")
  local taken, gone, rank = 0, 0, nil
  local payloads, next_payload = nil, payloads_at_once + 1
  for i = 1, #heads, 2 do
    local ulid = heads[i]
    rank = tonumber(heads[i + 1])
    if taken == room or c.bytes >= answer_bytes_max then break end
    gone = gone + 1
    if next_payload > payloads_at_once then
      payloads, next_payload = read_payloads(at, heads, i, room - taken), 1
    end
    local readable, core, payload, policy, tags, resumption = pcall(fetch, at, ulid, queue, payloads[next_payload])
    next_payload = next_payload + 1
    if readable and core then
      begin_attempt(at, ulid, core, c)
      append_row(rows, ulid, core, ff.ready_at(rank), payload, policy, tags, resumption)
      c.bytes = c.bytes + (payload and #payload or 0) + #resumption
      taken = taken + 1
    elseif not readable then
      ff.set_aside(at, ":delayed", ulid, core)
    end -- Else an entry without a ready execution behind it: it goes like the others.
  end
  if gone > 0 then
    ff.check_queue(at, queue)
    ff.remove_first(at, index, gone)
  end
  if 2 * gone == #heads and gone <= room then rank = nil end -- Nothing was left out, and nothing is behind.
  return taken, gone, rank
end

-- What an earlier call with the same lease id was given, when its reply was lost: looked for among the newest leases.
local function given_before(at, c, rows)
  local held = redis.call("ZRANGE", at.tag .. ":active", "+inf", "-inf", "BYSCORE", "REV", "LIMIT", 0, 4096)
  local found = 0
  for i = 1, #held do
    local lease = redis.call("HMGET", at.tag .. ":e:" .. held[i], "l", "s")
    if lease[1] == c.lease and lease[2] == "active" then
      local core = ff.load(at, held[i])
      append_row(rows, held[i], core, 0, redis.call("GET", ff.key(at, held[i], "p")), satellites(at, held[i], core))
      found = found + 1
    end
  end
  return found
end

local engine_silent_ms, look_ms, engine_look_ms, off_duty = 30000, 1000, 60000, 20

-- When the caller should look again without being woken. While an engine runs the timers, one idle worker of a queue
-- is on duty: it looks once a minute, the others a twentieth as often, so that a large fleet is as quiet as a small
-- one. Without an engine, whoever is idle looks at the next timer, or shares a look a second with the others.
local function next_look(at, queue, worker)
  local m, idle = at.memory, redis.call("ZCARD", at.tag .. ff.idle_index(queue))
  if at.now - m.engine_seen >= engine_silent_ms then
    return math.max(5, math.min(m.next_due - at.now, look_ms * math.max(1, idle)))
  end
  local duty = m.duty[queue]
  if duty and duty.worker ~= worker and at.now < duty.ends then return engine_look_ms * off_duty end
  m.duty[queue] = { worker = worker, ends = at.now + 2 * engine_look_ms }
  return engine_look_ms
end

-- Registers the caller as idle, and says when it should look again.
local function register_idle(at, c, room)
  local look = engine_look_ms * off_duty
  for i = 1, #c.queues do
    local index = ff.idle_index(c.queues[i])
    look = math.min(look, next_look(at, c.queues[i], c.worker))
    ff.add(at, index, c.worker, room)
  end
  return look
end

-- Claims up to c.want for c.worker under c.lease from c.queues, in their order, and commits. Appends the rows and
-- returns left (how many stay ready), head (rank of the first of them, -1: none) and check_in_ms (0: do not wait,
-- there is more).
function ff.claim(at, c, rows)
  ff.run_due_first(at)
  if c.again and given_before(at, c, rows) > 0 then return 0, -1, 0 end
  local taken, left, head, want = 0, 0, -1, math.max(0, math.min(c.want, claim_max))
  c.bytes = 0
  for i = 1, #c.queues do
    local queue = c.queues[i]
    local got, gone, rank = take(at, queue, c, want - taken, rows)
    taken = taken + got
    if rank then
      left = left + redis.call("ZCARD", at.tag .. ff.queue_index(queue)) - gone
      if head < 0 or rank < head then head = rank end
    end
  end
  local check_in_ms = 0
  if taken < want and head < 0 then check_in_ms = register_idle(at, c, want - taken) end
  ff.commit(at)
  return left, head, check_in_ms
end
