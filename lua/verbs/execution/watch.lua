ff.verb({
  name = "watch", kind = "free",
  doc = "Asks that the end of an execution be published on its watch channel. Subscribe first, then call: an "
    .. "end that comes "
    .. "before the call is in the answer, a later one on the channel.",
  args = { { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" } },
  ok = { { "state", "bytes", "now" } },
  refusals = { "not_found" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  if not ff.terminal[core.s] and not core.v then
    core.v = 1
    ff.keep(at, a.id, core)
    ff.commit(at)
  end
  return { "ok", core.s }
end)
