-- The state machine. `legal` is the one table of transitions (ff-core/state.hpp holds the same, a test compares them);
-- ff.move is the only writer of the state field, and ff.move_alike for what is made of another execution.

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

local function leave_index(at, ulid, core)
  local from = core.s
  if from == "ready" then
    ff.dequeue(at, ulid, core)
  else
    ff.remove(at, ":" .. from, ulid)
    if from == "active" and (core.t or core.tl) then ff.remove(at, ":timeouts", ulid) end
  end
end

-- Into the index of its new state, and told.
local function arrive(at, ulid, core, state, ms)
  if state == "ready" then
    ff.enqueue(at, ulid, core, ms)
  else
    ff.add(at, ":" .. state, ulid, ms)
    if ms > 0 and ms < ff.never then ff.arm(at, ms) end
  end
  if core.m ~= "lean" then ff.event(at, ulid, state .. " " .. core.q) end
end

-- Moves an execution to the state `to` with its timer at `ms` (ready: the time to rank by, nil for the front). A lean
-- execution that ends is deleted instead of indexed. core.s == nil is a submit. `left`: the caller plans itself that
-- the entry in the index of the old state goes.
function ff.move(at, ulid, core, to, ms, left)
  local from = core.s or ""
  if not ff.legal[from][to] then ff.corrupt("no transition from " .. from .. " to " .. to .. " of " .. ulid) end
  if core.s and not left then leave_index(at, ulid, core) end

  local ends = ff.terminal[to]
  if ends then
    if core.d or core.u then ff.remove(at, ":deadlines", ulid) end
    if core.h then
      ff.remove(at, ":waitpoints", ulid)
      ff.remove(at, ":awaits", ulid)
    end
    if core.v then ff.tell(at, ":v:" .. ulid, to) end
    if core.i then ff.tell(at, ":f:" .. ulid, "ended " .. to) end
  end
  if core.m == "lean" and ends then
    ff.delete(at, ulid, core)
    core.s = to
    return
  end
  arrive(at, ulid, core, to, ms)
  core.s = to
  ff.keep(at, ulid, core)
end

-- A new execution like `core`, which this call has made ready: `text` is what is stored of it.
function ff.move_alike(at, ulid, core, text)
  arrive(at, ulid, core, "ready", at.now)
  ff.keep_text(at, ulid, text)
end
