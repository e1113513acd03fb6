ff.verb({
  name = "tail_frames", kind = "free",
  doc = "Asks that news of an execution's stream be published on its frames channel: that frames were appended, its "
    .. "end, progress, and best-effort frames. Subscribe first, then call, then read: what came before the call is "
    .. "read, what comes later is told.",
  args = { { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" } },
  ok = { { "state", "bytes", "now" } },
  refusals = { "not_found" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  if not core.i then
    core.i = 1
    ff.keep(at, a.id, core)
    ff.commit(at)
  end
  return { "ok", core.s }
end)
