ff.verb({
  name = "report_usage", kind = "write",
  doc = "Counts what an execution, or anybody, has used. The hard limit is never exceeded by what is counted and "
    .. "reserved: what does not fit is written down beside it. The same key again counts nothing and gets the first "
    .. "verdict.",
  args = {
    { "namespace", "bytes", "tenant" }, { "name", "bytes", "" },
    { "key", "bytes", "of this report" }, { "known_ms", "int", "how long the key is remembered" },
    { "holder", "bytes", "worker instance that had reserved for it, empty: none" },
    { "used", "bytes", "<dimension>=<amount>,…" },
    { "covered", "bytes", "what of it comes out of the holder's reservation" },
  },
  ok = {
    { "verdict", "bytes", "ok, soft: a soft limit is reached, hard: something did not fit" },
    { "on_breach", "bytes", "what to do after hard: fail, suspend" },
    { "resets_in_ms", "int", "-1: never, or not known" },
    { "parent", "bytes", "budget to report to as well, empty: none" },
    { "taken", "bytes", "what came out of the holder's reservation when it was counted" },
  },
  refusals = { "not_found", "unknown_dimension" },
}, function(at, a)
  local l = ff.limit(at, ff.limit_id("budget", a.namespace, a.name))
  if not l.f.d then return ff.refused("not_found") end
  local used, covered = ff.amounts(a.used, "used"), ff.amounts(a.covered, "covered")
  for dimension in pairs(used) do
    if not l.f["u." .. dimension] then return ff.refused("unknown_dimension") end
  end
  local key = at.tag .. ":" .. l.id .. ":k:" .. a.key
  local verdict, taken = string.match(redis.call("GET", key) or "", "^(%l+) (.*)$")
  if not verdict then
    verdict, taken = ff.count_usage(at, l, a.holder, used, covered)
    -- After the count: a report that is cut short between the two counts again rather than not at all.
    ff.write_last(at, { "SET", key, verdict .. " " .. taken, "PX", math.max(1, a.known_ms) })
  end
  ff.save_limits(at)
  ff.commit(at)
  return { "ok", verdict, l.f.y or "", ff.resets_in_ms(at, l), l.f.a or "", taken }
end)
