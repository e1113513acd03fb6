ff.verb({
  name = "open", kind = "write",
  doc = "Fixes the partition count when the deployment is first used, and answers what is stored. Root tag only.",
  args = {
    { "partitions", "int", "wanted, 1 to 1024" },
    { "history", "ulid", "proposed id of this deployment's data" },
  },
  ok = {
    { "partitions", "int", "fixed when the deployment was first used" },
    { "history", "ulid", "changes when the data was wiped" },
  },
  refusals = {},
}, function(at, a)
  local stored = redis.call("HMGET", at.tag, "partitions", "history")
  if not stored[1] then
    stored = { a.partitions, a.history }
    ff.set_fields(at, at.tag, { "partitions", a.partitions, "history", a.history })
    ff.commit(at)
  end
  return { "ok", tonumber(stored[1]), stored[2] }
end)
