local function append(reply, at, step, waitpoint)
  local n = #reply
  reply[n + 1], reply[n + 2] = string.format("%d", step) .. "." .. waitpoint.l, waitpoint.l
  reply[n + 3], reply[n + 4] = table.concat(waitpoint.n or {}, ","), waitpoint.c
  reply[n + 5], reply[n + 6] = ff.waitpoint_limits(waitpoint)
  reply[n + 7] = waitpoint.x or 0
  reply[n + 8] = waitpoint.x and waitpoint.x <= at.now and 1 or 0
end

ff.verb({
  name = "waitpoints", kind = "read",
  doc = "The open step of an execution: its waitpoints, what it waits for and what of that is still missing. Of one "
    .. "that is not suspended, the waitpoints of the suspension that may come; none when it has ended.",
  args = { { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" } },
  ok = {
    { "state", "bytes", "of the execution" }, { "step", "int", "the open one; 0: there was none yet" },
    { "suspended_at", "int", "ms, 0: not suspended" }, { "timeout_at", "int", "ms, 0: none" },
    { "on_timeout", "bytes", "fail, expire, resume or retry; empty: not suspended" },
    { "condition", "bytes", "JSON, empty: no signal resumes it" },
    { "missing", "bytes", "JSON: the part that does not hold, with what each leaf has; empty: none" },
    { "now", "int", "ms of Valkey's clock" },
  },
  rows = {
    { "waitpoint", "bytes", "<step>.<label>" }, { "label", "bytes", "" },
    { "names", "words", "of signals it takes; none: any" },
    { "signals", "int", "accepted so far" }, { "max_signals", "int", "" }, { "max_bytes", "int", "of a payload" },
    { "expires_at", "int", "ms, 0: never by itself" }, { "expired", "bool", "" },
  },
  refusals = { "not_found" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  if not core.h or ff.terminal[core.s] then return { "ok", core.s, core.h or 0, 0, 0, "", "", "", at.now } end
  local step = ff.open_step(core)
  local doc = ff.load_step(at, a.id, step) or { w = {}, n = 0 }
  local reply = { "ok", core.s, step, 0, 0, "", "", "", at.now }
  if core.s == "suspended" then
    reply[4], reply[5], reply[6] = doc.z or 0, doc.t or 0, doc.o or ""
    if doc.q then
      local missing = ff.condition_missing(doc.q, doc.p)
      reply[7], reply[8] = cjson.encode(doc.q), missing and cjson.encode(missing) or ""
    end
  end
  for i = 1, #doc.w do append(reply, at, step, doc.w[i]) end
  return reply
end)
