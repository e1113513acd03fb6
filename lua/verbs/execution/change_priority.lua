ff.verb({
  name = "change_priority", kind = "free",
  doc = "Changes the priority. A ready execution moves in its queue and keeps its time; others take it along.",
  args = { { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" }, { "priority", "int", "0 to 9000" } },
  refusals = { "not_found", "already_finished" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  if ff.terminal[core.s] then return ff.refused("already_finished") end
  if core.s == "ready" then
    local queue = ff.queue_index(core.q)
    local rank = redis.call("ZSCORE", at.tag .. queue, a.id)
    local ready_at = rank and ff.ready_at(tonumber(rank)) or at.now
    ff.add(at, queue, a.id, ff.rank(a.priority, ready_at > 0 and ready_at or nil))
  end
  ff.set_fields(at, at.tag .. ":e:" .. a.id, { "p", a.priority })
  ff.commit(at)
  return { "ok" }
end)
