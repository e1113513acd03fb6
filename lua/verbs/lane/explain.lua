-- Why a ready execution does not run.
local function ready_reason(at, core, lane, required)
  if lane.paused then return "lane_paused" end
  local plain = not core.rq and not core.fk
  if not ff.is_served(at, core.q, lane, not plain and required or nil) then return "no_worker" end
  return required.limited and "limited" or "its_turn"
end

-- How many are about to be served before it, all lines of the lane together: as far as one look can tell.
local function position_of(at, ulid, core, lane)
  local index = ff.line_index(core)
  if lane.line_count == 0 then return redis.call("ZRANK", at.tag .. index, ulid) or -1 end
  local rank = ff.stored_rank(at, ulid, core)
  if not rank then return -1 end
  local before = string.format("(%d", rank)
  local ahead = redis.call("ZCOUNT", at.tag .. ff.queue_index(core.q), "-inf", before)
  if core.fk then return ahead + (redis.call("ZRANK", at.tag .. index, ulid) or 0) end
  ahead = ahead + redis.call("ZCOUNT", at.tag .. ff.common_index(core.q), "-inf", before)
  return ahead + redis.call("ZCOUNT", at.tag .. ":waiting:" .. core.q, "-inf", before)
end

local reasons = { delayed = "delayed", active = "running", suspended = "suspended", blocked = "blocked" }

ff.verb({
  name = "explain", kind = "read",
  doc = "What an execution waits for.",
  args = { { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" } },
  ok = {
    { "state", "bytes", "" }, { "queue", "bytes", "namespace/lane" },
    { "reason", "bytes", "delayed, blocked, suspended, running, ended; of a ready one lane_paused, no_worker, limited "
      .. "(a quota or budget decides) or its_turn" },
    { "until", "int", "ms: starts at, or the lease ends; 0: no time is known here (Client::explain adds when a spent "
      .. "budget resets)" },
    { "position", "int", "about how many are served before it, -1: it is not ready" },
    { "started", "int", "executions of the lane started here per 1000 s lately, -1: unknown" },
    { "requirements", "bytes", "empty: none" }, { "fairness_key", "bytes", "empty: none" },
    { "lane_state", "bytes", "running, paused or draining" },
    { "now", "int", "ms of Valkey's clock" },
    { "concurrency", "int", "the lane's cap, which may be what a ready one waits for; -1: none" },
    { "lane_by", "bytes", "who brought the lane into its state" }, { "lane_why", "bytes", "and why" },
    { "lane_since", "int", "ms, 0: it has been running ever since" },
  },
  refusals = { "not_found" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  local lane, required = ff.lane(at, core.q), ff.requirements_of(at, a.id, core)
  local reason, until_ms, position = reasons[core.s] or "ended", 0, -1
  if core.s == "ready" then
    reason, position = ready_reason(at, core, lane, required), position_of(at, a.id, core, lane)
  elseif core.s == "delayed" or core.s == "active" then
    until_ms = tonumber(redis.call("ZSCORE", at.tag .. ":" .. core.s, a.id) or 0)
  end
  return { "ok", core.s, core.q, reason, until_ms, position, ff.start_rate(at, lane), required.text, core.fk or "",
           lane.state, at.now, lane.policy.concurrency or -1, lane.by, lane.why, lane.since }
end)
