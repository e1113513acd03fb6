local on_breach = { fail = true, suspend = true }

ff.verb({
  name = "set_budget", kind = "write",
  doc = "Defines a budget or changes it whole; it counts at once. What was used in this period stays used.",
  args = {
    { "namespace", "bytes", "tenant" }, { "name", "bytes", "" },
    { "parent", "bytes", "budget that every reservation and use counts against as well, empty: none" },
    { "on_breach", "bytes", "what becomes of a running execution that meets the hard limit: fail, suspend (until the "
      .. "reset)" },
    { "period", "bytes", "when it is reset, for people and programs; empty: never" },
    { "resets", "names", "the next resets, ms, ascending" },
  },
  items = { { "dimension", "bytes", "" }, { "soft", "int", "-1: none" }, { "hard", "int", "-1: none" } },
  refusals = { "bad_dimension", "bad_policy" },
}, function(at, a)
  local limits = {}
  for i = 1, #a.items do
    local dimension = a.items[i].dimension
    if not string.find(dimension, "^%l[%l%d_]*$") or limits[dimension] then return ff.refused("bad_dimension") end
    limits[dimension] = a.items[i]
  end
  if not on_breach[a.on_breach] then return ff.refused("bad_policy") end

  local l = ff.limit(at, ff.limit_id("budget", a.namespace, a.name))
  if not l.f.d then ff.put(l, "i", at.now) end
  ff.list_limit(at, l)
  ff.put(l, "a", a.parent ~= "" and a.parent or nil)
  ff.put(l, "y", a.on_breach)
  ff.put(l, "c", a.period ~= "" and a.period or nil)
  for _, dimension in ipairs(ff.dimensions(l)) do
    if not limits[dimension] then
      for _, field in ipairs({ "s.", "h.", "u.", "o." }) do ff.put(l, field .. dimension, nil) end
    end
  end
  for dimension, item in pairs(limits) do
    ff.put(l, "s." .. dimension, item.soft >= 0 and item.soft or nil)
    ff.put(l, "h." .. dimension, item.hard >= 0 and item.hard or nil)
    if not l.f["u." .. dimension] then ff.put(l, "u." .. dimension, 0) end
  end
  ff.schedule_resets(at, l, a.resets)
  ff.tell_holders(at, l)
  l.freed = true
  ff.save_limits(at)
  ff.commit(at)
  return { "ok" }
end)
