ff.verb({
  name = "drop_limit", kind = "free",
  doc = "Forgets a quota or budget: from now on the name limits nothing. What is reserved still counts, should it be "
    .. "defined again.",
  args = { { "namespace", "bytes", "tenant" }, { "kind", "bytes", "quota or budget" }, { "name", "bytes", "" } },
  refusals = { "not_found" },
}, function(at, a)
  local l = ff.limit(at, ff.limit_id(a.kind, a.namespace, a.name))
  if not l.f.d then return ff.refused("not_found") end
  ff.drop_limit(at, l)
  ff.save_limits(at)
  ff.commit(at)
  return { "ok" }
end)
