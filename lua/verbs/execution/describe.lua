-- The time that the state's index holds: start, lease end, purge; for ready the time it ranks by.
local function timer_of(at, ulid, core)
  if core.s == "ready" then
    local rank = ff.stored_rank(at, ulid, core)
    return rank and ff.ready_at(ff.lane(at, core.q), core.p or 0, rank) or 0
  end
  local ms = tonumber(redis.call("ZSCORE", at.tag .. ":" .. core.s, ulid) or 0)
  return ms < ff.never and ms or 0
end

ff.verb({
  name = "describe", kind = "read",
  doc = "Everything about an execution but its payload and result. The rows are its history, oldest first: "
    .. "what happened "
    .. "before the current or last attempt.",
  args = { { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" } },
  ok = {
    { "state", "bytes", "" }, { "queue", "bytes", "namespace/lane" }, { "kind", "bytes", "" },
    { "priority", "int", "" },
    { "generation", "int", "replays so far" }, { "attempt", "int", "attempts begun in this generation" },
    { "failures", "int", "counted against the retry policy" }, { "crashes", "int", "counted against the crash cap" },
    { "epoch", "int", "of the last claim, 0: never claimed" }, { "worker", "bytes", "of the last claim" },
    { "created_at", "int", "ms" }, { "began_at", "int", "ms, of the last attempt, 0: none" },
    { "ended_at", "int", "ms, 0: not finished" },
    { "timer_at", "int", "ms: ready since (0: in front), starts at, lease ends, suspension times out "
      .. "(0: never), purged at, by state" },
    { "position", "int", "how many are ahead in its line when ready, else -1" },
    { "deadline_at", "int", "ms, 0: none" }, { "cancel_requested_at", "int", "ms, 0: no" },
    { "attempt_timeout_ms", "int", "0: none" }, { "mode", "bytes", "record or lean" },
    { "class", "bytes", "failure class, empty: never failed" }, { "text", "bytes", "error text or reason of a cancel" },
    { "content_type", "bytes", "of the payload" }, { "result_content_type", "bytes", "" },
    { "policy", "bytes", "retry and crash policy as canonical JSON, empty: defaults" },
    { "tags", "bytes", "JSON object, empty: none" },
    { "percent", "int", "progress, -1: unknown" }, { "message", "bytes", "progress" },
    { "progress_at", "int", "ms, 0: never" },
    { "now", "int", "ms of Valkey's clock" },
    { "requirements", "bytes", "as submitted, empty: none" }, { "fairness_key", "bytes", "empty: none" },
    { "fairness_weight", "int", "" },
  },
  rows = { { "entry", "bytes", "JSON object" } },
  refusals = { "not_found" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  local position, text, policy, tags, progress, history = -1, "", "", "", {}, {}
  if core.s == "ready" then position = ff.place_in_line(at, a.id, core) or -1 end
  if core.j then
    local found = redis.call("MGET", ff.key(at, a.id, "x"), ff.key(at, a.id, "y"), ff.key(at, a.id, "t"))
    text, policy, tags = found[1] or "", found[2] or "", found[3] or ""
    progress = redis.call("HMGET", ff.key(at, a.id, "o"), "percent", "message", "at")
    history = redis.call("LRANGE", ff.key(at, a.id, "h"), 0, -1)
  end
  local _, epoch, began, worker = ff.last_lease(at, a.id, core)
  local reply = {
    "ok", core.s, core.q, core.k, core.p or 0, core.g or 0, core.a or 0, core.f or 0, core.n or 0,
    epoch or "0", worker or "", core.c, began or 0, core.z or 0, timer_of(at, a.id, core), position,
    core.d or 0, core.u or 0, core.t or 0, core.m or "record", core.x or "", text, core.ct or "", core.rt or "",
    policy, tags, progress[1] or "-1", progress[2] or "", progress[3] or "0", at.now,
    ff.requirements_of(at, a.id, core).text, core.fk or "", core.fw or 1,
  }
  for i = 1, #history do reply[#reply + 1] = history[i] end
  return reply
end)
