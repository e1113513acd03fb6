-- Steps and waitpoints. The suspensions of an execution are numbered: its steps. A waitpoint belongs to one step and is
-- called <step>.<label>, so a signal to an earlier step can be told by its number. The step after the last suspension
-- may have waitpoints before it is suspended: signals that come early are kept and counted then.
--
-- Core field `h` is the number of the last suspension, "0" while there are only waitpoints, absent before. Of each
-- step:
--   :s<step>  the document, JSON: w waitpoints { l label, n names, m and b limits, x expiry, c signals, v and k
--             event }, n signals accepted, q condition, p progress, o on timeout, t timeout, d resume delay, y what
--             the handler kept, z suspended at, b what ended it, r when
--   :m<step>  the signals, number to record
--   :d<step>  what was answered to each, "<label>/<id>" to "<number> <answer> <name length> <name> <source>"
-- Document and signals stay until the next suspension, because they are handed over again after a crash or retry; the
-- answers of the last 8 steps stay until the execution is deleted.

local steps_kept, waitpoints_max = 8, 16
local signals_max, signal_bytes_max = 10000, 262144
local signals_default, signal_bytes_default = 1000, 65536
local kept_bytes_max, handed_over_max, handed_over_bytes = 16384, 32, 131072
local carry_again_ms = 2000
ff.register_again_ms = 43200000 -- The registration lasts twice as long: see domain/event.lua.

ff.never = 99999999999999 -- Score of what waits for no time: in the year 5138.
ff.timeout_policies = { fail = true, expire = true, resume = true, retry = true }

-- Netstrings one after the other: any bytes travel in one text. `fields` are strings.
function ff.pack_fields(fields)
  local packed = {}
  for i = 1, #fields do packed[i] = #fields[i] .. ":" .. fields[i] end
  return table.concat(packed)
end

