ff.verb({
  name = "pause_quota", kind = "write",
  doc = "Lets nothing start under a quota for a while, as a server's 429 asks for. What runs goes on. Another pause "
    .. "only puts the end off; pause_ms 0 ends it.",
  args = {
    { "namespace", "bytes", "tenant" }, { "name", "bytes", "" }, { "pause_ms", "int", "from now, 0: no pause" },
  },
  ok = { { "paused_until", "int", "ms, 0: not paused" } },
  refusals = { "not_found" },
}, function(at, a)
  local l = ff.limit(at, ff.limit_id("quota", a.namespace, a.name))
  if not l.f.d then return ff.refused("not_found") end
  local ends = 0
  if a.pause_ms > 0 then ends = math.max(at.now + a.pause_ms, ff.limit_number(at, l, "p")) end
  ff.put(l, "p", ends > 0 and ends or nil)
  ff.tell_holders(at, l)
  l.freed = true
  ff.save_limits(at)
  ff.commit(at)
  return { "ok", ends }
end)
