ff.verb({
  name = "purge", kind = "free",
  doc = "Deletes a finished execution and all that belongs to it, before its retention is over.",
  args = { { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" } },
  refusals = { "not_found", "not_finished" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  if not ff.terminal[core.s] then return ff.refused("not_finished") end
  ff.remove(at, ":" .. core.s, a.id)
  ff.delete(at, a.id, core)
  ff.commit(at)
  return { "ok" }
end)
