-- How attempts and executions end: one routine for each way, shared by verbs and timers.

-- Ends an execution in the terminal state `to`.
function ff.finish(at, ulid, core, to)
  if core.m == "lean" then return ff.move(at, ulid, core, to, 0) end -- It goes at once.
  core.z = at.now
  local retention = core.r or ff.policy_at_end(at, core.q).retention_ms or ff.default_retention_ms
  ff.move(at, ulid, core, to, at.now + retention)
end

-- Takes the lease away: nothing its holder sends counts from now on. The holder is told, so that it stops early.
function ff.revoke(at, ulid, core, why)
  ff.tell_worker(at, ulid, core, why)
  ff.drop_lease(at, ulid, core)
end

-- Writes down the text of a failure or of a cancel.
function ff.explain(at, ulid, core, text)
  if text ~= "" and core.m ~= "lean" then
    ff.satellite(at, ulid, core, { "SET", ff.key(at, ulid, "x"), text })
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
-- by_holder: the worker itself reported it and gets a receipt; else one that still runs loses its lease }. Returns the
-- new state and when the next attempt may begin.
function ff.fail_attempt(at, ulid, core, failure)
  local failures = (core.f or 0) + 1
  local to, ms = after_failure(at, ulid, core, failure, failures)
  local entry = ff.attempt_entry(at, ulid, core, "failed")
  entry.class, entry.error = failure.class, ff.shorten(failure.text, 512)
  core.f, core.x = failures, failure.class
  if failure.by_holder then
    entry.outcome = ff.terminal[to] and to or "retried"
    core.o = entry.outcome
  elseif core.s == "active" then
    ff.revoke(at, ulid, core, "lost")
  end
  ff.remember(at, ulid, core, entry)
  ff.explain(at, ulid, core, failure.text)
  if ff.terminal[to] then ff.finish(at, ulid, core, to) else ff.move(at, ulid, core, to, ms) end
  return to, ms
end

-- A lease ran out: its worker crashed or stalled. Queued again by itself, with backoff, up to the crash cap.
function ff.crash_attempt(at, ulid, core)
  local crashes = (core.n or 0) + 1
  local crash = ff.policy(at, ulid, core).crash
  ff.remember(at, ulid, core, ff.attempt_entry(at, ulid, core, "lease_expired"))
  ff.revoke(at, ulid, core, "lost")
  core.n, core.x = crashes, "crash"

  if core.u then
    ff.finish(at, ulid, core, "cancelled")
  elseif crashes > crash.max then
    ff.explain(at, ulid, core, "the lease expired " .. crashes .. " times, the cap is " .. crash.max)
    ff.finish(at, ulid, core, "failed")
  else
    local delay = ff.crash_delay(crash, crashes)
    ff.move(at, ulid, core, delay > 0 and "delayed" or "ready", at.now + delay)
  end
end
