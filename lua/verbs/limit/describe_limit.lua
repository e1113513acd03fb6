ff.verb({
  name = "describe_limit", kind = "read",
  doc = "A quota or budget, and what of it is used and reserved. One that nobody defined limits nothing.",
  args = { { "namespace", "bytes", "tenant" }, { "kind", "bytes", "quota or budget" }, { "name", "bytes", "" } },
  ok = {
    { "defined_at", "int", "ms" }, { "holders", "int", "that have something reserved" },
    { "waiting", "int", "holders that wait for room" },
    { "rate", "int", "starts in `period_ms`, 0: none" }, { "period_ms", "int", "" }, { "burst", "int", "" },
    { "paused_ms", "int", "left, 0: not paused" },
    { "parent", "bytes", "budget, empty: none" }, { "on_breach", "bytes", "fail or suspend, empty: a quota" },
    { "period", "bytes", "when it is reset, as it was set; empty: never" },
    { "began_at", "int", "ms, of the period" }, { "resets_at", "int", "ms, 0: never, or not known" },
    { "resets_left", "int", "as in reserve" },
    { "now", "int", "ms of Valkey's clock" },
  },
  rows = {
    { "dimension", "bytes", "" }, { "soft", "int", "-1: none" }, { "hard", "int", "-1: none" },
    { "used", "int", "in this period" }, { "reserved", "int", "" },
    { "over", "int", "reported in this period beyond the hard limit" },
  },
  refusals = { "not_found" },
}, function(at, a)
  local l = ff.limit(at, ff.limit_id(a.kind, a.namespace, a.name))
  if not l.f.d then return ff.refused("not_found") end
  local function number(field) return ff.limit_number(at, l, field) end
  local reply = {
    "ok", number("d"), ff.count_holders(at, l), l.waiters,
    number("n"), number("w"), number("b"), ff.paused_ms(at, l), l.f.a or "", l.f.y or "", l.f.c or "",
    number("i"), number("z"), l.f.c and number("f") or -1, at.now,
  }
  for _, dimension in ipairs(ff.dimensions(l)) do
    local function amount(of, none) return l.f[of .. dimension] and number(of .. dimension) or none end
    for _, value in ipairs({ dimension, amount("s.", -1), amount("h.", -1), amount("u.", 0), amount("r.", 0),
                             amount("o.", 0) }) do
      reply[#reply + 1] = value
    end
  end
  return reply
end)
