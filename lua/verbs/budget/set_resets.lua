ff.verb({
  name = "set_resets", kind = "write",
  doc = "Tells a budget its next resets, before the known ones run out. One that has passed begins a period.",
  args = {
    { "namespace", "bytes", "tenant" }, { "name", "bytes", "" },
    { "period", "bytes", "that they were computed for; another one than the budget's is refused" },
    { "began_at", "int", "ms, when the period began that they follow; refused when another has begun meanwhile" },
    { "resets", "names", "ms, ascending" },
  },
  refusals = { "not_found", "other_period" },
}, function(at, a)
  local l = ff.limit(at, ff.limit_id("budget", a.namespace, a.name))
  if not l.f.d then return ff.refused("not_found") end
  if (l.f.c or "") ~= a.period or ff.limit_number(at, l, "i") ~= a.began_at then return ff.refused("other_period") end
  ff.schedule_resets(at, l, a.resets)
  ff.save_limits(at)
  ff.commit(at)
  return { "ok" }
end)
