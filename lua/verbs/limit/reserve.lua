-- What each item of reserve and keep is answered.
ff.reservation_rows = {
  { "outcome", "bytes", "held; too_large: one `unit` is more than the whole limit; old: a later call came first" },
  { "granted", "int", "units" },
  { "starts", "int", "granted, to be used at once or given back; -1: the quota has no rate" },
  { "keep", "int", "slots the holder should come down to as its executions end, -1: no wish" },
  { "retry_in_ms", "int", "when to ask for what was not granted; 0: no need, -1: when told" },
  { "parent", "bytes", "budget that must be reserved from as well, empty: none" },
  { "resets_left", "int", "known instants behind the next reset, -1: no period" },
  { "roomy", "int", "1: what is idle may be kept for a while, the holder is told when that ends" },
}

ff.verb({
  name = "reserve", kind = "write",
  doc = "Reserves allowances of quotas and budgets of the partition for a holder, after a bounded piece of due work. A "
    .. "holder that gets less than it asked for is told `limit <id>` on its channel when there is room.",
  args = {
    { "namespace", "bytes", "tenant" }, { "holder", "bytes", "worker instance" },
    { "ttl_ms", "int", "from now, for all the holder has of these limits" },
  },
  items = {
    { "kind", "bytes", "quota or budget" }, { "name", "bytes", "" },
    { "seq", "int", "of this holder's calls for this limit; the same again gets the first answer" },
    { "hold", "bytes", "what the holder has and keeps, <dimension>=<amount>,…; a quota's dimension is slots" },
    { "spare", "int", "starts of the call before that were not used" },
    { "unit", "bytes", "amounts of one allowance" }, { "count", "int", "units wanted" },
    { "starts", "int", "starts wanted" },
  },
  rows = ff.reservation_rows,
  refusals = {},
}, function(at, a)
  ff.run_due_first(at)
  local reply = { "ok" }
  for i = 1, #a.items do ff.reserve(at, a, a.items[i], reply) end
  ff.save_limits(at)
  ff.commit(at)
  return reply
end)
