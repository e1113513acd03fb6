ff.verb({
  name = "change_priority", kind = "free",
  doc = "Changes the priority. A ready execution moves in its queue and keeps its time; others take it along.",
  args = { { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" }, { "priority", "int", "0 to 9000" } },
  refusals = { "not_found", "already_finished" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  if ff.terminal[core.s] then return ff.refused("already_finished") end
  if core.s == "ready" and a.priority ~= (core.p or 0) then -- Else it would lose its turn among its fairness key's.
    local rank = ff.stored_rank(at, a.id, core)
    local lane, before = ff.lane(at, core.q), core.p or 0
    local ready_at = rank and ff.ready_at(lane, before, rank) or at.now
    core.p = a.priority
    ff.place(at, a.id, core, ready_at > 0 and ready_at or nil)
  end
  core.p = a.priority
  ff.keep(at, a.id, core)
  ff.commit(at)
  return { "ok" }
end)
