-- Queues, the one owner of the keys of ready executions, of idle workers and of handoffs. A queue is
-- <namespace>/<lane>.

function ff.queue_index(queue)
  return ":q:" .. queue
end

function ff.idle_index(queue)
  return ":idle:" .. queue
end

local check_every_ms, queues_remembered = 1000, 4096

-- A queue is about to be written: refuses one that is no sorted set, as check_types does.
function ff.check_queue(at, queue)
  local m = at.memory
  local checked = m.queues[queue]
  if checked and at.clock_ms - checked < check_every_ms and at.clock_ms >= checked then return end
  redis.call("ZCARD", at.tag .. ff.queue_index(queue))
  if not checked then
    if m.queue_count == queues_remembered then m.queues, m.lanes, m.duty, m.queue_count = {}, {}, {}, 0 end
    m.queue_count = m.queue_count + 1
  end
  m.queues[queue] = at.clock_ms
end

local priority_max, rank_span, rank_epoch_ms = 9000, 549755813888, 1735689600000 -- 2^39 ms, from 2025-01-01

-- Rank of a ready execution: higher priority first, then by time; without a time, in front of its priority.
function ff.rank(priority, ms)
  local within = 0
  if ms then
    within = ms - rank_epoch_ms
    if within < 1 then within = 1 elseif within >= rank_span then within = rank_span - 1 end
  end
  return (priority_max - priority) * rank_span + within
end

-- When it became ready, as far as its rank tells; 0 for one in front of its priority.
function ff.ready_at(rank)
  local within = rank % rank_span
  if within == 0 then return 0 end
  return within + rank_epoch_ms
end

-- Plans that idle workers are woken for `count` executions more.
function ff.offer(at, queue, count)
  local ready = at.ready
  if not ready then
    ready = { order = {} }
    at.ready = ready
  end
  if not ready[queue] then
    ready.order[#ready.order + 1] = queue
    ready[queue] = 0
  end
  ready[queue] = ready[queue] + count
end

-- Puts a ready execution into its queue, ranked by `ms` (nil: at the front).
function ff.enqueue(at, ulid, core, ms)
  ff.check_queue(at, core.q)
  ff.add(at, ff.queue_index(core.q), ulid, ff.rank(tonumber(core.p or 0), ms))
  ff.offer(at, core.q, 1)
end

-- Plans that an execution leaves its queue.
function ff.dequeue(at, ulid, core)
  ff.check_queue(at, core.q)
  ff.remove(at, ff.queue_index(core.q), ulid)
end

-- Notes that the partition has this lane, at most once in ten seconds for each queue.
function ff.note_lane(at, queue)
  local m = at.memory
  ff.check_queue(at, queue)
  if m.lanes[queue] and at.clock_ms - m.lanes[queue] < 10000 and at.clock_ms >= m.lanes[queue] then return end
  local lanes = at.lanes or {}
  at.lanes = lanes
  if lanes[queue] then return end
  lanes[queue] = true
  lanes[#lanes + 1] = queue
end

function ff.write_lanes(at)
  local lanes = at.lanes
  redis.call("SADD", at.tag .. ":lanes", unpack(lanes)) -- At most one for each item of a call.
  for i = 1, #lanes do at.memory.lanes[lanes[i]] = at.clock_ms end
end

-- Wakes idle workers for `count` executions that became ready in `queue`, the ones with most room first. A worker that
-- nobody hears is dead: its entry is dropped and the next one is tried, at most 8 times in one call.
-- Returns whether somebody was woken, and whether somebody may still be idle.
function ff.wake(at, queue, count)
  local woken = false
  for _ = 1, 8 do
    local idle = redis.pcall("ZPOPMAX", at.tag .. ff.idle_index(queue))
    if idle.err or not idle[1] then return woken, false end
    if redis.pcall("SPUBLISH", at.tag .. ":w:" .. idle[1], "ready " .. queue) ~= 0 then
      woken = true
      count = count - tonumber(idle[2])
      if count <= 0 then return true, true end
    end
  end
  return woken, true
end

local handoff_ms = 1000

-- A woken worker may die before it claims, or never have got the message: the handoff looks again in a second. Where
-- nobody is idle there is none: whoever gets free claims by itself.
function ff.wake_workers(at)
  local ready = at.ready
  for i = 1, #ready.order do
    local queue = ready.order[i]
    local woken, more = ff.wake(at, queue, ready[queue])
    if woken or more or (ready.handed_off and ready.handed_off[queue]) then
      redis.pcall("ZADD", at.tag .. ":handoffs", at.now + handoff_ms, queue)
      ff.arm(at, at.now + handoff_ms)
    end
  end
end

-- Queues whose woken worker has not come: another one is woken while work still waits. The handoff stays until the
-- queue is empty, whether or not anybody is idle now: the one that was woken may be back by then.
function ff.renew_handoffs(at, limit)
  local queues = redis.call("ZRANGE", at.tag .. ":handoffs", "-inf", at.now, "BYSCORE", "LIMIT", 0, limit)
  for i = 1, #queues do
    ff.remove(at, ":handoffs", queues[i])
    local waiting = redis.call("ZCARD", at.tag .. ff.queue_index(queues[i]))
    if waiting > 0 then
      ff.offer(at, queues[i], waiting)
      at.ready.handed_off = at.ready.handed_off or {}
      at.ready.handed_off[queues[i]] = true
    end
  end
end
