local release_one

ff.verb({
  name = "release", kind = "free",
  doc = "Gives leases back. Unstarted executions return to the front of their priority and spend no attempt; "
    .. "started ones "
    .. "queue again after delay_ms, and no failure is counted.",
  args = {
    { "started", "bool", "1: a handler had begun" },
    { "delay_ms", "int", "before started ones are ready again" },
    { "reason", "bytes", "for the history" },
    { "elsewhere", "bool", "1: it was claimed by another process, which is told that the lease is over" },
  },
  items = { { "id", "ulid", "the execution" }, { "lease", "ulid", "as claimed" }, { "epoch", "bytes", "as claimed" } },
  ok = { { "outcomes", "words", "for each item released, cancelled (a cancel was waiting) or stale_lease" } },
  refusals = {},
}, function(at, a)
  local texts = ff.read_cores(at, a.items)
  local outcomes = ff.each_once(a.items, function(item, i) return release_one(at, a, item, texts[i]) end)
  ff.commit(at)
  return { "ok", table.concat(outcomes, ",") }
end)

local function give_back_unstarted(at, ulid, core)
  core.o, core.a = "released", core.a - 1
  ff.move(at, ulid, core, "ready", nil)
end

local function give_back_started(at, ulid, core, a)
  local entry = ff.attempt_entry(at, ulid, core, "released")
  entry.outcome, entry.reason = "released", a.reason
  core.o = "released"
  ff.remember(at, ulid, core, entry)
  ff.move(at, ulid, core, a.delay_ms > 0 and "delayed" or "ready", at.now + a.delay_ms)
end

release_one = function(at, a, item, text)
  local core = ff.load(at, item.id, text)
  local standing, outcome = ff.fence(at, item.id, core, item.lease, item.epoch)
  if standing == "repeated" and (outcome == "released" or outcome == "cancelled") then return outcome end
  if standing ~= "held" then return "stale_lease" end
  if a.elsewhere then ff.tell_worker(at, item.id, core, "over") end
  if core.u then
    core.o = "cancelled"
    ff.finish(at, item.id, core, "cancelled")
    return "cancelled"
  end
  if a.started then give_back_started(at, item.id, core, a) else give_back_unstarted(at, item.id, core) end
  return "released"
end
