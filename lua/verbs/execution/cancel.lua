local ask_to_end

ff.verb({
  name = "cancel", kind = "free",
  doc = "Ends an execution as cancelled, at once: the lease is revoked and the worker told. With grace_ms a "
    .. "running one is "
    .. "asked to end by itself first, and may still complete; it is cancelled when the grace is over.",
  args = {
    { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" },
    { "grace_ms", "int", "0: at once" }, { "reason", "bytes", "for people" },
  },
  ok = {
    { "state", "bytes", "cancelled (also when it was cancelled before), or active while the grace runs" },
    { "grace_until", "int", "ms, 0: over" },
  },
  refusals = { "not_found", "already_finished" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  if core.s == "cancelled" then return { "ok", "cancelled", 0 } end
  if ff.terminal[core.s] then return ff.refused("already_finished") end
  if core.s == "active" and a.grace_ms > 0 then return ask_to_end(at, a, core) end

  ff.explain(at, a.id, core, a.reason)
  if core.s == "active" then
    ff.remember(at, a.id, core, ff.attempt_entry(at, a.id, core, "cancelled"))
    ff.revoke(at, a.id, core, "cancelled")
  end
  ff.finish(at, a.id, core, "cancelled")
  ff.commit(at)
  return { "ok", "cancelled", 0 }
end)

-- The first request sets the end of the grace; a later one can only bring it nearer.
ask_to_end = function(at, a, core)
  local until_ms = at.now + a.grace_ms
  local worker, epoch = ff.holder_of(at, a.id, core)
  local armed = redis.call("ZSCORE", at.tag .. ":deadlines", a.id)
  if armed then until_ms = math.min(until_ms, tonumber(armed)) end
  if not core.u then
    core.u = at.now
    ff.keep(at, a.id, core)
    ff.remember(at, a.id, core, { event = "cancel_requested", reason = a.reason, grace_until = until_ms })
    ff.explain(at, a.id, core, a.reason)
  end
  ff.add(at, ":deadlines", a.id, until_ms)
  ff.arm(at, until_ms)
  ff.tell(at, ":w:" .. worker, "cancelling " .. a.id .. " " .. epoch .. " " .. string.format("%d", until_ms - at.now))
  ff.commit(at)
  return { "ok", "active", until_ms }
end
