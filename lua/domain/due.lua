-- Timers: what is due is done here, by the engine and by claims alike. Every handler checks the state again, so a timer
-- that fires late, twice, or on two servers is a no-op.

local function expire_lease(at, ulid, core)
  if core.s ~= "active" then return false end
  ff.crash_attempt(at, ulid, core)
  return true
end

local function promote(at, ulid, core, due_at)
  if core.s == "ready" then
    -- Set aside by a claim that could not read it; now it can be read.
    ff.enqueue(at, ulid, core, due_at)
    ff.remove(at, ":delayed", ulid)
    return true
  end
  if core.s ~= "delayed" then return false end
  -- A resumed execution has not failed: it stands in front, however long its resume was put off.
  ff.move(at, ulid, core, "ready", core.o ~= "suspended" and due_at or nil)
  return true
end

local function time_out(at, ulid, core)
  if core.s ~= "active" then return false end
  local text = "the attempt ran longer than its timeout of " .. (core.t or core.tl or "?") .. " ms"
  ff.fail_attempt(at, ulid, core, { class = "timeout", text = text, retry_after_ms = -1 })
  return true
end

-- A deadline, or the end of a cancel's grace.
local function end_by_deadline(at, ulid, core)
  if ff.terminal[core.s] then return false end
  local expired = core.d and core.d <= at.now
  if not expired and not core.u then
    if not core.d then return false end
    ff.add(at, ":deadlines", ulid, core.d) -- The core rules, not the index.
    ff.arm(at, core.d)
    return true
  end
  local to = expired and "expired" or "cancelled"
  if core.s == "active" then
    ff.remember(at, ulid, core, ff.attempt_entry(at, ulid, core, to))
    ff.revoke(at, ulid, core, to == "cancelled" and "cancelled" or "lost")
  end
  ff.finish(at, ulid, core, to)
  return true
end

local function purge(at, ulid, core, _, index)
  if core.s ~= index then return false end
  ff.remove(at, ":" .. index, ulid)
  ff.delete(at, ulid, core)
  return true
end

-- Which timer is due first matters: a deadline wins over a timeout, a timeout over a lease. Each name is a scanner's.
local timers = {
  { scanner = "execution_deadline", index = "deadlines", fire = end_by_deadline },
  { scanner = "attempt_timeout", index = "timeouts", fire = time_out },
  { scanner = "suspension_timeout", index = "suspended", fire = ff.time_out_suspension },
  { scanner = "waitpoint_expiry", index = "waitpoints", fire = ff.expire_waitpoints },
  { scanner = "lease_expiry", index = "active", fire = expire_lease },
  { scanner = "delayed_promoter", index = "delayed", fire = promote },
  { scanner = "retention_trimmer", index = "completed", fire = purge },
  { scanner = "retention_trimmer", index = "failed", fire = purge },
  { scanner = "retention_trimmer", index = "cancelled", fire = purge },
  { scanner = "retention_trimmer", index = "expired", fire = purge },
  { scanner = "retention_trimmer", index = "skipped", fire = purge },
}

-- Whether the timer did something; false: no record, or a state that has no such timer.
local function fire(at, timer, ulid, due_at)
  local core = ff.load(at, ulid)
  return core and timer.fire(at, ulid, core, due_at, timer.index)
end

-- A record that cannot be read is put off, and what was planned with it forgotten, so that it holds up nothing else. It
-- keeps its place in an index, and the server's log tells of it.
function ff.set_aside(at, index, ulid, why)
  local text = type(why) == "table" and why.err or tostring(why)
  redis.log(redis.LOG_WARNING, "FlowFabric set aside " .. ulid .. " in " .. at.tag .. index .. ": " .. text)
  ff.add(at, index, ulid, at.now + 60000)
end

-- Plans up to `limit` due items of one index. Returns how many, and whether all of them could be read.
local function fire_due(at, timer, limit, touched, counts)
  local index = timer.index
  local due = redis.call("ZRANGE", at.tag .. ":" .. index, "-inf", at.now, "BYSCORE", "LIMIT", 0, limit, "WITHSCORES")
  for i = 1, #due, 2 do
    local ulid = due[i]
    if not touched[ulid] then
      touched[ulid] = true
      local readable, fired = pcall(fire, at, timer, ulid, tonumber(due[i + 1]))
      if not readable then
        ff.discard(at)
        ff.set_aside(at, ":" .. index, ulid, fired)
        return #due / 2, false
      end
      if fired then
        counts[timer.scanner] = (counts[timer.scanner] or 0) + 1
      else
        ff.remove(at, ":" .. index, ulid)
      end
    end
  end
  return #due / 2, true
end

local function earliest(at)
  local first
  local function look(index)
    local head = redis.call("ZRANGE", at.tag .. ":" .. index, 0, 0, "WITHSCORES")
    local ms = tonumber(head[2])
    if ms and ms < ff.never and (not first or ms < first) then first = ms end
  end
  for i = 1, #timers do look(timers[i].index) end
  look("handoffs")
  look("limits_due")
  return first
end

-- When the next relay is due, nil: none waits.
function ff.next_relay(at)
  local first
  for _, index in ipairs({ ":awaits", ":deliveries" }) do
    local ms = tonumber(redis.call("ZRANGE", at.tag .. index, 0, 0, "WITHSCORES")[2])
    if ms and (not first or ms < first) then first = ms end
  end
  return first
end

-- Does up to `limit` due items in one commit. Returns what each scanner did, how many items that was, and when the next
-- is due (nil: nothing waits for a time).
function ff.run_due(at, limit)
  local counts, touched, done, readable = {}, {}, 0, true
  local limits = ff.due_limits(at, limit)
  for i = 1, #timers do
    if done >= limit or not readable then break end
    local items
    items, readable = fire_due(at, timers[i], limit - done, touched, counts)
    done = done + items
  end
  if not readable then counts = {} end -- Nothing was done but that; the rest is still due.
  if readable then ff.renew_handoffs(at, 8) end
  ff.commit(at)
  done = done + ff.run_due_limits(at, limits, limit - done, counts)
  local m, next_ms = at.memory, earliest(at)
  m.looked = at.now
  m.next_due = next_ms or math.huge
  return counts, done, next_ms
end

local due_work_of_a_claim, look_every_ms = 8, 1000

-- The piece of due work that every claim does first: so workers alone recover from crashes. Costs nothing until the
-- earliest timer this node knows of is due, and one look a second beside that.
function ff.run_due_first(at)
  local m = at.memory
  if at.now >= m.next_due or at.now - m.looked >= look_every_ms then ff.run_due(at, due_work_of_a_claim) end
end