function ff.unpack_fields(text)
  local fields, from = {}, 1
  while from <= #text do
    local colon = string.find(text, ":", from, true)
    local length = colon and tonumber(string.sub(text, from, colon - 1))
    if not length or colon + length > #text then ff.corrupt("a stored message") end
    fields[#fields + 1] = string.sub(text, colon + 1, colon + length)
    from = colon + length + 1
  end
  return fields
end

local function step_key(at, ulid, kind, step)
  return ff.key(at, ulid, kind .. string.format("%d", step))
end

-- The document of a step, or nil.
function ff.load_step(at, ulid, step)
  local key = step_key(at, ulid, "s", step)
  local text = redis.call("GET", key)
  if not text then return nil end
  local okay, doc = pcall(cjson.decode, text)
  if not okay or type(doc) ~= "table" or type(doc.w) ~= "table" or type(doc.n) ~= "number" then ff.corrupt(key) end
  return doc
end

local function save_step(at, ulid, core, step, doc)
  ff.satellite(at, ulid, core, { "SET", step_key(at, ulid, "s", step), cjson.encode(doc) })
end

-- The step that is open for signals: the suspension, else the one that may come.
function ff.open_step(core)
  local last = core.h or 0
  return core.s == "suspended" and last or last + 1
end

function ff.find_waitpoint(doc, label)
  for i = 1, #doc.w do
    if doc.w[i].l == label then return doc.w[i] end
  end
  return nil
end

-- Step and label of a name <step>.<label>; nil when it is none.
function ff.split_waitpoint(name)
  local step, label = string.match(name, "^(%d+)%.(.+)$")
  step = step and #step < 16 and tonumber(step)
  if not step or step < 1 then return nil end
  return step, label
end

-- How many signals, and how many bytes in each.
function ff.waitpoint_limits(waitpoint)
  return waitpoint.m or signals_default, waitpoint.b or signal_bytes_default
end

local function expired(waitpoint, now)
  return waitpoint.x and waitpoint.x <= now
end

-- The timer of the earliest expiry that lies ahead.
local function arm_expiry(at, ulid, doc)
  local first
  for i = 1, #doc.w do
    local x = doc.w[i].x
    if x and x > at.now and (not first or x < first) then first = x end
  end
  if not first then return ff.remove(at, ":waitpoints", ulid) end
  ff.add(at, ":waitpoints", ulid, first)
  ff.arm(at, first)
end

local function bounded(value, default, most)
  if value == 0 then return nil, true end
  if value < 0 or value > most then return nil, false end
  return value ~= default and value or nil, true
end

-- Adds the waitpoints of a call to the document of a step. One whose label is there already stays as it is. Returns the
-- word of a refusal, or nil.
function ff.add_waitpoints(at, doc, items)
  for i = 1, #items do
    local item = items[i]
    if not ff.find_waitpoint(doc, item.label) then
      local most, fits_most = bounded(item.max_signals, signals_default, signals_max)
      local bytes, fits_bytes = bounded(item.max_bytes, signal_bytes_default, signal_bytes_max)
      local named = item.label ~= "" and #item.label <= 64 and not string.find(item.label, "[%s%c/]")
        and not string.find(item.event, "/", 1, true)
      if not (named and fits_most and fits_bytes) or item.expires_in_ms < 0 or #item.names > 32 then
        return "bad_waitpoint"
      end
      if #doc.w == waitpoints_max then return "too_many_waitpoints" end
      doc.w[#doc.w + 1] = {
        l = item.label, n = #item.names > 0 and item.names or nil, m = most, b = bytes,
        x = item.expires_in_ms > 0 and at.now + item.expires_in_ms or nil, c = 0,
        v = item.event ~= "" and item.event or nil, k = item.event ~= "" and item.key or nil,
      }
    end
  end
  return nil
end

local function has_expiry(doc)
  for i = 1, #doc.w do
    if doc.w[i].x then return true end
  end
  return false
end

-- Whether a waitpoint of the step wants a named event.
function ff.wants_event(doc)
  for i = 1, #doc.w do
    if doc.w[i].v then return true end
  end
  return false
end

-- When the event waitpoints of an execution are registered, unless its caller has done it by then.
function ff.arm_await(at, ulid, in_ms)
  local ms = at.now + math.max(in_ms, carry_again_ms)
  ff.add(at, ":awaits", ulid, ms)
  ff.arm(at, ms)
end

-- The timers of an open step beside its timeout.
local function arm_step(at, ulid, doc)
  if has_expiry(doc) then arm_expiry(at, ulid, doc) end
  if ff.wants_event(doc) then ff.arm_await(at, ulid, 0) end
end

local function disarm_step(at, ulid, doc)
  if has_expiry(doc) then ff.remove(at, ":waitpoints", ulid) end
  if ff.wants_event(doc) then ff.remove(at, ":awaits", ulid) end
end

-- Stores waitpoints of the step that may come.
function ff.store_waitpoints(at, ulid, core, step, doc)
  save_step(at, ulid, core, step, doc)
  if not core.h then
    core.h = 0
    ff.keep(at, ulid, core)
  end
  arm_step(at, ulid, doc)
end

-- What a signal is told by: its first answer and its number. nil: it is new.
function ff.find_signal(at, ulid, step, doc, label, id)
  local known = redis.call("HGET", step_key(at, ulid, "d", step), label .. "/" .. id)
  if not known then return nil end
  local number, answer = string.match(known, "^(%d+) (%l+) ")
  if not number then ff.corrupt(step_key(at, ulid, "d", step)) end
  -- A call that failed half-way had noted the answer, but not counted the signal; its number may be another's by now.
  if doc and tonumber(number) > doc.n then return nil end
  local record = redis.call("HGET", step_key(at, ulid, "m", step), number)
  if record then
    local fields = ff.unpack_fields(record)
    if fields[1] ~= label or fields[2] ~= id then return nil end
  end
  return answer, tonumber(number)
end

local function names(waitpoint, name)
  if not waitpoint.n then return true end
  for i = 1, #waitpoint.n do
    if waitpoint.n[i] == name then return true end
  end
  return false
end

-- The word that refuses a signal at an open step, or nil.
function ff.waitpoint_refuses(at, waitpoint, signal)
  local most, bytes = ff.waitpoint_limits(waitpoint)
  if expired(waitpoint, at.now) then return "waitpoint_expired" end
  if not names(waitpoint, signal.name) then return "name_not_allowed" end
  if #signal.payload > bytes then return "payload_too_large" end
  if waitpoint.c >= most then return "too_many_signals" end
  return nil
end

-- Plans that a signal { label, id, name, source, content_type, payload } is kept and counted. Returns whether it ends
-- the suspension.
function ff.accept_signal(at, ulid, core, step, doc, signal)
  local waitpoint, suspended = ff.find_waitpoint(doc, signal.label), core.s == "suspended"
  doc.n, waitpoint.c = doc.n + 1, waitpoint.c + 1
  local ends = false
  if suspended and doc.q then
    ff.count_signal(ff.condition_leaves(doc.q, {}), doc.p, signal)
    ends = ff.condition_holds(doc.q, doc.p)
  end
  local records, answers = step_key(at, ulid, "m", step), step_key(at, ulid, "d", step)
  redis.call("HLEN", records) -- Raises now, not half-way, if the key is no hash.
  local number = string.format("%d", doc.n)
  ff.write(at, { "HSET", records, number,
                 ff.pack_fields({ signal.label, signal.id, signal.name, signal.source, string.format("%d", at.now),
                        signal.content_type, signal.payload }) })
  ff.write(at, { "HSET", answers, signal.label .. "/" .. signal.id,
                 number .. (ends and " resumed " or " accepted ") .. #signal.name .. " " .. signal.name .. " "
                 .. signal.source })
  if not ends then save_step(at, ulid, core, step, doc) end
  return ends
end

-- Counts what came before the suspension.
local function count_early(at, ulid, step, doc)
  local leaves = ff.condition_leaves(doc.q, {})
  doc.p = ff.new_progress(leaves)
  if doc.n == 0 then return false end
  local answers = redis.call("HGETALL", step_key(at, ulid, "d", step))
  for i = 1, #answers, 2 do
    local number, length, rest = string.match(answers[i + 1], "^(%d+) %l+ (%d+) (.*)$")
    if not number then ff.corrupt(step_key(at, ulid, "d", step)) end
    if tonumber(number) <= doc.n then
      length = tonumber(length)
      ff.count_signal(leaves, doc.p, { label = string.match(answers[i], "^[^/]*"), name = string.sub(rest, 1, length),
                                       source = string.sub(rest, length + 2) })
    end
  end
  return ff.condition_holds(doc.q, doc.p)
end

-- Moves on from a step: what the handler resumes with is stored, and who it was that gave the lease up. The attempt
-- goes on: the next claim counts it again.
local function go_on(at, ulid, core, step, doc, by)
  doc.b, doc.r = by, at.now
  save_step(at, ulid, core, step, doc)
  local entry = ff.attempt_entry(at, ulid, core, "suspended")
  entry.outcome, entry.step, entry.suspended, entry.by = "suspended", step, doc.z, by
  ff.remember(at, ulid, core, entry)
  core.a = core.a - 1
  disarm_step(at, ulid, doc)
  local delay = doc.d or 0
  if delay > 0 then
    ff.move(at, ulid, core, "delayed", at.now + delay)
  else
    ff.move(at, ulid, core, "ready", nil)
  end
end

-- Ends the suspension of an execution so that its handler goes on, in front of its priority or after the resume delay.
-- `by` is signals, timeout or operator.
function ff.resume(at, ulid, core, doc, by)
  go_on(at, ulid, core, core.h, doc, by)
end

-- Suspends an execution that its holder gives up: s has condition (or nil), timeout_ms (0: none), on_timeout,
-- resume_delay_ms and kept. Signals that came early may satisfy it at once.
function ff.suspend(at, ulid, core, step, doc, s)
  doc.q, doc.o, doc.z = s.condition, s.on_timeout, at.now
  doc.t = s.timeout_ms > 0 and at.now + s.timeout_ms or nil
  doc.d = s.resume_delay_ms > 0 and s.resume_delay_ms or nil
  doc.y, doc.b = s.kept ~= "" and s.kept or nil, nil
  core.h, core.o = step, "suspended"
  if step > 1 then
    ff.unlink(at, step_key(at, ulid, "s", step - 1))
    ff.unlink(at, step_key(at, ulid, "m", step - 1))
    if step > steps_kept then ff.unlink(at, step_key(at, ulid, "d", step - steps_kept)) end
  end
  if doc.q and count_early(at, ulid, step, doc) then return go_on(at, ulid, core, step, doc, "signals") end
  save_step(at, ulid, core, step, doc)
  ff.move(at, ulid, core, "suspended", doc.t or ff.never)
  arm_step(at, ulid, doc)
end

local function fail_suspended(at, ulid, core, text)
  core.f, core.x = (core.f or 0) + 1, "timeout"
  ff.explain(at, ulid, core, text)
  ff.finish(at, ulid, core, "failed")
end

-- The attempt has failed, and the retry policy decides. The next attempt is not told of the step.
local function retry_suspended(at, ulid, core, step, doc, text)
  local entry = ff.attempt_entry(at, ulid, core, "suspended")
  entry.outcome, entry.step, entry.suspended, entry.by = "suspended", step, doc.z, "timeout"
  ff.remember(at, ulid, core, entry)
  ff.unlink(at, step_key(at, ulid, "s", step))
  ff.unlink(at, step_key(at, ulid, "m", step))
  disarm_step(at, ulid, doc)
  ff.fail_attempt(at, ulid, core, { class = "timeout", text = text, retry_after_ms = -1 })
  ff.drop_lease(at, ulid, core)
end

local function time_is_over(at, ulid, core, doc, text)
  if doc.o == "fail" then
    fail_suspended(at, ulid, core, text)
  elseif doc.o == "expire" then
    ff.finish(at, ulid, core, "expired")
  elseif doc.o == "retry" then
    retry_suspended(at, ulid, core, core.h, doc, text)
  else
    ff.resume(at, ulid, core, doc, "timeout")
  end
end

local function suspension_of(at, ulid, core)
  local doc = ff.load_step(at, ulid, ff.open_step(core))
  if not doc then ff.corrupt("no step of " .. at.tag .. ":e:" .. ulid) end
  return doc
end

-- The timer of `suspended`.
function ff.time_out_suspension(at, ulid, core)
  if core.s ~= "suspended" then return false end
  local doc = suspension_of(at, ulid, core)
  if doc.b then
    ff.resume(at, ulid, core, doc, doc.b) -- A call that failed half-way had ended it.
  elseif doc.t and doc.t <= at.now then
    time_is_over(at, ulid, core, doc, "the suspension waited longer than its timeout")
  else
    ff.add(at, ":suspended", ulid, doc.t or ff.never) -- The document rules, not the index.
    if doc.t then ff.arm(at, doc.t) end
  end
  return true
end

-- The timer of `waitpoints`. Expired ones refuse by themselves; a suspension that nothing can reach any more is over.
function ff.expire_waitpoints(at, ulid, core)
  if ff.terminal[core.s] or not core.h then return false end
  local doc = ff.load_step(at, ulid, ff.open_step(core))
  if not doc or not has_expiry(doc) then return false end
  local open = 0
  for i = 1, #doc.w do
    if not expired(doc.w[i], at.now) then open = open + 1 end
  end
  if open == 0 and core.s == "suspended" and not doc.b then
    ff.remove(at, ":waitpoints", ulid)
    time_is_over(at, ulid, core, doc, "every waitpoint has expired")
  else
    arm_expiry(at, ulid, doc)
  end
  return true
end

-- Signals of a step from number `from` on, those that the leaves take (all without), as stored. Bounded in number and
-- bytes. Returns the records and the number behind the last one looked at.
function ff.signals_of(at, ulid, step, doc, from, limit, leaves)
  local records, bytes = {}, 0
  local key = step_key(at, ulid, "m", step)
  local number = from
  while number <= doc.n and #records < limit and bytes < handed_over_bytes do
    local record = redis.call("HGET", key, string.format("%d", number))
    if not record then ff.corrupt(key) end
    local taken = true
    if leaves then
      local fields = ff.unpack_fields(record)
      taken = ff.condition_takes(leaves, { label = fields[1], name = fields[3], source = fields[4] })
    end
    if taken then
      records[#records + 1] = record
      bytes = bytes + #record
    end
    number = number + 1
  end
  return records, number
end

-- What a claim hands over of the step that its execution goes on from, "" when there is none: netstrings of step, by,
-- suspended at, resumed at, what the handler kept, the number of the signal to go on from (0: these are all), and then
-- of each signal label, id, name, source, accepted at, content type and payload.
function ff.resumption(at, ulid, core)
  local step = core.h
  local doc = step > 0 and ff.load_step(at, ulid, step)
  if not doc or not doc.b then return "" end
  local records, next_number = {}, 0
  if doc.q then
    records, next_number = ff.signals_of(at, ulid, step, doc, 1, handed_over_max, ff.condition_leaves(doc.q, {}))
    if next_number > doc.n then next_number = 0 end
  end
  local function text(number) return string.format("%d", number) end
  return ff.pack_fields({ text(step), doc.b, text(doc.z), text(doc.r), doc.y or "", text(next_number) })
    .. table.concat(records)
end

-- Plans the deletion of every step.
function ff.delete_steps(at, ulid, core)
  local last = core.h or 0
  for step = math.max(1, last - steps_kept), last + 1 do
    for _, kind in ipairs({ "d", "s", "m" }) do ff.unlink(at, step_key(at, ulid, kind, step)) end
  end
end

-- A new generation begins: nothing of the old one is handed over, and its waitpoints are closed.
function ff.close_steps(at, ulid, core)
  local last = core.h or 0
  for step = math.max(1, last), last + 1 do
    ff.unlink(at, step_key(at, ulid, "s", step))
    ff.unlink(at, step_key(at, ulid, "m", step))
  end
  if last + 1 > steps_kept then ff.unlink(at, step_key(at, ulid, "d", last + 1 - steps_kept)) end
  core.h = last + 1
end

function ff.kept_fits(kept)
  return #kept <= kept_bytes_max
end
