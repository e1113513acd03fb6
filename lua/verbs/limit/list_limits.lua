ff.verb({
  name = "list_limits", kind = "read",
  doc = "Names of a namespace's quotas or budgets in the partition, in their order.",
  args = {
    { "namespace", "bytes", "tenant" }, { "kind", "bytes", "quota or budget" },
    { "after", "bytes", "a name: those behind it; empty: from the start" },
    { "limit", "int", "rows at the most, 1 to 1000" },
  },
  rows = { { "name", "bytes", "" } },
  refusals = {},
}, function(at, a)
  local prefix = ff.limit_id(a.kind, a.namespace, "")
  local from = (a.after == "" and "[" or "(") .. prefix .. a.after
  local found = redis.call("ZRANGE", at.tag .. ":limits", from, "(" .. prefix .. "\255", "BYLEX", "LIMIT", 0,
    math.max(1, math.min(a.limit, 1000)))
  local reply = { "ok" }
  for i = 1, #found do reply[i + 1] = string.sub(found[i], #prefix + 1) end
  return reply
end)
