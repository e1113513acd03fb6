ff.verb({
  name = "drop_limit", kind = "free",
  doc = "Forgets a quota or budget: from now on the name limits nothing. What is reserved still counts, should it be "
    .. "defined again.",
  args = { { "namespace", "bytes", "tenant" }, { "kind", "bytes", "quota or budget" }, { "name", "bytes", "" } },
  refusals = { "not_found" },
}, function(at, a)
  local l = ff.limit(at, ff.limit_id(a.kind, a.namespace, a.name))
  if not l.f.d then return ff.refused("not_found") end
  for field in pairs(l.f) do
    local first = string.sub(field, 1, 1)
    if first ~= "@" and first ~= "r" then ff.put(l, field, nil) end
  end
  ff.unlink(at, at.tag .. ":" .. l.id .. ":z")
  ff.remove(at, ":limits", l.id)
  ff.remove(at, ":limits_due", "r " .. l.id)
  ff.tell_holders(at, l)
  l.freed = true
  ff.save_limits(at)
  ff.commit(at)
  return { "ok" }
end)
