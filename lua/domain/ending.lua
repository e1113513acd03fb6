-- How attempts and executions end: one routine for each way, shared by verbs and timers.

local function purge_at(at, core)
  return at.now + tonumber(core.r or ff.policy_at_end(at, core.q).retention_ms or ff.default_retention_ms)
end

-- Ends an execution in the terminal state `to`. `changes` are further core fields to set.
function ff.finish(at, ulid, core, to, changes)
  local n = #changes
  changes[n + 1], changes[n + 2] = "z", at.now
  ff.move(at, ulid, core, to, purge_at(at, core), changes)
end

-- Takes the lease away: nothing its holder sends counts from now on. The holder is told, so that it stops early.
function ff.revoke(at, ulid, core, why)
  ff.tell(at, ":w:" .. core.w, why .. " " .. ulid .. " " .. core.e)
  ff.clear_fields(at, at.tag .. ":e:" .. ulid, { "l", "o" })
end

-- Writes down the text of a failure or of a cancel.
function ff.explain(at, ulid, core, changes, text)
  if text ~= "" and core.m ~= "lean" then
    ff.satellite(at, core, changes, { "SET", ff.key(at, ulid, "x"), text })
  end
end

local function after_failure(at, ulid, core, failure, failures)
  if core.u then return "cancelled", 0 end
  local retry = ff.policy(at, ulid, core).retry
  if not ff.retries(retry, failure.class, failures) then return "failed", 0 end
  local delay = failure.retry_after_ms
  if delay < 0 then delay = ff.retry_delay(retry, failures, ff.random(at, ulid)) end
  return delay > 0 and "delayed" or "ready", at.now + delay
end

-- A failed attempt: retried by the policy, or the end. failure = { class, text, retry_after_ms (-1: by the policy),
-- by_holder: the worker itself reported it and gets a receipt }. Returns the new state and when the next attempt may
-- begin.
function ff.fail_attempt(at, ulid, core, failure)
  local failures = tonumber(core.f or 0) + 1
  local to, ms = after_failure(at, ulid, core, failure, failures)
  local changes = { "f", failures, "x", failure.class }
  local entry = ff.attempt_entry(core, "failed")
  entry.class, entry.error = failure.class, ff.shorten(failure.text, 512)
  if failure.by_holder then
    entry.outcome = ff.terminal[to] and to or "retried"
    changes[5], changes[6] = "o", entry.outcome
  end
  ff.remember(at, ulid, core, changes, entry)
  ff.explain(at, ulid, core, changes, failure.text)
  if ff.terminal[to] then ff.finish(at, ulid, core, to, changes) else ff.move(at, ulid, core, to, ms, changes) end
  return to, ms
end

-- A lease ran out: its worker crashed or stalled. Queued again by itself, with backoff, up to the crash cap.
function ff.crash_attempt(at, ulid, core)
  local changes = {}
  local crashes = tonumber(core.n or 0) + 1
  local crash = ff.policy(at, ulid, core).crash
  ff.remember(at, ulid, core, changes, ff.attempt_entry(core, "lease_expired"))
  ff.revoke(at, ulid, core, "lost")
  for _, change in ipairs({ "n", crashes, "x", "crash" }) do changes[#changes + 1] = change end

  if core.u then
    ff.finish(at, ulid, core, "cancelled", changes)
  elseif crashes > crash.max then
    ff.explain(at, ulid, core, changes, "the lease expired " .. crashes .. " times, the cap is " .. crash.max)
    ff.finish(at, ulid, core, "failed", changes)
  else
    local delay = ff.crash_delay(crash, crashes)
    ff.move(at, ulid, core, delay > 0 and "delayed" or "ready", at.now + delay, changes)
  end
end
