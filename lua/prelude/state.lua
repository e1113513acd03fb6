-- The state machine. `legal` is the one table of transitions (ff-core/state.hpp holds the same, a test compares them);
-- ff.move is the only writer of the state field.

-- From the first word to each of the others. "" is a submit.
ff.legal = {
  [""] = { ready = true, delayed = true, blocked = true },
  delayed = { ready = true, cancelled = true, expired = true },
  blocked = { ready = true, delayed = true, skipped = true, cancelled = true, expired = true },
  ready = { active = true, cancelled = true, expired = true },
  active = { completed = true, failed = true, cancelled = true, expired = true, suspended = true, ready = true,
             delayed = true },
  suspended = { ready = true, delayed = true, failed = true, cancelled = true, expired = true },
  completed = { ready = true },
  failed = { ready = true },
  cancelled = { ready = true },
  expired = { ready = true },
  skipped = { ready = true },
}

ff.terminal = { completed = true, failed = true, cancelled = true, expired = true, skipped = true }

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

local function leave_index(at, ulid, core)
  local from = core.s
  if from == "ready" then
    ff.check_queue(at, core.q)
    ff.remove(at, ":q:" .. core.q, ulid)
  else
    ff.remove(at, ":" .. from, ulid)
    if from == "active" and core.t then ff.remove(at, ":timeouts", ulid) end
  end
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
  ff.add(at, ":q:" .. core.q, ulid, ff.rank(tonumber(core.p or 0), ms))
  ff.offer(at, core.q, 1)
end

local function enter_index(at, ulid, core, to, ms)
  if to == "ready" then return ff.enqueue(at, ulid, core, ms) end
  ff.add(at, ":" .. to, ulid, ms)
  if ms > 0 then ff.arm(at, ms) end
end

-- Moves an execution to the state `to` with its timer at `ms` (ready: the time to rank by, nil for the front) and sets
-- `changes` ({ field, value, … }) in its core. A lean execution that ends is deleted instead of indexed.
-- core.s == nil is a submit; the caller has put all other core fields into `changes`.
function ff.move(at, ulid, core, to, ms, changes)
  local from = core.s or ""
  if not ff.legal[from][to] then ff.corrupt("no transition from " .. from .. " to " .. to .. " of " .. ulid) end
  if core.s then leave_index(at, ulid, core) end

  if ff.terminal[to] then
    if core.d or core.u then ff.remove(at, ":deadlines", ulid) end
    if core.v then ff.tell(at, ":v:" .. ulid, to) end
    if core.i then ff.tell(at, ":f:" .. ulid, "ended " .. to) end
  end
  if core.m == "lean" and ff.terminal[to] then
    ff.delete(at, ulid, core)
    core.s = to
    return
  end
  enter_index(at, ulid, core, to, ms)
  changes[#changes + 1] = "s"
  changes[#changes + 1] = to
  ff.set_fields(at, at.tag .. ":e:" .. ulid, changes)
  if core.m ~= "lean" then ff.event(at, ulid, to .. " " .. core.q) end
  core.s = to
end
