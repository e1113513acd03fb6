ff.verb({
  name = "set_quota", kind = "write",
  doc = "Defines a quota or changes it whole; it counts at once. Those who hold more than a lowered limit come down as "
    .. "their executions end.",
  args = {
    { "namespace", "bytes", "tenant" }, { "name", "bytes", "" },
    { "slots", "int", "executions that may run at once, -1: any number" },
    { "rate", "int", "starts in period_ms, 0: any number" },
    { "period_ms", "int", "1 to a day" }, { "burst", "int", "starts that can be saved up, 1 or more" },
  },
  refusals = { "bad_rate" },
}, function(at, a)
  -- Products of these must be exact.
  if a.rate > 0 and (a.period_ms < 1 or a.burst < 1 or a.rate > 1e6 or a.period_ms * a.burst > 1e12) then
    return ff.refused("bad_rate")
  end
  local l = ff.limit(at, ff.limit_id("quota", a.namespace, a.name))
  ff.set_slots(at, l, a.slots)
  local rate = a.rate > 0
  ff.put(l, "n", rate and a.rate or nil)
  ff.put(l, "w", rate and a.period_ms or nil)
  ff.put(l, "b", rate and a.burst or nil)
  -- What was taken under a slower rate is not held against a faster one.
  local saved_up = at.now_us + (rate and math.ceil(a.burst * a.period_ms * 1000 / a.rate) or 0)
  ff.put(l, "t", string.format("%d", math.min(ff.limit_number(at, l, "t"), saved_up)))
  ff.put(l, "q", "0")
  ff.put(l, "e", string.format("%d", at.now_us))
  ff.save_limits(at)
  ff.commit(at)
  return { "ok" }
end)
